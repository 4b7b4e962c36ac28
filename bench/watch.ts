/**
 * Measures concurrent watches of many jobs, compared with loops by hand per job: over `openai`, bare `fetch` and bare undici.
 * Each contender runs in a new process, one after the other, against one server in a separate process on the same machine.
 * The jobs are functions of time. Lag is the time from the end of a job to the notification of its consumer.
 *
 *   npm run bench -- watch
 *   npm run bench -- watch --spread                (50 to 10,000 watches, begun within 0 s, 10 s and the length of a job: an hour)
 *   npm run bench -- watch --spread --jobs=1000 --within=10    (some of them)
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { type Counts, endOf, idOf, type Jobs, serve, startOf } from "./watchServer.js"

/** Milliseconds between two polls of a loop. The watches of the library use its default schedule. */
const interval = 2000

interface Size {
  readonly count: number
  /** Milliseconds. */
  readonly run: number
  /** The watches begin one after the other over so many milliseconds. */
  readonly spread: number
}

const chosen = (name: string, all: ReadonlyArray<number>): ReadonlyArray<number> => {
  const word = process.argv.find((word) => word.startsWith(`--${name}=`))
  return word === undefined ? all : [Number(word.slice(name.length + 3))]
}

const sizes: ReadonlyArray<Size> = process.argv.includes("--spread")
  ? chosen("jobs", [50, 200, 1000, 10_000]).flatMap((count) =>
      chosen("within", [0, 10, 20]).map((seconds) => ({ count, run: 20_000, spread: seconds * 1000 }))
    )
  : [
      { count: 2000, run: 4000, spread: 0 },
      { count: 10_000, run: 20_000, spread: 0 },
      { count: 200, run: 10_000, spread: 10_000 }
    ]

/** Milliseconds after the end of the last job at which a run fails. */
const patience = 40_000

// -----------------------------------------------------------------------------
// the contenders
// -----------------------------------------------------------------------------

interface Task {
  readonly baseUrl: string
  readonly ids: ReadonlyArray<string>
  /** How long from now the watch of a job begins, in milliseconds; at most 0: at once. */
  readonly waitOf: (id: string) => number
  /** When the last job ends, in Unix milliseconds. */
  readonly until: number
  /** Runs when the consumer learns the end of a job. */
  readonly ended: (id: string) => void
}

/** Loads the client, and returns a function that watches all jobs to their end. */
type Contender = () => Promise<(task: Task) => Promise<void>>

const isTerminal = (status: unknown): boolean => status === "completed" || status === "failed"

const ours = async () => {
  const { Effect, Layer, ManagedRuntime, Stream } = await import("effect")
  const library = await import("effect-videos")
  const VideosUndici = await import("effect-videos/undici")
  const runtimeOf = (baseUrl: string) =>
    ManagedRuntime.make(library.Videos.layer({ baseUrl }).pipe(Layer.provide(VideosUndici.layer())))
  return { Effect, Stream, library, runtimeOf }
}

/** Baseline for the memory of one Stream with one consumer per job; it watches nothing. */
const floor = "a Stream that only waits, each"

