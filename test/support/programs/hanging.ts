/** Calls over each transport to a server that sends no response. SIGINT interrupts them; the program does not end itself. */
import { Effect, Fiber, Stream } from "effect"
import {
  awaitVideo,
  createVideo,
  downloadVideo,
  extendVideo,
  listVideos,
  retrieveVideo,
  VideoFile,
  type Videos
} from "effect-videos"
import { clients, videosOver } from "../videos.js"

const { BASE_URL = "", TIMEOUT } = process.env
const file = VideoFile.fromStream(Stream.make(new Uint8Array(9)), { name: "a.mp4" })

const calls: ReadonlyArray<Effect.Effect<unknown, unknown, Videos>> = [
  retrieveVideo("video_1"),
  createVideo({ prompt: "x" }),
  extendVideo({ video: file, prompt: "x", seconds: 4 }),
  Stream.runDrain(downloadVideo("video_1")),
  Stream.runDrain(listVideos()),
  // A watch retries without a limit.
  ...(TIMEOUT === undefined ? [awaitVideo("video_1")] : [])
]

const over = ({ layer }: (typeof clients)[number]) =>
  Effect.forEach(calls, Effect.ignore, { concurrency: "unbounded" }).pipe(
    Effect.provide(
      videosOver(
        { baseUrl: BASE_URL },
        { onUnknownOutcome: "fail", ...(TIMEOUT === undefined ? {} : { requestTimeout: Number(TIMEOUT) }) },
        layer
      )
    )
  )

const fiber = Effect.runFork(Effect.forEach(clients, over, { concurrency: "unbounded" }))
process.once("SIGINT", () => Effect.runFork(Fiber.interrupt(fiber)))
