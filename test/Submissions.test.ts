import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, TestClock } from "effect"
import { createVideo, extendVideo, type SubmitOptions, VideoFile } from "effect-videos"
import { closedPort, hang, html, inTurn, json, type Reply, reset, serve, text } from "./support/server.js"
import {
  anyClient,
  atOnce,
  clients,
  job,
  respondBroken,
  respondJson,
  videosOver,
  videosScripted
} from "./support/videos.js"

addEqualityTesters()

const submissions = [
  {
    operation: "createVideo",
    submit: (options?: SubmitOptions) => createVideo({ prompt: "a lighthouse" }, options)
  },
  {
    operation: "extendVideo",
    submit: (options?: SubmitOptions) => extendVideo({ video: "video_1", prompt: "and on", seconds: 8 }, options)
  },
  {
    operation: "extendVideo",
    submit: (options?: SubmitOptions) =>
      extendVideo({ video: VideoFile.fromBytes(new Uint8Array(9)), prompt: "and on", seconds: 8 }, options)
  }
] as const

/** Each submission over each client would be twice as many; what differs is the client, or what is sent. */
const cases = clients.flatMap(({ client, layer }, which) =>
  submissions.flatMap((submission, index) =>
    index === 0 || index === which + 1 ? [{ ...submission, what: index === 2 ? "with a file" : "", client, layer }] : []
  )
)

type One = (typeof cases)[number]

/** All rows for one submission over one transport. For the others, the rows that a transport itself sees. */
const rowsFor = <Row>({ client, operation }: One, all: ReadonlyArray<Row>, isSeenByTransport: (row: Row) => boolean) =>
  client === anyClient.client && operation === "createVideo" ? all : all.filter(isSeenByTransport)

describe("a submission that certainly had no effect", () => {
  const harmless: ReadonlyArray<readonly [string, Reply]> = [
    ["429", text(429, "")],
    ["429 with Retry-After", text(429, "", { "retry-after": "0" })],
    ["503 with Retry-After", text(503, "", { "retry-after": "0" })],
    ["503 with retry-after-ms", text(503, "", { "retry-after-ms": "1" })],
    ["408", text(408, "")],
    ["425", text(425, "")],
    ["521", text(521, "")],
    ["500 with x-should-retry", text(500, "", { "x-should-retry": "true" })]
  ]

  for (const one of cases) {
    const { client, layer, operation, submit, what } = one
    it.scopedLive.each(rowsFor(one, harmless, ([after]) => after === "521"))(
      `is sent again after %s, the same under the same key (${operation} ${what} over ${client})`,
      ([, reply]) =>
        Effect.gen(function* () {
          const server = yield* serve(inTurn(reply, reply, json(200, job({ id: "video_2" }))))
          const video = yield* submit().pipe(Effect.provide(videosOver(server, { submitRetry: atOnce(3) }, layer)))
          expect(video.id).toBe("video_2")
          expect(server.requests).toHaveLength(3)
          expect(server.requests[0]?.body.length).toBeGreaterThan(0)
          const keys = server.requests.map(({ headers }) => headers["idempotency-key"])
          expect(keys[0]).toMatch(/^[0-9a-f]{32}$/)
          expect(new Set(keys).size).toBe(1)
          expect(new Set(server.requests.map(({ body, url }) => `${url} ${body.toString("latin1")}`)).size).toBe(1)
          expect(server.requests.every(({ complete }) => complete)).toBe(true)
        }),
      // A 429 pauses the requests of its layer.
      { concurrent: true }
    )
  }

  it.effect.each(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"])(
    "is sent again where no connection was made (%s)",
    (code) =>
      Effect.gen(function* () {
        const { layer, tries } = videosScripted(
          (index, request) => (index < 2 ? respondBroken(request, code) : respondJson(200, job())),
          { submitRetry: atOnce(3) }
        )
        const video = yield* createVideo({ prompt: "x" }).pipe(Effect.provide(layer))
        expect(video.id).toBe("video_1")
        expect(tries.at).toHaveLength(3)
        expect(new Set(tries.headers.map((headers) => headers["idempotency-key"])).size).toBe(1)
      })
  )

  it.scopedLive.each(cases)("fails as refused if no server listens ($operation $what, $client)", ({ layer, submit }) =>
    Effect.gen(function* () {
      const server = { baseUrl: `http://127.0.0.1:${yield* closedPort}/v1` }
      const error = yield* Effect.flip(submit()).pipe(
        Effect.provide(videosOver(server, { submitRetry: atOnce(2) }, layer))
      )
      expect(error).toMatchObject({ _tag: "TransportError", reason: "connect" })
    })
  )

  it.scopedLive("fails with what the server said last once the schedule has ended", () =>
    Effect.gen(function* () {
      const server = yield* serve(text(429, "slow down", { "retry-after": "0" }))
      const error = yield* Effect.flip(createVideo({ prompt: "x" })).pipe(
        Effect.provide(videosOver(server, { submitRetry: atOnce(2) }))
      )
      expect(error).toMatchObject({ _tag: "RateLimitedError", detail: "slow down", retryAfter: Duration.zero })
      expect(server.requests).toHaveLength(3)
    })
  )

  it.scopedLive.each([
    ["400", json(400, {}), "BadRequestError"],
    ["401", json(401, {}), "AuthenticationError"],
    ["402", json(402, {}), "QuotaExceededError"],
    ["409", json(409, {}), "ConflictError"],
    ["409 with x-should-retry", json(409, {}, { "x-should-retry": "true" }), "ConflictError"],
    ["429 with an empty account", json(429, { error: { code: "insufficient_quota" } }), "QuotaExceededError"],
    ["429 with x-should-retry: false", json(429, {}, { "x-should-retry": "false" }), "RateLimitedError"],
    ["503 with x-should-retry: false", json(503, {}, { "x-should-retry": "false", "retry-after": "0" }), "ServerError"]
  ] as ReadonlyArray<readonly [string, Reply, string]>)("is not sent again after %s", ([, reply, tag]) =>
    Effect.gen(function* () {
      const server = yield* serve(reply)
      const error = yield* Effect.flip(createVideo({ prompt: "x" })).pipe(
        Effect.provide(videosOver(server, { submitRetry: atOnce(3) }))
      )
      expect(error._tag).toBe(tag)
      expect(server.requests).toHaveLength(1)
    })
  )
})

