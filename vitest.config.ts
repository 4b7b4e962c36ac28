import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const src = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

export default defineConfig({
  // Long enough for a machine that has other things to do: no test measures time.
  test: { include: ["test/**/*.test.ts"], testTimeout: 180_000, hookTimeout: 180_000 },
  resolve: {
    alias: [
      { find: /^effect-videos$/, replacement: src("index.ts") },
      { find: /^effect-videos\/promise$/, replacement: src("promise/index.ts") },
      { find: /^effect-videos\/server$/, replacement: src("server/index.ts") },
      { find: /^effect-videos\/testing$/, replacement: src("testing/index.ts") },
      { find: /^effect-videos\/undici$/, replacement: src("undici/index.ts") },
      { find: /^effect-videos\/(\w+)$/, replacement: src("$1.ts") }
    ]
  }
})
