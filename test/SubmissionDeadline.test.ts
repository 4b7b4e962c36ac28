/** One deadline for a whole submission, and whether the server may have acted on it by then. */
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Logger, Ref, Schedule, Stream, TestClock } from "effect"
import {
  createCharacter,
  createVideo,
  type ExtendVideoError,
  editVideo,
  extendVideo,
  remixVideo,
  retrieveVideo,
  VideoFile,
  type Videos,
  type VideosConfigOptions
} from "effect-videos"
import * as VideosUndici from "effect-videos/undici"
import { hang, hangUntilClosed, serve } from "./support/server.js"
import {
  anyClient,
  clients,
  job,
  quiet,
  respondBroken,
  respondJson,
  videosOver,
  videosScripted
} from "./support/videos.js"

addEqualityTesters()

const total = { totalTimeout: "5 seconds" } as const
const file = VideoFile.fromStream(Stream.make(new Uint8Array(9)), { name: "a.mp4" })

const submits = {
  createVideo: createVideo({ prompt: "x" }, total),
  "createVideo with a picture": createVideo(
    { prompt: "x", inputReference: VideoFile.fromBytes(new Uint8Array(9)) },
    total
  ),
  "extendVideo with a stream": extendVideo({ video: file, prompt: "x", seconds: 4 }, total),
  extendVideo: extendVideo({ video: "video_0", prompt: "x", seconds: 4 }, total),
  editVideo: editVideo({ video: "video_0", prompt: "x" }, total),
  remixVideo: remixVideo({ video: "video_0", prompt: "x" }, total),
  createCharacter: createCharacter({ name: "x", video: file }, total)
}

const everySubmit = Object.entries<Effect.Effect<unknown, ExtendVideoError, Videos>>(submits)

type Respond = Parameters<typeof videosScripted>[0]

/** The outcome after exactly five seconds, and what was sent until then. */
const afterFive = <A, E extends { readonly _tag: string; readonly message: string }>(
  submit: Effect.Effect<A, E, Videos>,
  respond: Respond,
  options: VideosConfigOptions = {},
  before: Effect.Effect<unknown, unknown, Videos> = Effect.void
) =>
  Effect.gen(function* () {
    const sent: Array<string> = []
    const logged = yield* Ref.make<ReadonlyArray<string>>([])
    const { layer } = videosScripted(
      (index, request) => {
        sent.push(`${request.method} ${new URL(request.url).pathname}`)
        return respond(index, request)
      },
      { onUnknownOutcome: "reconcile", listLag: "30 seconds", ...options }
    )
    const logger = Logger.make(
      ({ message }) => void Effect.runSync(Ref.update(logged, (lines) => [...lines, String(message)]))
    )
    const run = Effect.gen(function* () {
      // Servers send 1970 for an unknown time.
      yield* TestClock.adjust("1000 days")
      yield* Effect.fork(before)
      yield* TestClock.adjust(0)
      const fiber = yield* Effect.fork(Effect.flip(submit))
      for (let part = 0; part < 7; part++) yield* TestClock.adjust("700 millis")
      const early = fiber.unsafePoll()
      yield* TestClock.adjust("100 millis")
      return { early, error: yield* Fiber.join(fiber) }
    })
    const { early, error } = yield* run.pipe(
      Effect.provide(Layer.merge(layer, Logger.replace(Logger.defaultLogger, logger)))
    )
    expect(early).toBeNull()
    return { error, sent, logged: yield* Ref.get(logged) }
  })

const unsent = {
  _tag: "RequestTimeoutError",
  option: "totalTimeout",
  timeout: Duration.seconds(5),
  mayHaveActed: false
}