const contenders: { readonly [name: string]: Contender } = {
  [floor]: async () => {
    const { Effect, Fiber, Stream } = await import("effect")
    const wait = () => Stream.runForEach(Stream.fromEffect(Effect.never), () => Effect.void)
    return async ({ ended, ids, until }) => {
      const waiting = Effect.runFork(Effect.forEach(ids, wait, { concurrency: "unbounded", discard: true }))
      await sleep(until - Date.now())
      await Effect.runPromise(Fiber.interrupt(waiting))
      for (const id of ids) ended(id)
    }
  },
  "`openai` loops": async () => {
    const { default: OpenAI } = await import("openai")
    return async ({ baseUrl, ended, ids, waitOf }) => {
      const openai = new OpenAI({ apiKey: "none", baseURL: baseUrl })
      await Promise.all(
        ids.map(async (id) => {
          await sleep(Math.max(0, waitOf(id)))
          while (!isTerminal((await openai.videos.retrieve(id)).status)) await sleep(interval)
          ended(id)
        })
      )
    }
  },
  "bare `fetch` loops":
    async () =>
    async ({ baseUrl, ended, ids, waitOf }) => {
      const status = async (id: string): Promise<unknown> =>
        (await (await fetch(`${baseUrl}/videos/${id}`)).json()).status
      await Promise.all(
        ids.map(async (id) => {
          await sleep(Math.max(0, waitOf(id)))
          while (!isTerminal(await status(id))) await sleep(interval)
          ended(id)
        })
      )
    },
  "bare undici loops": async () => {
    const { Agent } = await import("@effect/platform-node/Undici")
    return async ({ baseUrl, ended, ids, waitOf }) => {
      const { origin, pathname } = new URL(baseUrl)
      const agent = new Agent({ connections: 64 })
      const status = async (id: string): Promise<unknown> => {
        const { body } = await agent.request({ origin, path: `${pathname}/videos/${id}`, method: "GET" })
        return JSON.parse(await body.text()).status
      }
      await Promise.all(
        ids.map(async (id) => {
          await sleep(Math.max(0, waitOf(id)))
          while (!isTerminal(await status(id))) await sleep(interval)
          ended(id)
        })
      )
      await agent.close()
    }
  },
  "`watchVideo`, a consumer each": async () => {
    const { Effect, Stream, library, runtimeOf } = await ours()
    return async ({ baseUrl, ended, ids, waitOf }) => {
      const runtime = runtimeOf(baseUrl)
      const consume = (id: string) => {
        const watching = Stream.runForEach(library.watchVideo(id), (video) =>
          Effect.sync(() => {
            if (library.isTerminal(video)) ended(id)
          })
        )
        const wait = waitOf(id)
        return wait > 0 ? Effect.delay(watching, wait) : watching
      }
      await runtime.runPromise(Effect.forEach(ids, consume, { concurrency: "unbounded", discard: true }))
      await runtime.dispose()
    }
  },
  "`awaitVideo`, a consumer each": async () => {
    const { Effect, library, runtimeOf } = await ours()
    return async ({ baseUrl, ended, ids, waitOf }) => {
      const runtime = runtimeOf(baseUrl)
      const consume = (id: string) => {
        const watching = library.awaitVideo(id, {
          onUpdate: (video) =>
            Effect.sync(() => {
              if (library.isTerminal(video)) ended(id)
            })
        })
        const wait = waitOf(id)
        return wait > 0 ? Effect.delay(watching, wait) : watching
      }
      await runtime.runPromise(Effect.forEach(ids, consume, { concurrency: "unbounded", discard: true }))
      await runtime.dispose()
    }
  },
  "`watchVideos`, one stream": async () => {
    const { Effect, Stream, library, runtimeOf } = await ours()
    return async ({ baseUrl, ended, ids, waitOf }) => {
      const runtime = runtimeOf(baseUrl)
      const isSpread = waitOf(ids.at(-1) ?? "") > 0
      const arriving = Stream.mapEffect(Stream.fromIterable(ids), (id) =>
        Effect.suspend(() => Effect.delay(Effect.succeed(id), Math.max(0, waitOf(id))))
      )
      await runtime.runPromise(
        Stream.runForEach(library.watchVideos(isSpread ? arriving : ids), (update) =>
          update._tag === "VideoLost"
            ? Effect.fail(update.error)
            : Effect.sync(() => {
                if (update._tag === "VideoEnded") ended(update.id)
              })
        )
      )
      await runtime.dispose()
    }
  }
}

// -----------------------------------------------------------------------------
// one contender, in this process
// -----------------------------------------------------------------------------

