/** How soon a run goes on after its process was killed, or stopped with SIGTERM, and what a rolling deploy costs runs. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { FetchHttpClient } from "@effect/platform"
import { DurableVideos, isEnded } from "@effect-videos/durable"
import * as DurablePostgres from "@effect-videos/durable/Postgres"
import { VideosServer } from "@effect-videos/server"
import { Effect, Fiber, Layer, Logger, Schedule, Stream } from "effect"
import { awaitVideo, createVideo } from "effect-videos"
import { workerAt } from "../../packages/durable/test/support/kills.js"
import { freePort } from "../../packages/durable/test/support/postgres.js"

const repetitions = 3

/** Time for runners that have started to divide the shards. */
const settled = "8 seconds"

interface Line {
  readonly at: number
  readonly pid: number
  readonly event: string
}

const linesOf = (folder: string): ReadonlyArray<Line> =>
  existsSync(join(folder, "log"))
    ? readFileSync(join(folder, "log"), "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => {
          const [at, pid, ...words] = line.split(" ")
          return { at: Number(at), pid: Number(pid), event: words.join(" ") }
        })
    : []

/** Waits for an event of a log. */
const logged = (folder: string, isIt: (line: Line) => boolean) =>
  Effect.suspend(() => {
    const line = linesOf(folder).find(isIt)
    return line === undefined ? Effect.fail("not yet" as const) : Effect.succeed(line)
  }).pipe(
    Effect.retry(Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(6000))),
    Effect.orElse(() =>
      Effect.dieMessage(
        `the event is not in the log:\n${linesOf(folder)
          .map(({ event }) => event)
          .join("\n")}`
      )
    )
  )

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "durable-resumption-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const startProcess = (worker: string, env: { readonly [name: string]: string }) =>
  Effect.acquireRelease(
    Effect.sync((): ChildProcess => {
      const { HOME = "", PATH = "" } = process.env
      return spawn(process.execPath, [worker], { env: { HOME, PATH, STEPS: "on", ...env }, stdio: "ignore" })
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

const live = VideosServer.layerVideos.pipe(
  Layer.provideMerge(VideosServer.layer({ queueTime: 0, runTime: "300 millis", idempotency: "ignore" })),
  Layer.provide(FetchHttpClient.layer)
)

const source = Effect.tap(createVideo({ prompt: "the source", size: "64x64", seconds: 4 }), (video) =>
  awaitVideo(video)
)

const middle = (values: ReadonlyArray<number>) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const print = (what: string, millis: ReadonlyArray<number>) =>
  console.log(
    `${what.padEnd(24)} ${(middle(millis) / 1000).toFixed(2)} s, at most ${(Math.max(...millis) / 1000).toFixed(2)} s, of ${millis.length}`
  )

interface Kill {
  readonly signal: "SIGKILL" | "SIGTERM"
  /** The process ends itself at this moment. After SIGTERM it may begin a step before the signal arrives. */
  readonly at: string
}

const cases: ReadonlyArray<Kill> = [
  { signal: "SIGKILL", at: "before download" },
  { signal: "SIGTERM", at: "after intent" }
]

const isStep = ({ event }: Line): boolean => event.startsWith("step ")

const prepare = ({ at, signal }: Kill) =>
  Effect.gen(function* () {
    const folder = yield* temporary
    const worker = yield* workerAt
    const { baseUrl } = yield* VideosServer
    const { id } = yield* source
    const env = { BASE_URL: baseUrl, FOLDER: folder, KILL: at, SIGNAL: signal, SOURCE: id }
    return { env, folder, id, worker }
  })

/** The next process on the SQLite file: from the moment at which its layer is built. */
const killLocal = (kill: Kill) =>
  Effect.gen(function* () {
    const { env, folder, worker } = yield* prepare(kill)
    const first = yield* startProcess(worker, { ...env, KEYS: "a" })
    yield* Effect.promise(() => once(first, "close"))
    const second = yield* startProcess(worker, { ...env, KEYS: "a" })
    const ofSecond = (isIt: (line: Line) => boolean) => logged(folder, (line) => line.pid === second.pid && isIt(line))
    const ready = yield* ofSecond(({ event }) => event === "ready")
    const resumed = yield* ofSecond(isStep)
    return resumed.at - ready.at
  }).pipe(Effect.scoped)

/** The other of two runners on Postgres: from the moment at which the first one is killed. */
const killShared = (url: string) => (kill: Kill) =>
  Effect.gen(function* () {
    const { env, folder, id, worker } = yield* prepare(kill)
    const ports = yield* Effect.promise(() => Promise.all([freePort(), freePort()]))
    for (const port of ports) yield* startProcess(worker, { ...env, POSTGRES: url, LISTEN: String(port) })
    yield* Effect.sleep(settled)
    const durable = yield* DurableVideos
    const { execution } = yield* durable.extend({ video: id, prompt: folder, seconds: 4 }, { key: folder })
    const killed = yield* logged(folder, ({ event }) => event.startsWith("killed"))
    const resumed = yield* logged(folder, (line) => line.pid !== killed.pid && isStep(line))
    yield* Stream.runDrain(Stream.takeUntil(durable.watch(execution), ({ state }) => isEnded(state)))
    return resumed.at - killed.at
  }).pipe(Effect.scoped)

const repeated = <E, R>(killOnce: (kill: Kill) => Effect.Effect<number, E, R>) =>
  Effect.forEach(
    cases,
    (kill) =>
      Effect.map(Effect.all(Array.from({ length: repetitions }, () => killOnce(kill))), (times) =>
        print(`${kill.signal} to resumption`, times)
      ),
    { discard: true }
  )

const client = (url: string) =>
  DurablePostgres.layerClient({ url }).pipe(Layer.provide(Logger.remove(Logger.defaultLogger)))

export const kills = (url: string | null) =>
  url === null
    ? Effect.orDie(Effect.provide(repeated(killLocal), live))
    : repeated(killShared(url)).pipe(Effect.provide(Layer.merge(client(url), live)), Effect.orDie)

/** Two runners on Postgres are replaced, one after the other, while runs begin: how long runs take, beside those before it. */
export const deploys = (url: string) =>
  Effect.gen(function* () {
    const at = yield* temporary
    const worker = yield* workerAt
    const server = yield* VideosServer
    const { id } = yield* source
    const durable = yield* DurableVideos
    const startRunner = Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      const env = { BASE_URL: server.baseUrl, FOLDER: at, POSTGRES: url, LISTEN: String(port) }
      const child = yield* startProcess(worker, env)
      yield* logged(at, ({ event, pid }) => pid === child.pid && event === "ready")
      return child
    })
    const runners = [yield* startRunner, yield* startRunner]
    yield* Effect.sleep(settled)
    const before = (yield* server.jobs).length
    const started: Array<{ readonly execution: string; readonly isDeploy: boolean }> = []
    let isDeploy = false
    const begin = Effect.gen(function* () {
      const key = `deploy ${at} ${started.length}`
      const { execution } = yield* durable.extend({ video: id, prompt: key, seconds: 4 }, { key })
      started.push({ execution, isDeploy })
    })
    const beginning = yield* Effect.fork(Effect.repeat(begin, Schedule.spaced("300 millis")))
    yield* Effect.sleep("10 seconds")
    isDeploy = true
    for (const old of runners) {
      yield* startRunner
      old.kill("SIGTERM")
      if (old.exitCode === null && old.signalCode === null) yield* Effect.promise(() => once(old, "close"))
    }
    yield* Effect.sleep("2 seconds")
    yield* Fiber.interrupt(beginning)
    const ends = yield* Effect.forEach(
      started,
      ({ execution, isDeploy }) =>
        Effect.map(
          Stream.runLast(Stream.takeUntil(durable.watch(execution), ({ state }) => isEnded(state))),
          (run) => ({ run, isDeploy })
        ),
      { concurrency: 20 }
    )
    const took = (during: boolean) =>
      ends.flatMap(({ isDeploy, run }) =>
        run._tag === "Some" && isDeploy === during && run.value.endedAt !== null
          ? [run.value.endedAt.epochMillis - run.value.createdAt.epochMillis]
          : []
      )
    print("a run, no deploy", took(false))
    print("a run, rolling deploy", took(true))
    const made = (yield* server.jobs).length - before
    console.log(`${"".padEnd(24)} ${made} jobs of ${started.length} runs`)
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(client(url), live)), Effect.orDie)
