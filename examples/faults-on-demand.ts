import { Fault, VideosServer } from "@effect-videos/server"
import { Console, Effect } from "effect"
import { createVideo } from "effect-videos"

const program = Effect.gen(function* () {
  const { faults, jobs } = yield* VideosServer

  // The server makes the job, and the response is lost. By default the client finds the job on the server's list.
  yield* faults.set([{ on: ["create"], when: Fault.nth(1), fault: Fault.reset("after-commit") }])
  const { _tag } = yield* Effect.flip(createVideo({ prompt: "a lighthouse at dusk" }, { onUnknownOutcome: "fail" }))

  yield* Console.log(_tag, (yield* jobs).length)
})

Effect.runPromise(program.pipe(Effect.provide(VideosServer.layerTest())))
