import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Schedule, Stream } from "effect"
import { awaitVideo, createVideo, extendVideo, type VideoResource } from "effect-videos"

// The poll interval for this example, whose jobs take half a second. Omit it for jobs of minutes.
const options = { poll: Schedule.spaced("50 millis") }

const beats = ["the light comes on", "a boat passes", "fog rolls in", "rain", "it clears up", "gulls", "the sun rises"]

// Each extension starts from the previous clip, which has to complete first.
const program = Effect.gen(function* () {
  const job = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" })
  const first = yield* awaitVideo(job, options)
  const clips = Stream.fromIterable(beats).pipe(
    Stream.mapAccumEffect(first, (clip: VideoResource, prompt) =>
      extendVideo({ video: clip, prompt, seconds: 8 }).pipe(
        Effect.flatMap((longer) => awaitVideo(longer, options)),
        Effect.map((longer) => [longer, [longer, prompt]] as const)
      )
    )
  )
  yield* Stream.runForEach(clips, ([{ seconds }, prompt]) => Console.log(`${seconds} s: ${prompt}`))
})

const server = VideosServer.layerTest({ queueTime: "50 millis", runTime: "200 millis" })

Effect.runPromise(program.pipe(Effect.provide(server)))
