/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The library for programs that are not on Effect yet: Promises, AsyncIterables and AbortSignals over the same
 * requests, retries and watches. What rejects is the error itself: `instanceof`, `_tag` and all fields as in `Errors`.
 *
 * @example
 * import { makeVideos, VideoFailedError } from "effect-videos/promise"
 *
 * const videos = makeVideos({ baseUrl: "http://127.0.0.1:8787/v1" })
 * try {
 *   const job = await videos.create({ prompt: "a lighthouse at dusk", seconds: 4 })
 *   for await (const { progress, status } of videos.watch(job)) console.log(status, progress)
 * } catch (error) {
 *   if (error instanceof VideoFailedError) console.log(error.code)
 * } finally {
 *   await videos.close()
 * }
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as VideosFetch from "../Fetch.js"
import {
  type CallOptions,
  type ResponseMeta,
  type SubmitOptions,
  VideosConfig,
  type VideosConfigOptions
} from "../Http.js"
import { finiteTimeout } from "../internal/config/optionRules.js"
import type {
  ContentOptions,
  CreateCharacterRequest,
  CreateVideoRequest,
  EditVideoRequest,
  ExtendVideoRequest,
  ListVideosOptions,
  RemixVideoRequest
} from "../internal/protocol/requestSchemas.js"
import * as VideoFile from "../internal/protocol/videoFile.js"
import type { DeletedVideo, VideoCharacter, VideoResource } from "../internal/protocol/videoSchemas.js"
import { awaitVideo, type VideoUpdate, type WatchOptions, watchVideo, watchVideos } from "../Stream.js"
import { VideosHttp } from "../transport/index.js"
import {
  createCharacter,
  createVideo,
  deleteVideo,
  downloadVideo,
  editVideo,
  extendVideo,
  listVideos,
  remixVideo,
  retrieveCharacter,
  retrieveVideo,
  Videos
} from "../Videos.js"
import { Runner, streamOf } from "./run.js"

export * from "../internal/errors/errors.js"
export {
  isTerminal,
  phaseOf,
  type VideoCharacter,
  type VideoPhase,
  type VideoResource
} from "../internal/protocol/videoSchemas.js"
export type { VideoUpdate } from "../Stream.js"
export { VideosClosedError } from "./run.js"

/**
 * Base URL, key and the rest of `VideosConfigOptions`, with the `fetch` to use (default: the global one) or any `HttpClient`
 * layer instead, for example that of `effect-videos/undici`.
 *
 * @since 0.1.0
 * @category models
 */
export type VideosOptions = VideosConfigOptions &
  (
    | { readonly fetch?: typeof globalThis.fetch | undefined; readonly client?: never }
    | { readonly client: Layer.Layer<HttpClient.HttpClient, ConfigError.ConfigError>; readonly fetch?: never }
  )

/**
 * What every call takes beside its own options. An abort rejects at once with the signal's reason, and closes the request's
 * connection. It does not cancel the remote job, and a submission may have made one.
 *
 * @since 0.1.0
 * @category models
 */
export interface PromiseOptions {
  readonly signal?: AbortSignal | undefined
  /** Runs with every response of the server, errors included, before it is decoded. */
  readonly onResponse?: ((response: ResponseMeta) => void) | undefined
}

/**
 * `CallOptions` for a Promise.
 *
 * @since 0.1.0
 * @category models
 */
export interface PromiseCallOptions extends Omit<CallOptions, "onResponse">, PromiseOptions {}

/**
 * `SubmitOptions` for a Promise.
 *
 * @since 0.1.0
 * @category models
 */
export interface PromiseSubmitOptions extends Omit<SubmitOptions, "onResponse">, PromiseOptions {}

/**
 * `ListVideosOptions` for an AsyncIterable.
 *
 * @since 0.1.0
 * @category models
 */
export interface PromiseListOptions extends Omit<ListVideosOptions, "onResponse">, PromiseOptions {}

/**
 * `ContentOptions` for a ReadableStream.
 *
 * @since 0.1.0
 * @category models
 */
export interface PromiseContentOptions extends Omit<ContentOptions, "onResponse">, PromiseOptions {}

/**
 * `WatchOptions` for an AsyncIterable.
 *
 * @since 0.1.0
 * @category models
 */
