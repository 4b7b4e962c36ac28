/** Watches that begin when they like, over the whole library but its sockets, on a virtual clock. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, FastCheck, Fiber, Layer, Schedule, Stream, TestClock } from "effect"
import { defaultPollSchedule, isTerminal, Videos, type WatchOptions, watchVideo } from "effect-videos"
import { simulate } from "../bench/simulation.js"
import { runs } from "./support/seeds.js"
import { job as jobBody } from "./support/videos.js"

interface Job {
  /** In seconds, of the virtual clock. */
  readonly createdAt: number
  readonly length: number
  readonly every: number
  /** When its watch begins, in seconds after its creation; `null` for another program's job. */
  readonly watchedAfter: number | null
  /** Whether the server wants ten seconds between two polls of it. */
  readonly hinted: boolean
}

const hintMillis = 10_000
const latency = 20

/** A server with these jobs, newest first in its list; counts its requests. */
const makeServer = (jobs: ReadonlyArray<Job>, options: { readonly watching?: { readonly list: "never" } } = {}) => {
  const byTime = jobs.map((job, index) => ({ ...job, id: `video_${index}` })).sort((a, b) => b.createdAt - a.createdAt)
  const counts = { singles: 0, pages: 0 }
  const bodyOf = (job: (typeof byTime)[number], now: number) => {
    const age = now / 1000 - job.createdAt
    const isDone = age >= job.length
    return jobBody({
      id: job.id,
      status: isDone ? "completed" : "in_progress",
      progress: isDone ? 100 : Math.max(0, Math.floor((100 * age) / job.length)),
      created_at: job.createdAt
    })
  }
  const respond = (url: URL, now: number): Response => {
    const id = url.pathname.split("/").at(-1)
    if (id !== "videos") {
      counts.singles++
      const job = byTime.find((job) => job.id === id)
      if (job === undefined) return new Response("{}", { status: 404 })
      const headers = job.hinted ? { "openai-poll-after-ms": String(hintMillis) } : {}
      return new Response(JSON.stringify(bodyOf(job, now)), { headers })
    }
    counts.pages++
    const created = byTime.filter(({ createdAt }) => createdAt * 1000 <= now)
    const after = url.searchParams.get("after")
    const from = after === null ? 0 : created.findIndex(({ id }) => id === after) + 1
    const data = created.slice(from, from + 100).map((job) => bodyOf(job, now))
    return new Response(JSON.stringify({ object: "list", data, has_more: from + 100 < created.length }))
  }
  const client = HttpClient.make((request, url) =>
    Effect.zipRight(
      Effect.sleep(latency),
      Effect.map(Clock.currentTimeMillis, (now) => HttpClientResponse.fromWeb(request, respond(url, now)))
    )
  )
  const layer = Videos.layer({ baseUrl: "http://videos.invalid/v1", ...options }).pipe(
    Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
  )
  return { counts, layer }
}

/** Runs all watches to the ends of their jobs; returns how late each end was emitted, in milliseconds. */
const run = (jobs: ReadonlyArray<Job>, options: (job: Job) => WatchOptions) => {
  const server = makeServer(jobs)
  const lags = new Map<Job, number>()
  const watches = Effect.forEach(
    jobs,
    (job, index) => {
      if (job.watchedAfter === null) return Effect.void
      const startsAt = (job.createdAt + job.watchedAfter) * 1000
      const watching = Stream.runForEach(watchVideo(`video_${index}`, options(job)), (video) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const endedAt = Math.max(startsAt, (job.createdAt + job.length) * 1000)
          if (isTerminal(video)) lags.set(job, now - endedAt)
        })
      )
      return Effect.delay(watching, startsAt)
    },
    { concurrency: "unbounded", discard: true }
  )
  return Effect.gen(function* () {
    const fiber = yield* Effect.fork(watches)
    yield* TestClock.adjust("15 seconds")
    const watchers = (yield* Videos.watchers).jobs
    yield* TestClock.adjust("165 seconds")
    yield* Fiber.join(fiber)
    return { lags, watchers, requests: server.counts.singles + server.counts.pages, ...server.counts }
  }).pipe(Effect.provide(server.layer))
}

/** What single polls would cost: one at the start, and one each interval until the end has been seen. */
const singlePolls = (jobs: ReadonlyArray<Job>): number =>
  jobs.reduce((sum, { every, length, watchedAfter }) => {
    if (watchedAfter === null) return sum
    return sum + 1 + Math.ceil(Math.max(0, length - watchedAfter) / every)
  }, 0)

