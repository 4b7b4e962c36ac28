/**
 * `npm run soak:durable -- postgres`: three runners on one Postgres, of which one is killed and replaced every few seconds, while
 * Postgres is restarted once. Every run has to end once, with one job. `RUNS` is their number.
 */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { FetchHttpClient } from "@effect/platform"
import { DurableVideos, isEnded, type Run } from "@effect-videos/durable"
import * as DurablePostgres from "@effect-videos/durable/Postgres"
import { VideosServer } from "@effect-videos/server"
import { Effect, Layer, Logger, LogLevel, Schedule } from "effect"
import { awaitVideo, createVideo } from "effect-videos"
import { folder, workerAt } from "../support/kills.js"
import { freePort, postgres } from "../support/postgres.js"

const count = Number(process.env["RUNS"] ?? 1000)
const killEvery = "8 seconds"

const program = Effect.gen(function* () {
  const at = yield* folder
  const { restart, url } = yield* postgres
  const server = yield* VideosServer
  const source = yield* createVideo({ prompt: "the source", size: "64x64", seconds: 4 })
  yield* awaitVideo(source)
  const worker = yield* workerAt
  const { HOME = "", PATH = "" } = process.env

  const startRunner = Effect.acquireRelease(
    Effect.map(Effect.promise(freePort), (port) =>
      spawn(process.execPath, [worker], {
        env: { HOME, PATH, BASE_URL: server.baseUrl, FOLDER: at, POSTGRES: url, LISTEN: String(port) },
        stdio: ["ignore", "ignore", "inherit"]
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  const runners = yield* Effect.all([startRunner, startRunner, startRunner])
  let kills = 0
  const killOne = Effect.gen(function* () {
    runners.shift()?.kill("SIGKILL")
    kills++
    runners.push(yield* startRunner)
    if (kills === 2) yield* restart
  })

  const started = performance.now()
  const durable = yield* Effect.provide(DurableVideos, yield* Layer.build(DurablePostgres.layerClient({ url })))
  // A call that fails while Postgres is away is retried with the same key.
  const insisting = <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.orDie(
      Effect.retry(Effect.sandbox(self), Schedule.intersect(Schedule.spaced("500 millis"), Schedule.recurs(200)))
    )
  yield* Effect.forkScoped(
    Effect.forEach(
      Array.from({ length: count }, (_, n) => `run ${n}`),
      (key) => insisting(durable.extend({ video: source.id, prompt: key, seconds: 4 }, { key })),
      { concurrency: 20, discard: true }
    )
  )
  yield* Effect.forkScoped(
    Effect.repeat(killOne, Schedule.spaced(killEvery).pipe(Schedule.intersect(Schedule.recurs(6))))
  )

  const states = (runs: ReadonlyArray<Run>): string => {
    const counts = new Map<string, number>()
    for (const { state } of runs) counts.set(state, (counts.get(state) ?? 0) + 1)
    return [...counts].map(([state, n]) => `${n} ${state}`).join(", ")
  }
  let runs: ReadonlyArray<Run> = []
  while (runs.filter(({ state }) => isEnded(state)).length < count) {
    yield* Effect.sleep("5 seconds")
    runs = yield* insisting(durable.list({ limit: count }))
    console.log(`${Math.round((performance.now() - started) / 1000)} s: ${states(runs)}, ${kills} kills`)
    for (const { key, problem, state } of runs) if (state === "uncertain") console.log(`  ${key}: ${problem}`)
  }
  const made = (yield* server.jobs).length - 1
  const sends = runs.reduce((sum, run) => sum + run.sends, 0)
  const isRight = made === count && runs.every(({ state }) => state === "done")
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(
    `${isRight ? "ok    " : "failed"} ${count} runs, ${made} jobs, ${sends} requests sent, ${kills} kills, one restart of Postgres, ${seconds} s`
  )
  if (!isRight) {
    for (const run of runs) if (run.state !== "done") console.log(run.key, run.state, run.problem)
    return yield* Effect.dieMessage(readFileSync(join(at, "log"), "utf8").slice(-5000))
  }
})

const server = VideosServer.layer({ queueTime: 0, runTime: "1 second", idempotency: "ignore" })

const live = VideosServer.layerVideos.pipe(Layer.provideMerge(server), Layer.provide(FetchHttpClient.layer))

Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(live), Logger.withMinimumLogLevel(LogLevel.Error))).then(
  () => process.exit(0),
  (error) => {
    console.error(String(error))
    process.exit(1)
  }
)
