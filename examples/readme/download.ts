import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect } from "effect"
import { awaitVideo, createVideo, downloadVideoToFile } from "effect-videos"

createVideo({ prompt: "a lighthouse at dusk", seconds: 4 }).pipe(
  Effect.flatMap((job) => awaitVideo(job)),
  Effect.flatMap((clip) => downloadVideoToFile(clip, "clip.mp4", { overwrite: true })),
  Effect.tap((file) => Console.log(file.path)),
  Effect.catchTag("VideoExpiredError", (error) => Console.log("the content is gone:", error.video.id)),
  Effect.provide([VideosServer.layerTest(), NodeContext.layer]),
  NodeRuntime.runMain
)
