/** A download to a file that breaks, resumes or starts over until it is whole: one loop over `Videos.content`. */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import type * as Chunk from "effect/Chunk"
import type * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { seconds } from "../errors/errorFields.js"
import * as Errors from "../errors/errors.js"
import { type FileError, IncompleteDownloadError } from "../errors/fileErrors.js"
import type { ResponseMeta } from "../http/httpTypes.js"
import { retryDelays } from "../http/retryPolicy.js"
import { monotonicMillis } from "../monotonicClock.js"
import type { ContentOptions } from "../protocol/requestSchemas.js"
import { phaseOf } from "../protocol/videoSchemas.js"
import type { DownloadVideoError, VideosService } from "../videosTypes.js"
import { makePart, type Part } from "./partialFile.js"
import { type AnswerHeaders, lengthOf, rangeOf, sameVersion, unsatisfied, validatorOf } from "./rangeHeaders.js"
import {
  checkFree,
  missingIn,
  publish,
  readPart,
  removeNote,
  saveNote,
  type Target,
  writeError,
  writeNote
} from "./targetFile.js"
import type { Report } from "./transferProgress.js"

/** What `downloadVideoToFile` may fail with. */
export type DownloadToFileError = DownloadVideoError | FileError | IncompleteDownloadError

/** One download, every choice made. */
export interface Plan {
  readonly id: string
  readonly target: Target
  readonly overwrite: boolean
  readonly resume: boolean
  readonly content: ContentOptions
  readonly retry: Schedule.Schedule<unknown, DownloadToFileError>
  readonly maxRetryAfter: Duration.Duration
  /** `null`: it is left to whoever gives the bytes. */
  readonly idleTimeout: Duration.Duration | null
}

/** What a program gets for its clip. */
export interface Downloaded {
  readonly path: string
  readonly bytes: number
  readonly videoId: string
  readonly resumedFrom: number
  readonly etag: string | null
}

/** The end of a transfer. It is reported when the path is free again. */
export interface Transferred {
  readonly file: Downloaded
  readonly total: number | null
}

/** What comes slowly is in the file after so many milliseconds, should the process be killed. */
const flushInterval = 1000

/** The part cannot be gone on with: the next request asks for everything. */
class StartOver extends Data.TaggedError("StartOver") {}

/** The part was whole before this request. */
class Whole extends Data.TaggedError("Whole") {}

/** What the server calls the whole is not the whole. `isSame`: nor was it the last time, to the byte. */
class CutShort extends Data.TaggedError("CutShort")<{
  readonly error: IncompleteDownloadError
  readonly isSame: boolean
}> {}

