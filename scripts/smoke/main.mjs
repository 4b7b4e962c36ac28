// Program for Node, Bun and Deno; the environment configures it.
import { Videos } from "effect-videos"
import { runJobs } from "./run.mjs"

console.log(await runJobs(Videos.layerConfig))
