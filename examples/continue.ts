import { FileSystem } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect } from "effect"
import { awaitVideo, createVideo } from "effect-videos"
import { continueVideo } from "effect-videos/continue"

const program = Effect.gen(function* () {
  const directory = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())
  const job = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" })
  const clip = yield* awaitVideo(job)

  const longer = yield* continueVideo({ video: clip, prompt: "the light comes on", seconds: 8 }, "longer.mp4", {
    directory,
    // Receives the id of the new job as soon as it is known.
    onUpdate: (video) => Console.log(video.status)
  })
  yield* Console.log(longer.way, longer.seconds)
}).pipe(
  // The paid segment is not lost: `joinVideos(clip, error.segment, "longer.mp4")` continues with it.
  Effect.catchTag("MediaError", (error) => Console.log(error.message))
)

// A server without `/videos/extensions`, like most servers.
const live = VideosServer.layerTest({ dialect: "vllm-omni" })

program.pipe(Effect.scoped, Effect.provide([live, NodeContext.layer]), NodeRuntime.runMain)
