/**
 * Clips to files: downloads that survive what happens to long transfers. What breaks is resumed, what cannot be resumed
 * starts over, and a file is under its final name whole or not at all. Needs a `FileSystem` and a `Path`; the bytes
 * themselves, without a file, are `downloadVideo`.
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
import { checkDownload, type DownloadToFileOptions } from "./internal/download/downloadOptions.js"
import { type DownloadedFile, type DownloadToFileError, downloadToFile } from "./internal/download/downloadToFile.js"
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

// -----------------------------------------------------------------------------
// schedules
// -----------------------------------------------------------------------------

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

// -----------------------------------------------------------------------------
// downloads
// -----------------------------------------------------------------------------

/**
 * Downloads a job's clip to a file. The bytes go to `name.part`, which is renamed to `name` once it is whole: it has the length
 * that the server sent (`Content-Length`, `Content-Range`), its container is not truncated, and it is synced to disk. An empty
 * body is an error.
 *
 * - A `Content-Length` that is too small is found by the outermost parts of an MP4, QuickTime, WebM or WebP:
 *   what is missing is asked for. Where the server has twice sent the same and no more, it ends with
 *   `IncompleteDownloadError`, whatever `retry` says.
 * - After a break it goes on with `Range` and `If-Range`, in this call (`retry`) or in a later one: an interruption, a crash
 *   and every error keep `name.part`, and beside it `name.part.json`, which says what it is a part of.
 * - It starts over where a part cannot be trusted to be of the same version: the server gives no strong entity tag (nor a
 *   date old enough), ignores `Range`, responds with another tag, length or range, or with 416.
 * - Of a part that a killed process left, the last MiB is fetched again: after a power cut it may not have reached the disk.
 *   A call that ends in an error or an interruption notes what its part is, and the next one goes on from the last byte.
 * - Fails before any request with `FileError` if the path is invalid, the file exists, another call of this machine writes to
 *   the path, or no file can be written there. Fails with `FileError`, without a retry, if the disk is full. Fails with
 *   `IncompleteDownloadError` once `retry` has given up and some of the clip is there. Otherwise fails as `downloadVideo` does.
 * - A part that is whole already is given its name without a request.
 * - If a name is too long for `.part`, the partial file has a shorter one. A symbolic link is followed.
 * - A named pipe or a character device (`/dev/null`, `/dev/stdout`) is written to as it is, without `name.part` and without
 *   another attempt once bytes have been written; a block device with `overwrite` only. A socket is refused.
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
