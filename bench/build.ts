/** Builds the package, once per process: what is measured is what is published. */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("..", import.meta.url))

const { status } = spawnSync("npm", ["run", "build", "--silent"], {
  cwd: root,
  stdio: "inherit",
  shell: process.platform === "win32"
})
if (status !== 0) process.exit(1)
