/** Asks a server that means harm, with the limits as they are, and prints what comes of each call. */
import { Console, Effect, Schedule, Stream } from "effect"
import { listVideos, retrieveVideo } from "effect-videos"
import { clients, videosOver } from "../videos.js"

const { BASE_URL = "", CLIENT = "" } = process.env
const client = clients.find((one) => one.client === CLIENT)

const tagOf = <E extends { readonly _tag: string }, R>(call: Effect.Effect<string, E, R>) =>
  Effect.flatMap(
    Effect.catchAll(call, (error) => Effect.succeed(error._tag)),
    Console.log
  )

const look = (id: string) => tagOf(Effect.map(retrieveVideo(id), ({ status }) => status))

Effect.runFork(
  Effect.all([
    look("text"),
    tagOf(Effect.as(Stream.runDrain(listVideos()), "listed")),
    look("gzip"),
    look("refused"),
    look("deep")
  ]).pipe(Effect.provide(videosOver({ baseUrl: BASE_URL }, { readRetry: Schedule.stop }, client?.layer)))
)
