/**
 * The operations of the Videos protocol: as methods of the `Videos` service, and as the functions that programs read
 * like. Each is one request; what a job does after that is `effect-videos/Stream`.
 *
 * @example
 * import { Effect } from "effect"
 * import { extendVideo, retrieveVideo } from "effect-videos"
 *
 * const program = Effect.gen(function*() {
 *   const job = yield* extendVideo({ video: "video_1", prompt: "the rain stops", seconds: 8 })
 *   return yield* retrieveVideo(job.id)
 * })
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  type CallOptions,
  type SubmitOptions,
  VideosConfig,
  type VideosConfigOptions,
  type VideosConfigService
} from "./Http.js"
import { policiesOf } from "./internal/config/policies.js"
import { isSnapshot } from "./internal/download/contentSource.js"
import type {
  ContentOptions,
  CreateCharacterRequest,
  CreateVideoRequest,
  EditVideoRequest,
  ExtendVideoRequest,
  ListVideosOptions,
  RemixVideoRequest
} from "./internal/protocol/requestSchemas.js"
import type { DeletedVideo, VideoCharacter, VideoPage, VideoResource } from "./internal/protocol/videoSchemas.js"
import type { SettledSubmission } from "./internal/reconcile/judgeByBaseline.js"
import { type SettleOptions, settle } from "./internal/reconcile/settleSubmission.js"
import { makeVideos } from "./internal/videosService.js"
import type {
  CreateCharacterError,
  CreateVideoError,
  DeleteVideoError,
  DownloadVideoError,
  EditVideoError,
  ExtendVideoError,
  ListVideosError,
  RemixVideoError,
  RetrieveCharacterError,
  RetrieveVideoError,
  VideosService,
  Watchers
} from "./internal/videosTypes.js"
import { hubOf } from "./internal/watch/watchHub.js"
import { VideosHttp } from "./transport/index.js"

export type { SettledSubmission } from "./internal/reconcile/judgeByBaseline.js"
export type { SettleOptions } from "./internal/reconcile/settleSubmission.js"
export type * from "./internal/videosTypes.js"

/**
 * The operations as a service.
 *
 * @example
 * import { Effect, Layer } from "effect"
 * import { Videos } from "effect-videos"
 *
 * // In a test: only what the program calls; anything else is a defect that names the method.
 * const test = Layer.mock(Videos, { retrieve: (id) => Effect.die(`asked for ${id}`) })
 *
 * @since 0.1.0
 * @category services
 */
export class Videos extends Context.Tag("effect-videos/Videos")<Videos, VideosService>() {
  /**
   * Over any `VideosHttp` (`effect-videos/transport`). When its scope closes (`ManagedRuntime.dispose`), its watches and downloads
   * are interrupted, also those of a copy (`{ ...videos, retrieve: traced }`).
   */
  static readonly layerWithoutDependencies: Layer.Layer<Videos, never, VideosHttp | VideosConfig> = Layer.suspend(() =>
    Layer.scoped(
      Videos,
      Effect.flatMap(Effect.zip(VideosHttp, VideosConfig), ([http, config]) => make(http, config))
    )
  )

  /** From values; needs an `HttpClient` alone. */
  static readonly layer = (
    options?: VideosConfigOptions
  ): Layer.Layer<Videos, ConfigError.ConfigError, HttpClient.HttpClient> => over(VideosConfig.layer(options))

  /**
   * What is being watched at this moment, and how: for a debugger, a status page, a log line.
   *
   * @example
   * import { Effect } from "effect"
   * import { Videos } from "effect-videos"
   *
   * const program = Effect.flatMap(Videos.watchers, ({ inFlight, jobs, list }) =>
   *   Effect.log(`${jobs.length} jobs, ${inFlight} requests, list: ${list.distrust ?? list.mode}`)
   * )
   */
  static readonly watchers: Effect.Effect<Watchers, never, Videos> = Effect.suspend(() =>
    Effect.map(Videos, (videos) => hubOf(videos)?.snapshot() ?? unwatched)
  )

