/** The errors that are about one job or character. */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { phaseOf, VideoResource } from "../protocol/videoSchemas.js"
import { messageOf, nullable, Operation, responseFields, seconds } from "./errorFields.js"

/**
 * The server knows no such job. It may have expired or been deleted, belong to another project, or the server may have
 * lost it: vLLM-Omni and SGLang keep jobs in memory.
 *
 * @since 0.1.0
 * @category errors
 */
export class VideoNotFoundError extends Schema.TaggedError<VideoNotFoundError>("effect-videos/VideoNotFoundError")(
  "VideoNotFoundError",
  { ...responseFields, videoId: Schema.String }
) {
  get isTransient(): boolean {
    return this.shouldRetry ?? false
  }
  override get message() {
    return messageOf(this, `no video ${this.videoId}; it may have expired, been deleted or belong to another project`)
  }
}

/**
 * The server knows no such character.
 *
 * @since 0.1.0
 * @category errors
 */
export class CharacterNotFoundError extends Schema.TaggedError<CharacterNotFoundError>(
  "effect-videos/CharacterNotFoundError"
)("CharacterNotFoundError", { ...responseFields, characterId: Schema.String }) {
  get isTransient(): boolean {
    return this.shouldRetry ?? false
  }
  override get message() {
    return messageOf(this, `no character ${this.characterId}`)
  }
}

/**
 * The job has not ended yet, so it has no content: `watchVideo` or `awaitVideo` first. Or it has just completed, and the server
 * does not have its content yet, for example because a replica lags: retry.
 *
 * @since 0.1.0
 * @category errors
 */
export class VideoNotReadyError extends Schema.TaggedError<VideoNotReadyError>("effect-videos/VideoNotReadyError")(
  "VideoNotReadyError",
  {
    operation: Operation,
    video: VideoResource,
    /** What the server responded for the content of a completed job; `null` if the job has not ended. */
    detail: nullable(Schema.String)
  }
) {
  readonly isTransient = true
  override get message() {
    const progress = this.video.progress === null ? "" : `, ${this.video.progress} %`
    const detail = this.detail === null ? "" : `: ${this.detail}`
    return phaseOf(this.video) === "succeeded"
      ? `${this.operation}: video ${this.video.id} has ended (${this.video.status}), but the server does not have its content yet${detail}`
      : `${this.operation}: video ${this.video.id} is not ready (${this.video.status}${progress})`
  }
}

/**
 * The job has completed, and the server has no content for it any more: it says so (410, "expired", "deleted"), the job's
 * `expiresAt` has passed, or the content route responds 404 and no field of the job holds a URL.
 *
 * @since 0.1.0
 * @category errors
 */
export class VideoExpiredError extends Schema.TaggedError<VideoExpiredError>("effect-videos/VideoExpiredError")(
  "VideoExpiredError",
  {
    operation: Operation,
    video: VideoResource,
    /** The HTTP status of the content route, or of the job's URL. */
    status: nullable(Schema.Number),
    /** The server's message; empty if it sent none. */
    detail: nullable(Schema.String)
  }
) {
  readonly isTransient = false
  override get message() {
    const { detail, operation, status, video } = this
    const response = status === null ? "" : ` (HTTP ${status})${detail === null || detail === "" ? "" : `: ${detail}`}`
    return `${operation}: video ${video.id} has completed, but the server does not have its content; it may have expired or been deleted${response}`
  }
}

/**
 * The job has completed, but its content is not where the protocol has it. The server may keep the clip elsewhere: `addresses`
 * are the fields of the job that hold a URL. The clip was made and paid for: check there before you submit the job again.
 *
 * Also: the server does not serve this `variant`.
 *
 * @example
 * import { Effect, Stream } from "effect"
 * import { downloadVideo } from "effect-videos"
 *
 * const program = Stream.runDrain(downloadVideo("video_1")).pipe(
 *   Effect.catchTag("VideoContentNotFoundError", (error) =>
 *     Effect.logError(`${error.status} ${error.detail}`, error.addresses.map(({ field }) => field))
 *   )
 * )
 *
 * @since 0.1.0
 * @category errors
 */
