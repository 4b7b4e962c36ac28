import { DurableVideos, VideoStore } from "@effect-videos/durable"
import * as DurablePostgres from "@effect-videos/durable/Postgres"
import { VideosServer } from "@effect-videos/server"
import { Config, Console, Effect, Layer, Stream } from "effect"

// DATABASE_URL=postgres://postgres@127.0.0.1/postgres npx tsx postgres.ts
const settings = Config.all({
  url: Config.redacted("DATABASE_URL"),
  port: Config.withDefault(Config.integer("PORT"), 34_431)
})

// A runner. Start it on as many machines as you like, each with its own address: when one dies, the others continue its runs.
const runner = Layer.unwrapEffect(
  Effect.map(settings, ({ port, url }) => DurablePostgres.layer({ url, listen: { host: "127.0.0.1", port } }))
).pipe(
  Layer.provide(VideoStore.layerDirectory("clips")),
  Layer.provide(VideosServer.layerTest({ queueTime: 0, runTime: "300 millis" }))
)

// A web server starts and watches runs, and runs none.
const client = Layer.unwrapEffect(Effect.map(settings, ({ url }) => DurablePostgres.layerClient({ url })))

const program = Effect.gen(function* () {
  const durable = yield* DurableVideos
  const request = { prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" } as const
  const { execution } = yield* durable.create(request, { key: "order-17" })
  yield* Stream.runForEach(durable.watch(execution), ({ state }) => Console.log(state))
  const { sends } = yield* durable.get(execution)
  yield* Console.log(`sent ${sends} time`)
}).pipe(Effect.provide(client))

await Effect.runPromise(Effect.scoped(Effect.zipRight(Layer.build(runner), program)))