  /** From the environment, as `VideosConfig.layerConfig` reads it; needs an `HttpClient` alone. */
  static readonly layerConfig: Layer.Layer<Videos, ConfigError.ConfigError, HttpClient.HttpClient> = Layer.suspend(() =>
    over(VideosConfig.layerConfig)
  )
}

/** Nothing: a canned `Videos` keeps no watches. */
const unwatched: Watchers = {
  jobs: [],
  list: { mode: "auto", distrust: null },
  inFlight: 0,
  waiting: 0,
  isPushed: false,
  budget: null
}

const over = (config: Layer.Layer<VideosConfig, ConfigError.ConfigError>) =>
  Videos.layerWithoutDependencies.pipe(Layer.provide(VideosHttp.layer), Layer.provide(config))

/**
 * The service over an HTTP layer, by the configuration's policies. When the scope closes, its watches and downloads are
 * interrupted.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  http: typeof VideosHttp.Service,
  config: VideosConfigService
): Effect.Effect<VideosService, never, Scope.Scope> => makeVideos(http, policiesOf(config))

// -----------------------------------------------------------------------------
// functions
// -----------------------------------------------------------------------------

/**
 * Submits a new clip. One `POST /videos`, sent again only where it certainly had no effect (no connection, 429, 503 with
 * `Retry-After`), always with the same `Idempotency-Key`.
 *
 * If the response is lost, the client reads the server's list, for up to `listLag` (30 seconds) plus the time of the request. It
 * adopts the job, sends again if there certainly is none, or fails with `SubmissionUncertainError` and the candidates.
 * `onUnknownOutcome` changes that. Interruption is immediate, and logged as a warning if a job may exist.
 *
 * @example
 * import { createVideo } from "effect-videos"
 *
 * const job = createVideo({ prompt: "a lighthouse at dusk", seconds: 4, size: "1280x720" })
 *
 * @since 0.1.0
 * @category operations
 */
export const createVideo = (
  request: CreateVideoRequest,
  options?: SubmitOptions
): Effect.Effect<VideoResource, CreateVideoError, Videos> =>
  Effect.flatMap(Videos, (videos) => videos.create(request, options))

/**
 * Submits an extension: `seconds` more of a clip. The clip is a job (an id, a reference or a snapshot), a URL, the id of an uploaded
 * file, or a local file; the dialect turns it into what the server takes, with one read of the job at most. One
 * `POST /videos/extensions` (in the protocol), sent again as `createVideo` is.
 *
 * Returns a new job. Its `seconds` is the length of the whole clip, or of the new part alone where the server returns only that.
 *
 * Fails before anything is sent with `InvalidRequestError` if the dialect does not take the source or the length, with
 * `VideoNotReadyError`, `VideoFailedError` or `VideoExpiredError` if the source has no clip, and with `OperationUnsupportedError`
 * if the dialect does not extend; then `continueVideo` of `effect-videos/continue` does the job. A 404 that leaves open whether the
 * source or the route is missing costs one read of the source.
 *
 * @example
 * import { extendVideo } from "effect-videos"
 *
 * const job = extendVideo({ video: "video_1", prompt: "the light comes on", seconds: 8 })
 *
 * @since 0.1.0
 * @category operations
 */
export const extendVideo = (
  request: ExtendVideoRequest,
  options?: SubmitOptions
): Effect.Effect<VideoResource, ExtendVideoError, Videos> =>
  Effect.flatMap(Videos, (videos) => videos.extend(request, options))

