import { Fault, VideosServer } from "@effect-videos/server"
import { Console, Effect } from "effect"
import { createVideo } from "effect-videos"

const program = Effect.gen(function* () {
  const { faults, jobs } = yield* VideosServer

  // The job is made, and its answer is lost. By default the server's list is read, and the job found there.
  yield* faults.set([{ on: ["create"], when: Fault.nth(1), fault: Fault.reset("after-commit") }])
  const { _tag } = yield* Effect.flip(createVideo({ prompt: "a lighthouse at dusk" }, { onUnknownOutcome: "fail" }))

  yield* Console.log(_tag, (yield* jobs).length)
})

Effect.runPromise(program.pipe(Effect.provide(VideosServer.layerTest())))
