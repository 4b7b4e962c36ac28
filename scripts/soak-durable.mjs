// Kills real processes at each moment of a durable run: `npm run soak:durable`, or `-- "in request"` for some of the cases.
import "./install.mjs"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const { signal, status } = spawnSync(
  process.execPath,
  ["--import", "tsx", "packages/durable/test/programs/soak.ts", ...process.argv.slice(2)],
  { cwd: fileURLToPath(new URL("..", import.meta.url)), stdio: "inherit" }
)
process.exit(signal === "SIGINT" ? 130 : (status ?? 1))
