/** The steps of a run after its submission: each reads the row, does one thing, and says what comes next. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Segments } from "effect-videos/continue"
import { isTransient } from "effect-videos/Errors"
import { isTerminal, phaseOf, type VideoResource } from "effect-videos/Schema"
import { Videos } from "effect-videos/Videos"
import { RunOutcome } from "../Runs.js"
import { VideoStore } from "../VideoStore.js"
import type { Columns, RunRow } from "./runRow.js"
import { RunTable } from "./runTable.js"
import { backoff, Checkpoint, Settings } from "./settings.js"

/** `Go`: to the next step. `Wait`: this step again, after a wake-up of this round or at this time. `End`: the run is over. */
export const Next = Schema.Union(
  Schema.TaggedStruct("Go", {}),
  Schema.TaggedStruct("Wait", { round: Schema.Number, at: Schema.Number }),
  Schema.TaggedStruct("End", { outcome: RunOutcome })
)

export type Next = typeof Next.Type

export const go: Next = { _tag: "Go" }

export const end = (state: RunOutcome["state"], problem: string | null = null): Next => ({
  _tag: "End",
  outcome: { state, problem }
})

/** One step of a run: `count` is how often it has run in this place. */
export type Step = (execution: string, count: number) => Effect.Effect<Next>

/** How many jobs of before a submission are recorded. */
const baselineSize = 20

