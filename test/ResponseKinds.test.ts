import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Ref, Stream } from "effect"
import { createVideo, downloadVideo, extendVideo, phaseOf, type ResponseMeta, retrieveVideo } from "effect-videos"
import { hangUntilClosed, inTurn, json, type Reply, routes, serve, text } from "./support/server.js"
import { anyClient, atOnce, clients, job, respondJson, videosOver, videosScripted } from "./support/videos.js"

addEqualityTesters()

const extension = { video: "video_1", prompt: "and on", seconds: 8 } as const

describe("a 404 to an extension that may mean the route or the source", () => {
  const asked = (source: Reply, refusal: Reply = json(404, { detail: "Not Found" })) =>
    Effect.gen(function* () {
      const server = yield* serve(routes({ "POST /v1/videos/extensions": refusal, "GET /v1/videos/video_1": source }))
      // A read would be retried; this poll is not.
      const layer = videosOver(server, { readRetry: atOnce(3) })
      const error = yield* Effect.flip(extendVideo(extension)).pipe(Effect.provide(layer))
      return { error, asked: server.requests.map(({ method, url }) => `${method} ${url}`) }
    })

  const both = ["POST /v1/videos/extensions", "GET /v1/videos/video_1"]

  it.scopedLive("means the route if the source exists", () =>
    Effect.gen(function* () {
      const { asked: requests, error } = yield* asked(json(200, job({ status: "completed" })))
      expect(error).toMatchObject({
        _tag: "OperationUnsupportedError",
        operation: "extendVideo",
        status: 404,
        route: "POST /videos/extensions"
      })
      expect(requests).toEqual(both)
    })
  )

  it.scopedLive("means the source if that is missing too", () =>
    Effect.gen(function* () {
      const { asked: requests, error } = yield* asked(json(404, { detail: "Not Found" }))
      expect(error).toMatchObject({ _tag: "VideoNotFoundError", operation: "extendVideo", videoId: "video_1" })
      expect(requests).toEqual(both)
    })
  )

  it.scopedLive("is reported as it came where the poll fails, and the poll is not repeated", () =>
    Effect.gen(function* () {
      const { asked: requests, error } = yield* asked(text(500, ""))
      expect(error).toMatchObject({ _tag: "VideoNotFoundError", operation: "extendVideo", status: 404 })
      expect(requests).toEqual(both)
    })
  )

  it.scopedLive.each([
    { says: "names the job", body: { error: { message: "No video with id video_1", code: null } } },
    { says: "says that a video is missing", body: { detail: "Video not found" } },
    { says: "has a code for it", body: { code: "task_not_exist", message: "gone" } }
  ])("needs no poll if the response $says", ({ body }) =>
    Effect.gen(function* () {
      const { asked: requests, error } = yield* asked(json(200, job()), json(404, body))
      expect(error).toMatchObject({ _tag: "VideoNotFoundError", videoId: "video_1" })
      expect(requests).toEqual(both.slice(0, 1))
    })
  )
})

describe("a video in the body of an error status", () => {
  for (const { client, layer } of [anyClient]) {
    it.scopedLive.each([400, 404, 409, 422, 500, 503])(`is the result, over ${client} with status %s`, (status) =>
      Effect.gen(function* () {
        const failed = job({ status: "failed", error: { code: status, message: "CUDA out of memory" } })
        const server = yield* serve(json(status, failed, { "retry-after": "1" }))
        const video = yield* retrieveVideo("video_1").pipe(
          Effect.provide(videosOver(server, { readRetry: atOnce(3) }, layer))
        )
        expect(phaseOf(video)).toBe("failed")
        expect(video.error).toEqual({ code: String(status), message: "CUDA out of memory" })
        expect(server.requests).toHaveLength(1)
      })
    )
  }

  it.scopedLive.each([
    { object: "video" },
    { object: "video", status: "" },
    { object: "error", status: "failed" },
    { status: "failed" },
    [job({ status: "failed" })]
  ])("is not read as a video if it is %j", (body) =>
    Effect.gen(function* () {
      const server = yield* serve(json(500, body))
      const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(videosOver(server)))
      expect(error).toMatchObject({ _tag: "ServerError", status: 500 })
    })
  )
})

describe("the id that a read gives back", () => {
  it.scopedLive.each(["", "video_other", null, 7, "..", undefined])(
    "is the one asked for where the body says %j",
    (id) =>
      Effect.gen(function* () {
        const server = yield* serve(json(200, job({ id, status: "in_progress" })))
        const video = yield* retrieveVideo("video_a/b+c==").pipe(Effect.provide(videosOver(server)))
        expect(video.id).toBe("video_a/b+c==")
        expect(video.status).toBe("in_progress")
        expect(server.requests).toHaveLength(1)
      })
  )
})

describe("an error body without end", () => {
  it.scopedLive.each(clients)("is not read whole ($client)", ({ layer }) =>
    Effect.gen(function* () {
      const { arrived, closed, reply } = yield* hangUntilClosed
      const server = yield* serve((response, request, index) => {
        response.writeHead(500, { "content-type": "text/plain" })
        const more = () => {
          while (!response.destroyed && response.write("x".repeat(65_536))) {
            // until the socket is full
          }
          response.once("drain", more)
        }
        more()
        reply(response, request, index)
      })
      const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(videosOver(server, {}, layer)))
      expect(error).toMatchObject({ _tag: "ServerError", status: 500 })
      expect("detail" in error && error.detail.length).toBe(2049)
      yield* arrived
      yield* closed
    })
  )
})

