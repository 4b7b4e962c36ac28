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
import * as Stream from "effect/Stream"
import * as Errors from "./Errors.js"
import {
  type CallOptions,
  type SubmitOptions,
  VideosConfig,
  type VideosConfigOptions,
  VideosHttp,
  type VideosHttpError,
  type VideosHttpService,
  type VideosResponse
} from "./Http.js"
import { makeContent } from "./internal/content.js"
import { asBadRequest, leavesOpen, mayHaveMadeAJob } from "./internal/failure.js"
import { upload } from "./internal/multipart.js"
import * as routes from "./internal/routes.js"
import { spanOf, withSpan } from "./internal/tracing.js"
import type { ImageReference, Json, VideoResource, VideoSeconds, VideoSize, VideoVariant } from "./Schema.js"
import type { VideoFile } from "./VideoFile.js"

// -----------------------------------------------------------------------------
// requests
// -----------------------------------------------------------------------------

/**
 * A new clip.
 *
 * @since 0.1.0
 * @category models
 */
export interface CreateVideoRequest {
  /** What to show: 1 to 32,000 characters. */
  readonly prompt: string
  /** The server's name for a model. Left out, the server chooses; new-api wants one. */
  readonly model?: string | undefined
  /** Length of the clip. Left out, the server's default: 4 in the protocol. */
  readonly seconds?: VideoSeconds | undefined
  /** Left out, the server's default: `720x1280` in the protocol. */
  readonly size?: VideoSize | undefined
  /** A picture to start from. */
  readonly inputReference?: ImageReference | undefined
  /** The server's own parameters (`seed`, `fps`, `num_frames`, …). They are merged in last and may override. */
  readonly extraBody?: { readonly [name: string]: Json } | undefined
}

/**
 * A longer clip: the source, and `seconds` more of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExtendVideoRequest {
  /** The completed job to extend, by id, reference or snapshot; or a file, which is uploaded. */
  readonly video: string | { readonly id: string } | VideoFile
  /** What happens next: 1 to 32,000 characters. */
  readonly prompt: string
  /** Length of the new segment alone. The answer's `seconds` is the stitched whole. */
  readonly seconds: VideoSeconds
  /** The server's own parameters. They are merged in last and may override. */
  readonly extraBody?: { readonly [name: string]: Json } | undefined
}

/**
 * Options of a download.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContentOptions extends CallOptions {
  /** Which file of the job. None is sent unless asked for: SGLang takes any for an output's index and answers 404. */
  readonly variant?: VideoVariant | undefined
}

// -----------------------------------------------------------------------------
// errors
// -----------------------------------------------------------------------------

/**
 * What any submission may fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type SubmitVideoError =
  | Errors.InvalidRequestError
  | Exclude<VideosHttpError, Errors.RequestTimeoutError | Errors.ResponseDecodeError | Errors.VideoNotFoundError>
  | Errors.SubmissionUncertainError

/**
 * @since 0.1.0
 * @category errors
 */
export type CreateVideoError = SubmitVideoError

/**
 * @since 0.1.0
 * @category errors
 */
export type ExtendVideoError = SubmitVideoError | Errors.VideoNotFoundError | Errors.UploadError

/**
 * @since 0.1.0
 * @category errors
 */
export type RetrieveVideoError = Errors.InvalidRequestError | Exclude<VideosHttpError, Errors.ModerationBlockedError>

/**
 * @since 0.1.0
 * @category errors
 */
export type DownloadVideoError =
  | RetrieveVideoError
  | Errors.VideoNotReadyError
  | Errors.VideoFailedError
  | Errors.VideoExpiredError

// -----------------------------------------------------------------------------
// service
// -----------------------------------------------------------------------------

/**
 * @since 0.1.0
 * @category models
 */
export interface VideosService {
  /** `POST /videos`. */
  readonly create: (
    request: CreateVideoRequest,
    options?: SubmitOptions
  ) => Effect.Effect<VideoResource, CreateVideoError>
  /** `POST /videos/extensions`. */
  readonly extend: (
    request: ExtendVideoRequest,
    options?: SubmitOptions
  ) => Effect.Effect<VideoResource, ExtendVideoError>
  /** `GET /videos/{id}`. */
  readonly retrieve: (id: string, options?: CallOptions) => Effect.Effect<VideoResource, RetrieveVideoError>
  /** `GET /videos/{id}/content`. */
  readonly content: (id: string, options?: ContentOptions) => Stream.Stream<Uint8Array, DownloadVideoError>
}

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
  /** Over any `VideosHttp`. */
  static readonly layer: Layer.Layer<Videos, never, VideosHttp> = Layer.suspend(() =>
    Layer.effect(Videos, Effect.map(VideosHttp, make))
  )

  /** From values; needs an `HttpClient` alone. */
  static readonly layerWith = (
    options?: VideosConfigOptions
  ): Layer.Layer<Videos, ConfigError.ConfigError, HttpClient.HttpClient> => over(VideosConfig.layer(options))

  /** From the environment, as `VideosConfig.layerConfig` reads it; needs an `HttpClient` alone. */
  static readonly layerConfig: Layer.Layer<Videos, ConfigError.ConfigError, HttpClient.HttpClient> = Layer.suspend(() =>
    over(VideosConfig.layerConfig)
  )
}