describe("a submission that no server acted on", () => {
  it.scoped.each(everySubmit)("fails with the timeout in the queue of the budget (%s)", ([, submit]) =>
    Effect.gen(function* () {
      const { error, sent } = yield* afterFive(
        submit,
        () => Effect.never,
        { budget: { concurrency: 1 }, requestTimeout: "1 hour" },
        retrieveVideo("video_1")
      )
      expect(error).toMatchObject(unsent)
      expect(error.message).toContain("within 5 s; no job was made")
      expect(sent).toEqual(["GET /v1/videos/video_1"])
    })
  )

  it.scoped("fails with the timeout while the rate limits it", () =>
    Effect.gen(function* () {
      const { error, sent } = yield* afterFive(
        submits.createVideo,
        () => respondJson(404, {}),
        { budget: { requestsPerSecond: 0.01 } },
        Effect.repeatN(Effect.ignore(retrieveVideo("video_1")), 9)
      )
      expect(error).toMatchObject(unsent)
      expect(sent).not.toContain("POST /v1/videos")
    })
  )

  it.scoped("fails with the timeout in a shared limiter", () =>
    Effect.gen(function* () {
      const { error, sent } = yield* afterFive(submits.createVideo, () => Effect.never, {
        budget: { limiter: { take: () => Effect.never } }
      })
      expect(error).toMatchObject(unsent)
      expect(sent).toEqual([])
    })
  )

  const refusals: ReadonlyArray<readonly [string, Respond]> = [
    ["a 429", () => respondJson(429, {}, { "retry-after": "60" })],
    ["a 503 with Retry-After", () => respondJson(503, {}, { "retry-after": "60" })],
    ["a 408", () => respondJson(408, {})],
    ["a connection that is refused", (_, request) => respondBroken(request, "ECONNREFUSED")],
    ["a name that is not found", (_, request) => respondBroken(request, "ENOTFOUND")],
    ["a certificate that has expired", (_, request) => respondBroken(request, "CERT_HAS_EXPIRED")]
  ]
  it.scoped.each(refusals)("fails with the timeout in the pause after %s", ([, respond]) =>
    Effect.gen(function* () {
      const { error, sent, logged } = yield* afterFive(submits.createVideo, respond, {
        submitRetry: Schedule.spaced("1 minute")
      })
      expect(error).toMatchObject(unsent)
      expect(sent).toEqual(["POST /v1/videos"])
      expect(logged).toEqual([])
    })
  )

  it.scoped.each(["2 seconds", undefined] as const)(
    "has the configuration's time, unless the call has its own (%s)",
    (own) =>
      Effect.gen(function* () {
        const { layer } = videosScripted(() => Effect.never, {
          budget: { limiter: { take: () => Effect.never } },
          totalTimeout: "3 seconds"
        })
        const fiber = yield* createVideo({ prompt: "x" }, own === undefined ? {} : { totalTimeout: "2 seconds" }).pipe(
          Effect.flip,
          Effect.provide(layer),
          Effect.fork
        )
        yield* TestClock.adjust(own ?? "3 seconds")
        expect(yield* Fiber.join(fiber)).toMatchObject({ mayHaveActed: false, option: "totalTimeout" })
      })
  )
})

describe("a submission that the server may have acted on", () => {
  const list = (...jobs: ReadonlyArray<object>) => respondJson(200, { data: jobs, has_more: false })
  const now = 1000 * 24 * 60 * 60

  it.scoped.each(everySubmit)("is uncertain at its deadline, and no list is read (%s)", ([, submit]) =>
    Effect.gen(function* () {
      const { error, sent } = yield* afterFive(submit, () => Effect.never)
      expect(error).toMatchObject({
        _tag: "SubmissionUncertainError",
        reason: { _tag: "RequestTimeoutError", option: "totalTimeout", mayHaveActed: true }
      })
      expect(sent).toHaveLength(1)
    })
  )

  it.scoped("is uncertain in the pause after a failure with an unknown outcome, with `resend`", () =>
    Effect.gen(function* () {
      const { error, sent } = yield* afterFive(
        submits.createVideo,
        (index, request) => (index < 2 ? respondBroken(request, "ECONNRESET") : respondJson(429, {})),
        { onUnknownOutcome: "resend", submitRetry: Schedule.spaced("1 minute") }
      )
      expect(error).toMatchObject({ _tag: "SubmissionUncertainError", reason: { _tag: "TransportError" } })
      expect(error.message).toContain("`totalTimeout` (5 s) ended before another request did")
      expect(sent).toHaveLength(3)
    })
  )

  const endings: ReadonlyArray<readonly [string, Respond, ReadonlyArray<string>]> = [
    ["while the list shows nothing", () => list(), []],
    ["while a read of the list hangs", () => Effect.never, []],
    [
      "after the list has shown what may be it",
      (index) =>
        index === 1
          ? list(job({ id: "video_7", created_at: now, prompt: "another" }))
          : index < 4
            ? list()
            : Effect.never,
      ["video_7"]
    ],
    ["while the list fails", () => respondJson(500, {}), []]
  ]
  it.scoped.each(endings)("is uncertain at its deadline %s", ([, respond, ids]) =>
    Effect.gen(function* () {
      const { error, sent } = yield* afterFive(
        submits.createVideo,
        (index, request) => (index === 0 ? respondBroken(request, "ECONNRESET") : respond(index, request)),
        { readRetry: Schedule.spaced("1 second") }
      )
      expect(error._tag).toBe("SubmissionUncertainError")
      if (error._tag !== "SubmissionUncertainError") return
      expect(error.reason).toMatchObject({ _tag: "TransportError" })
      expect(error.message).toContain("`totalTimeout` (5 s) ended before the server's list settled it")
      expect(error.candidates.map(({ id }): string => id)).toEqual(ids)
      expect(sent.filter((each) => each.startsWith("POST"))).toHaveLength(1)
    })
  )

  it.scoped("has one deadline, whatever was sent again by then", () =>
    Effect.gen(function* () {
      const { error, sent } = yield* afterFive(
        submits.createVideo,
        (_, request) => (request.method === "GET" ? list() : sentTwice(request)),
        { listLag: 0 }
      )
      expect(error._tag).toBe("SubmissionUncertainError")
      expect(error.message).toContain("`totalTimeout` (5 s) ended")
      expect(sent.filter((each) => each.startsWith("POST"))).toHaveLength(2)
    })
  )
  let times = 0
  const sentTwice = (request: Parameters<Respond>[1]) =>
    times++ === 0 ? respondBroken(request, "ECONNRESET") : Effect.never
})

