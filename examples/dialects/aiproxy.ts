import { NodeHttpClient } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer } from "effect"
import { awaitVideo, createVideo, extendVideo } from "effect-videos"

const program = Effect.gen(function* () {
  const clip = yield* awaitVideo(
    yield* createVideo({ prompt: "a lighthouse", seconds: 2, size: "64x64", model: "wan" })
  )
  const longer = yield* awaitVideo(yield* extendVideo({ video: clip, prompt: "the light comes on", seconds: 2 }))
  yield* Console.log(`${longer.seconds} s`)
})

// Here the embedded server speaks the dialect. Elsewhere: Videos.layerConfig with VIDEOS_DIALECT=aiproxy.
const live = VideosServer.layerVideos.pipe(
  Layer.provide([NodeHttpClient.layerUndici, VideosServer.layer({ dialect: "aiproxy" })])
)

Effect.runPromise(program.pipe(Effect.provide(live)))
