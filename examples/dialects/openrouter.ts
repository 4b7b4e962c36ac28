import { NodeHttpClient } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer } from "effect"
import { awaitVideo, createVideo, extendVideo } from "effect-videos"

const program = Effect.gen(function* () {
  const clip = yield* awaitVideo(
    yield* createVideo({ prompt: "a lighthouse", seconds: 1, size: "64x64", model: "a/model" })
  )
  yield* extendVideo({ video: clip, prompt: "the light comes on", seconds: 1 })
}).pipe(
  // Free: nothing was made. `continueVideo` makes the clip longer without the server.
  Effect.catchTag("OperationUnsupportedError", ({ detail }) => Console.log(detail))
)

// Here the embedded server speaks the dialect. Elsewhere: Videos.layerConfig with VIDEOS_DIALECT=openrouter.
const live = VideosServer.layerVideos.pipe(
  Layer.provide([NodeHttpClient.layerUndici, VideosServer.layer({ dialect: "openrouter" })])
)

Effect.runPromise(program.pipe(Effect.provide(live)))
