/** Calls a hostile server, with default or maximum limits, and prints the result of each call. */
import { Console, Effect, identity, Schedule, Stream } from "effect"
import { listVideos, retrieveVideo, type Videos } from "effect-videos"
import { clients, videosOver } from "../videos.js"

const { BASE_URL = "", CLIENT = "", LIMITS = "default", PEAK = "", ONLY = "text,list,gzip,refused,deep" } = process.env
const client = clients.find((one) => one.client === CLIENT)

const tagOf = <E extends { readonly _tag: string }, R>(call: Effect.Effect<string, E, R>) =>
  Effect.flatMap(
    Effect.catchAll(call, (error) => Effect.succeed(error._tag)),
    Console.log
  )

const look = (id: string) => tagOf(Effect.map(retrieveVideo(id), ({ status }) => status))

const calls: { readonly [name: string]: Effect.Effect<void, never, Videos> } = {
  text: look("text"),
  list: tagOf(Effect.as(Stream.runDrain(listVideos()), "listed")),
  gzip: look("gzip"),
  refused: look("refused"),
  deep: look("deep")
}

const highest = { jsonBytes: 256 * 1024 ** 2, errorBytes: 256 * 1024 ** 2, jsonDepth: 1000 }

/** Peak memory of the process in MiB, on and off the heap. */
const peak = Effect.suspend(() => Console.log(Math.round(process.resourceUsage().maxRSS / 1024)))

Effect.runFork(
  Effect.forEach(ONLY.split(","), (name) => calls[name] ?? Effect.dieMessage(`no call ${name}`)).pipe(
    Effect.provide(
      videosOver(
        { baseUrl: BASE_URL },
        { readRetry: Schedule.stop, limits: LIMITS === "highest" ? highest : {} },
        client?.layer
      )
    ),
    PEAK === "tell" ? Effect.zipLeft(peak) : identity
  )
)
