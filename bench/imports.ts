/**
 * Measures the time to import the built package in a new process, compared with its peers alone and the `openai` package.
 * Median of 5 alternating runs, minus the time of an empty process.
 */
import { spawnSync } from "node:child_process"
import { root } from "./build.js"

const rounds = 5

const programs: { readonly [name: string]: string } = {
  nothing: "",
  "effect/Effect, effect/Schema, @effect/platform/HttpClient":
    'await Promise.all([import("effect/Effect"), import("effect/Schema"), import("@effect/platform/HttpClient")])',
  "effect-videos": 'await import("effect-videos")',
  openai: 'await import("openai")'
}

const time = (code: string): number => {
  const start = performance.now()
  spawnSync(process.execPath, ["--input-type=module", "--eval", code], { cwd: root })
  return performance.now() - start
}

const runs: Record<string, Array<number>> = Object.fromEntries(Object.keys(programs).map((name) => [name, []]))
for (let round = 0; round < rounds; round++) {
  for (const [name, code] of Object.entries(programs)) runs[name]?.push(time(code))
}
const median = (name: string): number => [...(runs[name] ?? [])].sort((a, b) => a - b)[rounds >> 1] ?? Number.NaN
const own = (name: string): number => median(name) - median("nothing")

console.log(`\nImport time, median of ${rounds} processes, an empty process taken off\n`)
console.table(
  Object.fromEntries(
    Object.keys(programs)
      .filter((name) => name !== "nothing")
      .map((name) => [name, { ms: Math.round(own(name)), "× openai": Number((own(name) / own("openai")).toFixed(2)) }])
  )
)
