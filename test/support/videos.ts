/** `Videos` against a test's server or a scripted `HttpClient`, and the bodies that servers answer with. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Clock, type ConfigError, Effect, Layer, Logger, Schedule } from "effect"
import { Videos, type VideosConfigOptions, VideosFetch } from "effect-videos"
import * as VideosUndici from "effect-videos/undici"

/** The transport of what does not depend on it: a test of how transports behave runs over each of `clients`. */
export const anyClient = { client: "VideosFetch", layer: VideosFetch.layer } as const

/** The clients that a Node program has to choose from: the platform's, and the short way over the same two. */
export const clients: ReadonlyArray<{
  readonly client: string
  readonly layer: Layer.Layer<HttpClient.HttpClient>
}> = [
  { client: "fetch", layer: FetchHttpClient.layer },
  { client: "undici", layer: NodeHttpClient.layerUndici },
  anyClient,
  { client: "VideosUndici", layer: Layer.orDie(VideosUndici.layer()) }
]

/** No words about what is adopted, sent again or given up: what is logged is not what most tests are about. */
export const quiet = Logger.remove(Logger.defaultLogger)

/** Over a socket; nothing is retried, and no list is read, unless the test says so. */
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

/** Tries again this many times, at once. */
export const atOnce = (times: number): Schedule.Schedule<unknown> => Schedule.recurs(times)

/** Tries of a call through a scripted client: when each was made, in milliseconds of the `Clock`. */
export interface Tries {
  readonly at: ReadonlyArray<number>
  readonly headers: ReadonlyArray<{ readonly [name: string]: string }>
}

/** `Videos` over a client that answers from a script, with no socket: for tests that move the clock. */
export const videosScripted = (
  answer: (
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
      return Effect.map(answer(index, request), (response) => HttpClientResponse.fromWeb(request, response))
    })
  )
  return {
    tries: { at, headers },
    layer: Videos.layer({ baseUrl: "http://videos.invalid/v1", onUnknownOutcome: "fail", ...options }).pipe(
      Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
    )
  }
}

/** A JSON answer for `videosScripted`. */
export const answerJson = (status: number, body: unknown, headers: { readonly [name: string]: string } = {}) =>
  Effect.sync(() => new Response(JSON.stringify(body), { status, headers }))

/** A connection that fails with this code, as Node's sockets say it. */
export const answerBroken = (request: HttpClientRequest.HttpClientRequest, code: string) =>
  Effect.fail(
    new HttpClientError.RequestError({
      request,
      reason: "Transport",
      cause: new TypeError("fetch failed", { cause: Object.assign(new Error(`it broke: ${code}`), { code }) })
    })
  )

/** A job as the protocol writes it. */
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
