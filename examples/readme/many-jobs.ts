import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Stream } from "effect"
import { createVideo, watchVideos } from "effect-videos"

const program = Effect.gen(function* () {
  const jobs = yield* Effect.replicateEffect(createVideo({ prompt: "a lighthouse at dusk", seconds: 4 }), 100)
  const ended = yield* Stream.runCount(Stream.filter(watchVideos(jobs), (update) => update._tag === "VideoEnded"))
  yield* Console.log(`${ended} have ended`)
})
Effect.runPromise(program.pipe(Effect.provide(VideosServer.layerTest())))
