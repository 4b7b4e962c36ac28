import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const src = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

export default defineConfig({
  test: { include: ["test/**/*.test.ts"] },
  resolve: {
    alias: [
      { find: /^effect-videos$/, replacement: src("index.ts") },
      { find: /^effect-videos\/server$/, replacement: src("server/index.ts") },
      { find: /^effect-videos\/undici$/, replacement: src("undici/index.ts") },
      { find: /^effect-videos\/(\w+)$/, replacement: src("$1.ts") }
    ]
  }
})
