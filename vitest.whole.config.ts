/**
 * A whole run of the tests. Their files are compiled once, into modules that Node loads by itself: no worker transforms any, and a
 * call between modules costs what it costs users. A third of the files took a sixth less CPU time so than from the sources.
 */
import { join } from "node:path"
import { defineConfig } from "vitest/config"
import { bundleInto } from "./test/support/bundle.js"
import { runFolder } from "./test/support/runFolder.js"
import sources from "./vitest.config.js"

const folder = join(runFolder, "tests")
const setup = "test/support/setup"
await bundleInto(folder, ["test/**/*.test.ts", "packages/*/test/**/*.test.ts", `${setup}.ts`], { packages: "external" })

export default defineConfig({
  ...sources,
  // Reports name the files relative to it.
  root: folder,
  test: {
    ...sources.test,
    include: ["**/*.test.js"],
    exclude: [],
    setupFiles: join(folder, `${setup}.js`),
    server: { deps: { external: [/\/tests\/.*\.js$/] } }
  }
})
