// Ratios against peers, all in one run.
import "./install.mjs"

const { register } = await import("tsx/esm/api")
register()
await import("../bench/imports.ts")
await import("../bench/retrieve.ts")
await import("../bench/transfer.ts")