describe("a submission that may have made a job", () => {
  interface Doubt {
    readonly after: string
    readonly reply: Reply
    readonly reason: { readonly [name: string]: unknown }
    readonly message: RegExp
  }
  const server = (status: number, headers = {}): Doubt => ({
    after: `${status} ${Object.keys(headers)}`,
    reply: text(status, "", headers),
    reason: { _tag: "ServerError", status },
    message: new RegExp(`HTTP ${status}`)
  })
  const unreadable = (after: string, reply: Reply, reason: "syntax" | "shape", message: RegExp): Doubt => ({
    after,
    reply,
    reason: { _tag: "ResponseDecodeError", status: 200, reason },
    message
  })
  const doubts: ReadonlyArray<Doubt> = [
    server(500),
    server(500, { "retry-after": "0" }),
    server(502),
    server(502, { "retry-after": "0" }),
    server(503),
    server(504),
    server(520),
    server(524),
    {
      after: "a reset",
      reply: reset,
      reason: { _tag: "TransportError", reason: "exchange" },
      message: /connection to http:\/\/127\.0\.0\.1:\d+ lost/
    },
    {
      after: "no response in time",
      reply: hang,
      reason: { _tag: "RequestTimeoutError", timeout: Duration.millis(500) },
      message: /no response from .* within 0\.5 s/
    },
    {
      after: "a truncated response",
      reply: (response) => {
        response.writeHead(200, { "content-length": "99" })
        response.write(`{"id":`, () => response.socket?.destroy())
      },
      reason: { _tag: "TransportError", reason: "exchange" },
      message: /lost/
    },
    unreadable("JSON that was cut", text(200, `{"id":"video_1","sta`), "syntax", /it is not JSON \(20 characters\)/),
    unreadable("a page", html(200, "<!doctype html><p>hi"), "syntax", /HTML page; check the base URL/),
    unreadable("nothing", text(200, ""), "syntax", /it is empty/),
    unreadable("a list", json(200, [job()]), "shape", /it is an array of 1, not a video/),
    unreadable("null", json(200, null), "shape", /it is null, not a video/),
    unreadable("a job without an id", json(200, { object: "video", status: "queued" }), "shape", /it has no `id`/),
    unreadable("an empty id", json(200, job({ id: "" })), "shape", /it has no `id`/),
    unreadable("an id that no URL can carry", json(200, job({ id: ".." })), "shape", /`id` cannot be used in a URL/),
    unreadable("xAI's request_id", json(200, { request_id: "r1" }), "shape", /dialect `xai`/),
    unreadable(
      "an error with status 200",
      json(200, { error: { message: "no GPU" } }),
      "shape",
      /no `id`.*says: no GPU/
    )
  ]

  const seen = ["a reset", "no response in time", "a truncated response", "a page"]
  for (const one of cases) {
    const { client, layer, operation, submit, what } = one
    it.scopedLive.each(rowsFor(one, doubts, ({ after }) => seen.includes(after)))(
      `is uncertain after $after, and not sent again (${operation} ${what} over ${client})`,
      ({ message, reason, reply }) =>
        Effect.gen(function* () {
          const server = yield* serve(reply)
          const layers = videosOver(server, { submitRetry: atOnce(3) }, layer)
          const options: SubmitOptions = reply === hang ? { timeout: "500 millis" } : {}
          const error = yield* Effect.flip(submit(options)).pipe(Effect.provide(layers))
          expect(error).toMatchObject({ _tag: "SubmissionUncertainError", operation, candidates: [] })
          if (error._tag !== "SubmissionUncertainError") return
          expect(error.reason).toMatchObject({ operation, ...reason })
          expect(error.message).toMatch(
            /it is unknown whether the server made a job; read the list before you send it again/
          )
          expect(error.message).toMatch(message)
          expect(server.requests).toHaveLength(1)
          expect(server.requests[0]?.headers["idempotency-key"]).toBe(error.idempotencyKey)
        })
    )
  }

  it.scopedLive("stays one request more than the harmless ones before it", () =>
    Effect.gen(function* () {
      const server = yield* serve(inTurn(text(429, ""), reset, json(200, job())))
      const error = yield* Effect.flip(createVideo({ prompt: "x" })).pipe(
        Effect.provide(videosOver(server, { submitRetry: atOnce(3) }))
      )
      expect(error).toMatchObject({ _tag: "SubmissionUncertainError", reason: { _tag: "TransportError" } })
      expect(server.requests).toHaveLength(2)
    })
  )

  it.effect("is uncertain after the timeout by the clock", () =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted(() => Effect.never)
      const fiber = yield* Effect.fork(Effect.flip(createVideo({ prompt: "x" })).pipe(Effect.provide(layer)))
      yield* TestClock.adjust("60 seconds")
      expect(yield* Fiber.join(fiber)).toMatchObject({
        _tag: "SubmissionUncertainError",
        reason: { _tag: "RequestTimeoutError", timeout: Duration.seconds(60) }
      })
      expect(tries.at).toEqual([0])
    })
  )
})

