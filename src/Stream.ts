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
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { SubmitOptions } from "./Http.js"
import { ofJob } from "./internal/errors/ofJob.js"
import { pollAfter } from "./internal/http/responseHeaders.js"
import { withStreamSpan } from "./internal/http/spans.js"
import type {
  CreateVideoRequest,
  EditVideoRequest,
  ExtendVideoRequest,
  RemixVideoRequest
} from "./internal/protocol/requestSchemas.js"
import { isTerminal, type VideoResource } from "./internal/protocol/videoSchemas.js"
import { planOf } from "./internal/watch/watchOptions.js"
import { awaitOne, completed, startOf, watchMany, watchOne } from "./internal/watch/watchStream.js"
import {
  type AwaitVideoError,
  type AwaitVideoOptions,
  type CreateAndWatchError,
  type EditAndWatchError,
  type ExtendAndWatchError,
  type RemixAndWatchError,
  type SubmitAndWatchOptions,
  VideoUpdate,
  type WatchOptions,
  type WatchVideoError,
  type WatchVideosOptions
} from "./internal/watch/watchTypes.js"
import { Videos, type VideosService } from "./Videos.js"

export * from "./internal/watch/watchTypes.js"

/**
 * Follows one job until it ends.
 *
 * Given an id, the watch polls at once and emits the first snapshot; given a snapshot, it emits what has changed since then.
 * Then one element per change in any field. The last is always the terminal snapshot, also of a failed job, which is an error of
 * `awaitVideo` alone.
 *
 * - One `GET /videos/{id}` per poll, at the times that `poll` and the server's hints give, repeated by `retry` alone.
 * - In a fleet (`VideosConfig`'s `watching.threshold`), one page of `GET /videos` polls all watched jobs on it. A poll may
 *   then come earlier than `poll` says, which counts its delay anew, and never later. The first poll of a new watch may wait
 *   two seconds for the newest page. A page says nothing about hints: one holds for the job that it was sent for.
 * - A stale response (running, then waiting again) comes from a replica that lags, and is dropped. `progress` is emitted as
 *   it comes. An unknown status is emitted, and does not end the watch.
 * - Fails with `WatchTimeoutError` (carries the last snapshot, which resumes the watch), or with the error of the poll that
 *   `retry` gave up on. Interruption aborts the request in flight. Neither cancels the job.
 *
 * @example
 * import { Console, Stream } from "effect"
 * import { watchVideo } from "effect-videos"
 *
 * const program = watchVideo("video_1", { totalTimeout: "15 minutes", stallTimeout: "3 minutes" }).pipe(
 *   Stream.runForEach((video) => Console.log(video.status, video.progress))
 * )
 *
 * @since 0.1.0
 * @category watching
 */
export const watchVideo = (
  video: string | VideoResource,
  options?: WatchOptions
): Stream.Stream<VideoResource, WatchVideoError, Videos> =>
  Either.match(planOf("watchVideo", options), {
    onLeft: (error) => Stream.fail(error),
    onRight: (plan) => watchOne(Videos, plan, startOf(video))
  })

/**
 * Waits for one job's end: the completed job, or `VideoFailedError` with the server's reason. Polls as `watchVideo` does, with
 * less than half the memory of a Stream.
 *
 * @example
 * import { Effect } from "effect"
 * import { awaitVideo } from "effect-videos"
 *
 * const program = awaitVideo("video_1", { onUpdate: ({ progress }) => Effect.log(progress) }).pipe(
 *   Effect.catchTag("VideoFailedError", (error) => Effect.logError(error.code, error.message))
 * )
 *
 * @since 0.1.0
 * @category watching
 */
export const awaitVideo = <E = never, R = never>(
  video: string | VideoResource,
  options?: AwaitVideoOptions<E, R>
): Effect.Effect<VideoResource, AwaitVideoError | E, R | Videos> =>
  Effect.flatMap(planOf("awaitVideo", options), (plan) =>
    Effect.flatMap(Videos, (videos) =>
      Effect.flatMap(awaitOne(videos, plan, startOf(video), options?.onUpdate), completed)
    )
  )

/**
 * Follows many jobs as one Stream, which ends when all of them have. A job whose watch fails is an element, `VideoLost`, and
 * the others go on.
 *
 * - Takes one id or snapshot, or many in anything iterable or in a Stream, whose jobs are watched as they come and whose error is
 *   the only one of the result. A job that is being watched here already is not watched twice.
 * - A job costs a row in a heap, not a fiber: 1.8 KiB. From a number of jobs on (`VideosConfig`'s `watching.threshold`),
 *   pages of `GET /videos` are read instead of single jobs, unless the server's list turns out not to be trusted.
 * - A consumer that is slow holds nothing up: it gets the newest snapshot of each job that has changed.
 * - Options that make no sense send nothing: each job is lost, with the `InvalidRequestError` that names the option.
 *
 * @example
 * import { Effect, Stream } from "effect"
 * import { listVideos, watchVideos } from "effect-videos"
 *
 * // Everything that is running on the server now.
 * const program = watchVideos(listVideos(), { totalTimeout: "1 hour" }).pipe(
 *   Stream.filter((update) => update._tag === "VideoEnded"),
 *   Stream.runForEach(({ video }) => Effect.log(video.id, video.status))
 * )
 *
 * @since 0.1.0
 * @category watching
 */
