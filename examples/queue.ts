import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Fiber, Queue, Schedule, Stream, type Take } from "effect"
import { createVideo, type VideoUpdate, watchVideos } from "effect-videos"

const program = Effect.gen(function* () {
  const jobs = yield* Effect.forEach(["a lighthouse at dusk", "a harbour", "a failure"], (prompt) =>
    createVideo({ prompt, seconds: 4 })
  )

  // Your queue: in memory here, or a broker. When it is full, the watch waits, and then emits the newest snapshot.
  const queue = yield* Queue.bounded<Take.Take<VideoUpdate>>(16)
  const worker = yield* Stream.fromQueue(queue).pipe(
    Stream.flattenTake,
    Stream.filter((update) => update._tag === "VideoEnded"),
    Stream.runForEach(({ video }) => Console.log(`${video.prompt}: ${video.status}`)),
    Effect.fork
  )

  // Watches all jobs, and ends with the last.
  yield* watchVideos(jobs, { poll: Schedule.spaced("100 millis") }).pipe(Stream.runIntoQueue(queue))
  yield* Fiber.join(worker)
  yield* Console.log("all have ended")
})

const server = VideosServer.layerTest({
  queueTime: 0,
  runTime: "300 millis",
  outcome: ({ prompt }) => (prompt === "a failure" ? { code: "moderation_blocked", message: "not this one" } : null)
})

Effect.runPromise(program.pipe(Effect.provide(server)))
