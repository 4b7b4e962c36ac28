// Node, Bun and Deno: configured by the environment.
import { Videos } from "effect-videos"
import { runJobs } from "./run.mjs"

console.log(await runJobs(Videos.layerConfig))
