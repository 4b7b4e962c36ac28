/**
 * `npm run soak:durable`: each moment of a run at which its process may be killed, alone, then with a lost response and no webhook
 * or poll, then among runs with the same prompt, then of runs to a length. Prints a line for each, and fails at the first that has
 * not one job for each run or segment, and one whole file for each run. `--postgres`: each on a database of its own of a Postgres.
 */

import { FetchHttpClient } from "@effect/platform"
import { Fault, VideosServer } from "@effect-videos/server"
import { Effect, Layer } from "effect"
import { folder, joining, type Killed, runKilled } from "../support/kills.js"
import { freePort, newDatabase, postgres } from "../support/postgres.js"

const moments = [
  "before intent",
  "after intent",
  "before request",
  "in request",
  "after response",
  "after record",
  "waiting",
  "before download",
  "in download",
  "after download",
  "before report"
]

/** Those of a run to a length, and of its segments. */
const momentsOfLength = ["after plan", ...moments, "after segment", "before save", "after save"]

const lostResponse: ReadonlyArray<Fault.Rule> = [
  { on: ["extend"], when: Fault.first(1), fault: Fault.reset("after-commit") }
]

const cases: ReadonlyArray<readonly [name: string, killed: Killed & { readonly isLong?: boolean }]> = [
  ...moments.map((moment) => [`SIGTERM ${moment}`, { kill: [moment], keys: ["a"], signal: "SIGTERM" }] as const),
  ...moments.map((moment) => [moment, { kill: [moment], keys: ["a"] }] as const),
  ...moments.map(
    (moment) =>
      [
        `${moment}, with a lost response, without webhooks and polls`,
        { kill: [moment], keys: ["a"], polls: "off", faults: lostResponse }
      ] as const
  ),
  [
    "among the requests of twelve runs with one prompt",
    {
      kill: ["before request", "in request", "after response", "after record"],
      keys: Array.from({ length: 12 }, (_, n) => `twin ${n}`),
      same: "the same"
    }
  ],
  ["at every moment, one after the other, with three runs", { kill: moments, keys: ["a", "b", "c"] }],
  ...momentsOfLength.map(
    (moment) => [`to a length: ${moment}`, { kill: [moment], keys: ["a"], isLong: true }] as const
  ),
  [
    "to a length: at every moment, one after the other, with two runs",
    { kill: momentsOfLength, keys: ["a", "b"], isLong: true }
  ]
]

/** How long the first process took to stop. */
const stopped = (log: string): string => {
  const at = (event: RegExp) => Number(/^\d+/.exec(log.split("\n").find((line) => event.test(line)) ?? "")?.[0])
  const millis = at(/ closed$/) - at(/ killed /)
  return millis >= 0 ? `stopped within ${millis} ms, ` : ""
}

const only = process.argv.slice(2).find((word) => word !== "--postgres")

const isOnPostgres = process.argv.includes("--postgres")

/** A database of its own for a case, and a port for its runner. */
const placeOf = (url: string, index: number) =>
  Effect.all({ url: newDatabase(url, `soak_${index}`), listen: Effect.promise(freePort) })

const runAll = (url: string | null) =>
  Effect.forEach(
    cases.filter(([name]) => only === undefined || name.includes(only)),
    ([name, options], index) =>
      Effect.gen(function* () {
        const killed = { ...options, postgres: url === null ? undefined : yield* placeOf(url, index) }
        const started = performance.now()
        const long = Effect.flatMap(Effect.flatMap(folder, joining), (joins) => runKilled([{ ...killed, joins }]))
        const { ends, results } = yield* Effect.scoped(killed.isLong === true ? long : runKilled([killed]))
        const [{ files, jobs, log, whole }] = results
        const expected = killed.keys.length
        const expectedJobs = killed.isLong === true ? 2 * expected : expected
        const seconds = ((performance.now() - started) / 1000).toFixed(1)
        const isSentOnce = killed.signal !== "SIGTERM" || log.split(" sent\n").length === 2
        const isWhole = whole.length === expected && files.length === expected
        const isRight = jobs === expectedJobs && isWhole && ends.at(-1) === "0" && isSentOnce
        const line = `${name}: ${jobs} jobs, ${whole.length} whole files of ${expected}, ${ends.length} processes, ${stopped(log)}${seconds} s`
        console.log(`${isRight ? "ok    " : "failed"} ${line}`)
        if (!isRight) return yield* Effect.dieMessage(log)
      }),
    { discard: true }
  )

const program = isOnPostgres ? Effect.scoped(Effect.flatMap(postgres, ({ url }) => runAll(url))) : runAll(null)

const server = VideosServer.layer({ queueTime: 0, runTime: "300 millis", idempotency: "ignore" })

const live = VideosServer.layerVideos.pipe(Layer.provideMerge(server), Layer.provide(FetchHttpClient.layer))

Effect.runPromise(Effect.provide(program, live)).then(
  () => process.exit(0),
  (error) => {
    console.error(String(error))
    process.exit(1)
  }
)