/**
 * Finds out what became of a submission whose process ended before the response was recorded. Reads the server's list until its
 * job is found, or until a job that was made would be on it for sure. A submission of this process needs none of it: `createVideo`
 * and `extendVideo` settle their own.
 *
 * - Takes `listLag` at least if no job is found, and twice the submission's timeout more if it was sent just now. An outage
 *   between `sentAt` and now adds nothing.
 * - Reads pages until they show a job of `baseline`, however many there are.
 * - Fails with `InvalidRequestError` for a request that cannot have been sent, and as `listVideos` does.
 *
 * @example
 * import { DateTime, Effect } from "effect"
 * import { createVideo, settleSubmission } from "effect-videos"
 *
 * const request = { prompt: "a lighthouse at dusk" }
 *
 * // Saved before the request was sent with the key "order-17".
 * const begunAt = DateTime.unsafeMake("2026-11-28T12:00:00Z")
 * const saved = { begunAt, sentAt: begunAt, baseline: ["video_7", "video_6"] }
 *
 * const program = Effect.gen(function*() {
 *   const settled = yield* settleSubmission(request, { ...saved, heldElsewhere: () => Effect.succeed([]) })
 *   if (settled._tag === "Made") return settled.video
 *   if (settled._tag === "NotMade") return yield* createVideo(request, { idempotencyKey: "order-17" })
 *   return yield* Effect.dieMessage(settled.detail)
 * })
 *
 * @since 0.1.0
 * @category operations
 */
export const settleSubmission = <E = never, R = never>(
  request: CreateVideoRequest | ExtendVideoRequest,
  options: SettleOptions<E, R>
): Effect.Effect<SettledSubmission, ListVideosError | E, R | Videos> =>
  Effect.flatMap(Videos, (videos) => settle(videos, request, options))

/**
 * Reads a job once. One `GET /videos/{id}`, retried by `VideosConfig.readRetry` after a transient error. A failed job is a value,
 * not an error, even if the server sends it with an HTTP error status (vLLM-Omni).
 *
 * @example
 * import { retrieveVideo } from "effect-videos"
 *
 * const video = retrieveVideo("video_1")
 *
 * @since 0.1.0
 * @category operations
 */
export const retrieveVideo = (
  id: string,
  options?: CallOptions
): Effect.Effect<VideoResource, RetrieveVideoError, Videos> =>
  Effect.flatMap(Videos, (videos) => videos.retrieve(id, options))

/**
 * The clip's bytes, as they come. One `GET /videos/{id}/content`, retried like a read until the first byte; a break
 * after that fails the stream with `TransportError`, and so does, after its last byte, a clip whose container is
 * truncated (an MP4, QuickTime, WebM or WebP whose parts end further on). Redirects to another origin are followed without the key.
 *
 * A completed job that names its clip's URL, or has its bytes (`b64_json`), in a known field is downloaded from there: a snapshot
 * at once, without a poll, and an id when its content route has nothing.
 *
 * First bytes of text, a playlist or a picture (other than for a `thumbnail` or `spritesheet`) fail with `ResponseDecodeError` and
 * the text, or, if the job has not ended, with `VideoNotReadyError`. Unknown binary is a clip.
 *
 * Without content, the client reads the job to find out why: `VideoNotReadyError`, `VideoFailedError`,
 * `VideoExpiredError`, `VideoContentNotFoundError` or `VideoNotFoundError`. Within `contentGrace` of the job's end, a 404 counts as
 * replica lag and is retried.
 *
 * @example
 * import { Stream } from "effect"
 * import { downloadVideo } from "effect-videos"
 *
 * const size = downloadVideo("video_1").pipe(Stream.runFold(0, (bytes, chunk) => bytes + chunk.byteLength))
 *
 * @since 0.1.0
 * @category operations
 */
export const downloadVideo = (
  video: string | { readonly id: string },
  options?: ContentOptions
): Stream.Stream<Uint8Array, DownloadVideoError, Videos> =>
  Stream.unwrap(
    Effect.map(Videos, (videos) =>
      videos.content(
        typeof video === "string" ? video : video.id,
        isSnapshot(video) ? { snapshot: video, ...options } : options
      )
    )
  )

/**
 * Submits an edit: a clip made anew from a completed job's, or from an uploaded file, by a prompt. One
 * `POST /videos/edits`; sent again, and refused, as `extendVideo` is.
 *
 * @example
 * import { editVideo } from "effect-videos"
 *
 * const job = editVideo({ video: "video_1", prompt: "make it winter" })
 *
 * @since 0.1.0
 * @category operations
 */