export interface PromiseWatchOptions extends Omit<WatchOptions, "poll"> {
  readonly signal?: AbortSignal | undefined
  /** The time between polls, or a schedule. */
  readonly poll?: WatchOptions["poll"] | Duration.DurationInput
}

/**
 * `WatchVideosOptions` for an AsyncIterable.
 *
 * @since 0.1.0
 * @category models
 */
export interface PromiseWatchManyOptions extends PromiseWatchOptions {
  /** How many jobs are watched at once. Default: all. */
  readonly concurrency?: number | undefined
}

/**
 * Options of `await`.
 *
 * @since 0.1.0
 * @category models
 */
export interface PromiseAwaitOptions extends PromiseWatchOptions {
  /** Runs with every snapshot, one after the other. */
  readonly onUpdate?: ((video: VideoResource) => unknown) | undefined
}

/**
 * The operations. An iterable sends its first request when it is iterated, each time anew. Leaving its loop aborts the request
 * in flight.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideosClient {
  readonly create: (request: CreateVideoRequest, options?: PromiseSubmitOptions) => Promise<VideoResource>
  readonly extend: (request: ExtendVideoRequest, options?: PromiseSubmitOptions) => Promise<VideoResource>
  readonly edit: (request: EditVideoRequest, options?: PromiseSubmitOptions) => Promise<VideoResource>
  readonly remix: (request: RemixVideoRequest, options?: PromiseSubmitOptions) => Promise<VideoResource>
  readonly retrieve: (id: string, options?: PromiseCallOptions) => Promise<VideoResource>
  readonly delete: (video: string | { readonly id: string }, options?: PromiseCallOptions) => Promise<DeletedVideo>
  readonly createCharacter: (request: CreateCharacterRequest, options?: PromiseSubmitOptions) => Promise<VideoCharacter>
  readonly retrieveCharacter: (id: string, options?: PromiseCallOptions) => Promise<VideoCharacter>
  /** All jobs. A page is read when its first job is needed. */
  readonly list: (options?: PromiseListOptions) => AsyncIterable<VideoResource>
  /** The clip's bytes. Errors reject the read. */
  readonly content: (
    video: string | { readonly id: string },
    options?: PromiseContentOptions
  ) => ReadableStream<Uint8Array>
  /** The job's snapshots as `watchVideo` emits them, the terminal one last. A slow consumer gets the newest. */
  readonly watch: (video: string | VideoResource, options?: PromiseWatchOptions) => AsyncIterable<VideoResource>
  /** The updates of many jobs, as of `watchVideos`. A string is one id. */
  readonly watchMany: (
    videos: string | VideoResource | Iterable<string | VideoResource> | AsyncIterable<string | VideoResource>,
    options?: PromiseWatchManyOptions
  ) => AsyncIterable<VideoUpdate>
  /** The completed job; rejects with `VideoFailedError` if it fails. */
  readonly await: (video: string | VideoResource, options?: PromiseAwaitOptions) => Promise<VideoResource>
  /** Ends everything: calls reject, and iterables end, with `VideosClosedError`. Nothing is left that keeps the process alive. */
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * Connects nothing yet. Throws a `TypeError` that names the option where the options make no sense.
 *
 * @example
 * import { makeVideos } from "effect-videos/promise"
 *
 * const videos = makeVideos({ baseUrl: "https://video.example/v1", apiKey: "sk-none" })
 * const clip = await videos.await(await videos.create({ prompt: "a harbour" }), { signal: AbortSignal.timeout(600_000) })
 * const bytes = await new Response(videos.content(clip)).arrayBuffer()
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeVideos = ({ client, fetch, ...options }: VideosOptions = {}): VideosClient => {
  const runner = new Runner(
    ManagedRuntime.make(
      Videos.layerWithoutDependencies.pipe(
        Layer.provide(VideosHttp.layer),
        Layer.provide(Layer.succeed(VideosConfig, configOf(options))),
        Layer.provide(client ?? Layer.provide(VideosFetch.layer, fetch === undefined ? Layer.empty : fetchOf(fetch)))
      )
    )
  )
  const call =
    <Request, Options extends CallOptions, A, E>(
      operation: (request: Request, options?: Options) => Effect.Effect<A, E, Videos>
    ) =>
    (request: Request, given?: PromiseCallOptions): Promise<A> =>
      runner.run(operation(request, plain(given) as Options), given?.signal)

  const close = () => runner.close()
  return {
    create: call(createVideo),
    extend: call(extendVideo),
    edit: call(editVideo),
    remix: call(remixVideo),
    retrieve: call(retrieveVideo),
    delete: call(deleteVideo),
    createCharacter: call(createCharacter),
    retrieveCharacter: call(retrieveCharacter),
    list: (given) => runner.iterate(listVideos(plain(given)), given?.signal),
    content: (video, given) => {
      const bytes = runner.iterator(downloadVideo(video, plain(given)), given?.signal)
      return new ReadableStream(
        {
          pull: async (controller) => {
            const { done, value } = await bytes.next()
            if (done === true) controller.close()
            else controller.enqueue(value)
          },
          cancel: async () => void (await bytes.return())
        },
        // No request is sent before the first read.
        { highWaterMark: 0 }
      )
    },
    watch: (video, given) => runner.iterate(watchVideo(video, watching(given)), given?.signal),
    watchMany: (videos, given) =>
      runner.iterate(
        watchVideos(
          typeof videos === "object" && videos !== null && Symbol.asyncIterator in videos ? streamOf(videos) : videos,
          watching(given)
        ),
        given?.signal
      ),
    await: (video, given) => {
      const { onUpdate, ...rest } = given ?? {}
      // What a callback throws rejects as it is.
      const notify = onUpdate && ((snapshot: VideoResource) => Effect.promise(async () => onUpdate(snapshot)))
      return runner.run(awaitVideo(video, { ...watching(rest), onUpdate: notify }), rest.signal)
    },
    close,
    [Symbol.asyncDispose]: close
  }
}

