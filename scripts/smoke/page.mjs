// Program for a browser: runs the job in a page of another origin than the server.
import * as Redacted from "effect/Redacted"
import { Videos } from "effect-videos"
import { runJobs } from "./run.mjs"

globalThis.runJobs = ({ apiKey, baseUrl }) => runJobs(Videos.layer({ baseUrl, apiKey: Redacted.make(apiKey) }))
