/** Where a run of the tests keeps what it makes once for all its files; goes away with the run. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** Below `node_modules`, where imports of packages resolve. The threads of one run share the pid. */
export const runFolder: string = join(
  fileURLToPath(new URL("../..", import.meta.url)),
  "node_modules/.cache/effect-videos-tests",
  String(process.pid)
)

/** Vitest calls this at the end of the run. */
export const teardown = (): void => rmSync(runFolder, { recursive: true, force: true })
