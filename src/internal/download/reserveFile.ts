/** `reserveFile`: a path for a video that has yet to be made. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import type { FileError } from "../errors/fileErrors.js"
import { exclusively } from "./pathLock.js"
import { checkFree, resolveTarget } from "./targetFile.js"

/**
 * A path that is reserved for one call.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReservedFile {
  /** Absolute. */
  readonly path: string
  /**
   * Notes in `name.part.lock` which job was submitted for the path; the first id alone. If this process is killed, the next
   * call for the path fails with an error that names the job.
   */
  readonly submitted: (videoId: string) => Effect.Effect<void>
}

/**
 * Options of `reserveFile`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReserveFileOptions {
  /** The path must then be relative and stay inside this directory, symbolic links inside it included. */
  readonly directory?: string | undefined
  /** Whether a file that exists may be replaced. Default: `false`. */
  readonly overwrite?: boolean | undefined
  /** The job whose video is saved there. Default: none, because it has yet to be submitted. */
  readonly videoId?: string | undefined
}

/**
 * Checks that a video can be saved at a path and reserves the path while `use` runs, before a job is submitted and paid for.
 *
 * - Fails before `use` runs, with the error that `downloadVideoToFile` would fail with: the path is not one for a file, the file
 *   exists, nothing can be written there, or another call or process writes there.
 * - `downloadVideoToFile` inside of `use` writes to the reserved path.
 * - Afterwards nothing is left at the path, unless `use` has put it there.
 *
 * @example
 * import { NodeContext } from "@effect/platform-node"
 * import { Effect } from "effect"
 * import { awaitVideo, createVideo, downloadVideoToFile, reserveFile } from "effect-videos"
 *
 * const program = reserveFile("clip.mp4", ({ path, submitted }) =>
 *   Effect.gen(function*() {
 *     const job = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4 })
 *     yield* submitted(job.id)
 *     return yield* downloadVideoToFile(yield* awaitVideo(job), path)
 *   })
 * ).pipe(Effect.provide(NodeContext.layer))
 *
 * @since 0.1.0
 * @category downloads
 */
export const reserveFile = <A, E, R>(
  path: string,
  use: (file: ReservedFile) => Effect.Effect<A, E, R>,
  options: ReserveFileOptions = {}
): Effect.Effect<A, E | FileError, R | FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const target = yield* resolveTarget(fs, yield* Path.Path, path, options.directory)
    yield* checkFree(fs, target, options.overwrite ?? false)
    return yield* exclusively(fs, target, options.videoId ?? null, ({ submitted }) =>
      use({ path: target.path, submitted })
    )
  })
