import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Fiber, Stream } from "effect"
import { createVideo, Videos, VideoUpdate, watchVideos } from "effect-videos"

const program = Effect.gen(function* () {
  const jobs = yield* Effect.replicateEffect(createVideo({ prompt: "a lighthouse at dusk", seconds: 4 }), 100)
  let ended = 0

  // One Stream, one row per job, and one request for every hundred of them.
  const watching = yield* watchVideos(jobs).pipe(
    Stream.runForEach(
      VideoUpdate.$match({
        VideoChanged: () => Effect.void,
        VideoEnded: () => Effect.sync(() => ended++),
        // The other watches continue; `lastSnapshot`, or the id, resumes this one.
        VideoLost: ({ error, id }) => Console.error(id, error.message)
      })
    ),
    Effect.fork
  )

  yield* Effect.sleep("1 second")
  const { jobs: watched, list } = yield* Videos.watchers
  yield* Console.log(`${watched.length} watched by ${watched[0]?.readBy}, list ${list.distrust ?? "trusted"}`)
  yield* Fiber.join(watching)
  yield* Console.log(`${ended} have ended`)
})

Effect.runPromise(program.pipe(Effect.provide(VideosServer.layerTest())))
