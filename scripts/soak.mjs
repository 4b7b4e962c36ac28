// Runs a soak test with random faults, restarts and subscribers: `npm run soak -- --minutes 3 --seed tide`.
import "./install.mjs"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const { signal, status } = spawnSync(
  process.execPath,
  ["--expose-gc", "--import", "tsx", "scripts/soak/main.ts", ...process.argv.slice(2)],
  { cwd: fileURLToPath(new URL("..", import.meta.url)), stdio: "inherit" }
)
process.exit(signal === "SIGINT" ? 130 : (status ?? 1))
