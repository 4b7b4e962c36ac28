// Runs a bundled worker in workerd and prints its response. A separate program, because miniflare needs a newer Node than
// this repository: `node workerd.mjs FOLDER_OF_MINIFLARE WORKER BINDINGS`.
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"

const [folder, worker, bindings] = process.argv.slice(2)
const { resolve } = createRequire(`${folder}/package.json`)
const { Miniflare } = await import(pathToFileURL(resolve("miniflare")).href)

// `cf: false` prevents a request to another host for the location of the client.
const miniflare = new Miniflare({
  modules: true,
  script: readFileSync(worker, "utf8"),
  compatibilityDate: "2026-07-01",
  bindings: JSON.parse(bindings),
  cf: false
})
try {
  const response = await miniflare.dispatchFetch("http://worker.invalid/")
  const text = await response.text()
  if (response.ok) console.log(text)
  else {
    console.error(text)
    process.exitCode = 1
  }
} finally {
  await miniflare.dispose()
}
