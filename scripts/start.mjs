// Runs scripts/start.ts in this process, so that Ctrl-C reaches only the program.
import "./install.mjs"

const { register } = await import("tsx/esm/api")
register()
await import("./start.ts")
