/** The fetch and undici transports: what they share with every `HttpClient`, and what only they do. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Undici from "@effect/platform-node/Undici"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Redacted, TestClock } from "effect"
import { retrieveVideo, VideosFetch } from "effect-videos"
import * as VideosUndici from "effect-videos/undici"
import { hang, hangUntilClosed, json, serve } from "./support/server.js"
import { recordSpans } from "./support/tracing.js"
import { job, videosOver } from "./support/videos.js"

const direct = [
  { client: "VideosFetch", layer: VideosFetch.layer, platform: FetchHttpClient.layer },
  { client: "VideosUndici", layer: Layer.orDie(VideosUndici.layer()), platform: NodeHttpClient.layerUndici }
]

const fetching = (fetch: typeof globalThis.fetch) =>
  VideosFetch.layer.pipe(Layer.provide(Layer.succeed(FetchHttpClient.Fetch, fetch)))

describe.each(direct)("over $client", ({ client, layer, platform }) => {
  it.scopedLive("a response without end fails, and its connection is closed", () =>
    Effect.gen(function* () {
      const { closed, reply } = yield* hangUntilClosed
      const server = yield* serve((response, request, index) => {
        response.writeHead(200, { "content-type": "application/json" })
        const more = () => {
          while (!response.destroyed && response.write(" ".repeat(1_048_576))) {
            // until the socket is full
          }
          response.once("drain", more)
        }
        more()
        reply(response, request, index)
      })
      // The default is the same for both, and 32 MiB take a second.
      const [options, most] =
        client === "VideosFetch" ? [{}, 32 * 1024 ** 2] : [{ limits: { jsonBytes: 1024 ** 2 } }, 1024 ** 2]
      const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(
        Effect.provide(videosOver(server, options, layer))
      )
      expect(error).toMatchObject({ _tag: "ResponseDecodeError", status: 200, reason: "shape", isTransient: false })
      expect(error.message).toContain(`it is too long (more than ${most} bytes)`)
      yield* closed
    })
  )

  it.scopedLive("a span has the attributes of the platform's own", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, job(), { date: "never", "x-request-id": "req_1", "x-secret": "shh" }))
      const attributes = (client: Layer.Layer<HttpClient.HttpClient>) =>
        Effect.gen(function* () {
          const spans = recordSpans()
          const options = { apiKey: Redacted.make("sk-0123456789abc"), headers: { "x-secret": "mine-too" } }
          yield* retrieveVideo("video_1", { extraQuery: { a: "1" } }).pipe(
            Effect.provide(videosOver(server, options, client)),
            Effect.withTracer(spans.tracer)
          )
          const said = spans.said()
          const pairs: ReadonlyArray<readonly [string, unknown]> = JSON.parse(
            said[said.indexOf("http.client GET") + 1] ?? "[]"
          )
          return Object.fromEntries(pairs)
        })
      const own = yield* attributes(layer)
      expect(own).toEqual(yield* attributes(platform))
      expect(own).toMatchObject({
        "url.query": "a=1",
        "http.response.status_code": 200,
        "http.request.header.x-secret": "<redacted>",
        "http.response.header.x-secret": "<redacted>",
        "http.request.header.authorization": "<redacted>",
        "http.response.header.x-request-id": "req_1"
      })
    })
  )

  it.scopedLive("a wrapped client behaves as its wrapper", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, job()))
      const wrapped = Layer.effect(
        HttpClient.HttpClient,
        Effect.map(
          HttpClient.HttpClient,
          HttpClient.mapRequest((request) => HttpClientRequest.setHeader(request, "x-wrapped", "yes"))
        )
      ).pipe(Layer.provide(layer))
      yield* retrieveVideo("video_1").pipe(Effect.provide(videosOver(server, {}, wrapped)))
      expect(server.requests[0]?.headers["x-wrapped"]).toBe("yes")
    })
  )

  it.scopedLive("`onResponse` receives the headers and the request id of a response", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, job(), { "X-Request-Id": "req_1", "x-two": "2" }))
      const seen = yield* Deferred.make<unknown>()
      yield* retrieveVideo("video_1", {
        onResponse: ({ headers, requestId, status }) =>
          Effect.asVoid(Deferred.succeed(seen, { status, requestId, two: headers["x-two"] }))
      }).pipe(Effect.provide(videosOver(server, {}, layer)))
      expect(yield* Deferred.await(seen)).toEqual({ status: 200, requestId: "req_1", two: "2" })
    })
  )
})

describe("VideosFetch", () => {
  it.effect("is timed by the Clock, and aborts its request", () =>
    Effect.gen(function* () {
      let aborted = false
      const layer = fetching((_, init) => {
        init?.signal?.addEventListener("abort", () => {
          aborted = true
        })
        return new Promise(() => {})
      })
      const videos = videosOver({ baseUrl: "http://videos.invalid/v1" }, {}, layer)
      const fiber = yield* Effect.fork(Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(videos)))
      yield* TestClock.adjust("59 seconds")
      expect(fiber.unsafePoll()).toBeNull()
      expect(aborted).toBe(false)
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "RequestTimeoutError" })
      expect(aborted).toBe(true)
    })
  )

  it.effect("takes `fetch` and its options from the layer, and options from the call", () =>
    Effect.gen(function* () {
      const inits: Array<RequestInit | undefined> = []
      const layer = fetching((_, init) => {
        inits.push(init)
        return Promise.resolve(Response.json(job()))
      }).pipe(Layer.provide(Layer.succeed(FetchHttpClient.RequestInit, { cache: "no-store" })))
      const videos = yield* Layer.build(videosOver({ baseUrl: "http://videos.invalid/v1" }, {}, layer))
      yield* Effect.provide(retrieveVideo("video_1"), videos)
      yield* retrieveVideo("video_1").pipe(
        Effect.provide(videos),
        Effect.provideService(FetchHttpClient.RequestInit, { redirect: "follow", headers: { "x-a": "1" } })
      )
      expect(inits[0]).toMatchObject({ cache: "no-store", redirect: "manual", method: "GET" })
      // Redirects stay with this library, whatever the options say.
      expect(inits[1]).toMatchObject({ redirect: "manual", headers: { "x-a": "1", accept: "application/json" } })
    }).pipe(Effect.scoped)
  )
})

describe("VideosFetch over the global `fetch`", () => {
  it.scopedLive("one that is wrapped writes into the headers of its own call alone", () =>
    Effect.gen(function* () {
      const own = globalThis.fetch
      const traced: typeof globalThis.fetch = (input, init) => {
        const headers = new Headers(init?.headers)
        // As instrumentation does it that finds an instance.
        if (init?.headers instanceof Headers) init.headers.append("x-baggage", "1")
        else headers.append("x-baggage", "1")
        return own(input, init?.headers instanceof Headers ? init : { ...init, headers })
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => (globalThis.fetch = traced)),
        () => Effect.sync(() => (globalThis.fetch = own))
      )
      const server = yield* serve(json(200, job()))
      const videos = yield* Layer.build(videosOver(server, {}, VideosFetch.layer))
      yield* Effect.repeatN(Effect.provide(retrieveVideo("video_1"), videos), 2)
      expect(server.requests.map(({ headers }) => headers["x-baggage"])).toEqual(["1", "1", "1"])
    })
  )
})

describe("VideosUndici", () => {
  it.scopedLive("has 64 connections for any number of calls", () =>
    Effect.gen(function* () {
      const waiting: Array<() => void> = []
      let isFull = false
      let open = 0
      let most = 0
      // The server holds all responses until 64 requests have arrived, then sends them; a request that came meanwhile is counted.
      const server = yield* serve((response, request, index) => {
        most = Math.max(most, ++open)
        waiting.push(() => {
          open--
          json(200, job())(response, request, index)
        })
        isFull ||= open === 64
        if (!isFull) return
        setTimeout(() => {
          for (const send of waiting.splice(0)) send()
        }, 5)
      })
      const videos = yield* Layer.build(videosOver(server, { budget: { concurrency: 300 } }, VideosUndici.layer()))
      const polls = Effect.forEach(Array.from({ length: 300 }), () => retrieveVideo("video_1"), {
        concurrency: "unbounded"
      })
      yield* Effect.provide(polls, videos)
      expect(server.requests).toHaveLength(300)
      expect(most).toBe(64)
    })
  )

  it.scopedLive("takes a dispatcher of the program's own", () =>
    Effect.gen(function* () {
      const agent = new Undici.MockAgent()
      agent.disableNetConnect()
      agent
        .get("http://videos.invalid")
        .intercept({ path: "/v1/videos/video_1" })
        .reply(200, JSON.stringify(job({ status: "completed" })))
      const layer = VideosUndici.layerWithoutDispatcher.pipe(
        Layer.provide(Layer.succeed(NodeHttpClient.Dispatcher, agent))
      )
      const video = yield* retrieveVideo("video_1").pipe(
        Effect.provide(videosOver({ baseUrl: "http://videos.invalid/v1" }, {}, layer))
      )
      expect(video.status).toBe("completed")
    })
  )

  it.effect("leaves no timer behind if a dispatcher refuses a call at once", () =>
    Effect.gen(function* () {
      const agent = Object.assign(new Undici.MockAgent(), {
        dispatch: () => {
          throw new Error("refused")
        }
      })
      const layer = VideosUndici.layerWithoutDispatcher.pipe(
        Layer.provide(Layer.succeed(NodeHttpClient.Dispatcher, agent))
      )
      const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(
        Effect.provide(videosOver({ baseUrl: "http://videos.invalid/v1" }, {}, layer))
      )
      expect(error).toMatchObject({ _tag: "TransportError", detail: "refused" })
      expect([...(yield* TestClock.sleeps())]).toEqual([])
    })
  )

  it.scopedLive("drops a call that was interrupted while it waited for a connection", () =>
    Effect.gen(function* () {
      const server = yield* serve(hang)
      const layer = VideosUndici.layerWithoutDispatcher.pipe(
        Layer.provide(Layer.succeed(NodeHttpClient.Dispatcher, new Undici.Agent({ connections: 1 })))
      )
      const videos = yield* Layer.build(videosOver(server, {}, layer))
      const first = yield* Effect.fork(Effect.provide(retrieveVideo("video_1"), videos))
      const second = yield* Effect.fork(Effect.provide(retrieveVideo("video_2"), videos))
      yield* Effect.repeat(Effect.sleep("1 millis"), { until: () => server.requests.length === 1 })
      yield* Fiber.interrupt(second)
      yield* Fiber.interrupt(first)
      const third = yield* Effect.fork(Effect.provide(retrieveVideo("video_3"), videos))
      yield* Effect.repeat(Effect.sleep("1 millis"), { until: () => server.requests.length === 2 })
      yield* Fiber.interrupt(third)
      expect(server.requests.map(({ url }) => url)).toEqual(["/v1/videos/video_1", "/v1/videos/video_3"])
    })
  )
})
