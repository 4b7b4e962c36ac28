/** From a stream of news about jobs to what the user wanted: progress, files, records, and one error at the end. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { VideoFailedError } from "effect-videos/Errors"
import { defaultRetrySchedule } from "effect-videos/Polling"
import { isTerminal, phaseOf, type VideoResource } from "effect-videos/Schema"
import type { WatchOptions } from "effect-videos/Stream"
import { type DownloadedFile, type DownloadToFileError, downloadVideoToFile } from "effect-videos/Transfer"
import { downloadVideo, type Videos } from "effect-videos/Videos"
import { type JobDisplay, makeDisplay, progressMode } from "./display.js"
import { mayGoOn } from "./exitCodes.js"
import type { Following, Shown } from "./options.js"
import { elsewhere, type Output } from "./output.js"
import { type OutputError, Screen } from "./screen.js"
import { type Resume, Session } from "./session.js"
import { bytes } from "./text.js"
import type { JobUpdate } from "./watchJobs.js"
import { makeWriter, writeJob } from "./writer.js"

export interface Plan<E = never, R = never> {
  /** What the jobs are called until they have ids; the names under which news comes. */
  readonly keys: ReadonlyArray<string>
  /** What is shown before there is news. */
  readonly first: string
  /** `false`: a submission's answer is all that is wanted. */
  readonly wait: boolean
  readonly output: Output | null
  /** The options of the command that resumes. */
  readonly resume: ReadonlyArray<string>
  /** Those of them that are not about the output. */
  readonly connection: ReadonlyArray<string>
  /** Which command that is, as things stand. Default: `watch`. */
  readonly resuming?: () => Pick<Resume, "before" | "command">
  /** How a clip gets to its path, where it is not simply saved; `null`: it is, as things stand. */
  readonly make?: (video: VideoResource, path: string, row: JobDisplay) => Effect.Effect<DownloadedFile, E, R> | null
}

/** A job about which there is no more to hear. */
interface Ended<E> {
  readonly key: string
  /** As it was last seen. */
  readonly video: VideoResource | null
  /** Why there is no more to hear, where it did not end. */
  readonly lost: Option.Option<E>
}

interface Outcome<E> {
  readonly key: string
  readonly error: Option.Option<E>
}

/** `rows` are those that a look which told nothing may be about. */
export const watchOptions = ({ stallTimeout, timeout }: Following, rows: ReadonlyArray<JobDisplay>): WatchOptions => ({
  totalTimeout: Option.getOrUndefined(timeout),
  stallTimeout: Option.getOrUndefined(stallTimeout),
  retry: Schedule.tapInput(defaultRetrySchedule, (error) => {
    const text = `trying again: ${messageOf(error).replace(/^\w+: /, "")}`
    return Effect.forEach(rows, (row) => row.trouble(text), { discard: true })
  })
})

/**
 * Runs until every job has ended one way or another, and fails with the error of the first, in the order of `keys`, that came
 * to no good. `updates` gets the display, for what is to be shown before there is a job.
 */
