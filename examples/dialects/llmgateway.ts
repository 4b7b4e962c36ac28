import { NodeHttpClient } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer, Stream } from "effect"
import { awaitVideo, createVideo, downloadVideo } from "effect-videos"

const program = Effect.gen(function* () {
  const clip = yield* awaitVideo(
    yield* createVideo({ prompt: "a lighthouse", seconds: 1, size: "64x64", model: "veo" })
  )
  const bytes = yield* Stream.runFold(downloadVideo(clip), 0, (sum, chunk) => sum + chunk.byteLength)
  yield* Console.log(bytes > 0, clip.cost?.amount)
})

// Here the embedded server speaks the dialect. Elsewhere: Videos.layerConfig with VIDEOS_DIALECT=llmgateway.
const live = VideosServer.layerVideos.pipe(
  Layer.provide([NodeHttpClient.layerUndici, VideosServer.layer({ dialect: "llmgateway" })])
)

Effect.runPromise(program.pipe(Effect.provide(live)))
