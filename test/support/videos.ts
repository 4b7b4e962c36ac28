/** `Videos` for a test server or a scripted `HttpClient`, and response bodies. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Clock, type ConfigError, Effect, Layer, Logger, Schedule } from "effect"
import { Videos, type VideosConfigOptions, VideosFetch } from "effect-videos"
import * as VideosUndici from "effect-videos/undici"

/** Transport for tests that do not depend on it. A test of transports runs over each of `clients`. */
export const anyClient = { client: "VideosFetch", layer: VideosFetch.layer } as const

interface Client {
  readonly client: string
  readonly layer: Layer.Layer<HttpClient.HttpClient>
}

/** The transports that read responses by themselves. A test of what they do with bytes and connections runs over each. */
export const clients: ReadonlyArray<Client> = [
  { client: "fetch", layer: FetchHttpClient.layer },
  anyClient,
  { client: "VideosUndici", layer: Layer.orDie(VideosUndici.layer()) }
]

/** The clients of `@effect/platform` too, for the contract of a transport in `Http.test.ts`. */
export const allClients: ReadonlyArray<Client> = [...clients, { client: "undici", layer: NodeHttpClient.layerUndici }]

/** Removes log lines about adoption and retries, because most tests do not check the log. */
export const quiet = Logger.remove(Logger.defaultLogger)

/** Provides `Videos` over a socket. Default: no retries, and no reads of the list. */
export const videosOver = (
  server: { readonly baseUrl: string },
  options: VideosConfigOptions = {},
  client: Layer.Layer<HttpClient.HttpClient, ConfigError.ConfigError> = FetchHttpClient.layer
): Layer.Layer<Videos, ConfigError.ConfigError> =>
  Videos.layer({
    baseUrl: server.baseUrl,
    readRetry: Schedule.stop,
    submitRetry: Schedule.stop,
    onUnknownOutcome: "fail",
    ...options
  }).pipe(Layer.provide(client), Layer.merge(quiet))

/** Retries this many times, without a delay. */
export const atOnce = (times: number): Schedule.Schedule<unknown> => Schedule.recurs(times)

/** Attempts of a call through a scripted client, with their times in milliseconds of the `Clock`. */
export interface Tries {
  readonly at: ReadonlyArray<number>
  readonly headers: ReadonlyArray<{ readonly [name: string]: string }>
}

/** Provides `Videos` over a client with scripted responses and no socket, for tests that move the clock. */
export const videosScripted = (
  respond: (
    index: number,
    request: HttpClientRequest.HttpClientRequest
  ) => Effect.Effect<Response, HttpClientError.HttpClientError>,
  options: VideosConfigOptions = {}
): { readonly layer: Layer.Layer<Videos, ConfigError.ConfigError>; readonly tries: Tries } => {
  const at: Array<number> = []
  const headers: Array<{ readonly [name: string]: string }> = []
  const client = HttpClient.make((request) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      headers.push({ ...request.headers })
      const index = at.push(now) - 1
      return Effect.map(respond(index, request), (response) => HttpClientResponse.fromWeb(request, response))
    })
  )
  return {
    tries: { at, headers },
    layer: Videos.layer({ baseUrl: "http://videos.invalid/v1", onUnknownOutcome: "fail", ...options }).pipe(
      Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
    )
  }
}

/** Makes a JSON response for `videosScripted`. */
export const respondJson = (status: number, body: unknown, headers: { readonly [name: string]: string } = {}) =>
  Effect.sync(() => new Response(JSON.stringify(body), { status, headers }))

/** Makes a connection error with a code, as Node's sockets do. */
export const respondBroken = (request: HttpClientRequest.HttpClientRequest, code: string) =>
  Effect.fail(
    new HttpClientError.RequestError({
      request,
      reason: "Transport",
      cause: new TypeError("fetch failed", { cause: Object.assign(new Error(`it broke: ${code}`), { code }) })
    })
  )

/** Makes a job in the encoding of the protocol. */
export const job = (fields: { readonly [name: string]: unknown } = {}): { readonly [name: string]: unknown } => ({
  id: "video_1",
  object: "video",
  model: "sora-2",
  status: "queued",
  progress: 0,
  created_at: 1_760_000_000,
  completed_at: null,
  expires_at: null,
  prompt: "a lighthouse",
  size: "1280x720",
  seconds: "4",
  remixed_from_video_id: null,
  error: null,
  ...fields
})
