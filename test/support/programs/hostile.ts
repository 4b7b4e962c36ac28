/** Calls a hostile server over each transport, and prints the result of each call and how far the memory of the process grew. */
import { Console, Effect, Schedule, Stream } from "effect"
import { listVideos, retrieveVideo } from "effect-videos"
import { clients, videosOver } from "../videos.js"

const { BASE_URL = "" } = process.env

const tagOf = <E extends { readonly _tag: string }, R>(call: Effect.Effect<string, E, R>) =>
  Effect.catchAll(call, (error) => Effect.succeed(error._tag))

const read = (id: string) => tagOf(Effect.map(retrieveVideo(id), ({ status }) => status))

const list = tagOf(Effect.as(Stream.runDrain(listVideos()), "listed"))

/** Peak memory of the process in MiB, on and off the heap. */
const peak = Effect.sync(() => Math.round(process.resourceUsage().maxRSS / 1024))

const program = Effect.gen(function* () {
  const before = yield* peak
  // `undici` has the transport of `VideosUndici`, and does not decompress.
  for (const { client, layer } of clients) {
    const videos = videosOver({ baseUrl: BASE_URL }, { readRetry: Schedule.stop }, layer)
    const results = Effect.all([read("text"), list, read("gzip"), read("refused")])
    yield* Console.log(client, ...(yield* Effect.provide(results, videos)))
  }
  yield* Console.log("grew by", (yield* peak) - before)
  yield* Console.log("deep", yield* Effect.provide(read("deep"), videosOver({ baseUrl: BASE_URL })))
})

Effect.runFork(program)
