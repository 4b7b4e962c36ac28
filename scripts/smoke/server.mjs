// Runs the embedded server on a socket in this process, with the job against it.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { VideosServer } from "@effect-videos/server"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { job } from "./job.mjs"

const served = VideosServer.layerVideos.pipe(
  Layer.provide(VideosServer.layer({ queueTime: "100 millis", runTime: "1 second" })),
  Layer.provide(FetchHttpClient.layer)
)

console.log(await Effect.runPromise(Effect.provide(job, served)))
