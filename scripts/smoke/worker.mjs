// Program for workerd without compatibility flags: a request runs the job, and the response is its summary.
import * as Redacted from "effect/Redacted"
import { Videos } from "effect-videos"
import { runJobs } from "./run.mjs"

// biome-ignore lint/style/noDefaultExport: a worker is its default export.
export default {
  async fetch(_request, { apiKey, baseUrl }) {
    try {
      return new Response(await runJobs(Videos.layer({ baseUrl, apiKey: Redacted.make(apiKey) })))
    } catch (error) {
      return new Response(String(error), { status: 500 })
    }
  }
}
