// Kills real processes at each moment of a durable run: `npm run soak:durable`, or `-- "in request"` for some of the cases.
// `-- postgres` kills runners that share a Postgres of Debian's packages; `RUNS=100` for another number of runs.
import "./install.mjs"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const args = process.argv.slice(2)
const program = args[0] === "postgres" ? "soakPostgres" : "soak"

const { signal, status } = spawnSync(
  process.execPath,
  ["--import", "tsx", `packages/durable/test/programs/${program}.ts`, ...args],
  { cwd: fileURLToPath(new URL("..", import.meta.url)), stdio: "inherit" }
)
process.exit(signal === "SIGINT" ? 130 : (status ?? 1))
