/**
 * Soak test: for some minutes, callers submit and watch jobs on a server with all temporary faults and with restarts. At the end,
 * the jobs on the server are exactly those that the calls returned, every watch has ended, and the heap has not grown.
 *
 *   npm run soak -- --minutes 3 --seed tide
 */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Console, Effect, Exit, Fiber, Hash, Layer, Logger, LogLevel, Queue, Random, Schedule, Stream } from "effect"
import { createVideo, Videos, watchVideo, watchVideos } from "effect-videos"
import * as VideosUndici from "effect-videos/undici"

const { values: given } = parseArgs({ options: { minutes: { type: "string" }, seed: { type: "string" } } })
const minutes = Number(given.minutes ?? "3")
const seed = given.seed ?? String(Date.now())
if (!(minutes > 0)) throw new Error("--minutes must be a positive number")

/** Number of callers; each submits one job after the other. */
const callers = 150

/** Allowed growth of the heap from the first quarter to the last, in bytes: the records of this test, and a margin. */
const growth = 8 * 1024 * 1024

interface Listed {
  readonly id: string
  readonly prompt: string
}

/** One submission and its result. */
interface Told {
  readonly prompt: string
  readonly id: string | null
  /** Candidates of an unknown outcome. */
  readonly candidates: ReadonlyArray<string> | null
}

const ask = <A>(server: ChildProcess, message: string): Effect.Effect<A> =>
  Effect.async<A>((resume) => {
    server.once("message", (message) => resume(Effect.succeed(message as A)))
    server.send(message)
  })

const heap = Effect.sync(() => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
})

const soak = (server: ChildProcess) =>
  Effect.gen(function* () {
    const told: Array<Told> = []
    const ended = new Set<string>()
    const lost: Array<string> = []
    let consumers = 0
    let submitted = 0
    let isOver = false
    const ids = yield* Queue.unbounded<string>()

    // All callers share some prompts, so equal submissions have to find their own jobs.
    const promptOf = Effect.map(Random.nextIntBetween(0, 100), (dice) =>
      dice < 10 ? `a common prompt ${dice % 3}` : `prompt ${submitted}`
    )

    const submit = Effect.gen(function* () {
      const prompt = yield* promptOf
      submitted++
      const exit = yield* Effect.exit(createVideo({ prompt, seconds: 4, size: "64x64" }))
      if (Exit.isSuccess(exit)) {
        told.push({ prompt, id: exit.value.id, candidates: null })
        yield* Queue.offer(ids, exit.value.id)
        return exit.value.id
      }
      const error = exit.cause._tag === "Fail" ? exit.cause.error : null
      if (error === null) return yield* Effect.failCause(exit.cause)
      const candidates = error._tag === "SubmissionUncertainError" ? error.candidates.map(({ id }) => id) : null
      told.push({ prompt, id: null, candidates })
      return null
    })

    /** Subscriber that watches for a while and leaves. */
    const look = (id: string) =>
      Effect.gen(function* () {
        consumers++
        const stay = yield* Random.nextIntBetween(0, 6000)
        yield* Effect.timeoutOption(Stream.runDrain(watchVideo(id)), stay)
      })

    const caller = Effect.gen(function* () {
      yield* Effect.sleep(yield* Random.nextIntBetween(0, 1000))
      const id = yield* submit
      if (id !== null && (yield* Random.next) < 0.5) yield* look(id)
    }).pipe(Effect.repeat({ until: () => isOver }))

    const everything = yield* watchVideos(Stream.fromQueue(ids)).pipe(
      Stream.runForEach((update) =>
        Effect.sync(() => {
          if (update._tag === "VideoEnded") ended.add(update.id)
          if (update._tag === "VideoLost") lost.push(`${update.id}: ${update.error.message}`)
        })
      ),
      Effect.fork
    )
    const restarts = yield* Effect.fork(
      Effect.repeat(Effect.delay(ask(server, "restart"), "15 seconds"), Schedule.forever)
    )

    const running = yield* Effect.fork(
      Effect.all(
        Array.from({ length: callers }, () => caller),
        { concurrency: "unbounded" }
      )
    )
    const heaps: Array<number> = []
    for (let sample = 0; sample < 12; sample++) {
      yield* Effect.sleep(`${minutes * 5} seconds`)
      heaps.push(yield* heap)
      const { jobs } = yield* Videos.watchers
      yield* Console.log(
        `${Math.round(((sample + 1) * 100) / 12)} %  ${submitted} submitted, ${ended.size} ended, ${jobs.length} watched, ${consumers} came and went, heap ${(heaps.at(-1) ?? 0) >> 20} MiB`
      )
    }
    // Callers finish their submission: an interrupted one would have no caller for its job.
    isOver = true
    yield* Fiber.join(running)
    yield* Fiber.interrupt(restarts)
    yield* Queue.shutdown(ids)
    yield* Fiber.join(everything)
    const { jobs: left } = yield* Videos.watchers
    const listed = yield* ask<ReadonlyArray<Listed>>(server, "jobs")
    return { ended, heaps, left: left.length, listed, lost, told }
  })

