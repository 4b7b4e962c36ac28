import { NodeHttpClient } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer } from "effect"
import { awaitVideo, createVideo, extendVideo } from "effect-videos"

const program = Effect.gen(function* () {
  const job = yield* createVideo({ prompt: "a lighthouse", seconds: 4, size: "64x64" })
  const clip = yield* awaitVideo(job)
  const longer = yield* awaitVideo(yield* extendVideo({ video: clip, prompt: "the light comes on", seconds: 4 }))
  // LiteLLM's responses change the id; the client keeps that of the submission.
  yield* Console.log(clip.id === job.id, longer.status)
}).pipe(
  // The provider behind the proxy does not extend.
  Effect.catchTag("OperationUnsupportedError", (error) => Console.log(error.message))
)

// Here the embedded server speaks the dialect. Elsewhere: Videos.layerConfig with VIDEOS_DIALECT=litellm.
const live = VideosServer.layerVideos.pipe(
  Layer.provide([NodeHttpClient.layerUndici, VideosServer.layer({ dialect: "litellm", runTime: "200 millis" })])
)

Effect.runPromise(program.pipe(Effect.provide(live)))
