/**
 * undici for `VideosHttp`, the short way: a call costs about what undici itself does, over a bounded number of connections.
 * Needs `@effect/platform-node`. The layer is an `HttpClient` like `NodeHttpClient.layerUndici`, and can be used in its place.
 *
 * @example
 * import { Effect, Layer } from "effect"
 * import { retrieveVideo, Videos } from "effect-videos"
 * import * as VideosUndici from "effect-videos/undici"
 *
 * const live = Videos.layerConfig.pipe(Layer.provide(VideosUndici.layer))
 *
 * const program = retrieveVideo("video_1").pipe(Effect.provide(live))
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Undici from "@effect/platform-node/Undici"
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { withDirect } from "../internal/direct.js"
import { checkConfig, finiteCount, finiteTimeout } from "../internal/options.js"
import { undiciDirect } from "./direct.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * For how long a connection may take to be made, its TLS handshake included. Then it is a `TransportError` with the reason
   * `connect`: nothing was sent, so that a submission is tried again. A whole number of seconds is kept. Default: 10 seconds.
   */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /**
   * Connections to one origin for calls; the rest waits in line. Default: 64, which keep a server of one machine busy and
   * leave it its sockets.
   */
  readonly connections?: number | undefined
}

const destroyed = (dispatcher: Undici.Dispatcher) =>
  Effect.acquireRelease(Effect.succeed(dispatcher), () => Effect.promise(() => dispatcher.destroy()))

const defaultConnections = 64
const defaultTimeout = 10_000

/**
 * `layer` with options; those that make no sense fail with a `ConfigError` that names the option.
 *
 * @example
 * import { Layer } from "effect"
 * import { Videos } from "effect-videos"
 * import * as VideosUndici from "effect-videos/undici"
 *
 * const live = Videos.layerConfig.pipe(Layer.provide(VideosUndici.layerWith({ connectTimeout: "3 seconds" })))
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWith = ({
  connections = defaultConnections,
  connectTimeout = defaultTimeout
}: Options = {}): Layer.Layer<HttpClient.HttpClient, ConfigError.ConfigError> =>
  Layer.unwrapEffect(
    Effect.map(
      checkConfig({ connections, connectTimeout }, { connections: finiteCount, connectTimeout: finiteTimeout }),
      () => layerOf(connections, Duration.toMillis(connectTimeout))
    )
  )

const layerOf = (connections: number, timeout: number): Layer.Layer<HttpClient.HttpClient> =>
  Layer.scoped(
    HttpClient.HttpClient,
    Effect.suspend(() => {
      const connect = { timeout }
      return Effect.zipWith(
        destroyed(new Undici.Agent({ connections, connect })),
        destroyed(new Undici.Agent({ connect })),
        (calls, files) => withDirect(NodeHttpClient.makeUndici(files), undiciDirect(calls))
      )
    })
  )

/**
 * At most 64 connections to one origin for calls that wait for a JSON answer. Downloads and uploads of files, which hold
 * theirs for long, have connections of their own, one each. All are closed with the layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<HttpClient.HttpClient> = layerOf(defaultConnections, defaultTimeout)

/**
 * Everything over the program's own dispatcher: a proxy's, one with a certificate of its own, a test's.
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
      withDirect(NodeHttpClient.makeUndici(dispatcher), undiciDirect(dispatcher))
    )
  )
