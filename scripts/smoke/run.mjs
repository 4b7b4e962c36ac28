// Runs the job over each of the two `HttpClient`s that need only `fetch`.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { VideosFetch } from "effect-videos"
import { job } from "./job.mjs"

/** Resolves with a summary, or rejects with the error. */
export const runJobs = async (videos) => {
  const lines = []
  for (const client of [VideosFetch.layer, FetchHttpClient.layer]) {
    lines.push(await Effect.runPromise(Effect.provide(job, Layer.provide(videos, client))))
  }
  return lines.join("; ")
}
