/** A call whose failure is not caught: Node prints it. */
import { Effect, Redacted, Stream } from "effect"
import { downloadVideo, retrieveVideo } from "effect-videos"
import { clients, videosOver } from "../videos.js"

const { BASE_URL = "", CALL = "", CLIENT = "", KEY = "" } = process.env
const client = clients.find((one) => one.client === CLIENT)
const call = CALL === "download" ? Stream.runDrain(downloadVideo("video_1")) : Effect.asVoid(retrieveVideo("video_1"))

void Effect.runPromise(
  call.pipe(Effect.provide(videosOver({ baseUrl: BASE_URL }, { apiKey: Redacted.make(KEY) }, client?.layer)))
)