const over = (config: Layer.Layer<VideosConfig, ConfigError.ConfigError>) =>
  Videos.layer.pipe(Layer.provide(VideosHttp.layer), Layer.provide(config))

/**
 * The service over an HTTP layer.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (http: VideosHttpService): VideosService => {
  const retrieveAs = (operation: Errors.Operation, id: string, options?: CallOptions) =>
    Effect.flatMap(routes.retrieveRequest(operation, id, options), (call) =>
      Effect.flatMap(http.execute(call), (response) => routes.retrieveResponse(call, response, id))
    )

  /** Decodes the answer of a submission; a failure that may have made a job says so. */
  const submitted = <E extends Errors.UploadError>(
    { call, idempotencyKey }: routes.Submission,
    exchange: Effect.Effect<VideosResponse, VideosHttpError | E>
  ) => {
    const uncertain = (reason: Errors.SubmissionUncertainError["reason"]) =>
      new Errors.SubmissionUncertainError({ operation: call.operation, idempotencyKey, reason, candidates: [] })
    return Effect.mapError(
      Effect.flatMap(exchange, (response) => routes.submitResponse(call, response)),
      (error) => {
        if (error._tag === "RequestTimeoutError" || error._tag === "ResponseDecodeError") return uncertain(error)
        return (error._tag === "TransportError" || error._tag === "ServerError") && mayHaveMadeAJob(error)
          ? uncertain(error)
          : error
      }
    )
  }

  const create: VideosService["create"] = (request, options) =>
    Effect.flatMap(routes.createRequest(request, options), (submission) =>
      submitted<never>(submission, http.execute(submission.call))
    ).pipe(Effect.catchTag("VideoNotFoundError", asBadRequest), (self) =>
      withSpan(self, "Videos.create", () => spanOf("create_video", { "gen_ai.request.model": request.model }))
    )

  const extend: VideosService["extend"] = (request, options) =>
    Effect.flatMap(routes.extendRequest(request, options), (prepared) => {
      const { submission } = prepared
      if (prepared._tag === "File") {
        const { fields, file } = prepared
        return submitted(submission, http.upload(submission.call, upload("extendVideo", fields, "video", file)))
      }
      return submitted(submission, http.execute(submission.call)).pipe(
        Effect.catchTag("VideoNotFoundError", (error) =>
          leavesOpen(error) ? settle(error, submission.call.request.url) : Effect.fail(error)
        )
      )
    }).pipe((self) =>
      withSpan(self, "Videos.extend", () => spanOf("extend_video", { "video.extension.seconds": request.seconds }))
    )

  /** A 404 that may mean the source or the route: if the source is there, the route is what is missing. */
  const settle = (error: Errors.VideoNotFoundError, path: string) =>
    Effect.matchEffect(retrieveAs("extendVideo", error.videoId, { retry: false }), {
      onFailure: () => Effect.fail(error),
      onSuccess: () => Effect.fail(new Errors.OperationUnsupportedError({ ...error, route: `POST ${path}` }))
    })

  const retrieve: VideosService["retrieve"] = (id, options) =>
    withSpan(
      Effect.catchTag(retrieveAs("retrieveVideo", id, options), "ModerationBlockedError", asBadRequest),
      "Videos.retrieve",
      () => spanOf("retrieve_video", { "video.id": id })
    )

  return { create, extend, retrieve, content: makeContent(http, retrieveAs) }
}

// -----------------------------------------------------------------------------
// functions
// -----------------------------------------------------------------------------

/**
 * Submits a new clip. One `POST /videos`, sent again only where it certainly had no effect (no connection, 429, 503 with
 * `Retry-After`), always with the same `Idempotency-Key`.
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
 * Submits an extension: `seconds` more of a completed job's clip, or of an uploaded file. One `POST /videos/extensions`,
 * JSON with a reference, multipart with a file; sent again as `createVideo` is. The answer is a new job, whose `seconds` is
 * the stitched whole.
 *
 * Most servers do not serve this route: `OperationUnsupportedError`. A 404 that leaves open whether the source or the
 * route is missing costs one look at the source.
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
 * Looks at a job once. One `GET /videos/{id}`, tried again by `VideosConfig.readRetry` while it fails with something
 * transient. A failed job is an answer and no error, also where the server gives it an HTTP error status (vLLM-Omni).
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
 * The clip's bytes, as they come. One `GET /videos/{id}/content`, tried again like a read until the first byte; a break
 * after that fails the stream with `TransportError`. Redirects to another origin are followed without the key.
 *
 * Where there is no content, the job is asked why: `VideoNotReadyError`, `VideoFailedError`, `VideoExpiredError` or
 * `VideoNotFoundError`.
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
  Stream.unwrap(Effect.map(Videos, (videos) => videos.content(typeof video === "string" ? video : video.id, options)))