describe("the idempotency key", () => {
  it.scopedLive("is the caller's own key if given, and is in the error", () =>
    Effect.gen(function* () {
      const server = yield* serve(inTurn(text(429, ""), text(500, "")))
      const error = yield* Effect.flip(createVideo({ prompt: "x" }, { idempotencyKey: "order-17" })).pipe(
        Effect.provide(videosOver(server, { submitRetry: atOnce(3) }))
      )
      expect(error).toMatchObject({ _tag: "SubmissionUncertainError", idempotencyKey: "order-17" })
      expect(server.requests.map(({ headers }) => headers["idempotency-key"])).toEqual(["order-17", "order-17"])
    })
  )

  it.scopedLive("is another for every call", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, job()))
      const layer = videosOver(server)
      for (const { submit } of submissions) yield* submit().pipe(Effect.provide(layer))
      yield* submissions[0].submit().pipe(Effect.provide(layer))
      expect(new Set(server.requests.map(({ headers }) => headers["idempotency-key"])).size).toBe(4)
    })
  )

  it.scopedLive.each(["", "a\r\nx-evil: 1", "a b", "ключ", "a\u0000"])(
    "is refused where no header can carry it: %j",
    (key) =>
      Effect.gen(function* () {
        const server = yield* serve(json(200, job()))
        for (const { operation, submit } of submissions) {
          const error = yield* Effect.flip(submit({ idempotencyKey: key })).pipe(Effect.provide(videosOver(server)))
          expect(error).toMatchObject({ _tag: "InvalidRequestError", operation, field: "idempotencyKey" })
        }
        expect(server.requests).toHaveLength(0)
      })
  )
})
