import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { createVideo, Videos } from "effect-videos"

// Reads OPENAI_BASE_URL and OPENAI_API_KEY; on another runtime, any other HttpClient layer does.
const live = Videos.layerConfig.pipe(Layer.provide(NodeHttpClient.layerUndici))

createVideo({ prompt: "a lighthouse at dusk", seconds: 4 }).pipe(
  Effect.tap((job) => Console.log(job.id, job.status)),
  Effect.provide(live),
  NodeRuntime.runMain
)
