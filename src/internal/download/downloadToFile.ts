/** A download to a file: requests the content until the file is complete, resumes after a break, or starts over. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Errors from "../errors/errors.js"
import { type FileError, IncompleteDownloadError } from "../errors/fileErrors.js"
import type { ResponseMeta } from "../http/httpTypes.js"
import { retryDelays } from "../http/retryPolicy.js"
import type { ContentOptions } from "../protocol/requestSchemas.js"
import { phaseOf } from "../protocol/videoSchemas.js"
import type { DownloadVideoError, VideosService } from "../videosTypes.js"
import { missingIn, openPart, readPart, removeNote, saveNote, syncFile, writeNote } from "./partialFile.js"
import { lengthOf, type ResponseHeaders, rangeOf, sameVersion, unsatisfied, validatorOf } from "./rangeHeaders.js"
import { checkFree, publish, type Target, writeError } from "./targetFile.js"
import type { Report } from "./transferProgress.js"

/** What `downloadVideoToFile` may fail with. */
export type DownloadToFileError = DownloadVideoError | FileError | IncompleteDownloadError

/** What a download needs, resolved from its options. */
export interface DownloadPlan {
  readonly id: string
  readonly target: Target
  readonly overwrite: boolean
  readonly resume: boolean
  readonly content: ContentOptions
  readonly retry: Schedule.Schedule<unknown, DownloadToFileError>
  readonly maxRetryAfter: Duration.Duration
}

/**
 * A clip on disk.
 *
 * @since 0.1.0
 * @category models
 */
export interface DownloadedFile {
  /** Absolute. */
  readonly path: string
  /** Its length. */
  readonly bytes: number
  readonly videoId: string
  /** How many of the bytes are from an earlier call. */
  readonly resumedFrom: number
  /** The server's entity tag of this version of the content, if it sent one. */
  readonly etag: string | null
}

/** The result of a transfer, reported once the path is unlocked. */
export interface Transferred {
  readonly file: DownloadedFile
  readonly total: number | null
}

/** The server cannot continue the partial file: the next request asks for everything. */
class StartOver extends Data.TaggedError("StartOver") {}

