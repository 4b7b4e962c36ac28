import { VideosServer } from "@effect-videos/server"
import { Console, Effect } from "effect"
import { extendVideo, isTransient, type VideoSeconds } from "effect-videos"

// A length from outside, which the types know nothing about.
const seconds = Number("5") as VideoSeconds

const program = extendVideo({ video: "video_1", prompt: "the light comes on", seconds }).pipe(
  // Only what may pass by itself, and can do no harm a second time.
  Effect.retry({ times: 3, while: isTransient }),
  Effect.asVoid,
  // What is handled here is gone from the type; `catchTags` does not compile with a tag that cannot occur.
  Effect.catchTag("InvalidRequestError", ({ accepted, field }) => Console.log(`\`${field}\` must be ${accepted}`))
)

Effect.runPromise(program.pipe(Effect.provide(VideosServer.layerTest())))
