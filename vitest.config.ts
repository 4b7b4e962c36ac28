import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { stuck } from "./scripts/stuck.js"

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const src = (path: string) => at(`./src/${path}`)

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "packages/*/test/**/*.test.ts"],
    // Long enough for a machine that has other things to do: no test measures time.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // All processors: files that wait for sockets and for processes of their own leave room for the runner itself.
    maxWorkers: availableParallelism(),
    reporters: ["default", stuck()]
  },
  resolve: {
    alias: [
      { find: /^effect-videos$/, replacement: src("index.ts") },
      { find: /^effect-videos\/continue$/, replacement: src("continue/index.ts") },
      { find: /^effect-videos\/promise$/, replacement: src("promise/index.ts") },
      { find: /^@effect-videos\/server$/, replacement: at("./packages/server/src/index.ts") },
      { find: /^@effect-videos\/server\/Media$/, replacement: at("./packages/server/src/media/Media.ts") },
      { find: /^effect-videos\/testing$/, replacement: src("testing/index.ts") },
      { find: /^effect-videos\/transport$/, replacement: src("transport/index.ts") },
      { find: /^effect-videos\/undici$/, replacement: src("undici/index.ts") },
      // The command, which is bundled, has some of the core's internal files too.
      { find: /^effect-videos\/(.+)$/, replacement: src("$1.ts") }
    ]
  }
})
