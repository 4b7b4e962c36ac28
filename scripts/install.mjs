// Installs package-lock.json if it is not installed yet, and patches `tsc` to report Effect's diagnostics. Plain JavaScript
// without dependencies, because it runs first in a fresh clone.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const modules = `${root}node_modules/`
const wanted = `${root}package-lock.json`
const present = `${modules}.package-lock.json`

if (!existsSync(present) || statSync(present).mtimeMs < statSync(wanted).mtimeMs) {
  console.error("Installing packages (npm ci) …")
  const { error, status } = spawnSync("npm", ["ci", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32"
  })
  if (error !== undefined || status !== 0) {
    console.error(`npm ci failed${error === undefined ? ` with exit code ${status}` : `: ${error.message}`}`)
    process.exit(status || 1)
  }
}

// `effect-tsgo patch` starts slowly, so a file records what is patched.
const patched = `${modules}.effect-tsc`
const version = (name) => JSON.parse(readFileSync(`${modules}${name}/package.json`, "utf8")).version
const versions = `typescript ${version("typescript")}, @effect/tsgo ${version("@effect/tsgo")}\n`

if (!existsSync(patched) || readFileSync(patched, "utf8") !== versions) {
  const { status, stdout } = spawnSync(
    process.execPath,
    [`${modules}@effect/tsgo/dist/effect-tsgo.cjs`, "patch", "--typescript"],
    { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }
  )
  if (status !== 0) {
    console.error(stdout)
    process.exit(status || 1)
  }
  writeFileSync(patched, versions)
}
