/**
 * Video jobs that outlive their process: a run submits a job once, waits for it, and stores its clip, whatever is killed on the
 * way.
 *
 * @since 0.1.0
 */
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Videos } from "effect-videos/Videos"
import type { VideoEvent } from "effect-videos/Webhook"
import {
  type DatabaseError,
  DatabaseUnavailableError,
  type DatabaseVersionError,
  IdempotencyConflictError,
  InvalidRunError,
  RunNotFoundError,
  RunNotRecordedError,
  RunStateError
} from "./errors.js"
import { Drain } from "./internal/drain.js"
import { type Engine, forget, localEngine } from "./internal/engine.js"
import { fingerprintOf } from "./internal/fingerprint.js"
import { listPoller } from "./internal/listPoller.js"
import { fieldsOf, type RunRow, toRun } from "./internal/runRow.js"
import { DatabaseName, orUnavailable, RunTable } from "./internal/runTable.js"
import { workflowsLayer } from "./internal/runWorkflow.js"
import { Settings, type SettingsService } from "./internal/settings.js"
import { lockDatabase, sqliteClient } from "./internal/sqliteConnection.js"
import { type NewRun, record, start, unsettledOf, wakeRun, workflowOf } from "./internal/startRun.js"
import { sweeper } from "./internal/sweeper.js"
import { CreateRequest, ExtendRequest, ExtendToRequest, isEnded, type Run, type RunState } from "./Runs.js"
import type { VideoStore } from "./VideoStore.js"

// -----------------------------------------------------------------------------
// models
// -----------------------------------------------------------------------------

/**
 * Options of a start.
 *
 * @since 0.1.0
 * @category models
 */
export interface StartOptions {
  /**
   * The caller's name for this request, such as an order's number: 1 to 200 characters. The same key with the same request returns
   * the run that there is, for ever; with another request it fails. A key counts for one kind: `create`, `extend` and `extendTo` have
   * their own.
   */
  readonly key: string
}

/**
 * @since 0.1.0
 * @category models
 */
export interface DurableVideosService {
  /** Records a run that creates a clip, and starts it. Returns at once. */
  readonly create: (request: CreateRequest, options: StartOptions) => Effect.Effect<Run, StartError>
  /** Records a run that extends a clip, and starts it. Returns at once. */
  readonly extend: (request: ExtendRequest, options: StartOptions) => Effect.Effect<Run, StartError>
  /**
   * Records a run that extends a clip to a length, and starts it. Returns at once. Each segment is a run of its own, which `list`
   * leaves out and `segments` names: it is submitted once, waited for and settled like any other. Films that are not the whole are
   * joined by FFmpeg at the end. The same key with another `maxSegments` or `maxCost` changes the limit, and continues a run that
   * has ended as `failed`.
   */
  readonly extendTo: (request: ExtendToRequest, options: StartOptions) => Effect.Effect<Run, StartError>
  /** Reads a run. */
  readonly get: (execution: string) => Effect.Effect<Run, RunNotFoundError | DatabaseUnavailableError>
  /** Reads runs, newest first, without the segments of others. */
  readonly list: (options?: {
    readonly states?: ReadonlyArray<RunState> | undefined
    /** Default: 100. */
    readonly limit?: number | undefined
    /** The execution of a run: those that come after it on the list, for the next page. */
    readonly before?: string | undefined
  }) => Effect.Effect<ReadonlyArray<Run>, DatabaseUnavailableError>
  /**
   * Emits a run as it is, and after each change, until it has ended; from any process that opens the database. Reads the database
   * twice a second: changes in between are one. `after` is the `version` that was seen last.
   */
  readonly watch: (
    execution: string,
    options?: { readonly after?: number | undefined }
  ) => Stream.Stream<Run, RunNotFoundError | DatabaseUnavailableError>
  /**
   * Cancels a run: before its next step, or after the one that it is in. `deleteJob` deletes the job too, as soon as the server
   * allows it. Of `extendTo`, that is the open segment. A run that has ended stays as it is.
   */
  readonly cancel: (
    execution: string,
    options?: { readonly deleteJob?: boolean | undefined }
  ) => Effect.Effect<Run, RunNotFoundError | DatabaseUnavailableError>
  /**
   * Decides for an `uncertain` run: the id of its job, `"resend"` (pays again, should it have made a job), or `"give up"`. Fails
   * with `RunStateError` if the run is not uncertain.
   */
  readonly resolve: (
    execution: string,
    decision: string
  ) => Effect.Effect<Run, RunNotFoundError | RunStateError | DatabaseUnavailableError>
  /**
   * Continues a run that waits after a failure at once. A run that ended otherwise than `done` begins again as a new attempt under
   * its key, which makes a new job; the new run is returned. If the old request may have made a job that is not known, the new
   * attempt reads the list first: it adopts that job, sends the request if there certainly is none, or becomes `uncertain`. A run
   * of `extendTo` keeps the segments that are complete; a segment is retried with its run alone.
   */
  readonly retry: (execution: string) => Effect.Effect<Run, RunNotFoundError | RunStateError | DatabaseUnavailableError>
  /** Deletes what the engine keeps of a run that has ended. The run stays on the list, and its key stays taken. */
  readonly forget: (
    execution: string
  ) => Effect.Effect<void, RunNotFoundError | RunStateError | DatabaseUnavailableError>
  /**
   * Handler of webhook events, for `webhookHttpApp`: wakes the run of the job, which then reads its job. An event that is lost,
   * early or doubled changes nothing. Fails for a job that is about to be recorded, so that the sender delivers again.
   */
  readonly webhook: (event: VideoEvent) => Effect.Effect<void, RunNotRecordedError | DatabaseUnavailableError>
}

