import { Fault, VideosServer } from "@effect-videos/server"
import { Console, DateTime, Effect, Stream } from "effect"
import { createVideo, listVideos, settleSubmission } from "effect-videos"

const request = { prompt: "a lighthouse at dusk", seconds: 4 }

/** What a program saves before it submits: then it can settle the submission after a crash. */
const record = Effect.gen(function* () {
  const begunAt = yield* DateTime.now
  const newest = yield* Stream.runCollect(Stream.take(listVideos({ limit: 20 }), 20))
  return { key: "order-17", begunAt, baseline: Array.from(newest, ({ id }) => id) }
})

const program = Effect.gen(function* () {
  const { faults } = yield* VideosServer
  const { baseline, begunAt, key } = yield* record

  // The server makes the job, and the process ends before the response is there.
  yield* faults.set([{ on: ["create"], when: Fault.nth(1), fault: Fault.reset("after-commit") }])
  yield* Effect.ignore(createVideo(request, { idempotencyKey: key, onUnknownOutcome: "fail" }))

  // The next process.
  const settled = yield* settleSubmission(request, {
    begunAt,
    sentAt: begunAt,
    baseline,
    heldElsewhere: () => Effect.succeed([])
  })
  yield* Console.log(settled._tag)
})

Effect.runPromise(program.pipe(Effect.provide(VideosServer.layerTest())))