const seconds = (max: number) => FastCheck.integer({ min: 1, max })

const job: FastCheck.Arbitrary<Job> = FastCheck.record({
  createdAt: seconds(30),
  length: seconds(40),
  every: seconds(5),
  watchedAfter: FastCheck.oneof(
    { weight: 6, arbitrary: FastCheck.nat(10) },
    { weight: 1, arbitrary: FastCheck.constant(null) }
  ),
  hinted: FastCheck.boolean()
})

describe("a fleet that starts when it likes", () => {
  it.effect.prop(
    "costs no more than single polls and the pages of searches, and emits each end in time",
    [FastCheck.array(job, { minLength: 15, maxLength: 60, size: "max" })],
    ([jobs]) =>
      Effect.gen(function* () {
        const { lags, requests } = yield* run(jobs, ({ every }) => ({ poll: Schedule.spaced(`${every} seconds`) }))
        const watched = jobs.filter(({ watchedAfter }) => watchedAfter !== null)
        const searches = Math.ceil(watched.length / 4) + 3
        assert.isAtMost(requests, singlePolls(jobs) + searches)
        for (const job of watched) {
          const interval = Math.max(job.every * 1000, job.hinted ? hintMillis : 0, 2000)
          // One page may be on its way when the poll is due, and another shows the job.
          assert.isAtMost(lags.get(job) ?? Number.POSITIVE_INFINITY, interval + 4 * latency)
        }
      }),
    { fastCheck: { numRuns: runs(1) } }
  )

  // Ten jobs are polled singly before pages are read. Then the fewest pages show all of them, about every second second.
  it.effect.each([
    [200, "every two seconds", Schedule.spaced("2 seconds"), { perJob: 0.3, lag: 2000 }],
    [200, "by the default schedule", defaultPollSchedule, { perJob: 0.3, lag: 1650 }],
    [1000, "by the default schedule", defaultPollSchedule, { perJob: 0.2, lag: 1650 }]
  ] as const)("%d jobs of 20 s, begun at random times within 20 s, %s", ([count, , poll, most]) =>
    Effect.gen(function* () {
      // The same in each run: some one fleet in a hundred needs two pages more.
      const random = FastCheck.sample(FastCheck.nat(20_000), { numRuns: count, seed: 1 })
      const jobs = random.map((createdAt) => ({ createdAt, length: 20_000 }))
      const { lags, pages, singles } = yield* Effect.promise(() => simulate(jobs, { latency, watch: { poll } }))
      assert.lengthOf(lags, count)
      assert.isAtMost((singles + pages) / count, most.perJob)
      assert.isAtMost(lags[Math.floor(count * 0.99)] ?? Number.NaN, most.lag + 4 * latency)
    })
  )

  it.effect("old jobs far apart in a long list cost what single polls cost, and `Videos.watchers` has the reason", () =>
    Effect.gen(function* () {
      // One watched job in a hundred; the others are other people's.
      const jobs = Array.from(
        { length: 1500 },
        (_, index): Job => ({
          createdAt: 1,
          length: 20,
          every: 2,
          watchedAfter: index % 100 === 50 ? 0 : null,
          hinted: false
        })
      )
      const { pages, singles, watchers } = yield* run(jobs, () => ({ poll: Schedule.spaced("2 seconds") }))
      assert.isAtMost(pages, 8)
      assert.isAtMost(singles, singlePolls(jobs))
      const reasons = new Set(watchers.map(({ readBy, reason }) => `${readBy}: ${reason}`))
      const known = ["single: its page shows 1 watched jobs", "single: the pages that were read do not show it"]
      assert.deepStrictEqual([...reasons].sort(), known)
    })
  )

  it.effect("old jobs whose watches begin one after the other are searched for a few times, not once each", () =>
    Effect.gen(function* () {
      const jobs = Array.from({ length: 6000 }, (_, index) => ({
        createdAt: index,
        length: 120_000,
        watchedAt: index % 120 === 60 ? 10_000 + 10 * index : null
      }))
      const watched = jobs.filter(({ watchedAt }) => watchedAt !== null).length
      const poll = Schedule.spaced("10 seconds")
      const { lags, pages } = yield* Effect.promise(() => simulate(jobs, { latency, watch: { poll } }))
      assert.lengthOf(lags, watched)
      assert.isAtMost(pages, 8)
    })
  )
})
