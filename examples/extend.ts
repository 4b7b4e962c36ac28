import { FileSystem } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Stream } from "effect"
import { awaitVideo, createVideo, downloadVideo, extendVideo, VideoFile } from "effect-videos"

const program = Effect.gen(function* () {
  const job = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" })
  const clip = yield* awaitVideo(job)

  // A job as the source: its id, `{ id }`, or a snapshot. `longer.seconds` is the length of both clips together.
  const longer = yield* extendVideo({ video: clip, prompt: "the light comes on", seconds: 8 })
  yield* Console.log(`${longer.seconds} s`)

  // A file as the source: opened when it is sent, and streamed.
  const fs = yield* FileSystem.FileSystem
  const path = yield* fs.makeTempFileScoped({ suffix: ".mp4" })
  yield* Stream.run(downloadVideo(clip), fs.sink(path))
  const again = yield* extendVideo({ video: yield* VideoFile.fromPath(path), prompt: "a boat passes", seconds: 4 })
  yield* Console.log(`${again.seconds} s`)
}).pipe(
  Effect.catchTags({
    OperationUnsupportedError: (error) => Console.log("this server extends nothing:", error.route),
    VideoNotFoundError: (error) => Console.log("no such clip:", error.videoId)
  })
)

program.pipe(Effect.scoped, Effect.provide([VideosServer.layerTest(), NodeContext.layer]), NodeRuntime.runMain)