interface Figures extends Counts {
  /** KiB per job while all watches wait. */
  readonly rss: number
  /** Seconds. */
  readonly cpu: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

const collect = (): void => {
  if (globalThis.gc === undefined) throw new Error("needs --expose-gc")
  globalThis.gc()
}

const cpuMillis = (since?: NodeJS.CpuUsage): number => {
  const { system, user } = process.cpuUsage(since)
  return (system + user) / 1000
}

/** Returns the smallest of three samples, which excludes memory of requests in flight, and the CPU time of the sampling. */
const settledMemory = async () => {
  const before = process.cpuUsage()
  let least = Number.POSITIVE_INFINITY
  let cpu = 0
  for (let sample = 0; sample < 3; sample++) {
    if (sample > 0) await sleep(interval / 4)
    const start = process.cpuUsage()
    collect()
    cpu += cpuMillis(start)
    least = Math.min(least, process.memoryUsage.rss())
  }
  return { rss: least, cpu: Math.min(cpu, cpuMillis(before)) }
}

const lastEndOf = ({ run, spread, stagger, startsAt }: Jobs): number => startsAt + spread + run + stagger

const indexOf = (id: string): number => Number(id.slice(id.lastIndexOf("_") + 1))

const measure = async (
  name: string,
  baseUrl: string,
  { count, run, spread }: { readonly count: number; readonly run: number; readonly spread: number }
): Promise<Figures> => {
  const load = contenders[name]
  if (load === undefined) throw new Error(`no contender ${name}`)
  const watch = await load()
  const origin = new URL(baseUrl).origin
  const begin = async (jobs: Jobs) => {
    await (await fetch(`${origin}/jobs`, { method: "POST", body: JSON.stringify(jobs) })).text()
    return Array.from({ length: jobs.count }, (_, index) => idOf(jobs, index))
  }

  // The warm-up loads and compiles the code, fills the pools, and lets the young generation of the heap grow.
  const warmUp: Jobs = { prefix: "warm", count: 1000, startsAt: Date.now(), stagger: 500, run: 1500, spread: 0 }
  await watch({ baseUrl, ids: await begin(warmUp), waitOf: () => 0, until: lastEndOf(warmUp), ended: () => {} })
  const { rss: baseline } = await settledMemory()

  const stagger = 2000
  const jobs: Jobs = { prefix: "video", count, startsAt: Date.now(), stagger, run, spread }
  const ids = await begin(jobs)
  const lags: Array<number> = []
  const before = process.cpuUsage()
  const watching = watch({
    baseUrl,
    ids,
    waitOf: (id) => startOf(jobs, indexOf(id)) - Date.now(),
    until: lastEndOf(jobs),
    ended: (id) => lags.push(Date.now() - endOf(jobs, indexOf(id)))
  })
  // All watches have started; with no spread, no job has ended yet.
  const memory = sleep(jobs.startsAt + Math.max(run / 2, spread) - Date.now()).then(settledMemory)
  await watching
  const total = cpuMillis(before)
  const { cpu, rss } = await memory
  if (lags.length !== count) throw new Error(`the consumers learned the end of ${lags.length} of ${count} jobs`)
  lags.sort((a, b) => a - b)
  const counts = (await (await fetch(`${origin}/counts`)).json()) as Counts
  return {
    ...counts,
    rss: (rss - baseline) / 1024 / count,
    cpu: (total - cpu) / 1000,
    p50: lags[count >> 1] ?? Number.NaN,
    p99: lags[Math.floor(count * 0.99)] ?? Number.NaN
  }
}

// -----------------------------------------------------------------------------
// all of them
// -----------------------------------------------------------------------------

/** Makes `effect-videos` resolve to the built package, not to the sources of this repository. */
const start = (...words: ReadonlyArray<string>): ChildProcess =>
  fork(fileURLToPath(import.meta.url), words, {
    execArgv: ["--expose-gc", "--import", import.meta.resolve("tsx")],
    env: { ...process.env, TSX_TSCONFIG_PATH: fileURLToPath(new URL("../tsconfig.base.json", import.meta.url)) }
  })

const outcome = async (name: string, port: number, size: Size): Promise<Figures | string> => {
  const child = start("measure", name, `http://127.0.0.1:${port}/v1`, JSON.stringify(size))
  const late = setTimeout(() => child.kill(), size.spread + size.run + patience)
  let figures: Figures | null = null
  child.on("message", (message: Figures) => (figures = message))
  const [code, signal] = await once(child, "exit")
  clearTimeout(late)
  return figures ?? `did not finish (${signal ?? code})`
}

const rowOf = (name: string, found: Figures | string, { count, spread }: Size): object => {
  if (typeof found === "string") return { "requests/job": found }
  // Of a spread fleet, some jobs have ended when the last watch begins; a small one is lost in the process's own memory.
  const memory = spread > 0 || count < 2000 ? {} : { "KiB/job": Number(found.rss.toFixed(1)) }
  if (name === floor) return memory
  return {
    ...memory,
    "CPU s": Number(found.cpu.toFixed(2)),
    "requests/job": Number((found.requests / count).toFixed(2)),
    sockets: found.sockets,
    "lag p50 ms": Math.round(found.p50),
    "lag p99 ms": Math.round(found.p99)
  }
}

const all = async () => {
  await import("./build.js")
  const server = start("serve")
  const [port] = await once(server, "message")
  for (const size of sizes) {
    const { count, run, spread } = size
    const begun = spread === 0 ? "at once" : `begun within ${spread / 1000} s`
    console.log(
      `\n${count.toLocaleString("en")} jobs of ${run / 1000} s, watched ${begun}; a loop polls every ${interval / 1000} s\n`
    )
    const rows: Record<string, object> = {}
    for (const name of Object.keys(contenders)) {
      if (name === floor && (spread > 0 || count !== 2000)) continue
      rows[name] = rowOf(name, await outcome(name, port, size), size)
    }
    console.table(rows)
  }
  server.disconnect()
}

const [, , mode, name, baseUrl, size] = process.argv
if (mode === "serve") serve()
else if (mode === "measure") {
  // Open keep-alive connections would keep the process running.
  process.send?.(await measure(name ?? "", baseUrl ?? "", JSON.parse(size ?? "{}")), () => process.exit(0))
} else await all()
