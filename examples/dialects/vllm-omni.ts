import { NodeHttpClient } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer } from "effect"
import { awaitVideo, createVideo, extendVideo } from "effect-videos"

const program = Effect.gen(function* () {
  const job = yield* createVideo({
    prompt: "a lighthouse",
    seconds: 1,
    size: "64x64",
    // The server's own parameters.
    extraBody: { num_inference_steps: 30, seed: 7 }
  })
  const clip = yield* awaitVideo(job)
  yield* extendVideo({ video: clip, prompt: "the light comes on", seconds: 1 })
}).pipe(
  // Nothing was sent: `continueVideo` and `extendTo` make the clip longer.
  Effect.catchTag("OperationUnsupportedError", ({ operation }) => Console.log(`no ${operation}`)),
  Effect.catchTag("VideoFailedError", ({ code, message }) => Console.log(code, message))
)

// Here the embedded server speaks the dialect. Elsewhere: Videos.layerConfig with VIDEOS_DIALECT=vllm-omni.
const live = VideosServer.layerVideos.pipe(
  Layer.provide([NodeHttpClient.layerUndici, VideosServer.layer({ dialect: "vllm-omni", runTime: "200 millis" })])
)

Effect.runPromise(program.pipe(Effect.provide(live)))
