// Kills real processes at each moment of a durable run: `npm run soak:durable`, or `-- "in request"` for some of the cases.
// `-- --postgres` does it on a Postgres of Debian's packages; `-- postgres` kills runners that share one (`RUNS=100` for another number).
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
