import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Schedule, Stream } from "effect"
import { createVideo, watchVideo } from "effect-videos"

const program = Effect.gen(function* () {
  const job = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4 })

  yield* watchVideo(job, {
    poll: Schedule.spaced("500 millis"),
    totalTimeout: "2 seconds",
    stallTimeout: "1 minute"
  }).pipe(
    // The job continues after the timeout. The watch resumes from the last snapshot and repeats nothing.
    Stream.catchTag("WatchTimeoutError", (error) =>
      Stream.concat(
        Stream.fromEffect(Effect.as(Console.log("still going"), job)).pipe(Stream.drain),
        watchVideo(error.lastSnapshot ?? error.videoId)
      )
    ),
    Stream.runForEach((video) => Console.log(video.status, video.progress))
  )
})

Effect.runPromise(program.pipe(Effect.provide(VideosServer.layerTest())))