/**
 * What a start may fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type StartError = InvalidRunError | IdempotencyConflictError | DatabaseUnavailableError

/**
 * How runs wait. A duration that is not above 0 fails the layer with a `ConfigError` that names it; `stopWithin` may be 0.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunOptions {
  /** A label for the server behind `Videos`; its job ids count for it alone. Default: `default`. */
  readonly server?: string | undefined
  /**
   * Pauses between two polls of all waiting runs: a tenth of the youngest run's age, within these. With webhooks, a minute for
   * both is enough. Default: 1 to 15 seconds.
   */
  readonly polling?:
    | { readonly min?: Duration.DurationInput | undefined; readonly max?: Duration.DurationInput | undefined }
    | undefined
  /** A waiting run reads its job itself after this time, twice as long after each, up to an hour. Default: 2 minutes. */
  readonly safetyNet?: Duration.DurationInput | undefined
  /** For how long the server may not know a job before its run ends as `lost`. Default: 10 minutes. */
  readonly lostAfter?: Duration.DurationInput | undefined
  /** The first pause after a failure; it doubles after each in a row, up to an hour. Default: 5 seconds. */
  readonly retryAfter?: Duration.DurationInput | undefined
  /** How often overdue runs are looked for. Default: 10 seconds. */
  readonly sweepEvery?: Duration.DurationInput | undefined
  /** The programs that join segments of `extendTo`, by name or path. Default: `ffmpeg` and `ffprobe` on the `PATH`. */
  readonly ffmpeg?: string | undefined
  readonly ffprobe?: string | undefined
  /** For how long a runner whose layer is released lets its steps end: no new one begins. Default: 10 seconds. */
  readonly stopWithin?: Duration.DurationInput | undefined
}

/**
 * Options of SQLite.
 *
 * @since 0.1.0
 * @category models
 */
export interface SqliteOptions extends RunOptions {
  /** Made if it is missing; its directory must exist, on a local disk. */
  readonly filename: string
}

/**
 * Runs that outlive their process.
 *
 * @example
 * import { FetchHttpClient } from "@effect/platform"
 * import { DurableVideos, VideoStore } from "@effect-videos/durable"
 * import { Effect, Layer, Stream } from "effect"
 * import { Videos } from "effect-videos"
 *
 * const live = DurableVideos.layerSqlite({ filename: "videos.db" }).pipe(
 *   Layer.provide(VideoStore.layerDirectory("clips")),
 *   Layer.provide(Videos.layerConfig),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * const program = Effect.gen(function* () {
 *   const durable = yield* DurableVideos
 *   const run = yield* durable.extend({ video: "video_1", prompt: "the tide comes in", seconds: 8 }, { key: "order-17" })
 *   yield* Stream.runForEach(durable.watch(run.execution), ({ progress, state }) => Effect.log(state, progress))
 * }).pipe(Effect.provide(live))
 *
 * @since 0.1.0
 * @category services
 */
