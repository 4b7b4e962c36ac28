import { NodeHttpClient } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer, Stream } from "effect"
import { createVideo, downloadVideo } from "effect-videos"

const program = Effect.gen(function* () {
  // The response comes when the clip is done: a submission may take 30 minutes.
  const clip = yield* createVideo({ prompt: "a lighthouse", seconds: 1, size: "64x64" })
  const bytes = yield* Stream.runFold(downloadVideo(clip), 0, (sum, chunk) => sum + chunk.byteLength)
  yield* Console.log(clip.status, bytes > 0)
})

// Here the embedded server speaks the dialect. Elsewhere: Videos.layerConfig with VIDEOS_DIALECT=dynamo.
const live = VideosServer.layerVideos.pipe(
  Layer.provide([NodeHttpClient.layerUndici, VideosServer.layer({ dialect: "dynamo" })])
)

Effect.runPromise(program.pipe(Effect.provide(live)))
