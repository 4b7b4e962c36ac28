/** Errors of durable runs. `DurableVideos.ts` documents which method fails with which. */
import * as Schema from "effect/Schema"

/**
 * Another process runs workflows on this SQLite file. One process at a time may: others start, watch and cancel runs with
 * `DurableVideos.layerSqliteClient`.
 *
 * @since 0.1.0
 * @category errors
 */
export class DatabaseInUseError extends Schema.TaggedError<DatabaseInUseError>("effect-videos/DatabaseInUseError")(
  "DatabaseInUseError",
  { database: Schema.String }
) {
  override get message() {
    return `DurableVideos: another process runs workflows on ${this.database}. Stop it, or use \`layerSqliteClient\` in this one.`
  }
}

/**
 * The database cannot be opened, reached, read or written. Nothing was lost: a run goes on once the database is back.
 *
 * @since 0.1.0
 * @category errors
 */
export class DatabaseUnavailableError extends Schema.TaggedError<DatabaseUnavailableError>(
  "effect-videos/DatabaseUnavailableError"
)("DatabaseUnavailableError", {
  operation: Schema.String,
  database: Schema.String,
  /** The driver's words, without credentials. */
  detail: Schema.String
}) {
  override get message() {
    return `${this.operation}: cannot use the database ${this.database} (${this.detail}). Check that it exists, that this process may write it, and that its disk has room.`
  }
}

/**
 * The database has tables of a later version of this package. Nothing was changed.
 *
 * @since 0.1.0
 * @category errors
 */
export class DatabaseVersionError extends Schema.TaggedError<DatabaseVersionError>(
  "effect-videos/DatabaseVersionError"
)("DatabaseVersionError", { database: Schema.String, found: Schema.Number, supported: Schema.Number }) {
  override get message() {
    return `DurableVideos: ${this.database} has schema version ${this.found}, and this package knows ${this.supported}. Install the version of @effect-videos/durable that wrote it, or a later one.`
  }
}

/**
 * The idempotency key belongs to a run with another request. Nothing was started.
 *
 * @since 0.1.0
 * @category errors
 */
export class IdempotencyConflictError extends Schema.TaggedError<IdempotencyConflictError>(
  "effect-videos/IdempotencyConflictError"
)("IdempotencyConflictError", {
  operation: Schema.String,
  key: Schema.String,
  /** The run that has the key. */
  execution: Schema.String
}) {
  override get message() {
    return `${this.operation}: the key ${JSON.stringify(this.key)} belongs to run ${this.execution}, which has another request. Use another key for another request.`
  }
}

/**
 * No run has this execution id.
 *
 * @since 0.1.0
 * @category errors
 */
export class RunNotFoundError extends Schema.TaggedError<RunNotFoundError>("effect-videos/RunNotFoundError")(
  "RunNotFoundError",
  { operation: Schema.String, execution: Schema.String }
) {
  override get message() {
    return `${this.operation}: no run ${this.execution} in this database. \`list\` shows the runs.`
  }
}

/**
 * The run is in a state that does not allow this.
 *
 * @since 0.1.0
 * @category errors
 */
export class RunStateError extends Schema.TaggedError<RunStateError>("effect-videos/RunStateError")("RunStateError", {
  operation: Schema.String,
  execution: Schema.String,
  state: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.operation}: run ${this.execution} is ${this.state}: ${this.detail}`
  }
}

/**
 * Why a store of clips cannot be used.
 *
 * | value         | meaning                                             |
 * | ------------- | --------------------------------------------------- |
 * | `denied`      | the credentials are missing, wrong or not enough    |
 * | `missing`     | the bucket or the folder does not exist             |
 * | `full`        | the disk or the quota is used up                    |
 * | `unavailable` | the store does not respond, or is overloaded        |
 * | `unknown`     | another failure, or a store that does not say       |
 *
 * @since 0.1.0
 * @category schemas
 */
export const VideoStoreProblem = Schema.Literal("denied", "missing", "full", "unavailable", "unknown")

/**
 * @since 0.1.0
 * @category models
 */
export type VideoStoreProblem = typeof VideoStoreProblem.Type

const remedies: { readonly [problem in VideoStoreProblem]: string } = {
  denied: "Check its credentials, and that they may read and write there.",
  missing: "Create it, or correct its name.",
  full: "Free space in it, or raise its quota.",
  unavailable: "Check that it runs, and that this machine reaches it.",
  unknown: "Check that it exists, that this process may write it, and that it has room."
}

/**
 * A store of clips cannot be read or written: its disk is full, its folder is gone, its server does not respond. A run waits and
 * retries; the job is not paid for again.
 *
 * @since 0.1.0
 * @category errors
 */
export class VideoStoreError extends Schema.TaggedError<VideoStoreError>("effect-videos/VideoStoreError")(
  "VideoStoreError",
  {
    operation: Schema.String,
    location: Schema.String,
    detail: Schema.String,
    /** Default: `unknown`. */
    reason: Schema.optional(VideoStoreProblem).pipe(
      Schema.withDefaults({ constructor: () => "unknown" as const, decoding: () => "unknown" as const })
    )
  }
) {
  override get message() {
    return `${this.operation}: cannot use ${this.location} (${this.detail}). ${remedies[this.reason]}`
  }
}

/**
 * An event came for a job that no run has recorded yet. The sender delivers it again.
 *
 * @since 0.1.0
 * @category errors
 */
export class RunNotRecordedError extends Schema.TaggedError<RunNotRecordedError>("effect-videos/RunNotRecordedError")(
  "RunNotRecordedError",
  { videoId: Schema.String }
) {
  override get message() {
    return `webhook: no run has recorded the job ${this.videoId} yet, and a submission is on its way. The sender should deliver the event again.`
  }
}

/**
 * What a layer of `DurableVideos` may fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type DatabaseError = DatabaseInUseError | DatabaseUnavailableError | DatabaseVersionError

/**
 * The request of a run is not valid. Nothing was recorded or sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidRunError extends Schema.TaggedError<InvalidRunError>("effect-videos/InvalidRunError")(
  "InvalidRunError",
  { operation: Schema.String, detail: Schema.String }
) {
  override get message() {
    return `${this.operation}: the request is not valid (${this.detail}). Nothing was sent.`
  }
}
