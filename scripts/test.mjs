// Everything that has to hold before a change lands: types, lint and format, Effect's own diagnostics, the tests.
import "./install.mjs"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

// The builds come first: each package is checked against the built declarations of those that it depends on.
const steps = [
  ["build the core", "typescript/bin/tsc", "-p", "tsconfig.build.json"],
  ["build the server", "typescript/bin/tsc", "-p", "packages/server/tsconfig.json"],
  ["types", "typescript/bin/tsc", "-p", "tsconfig.json"],
  ["lint and format", "@biomejs/biome/bin/biome", "check", "--error-on-warnings"],
  [
    "effect diagnostics",
    "@effect/language-service/cli.js",
    "diagnostics",
    "--project",
    "tsconfig.json",
    "--format",
    "text",
    "--strict"
  ],
  ["tests", "vitest/vitest.mjs", "run", ...process.argv.slice(2)]
]

for (const [name, program, ...args] of steps) {
  const started = performance.now()
  console.log(`\n— ${name}`)
  const { status } = spawnSync(process.execPath, [`${root}node_modules/${program}`, ...args], {
    cwd: root,
    stdio: "inherit"
  })
  if (status !== 0) {
    console.error(`✗ ${name} failed`)
    process.exit(status ?? 1)
  }
  console.log(`✓ ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
}
