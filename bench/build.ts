/** Builds the package where `npm run bench` has not done so: what is measured is what is published. */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("..", import.meta.url))

if (process.env["EFFECT_VIDEOS_BUILT"] === undefined) {
  const { status } = spawnSync("npm", ["run", "build", "--silent"], {
    cwd: root,
    stdio: "inherit",
    shell: process.platform === "win32"
  })
  if (status !== 0) process.exit(1)
}