describe("a 404 that leaves open whether the route or the source is missing", () => {
  it.scoped("ends with the first error if the read of the source takes longer than the deadline", () =>
    Effect.gen(function* () {
      const { error, sent } = yield* afterFive(submits.extendVideo, (index) =>
        index === 0 ? Effect.delay(respondJson(404, { error: { message: "not found" } }), "2 seconds") : Effect.never
      )
      expect(error).toMatchObject({ _tag: "VideoNotFoundError" })
      expect(sent).toEqual(["POST /v1/videos/extensions", "GET /v1/videos/video_0"])
    })
  )
})

describe("a caller that is interrupted", () => {
  const warnings = (respond: Respond, options: VideosConfigOptions) =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      const { layer } = videosScripted(respond, options)
      const fiber = yield* createVideo({ prompt: "x" }).pipe(
        Effect.timeout("1 second"),
        Effect.provide(Layer.merge(layer, Logger.replace(Logger.defaultLogger, logger))),
        Effect.fork
      )
      yield* TestClock.adjust("1 second")
      expect(Exit.isFailure(yield* Fiber.await(fiber))).toBe(true)
      return lines
    })

  it.scoped.each([
    ["in the queue", () => Effect.never, { budget: { limiter: { take: () => Effect.never } } }],
    ["in the pause after a 429", () => respondJson(429, {}), { submitRetry: Schedule.spaced("1 minute") }]
  ] as ReadonlyArray<readonly [string, Respond, VideosConfigOptions]>)(
    "has an error %s: no job was made",
    ([, respond, options]) => Effect.map(warnings(respond, options), (lines) => expect(lines).toEqual([]))
  )

  it.scoped("reports a request that was sent", () =>
    Effect.map(
      warnings(() => Effect.never, {}),
      (lines) => {
        expect(lines).toHaveLength(1)
        expect(lines[0]).toContain("was interrupted before its outcome was known")
      }
    )
  )
})

describe("over a socket", () => {
  it.scopedLive.each([anyClient])("a submission that waits in the queue sends nothing ($client)", ({ layer }) =>
    Effect.gen(function* () {
      const server = yield* serve(hang)
      const error = yield* Effect.gen(function* () {
        yield* Effect.fork(retrieveVideo("video_1"))
        yield* Effect.repeat(Effect.yieldNow(), { until: () => server.requests.length === 1 })
        return yield* Effect.flip(createVideo({ prompt: "x" }, { totalTimeout: "20 millis" }))
      }).pipe(Effect.provide(videosOver(server, { budget: { concurrency: 1 }, onUnknownOutcome: "reconcile" }, layer)))
      expect(error).toMatchObject({ _tag: "RequestTimeoutError", option: "totalTimeout", mayHaveActed: false })
      expect(server.requests.map(({ method }) => method)).toEqual(["GET"])
    })
  )

  it.scoped.each(clients)("a submission that hangs is uncertain ($client)", ({ layer }) =>
    Effect.gen(function* () {
      const { arrived, reply } = yield* hangUntilClosed
      const server = yield* serve(reply)
      const fiber = yield* Effect.fork(
        Effect.flip(createVideo({ prompt: "x" }, { totalTimeout: "5 seconds" })).pipe(
          Effect.provide(videosOver(server, { onUnknownOutcome: "reconcile" }, layer))
        )
      )
      yield* arrived
      yield* TestClock.adjust("5 seconds")
      expect(yield* Fiber.join(fiber)).toMatchObject({
        _tag: "SubmissionUncertainError",
        reason: { option: "totalTimeout" }
      })
      expect(server.requests.map(({ method }) => method)).toEqual(["POST"])
    })
  )

  it.scopedLive.each([{ totalTimeout: "20 millis" }, { timeout: "20 millis" }] as const)(
    "a submission that waits for a connection sends nothing (%o)",
    (options) =>
      Effect.gen(function* () {
        const server = yield* serve(hang)
        const error = yield* Effect.gen(function* () {
          yield* Effect.fork(retrieveVideo("video_1"))
          yield* Effect.repeat(Effect.yieldNow(), { until: () => server.requests.length === 1 })
          return yield* Effect.flip(createVideo({ prompt: "x" }, options))
        }).pipe(
          Effect.provide(
            Layer.merge(
              videosOver(server, { onUnknownOutcome: "reconcile" }, VideosUndici.layer({ connections: 1 })),
              quiet
            )
          )
        )
        expect(error).toMatchObject({ _tag: "RequestTimeoutError", mayHaveActed: false })
        expect(server.requests).toHaveLength(1)
      })
  )
})
