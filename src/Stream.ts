/**
 * Following jobs: a Stream of updates that ends when the job does, and the Effects over it.
 *
 * @example
 * import { Console, Stream } from "effect"
 * import { extendAndWatch } from "effect-videos"
 *
 * const program = extendAndWatch({ video: "video_1", prompt: "the tide comes in", seconds: 8 }).pipe(
 *   Stream.runForEach((video) => Console.log(video.id, video.status, video.progress))
 * )
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleInterval from "effect/ScheduleInterval"
import * as Stream from "effect/Stream"
import * as Errors from "./Errors.js"
import type { SubmitOptions } from "./Http.js"
import { pollAfter } from "./internal/failure.js"
import { backoff } from "./internal/retry.js"
import { withStreamSpan } from "./internal/tracing.js"
import { makeWatch, type Plan } from "./internal/watch.js"
import type { CreateVideoRequest, ExtendVideoRequest } from "./Requests.js"
import { isTerminal, phaseOf, type VideoResource } from "./Schema.js"
import {
  type CreateVideoError,
  type ExtendVideoError,
  type RetrieveVideoError,
  Videos,
  type VideosService
} from "./Videos.js"

// -----------------------------------------------------------------------------
// models
// -----------------------------------------------------------------------------

/**
 * How to follow a job. Everything is optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface WatchOptions {
  /**
   * When to look, given what was seen last. The server's hint (`openai-poll-after-ms`, `Retry-After`) is a lower bound
   * for a schedule given here, and the delay itself for the default, `defaultPollSchedule`. When it ends before the job
   * does, the watch fails with `WatchTimeoutError`.
   */
  readonly poll?: Schedule.Schedule<unknown, VideoResource> | undefined
  /**
   * When to look again after a look that failed with a transient error. Every success resets it; `Retry-After` is a
   * lower bound. When it ends, the error is the watch's. Default: `defaultRetrySchedule`.
   */
  readonly retry?: Schedule.Schedule<unknown, RetrieveVideoError> | undefined
  /** `"changes"` (default): a snapshot that differs from the one before. `"every"`: each look, stale ones excepted. */
  readonly emit?: "changes" | "every" | undefined
  /** For the whole watch, the request in flight included; a last look is taken just before. Default: none. */
  readonly timeout?: Duration.DurationInput | undefined
  /** For how long nothing may change in what successful looks see. Default: for ever. */
  readonly stallTimeout?: Duration.DurationInput | undefined
  /** A `Retry-After` longer than this ends the watch with the error that carries it. Default: 5 minutes. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /** For how long after its start "no such job" counts as a replica that lags. Default: 5 seconds. */
  readonly notFoundGrace?: Duration.DurationInput | undefined
}

/**
 * `WatchOptions`, and those of the submission before it.
 *
 * @since 0.1.0
 * @category models
 */
export interface SubmitAndWatchOptions extends WatchOptions {
  readonly submit?: SubmitOptions | undefined
}

/**
 * @since 0.1.0
 * @category errors
 */
export type WatchVideoError = RetrieveVideoError | Errors.WatchTimeoutError | Errors.VideoStalledError

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

// -----------------------------------------------------------------------------
// schedules
// -----------------------------------------------------------------------------

/**
 * A poll schedule that follows the job: quick at first, slower with the job's age, and, once there is `progress` to
 * reckon with, half the estimated time left, so that looks concentrate near the end. Never shorter than `floor` nor
 * longer than `cap`, each ±10 % at random (at the cap too, so that many watches do not fall in step).
 *
 * @since 0.1.0
 * @category schedules
 */
