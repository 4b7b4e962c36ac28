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
  "test/Examples.test.",
  "test/ContinueMedia.test.",
  "test/faults/",
  "packages/server/test/PageBrowser.test.",
  "packages/durable/",
  "packages/cli/test/Process.test.",
  "test/Reconcile.test.",
  "test/hostile/"
]

/**
 * One more than the processors, because many files mostly wait. Each worker loads and compiles the library anew: with two more than
 * the processors, a run took a twentieth more CPU time.
 */
const workers = availableParallelism() + 1

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = longest.findIndex((name) => moduleId.includes(`/${name}`))
      return index < 0 ? longest.length : index
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "packages/*/test/**/*.test.ts"],
    // A process loads the library once, for all the files that it runs: files leave nothing behind in the modules and globals. It is
    // no thread: tests start other processes, which takes longer the larger the one that starts them is.
    pool: "forks",
    poolOptions: { forks: { isolate: false } },
    // Long enough for a machine that has other things to do: no test measures time. With `RUNS`, a random test has no timeout.
    testTimeout: process.env.RUNS === undefined ? 180_000 : 0,
    hookTimeout: 600_000,
    maxWorkers: workers,
    // The same number, so that no idle process ends in the middle of a run, and another has to load the library.
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
