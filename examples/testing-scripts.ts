import { deepStrictEqual, strictEqual } from "node:assert"
import { Console, Effect, Fiber, TestClock, TestContext } from "effect"
import { awaitVideo, createVideo, ServerError, type VideoResource } from "effect-videos"
import { makeVideo, Poll, VideosTest } from "effect-videos/testing"

// The tested program: makes a clip and returns a summary.
const report = (prompt: string) =>
  Effect.flatMap(createVideo({ prompt, seconds: 4 }), (job) =>
    awaitVideo(job, { stallTimeout: "5 minutes" }).pipe(
      Effect.map(({ status }) => status),
      Effect.catchTag("VideoFailedError", "WatchTimeoutError", ({ _tag }) => Effect.succeed(_tag))
    )
  )

// Advances the clock by half an hour. `it.effect` of `@effect/vitest` provides a `TestClock`.
const test = <A, E, R>(name: string, effect: Effect.Effect<A, E, R>, expected: A) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust("30 minutes")
    deepStrictEqual(yield* Fiber.join(fiber), expected)
    yield* Console.log("passed:", name)
  }).pipe(Effect.provide(TestContext.TestContext))

// 1. A script: the result of each poll, with errors and hints.
const broken = new ServerError({ operation: "retrieveVideo", status: 502, detail: "bad gateway" })
const scripted = VideosTest.layerScript({
  video_1: [
    Poll.snapshot({ status: "in_progress", progress: 40 }, { pollAfter: "20 seconds" }),
    Poll.failed(broken),
    "completed"
  ],
  video_2: ["in_progress"]
})

const completes = Effect.gen(function* () {
  const status = yield* report("a lighthouse at dusk")
  const [first = 0, second = 0] = yield* VideosTest.polls("video_1")
  strictEqual(second - first, 20_000)
  return status
})

// 2. Jobs in memory that follow the clock.
const failing = VideosTest.layer({
  runTime: "10 minutes",
  outcome: ({ prompt }: VideoResource) => (prompt === "bad" ? { code: "moderation_blocked", message: "no" } : null),
  videos: [makeVideo({ id: "video_old", status: "completed" })]
})

Effect.runPromise(
  Effect.gen(function* () {
    yield* test("a job completes, a bad gateway in between", Effect.provide(completes, scripted), "completed")
    const two = Effect.zipRight(report("the first"), report("the second"))
    yield* test("reports a job that stalls", Effect.provide(two, scripted), "WatchTimeoutError")
    yield* test("reports a job that fails", Effect.provide(report("bad"), failing), "VideoFailedError")
  })
)