export const watchVideos = <E = never, R = never>(
  videos: string | VideoResource | Iterable<string | VideoResource> | Stream.Stream<string | VideoResource, E, R>,
  options?: WatchVideosOptions
): Stream.Stream<VideoUpdate, E, R | Videos> => {
  const plan = planOf("watchVideo", options)
  const concurrency = options?.concurrency ?? Number.POSITIVE_INFINITY
  const input = isStream(videos)
    ? videos
    : Number.isFinite(concurrency)
      ? Stream.fromIterable(jobsOf(videos))
      : Array.from(jobsOf(videos))
  if (Either.isLeft(plan)) {
    // As for each of them `watchVideo` would fail.
    return Stream.map(isStream(input) ? input : Stream.fromIterable(input), (video) => {
      const { id, snapshot } = startOf(video)
      return VideoUpdate.VideoLost({ id, error: plan.left, lastSnapshot: snapshot })
    })
  }
  return withStreamSpan(
    Stream.unwrap(Effect.map(Videos, (service) => watchMany(service, plan.right, input, concurrency))),
    "Videos.watchMany",
    { "gen_ai.operation.name": "watch_videos" }
  )
}

const isStream = <A, E, R>(input: unknown | Stream.Stream<A, E, R>): input is Stream.Stream<A, E, R> =>
  Predicate.hasProperty(input, Stream.StreamTypeId)

/** What is neither a job nor iterable, from a program without types, is refused as a job. A string is one id. */
const jobsOf = (given: string | VideoResource | Iterable<string | VideoResource>): Iterable<string | VideoResource> =>
  Predicate.hasProperty(given, Symbol.iterator) ? given : [given]

/**
 * Waits for the end of many jobs. The results are in the order of what was given, each as `awaitVideo` would have it, as
 * data: one that failed or was lost does not end the others.
 *
 * @example
 * import { Array, Effect } from "effect"
 * import { awaitVideos } from "effect-videos"
 *
 * const program = Effect.gen(function*() {
 *   const [lost, completed] = Array.separate(yield* awaitVideos(["video_1", "video_2"], { totalTimeout: "30 minutes" }))
 *   yield* Effect.log(`${completed.length} completed`, ...lost.map((error) => error.message))
 * })
 *
 * @since 0.1.0
 * @category watching
 */
export const awaitVideos = (
  videos: string | VideoResource | Iterable<string | VideoResource>,
  options?: WatchVideosOptions
): Effect.Effect<Array<Either.Either<VideoResource, AwaitVideoError>>, never, Videos> => {
  const ids = Array.from(jobsOf(videos))
  return watchVideos(ids, options).pipe(
    Stream.runFold(new Map<string, Either.Either<VideoResource, AwaitVideoError>>(), (ends, update) =>
      update._tag === "VideoChanged"
        ? ends
        : ends.set(update.id, update._tag === "VideoLost" ? Either.left(update.error) : completed(update.video))
    ),
    Effect.flatMap((ends) =>
      Effect.forEach(ids, (video) => {
        const end = ends.get(startOf(video).id)
        return end === undefined ? Effect.dieMessage("a watch ended without a terminal snapshot") : Effect.succeed(end)
      })
    )
  )
}

/**
 * Submits an extension and watches it. The first element is the response of the submission, at once, so that the caller has the
 * id before any wait; then as `watchVideo`. If that response says that the job has ended, it sends no poll.
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

/**
 * Submits an edit and follows it, as `extendAndWatch` does an extension.
 *
 * @example
 * import { Stream } from "effect"
 * import { editAndWatch } from "effect-videos"
 *
 * const last = editAndWatch({ video: "video_1", prompt: "the same, in winter" }).pipe(Stream.runLast)
 *
 * @since 0.1.0
 * @category watching
 */
export const editAndWatch = (
  request: EditVideoRequest,
  options?: SubmitAndWatchOptions
): Stream.Stream<VideoResource, EditAndWatchError, Videos> =>
  submitAndWatch((videos, submit) => videos.edit(request, submit), options)

/**
 * Submits a remix and follows it, as `extendAndWatch` does an extension.
 *
 * @example
 * import { Stream } from "effect"
 * import { remixAndWatch } from "effect-videos"
 *
 * const last = remixAndWatch({ video: "video_1", prompt: "the same, at night" }).pipe(Stream.runLast)
 *
 * @since 0.1.0
 * @category watching
 */
export const remixAndWatch = (
  request: RemixVideoRequest,
  options?: SubmitAndWatchOptions
): Stream.Stream<VideoResource, RemixAndWatchError, Videos> =>
  submitAndWatch((videos, submit) => videos.remix(request, submit), options)

// internal

const submitAndWatch = <E>(
  submit: (videos: VideosService, options: SubmitOptions) => Effect.Effect<VideoResource, E>,
  options: SubmitAndWatchOptions | undefined
): Stream.Stream<VideoResource, E | WatchVideoError, Videos> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const plan = yield* planOf("watchVideo", options, options?.submit)
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
      return isTerminal(job)
        ? submitted
        : Stream.concat(
            submitted,
            Stream.mapError(watchOne(Effect.succeed(videos), plan, startOf(job, { hint })), ofJob(job.id))
          )
    })
  )
