import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Stream } from "effect"
import { awaitVideo, createVideo, extendAndWatch } from "effect-videos"

const program = Effect.gen(function* () {
  const job = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4 })
  const clip = yield* awaitVideo(job)
  yield* extendAndWatch({ video: clip, prompt: "the light comes on", seconds: 8 }).pipe(
    Stream.runForEach((video) => Console.log(video.status, `${video.progress} %`, `${video.seconds} s`))
  )
})

Effect.runPromise(program.pipe(Effect.provide(VideosServer.layerTest())))
