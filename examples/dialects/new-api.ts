import { NodeHttpClient } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer } from "effect"
import { awaitVideo, createVideo, phaseOf, remixVideo } from "effect-videos"

const program = Effect.gen(function* () {
  // The model is required.
  const job = yield* createVideo({ prompt: "a lighthouse", seconds: 1, size: "64x64", model: "wan" })
  // The first status is `unknown`; its phase is not.
  yield* Console.log(job.status, phaseOf(job))
  const clip = yield* awaitVideo(job)
  const again = yield* awaitVideo(yield* remixVideo({ video: clip, prompt: "the same, at night" }))
  yield* Console.log(again.status)
})

// Here the embedded server speaks the dialect. Elsewhere: Videos.layerConfig with VIDEOS_DIALECT=new-api.
const live = VideosServer.layerVideos.pipe(
  Layer.provide([NodeHttpClient.layerUndici, VideosServer.layer({ dialect: "new-api", runTime: "200 millis" })])
)

Effect.runPromise(program.pipe(Effect.provide(live)))