export class VideoContentNotFoundError extends Schema.TaggedError<VideoContentNotFoundError>(
  "effect-videos/VideoContentNotFoundError"
)("VideoContentNotFoundError", {
  ...responseFields,
  /** Method and path, such as `GET /videos/video_1/content`. */
  route: Schema.String,
  video: VideoResource,
  /** Fields of the job that hold a URL, such as `files.mp4`; the URL without its query, which may be signed. */
  addresses: Schema.Array(Schema.Struct({ field: Schema.String, location: Schema.String }))
}) {
  readonly isTransient = false
  /** What the server responded, and where the clip may be. */
  get found(): string {
    const { addresses, detail, requestId, route, status } = this
    const id = requestId === null ? "" : `, request ${requestId}`
    const list = addresses.map(({ field, location }) => `\`${field}\` (${location})`).join(", ")
    const where = list === "" ? "" : `. These fields of the job hold a URL; one of them may be the clip's: ${list}`
    return `${route} returned HTTP ${status}${id}${detail === "" ? "" : `: ${detail}`}${where}`
  }
  override get message() {
    return `${this.operation}: video ${this.video.id} has completed, but ${this.found}`
  }
}

/**
 * The job failed. `awaitVideo` and `downloadVideo` fail with it; `watchVideo` emits the failed job as its last snapshot.
 *
 * @since 0.1.0
 * @category errors
 */
export class VideoFailedError extends Schema.TaggedError<VideoFailedError>("effect-videos/VideoFailedError")(
  "VideoFailedError",
  { operation: Operation, video: VideoResource }
) {
  readonly isTransient = false
  /** The server's code for the failure, if it sent one. */
  get code(): string | null {
    return this.video.error?.code ?? null
  }
  override get message() {
    const { error, id, status } = this.video
    const why = error === null ? "no reason given" : [error.code, error.message].filter(Predicate.isTruthy).join(": ")
    return `${this.operation}: video ${id} ended as ${status}: ${why}${error?.billed === true ? " (it is billed)" : ""}`
  }
}

/**
 * The watch ended before the job did. `deadline`: its `totalTimeout` has passed. `stalled`: the job has not changed for `stallTimeout`.
 * The job goes on: `watchVideo(error.lastSnapshot ?? error.videoId)` watches it again.
 *
 * @since 0.1.0
 * @category errors
 */
export class WatchTimeoutError extends Schema.TaggedError<WatchTimeoutError>("effect-videos/WatchTimeoutError")(
  "WatchTimeoutError",
  {
    operation: Operation,
    reason: Schema.Literal("deadline", "stalled"),
    videoId: Schema.String,
    /** The newest snapshot; `null` if no poll succeeded. */
    lastSnapshot: Schema.NullOr(VideoResource),
    /** How long the watch lasted. */
    elapsed: Schema.DurationFromMillis,
    /** How long the job has not changed; `null` for `deadline`. */
    unchangedFor: nullable(Schema.DurationFromMillis)
  }
) {
  readonly isTransient = false
  override get message() {
    const { elapsed, lastSnapshot, operation, unchangedFor, videoId } = this
    if (this.reason === "stalled") {
      const status = lastSnapshot === null ? "never seen" : lastSnapshot.status
      return `${operation}: video ${videoId} has not changed for ${seconds(unchangedFor ?? elapsed)} (${status})`
    }
    const status = lastSnapshot === null ? "never seen" : `last seen as ${lastSnapshot.status}`
    return `${operation}: video ${videoId} did not end within ${seconds(elapsed)} (${status}). The job goes on; watch it again from \`lastSnapshot\`.`
  }
}
