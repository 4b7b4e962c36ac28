/** Builds the package unless `npm run bench` has built it, so that the bench measures the published code. */
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
