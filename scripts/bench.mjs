// Ratios against peers, all in one run; or the benches that are named: `npm run bench -- watch`. Each is a process of its
// own, whose children are started as it was.
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import "./install.mjs"

const root = fileURLToPath(new URL("..", import.meta.url))
const named = process.argv.slice(2)

for (const name of named.length > 0 ? named : ["imports", "size", "retrieve", "transfer", "watch"]) {
  const { status } = spawnSync(process.execPath, ["--import", "tsx", `bench/${name}.ts`], {
    cwd: root,
    stdio: "inherit"
  })
  if (status !== 0) process.exit(status ?? 1)
}