export const adaptivePoll = (options?: {
  /** Default: 1 second. */
  readonly floor?: Duration.DurationInput | undefined
  /** Default: 10 seconds. */
  readonly cap?: Duration.DurationInput | undefined
}): Schedule.Schedule<Duration.Duration, VideoResource> => {
  const floor = Duration.toMillis(options?.floor ?? "1 second")
  const cap = Math.max(floor, Duration.toMillis(options?.cap ?? "10 seconds"))
  return Schedule.makeWithState<number | null, VideoResource, Duration.Duration>(null, (now, video, since) =>
    Effect.map(Random.nextRange(0.9, 1.1), (jitter) => {
      const start = since ?? now
      const age = now - start
      const progress = video.progress ?? 0
      // Servers that only ever say 0 and 100 (vLLM-Omni, SGLang) give nothing to reckon with.
      const wanted =
        progress > 0 && progress < 100 ? Math.min(age / 4, (age * (100 - progress)) / progress / 2) : age / 8
      const delay = Math.min(cap, Math.max(floor, wanted)) * jitter
      return [
        start,
        Duration.millis(delay),
        ScheduleDecision.continueWith(ScheduleInterval.after(now + delay))
      ] as const
    })
  )
}

/**
 * `adaptivePoll()`: 1 to 10 seconds.
 *
 * @since 0.1.0
 * @category schedules
 */
export const defaultPollSchedule: Schedule.Schedule<Duration.Duration, VideoResource> = adaptivePoll()

/**
 * Exponential from 1 second to 30, with full jitter, until looks have failed for 10 minutes on end.
 *
 * @since 0.1.0
 * @category schedules
 */
export const defaultRetrySchedule: Schedule.Schedule<unknown> = backoff({ base: "1 second", cap: "30 seconds" }).pipe(
  Schedule.upTo("10 minutes")
)

// -----------------------------------------------------------------------------
// watching
// -----------------------------------------------------------------------------

type Target = string | VideoResource

const plan = (
  operation: Errors.Operation,
  target: Target,
  options: WatchOptions | undefined,
  submitted: Plan["submitted"]
): Plan => ({
  operation,
  id: typeof target === "string" ? target : target.id,
  snapshot: typeof target === "string" ? null : target,
  submitted,
  poll: options?.poll ?? defaultPollSchedule,
  hintShortens: options?.poll === undefined,
  retry: options?.retry ?? defaultRetrySchedule,
  every: options?.emit === "every",
  timeout: options?.timeout === undefined ? null : Duration.decode(options.timeout),
  stallTimeout: options?.stallTimeout === undefined ? null : Duration.decode(options.stallTimeout),
  maxRetryAfter: Duration.decode(options?.maxRetryAfter ?? "5 minutes"),
  notFoundGrace: Duration.decode(options?.notFoundGrace ?? "5 seconds")
})

const watch = (planned: Plan): Stream.Stream<VideoResource, WatchVideoError, Videos> =>
  withStreamSpan(
    Stream.unwrap(
      Effect.flatMap(Videos, (videos) => Effect.map(makeWatch(videos, planned), Stream.repeatEffectOption))
    ),
    "Videos.watch",
    { "gen_ai.operation.name": "watch_video", "video.id": planned.id }
  )

/**
 * Follows one job until it ends.
 *
 * Given an id, it looks at once and emits what it sees; given a snapshot, it goes on from there and emits what has changed
 * since. Then one element per change, in any field; the terminal snapshot is always emitted, and is the last. A job that
 * failed is an element, not an error: `awaitVideo` turns it into one.
 *
 * - Requests: one `GET /videos/{id}` per look, at the times that `poll` and the server's hints give. The HTTP layer's
 *   own retries are off; `retry` decides.
 * - An answer that goes back from running to waiting comes from a replica that lags, and is dropped. `progress` is
 *   passed on as it comes. A status that nobody knows is emitted, and does not end the watch.
 * - Fails with `WatchTimeoutError` or `VideoStalledError` (both carry the last snapshot, which resumes the watch), or with
 *   the error of the look that `retry` gave up on. The job itself is never cancelled.
 * - Interruption aborts the request in flight.
 *
 * @example
 * import { Console, Stream } from "effect"
 * import { watchVideo } from "effect-videos"
 *
 * const program = watchVideo("video_1", { timeout: "15 minutes", stallTimeout: "3 minutes" }).pipe(
 *   Stream.runForEach((video) => Console.log(video.status, video.progress))
 * )
 *
 * @since 0.1.0
 * @category watching
 */
