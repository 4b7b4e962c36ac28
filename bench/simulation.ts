/**
 * A fleet of watches on a virtual clock: the library's own hub over a `Videos` whose jobs are functions of time. No sockets,
 * no JSON: a request costs `latency` of virtual time, and nothing else.
 */
import { Clock, DateTime, Duration, Effect, Fiber, Layer, Queue, Stream } from "effect"
import {
  ServerError,
  type VideoResource,
  Videos,
  type VideosService,
  type WatchOptions,
  watchVideos
} from "effect-videos"
import { VideoId } from "effect-videos/Schema"

/** One job, in milliseconds of the virtual clock. A watch of it begins `startsAt`, when it is created, or later. */
export interface SimulatedJob {
  readonly createdAt: number
  readonly length: number
  /** When its watch begins; `null` if no watch does. Default: when it is created. */
  readonly watchedAt?: number | null
  readonly fails?: boolean
}

export interface SimulationResult {
  readonly singles: number
  readonly pages: number
  /** From a job's end to the moment its consumer is notified, sorted, in milliseconds. */
  readonly lags: ReadonlyArray<number>
  /** The most requests in one second. */
  readonly peak: number
  /** From the first to the last request, in milliseconds. */
  readonly duration: number
  /** Heap when the last watch begins, per watch, with its job's simulation; in bytes. Needs `--expose-gc`. */
  readonly bytesPerJob: number
}

/** Sleepers by time: a binary heap would do, but most share few moments. */
const makeClock = (startsAt: number) => {
  let now = startsAt
  const base = Clock.make()
  const sleepers = new Map<number, Set<() => void>>()
  const times: Array<number> = []
  const push = (at: number): void => {
    let index = times.push(at) - 1
    for (let parent = (index - 1) >> 1; index > 0 && (times[parent] as number) > at; parent = (index - 1) >> 1) {
      times[index] = times[parent] as number
      index = parent
    }
    times[index] = at
  }
  const pop = (): number | undefined => {
    const [first] = times
    const last = times.pop()
    if (first === undefined || last === undefined || times.length === 0) return first
    let index = 0
    while (true) {
      let child = 2 * index + 1
      if ((times[child + 1] ?? Number.POSITIVE_INFINITY) < (times[child] ?? Number.POSITIVE_INFINITY)) child++
      if (last <= (times[child] ?? Number.POSITIVE_INFINITY)) break
      times[index] = times[child] as number
      index = child
    }
    times[index] = last
    return first
  }
  const at = (time: number, run: () => void): (() => void) => {
    const moment = Math.max(now, Math.ceil(time))
    let runs = sleepers.get(moment)
    if (runs === undefined) {
      runs = new Set()
      sleepers.set(moment, runs)
      push(moment)
    }
    runs.add(run)
    return () => void runs.delete(run)
  }
  const clock: Clock.Clock = {
    ...base,
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => now,
    unsafeCurrentTimeNanos: () => BigInt(now) * BigInt(1_000_000),
    currentTimeMillis: Effect.sync(() => now),
    currentTimeNanos: Effect.sync(() => BigInt(now) * BigInt(1_000_000)),
    sleep: (duration: Duration.Duration) =>
      Effect.async<void>((resume) => {
        const cancel = at(now + Duration.toMillis(duration), () => resume(Effect.void))
        return Effect.sync(cancel)
      })
  }
  /** Moves to the next moment at which somebody wakes; false if there is none. */
  const next = async (): Promise<boolean> => {
    let moment = pop()
    while (moment !== undefined && sleepers.get(moment)?.size === 0) {
      sleepers.delete(moment)
      moment = pop()
    }
    if (moment === undefined) return false
    now = moment
    const runs = sleepers.get(moment)
    sleepers.delete(moment)
    for (const run of runs ?? []) run()
    await new Promise((resolve) => setImmediate(resolve))
    return true
  }
  return { clock, at, next, now: () => now }
}

const snapshotOf = (id: string, { createdAt, fails, length }: SimulatedJob, now: number): VideoResource => {
  const age = now - createdAt
  const isDone = age >= length
  return {
    id: VideoId.make(id),
    object: "video",
    model: null,
    status: isDone ? (fails === true ? "failed" : "completed") : "in_progress",
    progress: isDone ? 100 : Math.floor((100 * age) / length),
    // As the protocol has it: whole seconds.
    createdAt: DateTime.unsafeMake(Math.floor(createdAt / 1000) * 1000),
    completedAt: null,
    expiresAt: null,
    prompt: null,
    size: null,
    seconds: null,
    remixedFromVideoId: null,
    error: null,
    extra: {}
  }
}