/** Downloads to `plan.target`, whose lock the caller holds. */
export const downloadToFile = (
  services: {
    readonly videos: VideosService
    readonly fs: FileSystem.FileSystem
    readonly path: Path.Path
  },
  plan: DownloadPlan,
  report: Report
): Effect.Effect<Transferred, DownloadToFileError> =>
  Effect.gen(function* () {
    const { fs, path, videos } = services
    const { content, id, target } = plan
    const contentKey = { videoId: id, variant: content.variant ?? "" }
    yield* checkFree(fs, target, plan.overwrite)
    const left = plan.resume ? Option.getOrNull(yield* readPart(fs, target, contentKey)) : null

    /** Bytes in the partial file, of the version that `validator` names. */
    let offset = left?.size ?? 0
    let validator = left?.note.validator ?? null
    let etag = left?.note.etag ?? null
    let total = left?.note.total ?? null
    let resumedFrom = offset
    let isOpened = false
    /** The length at which the container said the last time that the clip is truncated. */
    let truncatedAt: number | null = null
    let isTruncatedAgain = false

    const reportProgress = () => report({ transferred: offset, total, resumedFrom, done: false })
    const incomplete = (detail: string, cause?: DownloadVideoError) =>
      new IncompleteDownloadError({
        operation: "downloadVideo",
        videoId: id,
        part: target.part,
        received: offset,
        total,
        detail,
        ...(cause === undefined ? {} : { cause })
      })

    const open = (position: number): Effect.Effect<FileSystem.File, FileError, Scope.Scope> =>
      Effect.tap(openPart(fs, target, position), () => {
        isOpened = true
        reportProgress()
      })

    /** The note is removed before the file, and written after: at no time does it name another version than the file's. */
    const startOver = (headers: ResponseHeaders, length: number | null) =>
      Effect.gen(function* () {
        yield* removeNote(fs, target)
        offset = 0
        resumedFrom = 0
        total = length
        etag = headers["etag"] ?? null
        validator = validatorOf(headers)
        const file = yield* open(0)
        if (validator !== null) yield* writeNote(fs, target, { ...contentKey, validator, etag, total })
        return file
      })

    /** Decides by status code and headers where the bytes go. `requested`: the offset in the `Range` header, if there was one. */
    const accept = (requested: number | null, response: ResponseMeta | null) =>
      Effect.gen(function* () {
        const headers: ResponseHeaders = response?.headers ?? {}
        if (response?.status !== 206) return yield* startOver(headers, lengthOf(headers))
        const range = rangeOf(headers)
        if (range === null || range.start !== (requested ?? 0)) {
          return yield* requested === null
            ? incomplete(`it sent ${headers["content-range"] ?? "a part that is not named"}, asked for everything`)
            : new StartOver()
        }
        if (requested === null) return yield* startOver(headers, range.total)
        const isOther = total !== null && range.total !== null && total !== range.total
        if (isOther || !sameVersion(headers, validator, total !== null && total === range.total)) {
          return yield* new StartOver()
        }
        total ??= range.total
        return yield* open(offset)
      })

    const write = (file: FileSystem.File, bytes: Uint8Array) =>
      Effect.gen(function* () {
        if (total !== null && offset + bytes.byteLength > total) {
          const error = incomplete(`more has come than the ${total} bytes of the whole`)
          // The bytes before may be of anything, too.
          validator = null
          total = null
          yield* removeNote(fs, target)
          return yield* error
        }
        yield* Effect.mapError(file.writeAll(bytes), writeError(target.part))
        offset += bytes.byteLength
        reportProgress()
      }).pipe(Effect.uninterruptible)

    /** One request. The partial file keeps its bytes, whatever the result. */
    const attempt = Effect.suspend(() => {
      const requested = offset > 0 && validator !== null ? offset : null
      let response: ResponseMeta | null = null
      let file: FileSystem.File | null = null
      let hasBytes = false
      const options: ContentOptions = {
        ...content,
        retry: false,
        extraHeaders: {
          // The length of a compressed response is not that of the file.
          "accept-encoding": "identity",
          ...content.extraHeaders,
          ...(requested === null || validator === null ? {} : { range: `bytes=${requested}-`, "if-range": validator })
        },
        onResponse: (meta) => {
          response = meta
          return content.onResponse === undefined ? Effect.void : content.onResponse(meta)
        }
      }
      const opened = Effect.suspend(() =>
        file !== null
          ? Effect.succeed(file)
          : Effect.tap(accept(requested, response), (it) => {
              file = it
            })
      )
      // Read ahead of the disk: bytes that wait in a socket are lost when the connection breaks.
      const bytes = Stream.bufferChunks(videos.content(id, options), { capacity: 16 })
      return Stream.runForEach(bytes, (chunk) => {
        hasBytes = true
        return file === null ? Effect.flatMap(opened, (it) => write(it, chunk)) : write(file, chunk)
      }).pipe(
        Effect.zipRight(opened),
        Effect.flatMap(() => {
          if (total !== null && offset < total) return incomplete(`it ended after ${offset} bytes`)
          return offset === 0 ? incomplete("it is empty") : Effect.void
        }),
        Effect.scoped,
        Effect.catchTag("BadRequestError", (error): Effect.Effect<void, Errors.BadRequestError | StartOver> => {
          if (requested === null) return error
          const isComplete =
            error.status === 416 &&
            unsatisfied(response?.headers) === offset &&
            sameVersion(response?.headers ?? {}, validator, false)
          return isComplete ? Effect.void : new StartOver()
        }),
        // A connection that breaks after the last byte is no failure.
        Effect.catchIf(
          (error) => error._tag !== "StartOver" && isRetryable(error) && hasBytes && offset === total,
          () => Effect.void
        )
      )
    })

    /**
     * Fails if the clip's container says that bytes are missing: then `Content-Length` was wrong. It is forgotten, and the
     * response to the next request, which asks for the rest, may have the right one.
     */
    const checkContainer = Effect.gen(function* () {
      const detail = yield* missingIn(fs, target)
      if (detail === null) return
      total = null
      if (validator !== null) yield* writeNote(fs, target, { ...contentKey, validator, etag, total })
      isTruncatedAgain = truncatedAt === offset
      truncatedAt = offset
      return yield* incomplete(`it is cut short: ${detail}`)
    })

    const download = Effect.suspend(() => {
      const policy = { schedule: plan.retry, maxRetryAfter: plan.maxRetryAfter }
      let nextDelay = retryDelays(policy)
      let furthest = offset
      const loop: Effect.Effect<void, DownloadToFileError> = Effect.suspend(() => {
        isTruncatedAgain = false
        return Effect.catchAll(Effect.zipRight(attempt, checkContainer), (error) => {
          if (error._tag === "StartOver") {
            validator = null
            return loop
          }
          // If the server sends the same bytes twice and no more, it has no more.
          if (!isRetryable(error) || isTruncatedAgain) return Effect.fail(error)
          if (offset > furthest) {
            furthest = offset
            nextDelay = retryDelays(policy)
          }
          return Effect.flatMap(nextDelay(error), (millis) => {
            if (millis !== null) return Effect.zipRight(Effect.sleep(millis), loop)
            const isFinal = furthest === 0 || error._tag === "IncompleteDownloadError"
            return Effect.fail(isFinal ? error : incomplete(error.message, error))
          })
        })
      })
      return loop
    })

    const isComplete =
      total !== null &&
      offset === total &&
      (yield* Effect.match(checkContainer, { onFailure: () => false, onSuccess: () => true }))
    yield* (isComplete ? Effect.void : download).pipe(
      Effect.zipRight(syncFile(fs, target.part)),
      // Another program may have written to the file.
      Effect.filterOrFail(
        (size) => size === offset,
        (size) => incomplete(`the file has ${size} bytes, ${offset} were written to it`)
      ),
      Effect.zipRight(publish(fs, path, target, plan.overwrite)),
      Effect.onError(() => {
        if (!isOpened && !isComplete) return Effect.void
        if (offset === 0) {
          return Effect.zipRight(Effect.ignore(removeNote(fs, target)), Effect.ignore(fs.remove(target.part)))
        }
        return validator === null
          ? Effect.void
          : Effect.ignore(saveNote(fs, target, { ...contentKey, validator, etag, total }, offset))
      })
    )
    return { file: { path: target.path, bytes: offset, videoId: id, resumedFrom, etag }, total }
  })

/** Whether another attempt may succeed. A job that has not ended is for a watch to wait for. */
const isRetryable = (error: DownloadToFileError): error is IncompleteDownloadError | DownloadVideoError =>
  Errors.isTransient(error) && !(error._tag === "VideoNotReadyError" && phaseOf(error.video) !== "succeeded")