export const follow = <E, E1, R, E2 = never, R2 = never>(
  updates: (display: (key: string) => JobDisplay) => Stream.Stream<JobUpdate<E>, E1, R>,
  plan: Plan<E2, R2>,
  shown: Shown
) =>
  Effect.gen(function* () {
    type Failure = E | E2 | VideoFailedError | DownloadToFileError | OutputError
    const screen = yield* Screen
    const session = yield* Session
    const writer = yield* makeWriter(shown)
    const mode = yield* progressMode(shown.progress)
    // Records on a terminal with bars would be drawn over: they come after.
    const isLater = mode === "bar" && screen.terminal.err && screen.terminal.out
    const later: Array<Effect.Effect<void, OutputError>> = []
    const write = (video: VideoResource, file: DownloadedFile | null) => {
      const writing = writeJob(writer, video, file)
      return isLater ? Effect.sync(() => void later.push(writing)) : writing
    }

    const outcomes = yield* Effect.scoped(
      Effect.gen(function* () {
        const display = yield* makeDisplay(mode)
        const rows = new Map(
          yield* Effect.forEach(plan.keys, (key) =>
            Effect.map(display.add(key, plan.first), (row) => [key, row] as const)
          )
        )
        const rowOf = (key: string): JobDisplay => rows.get(key) ?? nowhere
        const seen = new Map<string, VideoResource>()

        const hear = (update: JobUpdate<E>): Effect.Effect<Option.Option<Ended<E>>> =>
          Effect.gen(function* () {
            const { key } = update
            if (update._tag === "Lost") {
              return Option.some({ key, video: seen.get(key) ?? null, lost: Option.some(update.error) })
            }
            // The id of the first answer stays: some servers change or blank it later (LiteLLM).
            const id = seen.get(key)?.id ?? update.video.id
            const video = { ...update.video, id }
            seen.set(key, video)
            yield* session.started(key, {
              id: video.id,
              ...(plan.resuming?.() ?? { command: "watch" }),
              options: plan.resume,
              running: !isTerminal(video)
            })
            yield* rowOf(key).job(video)
            return plan.wait && !isTerminal(video) ? Option.none() : Option.some({ key, video, lost: Option.none() })
          })

        const finish = ({ key, lost, video }: Ended<E>) =>
          Effect.gen(function* () {
            const row = rowOf(key)
            const failed = (error: Failure, text: string) =>
              Effect.gen(function* () {
                yield* row.end(false, text)
                if (video !== null) yield* write(video, null)
                return { key, error: Option.some(error) } satisfies Outcome<Failure>
              })
            if (Option.isSome(lost)) {
              if (!mayGoOn(lost.value)) yield* session.finished(key)
              return yield* failed(lost.value, plan.keys.length === 1 ? "" : messageOf(lost.value))
            }
            if (video === null) return { key, error: Option.none() }
            if (phaseOf(video) === "failed") {
              yield* session.finished(key)
              return yield* failed(new VideoFailedError({ operation: "watchVideo", video }), reasonOf(video))
            }
            const file = yield* Effect.either(save(video, row))
            if (Either.isLeft(file)) {
              // The same path would fail again.
              if (plan.output !== null && isOfPath(file.left)) {
                yield* session.started(key, {
                  id: video.id,
                  ...(plan.resuming?.() ?? { command: "watch" }),
                  options: [...(yield* elsewhere(plan.output, video.id)), ...plan.connection],
                  running: false
                })
              }
              return yield* failed(file.left, plan.keys.length === 1 ? "" : messageOf(file.left))
            }
            if (plan.wait) yield* row.end(true, savedText(file.right, plan.output?.pathOf(video.id)))
            yield* session.finished(key)
            if (plan.output?.isStandardOutput !== true) yield* write(video, file.right)
            return { key, error: Option.none() }
          })

        const pipeOut = (video: VideoResource, path: string) =>
          Effect.map(
            Stream.runFoldEffect(downloadVideo(video), 0, (sum, data) =>
              Effect.as(screen.out(data), sum + data.length)
            ),
            (bytes): DownloadedFile => ({ path, bytes, videoId: video.id, resumedFrom: 0, etag: null })
          )

        const save = (
          video: VideoResource,
          row: JobDisplay
        ): Effect.Effect<
          DownloadedFile | null,
          E2 | DownloadToFileError | OutputError,
          R2 | Videos | FileSystem.FileSystem | Path.Path
        > => {
          if (!plan.wait || plan.output === null) return Effect.succeed(null)
          const path = plan.output.pathOf(video.id)
          const { isStandardOutput, overwrite } = plan.output
          if (isStandardOutput) return pipeOut(video, path)
          return (
            plan.make?.(video, path, row) ?? downloadVideoToFile(video, path, { overwrite, onProgress: row.download })
          )
        }

        return yield* updates(rowOf).pipe(
          Stream.mapEffect(hear),
          Stream.filterMap((ended) => ended),
          Stream.mapEffect(finish, { concurrency: "unbounded", unordered: true }),
          Stream.runFold(new Map<string, Outcome<Failure>["error"]>(), (all, { error, key }) => all.set(key, error))
        )
      })
    )
    yield* Effect.all(later, { discard: true })
    for (const key of plan.keys) {
      const error = outcomes.get(key)
      if (error !== undefined && Option.isSome(error)) return yield* Effect.fail(error.value)
    }
  })

// internal

/** With the path as it was given. */
const savedText = (file: DownloadedFile | null, path: string | undefined): string =>
  file === null ? "" : `saved ${path ?? file.path} (${bytes(file.bytes)})`

/** Whether another path would do. */
const isOfPath = (error: unknown): boolean => Predicate.hasProperty(error, "_tag") && error._tag === "FileError"

const nowhere: JobDisplay = {
  job: () => Effect.void,
  upload: () => Effect.void,
  download: () => Effect.void,
  trouble: () => Effect.void,
  end: () => Effect.void
}

const messageOf = (error: unknown): string =>
  Predicate.hasProperty(error, "message") && typeof error.message === "string" ? error.message : String(error)

const reasonOf = ({ error }: VideoResource): string =>
  error === null ? "" : [error.code, error.message].filter(Predicate.isTruthy).join(": ")