/** Runs a plan, its target being this program's alone for that time. */
export const runTransfer = (
  services: {
    readonly videos: VideosService
    readonly fs: FileSystem.FileSystem
    readonly path: Path.Path
    readonly clock: Clock.Clock
  },
  plan: Plan,
  report: Report
): Effect.Effect<Transferred, DownloadToFileError> =>
  Effect.gen(function* () {
    const { clock, fs, path, videos } = services
    const { content, id, target } = plan
    const named = { videoId: id, variant: content.variant ?? "" }
    yield* checkFree(fs, target, plan.overwrite)
    const left = plan.resume ? yield* readPart(fs, target, named) : Option.none()

    let part: Part | null = null
    /** Bytes that have come of the version that `validator` names; after an attempt, those that are in the file. */
    let offset = Option.match(left, { onNone: () => 0, onSome: ({ size }) => size })
    let validator = Option.match(left, { onNone: () => null, onSome: ({ note }) => note.validator })
    let etag = Option.match(left, { onNone: () => null, onSome: ({ note }) => note.etag })
    let total = Option.match(left, { onNone: () => null, onSome: ({ note }) => note.total })
    let resumedFrom = offset
    /** The most that was ever there: only what goes beyond is progress. */
    let highest = offset
    /** Whether the last attempt has brought what was missing of the whole, and nothing beyond it. */
    let reachedEnd = false
    /** Where the server's whole was found to be cut short the last time. */
    let cutAt: number | null = null
    /** Since when nothing has come; `null` while nothing is waited for. */
    let idleSince: number | null = null
    let flushedAt = monotonicMillis(clock)

    const now = () => monotonicMillis(clock)
    const tell = () => report({ transferred: offset, total, resumedFrom, done: false })
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
    const failed = writeError(target.part)

    /** The part, open for the rest of the transfer, and so far as it is of use. */
    const openAt = (scope: Scope.Scope, position: number) =>
      Effect.gen(function* () {
        if (part === null) {
          // What an earlier call left may be another name of a file that is in use: it is not written over.
          if (position === 0) yield* Effect.mapError(fs.remove(target.part, { force: true }), failed)
          const flag = position === 0 ? "wx+" : "r+"
          part = makePart(yield* Effect.mapError(Scope.extend(fs.open(target.part, { flag }), scope), failed))
        }
        yield* Effect.mapError(part.rewind(position), failed)
        return part
      })

    /** Nothing of what is there is of this version. Until the note is written, the part is of no version at all. */
    const startOver = (scope: Scope.Scope, headers: AnswerHeaders, length: number | null) =>
      Effect.gen(function* () {
        yield* removeNote(fs, target)
        const opened = yield* openAt(scope, 0)
        offset = 0
        resumedFrom = 0
        total = length
        etag = headers["etag"] ?? null
        validator = validatorOf(headers)
        if (validator !== null) yield* writeNote(fs, target, { ...named, validator, etag, total })
        return opened
      })

    /** Decides by the answer's head where its bytes go. */
    const accept = (scope: Scope.Scope, asked: number | null, answer: ResponseMeta | null) =>
      Effect.gen(function* () {
        const headers: AnswerHeaders = answer?.headers ?? {}
        if (answer?.status !== 206) return yield* startOver(scope, headers, lengthOf(headers))
        const range = rangeOf(headers)
        if (range === null || range.start !== (asked ?? 0)) {
          return yield* asked === null
            ? incomplete(`it sent ${headers["content-range"] ?? "a part that is not named"}, asked for everything`)
            : new StartOver()
        }
        if (asked === null) return yield* startOver(scope, headers, range.total)
        const isOther = total !== null && range.total !== null && total !== range.total
        if (isOther || !sameVersion(headers, validator, total !== null && total === range.total)) {
          return yield* new StartOver()
        }
        total ??= range.total
        return yield* openAt(scope, offset)
      })

    /** Between two of these nothing is waited for but the disk. */
    const store = (
      to: Part,
      chunks: Chunk.Chunk<Uint8Array>
    ): Effect.Effect<void, FileError | IncompleteDownloadError> => {
      idleSince = null
      let writes: Effect.Effect<void, PlatformError> = Effect.void
      for (const bytes of chunks) {
        if (total !== null && offset + bytes.byteLength > total) {
          // What is there may be of anything.
          validator = null
          reachedEnd = false
          return Effect.zipRight(
            removeNote(fs, target),
            Effect.fail(incomplete(`more has come than the ${total} bytes of the whole`))
          )
        }
        offset += bytes.byteLength
        reachedEnd = offset === total
        writes =
          writes === Effect.void
            ? to.write(bytes)
            : Effect.zipRight(
                writes,
                Effect.suspend(() => to.write(bytes))
              )
      }
      const time = now()
      if (time - flushedAt >= flushInterval) {
        flushedAt = time
        writes = Effect.zipRight(writes, to.flush)
      }
      return Effect.matchEffect(writes, {
        onFailure: (cause) => Effect.fail(failed(cause)),
        onSuccess: () => {
          idleSince = now()
          tell()
          return Effect.void
        }
      })
    }

    /** However it ends, what has come is kept. */
    const flushed = <E>(self: Effect.Effect<void, E>): Effect.Effect<void, E | FileError> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Effect.exit(restore(self)), (exit) => {
          if (part === null) return exit
          const { flush, position } = part
          return Effect.zipRight(
            Effect.ensuring(
              Effect.mapError(flush, failed),
              Effect.sync(() => (offset = position()))
            ),
            exit
          )
        })
      )

    /** One request, and what it brings. */
    const attempt = (scope: Scope.Scope) =>
      Effect.suspend(() => {
        const asked = offset > 0 && validator !== null ? offset : null
        reachedEnd = false
        let answer: ResponseMeta | null = null
        let to: Part | null = null
        const begin = Effect.suspend(() =>
          Effect.map(accept(scope, asked, answer), (opened) => {
            to = opened
            tell()
            return opened
          })
        )
        const options: ContentOptions = {
          ...content,
          retry: false,
          // Watched here, at no cost per chunk, where it is known for how long.
          idleTimeout: plan.idleTimeout === null ? undefined : Duration.infinity,
          extraHeaders: {
            // A length is of what is sent: compressed, it would be of something else.
            "accept-encoding": "identity",
            ...content.extraHeaders,
            ...(asked === null || validator === null ? {} : { range: `bytes=${asked}-`, "if-range": validator })
          },
          onResponse: (response) => {
            answer = response
            idleSince = response.status < 300 ? now() : null
            return content.onResponse === undefined ? Effect.void : content.onResponse(response)
          }
        }
        const ended = Effect.suspend(() => {
          if (total !== null && offset < total) return Effect.fail(incomplete(`it ended after ${offset} bytes`))
          return offset === 0 ? Effect.fail(incomplete("it is empty")) : Effect.void
        })
        const pump = Stream.runForEachChunk(videos.content(id, options), (chunks) =>
          to === null ? Effect.flatMap(begin, (opened) => store(opened, chunks)) : store(to, chunks)
        ).pipe(
          Effect.zipRight(Effect.suspend(() => (to === null ? Effect.asVoid(begin) : Effect.void))),
          Effect.zipRight(ended)
        )
        return Effect.catchTag(
          flushed(watched(pump)),
          "BadRequestError",
          (error): Effect.Effect<never, Errors.BadRequestError | StartOver | Whole> => {
            if (asked === null) return Effect.fail(error)
            const isWhole =
              error.status === 416 &&
              unsatisfied(answer?.headers) === offset &&
              sameVersion(answer?.headers ?? {}, validator, false)
            return Effect.fail(isWhole ? new Whole() : new StartOver())
          }
        )
      })

    /** Fails when nothing has come for too long: a connection that is open and silent never ends by itself. */
    const watched = <E>(pump: Effect.Effect<void, E>): Effect.Effect<void, E | IncompleteDownloadError> => {
      const { idleTimeout } = plan
      if (idleTimeout === null || !Duration.isFinite(idleTimeout)) return pump
      const patience = Duration.toMillis(idleTimeout)
      const watch: Effect.Effect<never, IncompleteDownloadError> = Effect.suspend(() => {
        const left = idleSince === null ? patience : idleSince + patience - now()
        return left > 0
          ? Effect.zipRight(Effect.sleep(left), watch)
          : Effect.fail(incomplete(`nothing came for ${seconds(idleTimeout)}`))
      })
      return Effect.raceFirst(pump, watch)
    }

    /**
     * All that the server says there is has come. Where the clip itself says that there is more, the server's length was
     * wrong: it is forgotten, so that the next request asks for the rest, and its answer may say how much that is.
     */
    const checked: Effect.Effect<void, CutShort | FileError> = Effect.gen(function* () {
      const detail = yield* missingIn(fs, target)
      if (detail === null) return
      total = null
      if (validator !== null) yield* writeNote(fs, target, { ...named, validator, etag, total })
      const isSame = cutAt === offset
      cutAt = offset
      return yield* new CutShort({ error: incomplete(`it is cut short: ${detail}`), isSame })
    })

    /** That it broke after the last byte, or that there was nothing left to send, is no failure. */
    const tried = (scope: Scope.Scope) =>
      Effect.zipRight(
        Effect.catchAll(attempt(scope), (error) =>
          error._tag === "Whole" || (reachedEnd && error._tag !== "StartOver" && isBreak(error))
            ? Effect.void
            : Effect.fail(error)
        ),
        checked
      )

    const download = (scope: Scope.Scope) =>
      Effect.suspend(() => {
        const policy = { schedule: plan.retry, maxRetryAfter: plan.maxRetryAfter }
        let nextDelay = retryDelays(policy)
        let mark = highest
        const loop: Effect.Effect<void, DownloadToFileError> = Effect.suspend(() =>
          Effect.catchAll(tried(scope), (failure): Effect.Effect<void, DownloadToFileError> => {
            idleSince = null
            if (failure._tag === "StartOver") {
              validator = null
              return loop
            }
            const error = failure._tag === "CutShort" ? failure.error : failure
            highest = Math.max(highest, offset)
            // Twice the same is what the server has.
            if (!isBreak(error) || (failure._tag === "CutShort" && failure.isSame)) return Effect.fail(error)
            if (highest > mark) {
              mark = highest
              nextDelay = retryDelays(policy)
            }
            return Effect.flatMap(nextDelay(error), (millis) =>
              millis !== null
                ? Effect.zipRight(Effect.sleep(millis), loop)
                : Effect.fail(
                    highest === 0 || error._tag === "IncompleteDownloadError" ? error : incomplete(error.message, error)
                  )
            )
          })
        )
        return loop
      })

    /** On disk, and as long there as it was here: another program may have had its hands in it. */
    const settle = (scope: Scope.Scope) =>
      Effect.gen(function* () {
        const size = yield* Effect.mapError((part ?? (yield* openAt(scope, offset))).sync, failed)
        if (size !== offset) return yield* incomplete(`the file has ${size} bytes, ${offset} were written to it`)
      })

    const isWhole =
      total !== null &&
      offset === total &&
      (yield* Effect.match(checked, { onFailure: () => false, onSuccess: () => true }))
    // The part is closed before it is named: not every system renames a file that is open.
    yield* Effect.scopedWith((scope) => Effect.zipRight(isWhole ? Effect.void : download(scope), settle(scope))).pipe(
      Effect.zipRight(publish(fs, path, target, plan.overwrite)),
      // A part without a byte is no use to anybody. Of any other it is noted what it is, or it is not trusted to the last byte.
      Effect.onError(() => {
        if (part === null && offset > 0 && !isWhole) return Effect.void
        if (part !== null && offset === 0) {
          return Effect.zipRight(Effect.ignore(removeNote(fs, target)), Effect.ignore(fs.remove(target.part)))
        }
        return offset === 0 || validator === null
          ? Effect.void
          : Effect.ignore(saveNote(fs, target, { ...named, validator, etag, total }, offset))
      })
    )
    return { file: { path: target.path, bytes: offset, videoId: id, resumedFrom, etag }, total }
  })

/** What another try may mend. A job that has not ended is waited for by a watch. */
const isBreak = (error: DownloadToFileError): error is IncompleteDownloadError | DownloadVideoError =>
  Errors.isTransient(error) && !(error._tag === "VideoNotReadyError" && phaseOf(error.video) !== "succeeded")