export const makeSteps = Effect.gen(function* () {
  const videos = yield* Videos
  const clips = yield* VideoStore
  const isWhole = yield* Segments.isWhole
  const table = yield* RunTable
  const settings = yield* Settings
  const checkpoint = yield* Checkpoint

  const begin = (execution: string) =>
    Effect.flatMap(Effect.orDie(table.get(execution)), (row) =>
      row === null
        ? Effect.dieMessage(`run ${execution} is not in the table`)
        : row.wake_at === null
          ? Effect.succeed(row)
          : change(execution, { wake_at: null, nudges: 0 })
    )

  const change = (execution: string, columns: Columns): Effect.Effect<RunRow> =>
    Effect.orDie(table.update(execution, columns))

  /** Waits; at once, if a person or a program has decided something meanwhile. */
  const wait = (row: RunRow, millis: number, columns: Columns = {}): Effect.Effect<Next> =>
    Effect.gen(function* () {
      const at = (yield* Clock.currentTimeMillis) + millis
      const round = row.round + 1
      const after = yield* change(row.execution_id, { ...columns, round, wake_at: at })
      // A decision that came after the job was found decides nothing.
      const isDecided = after.cancel !== row.cancel || (after.resolution !== null && after.job_id === null)
      return { _tag: "Wait", round, at: isDecided ? 0 : at }
    })

  /** Waits after a failure: longer after each in a row. */
  const postpone = (row: RunRow, problem: string, columns: Columns = {}): Effect.Effect<Next> =>
    wait(row, backoff(settings.retryAfter, row.tries), { ...columns, tries: row.tries + 1, problem })

  /** Ends a run that is to be cancelled; deletes its job first, if that is asked for. */
  const cancel = (row: RunRow): Effect.Effect<Next> => {
    const { job_id } = row
    if (row.cancel !== "delete job" || job_id === null) return Effect.succeed(end("cancelled"))
    return Effect.matchEffect(videos.delete(job_id), {
      onSuccess: () => Effect.succeed(end("cancelled")),
      onFailure: (error) => {
        if (error._tag === "VideoNotFoundError") return Effect.succeed(end("cancelled"))
        if (error._tag === "OperationUnsupportedError") return Effect.succeed(end("cancelled", error.message))
        // Servers refuse to delete a job that runs: its end is near.
        return postpone(row, error.message)
      }
    })
  }

  const intent: Step = (execution) =>
    Effect.gen(function* () {
      const row = yield* begin(execution)
      if (row.cancel !== null) return yield* cancel(row)
      if (row.intent_at !== null) return go
      yield* checkpoint("before intent")
      const intent_at = yield* Clock.currentTimeMillis
      const newest = yield* videos.listPages({ limit: baselineSize, order: "desc" }).pipe(
        Stream.runHead,
        Effect.map((page) =>
          Option.match(page, { onNone: () => [], onSome: ({ videos }) => videos.map(({ id }) => id) })
        ),
        Effect.either
      )
      if (newest._tag === "Left" && isTransient(newest.left) && row.tries < 3) {
        return yield* postpone(row, newest.left.message, { state: "submitting" })
      }
      // Without a list, a submission whose response is lost cannot be settled, and waits for a person.
      const baseline = newest._tag === "Left" ? null : JSON.stringify(newest.right.slice(0, baselineSize))
      yield* change(execution, { state: "submitting", intent_at, baseline, tries: 0, problem: null })
      yield* checkpoint("after intent")
      return go
    })

  /** The server does not know the job: a replica may lag, and a server that has just started may still read its jobs. */
  const missing = (row: RunRow, problem: string, columns: Columns = {}): Effect.Effect<Next> =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const since = row.missing_since ?? now
      return now - since >= Duration.toMillis(settings.lostAfter)
        ? end("lost", problem)
        : yield* postpone(row, problem, { ...columns, missing_since: since })
    })

  const seen = ({ progress, status }: VideoResource): Columns => ({ status, progress })

  const confirm: Step = (execution, count) =>
    Effect.gen(function* () {
      const row = yield* begin(execution)
      const { job_id } = row
      if (job_id === null) return yield* Effect.dieMessage(`run ${execution} has no job to wait for`)
      if (row.cancel !== null) return yield* cancel(row)
      // The response to the submission was a read.
      const isNew = count === 1 && phaseOf(row.status ?? "") !== "succeeded" && phaseOf(row.status ?? "") !== "failed"
      const pause = Math.min(Duration.toMillis(settings.safetyNet) * 2 ** Math.min(count - 1, 10), 3_600_000)
      if (isNew) return yield* wait(row, pause, { state: "waiting" })
      const read = yield* Effect.either(videos.retrieve(job_id))
      if (read._tag === "Left") {
        const { left: error } = read
        if (error._tag !== "VideoNotFoundError") return yield* postpone(row, error.message, { state: "waiting" })
        return yield* missing(row, error.message, { state: "waiting" })
      }
      const video = read.right
      const columns = { ...seen(video), missing_since: null, problem: null, tries: 0 }
      if (!isTerminal(video)) return yield* wait(row, pause, { ...columns, state: "waiting" })
      if (phaseOf(video) === "failed") {
        yield* change(execution, columns)
        const { error } = video
        return end(
          "failed",
          error === null ? `the job ended as ${video.status}` : [error.code, error.message].join(": ")
        )
      }
      yield* change(execution, { ...columns, state: "downloading" })
      return go
    })

  /** Stores the clip of a job under a name, unless it is there. */
  const store = (name: string, job: string) =>
    Effect.flatMap(clips.find(name), (found) =>
      found === null ? Effect.flatMap(videos.retrieve(job), (video) => clips.save(name, video)) : Effect.succeed(found)
    ).pipe(Effect.provideService(Videos, videos))

  const notStored = (row: RunRow, error: { readonly _tag: string; readonly message: string }): Effect.Effect<Next> => {
    switch (error._tag) {
      case "VideoExpiredError":
        return Effect.succeed(end("lost", error.message))
      case "VideoFailedError":
        return Effect.succeed(end("failed", error.message))
      case "VideoNotFoundError":
        return missing(row, error.message)
      default:
        // The job is paid for: whatever it is, it may pass.
        return postpone(row, error.message, { missing_since: null })
    }
  }

  const download: Step = (execution) =>
    Effect.gen(function* () {
      const row = yield* begin(execution)
      const { job_id, kind, parent } = row
      if (job_id === null) return yield* Effect.dieMessage(`run ${execution} has no job to download`)
      if (row.cancel !== null) return yield* cancel(row)
      // The next segment, or the end of its run, has what this one has.
      if (parent !== null && kind === "extend" && isWhole) return go
      yield* checkpoint("before download")
      const saved = yield* Effect.either(store(execution, job_id))
      if (saved._tag === "Left") return yield* notStored(row, saved.left)
      yield* checkpoint("after download")
      const { bytes, location } = saved.right
      // A segment is removed once it is joined.
      yield* change(execution, { ...(parent === null ? { location, bytes } : {}), problem: null, tries: 0 })
      return go
    })

  const report = (execution: string, { problem, state }: RunOutcome): Effect.Effect<RunRow> =>
    Effect.gen(function* () {
      yield* checkpoint("before report")
      const ended_at = yield* Clock.currentTimeMillis
      return yield* change(execution, { state, problem, ended_at, wake_at: null, candidates: null, resolution: null })
    })

  return { begin, cancel, change, confirm, download, intent, notStored, postpone, report, seen, store, wait }
})

export type Steps = Effect.Effect.Success<typeof makeSteps>
