// Installs what package-lock.json names, if that has not been done yet. Plain JavaScript without a dependency: it runs first
// in a fresh clone.
import { spawnSync } from "node:child_process"
import { existsSync, statSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const wanted = `${root}package-lock.json`
const present = `${root}node_modules/.package-lock.json`

if (!existsSync(present) || statSync(present).mtimeMs < statSync(wanted).mtimeMs) {
  console.error("Installing what is missing (npm ci) …")
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
