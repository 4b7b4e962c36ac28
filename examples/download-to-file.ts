import { FileSystem } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect } from "effect"
import { awaitVideo, createVideo, downloadVideoToFile } from "effect-videos"

const program = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  const job = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" })
  yield* awaitVideo(job)

  // Writes to clip.mp4.part and resumes after a break. clip.mp4 exists only when it is complete.
  const { bytes, path } = yield* downloadVideoToFile(job, "clip.mp4", { directory })
  yield* Console.log(bytes === Number((yield* fs.stat(path)).size) ? "a clip" : "half a clip")

  yield* downloadVideoToFile(job, "again.mp4", {
    directory,
    onProgress: ({ done }) => (done ? Console.log("done") : Effect.void)
  })
  yield* downloadVideoToFile(job, "../clip.mp4", { directory })
}).pipe(Effect.catchTag("FileError", ({ path, problem }) => Console.log(path, "is", problem)))

program.pipe(Effect.scoped, Effect.provide([VideosServer.layerTest(), NodeContext.layer]), NodeRuntime.runMain)
