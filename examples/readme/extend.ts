import { VideosServer } from "@effect-videos/server"
import { Console, Effect } from "effect"
import { awaitVideo, createVideo, extendVideo } from "effect-videos"

const program = createVideo({ prompt: "a lighthouse at dusk", seconds: 4 }).pipe(
  Effect.flatMap((job) => awaitVideo(job)),
  Effect.flatMap((clip) => extendVideo({ video: clip, prompt: "the light comes on", seconds: 8 })),
  Effect.tap((job) => Console.log(job.status, job.seconds)),
  Effect.catchTags({
    OperationUnsupportedError: () => Console.log("this server extends no clips: use continueVideo"),
    SubmissionUncertainError: (error) => Console.log("a job may exist:", error.candidates),
    VideoFailedError: (error) => Console.log("the clip failed:", error.code)
  })
)
Effect.runPromise(program.pipe(Effect.provide(VideosServer.layerTest())))
