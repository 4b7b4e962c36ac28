import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Errors from "../errors/errors.js"
import type { SubmitOptions } from "../http/httpTypes.js"
import type { VideoResource } from "../protocol/videoSchemas.js"
import type {
  CreateVideoError,
  EditVideoError,
  ExtendVideoError,
  RemixVideoError,
  RetrieveVideoError
} from "../videosTypes.js"

// -----------------------------------------------------------------------------
// models
// -----------------------------------------------------------------------------

/**
 * How to follow a job. Everything is optional. An option that makes no sense is an `InvalidRequestError` that names it, before
 * any request.
 *
 * Watches of one job share polls if their `extraHeaders` and `extraQuery` are equal by value.
 *
 * @since 0.1.0
 * @category models
 */
export interface WatchOptions {
  /**
   * The delay from poll to poll, given what was seen last. Default: `defaultPollSchedule`. The server's hint
   * (`openai-poll-after-ms`, `Retry-After`) replaces a delay of the default, and is a lower bound for another schedule. A poll by a
   * page of the list may come earlier; the delay then counts from it. The schedule's end is a `WatchTimeoutError`.
   */
  readonly poll?: Schedule.Schedule<unknown, VideoResource> | undefined
  /**
   * The delay after a poll that failed with a transient error. Every success resets it; `Retry-After` is a
   * lower bound. When it ends, the error is the watch's. Default: `defaultRetrySchedule`.
   */
  readonly retry?: Schedule.Schedule<unknown, RetrieveVideoError> | undefined
  /**
   * `"changes"` (default): a snapshot that differs from the one before; of several that came while the consumer was busy,
   * the newest. `"every"`: each poll, stale responses excepted; `buffer` of them wait for a busy consumer.
   */
  readonly emit?: "changes" | "every" | undefined
  /** With `emit: "every"`, how many snapshots wait, a positive integer; beyond it the oldest is dropped. Default: 64. */
  readonly buffer?: number | undefined
  /** For the whole watch, the request in flight included; a last poll is sent just before. Default: none. */
  readonly totalTimeout?: Duration.DurationInput | undefined
  /** The longest time in which successful polls may show no change. Default: none. */
  readonly stallTimeout?: Duration.DurationInput | undefined
  /** A `Retry-After` longer than this ends the watch with the error that carries it. Default: 5 minutes. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /**
   * For how long after its start "no such job" counts as a replica that lags, and, for a job that was just submitted, so does
   * "not permitted" (a LiteLLM proxy that has not recorded yet whose job it is). Default: 5 seconds.
   */
  readonly notFoundGrace?: Duration.DurationInput | undefined
  /** Sent with each poll. See `CallOptions`. */
  readonly extraHeaders?: { readonly [name: string]: string } | undefined
  /** Added to the URL of each poll. See `CallOptions`. */
  readonly extraQuery?: { readonly [name: string]: string } | undefined
}

/**
 * `WatchOptions`, and those of the submission before it. The polls carry the submission's `extraHeaders` and `extraQuery`, and
 * the watch's own, which win where a name is the same. Both kinds are checked before anything is submitted.
 *
 * @since 0.1.0
 * @category models
 */
export interface SubmitAndWatchOptions extends WatchOptions {
  readonly submit?: SubmitOptions | undefined
}

/**
 * Options of `awaitVideo`: everything in `WatchOptions`, and a callback for each update.
 *
 * @since 0.1.0
 * @category models
 */
export interface AwaitVideoOptions<E = never, R = never> extends WatchOptions {
  /** Run with every snapshot that `watchVideo` would emit, the last included. Its failure ends the wait, not the job. */
  readonly onUpdate?: ((video: VideoResource) => Effect.Effect<unknown, E, R>) | undefined
}

/**
 * `WatchOptions` for many jobs: each watch has its own schedules and timeouts, by the same options.
 *
 * @since 0.1.0
 * @category models
 */
export interface WatchVideosOptions extends WatchOptions {
  /** How many jobs are watched at once, a positive integer; further ids are taken as jobs end. Default: all. */
  readonly concurrency?: number | undefined
}

/**
 * One update of a job among many.
 *
 * - `VideoChanged`: a snapshot of a job that goes on.
 * - `VideoEnded`: the job's last snapshot, whether it completed or failed; nothing of this job follows.
 * - `VideoLost`: its watch failed, as `watchVideo` would; nothing follows. The job may go on: `lastSnapshot` (or `id`) resumes.
 *
 * @since 0.1.0
 * @category models
 */
export type VideoUpdate = Data.TaggedEnum<{
  VideoChanged: { readonly id: string; readonly video: VideoResource }
  VideoEnded: { readonly id: string; readonly video: VideoResource }
  VideoLost: { readonly id: string; readonly error: WatchVideoError; readonly lastSnapshot: VideoResource | null }
}>

/**
 * Makes and takes apart `VideoUpdate`s.
 *
 * @example
 * import { Effect } from "effect"
 * import { VideoUpdate } from "effect-videos"
 *
 * const show = VideoUpdate.$match({
 *   VideoChanged: ({ video }) => Effect.log(video.id, video.progress),
 *   VideoEnded: ({ video }) => Effect.log(video.id, video.status),
 *   VideoLost: ({ error, id }) => Effect.logError(id, error.message)
 * })
 *
 * @since 0.1.0
 * @category models
 */
export const VideoUpdate = Data.taggedEnum<VideoUpdate>()

/**
 * @since 0.1.0
 * @category errors
 */
export type WatchVideoError = RetrieveVideoError | Errors.WatchTimeoutError

/**
 * @since 0.1.0
 * @category errors
 */
export type AwaitVideoError = WatchVideoError | Errors.VideoFailedError

/**
 * @since 0.1.0
 * @category errors
 */
export type ExtendAndWatchError = ExtendVideoError | WatchVideoError

/**
 * @since 0.1.0
 * @category errors
 */
export type CreateAndWatchError = CreateVideoError | WatchVideoError

/**
 * @since 0.1.0
 * @category errors
 */
export type EditAndWatchError = EditVideoError | WatchVideoError

/**
 * @since 0.1.0
 * @category errors
 */
export type RemixAndWatchError = RemixVideoError | WatchVideoError
