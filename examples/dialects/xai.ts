import { NodeHttpClient } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer } from "effect"
import { awaitVideo, createVideo, extendVideo } from "effect-videos"

const model = "grok-imagine-video"

const program = Effect.gen(function* () {
  const clip = yield* awaitVideo(yield* createVideo({ prompt: "a lighthouse", seconds: 2, size: "480x480", model }))
  // A job, a URL, the id of an uploaded file or a VideoFile; 2 to 10 more seconds.
  const job = yield* extendVideo({ video: clip, prompt: "the light comes on", seconds: 2 })
  const longer = yield* awaitVideo(job)
  yield* Console.log(`${longer.seconds} s for ${longer.cost?.amount} ${longer.cost?.currency}`)
}).pipe(Effect.catchTag("VideoFailedError", ({ code, video }) => Console.log(code, "billed:", video.error?.billed)))

// Here the embedded server speaks the dialect. Elsewhere: Videos.layerConfig with VIDEOS_DIALECT=xai.
const live = VideosServer.layerVideos.pipe(
  Layer.provide([NodeHttpClient.layerUndici, VideosServer.layer({ dialect: "xai" })])
)

Effect.runPromise(program.pipe(Effect.provide(live)))
