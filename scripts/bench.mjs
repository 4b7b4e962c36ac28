// Runs the benches of a job's life in less than five minutes, or the named benches: `npm run bench -- transfer`. Each bench is a
// separate process. The package is built once, so the benches measure the published code. Arguments with `--` go to the
// bench: `npm run bench -- faults --verbose`.
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import "./install.mjs"

const root = fileURLToPath(new URL("..", import.meta.url))
const given = process.argv.slice(2)
const named = given.filter((word) => !word.startsWith("--"))
const options = given.filter((word) => word.startsWith("--"))

const run = (...words) => {
  const { status } = spawnSync(process.execPath, words, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, EFFECT_VIDEOS_BUILT: "1" }
  })
  if (status !== 0) process.exit(status ?? 1)
}

run("node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json")
for (const name of named.length > 0 ? named : ["imports", "size", "retrieve", "watch"]) {
  run("--import", "tsx", `bench/${name}.ts`, ...options)
}