export const editVideo = (
  request: EditVideoRequest,
  options?: SubmitOptions
): Effect.Effect<VideoResource, EditVideoError, Videos> =>
  Effect.flatMap(Videos, (videos) => videos.edit(request, options))

/**
 * Submits a remix: a completed job's clip again, with another prompt. One `POST /videos/{id}/remix`; sent again, and
 * refused, as `extendVideo` is.
 *
 * @example
 * import { remixVideo } from "effect-videos"
 *
 * const job = remixVideo({ video: "video_1", prompt: "the same, at night" })
 *
 * @since 0.1.0
 * @category operations
 */
export const remixVideo = (
  request: RemixVideoRequest,
  options?: SubmitOptions
): Effect.Effect<VideoResource, RemixVideoError, Videos> =>
  Effect.flatMap(Videos, (videos) => videos.remix(request, options))

/**
 * All jobs, page after page, each page read when its first job is wanted. A job that two pages show is emitted once.
 *
 * The next page begins after the server's `last_id`, also if a page is empty (LiteLLM filters lists per caller), or else after
 * the last job. If the server has more and gives no new cursor, or 500 pages in a row have no new job, the Stream emits all jobs
 * that were read, and then fails with `ResponseDecodeError`.
 *
 * @example
 * import { Stream } from "effect"
 * import { listVideos } from "effect-videos"
 *
 * const newest = listVideos({ limit: 20 }).pipe(Stream.take(5), Stream.runCollect)
 *
 * @since 0.1.0
 * @category operations
 */
export const listVideos = (options?: ListVideosOptions): Stream.Stream<VideoResource, ListVideosError, Videos> =>
  Stream.flattenIterables(Stream.map(listPages(options), ({ videos }) => videos))

/**
 * The pages of `listVideos`, as they come.
 *
 * @example
 * import { Stream } from "effect"
 * import { listPages } from "effect-videos"
 *
 * const sizes = listPages({ limit: 100, order: "asc" }).pipe(Stream.map(({ videos }) => videos.length))
 *
 * @since 0.1.0
 * @category operations
 */
export const listPages = (options?: ListVideosOptions): Stream.Stream<VideoPage, ListVideosError, Videos> =>
  Stream.unwrap(Effect.map(Videos, (videos) => videos.listPages(options)))

/**
 * Deletes a job and its files; some servers cancel a running one by it. One `DELETE /videos/{id}`, retried as a read is;
 * if its response is lost and the retry finds no job, it has succeeded.
 *
 * @example
 * import { deleteVideo } from "effect-videos"
 *
 * const gone = deleteVideo("video_1")
 *
 * @since 0.1.0
 * @category operations
 */
export const deleteVideo = (
  video: string | { readonly id: string },
  options?: CallOptions
): Effect.Effect<DeletedVideo, DeleteVideoError, Videos> =>
  Effect.flatMap(Videos, (videos) => videos.delete(typeof video === "string" ? video : video.id, options))

/**
 * Makes a character out of a clip. One `POST /videos/characters`, multipart; sent again as `createVideo` is.
 *
 * @example
 * import { Effect } from "effect"
 * import { createCharacter, VideoFile } from "effect-videos"
 *
 * const program = Effect.flatMap(VideoFile.fromPath("cat.mp4"), (video) => createCharacter({ video, name: "Tom" }))
 *
 * @since 0.1.0
 * @category operations
 */
export const createCharacter = (
  request: CreateCharacterRequest,
  options?: SubmitOptions
): Effect.Effect<VideoCharacter, CreateCharacterError, Videos> =>
  Effect.flatMap(Videos, (videos) => videos.createCharacter(request, options))

/**
 * Reads a character. One `GET /videos/characters/{id}`.
 *
 * @example
 * import { retrieveCharacter } from "effect-videos"
 *
 * const tom = retrieveCharacter("char_1")
 *
 * @since 0.1.0
 * @category operations
 */
export const retrieveCharacter = (
  id: string,
  options?: CallOptions
): Effect.Effect<VideoCharacter, RetrieveCharacterError, Videos> =>
  Effect.flatMap(Videos, (videos) => videos.retrieveCharacter(id, options))
