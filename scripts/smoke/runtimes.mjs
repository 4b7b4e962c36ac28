// Runtimes from the npm registry. They are large and only this check needs them, so each is installed on first use into a folder
// in `node_modules`.
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { install, root } from "./project.mjs"

const cache = join(root, "node_modules/.cache/smoke")

/** Pinned versions, so that results are reproducible. */
const versions = {
  "node-22": { name: "node", version: "22.23.3" },
  "node-24": { name: "node", version: "24.21.0" },
  bun: { name: "bun", version: "1.4.5" },
  deno: { name: "deno", version: "2.9.6" },
  miniflare: { name: "miniflare", version: "4.20260730.0" }
}

/** Returns the folder and version of a runtime, or why it is missing. */
export const installRuntime = async (id) => {
  const { name, version } = versions[id]
  const cwd = join(cache, id)
  const installed = join(cwd, "node_modules", name, "package.json")
  const isThere = existsSync(installed) && JSON.parse(readFileSync(installed, "utf8")).version === version
  if (!isThere) {
    mkdirSync(cwd, { recursive: true })
    // The install scripts only copy the binary.
    const { isOk, stderr } = await install(cwd, { dependencies: { [name]: version }, allowScripts: { [name]: true } })
    if (!isOk) return { version, problem: `npm cannot install it: ${stderr.trim().split("\n")[0]}` }
  }
  const binary = join(cwd, "node_modules/.bin", process.platform === "win32" ? `${name}.cmd` : name)
  return { version, cwd, binary }
}
