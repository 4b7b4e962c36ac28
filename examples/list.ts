import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Stream } from "effect"
import { awaitVideo, createVideo, deleteVideo, listVideos, remixVideo } from "effect-videos"

const program = Effect.gen(function* () {
  const clip = yield* Effect.flatMap(createVideo({ prompt: "a lighthouse at dusk", seconds: 4 }), (job) =>
    awaitVideo(job)
  )
  const remix = yield* remixVideo({ video: clip, prompt: "the same, at night" })
  yield* Console.log(remix.remixedFromVideoId === clip.id)

  // All pages; each is requested when the stream needs its first job.
  yield* listVideos({ limit: 20 }).pipe(
    Stream.take(5),
    Stream.runForEach((video) => Console.log(video.prompt))
  )

  const { deleted } = yield* deleteVideo(clip)
  yield* Console.log(deleted)
})

Effect.runPromise(program.pipe(Effect.provide(VideosServer.layerTest())))