/**
 * A file to upload, of a `Blob`: of a form, or of `openAsBlob` of `node:fs`, which reads it when it is sent.
 *
 * @example
 * import { openAsBlob } from "node:fs"
 * import { fileOf, makeVideos } from "effect-videos/promise"
 *
 * const videos = makeVideos()
 * const video = fileOf(await openAsBlob("clip.mp4"), { name: "clip.mp4" })
 * const job = await videos.extend({ video, prompt: "the light comes on", seconds: 8 })
 *
 * @since 0.1.0
 * @category constructors
 */
export const fileOf = (blob: Blob, options?: VideoFile.Options): VideoFile.VideoFile => {
  const bytes = Stream.fromReadableStream({ evaluate: () => blob.stream(), onError: (reason) => reason })
  const name = "name" in blob && typeof blob.name === "string" ? { name: blob.name } : {}
  const file = VideoFile.fromStream(bytes, { ...name, ...options, size: blob.size })
  // Browsers set a file's type by its name: the first bytes know better.
  return blob.type === "" || options?.contentType !== undefined ? file : { ...file, contentType: blob.type }
}

// internal

const fetchOf = (fetch: typeof globalThis.fetch) => Layer.succeed(FetchHttpClient.Fetch, fetch)

const configOf = (options: VideosConfigOptions) => {
  const config = Effect.runSync(Effect.either(Effect.provide(VideosConfig, VideosConfig.layer(options))))
  if (Either.isLeft(config)) throw new TypeError(`makeVideos: ${config.left.toString()}`)
  return config.right
}

/** Options as the Effect has them. */
const plain = (given: PromiseCallOptions | undefined): CallOptions | undefined => {
  if (given === undefined) return undefined
  const { onResponse, signal: _, ...rest } = given
  return {
    ...rest,
    onResponse: onResponse && ((response: ResponseMeta) => Effect.sync(() => onResponse(response)))
  }
}

const watching = (given: PromiseWatchOptions | undefined): WatchOptions | undefined => {
  if (given === undefined) return undefined
  const { poll, signal: _, ...rest } = given
  // What is neither is refused with the other options, and rejects as they do.
  const isPause = (value: unknown): value is Duration.DurationInput =>
    !Schedule.isSchedule(value) && finiteTimeout(value) === null
  return { ...rest, poll: poll !== undefined && isPause(poll) ? Schedule.spaced(poll) : (poll as WatchOptions["poll"]) }
}
