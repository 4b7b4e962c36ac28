/** Writes to a device or a named pipe: without partial file, rename or resume. */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type FileError, IncompleteDownloadError } from "../errors/fileErrors.js"
import type { ContentOptions } from "../protocol/requestSchemas.js"
import type { VideosService } from "../videosTypes.js"
import type { DownloadToFileError, Transferred } from "./downloadToFile.js"
import { lengthOf } from "./rangeHeaders.js"
import { type Target, writeError } from "./targetFile.js"
import type { Report } from "./transferProgress.js"

/**
 * Appending, because a pipe has no positions to write at. Opening a pipe waits for a reader, in a thread that would keep the
 * process from ending: at an interruption a reader is opened here, for a moment.
 */
const openTarget = (
  fs: FileSystem.FileSystem,
  { path, type }: Target
): Effect.Effect<FileSystem.File, FileError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const file = fs.open(path, { flag: type === "BlockDevice" ? "r+" : "a" })
      const opening = yield* Effect.forkDaemon(Scope.extend(file, scope))
      const settled = Fiber.await(opening)
      const release = type === "FIFO" ? Effect.scoped(Effect.zipRight(fs.open(path, { flag: "r+" }), settled)) : settled
      return yield* Effect.onInterrupt(restore(Fiber.join(opening)), () => Effect.ignore(release))
    })
  ).pipe(Effect.mapError(writeError(path)))

/** Writes a stream to its target. */
export const writeStream = <E, R>(fs: FileSystem.FileSystem, target: Target, bytes: Stream.Stream<Uint8Array, E, R>) =>
  Effect.scoped(
    Effect.flatMap(openTarget(fs, target), (file) =>
      Stream.runForEach(bytes, (chunk) => Effect.mapError(file.writeAll(chunk), writeError(target.path)))
    )
  )

/** Writes a job's clip to its target. A break after the first byte is an error: written bytes cannot be taken back. */
export const writeThrough = (
  { fs, videos }: { readonly fs: FileSystem.FileSystem; readonly videos: VideosService },
  { content, id, target }: { readonly id: string; readonly target: Target; readonly content: ContentOptions },
  report: Report
): Effect.Effect<Transferred, DownloadToFileError> =>
  Effect.gen(function* () {
    let transferred = 0
    let total: number | null = null
    let etag: string | null = null
    const bytes = videos.content(id, {
      ...content,
      extraHeaders: { "accept-encoding": "identity", ...content.extraHeaders },
      onResponse: (response) => {
        total = lengthOf(response.headers)
        etag = response.headers["etag"] ?? null
        return content.onResponse === undefined ? Effect.void : content.onResponse(response)
      }
    })
    const counted = Stream.tap(bytes, (chunk) =>
      Effect.sync(() => {
        transferred += chunk.byteLength
        report({ transferred, total, resumedFrom: 0, done: false })
      })
    )
    yield* writeStream(fs, target, counted)
    if (transferred === 0) {
      return yield* new IncompleteDownloadError({
        operation: "downloadVideo",
        videoId: id,
        part: target.path,
        received: 0,
        total,
        detail: "it is empty"
      })
    }
    return { file: { path: target.path, bytes: transferred, videoId: id, resumedFrom: 0, etag }, total }
  })
