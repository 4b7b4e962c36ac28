// Installs what package.json names, where that has not been done yet. Plain JavaScript without a dependency: it is what runs
// first in a fresh clone. There is no lock file, because one that is written on one platform leaves out the binaries of
// the others (https://github.com/npm/cli/issues/4828); what this repository uses directly is pinned instead.
import { spawnSync } from "node:child_process"
import { existsSync, statSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const wanted = `${root}package.json`
const present = `${root}node_modules/.package-lock.json`

if (!existsSync(present) || statSync(present).mtimeMs < statSync(wanted).mtimeMs) {
  console.error("Installing what is missing (npm install) …")
  const { error, status } = spawnSync("npm", ["install", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32"
  })
  if (error !== undefined || status !== 0) {
    console.error(`npm install failed${error === undefined ? ` with exit code ${status}` : `: ${error.message}`}`)
    process.exit(status || 1)
  }
}
