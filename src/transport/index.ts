/**
 * Only for programs that replace the transport: the HTTP layer as a service, its requests and responses, and the
 * interface of a shared request limit.
 *
 * @example
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer } from "effect"
 * import { Videos, VideosConfig } from "effect-videos"
 * import { VideosHttp } from "effect-videos/transport"
 *
 * const live = Videos.layerWithoutDependencies.pipe(
 *   Layer.provide(VideosHttp.layer),
 *   Layer.provide(VideosConfig.layer({ baseUrl: "http://127.0.0.1:8091/v1" })),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { VideosConfig } from "../Http.js"
import type { VideosHttpService } from "../internal/http/httpTypes.js"
import { makeHttp } from "../internal/http/videosHttp.js"

export type {
  Sending,
  VideosByteResponse,
  VideosCall,
  VideosHttpService,
  VideosResponse,
  VideosUpload
} from "../internal/http/httpTypes.js"
export type { RequestKind, RequestLimiter } from "../internal/rate/budgetTypes.js"

/**
 * The HTTP layer as a service: adds URL, key, headers and timeout, maps every failure to a tagged error, retries reads,
 * and follows their redirects without the caller's identity to another origin.
 *
 * A submission is sent again, under the same `Idempotency-Key`, only if it certainly had no effect: no connection was
 * made, 429, or 503 with `Retry-After`. One whose outcome is unknown fails here; `Videos` searches the list for its
 * job.
 *
 * @since 0.1.0
 * @category services
 */
export class VideosHttp extends Context.Tag("effect-videos/VideosHttp")<VideosHttp, VideosHttpService>() {
  /** Over any `HttpClient`. */
  static readonly layer: Layer.Layer<VideosHttp, never, VideosConfig | HttpClient.HttpClient> = Layer.effect(
    this,
    Effect.zipWith(VideosConfig, HttpClient.HttpClient, makeHttp)
  )
}
