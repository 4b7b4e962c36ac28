import { NodeHttpClient } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer } from "effect"
import { awaitVideo, createVideo, extendVideo } from "effect-videos"

const program = Effect.gen(function* () {
  const clip = yield* awaitVideo(yield* createVideo({ prompt: "a lighthouse", seconds: 4, size: "64x64" }))
  // 4, 8, 12, 16 or 20 more seconds, of a job or a VideoFile.
  const longer = yield* awaitVideo(yield* extendVideo({ video: clip, prompt: "the light comes on", seconds: 8 }))
  yield* Console.log(`${longer.seconds} s`)
})

// Here the embedded server speaks the dialect. Elsewhere: Videos.layerConfig with VIDEOS_DIALECT=openai.
const live = VideosServer.layerVideos.pipe(
  Layer.provide([NodeHttpClient.layerUndici, VideosServer.layer({ dialect: "openai", runTime: "200 millis" })])
)

Effect.runPromise(program.pipe(Effect.provide(live)))