export const watchVideo = (
  video: string | VideoResource,
  options?: WatchOptions
): Stream.Stream<VideoResource, WatchVideoError, Videos> => watch(plan("watchVideo", video, options, null))

/**
 * Waits for one job's end: the completed job, or `VideoFailedError` with the server's reason. Looks as `watchVideo` does.
 *
 * @example
 * import { Effect } from "effect"
 * import { awaitVideo } from "effect-videos"
 *
 * const program = awaitVideo("video_1").pipe(
 *   Effect.catchTag("VideoFailedError", (error) => Effect.logError(error.code, error.message))
 * )
 *
 * @since 0.1.0
 * @category watching
 */
export const awaitVideo = (
  video: string | VideoResource,
  options?: WatchOptions
): Effect.Effect<VideoResource, AwaitVideoError, Videos> =>
  watch(plan("awaitVideo", video, options, null)).pipe(
    Stream.runFold(null, (_: VideoResource | null, next) => next),
    // The last element of a watch is a terminal snapshot.
    Effect.flatMap((video) =>
      video === null
        ? Effect.dieMessage("a watch ended without a terminal snapshot")
        : phaseOf(video) === "failed"
          ? Effect.fail(new Errors.VideoFailedError({ operation: "awaitVideo", video }))
          : Effect.succeed(video)
    )
  )

/**
 * Submits an extension and follows it. The answer of the submission is the first element, at once, so that the id is in
 * the caller's hands before any wait; then as `watchVideo`. A submission that is answered as ended is not looked at.
 *
 * @example
 * import { Stream } from "effect"
 * import { extendAndWatch } from "effect-videos"
 *
 * const last = extendAndWatch({ video: "video_1", prompt: "a boat passes", seconds: 4 }).pipe(Stream.runLast)
 *
 * @since 0.1.0
 * @category watching
 */
export const extendAndWatch = (
  request: ExtendVideoRequest,
  options?: SubmitAndWatchOptions
): Stream.Stream<VideoResource, ExtendAndWatchError, Videos> =>
  submitAndWatch((videos, submit) => videos.extend(request, submit), options)

/**
 * Submits a new clip and follows it, as `extendAndWatch` does an extension.
 *
 * @example
 * import { Stream } from "effect"
 * import { createAndWatch } from "effect-videos"
 *
 * const last = createAndWatch({ prompt: "a harbour at dawn", seconds: 4 }).pipe(Stream.runLast)
 *
 * @since 0.1.0
 * @category watching
 */
export const createAndWatch = (
  request: CreateVideoRequest,
  options?: SubmitAndWatchOptions
): Stream.Stream<VideoResource, CreateAndWatchError, Videos> =>
  submitAndWatch((videos, submit) => videos.create(request, submit), options)

// internal

const submitAndWatch = <E>(
  submit: (videos: VideosService, options: SubmitOptions) => Effect.Effect<VideoResource, E>,
  options: SubmitAndWatchOptions | undefined
): Stream.Stream<VideoResource, E | WatchVideoError, Videos> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const videos = yield* Videos
      let hint: Duration.Duration | null = null
      const onResponse = options?.submit?.onResponse
      const job = yield* submit(videos, {
        ...options?.submit,
        onResponse: (response) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            hint = response.status < 300 ? pollAfter(response.headers, now) : null
            return onResponse === undefined ? Effect.void : onResponse(response)
          })
      })
      const submitted = Stream.make(job)
      return isTerminal(job) ? submitted : Stream.concat(submitted, watch(plan("watchVideo", job, options, { hint })))
    })
  )