describe("the delay that a server requests", () => {
  const wait = (headers: { readonly [name: string]: string }) =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted(() => respondJson(429, {}, headers))
      const error = yield* Effect.flip(retrieveVideo("video_1", { singleAttempt: true })).pipe(Effect.provide(layer))
      expect(error._tag).toBe("RateLimitedError")
      expect(tries.at).toHaveLength(1)
      return "retryAfter" in error && error.retryAfter !== null ? Duration.toMillis(error.retryAfter) : null
    })

  // The test's clock begins at the Unix epoch.
  it.effect.each([
    [{ "retry-after": "2" }, 2000],
    [{ "retry-after": "0.5" }, 500],
    [{ "retry-after": "0" }, 0],
    [{ "retry-after-ms": "1500" }, 1500],
    [{ "retry-after-ms": "1500", "retry-after": "60" }, 1500],
    [{ "retry-after-ms": "soon", "retry-after": "60" }, 60_000],
    [{ "retry-after": "Thu, 01 Jan 1970 00:00:30 GMT" }, 30_000],
    [{ "retry-after": "Wed, 31 Dec 1969 23:59:00 GMT" }, 0],
    [{ "retry-after": "soon" }, null],
    [{ "retry-after": "" }, null],
    [{ "retry-after": `1${"0".repeat(400)}` }, null],
    [{ "retry-after": "1000000000000" }, 366 * 24 * 60 * 60 * 1000],
    [{}, null]
  ] as const)("is in the error: %j is %s ms", ([headers, millis]) =>
    Effect.map(wait(headers), (found) => expect(found).toBe(millis))
  )
})

describe("the exchange's name", () => {
  it.effect.each([
    [{ "x-request-id": "a", "request-id": "b", "cf-ray": "d" }, "a"],
    [{ "request-id": "b", "x-oneapi-request-id": "c" }, "b"],
    [{ "x-oneapi-request-id": "c" }, "c"],
    [{ "cf-ray": "d" }, "d"],
    [{}, null]
  ] as const)("is in the error: %j is %s", ([headers, id]) =>
    Effect.gen(function* () {
      for (const response of [respondJson(500, {}, headers), respondJson(200, [], headers)]) {
        const { layer } = videosScripted(() => response)
        const error = yield* Effect.flip(retrieveVideo("video_1", { singleAttempt: true })).pipe(Effect.provide(layer))
        expect(error).toMatchObject({ requestId: id })
      }
    })
  )
})

describe("x-should-retry", () => {
  it.scopedLive("makes a read retry an error that its status makes final", () =>
    Effect.gen(function* () {
      const server = yield* serve(inTurn(json(400, {}, { "x-should-retry": "true" }), json(200, job())))
      const layer = videosOver(server, { readRetry: atOnce(3) })
      expect((yield* retrieveVideo("video_1").pipe(Effect.provide(layer))).id).toBe("video_1")
      expect(server.requests).toHaveLength(2)
    })
  )

  it.scopedLive.each([409, 429, 500, 503])("stops a read from trying %s again", (status) =>
    Effect.gen(function* () {
      const server = yield* serve(json(status, {}, { "x-should-retry": "false" }))
      const layer = videosOver(server, { readRetry: atOnce(3) })
      const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(layer))
      expect(error).toMatchObject({ status, shouldRetry: false })
      expect(server.requests).toHaveLength(1)
    })
  )
})

describe("onResponse", () => {
  it.scopedLive("receives the status, headers and request id of each response, errors included", () =>
    Effect.gen(function* () {
      const server = yield* serve(
        inTurn(
          json(503, {}, { "x-request-id": "req_1" }),
          json(200, job(), { "x-request-id": "req_2", "x-ratelimit-remaining": "7" }),
          json(200, job(), { "x-request-id": "req_3" }),
          text(200, "\u0000the bytes of a clip", { "x-request-id": "req_4", "content-type": "video/mp4" })
        )
      )
      const seen = yield* Ref.make<ReadonlyArray<ResponseMeta>>([])
      const onResponse = (meta: ResponseMeta) => Ref.update(seen, (all) => [...all, meta])
      const layer = videosOver(server, { readRetry: atOnce(1) })
      yield* retrieveVideo("video_1", { onResponse }).pipe(Effect.provide(layer))
      yield* createVideo({ prompt: "x" }, { onResponse }).pipe(Effect.provide(layer))
      yield* Stream.runDrain(downloadVideo("video_1", { onResponse })).pipe(Effect.provide(layer))
      const metas = yield* Ref.get(seen)
      expect(metas.map(({ requestId, status }) => [status, requestId])).toEqual([
        [503, "req_1"],
        [200, "req_2"],
        [200, "req_3"],
        [200, "req_4"]
      ])
      expect(metas[1]?.headers["x-ratelimit-remaining"]).toBe("7")
    })
  )
})
