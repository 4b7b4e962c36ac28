import { Schedule } from "effect"
import { simulate } from "./simulation.js"
let seed = 1
const random = () => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed / 2147483648 }
const p = (l: ReadonlyArray<number>, q: number) => l[Math.floor(l.length * q)]
for (const [name, watch] of [["2s", { poll: Schedule.spaced("2 seconds") }], ["default", {}]] as const)
for (const n of (process.argv[2] ?? "200,1000").split(",").map(Number))
  for (const length of [20_000, 60_000])
    for (const spread of [10_000, length]) {
      const jobs = Array.from({ length: n }, () => ({ createdAt: Math.floor(random() * spread), length: Math.floor(length * (0.9 + 0.2 * random())) }))
      const t = performance.now()
      const r = await simulate(jobs, { watch })
      const ms = performance.now() - t
      console.log(name, n, length / 1000, "spread", spread / 1000, "req/job", ((r.singles + r.pages) / n).toFixed(3), "singles", r.singles, "pages", r.pages, "lag", p(r.lags, .5), p(r.lags, .99), r.lags.length, ms.toFixed(0) + "ms")
    }