const failure = new ServerError({ operation: "listVideos", status: 500, detail: "" })

/** Runs all watches to the ends of their jobs. */
export const simulate = async (
  given: ReadonlyArray<SimulatedJob>,
  options: {
    /** How long a request takes, in milliseconds. */
    readonly latency?: number
    readonly watch?: WatchOptions
    /** Pages that show this job, an index, fail with a 500. */
    readonly failingAt?: number
  } = {}
): Promise<SimulationResult> => {
  const { failingAt, latency = 20, watch } = options
  const startsAt = 1_790_000_000_000
  // Oldest first, so that a job's place is its index.
  const jobs = [...given].sort((a, b) => a.createdAt - b.createdAt)
  const idOf = (index: number): string => `video_${index}`
  const { at, clock, next, now } = makeClock(startsAt)
  const time = () => now() - startsAt
  let singles = 0
  let pages = 0
  let second = -1
  let inSecond = 0
  let peak = 0
  let first = -1
  const count = (): void => {
    if (first === -1) first = time()
    const current = Math.floor(time() / 1000)
    inSecond = current === second ? inSecond + 1 : 1
    second = current
    peak = Math.max(peak, inSecond)
  }
  const absolute = (job: SimulatedJob): SimulatedJob => ({ ...job, createdAt: job.createdAt + startsAt })
  const operations: Partial<VideosService> = {
    retrieve: (id) =>
      Effect.suspend(() => {
        singles++
        count()
        const job = absolute(jobs[Number(id.slice(6))] as SimulatedJob)
        return Effect.delay(
          Effect.sync(() => snapshotOf(id, job, now())),
          latency
        )
      }),
    listPages: (query) =>
      Stream.fromEffect(
        Effect.suspend(() => {
          pages++
          count()
          return Effect.delay(
            Effect.suspend(() => {
              let newest = jobs.length
              if (query?.after !== undefined) newest = Number(query.after.slice(6))
              else {
                // Jobs that are created already.
                let low = 0
                while (low < newest) {
                  const middle = (low + newest) >> 1
                  if ((jobs[middle] as SimulatedJob).createdAt <= time()) low = middle + 1
                  else newest = middle
                }
              }
              const limit = query?.limit ?? 20
              const videos: Array<VideoResource> = []
              for (let index = newest - 1; index >= 0 && videos.length < limit; index--) {
                videos.push(snapshotOf(idOf(index), absolute(jobs[index] as SimulatedJob), now()))
              }
              if (failingAt !== undefined && failingAt < newest && failingAt >= newest - limit)
                return Effect.fail(failure)
              return Effect.succeed({ videos, hasMore: newest - limit > 0 })
            }),
            latency
          )
        })
      )
  }
  const layer = Layer.succeed(Videos, operations as VideosService)
  const lags: Array<number> = []
  // One Stream for all of them: a Stream each would be most of what is measured.
  const ids = Effect.runSync(Queue.unbounded<string>())
  let left = 0
  jobs.forEach((job, index) => {
    const watchedAt = job.watchedAt === undefined ? job.createdAt : job.watchedAt
    if (watchedAt === null) return
    left++
    at(startsAt + watchedAt, () => {
      ids.unsafeOffer(idOf(index))
      if (--left > 0) return
      // All watches have begun.
      globalThis.gc?.()
      bytes = process.memoryUsage().heapUsed - before
    })
  })
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  let bytes = 0
  const watched = left
  const consumer = Effect.runFork(
    Stream.runForEach(watchVideos(Stream.fromQueue(ids), watch), (update) =>
      Effect.sync(() => {
        if (update._tag !== "VideoEnded") return
        const job = jobs[Number(update.id.slice(6))] as SimulatedJob
        lags.push(time() - Math.max(job.watchedAt ?? job.createdAt, job.createdAt + job.length))
      })
    ).pipe(Effect.provide(layer), Effect.withClock(clock))
  )
  while (await next()) {}
  await Effect.runPromise(Fiber.interrupt(consumer))
  lags.sort((a, b) => a - b)
  return { singles, pages, lags, peak, duration: time() - Math.max(0, first), bytesPerJob: bytes / watched }
}
