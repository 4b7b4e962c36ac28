import { assert, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { Effect, Fiber, TestClock } from "effect"
import { awaitVideo, createVideo } from "effect-videos"

const makeClip = Effect.flatMap(createVideo({ prompt: "a lighthouse at dusk" }), (job) => awaitVideo(job))

it.effect("waits for a job of three minutes", () =>
  Effect.gen(function* () {
    const clip = yield* Effect.fork(makeClip)
    yield* TestClock.adjust("4 minutes")
    assert.strictEqual((yield* Fiber.join(clip)).status, "completed")
  }).pipe(Effect.provide(VideosServer.layerTest({ runTime: "3 minutes" })))
)

const noQuota = { on: ["create"], fault: Fault.status({ status: 402 }) } as const
it.effect("fails when the quota is used up", () =>
  Effect.flip(makeClip).pipe(
    Effect.map((error) => assert.strictEqual(error._tag, "QuotaExceededError")),
    Effect.provide(VideosServer.layerTest({ faults: [noQuota] }))
  )
)
