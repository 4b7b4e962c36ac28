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

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

const PositiveSeconds = Schema.Number.pipe(Schema.positive(), Schema.lessThan(1e6))

/**
 * How clips meet: `Seam` of `effect-videos/continue`, with its length in seconds.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SeamRequest = Schema.Struct({
  /** For how many seconds the end of one clip fades into the beginning of the next. Default: 0. */
  crossfadeSeconds: optional(Schema.NonNegative.pipe(Schema.lessThan(1e6))),
  /** Whether the colours of the second clip are shifted to those of the first. Default: `false`. */
  matchColour: optional(Schema.Boolean)
})

/**
 * The request of a run that extends a clip to a length: the arguments and options of `extendTo` of `effect-videos/continue`, with
 * a job as the source. `maxSegments` and `maxCost` are limits of the run, and not part of what is asked for: the same key with
 * other limits is the same run.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ExtendToRequest = Schema.Struct({
  /** The id of the job to extend. */
  video: Schema.NonEmptyString,
  /** The length to reach. */
  totalSeconds: PositiveSeconds,
  /** One for each segment; the last one for all that follow. */
  prompts: Schema.NonEmptyArray(Prompt),
  /** Default: 8, or the next length that the server takes. */
  segmentSeconds: optional(PositiveSeconds.pipe(Schema.greaterThanOrEqualTo(1))),
  /** `never`: every segment is a clip of its own that is joined by FFmpeg. Default: `auto`, the server's extension if it has one. */
  extension: optional(Schema.Literal("auto", "never")),
  /** The model and the size of segments of their own. Default: the server's model, and the size of the clip. */
  model: optional(Schema.NonEmptyString),
  size: optional(Schema.NonEmptyString),
  extraBody: ExtraBody,
  /** The most jobs that are submitted, in all attempts together. Default: no limit. */
  maxSegments: optional(Schema.NonNegativeInt),
  /** No job is submitted that would exceed it, if it costs as much as the dearest so far. Default: no limit. */
  maxCost: optional(Schema.Struct({ amount: Schema.NonNegative, currency: Schema.NonEmptyString })),
  seam: optional(SeamRequest),
  /** How many seconds of the clip go along instead of its last frame, for a server that takes a clip. Default: none. */
  windowSeconds: optional(PositiveSeconds)
})

/**
 * @since 0.1.0
 * @category models
 */
export type ExtendToRequest = typeof ExtendToRequest.Type

/**
 * Where a run is.
 *
 * | state         | meaning                                                                                 |
 * | ------------- | --------------------------------------------------------------------------------------- |
 * | `accepted`    | recorded; nothing was sent                                                              |
 * | `submitting`  | about to be sent, on its way, or waiting for a server that does not accept it yet       |
 * | `uncertain`   | sent, and whether it made a job is not known: `resolve` decides                         |
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
 * A segment of a run of `extendTo`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RunSegment = Schema.Struct({
  /** From 1. */
  segment: Schema.Number,
  /** `extended`: by the server's extension. `joined`: a clip of its own, from the last frame. */
  way: Schema.Literal("extended", "joined"),
  /** The run that makes it. */
  execution: Schema.String,
  state: RunState,
  jobId: Schema.NullOr(Schema.String),
  /** Percent, as the server said last. */
  progress: Schema.NullOr(Schema.Number),
  /** The length that was requested. */
  seconds: Schema.Number
})

/**
 * @since 0.1.0
 * @category models
 */
export type RunSegment = typeof RunSegment.Type

/**
 * One run as it is at a moment.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Run = Schema.Struct({
  /** Names the run in every method. Derived from the kind, the key and the attempt. */
  execution: Schema.String,
  kind: Schema.Literal("create", "extend", "extendTo"),
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
  /** The job's status and progress as the server said last. Of `extendTo`: the part of the added length that is there. */
  status: Schema.NullOr(Schema.String),
  progress: Schema.NullOr(Schema.Number),
  /** The segments of a run of `extendTo`, the open one last. */
  segments: Schema.Array(RunSegment),
  /** The length that a run of `extendTo` has reached; `null` for other runs. */
  seconds: Schema.NullOr(Schema.Number),
  /** The run of `extendTo` that this run is a segment of. `list` leaves such runs out. */
  parent: Schema.NullOr(Schema.String),
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