export class DurableVideos extends Context.Tag("effect-videos/DurableVideos")<DurableVideos, DurableVideosService>() {
  /**
   * Runs in this process, on a SQLite file. One process at a time may run them: a second one fails with `DatabaseInUseError`.
   * After a crash, the next process continues all of them.
   */
  static readonly layerSqlite = (
    options: SqliteOptions
  ): Layer.Layer<DurableVideos, DatabaseError | ConfigError.ConfigError, Videos | VideoStore> =>
    Layer.unwrapScoped(
      Effect.as(
        lockDatabase(options.filename),
        runner(options).pipe(
          Layer.provide(orUnavailable("DurableVideos.layerSqlite")(localEngine("runner"))),
          Layer.provide(table(options.filename)),
          Layer.provide(sqliteClient(options.filename))
        )
      )
    )

  /** Starts, watches and cancels runs on a SQLite file of this machine, and runs none: another process does, with `layerSqlite`. */
  static readonly layerSqliteClient = (
    options: SqliteOptions
  ): Layer.Layer<DurableVideos, DatabaseUnavailableError | DatabaseVersionError | ConfigError.ConfigError> =>
    client(options).pipe(
      Layer.provide(orUnavailable("DurableVideos.layerSqliteClient")(localEngine("client"))),
      Layer.provide(table(options.filename)),
      Layer.provide(sqliteClient(options.filename))
    )
}

// -----------------------------------------------------------------------------
// internal
// -----------------------------------------------------------------------------

const decoded = (
  name: string,
  given: Duration.DurationInput,
  isAccepted: (millis: number) => boolean = (millis) => millis > 0 && millis < Infinity
): Effect.Effect<Duration.Duration, ConfigError.ConfigError> =>
  Duration.decodeUnknown(given).pipe(
    Option.filter((duration) => isAccepted(Duration.toMillis(duration))),
    Option.match({
      onNone: () => Effect.fail(ConfigError.InvalidData([name], 'must be a duration above 0, such as "10 seconds"')),
      onSome: Effect.succeed
    })
  )

const settingsOf = (options: RunOptions): Effect.Effect<SettingsService, ConfigError.ConfigError> =>
  Effect.gen(function* () {
    const { ffmpeg, ffprobe, polling, server = "default" } = options
    const every = yield* decoded("sweepEvery", options.sweepEvery ?? "10 seconds")
    return {
      server,
      polling: {
        min: yield* decoded("polling.min", polling?.min ?? "1 second"),
        max: yield* decoded("polling.max", polling?.max ?? "15 seconds")
      },
      safetyNet: yield* decoded("safetyNet", options.safetyNet ?? "2 minutes"),
      lostAfter: yield* decoded("lostAfter", options.lostAfter ?? "10 minutes", (millis) => millis > 0),
      retryAfter: yield* decoded("retryAfter", options.retryAfter ?? "5 seconds"),
      stopWithin: yield* decoded("stopWithin", options.stopWithin ?? "10 seconds", () => true),
      programs: { ffmpeg, ffprobe },
      sweep: { every, late: Duration.times(every, 3) }
    }
  })

/** @internal */
export const table = (database: string) => Layer.provideMerge(RunTable.layer, Layer.succeed(DatabaseName, database))

/** @internal */
export const client = (options: RunOptions): Layer.Layer<DurableVideos, ConfigError.ConfigError, Engine | RunTable> =>
  Layer.effect(DurableVideos, make).pipe(Layer.provide(Layer.effect(Settings, settingsOf(options))))

/** @internal */
export const runner = (
  options: RunOptions
): Layer.Layer<DurableVideos, ConfigError.ConfigError, Engine | RunTable | Videos | VideoStore> => {
  const background = Layer.mergeAll(workflowsLayer, listPoller(options.server ?? "default"), sweeper)
  return Layer.merge(Layer.effect(DurableVideos, make), background).pipe(
    Drain.around,
    Layer.provide(Layer.effect(Settings, settingsOf(options)))
  )
}

