/** Responses that name the job of another submission: no job is returned to two callers. */
import { addEqualityTesters, assert, describe, it } from "@effect/vitest"
import { Fault, type InProcessOptions, VideosServer } from "@effect-videos/server"
import { Effect, Layer } from "effect"
import { createVideo, type VideosConfigOptions } from "effect-videos"
import { anyServer } from "../src/internal/dialects/openai.js"
import { createRequest } from "../src/internal/protocol/submissionRequests.js"
import { Claims } from "../src/internal/reconcile/claims.js"
import { driven, endAsTwo, facts, isUncertain, source, submissions } from "./support/reconcile.js"
import { snapshot } from "./support/script.js"
import { job, quiet, respondJson, videosScripted } from "./support/videos.js"

addEqualityTesters()

const layer = (options: InProcessOptions = {}, videos: VideosConfigOptions = {}) =>
  Layer.merge(VideosServer.layerTest({ queueTime: 0, runTime: 0, ...options }, videos), quiet)

const faults = (...rules: ReadonlyArray<Fault.Rule>) => Effect.flatMap(VideosServer, ({ faults }) => faults.set(rules))

const otherJob = Fault.duplicate("response")

describe("a response that names the job of another submission", () => {
  it.scoped.each(submissions)("is not believed if no job was made: $name", ({ on, submit }) =>
    driven(
      Effect.gen(function* () {
        const { id } = yield* source
        const other = yield* createVideo({ prompt: "another caller's" })
        yield* faults({ on: [on], when: Fault.first(1), fault: otherJob })
        const video = yield* submit(id)()
        const { ids, sent } = yield* facts
        assert.deepStrictEqual(ids, [id, other.id, video.id])
        assert.strictEqual(sent, 4)
      })
    ).pipe(Effect.provide(layer()))
  )

  it.scoped.each(submissions.filter(({ on }) => on !== "create"))(
    "is not sent again where it names the source: $name",
    ({ on, submit }) =>
      driven(
        Effect.gen(function* () {
          const { id } = yield* source
          yield* faults({ on: [on], fault: otherJob })
          const error = yield* Effect.flip(submit(id)())
          assert(isUncertain(error))
          assert.include(error.message, `it names ${id}, the job that it is to derive from`)
          assert.deepStrictEqual([(yield* facts).ids, (yield* facts).sent], [[id], 2])
        })
      ).pipe(Effect.provide(layer()))
  )

  it.scoped("is not believed if a job was made: that is found on the list", () =>
    driven(
      Effect.gen(function* () {
        const { id } = yield* source
        yield* faults({ on: ["create"], when: Fault.first(1), fault: Fault.fields({ id }) })
        const video = yield* createVideo({ prompt: "a lighthouse" })
        const { ids, listPaths, sent } = yield* facts
        assert.deepStrictEqual(ids, [id, video.id])
        assert.deepStrictEqual([listPaths.length, sent], [1, 2])
      })
    ).pipe(Effect.provide(layer()))
  )

  it.scoped("is an error with `fail`, with the request id of the response", () =>
    driven(
      Effect.gen(function* () {
        const { id } = yield* source
        yield* faults({ on: ["create"], fault: otherJob })
        const error = yield* Effect.flip(createVideo({ prompt: "x" }, { onUnknownOutcome: "fail" }))
        assert(isUncertain(error) && error.reason._tag === "ResponseDecodeError")
        assert.deepInclude(error.reason, { route: "POST /videos", reason: "shape", isTransient: false })
        assert.include(error.message, `it names ${id}, the job of another submission`)
        assert.deepStrictEqual([(yield* facts).sent, error.candidates.length], [2, 0])
      })
    ).pipe(Effect.provide(layer()))
  )

  it.scoped.each(["reconcile", "resend"] as const)(
    "time after time is uncertain, and no loop: %s",
    (onUnknownOutcome) =>
      driven(
        Effect.gen(function* () {
          // As a server does that takes requests that are alike for one.
          const first = yield* createVideo({ prompt: "a lighthouse" })
          yield* faults({ on: ["create"], fault: otherJob })
          const error = yield* Effect.flip(createVideo({ prompt: "a lighthouse" }, { onUnknownOutcome }))
          assert(isUncertain(error))
          assert.include(error.message, `it names ${first.id}, the job of another submission`)
          assert.include(
            error.message,
            "sent again, the response was the same: this server may take requests that are alike"
          )
          assert.deepStrictEqual([(yield* facts).ids, (yield* facts).sent], [[first.id], 3])
        })
      ).pipe(Effect.provide(layer()))
  )

  it.scoped("leaves two at once with two jobs", () =>
    driven(
      Effect.gen(function* () {
        yield* faults({ on: ["create"], when: Fault.nth(2), fault: otherJob })
        yield* endAsTwo
      })
    ).pipe(Effect.provide(layer()))
  )

  it.scoped("is believed if it responds to the same `Idempotency-Key`", () =>
    driven(
      Effect.gen(function* () {
        const call = createVideo({ prompt: "x" }, { idempotencyKey: "order-1" })
        const first = yield* call
        const again = yield* Effect.all([call, call], { concurrency: 2 })
        assert.deepStrictEqual(
          again.map(({ id }) => id),
          [first.id, first.id]
        )
        const { ids, listPaths, sent } = yield* facts
        assert.deepStrictEqual([ids.length, listPaths.length, sent], [1, 0, 3])
      })
    ).pipe(Effect.provide(layer({ idempotency: "honour" })))
  )
})

describe("an id that comes again", () => {
  const madeAt = (...made: ReadonlyArray<number | null>) =>
    videosScripted((index, request) =>
      request.method === "POST" ? respondJson(200, job({ created_at: made[index] })) : respondJson(404, {})
    ).layer

  it.scoped("is another job if it was made at another time: restarted servers reuse ids", () =>
    Effect.gen(function* () {
      const first = yield* createVideo({ prompt: "x" })
      const second = yield* createVideo({ prompt: "x" })
      const third = yield* Effect.flip(createVideo({ prompt: "x" }))
      assert.deepStrictEqual([first.id, second.id, third._tag], ["video_1", "video_1", "SubmissionUncertainError"])
    }).pipe(Effect.provide(madeAt(1_760_000_000, 1_760_000_060, 1_760_000_060)))
  )

  it.scoped("is the same job if it has no time", () =>
    Effect.gen(function* () {
      yield* createVideo({ prompt: "x" })
      assert.strictEqual((yield* Effect.flip(createVideo({ prompt: "x" })))._tag, "SubmissionUncertainError")
    }).pipe(Effect.provide(madeAt(1_760_000_000, null)))
  )

  it.effect("is remembered for ten thousand jobs, and no more", () =>
    Effect.gen(function* () {
      const claims = new Claims()
      const submission = yield* createRequest(anyServer, { prompt: "x" }, {})
      const holding = (index: number) => {
        const entry = claims.begin({ ...submission, idempotencyKey: `key-${index}` }, index)
        claims.hold(entry, snapshot("queued", { id: `video_${index}` }), index)
        claims.end(entry, "settled")
      }
      for (let index = 0; index < 10_002; index++) holding(index)
      const another = claims.begin({ ...submission, idempotencyKey: "another" }, 10_002)
      assert.isFalse(claims.isOfAnother(another, snapshot("queued", { id: "video_0" })))
      assert.isTrue(claims.isOfAnother(another, snapshot("queued", { id: "video_5000" })))
    })
  )
})
