import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import { stuck } from "./scripts/stuck.js"

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const src = (path: string) => at(`./src/${path}`)

/** The files that take the most time by the clock. They start first, so that none of them is the last to end. */
const longest = [
  "test/faults/Cases.test.ts",
  "test/Examples.test.ts",
  "test/ContinueMedia.test.ts",
  "packages/server/test/PageBrowser.test.ts",
  "packages/cli/test/Process.test.ts",
  "test/faults/",
  "test/Continue.test.ts",
  "test/hostile/"
]

/** Each worker loads and compiles the library anew: with one more than the processors, a run takes a fifth more CPU time. */
const workers = availableParallelism()

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = longest.findIndex((name) => moduleId.includes(`/${name}`))
      return index < 0 ? longest.length : index
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

/**
 * Files in processes of their own, which run beside the threads: they mostly wait, for processes that they start and for durable
 * runs. Together they take about as long as all others.
 */
const alone = [
  "test/Examples.test.ts",
  "test/ContinueMedia.test.ts",
  "packages/server/test/PageBrowser.test.ts",
  "packages/durable/test/!(S3).test.ts"
]

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "packages/*/test/**/*.test.ts"],
    // A thread loads the library once, for all the files that it runs: files leave nothing behind in the modules and globals.
    pool: "threads",
    isolate: false,
    poolMatchGlobs: alone.map((pattern): [string, "forks"] => [`**/${pattern}`, "forks"]),
    poolOptions: { forks: { isolate: false } },
    // Long enough for a machine that has other things to do: no test measures time. With `RUNS`, a random test has no timeout.
    testTimeout: process.env.RUNS === undefined ? 180_000 : 0,
    hookTimeout: 600_000,
    maxWorkers: workers,
    // The same number: the pool would end idle threads in the middle of a run, and report that as an error.
    minWorkers: workers,
    // Of the tests of a file that may run side by side, which all wait.
    maxConcurrency: 64,
    globalSetup: "test/support/runFolder.ts",
    setupFiles: "test/support/setup.ts",
    sequence: { sequencer: LongestFirst },
    reporters: ["default", stuck()]
  },
  resolve: {
    alias: [
      { find: /^effect-videos$/, replacement: src("index.ts") },
      { find: /^effect-videos\/continue$/, replacement: src("continue/index.ts") },
      { find: /^effect-videos\/promise$/, replacement: src("promise/index.ts") },
      { find: /^@effect-videos\/durable$/, replacement: at("./packages/durable/src/index.ts") },
      { find: /^@effect-videos\/durable\/(Api|Postgres|S3)$/, replacement: at("./packages/durable/src/$1.ts") },
      { find: /^@effect-videos\/server$/, replacement: at("./packages/server/src/index.ts") },
      { find: /^@effect-videos\/server\/Media$/, replacement: at("./packages/server/src/media/Media.ts") },
      { find: /^effect-videos\/testing$/, replacement: src("testing/index.ts") },
      { find: /^effect-videos\/transport$/, replacement: src("transport/index.ts") },
      { find: /^effect-videos\/undici$/, replacement: src("undici/index.ts") },
      // The other public modules. What is internal is for no other package.
      { find: /^effect-videos\/([A-Z]\w+)$/, replacement: src("$1.ts") }
    ]
  }
})
