import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Schedule, Stream, TestClock } from "effect"
import {
  createVideo,
  defaultReadRetry,
  defaultSubmitRetry,
  downloadVideo,
  retrieveVideo,
  type Videos,
  type VideosConfigOptions
} from "effect-videos"
import {
  closedPort,
  hang,
  hangUntilClosed,
  html,
  inTurn,
  json,
  type Reply,
  reset,
  serve,
  text
} from "./support/server.js"
import { allClients, atOnce, job, respondBroken, respondJson, videosOver, videosScripted } from "./support/videos.js"

addEqualityTesters()

/** Promises more bytes than it sends, and hangs up. */
const cut: Reply = (response) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "1000" })
  response.write(`{"id":"video_1","status":`, () => response.socket?.destroy())
}

describe.concurrent("a read", () => {
  const passing: ReadonlyArray<readonly [string, Reply]> = [
    ...[408, 409, 425, 429, 500, 502, 503, 504, 524].map((status): readonly [string, Reply] => [
      `a ${status}`,
      text(status, "")
    ]),
    ["a reset", reset],
    ["a body that breaks off", cut],
    ["JSON that was cut", text(200, `{"id":"video_1","status":"que`)],
    ["a page with status 200", html(200, "<!doctype html><title>Please wait</title>")],
    ["an empty body", text(200, "")]
  ]

  for (const { client, layer } of allClients) {
    it.scopedLive.each(passing)(`is made again after %s, over ${client}`, ([, reply]) =>
      Effect.gen(function* () {
        const server = yield* serve(inTurn(reply, reply, json(200, job({ status: "completed" }))))
        const video = yield* retrieveVideo("video_1").pipe(
          Effect.provide(videosOver(server, { readRetry: atOnce(2) }, layer))
        )
        expect(video.status).toBe("completed")
        expect(server.requests).toHaveLength(3)
      })
    )

    it.scopedLive(`fails with the last error once the schedule has ended, over ${client}`, () =>
      Effect.gen(function* () {
        const server = yield* serve(inTurn(reset, text(500, ""), text(503, "last")))
        const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(
          Effect.provide(videosOver(server, { readRetry: atOnce(2) }, layer))
        )
        expect(error).toMatchObject({ _tag: "ServerError", status: 503, detail: "last" })
        expect(server.requests).toHaveLength(3)
      })
    )

    it.scopedLive(`reports that no connection was made, over ${client}`, () =>
      Effect.gen(function* () {
        const origin = `http://127.0.0.1:${yield* closedPort}`
        const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(
          Effect.provide(videosOver({ baseUrl: `${origin}/v1` }, {}, layer))
        )
        expect(error).toMatchObject({ _tag: "TransportError", reason: "connect", origin })
        expect(error.message).toMatch(/^retrieveVideo: no connection to http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/)
      })
    )

    it.scopedLive(`reports that a connection was lost, over ${client}`, () =>
      Effect.gen(function* () {
        const server = yield* serve(cut)
        const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(videosOver(server, {}, layer)))
        expect(error).toMatchObject({ _tag: "TransportError", reason: "exchange", origin: server.origin })
      })
    )
  }

  it.scopedLive.each([
    ...[400, 401, 402, 403, 404, 405, 410, 413, 422, 501].map((status): [string, Reply] => [
      `a ${status}`,
      text(status, "")
    ]),
    ["JSON of another shape", json(200, [])]
  ] as ReadonlyArray<readonly [string, Reply]>)("is not made again after %s", ([, reply]) =>
    Effect.gen(function* () {
      const server = yield* serve(reply)
      yield* Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(videosOver(server, { readRetry: atOnce(3) })))
      expect(server.requests).toHaveLength(1)
    })
  )

  it.scopedLive("is made once if the caller has its own schedule", () =>
    Effect.gen(function* () {
      const server = yield* serve(text(503, ""))
      const layer = videosOver(server, { readRetry: atOnce(3) })
      yield* Effect.flip(retrieveVideo("video_1", { singleAttempt: true })).pipe(Effect.provide(layer))
      expect(server.requests).toHaveLength(1)
    })
  )
})

