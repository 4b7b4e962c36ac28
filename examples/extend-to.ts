import { FileSystem } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Schedule, Stream } from "effect"
import { createVideo } from "effect-videos"
import { ExtendToPhase, extendTo } from "effect-videos/continue"

const prompts = ["the light comes on", "a boat passes", "fog rolls in", "the sun rises"] as const

const program = Effect.gen(function* () {
  const directory = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())
  const clip = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" })

  // If this stops half-way, the same call goes on: no segment is paid for twice.
  const phases = extendTo(clip, 60, prompts, "long.mp4", {
    directory,
    maxSegments: 10,
    // The poll interval for this example, whose jobs take half a second. Omit it for jobs of minutes.
    poll: Schedule.spaced("50 millis")
  })
  yield* Stream.runForEach(
    phases,
    ExtendToPhase.$match({
      Started: ({ seconds, totalSeconds }) => Console.log(`${seconds} s of ${totalSeconds} s`),
      SegmentStarted: ({ reason, segment, way }) => Console.log(`segment ${segment}: ${way}`, reason ?? ""),
      SegmentUpdated: () => Effect.void,
      SegmentCompleted: ({ seconds }) => Console.log(`${seconds} s`),
      Saving: ({ films }) => Console.log(`saving ${films} film`),
      Saved: ({ path, seconds }) => Console.log(`${seconds} s in ${path}`)
    })
  )
})

const server = VideosServer.layerTest({ queueTime: "50 millis", runTime: "200 millis" })

program.pipe(Effect.scoped, Effect.provide([server, NodeContext.layer]), NodeRuntime.runMain)