const problemsOf = (error: ParseResult.ParseError): string =>
  `not what the protocol accepts: ${fieldsOf(error)
    .map((field) => `\`${field}\``)
    .join(", ")}`

const requests = { create: CreateRequest, extend: ExtendRequest, extendTo: ExtendToRequest } as const

/** A limit is not part of what is asked for. */
const withoutLimits = (json: string) => {
  const { maxCost, maxSegments, ...rest } = JSON.parse(json)
  return { asked: JSON.stringify(rest), limits: JSON.stringify([maxSegments, maxCost?.amount, maxCost?.currency]) }
}

const make = Effect.gen(function* () {
  const runs = yield* RunTable
  const { server } = yield* Settings
  const context = yield* Effect.context<Engine>()

  const unavailable =
    (operation: string) =>
    (error: { readonly message: string; readonly cause?: unknown }): DatabaseUnavailableError =>
      new DatabaseUnavailableError({
        operation,
        database: runs.database,
        detail: error.cause instanceof Error ? error.cause.message : error.message
      })

  const find = (operation: string, execution: string) =>
    Effect.flatMap(Effect.mapError(runs.get(execution), unavailable(operation)), (row) =>
      row === null ? new RunNotFoundError({ operation, execution }) : Effect.succeed(row)
    )

  const change = (operation: string, execution: string, columns: Parameters<typeof runs.update>[1]) =>
    Effect.mapError(runs.update(execution, columns), unavailable(operation))

  const wake = (row: RunRow) => Effect.provide(wakeRun(row), context)

  /** The run of the segment that a run of `extendTo` waits for. */
  const openSegment = (operation: string, { plan }: RunRow) =>
    plan?.pending == null
      ? Effect.succeed(null)
      : Effect.mapError(runs.get(plan.pending.execution), unavailable(operation))

  /** Rows as runs. Those of `extendTo` show the run of their open segment. */
  const show = (operation: string, rows: ReadonlyArray<RunRow>) =>
    Effect.map(
      Effect.mapError(runs.some(rows.flatMap(({ plan }) => plan?.pending?.execution ?? [])), unavailable(operation)),
      (segments) => {
        const open = new Map(segments.map((row) => [row.execution_id, row]))
        return rows.map((row) => toRun(row, open.get(row.plan?.pending?.execution ?? "") ?? null))
      }
    )

  const showOne = (operation: string, row: RunRow): Effect.Effect<Run, DatabaseUnavailableError> =>
    Effect.map(openSegment(operation, row), (open) => toRun(row, open))

  const forgetRun = (kind: RunRow["kind"], execution: string) =>
    Effect.provide(forget(workflowOf(kind), execution), context)

  /** Records an attempt and starts it. */
  const begin = (operation: string, row: Omit<NewRun, "server">) =>
    Effect.gen(function* () {
      const { kind, run_key } = row
      const execution = yield* Effect.mapError(record(runs, { ...row, server }), unavailable(operation))
      const stored = yield* Effect.mapError(runs.latest(kind, run_key), unavailable(operation))
      if (stored === null) return yield* Effect.dieMessage(`run ${execution} is not in the table`)
      if (stored.fingerprint !== row.fingerprint)
        return yield* new IdempotencyConflictError({ operation, key: run_key, execution: stored.execution_id })
      if (stored.state === "accepted") yield* Effect.provide(start(stored), context)
      return stored
    })

  /** The next attempt of a run that has ended otherwise than `done`. */
  const beginAgain = (operation: string, row: RunRow, request: string) =>
    Effect.gen(function* () {
      const { attempt, fingerprint, kind, plan, run_key } = row
      const latest = yield* Effect.mapError(runs.latest(kind, run_key), unavailable(operation))
      if (latest !== null && latest.attempt > attempt) return latest
      const again = { kind, run_key, attempt: attempt + 1, fingerprint, request, plan, unsettled: unsettledOf(row) }
      return yield* begin(operation, again).pipe(
        Effect.catchTag("IdempotencyConflictError", (error) => Effect.die(error))
      )
    })

  /** The limits of a call apply to the run that there is. */
  const setLimits = (operation: string, row: RunRow, request: string) =>
    Effect.gen(function* () {
      if (row.state === "done" || withoutLimits(row.request).limits === withoutLimits(request).limits) return row
      if (row.state === "failed") return yield* beginAgain(operation, row, request)
      if (isEnded(row.state)) return row
      const after = yield* change(operation, row.execution_id, { request })
      yield* wake(after)
      return after
    })

  const startRun = (kind: keyof typeof requests, request: unknown, { key }: StartOptions) =>
    Effect.gen(function* () {
      const operation = `DurableVideos.${kind}`
      if (typeof key !== "string" || key.length === 0 || key.length > 200)
        return yield* new InvalidRunError({ operation, detail: "`key` must be a text of 1 to 200 characters" })
      const encoded = yield* Schema.encodeUnknown(Schema.parseJson(requests[kind]), { onExcessProperty: "error" })(
        request
      ).pipe(Effect.mapError((error) => new InvalidRunError({ operation, detail: problemsOf(error) })))
      const existing = yield* Effect.mapError(runs.latest(kind, key), unavailable(operation))
      const fingerprint = yield* fingerprintOf(kind === "extendTo" ? withoutLimits(encoded).asked : encoded)
      const stored = yield* begin(operation, {
        kind,
        run_key: key,
        attempt: existing?.attempt ?? 1,
        fingerprint,
        request: encoded
      })
      return yield* showOne(operation, kind === "extendTo" ? yield* setLimits(operation, stored, encoded) : stored)
    })

  const get = (operation: string, execution: string) =>
    Effect.flatMap(find(operation, execution), (row) => showOne(operation, row))

  return DurableVideos.of({
    create: (request, options) => startRun("create", request, options),
    extend: (request, options) => startRun("extend", request, options),
    extendTo: (request, options) => startRun("extendTo", request, options),
    get: (execution) => get("DurableVideos.get", execution),
    list: (options) => {
      const operation = "DurableVideos.list"
      const rows = runs.list({
        states: options?.states,
        limit: options?.limit ?? 100,
        before: options?.before
      })
      return Effect.flatMap(Effect.mapError(rows, unavailable(operation)), (rows) => show(operation, rows))
    },
    watch: (execution, options) =>
      Stream.repeatEffectWithSchedule(get("DurableVideos.watch", execution), Schedule.spaced("500 millis")).pipe(
        Stream.changesWith((a, b) => a.version === b.version),
        Stream.takeUntil(({ state }) => isEnded(state)),
        Stream.filter(({ version }) => version > (options?.after ?? 0))
      ),
    cancel: (execution, options) =>
      Effect.gen(function* () {
        const operation = "DurableVideos.cancel"
        const row = yield* find(operation, execution)
        if (isEnded(row.state)) return yield* showOne(operation, row)
        const cancel = options?.deleteJob === true ? "delete job" : "keep job"
        const after = yield* change(operation, execution, { cancel })
        yield* wake(after)
        return yield* showOne(operation, after)
      }),
    resolve: (execution, decision) =>
      Effect.gen(function* () {
        const operation = "DurableVideos.resolve"
        const row = yield* find(operation, execution)
        // The segment is in doubt, and its run shows it.
        const inDoubt = (yield* openSegment(operation, row)) ?? row
        if (inDoubt.state !== "uncertain")
          return yield* new RunStateError({
            operation,
            execution,
            state: row.state,
            detail: "only an uncertain run needs a decision"
          })
        const after = yield* change(operation, inDoubt.execution_id, { resolution: decision })
        yield* wake(after)
        return yield* get(operation, execution)
      }),
    retry: (execution) =>
      Effect.gen(function* () {
        const operation = "DurableVideos.retry"
        const row = yield* find(operation, execution)
        const refuse = (detail: string) => new RunStateError({ operation, execution, state: row.state, detail })
        if (row.state === "done") return yield* refuse("its clip is in the store")
        if (!isEnded(row.state)) {
          yield* wake(row)
          const segment = yield* openSegment(operation, row)
          if (segment !== null && !isEnded(segment.state)) yield* wake(segment)
          return yield* showOne(operation, row)
        }
        if (row.parent !== null) return yield* refuse(`it is a segment of run ${row.parent}: retry that one`)
        return yield* showOne(operation, yield* beginAgain(operation, row, row.request))
      }),
    forget: (execution) =>
      Effect.gen(function* () {
        const operation = "DurableVideos.forget"
        const row = yield* find(operation, execution)
        if (!isEnded(row.state))
          return yield* new RunStateError({ operation, execution, state: row.state, detail: "it has not ended" })
        const segments = (yield* showOne(operation, row)).segments
        yield* Effect.forEach(
          segments,
          (segment) => forgetRun(segment.way === "extended" ? "extend" : "create", segment.execution),
          {
            discard: true
          }
        )
        yield* forgetRun(row.kind, execution)
      }),
    webhook: (event) =>
      Effect.gen(function* () {
        const { videoId } = event
        if (videoId === null) return
        const failure = unavailable("DurableVideos.webhook")
        const row = yield* Effect.mapError(runs.byJob(server, videoId), failure)
        if (row !== null) {
          if (row.state === "waiting" || row.state === "submitting") yield* wake(row)
          return
        }
        if (yield* Effect.mapError(runs.isSubmitting(server), failure))
          return yield* new RunNotRecordedError({ videoId })
      })
  })
})
