import { FetchHttpClient } from "@effect/platform"
import { Console, Effect, Layer } from "effect"
import { Videos, VideosConfig } from "effect-videos"
import { VideosHttp } from "effect-videos/transport"

const config = VideosConfig.layer({
  baseUrl: "https://films.openai.azure.com/openai/v1",
  query: { "api-version": "preview" },
  dialect: "azure",
  apiKey: "azure-key",
  requestTimeout: "30 seconds",
  budget: { requestsPerSecond: 5, concurrency: 16 }
})

const live = Videos.layerWithoutDependencies.pipe(
  Layer.provide(VideosHttp.layer),
  Layer.provideMerge(config),
  Layer.provide(FetchHttpClient.layer)
)

const program = Effect.flatMap(VideosConfig, ({ baseUrl }) => Console.log(baseUrl))

Effect.runPromise(Effect.provide(program, live))
