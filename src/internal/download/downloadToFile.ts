/** A download to a file: requests the content until the file is complete, resumes after a break, or starts over. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as rules from "../config/optionRules.js"
import * as Errors from "../errors/errors.js"
import { type FileError, IncompleteDownloadError } from "../errors/fileErrors.js"
import type { CallOptions, ResponseMeta } from "../http/httpTypes.js"
import {
  lengthOf,
  type ResponseHeaders,
  rangeOf,
  sameVersion,
  unsatisfied,
  validatorOf
} from "../http/responseHeaders.js"
import { retrying } from "../http/retryPolicy.js"
import type { ContentOptions, VideoVariant } from "../protocol/requestSchemas.js"
import { checkExtras, checkFields, type Extras, variantRule } from "../protocol/validateRequest.js"
import { phaseOf } from "../protocol/videoSchemas.js"
import type { DownloadVideoError, VideosService } from "../videosTypes.js"
import { missingIn, type Note, openPart, readPart, removeNote, savePart, writeNote } from "./partialFile.js"
import { checkFree, publish, syncFile, type Target, writeError, writeInPlace } from "./targetFile.js"
import type { Report, TransferProgress } from "./transferProgress.js"

/** What `downloadVideoToFile` may fail with. */
export type DownloadToFileError = DownloadVideoError | FileError | IncompleteDownloadError

/**
 * Options of a download to a file. Those of a call apply to each of its requests.
 *
 * @since 0.1.0
 * @category models
 */
export interface DownloadToFileOptions
  extends Pick<CallOptions, "timeout" | "idleTimeout" | "extraHeaders" | "extraQuery" | "onResponse"> {
  /** Which file of the job. Default: the clip; then no `variant` is sent. */
  readonly variant?: VideoVariant | undefined
  /**
   * If given, `path` must be relative and stay inside this directory, symbolic links inside it included; otherwise the call
   * fails with `FileError`. For names from outside. The directory must exist.
   */
  readonly directory?: string | undefined
  /** Whether an existing file is replaced. Default: `false`, and a `FileError`. */
  readonly overwrite?: boolean | undefined
  /** Whether to resume from the `name.part` of an earlier call. Default: `true`. */
  readonly resume?: boolean | undefined
  /** When to retry after a break. Restarts whenever an attempt gets further than all before. Default: `defaultDownloadRetry`. */
  readonly retry?: Schedule.Schedule<unknown, DownloadToFileError> | undefined
  /** A `Retry-After` longer than this is not waited for: the download fails with the error that carries it. Default: 5 minutes. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /** For this long after a job's end, missing content counts as replica lag and is requested again. Default: 30 seconds. */
  readonly contentGrace?: Duration.DurationInput | undefined
  /**
   * Receives the progress, the newest only: the transfer does not wait for this Effect, except for the last report, which is
   * `done`. A download that fails has no last report.
   */
  readonly onProgress?: ((progress: TransferProgress) => Effect.Effect<void>) | undefined
  /** The least time between two reports. The first, the last and a start-over are always reported. Default: 100 milliseconds. */
  readonly progressInterval?: Duration.DurationInput | undefined
}

const downloadRules: rules.RulesOf<DownloadToFileOptions, Extras> = {
  variant: variantRule,
  directory: rules.anyText,
  overwrite: rules.boolean,
  resume: rules.boolean,
  retry: rules.schedule,
  maxRetryAfter: rules.duration,
  timeout: rules.timeout,
  idleTimeout: rules.timeout,
  contentGrace: rules.duration,
  onProgress: rules.callback,
  progressInterval: rules.duration,
  onResponse: rules.callback
}

/** The first option that makes no sense: a program that pays first can check the options before. */
export const checkDownload = (options: DownloadToFileOptions | undefined): Errors.InvalidRequestError | null =>
  checkFields("downloadVideo", options, downloadRules) ?? checkExtras("downloadVideo", options)

