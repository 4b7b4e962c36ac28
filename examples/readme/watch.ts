import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Schedule, Stream } from "effect"
import { createVideo, watchVideo } from "effect-videos"

const program = Effect.gen(function* () {
  const job = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4 })
  const updates = watchVideo(job, { poll: Schedule.spaced("500 millis"), totalTimeout: "10 minutes" })
  yield* Stream.runForEach(updates, (video) => Console.log(video.status, video.progress))
}).pipe(
  // The job continues on the server. `watchVideo(error.lastSnapshot)` resumes the watch.
  Effect.catchTag("WatchTimeoutError", (error) => Console.log("still running:", error.videoId))
)
Effect.runPromise(program.pipe(Effect.provide(VideosServer.layerTest())))
