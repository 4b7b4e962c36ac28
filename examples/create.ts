import { VideosServer } from "@effect-videos/server"
import { Console, Effect } from "effect"
import { createVideo } from "effect-videos"

const program = createVideo({
  prompt: "a lighthouse at dusk",
  seconds: 4,
  size: "1280x720",
  // Parameters of one server, merged last.
  extraBody: { seed: 7 }
}).pipe(
  Effect.tap((job) => Console.log(job.status, job.size)),
  Effect.catchTags({
    ModerationBlockedError: (error) => Console.log("another prompt, please:", error.detail),
    // The job may exist and cost money: check before you submit it again.
    SubmissionUncertainError: (error) => Console.log("look for it:", error.idempotencyKey)
  })
)

Effect.runPromise(program.pipe(Effect.provide(VideosServer.layerTest())))
