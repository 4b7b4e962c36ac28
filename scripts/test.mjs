// Everything that has to hold before a change lands: types with Effect's diagnostics, lint and format, the tests. The checks run
// beside the tests. With arguments (`npm test -- test/Ids.test.ts`), only the tests that these name.
import "./install.mjs"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
/** A whole run names its compiled files, `npm test -- NAME` runs the sources. */
const names = process.argv.slice(2).map((name) => name.replace(/\.test\.js$/, ".test.ts"))

/**
 * V8 options of the process of the tests: fewer collections, functions are optimised later, because most run a few times, and no
 * helper threads for collections, which would take the processors from the tests. They save a quarter of the CPU time.
 */
const v8 = ["--max-semi-space-size=64", "--min-semi-space-size=32", "--single-threaded-gc", "--interrupt-budget=500000"]

/** Runs a program of `node_modules`; its output is written at its end, so that two programs do not mix theirs. */
const run = (name, [program, ...args], stdio, options = []) =>
  new Promise((resolve) => {
    const started = performance.now()
    const child = spawn(process.execPath, [...options, `${root}node_modules/${program}`, ...args], {
      cwd: root,
      stdio: ["inherit", stdio, stdio],
      // TypeScript and esbuild are programs in Go. Without its collector they take a sixth less CPU time, and a quarter more memory.
      env: { ...process.env, GOGC: "off" }
    })
    let output = ""
    child.stdout?.on("data", (data) => {
      output += data
    })
    child.stderr?.on("data", (data) => {
      output += data
    })
    child.on("close", (code) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1)
      resolve({ name, output, passed: code === 0, seconds })
    })
  })

const report = ({ name, output, passed, seconds }) => {
  if (output !== "") console.log(`\n— ${name}\n${output.trimEnd()}`)
  console.log(passed ? `✓ ${name} (${seconds} s)` : `✗ ${name} failed (${seconds} s)`)
}

const checks = [
  ["lint and format", ["@biomejs/biome/bin/biome", "check", "--error-on-warnings"]],
  ["words", ["../scripts/words.mjs"]],
  // `tsc` is patched by install.mjs: it reports Effect's diagnostics too.
  ["types and Effect diagnostics", ["typescript/bin/tsc", "-p", "tsconfig.json", "--checkers", "1"]]
]

const which = names.length > 0 ? names : ["--config", "vitest.whole.config.ts"]
const tests = run("tests", ["vitest/vitest.mjs", "run", ...which], "inherit", v8)
const others = names.length > 0 ? [] : checks.map(([name, command]) => run(name, command, "pipe"))

const results = [await tests, ...(await Promise.all(others))]
for (const result of results) report(result)
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1
