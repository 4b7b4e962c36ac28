/** Faults against this library's client: the result of the call, and the jobs that the server made. */
import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { Effect, Either, Layer, Redacted, Schedule, Stream } from "effect"
import { createVideo, listPages, Videos } from "effect-videos"
import { instant } from "./support.js"

const once = Schedule.recurs(0)

/** Server on a socket, and a client without retries. */
const withoutRetries = Layer.unwrapEffect(
  Effect.map(VideosServer, ({ baseUrl }) => Videos.layer({ baseUrl, submitRetry: once, readRetry: once }))
).pipe(Layer.provide(FetchHttpClient.layer), Layer.provideMerge(VideosServer.layer(instant)))

const small = { prompt: "a lighthouse at dusk", size: "64x64" } as const

describe("a submission", () => {
  it.live.each([
    [Fault.status({ status: 429, retryAfter: "2 seconds" }), "RateLimitedError", 0],
    [Fault.status({ status: 429, code: "insufficient_quota" }), "QuotaExceededError", 0],
    [Fault.reset("before-headers"), "SubmissionUncertainError", 0],
    [Fault.reset("after-commit"), "SubmissionUncertainError", 1],
    [Fault.reset("mid-body"), "SubmissionUncertainError", 1],
    [Fault.cutJson(), "SubmissionUncertainError", 1],
    [Fault.contentLength(9), "SubmissionUncertainError", 1],
    [Fault.status({ status: 500, committed: true }), "SubmissionUncertainError", 1],
    [Fault.status({ status: 504, committed: true }), "SubmissionUncertainError", 1],
    [Fault.redirect("http://127.0.0.1:9"), "RedirectError", 0]
  ] as const)("%j fails with %s, and %i jobs exist", ([fault, tag, made]) =>
    Effect.gen(function* () {
      const { faults, jobs } = yield* VideosServer
      yield* faults.set([{ on: ["create"], fault }])
      const result = yield* Effect.either(createVideo(small, { onUnknownOutcome: "fail" }))
      assert.deepStrictEqual(Either.isLeft(result) ? result.left._tag : result.right.status, tag)
      assert.lengthOf(yield* jobs, made)
    }).pipe(Effect.provide(withoutRetries))
  )

  it.live.each([
    ["absurd numbers", Fault.absurd()],
    ["deep JSON", Fault.deepJson()],
    ["keys of the prototype", Fault.poison()],
    ["an unknown status", Fault.unknownStatus("dreaming")],
    ["a wrong clock", Fault.skew({ ahead: "1 hour" })]
  ] as const)("with %s in its response returns its job", ([, fault]) =>
    Effect.gen(function* () {
      const { faults, jobs } = yield* VideosServer
      yield* faults.set([{ on: ["create"], fault }])
      const { id } = yield* createVideo(small)
      assert.deepStrictEqual(
        (yield* jobs).map((job) => job.id),
        [id]
      )
      assert.notProperty({}, "polluted")
    }).pipe(Effect.provide(withoutRetries))
  )
})

describe("the rules over HTTP", () => {
  it.live("can be set by another process, with a key if the server has keys", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* VideosServer
      const put = (headers: { readonly [name: string]: string }) =>
        Effect.promise(() =>
          fetch(new URL("/_faults", baseUrl), {
            method: "PUT",
            headers,
            body: JSON.stringify({ rules: [{ fault: Fault.status({ status: 418 }) }] })
          })
        )
      assert.strictEqual((yield* put({})).status, 401)
      const authorization = "Bearer sk-test"
      assert.strictEqual((yield* put({ authorization })).status, 200)
      const list = yield* Effect.promise(() => fetch(`${baseUrl}/videos`, { headers: { authorization } }))
      assert.strictEqual(list.status, 418)
    }).pipe(Effect.provide(VideosServer.layer({ apiKeys: [Redacted.make("sk-test")], faultControl: true })))
  )
})

describe("a list", () => {
  it.live("fails at an HTML page", () =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      yield* Effect.repeatN(createVideo(small), 4)
      yield* faults.set([{ on: ["list"], when: Fault.nth(3), fault: Fault.html() }])
      const seen: Array<number> = []
      const error = yield* listPages({ limit: 1 }).pipe(
        Stream.runForEach(({ videos }) => Effect.sync(() => seen.push(videos.length))),
        Effect.flip
      )
      assert.strictEqual(error._tag, "ResponseDecodeError")
      assert.deepStrictEqual(seen, [1, 1])
    }).pipe(Effect.provide(withoutRetries))
  )
})
