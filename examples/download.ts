import { FileSystem } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Stream } from "effect"
import { awaitVideo, createVideo, downloadVideo } from "effect-videos"

const program = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* fs.makeTempFileScoped({ suffix: ".mp4" })
  const job = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" })

  const save = Stream.run(downloadVideo(job), fs.sink(path))
  yield* save.pipe(
    Effect.catchTags({
      VideoNotReadyError: (error) => Effect.zipRight(Console.log("wait:", error.video.status), awaitVideo(job)),
      VideoFailedError: (error) => Console.log("it failed:", error.code),
      VideoExpiredError: () => Console.log("too late"),
      VideoNotFoundError: (error) => Console.log("no such job:", error.videoId)
    })
  )
  yield* save
  const { size } = yield* fs.stat(path)
  yield* Console.log(size > 0n ? "a clip" : "nothing")
})

program.pipe(Effect.scoped, Effect.provide([VideosServer.layerTest(), NodeContext.layer]), NodeRuntime.runMain)
