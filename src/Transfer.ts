/**
 * Downloads to files, resumed after a break. They need a `FileSystem` and a `Path`; `downloadVideo` gives the bytes.
 *
 * @example
 * import { NodeContext } from "@effect/platform-node"
 * import { Console, Effect } from "effect"
 * import { downloadVideoToFile } from "effect-videos"
 *
 * const program = downloadVideoToFile("video_1", "clip.mp4").pipe(
 *   Effect.flatMap(({ bytes, path }) => Console.log(`${bytes} bytes in ${path}`)),
 *   Effect.provide(NodeContext.layer)
 * )
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isSnapshot } from "./internal/download/contentSource.js"
import {
  checkDownload,
  type DownloadedFile,
  type DownloadToFileError,
  type DownloadToFileOptions,
  downloadToFile
} from "./internal/download/downloadToFile.js"
import { exclusively } from "./internal/download/reserveFile.js"
import { checkFree, resolveTarget } from "./internal/download/targetFile.js"
import { listen, type Report, type TransferProgress } from "./internal/download/transferProgress.js"
import { ofJob } from "./internal/errors/ofJob.js"
import { backoff } from "./internal/http/retryPolicy.js"
import { spanOf, withSpan } from "./internal/http/spans.js"
import { hubOf } from "./internal/watch/watchHub.js"
import { Videos } from "./Videos.js"

export { type ReservedFile, type ReserveFileOptions, reserveFile } from "./internal/download/reserveFile.js"
export * from "./internal/errors/fileErrors.js"
export type { DownloadedFile, DownloadToFileError, DownloadToFileOptions, TransferProgress }

/**
 * Eight more attempts in a row that get no further, after 0 to 0.5 s, 0 to 1 s, … up to 0 to 30 s.
 *
 * @since 0.1.0
 * @category schedules
 */
export const defaultDownloadRetry: Schedule.Schedule<unknown> = Schedule.intersect(
  backoff({ base: "500 millis", cap: "30 seconds" }),
  Schedule.recurs(8)
)

/**
 * Downloads a job's clip to a file. The bytes go to `name.part`, which is renamed to `name` once it is whole: it has
 * the length that the server sent (`Content-Length`, `Content-Range`), its container (MP4, QuickTime, WebM, WebP) is
 * not truncated, and it is synced to disk. An empty body is an error.
 *
 * - Resumes after a break with `Range` and `If-Range`, in this call (`retry`) or in a later one: an interruption, a
 *   crash and every error keep `name.part`, and beside it `name.part.json`, which says what it is a part of. A part
 *   that is already whole needs no request.
 * - Starts over if the part may be of another version: the server sends no strong entity tag (nor a date old enough),
 *   ignores `Range`, or responds with another tag, length or range, or with 416.
 * - Requests the last MiB again of a part that a killed process left: it may not have reached the disk.
 * - Fails before any request with `FileError` if the path is invalid, the file exists, another call of this machine writes to
 *   the path, or no file can be written there; later, without a retry, if the disk is full.
 * - Fails with `IncompleteDownloadError` once `retry` has given up and some of the clip is there, or once the server
 *   has twice sent the same truncated clip. Otherwise fails as `downloadVideo` does.
 * - Follows a symbolic link. Shortens the name of the partial file if it is too long for `.part`.
 * - Writes to a named pipe or a character device (`/dev/null`, `/dev/stdout`) directly, without `name.part` and without
 *   another attempt once bytes have been written; to a block device with `overwrite` only. Refuses a socket.
 *
 * @example
 * import { Effect } from "effect"
 * import { downloadVideoToFile } from "effect-videos"
 *
 * const program = downloadVideoToFile("video_1", "clip.mp4", {
 *   directory: "clips",
 *   onProgress: ({ total, transferred }) => Effect.log(`${transferred} of ${total ?? "?"}`)
 * }).pipe(
 *   Effect.catchTags({
 *     VideoNotReadyError: (error) => Effect.logWarning(`wait for it: ${error.video.status}`),
 *     FileError: (error) => Effect.logWarning(`${error.path}: ${error.reason}`)
 *   })
 * )
 *
 * @since 0.1.0
 * @category operations
 */
export const downloadVideoToFile = (
  video: string | { readonly id: string },
  path: string,
  options: DownloadToFileOptions = {}
): Effect.Effect<DownloadedFile, DownloadToFileError, Videos | FileSystem.FileSystem | Path.Path> => {
  const { onProgress } = options
  const problem = checkDownload(options)
  if (problem !== null) return Effect.fail(problem)
  if (onProgress === undefined) return download(video, path, options, () => {})
  return Effect.scoped(
    Effect.gen(function* () {
      const { flush, report } = yield* listen(onProgress, options.progressInterval)
      const file = yield* download(video, path, options, report)
      yield* flush
      return file
    })
  )
}

// internal

const download = (
  video: string | { readonly id: string },
  name: string,
  options: DownloadToFileOptions,
  report: Report
): Effect.Effect<DownloadedFile, DownloadToFileError, Videos | FileSystem.FileSystem | Path.Path> => {
  const id = typeof video === "string" ? video : video.id
  const {
    contentGrace,
    extraHeaders,
    extraQuery,
    idleTimeout,
    onResponse,
    overwrite = false,
    timeout,
    variant
  } = options
  const snapshot = isSnapshot(video) ? video : undefined
  return Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const videos = yield* Videos
    const target = yield* resolveTarget(fs, path, name, options.directory)
    yield* checkFree(fs, target, overwrite)
    const plan = {
      videos,
      fs,
      path,
      id,
      target,
      overwrite,
      resume: options.resume ?? true,
      content: { contentGrace, extraHeaders, extraQuery, idleTimeout, onResponse, snapshot, timeout, variant },
      retry: options.retry ?? defaultDownloadRetry,
      maxRetryAfter: Duration.decode(options.maxRetryAfter ?? "5 minutes"),
      report
    }
    const saving = exclusively(fs, target, id, () => downloadToFile(plan))
    const saved = hubOf(videos)?.whileOpen(saving) ?? saving
    const { file, total } = yield* withSpan(saved, "Videos.downloadToFile", () =>
      spanOf("download_video", { "video.id": id })
    )
    report({ transferred: file.bytes, total, resumedFrom: file.resumedFrom, done: true })
    return file
  }).pipe(
    // If another call writes to the path, the error names the job of that call.
    Effect.mapError((error) => (error._tag === "FileError" && error.reason !== "busy" ? ofJob(id)(error) : error))
  )
}
