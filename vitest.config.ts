import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import { stuck } from "./scripts/stuck.js"
import tsconfig from "./tsconfig.json" with { type: "json" }

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** The project's own packages are their sources. What is internal is for no other package. */
const alias = Object.entries(tsconfig.compilerOptions.paths).map(([name, [path = ""]]) => ({
  find: new RegExp(`^${name.replace("*", "([A-Z]\\w+)")}$`),
  replacement: at(path.replace("*", "$1"))
}))

/** The files that take the most time by the clock. They start first, so that none of them is the last to end. */
const longest = [
  "test/faults/Cases.test.",
  "test/Examples.test.",
  "test/ContinueMedia.test.",
  "packages/server/test/PageBrowser.test.",
  "packages/cli/test/Process.test.",
  "test/faults/",
  "test/Continue.test.",
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
 * runs. A start of a process blocks the one that starts it, for longer if that one is large, as the one of the threads is. Together
 * they take about as long as all others.
 */
const alone = [
  "test/Examples.test.",
  "test/Continue*.test.",
  "packages/cli/test/{Completions,Join,Process}.test.",
  "packages/server/test/PageBrowser.test.",
  "packages/durable/test/!(S3).test."
]

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "packages/*/test/**/*.test.ts"],
    // A thread loads the library once, for all the files that it runs: files leave nothing behind in the modules and globals.
    pool: "threads",
    isolate: false,
    poolMatchGlobs: alone.map((pattern): [string, "forks"] => [`**/${pattern}*`, "forks"]),
    poolOptions: { forks: { isolate: false } },
    // Long enough for a machine that has other things to do: no test measures time. With `RUNS`, a random test has no timeout.
    testTimeout: process.env.RUNS === undefined ? 180_000 : 0,
    hookTimeout: 600_000,
    maxWorkers: workers,
    // The same number: the pool would end idle threads in the middle of a run, and report that as an error.
    minWorkers: workers,
    // Of the tests of a file that may run side by side, which all wait.
    maxConcurrency: 64,
    globalSetup: at("test/support/runFolder.ts"),
    setupFiles: at("test/support/setup.ts"),
    sequence: { sequencer: LongestFirst },
    reporters: ["default", stuck()]
  },
  resolve: { alias }
})
