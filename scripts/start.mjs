// Runs scripts/start.ts, in this process, so that Ctrl-C reaches the program and nothing else.
import "./install.mjs"

const { register } = await import("tsx/esm/api")
register()
await import("./start.ts")
