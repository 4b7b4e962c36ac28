/** Runs jobs to their end: progress on standard error, files, records, and the error of the first job that failed. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import {
  type DownloadedFile,
  defaultRetrySchedule,
  downloadVideo,
  downloadVideoToFile,
  isTerminal,
  phaseOf,
  VideoFailedError,
  type VideoResource,
  type WatchOptions
} from "effect-videos"
import { type JobDisplay, makeDisplay, progressMode } from "./display.js"
import { isPathError, mayGoOn } from "./exitCodes.js"
import type { Following, Shown } from "./options.js"
import { elsewhere, type Output } from "./output.js"
import { messageOf, reasonOf, reportingRetries } from "./retries.js"
import { type OutputError, Screen } from "./screen.js"
import { type ActivityListener, type Resume, Session, type SessionService } from "./session.js"
import { bytes } from "./text.js"
import { makeWriter, writeJob } from "./writer.js"

export interface Plan {
  /** The ids of the jobs, or the name of the command that submits one. */
  readonly keys: ReadonlyArray<string>
  /** The state of a row before the server has responded. */
  readonly first: string
  /** Of a submission. */
  readonly prompt?: string | undefined
  /** `false`: the command ends with the response to the submission. */
  readonly wait: boolean
  readonly output: Output | null
  /** Options of the command that resumes, beside those of the output. */
  readonly connection: ReadonlyArray<string>
}

/** One job of a command that is running. */
export interface Job {
  readonly key: string
  readonly row: JobDisplay
  readonly watching: WatchOptions
  /** Shows a snapshot, and notes how to resume. */
  readonly saw: (video: VideoResource) => Effect.Effect<void>
  /** Sets the command that resumes. Default: `watch ID`. */
  readonly resumeBy: (resume: Pick<Resume, "before" | "command">) => void
}

/** One object for all jobs: watches with the same options share their requests. */
export const watchOptions = ({ stallTimeout, timeout }: Following, session: SessionService): WatchOptions => ({
  totalTimeout: Option.getOrUndefined(timeout),
  stallTimeout: Option.getOrUndefined(stallTimeout),
  retry: reportingRetries(defaultRetrySchedule, session)
})

/** Shows on all rows what the requests do. */
export const showActivity =
  (rows: ReadonlyArray<JobDisplay>): ActivityListener =>
  (activity) =>
    Effect.forEach(
      rows,
      (row) => {
        switch (activity._tag) {
          case "Submitting":
            return row.step(null)
          case "Reconciling":
            return row.step("reconciling")
          case "Retrying":
            return row.trouble(reasonOf(activity.error), activity.delayMillis)
        }
      },
      { discard: true }
    )

/**
 * Runs `run` for each job at once and writes its record. It fails with the error of the first job, in the order of `keys`, that
 * failed, after all of them have ended.
 */
export const follow = <E, R>(
  plan: Plan,
  given: Following & Shown,
  run: (job: Job) => Effect.Effect<DownloadedFile | null, E, R>
) =>
  Effect.gen(function* () {
    const session = yield* Session
    const writer = yield* makeWriter(given)
    const mode = yield* progressMode(given.progress)
    const later: Array<Effect.Effect<void, OutputError>> = []
    const isAlone = plan.keys.length === 1

    const runOne = (key: string, row: JobDisplay, watching: WatchOptions) =>
      Effect.gen(function* () {
        let seen: VideoResource | null = null
        let resume: Pick<Resume, "before" | "command"> = { command: "watch" }
        const resumeTo = (id: string, output: ReadonlyArray<string>, running: boolean) =>
          session.started(key, { id, ...resume, options: [...output, ...plan.connection], running })
        const saw = (update: VideoResource) =>
          Effect.suspend(() => {
            // Some servers change or blank the id later (LiteLLM): the first one stays.
            const video = { ...update, id: seen?.id ?? update.id }
            seen = video
            return Effect.zipRight(resumeTo(video.id, plan.output?.options ?? [], !isTerminal(video)), row.job(video))
          })
        const resumeBy = (by: typeof resume) => {
          resume = by
        }
        const result = yield* Effect.either(run({ key, row, watching, saw, resumeBy }))
        const video = seen as VideoResource | null
        const phase = video === null ? null : phaseOf(video)
        if (Either.isLeft(result)) {
          const error = result.left
          if (isPathError(error) && video !== null && plan.output !== null) {
            // The same path would fail again.
            yield* resumeTo(video.id, yield* elsewhere(plan.output, video.id), false)
            // What a completed job lacks is fetched by the same command.
          } else if (phase !== "succeeded" && !mayGoOn(error)) yield* session.finished(key)
          yield* row.end(
            false,
            video !== null && phase === "failed" ? failureOf(video) : isAlone ? "" : messageOf(error)
          )
        } else {
          if (plan.wait) yield* row.end(true, savedText(result.right, plan.output))
          yield* session.finished(key)
        }
        const file = Either.getOrElse(result, () => null)
        const hasRecord = video !== null && !(plan.output?.isStandardOutput === true && Either.isRight(result))
        // Bars are drawn over whatever is written between them.
        const writing = hasRecord ? writeJob(writer, video, file) : Effect.void
        yield* mode === "bar" ? Effect.sync(() => void later.push(writing)) : writing
        return result
      })

    const results = yield* Effect.scoped(
      Effect.gen(function* () {
        const display = yield* makeDisplay(mode)
        const rows = yield* Effect.forEach(plan.keys, (key) => display.add(key, plan.first, plan.prompt))
        yield* session.listen(showActivity(rows))
        const watching = watchOptions(given, session)
        return yield* Effect.forEach(rows, (row, index) => runOne(plan.keys[index] ?? "", row, watching), {
          concurrency: "unbounded"
        })
      })
    )
    yield* Effect.all(later, { discard: true })
    yield* Effect.all(results, { discard: true })
  })

/** Follows a job to its end, and saves its video if there is an output. */
export const untilSaved = <E, R>(job: Job, updates: Stream.Stream<VideoResource, E, R>, plan: Plan) =>
  Effect.gen(function* () {
    const seen = Stream.tap(plan.wait ? updates : Stream.take(updates, 1), job.saw)
    const video = Option.getOrNull(yield* Stream.runLast(seen))
    if (video === null || !plan.wait) return null
    if (phaseOf(video) === "failed") return yield* new VideoFailedError({ operation: "watchVideo", video })
    const { output } = plan
    if (output === null) return null
    const path = output.pathOf(video.id)
    if (!output.isStandardOutput) {
      return yield* downloadVideoToFile(video, path, { overwrite: output.overwrite, onProgress: job.row.download })
    }
    const screen = yield* Screen
    const sum = yield* Stream.runFoldEffect(downloadVideo(video), 0, (sum, data) =>
      Effect.as(screen.out(data), sum + data.length)
    )
    return { path, bytes: sum, videoId: video.id, resumedFrom: 0, etag: null } satisfies DownloadedFile
  })

// internal

const savedText = (file: DownloadedFile | null, output: Output | null): string =>
  file === null ? "" : `saved ${output?.pathOf(file.videoId) ?? file.path} (${bytes(file.bytes)})`

const failureOf = ({ error }: VideoResource): string =>
  error === null ? "" : [error.code, error.message].filter(Predicate.isTruthy).join(": ")
