/**
 * Runs as data: what was requested, the state of a run, and its outcome.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { VideoSeconds } from "effect-videos/Schema"

const Prompt = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(64_000))

const ExtraBody = Schema.optionalWith(Schema.Record({ key: Schema.String, value: Schema.Unknown }), { exact: true })

/**
 * The request of a run that creates a clip: `CreateVideoRequest` without files, which a database does not hold. It is stored as plain
 * JSON: no secret belongs into it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CreateRequest = Schema.Struct({
  prompt: Prompt,
  model: Schema.optionalWith(Schema.NonEmptyString, { exact: true }),
  seconds: Schema.optionalWith(VideoSeconds, { exact: true }),
  size: Schema.optionalWith(Schema.NonEmptyString, { exact: true }),
  inputReference: Schema.optionalWith(
    Schema.Union(Schema.Struct({ imageUrl: Schema.NonEmptyString }), Schema.Struct({ fileId: Schema.NonEmptyString })),
    { exact: true }
  ),
  extraBody: ExtraBody
})

/**
 * @since 0.1.0
 * @category models
 */
export type CreateRequest = typeof CreateRequest.Type

/**
 * The request of a run that extends a clip: `ExtendVideoRequest` with a job as its source.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ExtendRequest = Schema.Struct({
  /** The id of the completed job to extend. */
  video: Schema.NonEmptyString,
  prompt: Prompt,
  seconds: VideoSeconds,
  extraBody: ExtraBody
})

/**
 * @since 0.1.0
 * @category models
 */
export type ExtendRequest = typeof ExtendRequest.Type

/**
 * Where a run is.
 *
 * | state         | meaning                                                                                 |
 * | ------------- | --------------------------------------------------------------------------------------- |
 * | `accepted`    | recorded; nothing was sent                                                              |
 * | `submitting`  | about to be sent, on its way, or waiting for a server that does not accept it yet       |
 * | `uncertain`   | sent, and whether it made a job cannot be told: `resolve` decides                       |
 * | `waiting`     | the job runs                                                                            |
 * | `downloading` | the job has completed; the clip is on its way to the store                              |
 * | `done`        | the clip is in the store                                                                |
 * | `failed`      | the job failed                                                                          |
 * | `refused`     | the server does not accept the request: no job was made                                 |
 * | `lost`        | the server has no such job or no clip of it any more                                    |
 * | `cancelled`   | by `cancel`                                                                             |
 * | `abandoned`   | by `resolve(execution, "give up")`                                                      |
 *
 * The last six are final.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RunState = Schema.Literal(
  "accepted",
  "submitting",
  "uncertain",
  "waiting",
  "downloading",
  "done",
  "failed",
  "refused",
  "lost",
  "cancelled",
  "abandoned"
)

/**
 * @since 0.1.0
 * @category models
 */
export type RunState = typeof RunState.Type

const ends: ReadonlySet<RunState> = new Set(["done", "failed", "refused", "lost", "cancelled", "abandoned"])

/** @internal */
export const openStates: ReadonlyArray<RunState> = RunState.literals.filter((state) => !ends.has(state))

/**
 * Whether a run in this state has ended.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isEnded = (state: RunState): boolean => ends.has(state)

/**
 * How a run ended: the success value of its workflow. A failure is a value too: a workflow that fails would run again.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RunOutcome = Schema.Struct({
  state: Schema.Literal("done", "failed", "refused", "lost", "cancelled", "abandoned"),
  /** Why, unless it is done. */
  problem: Schema.NullOr(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export type RunOutcome = typeof RunOutcome.Type

const Time = Schema.NullOr(Schema.DateTimeUtc)

/**
 * A job that may be a run's own, while the run is uncertain.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Candidate = Schema.Struct({
  id: Schema.String,
  status: Schema.String,
  createdAt: Time
})

/**
 * @since 0.1.0
 * @category models
 */
export type Candidate = typeof Candidate.Type

/**
 * One run as it is at a moment.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Run = Schema.Struct({
  /** Names the run in every method. Derived from the kind, the key and the attempt. */
  execution: Schema.String,
  kind: Schema.Literal("create", "extend"),
  /** The caller's idempotency key. */
  key: Schema.String,
  /** 1, and one more for each `retry` of a run that had ended. */
  attempt: Schema.Number,
  state: RunState,
  /** The request as JSON. */
  request: Schema.Unknown,
  /** The label of the server (`server` of the layer's options). */
  server: Schema.String,
  /** The `Idempotency-Key` that is sent. */
  idempotencyKey: Schema.String,
  /** How often the submission was sent. */
  sends: Schema.Number,
  jobId: Schema.NullOr(Schema.String),
  /** The job's status and progress as the server said last. */
  status: Schema.NullOr(Schema.String),
  progress: Schema.NullOr(Schema.Number),
  /** The jobs that may be its own, while it is uncertain. */
  candidates: Schema.Array(Candidate),
  /** Why it waits, or why it ended. */
  problem: Schema.NullOr(Schema.String),
  /** Where the clip is, once it is done. */
  location: Schema.NullOr(Schema.String),
  bytes: Schema.NullOr(Schema.Number),
  /** Whether it is to be cancelled, and its job deleted. */
  cancel: Schema.NullOr(Schema.Literal("keep job", "delete job")),
  /** When it goes on by itself; `null` while it works. */
  wakeAt: Time,
  /** How often it was woken because it was overdue. From 10 on, it needs a person. */
  nudges: Schema.Number,
  /** Counts the changes: the cursor of `watch`. */
  version: Schema.Number,
  createdAt: Schema.DateTimeUtc,
  updatedAt: Schema.DateTimeUtc,
  endedAt: Time
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Run extends Schema.Schema.Type<typeof Run> {}
