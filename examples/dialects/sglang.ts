import { NodeHttpClient } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer, Stream } from "effect"
import { awaitVideo, createVideo, downloadVideo } from "effect-videos"

const program = Effect.gen(function* () {
  const job = yield* createVideo({
    prompt: "a lighthouse",
    seconds: 1,
    size: "64x64",
    inputReference: { imageUrl: "https://films.example/lighthouse.png" }
  })
  const clip = yield* awaitVideo(job)
  const bytes = yield* Stream.runFold(downloadVideo(clip), 0, (sum, chunk) => sum + chunk.byteLength)
  // No response of the server has the prompt.
  yield* Console.log(bytes > 0, clip.prompt)
})

// Here the embedded server speaks the dialect. Elsewhere: Videos.layerConfig with VIDEOS_DIALECT=sglang.
const live = VideosServer.layerVideos.pipe(
  Layer.provide([NodeHttpClient.layerUndici, VideosServer.layer({ dialect: "sglang", runTime: "200 millis" })])
)

Effect.runPromise(program.pipe(Effect.provide(live)))
