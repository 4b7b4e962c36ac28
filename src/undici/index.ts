/**
 * undici for `VideosHttp`: a call costs about what undici itself does, over a bounded number of connections.
 * Needs `@effect/platform-node`. The layer is an `HttpClient` like `NodeHttpClient.layerUndici`, and can be used in its place.
 *
 * @example
 * import { Effect, Layer } from "effect"
 * import { retrieveVideo, Videos } from "effect-videos"
 * import * as VideosUndici from "effect-videos/undici"
 *
 * const live = Videos.layerConfig.pipe(Layer.provide(VideosUndici.layer()))
 *
 * const program = retrieveVideo("video_1").pipe(Effect.provide(live))
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type * as Undici from "@effect/platform-node/Undici"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { duration, number } from "../internal/config/environment.js"
import { checkConfig, finiteCount, finiteTimeout } from "../internal/config/optionRules.js"
import { withTransport } from "../internal/http/transport.js"
import { makeAgent, makeProxies, type Proxies, proxiesFromEnvironment, proxyOf } from "./proxy.js"
import { undiciTransport } from "./undiciTransport.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * For a connection, its TLS handshake included; a whole number of seconds is kept. Then it is a `TransportError` with
   * the reason `connect`: nothing was sent, so that a submission is retried. Default: 10 seconds.
   */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /**
   * Connections to one origin for calls; other calls wait. Default: 64, enough to keep a server of one machine busy.
   */
  readonly connections?: number | undefined
  /**
   * The proxy's http(s) URL, such as `http://user:password@proxy:3128`, for all origins: `https:` URLs go through it by
   * CONNECT, `http:` URLs by forwarding. If it cannot be reached or makes no connection, the `TransportError`
   * (`connect`) names it, without its credentials. Default: none.
   */
  readonly proxy?: string | Redacted.Redacted | undefined
  /**
   * Hosts that need no proxy, with commas between: `a.com` (and all below it), `b.com:8080`, `10.0.0.0/8`, `*`.
   * Loopback never does.
   */
  readonly noProxy?: string | undefined
}

/**
 * `connections` to one origin for calls that wait for a JSON response, and one more for each download and upload of a
 * file. All are closed with the layer. An invalid option fails with a `ConfigError` that names it.
 *
 * @example
 * import { Layer } from "effect"
 * import { Videos } from "effect-videos"
 * import * as VideosUndici from "effect-videos/undici"
 *
 * const live = Videos.layerConfig.pipe(
 *   Layer.provide(VideosUndici.layer({ connectTimeout: "3 seconds", proxy: "http://127.0.0.1:3128", noProxy: ".internal" }))
 * )
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<HttpClient.HttpClient, ConfigError.ConfigError> =>
  Layer.scoped(
    HttpClient.HttpClient,
    Effect.gen(function* () {
      yield* checkConfig(options, { connections: finiteCount, connectTimeout: finiteTimeout })
      return yield* make(options, yield* makeProxies(options))
    })
  )

/**
 * `layer` from the environment (any `ConfigProvider`): `HTTPS_PROXY` for `https:` URLs, `HTTP_PROXY` for `http:` URLs,
 * `ALL_PROXY` for both, `NO_PROXY` as `noProxy`; the lower-case spellings come first. `VIDEOS_CONNECT_TIMEOUT` and
 * `VIDEOS_CONNECTIONS` for the other options.
 *
 * @example
 * import { Layer } from "effect"
 * import { Videos } from "effect-videos"
 * import * as VideosUndici from "effect-videos/undici"
 *
 * const live = Videos.layerConfig.pipe(Layer.provide(VideosUndici.layerConfig))
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<HttpClient.HttpClient, ConfigError.ConfigError> = Layer.scoped(
  HttpClient.HttpClient,
  Effect.flatMap(
    Config.all({
      proxies: proxiesFromEnvironment,
      connectTimeout: duration("VIDEOS_CONNECT_TIMEOUT", finiteTimeout),
      connections: number("VIDEOS_CONNECTIONS", finiteCount)
    }),
    ({ proxies, ...options }) => make(options, proxies)
  )
)

/**
 * The proxy of requests to a URL over `layerConfig`: its origin, without credentials, and the variable that names it.
 * `null` if they go to the server directly.
 *
 * @example
 * import { Effect } from "effect"
 * import * as VideosUndici from "effect-videos/undici"
 *
 * const program = VideosUndici.proxyConfigFor(new URL("https://videos.example/v1")).pipe(
 *   Effect.flatMap((proxy) => Effect.log(proxy === null ? "no proxy" : `${proxy.origin} (${proxy.source})`))
 * )
 *
 * @since 0.1.0
 * @category configuration
 */
export const proxyConfigFor = (url: URL): Config.Config<{ readonly origin: string; readonly source: string } | null> =>
  Config.map(proxiesFromEnvironment, (proxies) => proxyOf(proxies, url))

const destroyed = (dispatcher: Undici.Dispatcher) =>
  Effect.acquireRelease(Effect.succeed(dispatcher), () => Effect.promise(() => dispatcher.destroy()))

const make = (
  { connections = 64, connectTimeout = "10 seconds" }: Options,
  proxies: Proxies | null
): Effect.Effect<HttpClient.HttpClient, never, Scope.Scope> => {
  const connect = { timeout: Duration.toMillis(connectTimeout) }
  return Effect.zipWith(
    destroyed(makeAgent({ connections, connect }, proxies)),
    destroyed(makeAgent({ connect }, proxies)),
    (calls, files) => withTransport(NodeHttpClient.makeUndici(files), undiciTransport(calls))
  )
}

/**
 * Over the program's own dispatcher: for another kind of proxy, one with its own certificate, or a test.
 *
 * @example
 * import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
 * import * as Undici from "@effect/platform-node/Undici"
 * import { Layer } from "effect"
 * import * as VideosUndici from "effect-videos/undici"
 *
 * const proxied = VideosUndici.layerWithoutDispatcher.pipe(
 *   Layer.provide(Layer.sync(NodeHttpClient.Dispatcher, () => new Undici.ProxyAgent("http://127.0.0.1:3128")))
 * )
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWithoutDispatcher: Layer.Layer<HttpClient.HttpClient, never, NodeHttpClient.Dispatcher> =
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(NodeHttpClient.Dispatcher, (dispatcher) =>
      withTransport(NodeHttpClient.makeUndici(dispatcher), undiciTransport(dispatcher))
    )
  )