/** What a download needs, resolved from its options. */
export interface DownloadPlan {
  readonly videos: VideosService
  readonly fs: FileSystem.FileSystem
  readonly path: Path.Path
  readonly id: string
  readonly target: Target
  readonly overwrite: boolean
  readonly resume: boolean
  readonly content: ContentOptions
  readonly retry: Schedule.Schedule<unknown, DownloadToFileError>
  readonly maxRetryAfter: Duration.Duration
  readonly report: Report
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

/** The content, with the latest response beside it. */
const openContent = ({ content, id, videos }: DownloadPlan, range: { readonly [name: string]: string } = {}) => {
  const latest: { response: ResponseMeta | null } = { response: null }
  const stream = videos.content(id, {
    ...content,
    // The length of a compressed response is not that of the file.
    extraHeaders: { "accept-encoding": "identity", ...content.extraHeaders, ...range },
    onResponse: (response) => {
      latest.response = response
      return content.onResponse === undefined ? Effect.void : content.onResponse(response)
    }
  })
  return { latest, stream }
}

const incompleteError = (
  { id: videoId }: DownloadPlan,
  fields: { readonly part: string; readonly received: number; readonly total: number | null },
  detail: string,
  cause?: unknown
) =>
  new IncompleteDownloadError({
    operation: "downloadVideo",
    videoId,
    ...fields,
    detail,
    ...(cause === undefined ? {} : { cause })
  })

/** Downloads to `plan.target`, whose lock the caller holds. */
export const downloadToFile = (plan: DownloadPlan): Effect.Effect<Transferred, DownloadToFileError> =>
  plan.target.isRegular ? downloadToPart(plan) : downloadInPlace(plan)

/** To a device or a named pipe. A break after the first byte is an error: written bytes cannot be taken back. */
const downloadInPlace = (plan: DownloadPlan): Effect.Effect<Transferred, DownloadToFileError> =>
  Effect.gen(function* () {
    const { path } = plan.target
    const { latest, stream } = openContent(plan)
    const totalOf = () => lengthOf(latest.response?.headers ?? {})
    let bytes = 0
    const counted = Stream.tap(stream, ({ byteLength }) =>
      Effect.sync(() => {
        bytes += byteLength
        plan.report({ transferred: bytes, total: totalOf(), resumedFrom: 0, done: false })
      })
    )
    yield* writeInPlace(plan.fs, plan.target, counted)
    const total = totalOf()
    if (bytes === 0) return yield* incompleteError(plan, { part: path, received: 0, total }, "it is empty")
    const etag = latest.response?.headers["etag"] ?? null
    return { file: { path, bytes, videoId: plan.id, resumedFrom: 0, etag }, total }
  })

const downloadToPart = (plan: DownloadPlan): Effect.Effect<Transferred, DownloadToFileError> =>
  Effect.gen(function* () {
    const { content, fs, id, report, target } = plan
    yield* checkFree(fs, target, plan.overwrite)
    const contentKey = { videoId: id, variant: content.variant ?? "" }
    const left = plan.resume ? yield* readPart(fs, target, contentKey) : null

    /** Bytes in the partial file, of the version that `validator` names. */
    let offset = left?.bytes ?? 0
    let validator = left?.note.validator ?? null
    let etag = left?.note.etag ?? null
    let total = left?.note.total ?? null
    let resumedFrom = offset
    let furthest = offset
    let isOpened = false
    /** The length at which the container said the last time that the clip is truncated. */
    let truncatedAt: number | null = null
    let isTruncatedAgain = false

    const incomplete = (detail: string, cause?: DownloadVideoError) =>
      incompleteError(plan, { part: target.part, received: offset, total }, detail, cause)
    const noteOf = (): Note | null => (validator === null ? null : { ...contentKey, validator, etag, total })
    const reportProgress = () => report({ transferred: offset, total, resumedFrom, done: false })
    const open = () =>
      Effect.tap(openPart(fs, target, offset), () => {
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
        const file = yield* open()
        const note = noteOf()
        if (note !== null) yield* writeNote(fs, target, note)
        return file
      })

    /** Opens the partial file where the response's bytes belong. `requested`: the offset in the `Range` header, if there was one. */
    const accept = (requested: number | null, response: ResponseMeta | null) =>
      Effect.gen(function* () {
        const headers: ResponseHeaders = response?.headers ?? {}
        if (response?.status !== 206) return yield* startOver(headers, lengthOf(headers))
        const range = rangeOf(headers)
        if (requested === null) {
          if (range?.start === 0) return yield* startOver(headers, range.total)
          return yield* incomplete(
            `it sent ${headers["content-range"] ?? "a part that is not named"}, asked for everything`
          )
        }
        const isOther = total !== null && range?.total != null && total !== range.total
        const isSame = sameVersion(headers, validator, total !== null && total === range?.total)
        if (range?.start !== requested || isOther || !isSame) return yield* new StartOver()
        total ??= range.total
        return yield* open()
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
    const request = Effect.suspend(() => {
      const requested = validator !== null && offset > 0 ? offset : null
      const range =
        validator === null || requested === null ? {} : { range: `bytes=${requested}-`, "if-range": validator }
      const { latest, stream } = openContent({ ...plan, content: { ...content, singleAttempt: true } }, range)
      let file: FileSystem.File | null = null
      const opened = Effect.suspend(() =>
        file !== null
          ? Effect.succeed(file)
          : Effect.tap(accept(requested, latest.response), (it) => {
              file = it
            })
      )
      // Read ahead of the disk: bytes that wait in a socket are lost when the connection breaks.
      return Stream.bufferChunks(stream, { capacity: 16 }).pipe(
        Stream.runForEach((bytes) => Effect.flatMap(opened, (it) => write(it, bytes))),
        Effect.zipRight(opened),
        Effect.zipRight(
          Effect.suspend(() => {
            if (total !== null && offset < total) return incomplete(`it ended after ${offset} bytes`)
            return offset === 0 ? incomplete("it is empty") : Effect.void
          })
        ),
        Effect.scoped,
        Effect.catchTag("BadRequestError", (error): Effect.Effect<void, Errors.BadRequestError | StartOver> => {
          if (requested === null) return error
          const headers = latest.response?.headers ?? {}
          const isWhole =
            error.status === 416 && unsatisfied(headers) === offset && sameVersion(headers, validator, false)
          return isWhole ? Effect.void : new StartOver()
        }),
        // A connection that breaks after the last byte has delivered the clip.
        Effect.catchIf(
          (error) =>
            error._tag !== "StartOver" && isRetryable(error) && file !== null && offset > 0 && offset === total,
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
      isTruncatedAgain = truncatedAt === offset
      truncatedAt = offset
      return yield* incomplete(`it is truncated: ${detail}`)
    })

    const attempt: Effect.Effect<void, DownloadToFileError> = Effect.zipRight(request, checkContainer).pipe(
      Effect.catchTag("StartOver", () => {
        validator = null
        return attempt
      })
    )
    const download = retrying(attempt, {
      schedule: plan.retry,
      maxRetryAfter: plan.maxRetryAfter,
      // If the server sends the same bytes twice and no more, it has no more.
      mayRetry: (error) => isRetryable(error) && !isTruncatedAgain,
      hasProgress: () => {
        const before = furthest
        furthest = Math.max(furthest, offset)
        return furthest > before
      }
    }).pipe(
      Effect.mapError((error) =>
        isRetryable(error) && furthest > 0 && error._tag !== "IncompleteDownloadError"
          ? incomplete(error.message, error)
          : error
      )
    )

    const isComplete = total !== null && offset === total && (yield* Effect.isSuccess(checkContainer))
    yield* (isComplete ? Effect.void : download).pipe(
      Effect.zipRight(syncFile(fs, target.part)),
      // Another program may have written to the file.
      Effect.filterOrFail(
        (size) => size === offset,
        (size) => incomplete(`the file has ${size} bytes, ${offset} were written to it`)
      ),
      Effect.zipRight(publish(fs, plan.path, target, plan.overwrite)),
      Effect.onError(() => (isOpened ? savePart(fs, target, noteOf(), offset) : Effect.void))
    )
    return { file: { path: target.path, bytes: offset, videoId: id, resumedFrom, etag }, total }
  })

/** Whether another attempt may succeed. A job that has not ended is for a watch to wait for. */
const isRetryable = (error: DownloadToFileError): error is IncompleteDownloadError | DownloadVideoError =>
  Errors.isTransient(error) && !(error._tag === "VideoNotReadyError" && phaseOf(error.video) !== "succeeded")