describe("the waits between tries", () => {
  const growing = Schedule.intersect(Schedule.exponential("1 second", 2), Schedule.recurs(3))

  /** When a read that always fails so was tried, in milliseconds. */
  const tried = (
    status: number,
    headers: { readonly [name: string]: string },
    options: VideosConfigOptions = { readRetry: growing }
  ) =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted(() => respondJson(status, {}, headers), options)
      const fiber = yield* Effect.fork(Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(layer)))
      yield* TestClock.adjust("1 hour")
      const error = yield* Fiber.join(fiber)
      return { at: tries.at, error }
    })

  // The test's clock begins at the Unix epoch.
  const floors: ReadonlyArray<readonly [{ readonly [name: string]: string }, ReadonlyArray<number>]> = [
    [{}, [0, 1000, 3000, 7000]],
    [{ "retry-after": "3" }, [0, 3000, 6000, 10_000]],
    [{ "retry-after-ms": "2500" }, [0, 2500, 5000, 9000]],
    [{ "retry-after": "0" }, [0, 1000, 3000, 7000]],
    [{ "retry-after": "Thu, 01 Jan 1970 00:00:05 GMT" }, [0, 5000, 7000, 11_000]],
    [{ "retry-after": "60" }, [0, 60_000, 120_000, 180_000]]
  ]
  for (const status of [429, 503]) {
    it.effect.each(floors)(`are the schedule's, with %j as their floor, after a ${status}`, ([headers, at]) =>
      Effect.map(tried(status, headers), (run) => expect(run.at).toEqual(at))
    )
  }

  it.effect("are not waited for if they are longer than the configuration's maxRetryAfter", () =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted(() => respondJson(429, {}, { "retry-after": "61" }))
      // No clock moves here: an error that had to wait would never come.
      const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(layer))
      expect(error).toMatchObject({ _tag: "RateLimitedError", retryAfter: Duration.seconds(61) })
      expect(tries.at).toEqual([0])
      const patient = yield* tried(429, { "retry-after": "61" }, { readRetry: atOnce(1), maxRetryAfter: "61 seconds" })
      expect(patient.at).toEqual([0, 61_000])
    })
  )

  it.effect("are by default at most 0.5, 1, 2 and 4 s for a read, and differ from call to call", () =>
    Effect.gen(function* () {
      const firsts = new Set<number>()
      for (let run = 0; run < 4; run++) {
        const { at, error } = yield* tried(500, {}, { readRetry: defaultReadRetry })
        const start = at[0] ?? 0
        const waits = at.slice(1).map((time, index) => time - (at[index] ?? start))
        expect(error).toMatchObject({ _tag: "ServerError", status: 500 })
        expect(waits).toHaveLength(4)
        waits.forEach((wait, index) => {
          expect(wait).toBeGreaterThanOrEqual(0)
          expect(wait).toBeLessThanOrEqual(500 * 2 ** index)
        })
        firsts.add(waits[0] ?? 0)
      }
      expect(firsts.size).toBeGreaterThan(1)
    })
  )

  it.effect("are three at most for a submission", () =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted((_, request) => respondBroken(request, "ECONNREFUSED"), {
        submitRetry: defaultSubmitRetry
      })
      const fiber = yield* Effect.fork(Effect.flip(createVideo({ prompt: "x" })).pipe(Effect.provide(layer)))
      yield* TestClock.adjust("1 hour")
      expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "TransportError" })
      expect(tries.at).toHaveLength(4)
      expect(tries.at[3]).toBeLessThanOrEqual(500 + 1000 + 2000)
    })
  )

  it.effect("can be interrupted", () =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted((_, request) => respondBroken(request, "ECONNRESET"), {
        readRetry: Schedule.spaced("1 minute")
      })
      const fiber = yield* Effect.fork(retrieveVideo("video_1").pipe(Effect.provide(layer)))
      yield* TestClock.adjust("90 seconds")
      expect(tries.at).toEqual([0, 60_000])
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      yield* TestClock.adjust("1 hour")
      expect(tries.at).toHaveLength(2)
    })
  )
})