type Outcome = Effect.Effect.Success<ReturnType<typeof soak>>

/** Returns all broken promises. */
const judge = ({ ended, heaps, left, listed, lost, told }: Outcome): ReadonlyArray<string> => {
  const wrong: Array<string> = lost.map((line) => `lost: ${line}`)
  const returned = told.flatMap(({ id, prompt }) => (id === null ? [] : [{ id, prompt }]))
  const ids = new Set(returned.map(({ id }) => id))
  if (ids.size < returned.length) wrong.push(`${returned.length - ids.size} jobs were returned to two callers`)
  const byId = new Map(listed.map(({ id, prompt }) => [id, prompt]))
  for (const { id, prompt } of returned) {
    if (byId.get(id) !== prompt) wrong.push(`${id}, returned for "${prompt}", is "${byId.get(id)}" on the server`)
    if (!ended.has(id)) wrong.push(`no watch emitted the end of ${id}`)
  }
  const candidates = new Set(told.flatMap(({ candidates }) => candidates ?? []))
  const uncertain = new Set(told.flatMap(({ candidates, prompt }) => (candidates === null ? [] : [prompt])))
  const unknown = listed.filter(({ id, prompt }) => !(ids.has(id) || candidates.has(id) || uncertain.has(prompt)))
  for (const { id, prompt } of unknown) wrong.push(`${id}, "${prompt}", was made, but no call returned it`)
  const calls = new Map<string, number>()
  for (const { prompt } of told) calls.set(prompt, (calls.get(prompt) ?? 0) + 1)
  const made = new Map<string, number>()
  for (const { prompt } of listed) made.set(prompt, (made.get(prompt) ?? 0) + 1)
  for (const [prompt, jobs] of made) {
    if (jobs > (calls.get(prompt) ?? 0))
      wrong.push(`"${prompt}" was asked for ${calls.get(prompt)} times and made ${jobs}`)
  }
  if (left > 0) wrong.push(`${left} jobs are still watched`)
  const quarter = heaps.length / 4
  const before = Math.max(...heaps.slice(1, 1 + quarter))
  const after = Math.min(...heaps.slice(-quarter))
  if (after > before + growth) wrong.push(`the heap grew from ${before >> 20} to ${after >> 20} MiB`)
  return wrong
}

const program = Effect.gen(function* () {
  yield* Console.log(`seed ${seed}, ${minutes} minutes`)
  const server = yield* Effect.acquireRelease(
    Effect.sync(() =>
      fork(fileURLToPath(new URL("server.ts", import.meta.url)), [String(Math.abs(Hash.string(seed)))])
    ),
    (child) => Effect.sync(() => child.connected && child.disconnect())
  )
  const port = yield* Effect.async<number>((resume) => {
    server.once("message", (message) => resume(Effect.succeed(Number(message))))
  })
  const live = Videos.layer({
    baseUrl: `http://127.0.0.1:${port}/v1`,
    requestTimeout: "3 seconds",
    readRetry: Schedule.intersect(Schedule.jittered(Schedule.exponential("200 millis")), Schedule.recurs(8))
  }).pipe(Layer.provide(VideosUndici.layer()))
  const outcome = yield* Effect.provide(soak(server), live)
  const wrong = judge(outcome)
  const count = (is: (told: Told) => boolean) => outcome.told.filter(is).length
  yield* Console.log(
    [
      `${outcome.told.length} submissions: ${count(({ id }) => id !== null)} told a job, ${count(({ candidates }) => candidates !== null)} uncertain, ${count(({ candidates, id }) => id === null && candidates === null)} refused`,
      `${outcome.listed.length} jobs on the server, ${outcome.ended.size} seen to end`,
      ...(wrong.length === 0 ? ["all as promised"] : wrong.slice(0, 20))
    ].join("\n")
  )
  return wrong.length === 0
})

// Hides the warnings of the library: a soak test loses many responses.
const quiet = Logger.withMinimumLogLevel(LogLevel.Error)

Effect.runPromise(program.pipe(Effect.scoped, Effect.withRandom(Random.make(seed)), quiet)).then((isRight) => {
  process.exitCode = isRight ? 0 : 1
})
