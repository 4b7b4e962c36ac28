import { VideosServer } from "@effect-videos/server"
import { Console, Effect } from "effect"
import { extendVideo, isTransient } from "effect-videos"

// A length from user input; the dialect has 4, 8, 12, 16 and 20 seconds.
const seconds = Number("5")

const program = extendVideo({ video: "video_1", prompt: "the light comes on", seconds }).pipe(
  // Retries only temporary errors whose retry is safe.
  Effect.retry({ times: 3, while: isTransient }),
  Effect.asVoid,
  // The handled error disappears from the type. `catchTags` does not compile with a tag that cannot occur.
  Effect.catchTag("InvalidRequestError", ({ accepted, field }) => Console.log(`\`${field}\` must be ${accepted}`))
)

Effect.runPromise(program.pipe(Effect.provide(VideosServer.layerTest())))