describe("the timeout", () => {
  it.effect("ends an attempt without a response, and its request", () =>
    Effect.gen(function* () {
      const aborted = yield* Deferred.make<void>()
      const { layer } = videosScripted(() =>
        Effect.onInterrupt(Effect.never, () => Deferred.succeed(aborted, undefined))
      )
      const fiber = yield* Effect.fork(
        Effect.flip(retrieveVideo("video_1", { singleAttempt: true })).pipe(Effect.provide(layer))
      )
      yield* TestClock.adjust("59999 millis")
      expect(yield* Deferred.isDone(aborted)).toBe(false)
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(fiber)
      expect(error).toMatchObject({
        _tag: "RequestTimeoutError",
        operation: "retrieveVideo",
        timeout: Duration.seconds(60),
        origin: "http://videos.invalid"
      })
      expect(error.message).toBe("retrieveVideo: no response from http://videos.invalid within 60 s")
      expect(yield* Deferred.isDone(aborted)).toBe(true)
    })
  )

  it.effect("bounds a body that never ends, and each attempt by itself", () =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted(() => Effect.sync(() => new Response(new ReadableStream())), {
        requestTimeout: "10 seconds",
        readRetry: atOnce(2)
      })
      const fiber = yield* Effect.fork(Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(layer)))
      for (let second = 0; second < 30; second++) yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "RequestTimeoutError", timeout: Duration.seconds(10) })
      expect(tries.at).toEqual([0, 10_000, 20_000])
    })
  )

  it.effect("takes the value of a call before the configuration's", () =>
    Effect.gen(function* () {
      const { layer } = videosScripted(() => Effect.never)
      const fiber = yield* Effect.fork(
        Effect.flip(retrieveVideo("video_1", { singleAttempt: true, timeout: "2 seconds" })).pipe(Effect.provide(layer))
      )
      yield* TestClock.adjust("2 seconds")
      expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "RequestTimeoutError", timeout: Duration.seconds(2) })
    })
  )

  for (const { client, layer } of allClients) {
    it.scopedLive.each([
      { says: "no response comes", begin: hang },
      {
        says: "the body hangs",
        begin: (response) => {
          response.writeHead(200, { "content-type": "application/json" }).write("{")
        }
      }
    ] as ReadonlyArray<{ readonly says: string; readonly begin: Reply }>)(
      `closes the connection where $says, over ${client}`,
      ({ begin }) =>
        Effect.gen(function* () {
          const { closed, reply } = yield* hangUntilClosed
          const server = yield* serve((response, request, index) => {
            begin(response, request, index)
            reply(response, request, index)
          })
          // On a busy machine, the timeout may be over before the request reaches the server.
          const error = yield* Effect.flip(retrieveVideo("video_1", { timeout: "50 millis" })).pipe(
            Effect.repeat({ until: () => server.requests.length > 0 }),
            Effect.provide(videosOver(server, {}, layer))
          )
          expect(error).toMatchObject({ _tag: "RequestTimeoutError", timeout: Duration.millis(50) })
          yield* closed
        })
    )
  }
})

describe("interruption", () => {
  const calls: ReadonlyArray<readonly [string, Effect.Effect<unknown, { readonly _tag: string }, Videos>]> = [
    ["retrieveVideo", retrieveVideo("video_1")],
    ["createVideo", createVideo({ prompt: "x" })],
    ["downloadVideo", Stream.runDrain(downloadVideo("video_1"))]
  ]
  for (const { client, layer } of allClients) {
    it.scopedLive.each(calls)(`closes the connection of %s, over ${client}`, ([, call]) =>
      Effect.gen(function* () {
        const { arrived, closed, reply } = yield* hangUntilClosed
        const server = yield* serve(reply)
        const fiber = yield* Effect.fork(call.pipe(Effect.provide(videosOver(server, {}, layer))))
        yield* arrived
        expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
        yield* closed
      })
    )
  }
})
