import { NodeHttpClient } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer } from "effect"
import { awaitVideo, createVideo, extendVideo, Videos } from "effect-videos"

const program = Effect.gen(function* () {
  const clip = yield* awaitVideo(yield* createVideo({ prompt: "a lighthouse", seconds: 4, size: "64x64" }))
  const longer = yield* awaitVideo(yield* extendVideo({ video: clip, prompt: "the light comes on", seconds: 4 }))
  yield* Console.log(`${longer.seconds} s`)
})

// Here the embedded server speaks the dialect. Elsewhere, baseUrl is https://RESOURCE.openai.azure.com/openai/v1.
const live = Layer.unwrapEffect(
  Effect.map(VideosServer, ({ baseUrl, dialect }) =>
    // The key is sent as `api-key`, the query with every request.
    Videos.layer({ baseUrl, dialect, apiKey: "key-of-azure", query: { "api-version": "preview" } })
  )
).pipe(
  Layer.provide([
    NodeHttpClient.layerUndici,
    VideosServer.layer({ dialect: "azure", apiKeys: ["key-of-azure"], runTime: "200 millis" })
  ])
)

Effect.runPromise(program.pipe(Effect.provide(live)))
