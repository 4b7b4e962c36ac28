import { DurableVideos, VideoStore } from "@effect-videos/durable"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer, Stream } from "effect"

// With your server: `Videos.layerConfig` and an `HttpClient` in the place of the embedded server.
const live = DurableVideos.layerSqlite({ filename: "videos.db" }).pipe(
  Layer.provide(VideoStore.layerDirectory("clips")),
  Layer.provide(VideosServer.layerTest({ queueTime: 0, runTime: "300 millis" }))
)

const request = { prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" } as const

const program = Effect.gen(function* () {
  const durable = yield* DurableVideos
  const { execution } = yield* durable.create(request, { key: "order-17" })
  // A process that is killed here, or at any later moment, continues the run when it starts again.
  yield* Stream.runForEach(durable.watch(execution), ({ state }) => Console.log(state))
  const run = yield* durable.create(request, { key: "order-17" })
  yield* Console.log(`the same run: ${run.execution === execution}, sent ${run.sends} time`)
})

Effect.runPromise(program.pipe(Effect.provide(live)))
