/**
 * `fetch` for `VideosHttp`: a call costs about what `fetch` itself does. The layer is an `HttpClient` like
 * `FetchHttpClient.layer`, and can replace it; it runs wherever `fetch` exists.
 *
 * @example
 * import { Effect, Layer } from "effect"
 * import { retrieveVideo, Videos, VideosFetch } from "effect-videos"
 *
 * const live = Videos.layerConfig.pipe(Layer.provide(VideosFetch.layer))
 *
 * const program = retrieveVideo("video_1").pipe(Effect.provide(live))
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { fetchTransport } from "./internal/http/fetchTransport.js"
import { withTransport } from "./internal/http/transport.js"

/**
 * The global `fetch`, or the one in `FetchHttpClient.Fetch`, with the options in `FetchHttpClient.RequestInit` of the layer or of
 * the call.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<HttpClient.HttpClient> = Layer.effect(
  HttpClient.HttpClient,
  Effect.zipWith(HttpClient.HttpClient, Effect.context<never>(), (client, context) =>
    withTransport(client, fetchTransport(context))
  )
).pipe(Layer.provide(FetchHttpClient.layer))
