/** The folder of what a run of the tests makes once for all its files; it is removed after the run. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/**
 * Names the run. The first process sets it, and its workers have the environment of that. A run that was killed leaves its folder
 * behind, and a later process may have its number.
 */
const run = process.env["EFFECT_VIDEOS_TEST_RUN"] ?? `${process.pid}-${Date.now()}`
process.env["EFFECT_VIDEOS_TEST_RUN"] = run

/** Below `node_modules`, where imports of packages resolve. */
export const runFolder: string = join(
  fileURLToPath(new URL("../..", import.meta.url)),
  "node_modules/.cache/effect-videos-tests",
  run
)

/** Vitest calls this at the end of the run. */
export const teardown = (): void => rmSync(runFolder, { recursive: true, force: true })
