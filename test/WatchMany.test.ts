import { assert, describe, it } from "@effect/vitest"
import { Cause, Chunk, Data, Effect, Either, Exit, Fiber, Option, Queue, Schedule, Stream, TestClock } from "effect"
import {
  awaitVideos,
  OperationUnsupportedError,
  type VideoResource,
  type Videos,
  type VideoUpdate,
  type WatchVideosOptions,
  watchVideos
} from "effect-videos"
import { at, broken, endOf, type FleetOptions, type Job, jobsOf, makeFleet } from "./support/fleet.js"

const everySecond: WatchVideosOptions = { poll: Schedule.spaced("1 second"), retry: Schedule.spaced("1 second") }

const idsOf = (jobs: ReadonlyArray<Job>) => jobs.map(({ id }) => id)

const over = <A, E>(fleet: ReturnType<typeof makeFleet>, program: Effect.Effect<A, E, Videos>): Effect.Effect<A, E> =>
  Effect.provide(program, fleet.layer)

/** Watches all jobs to their ends, on a virtual clock that has passed their creation. */
const watchAll = (jobs: ReadonlyArray<Job>, options: FleetOptions = {}, watching: WatchVideosOptions = everySecond) => {
  const fleet = makeFleet(jobs, options)
  return over(
    fleet,
    Effect.gen(function* () {
      yield* TestClock.adjust("30 seconds")
      const updates: Array<VideoUpdate> = []
      const fiber = yield* watchVideos(idsOf(jobs), watching).pipe(
        Stream.runForEach((update) => Effect.sync(() => updates.push(update))),
        Effect.fork
      )
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.join(fiber)
      return { fleet, updates, ended: updates.filter(({ _tag }) => _tag === "VideoEnded") }
    })
  )
}

const unsupported = new OperationUnsupportedError({
  operation: "listVideos",
  status: 404,
  detail: "",
  origin: "http://server",
  route: "GET /videos"
})

const long = { run: 60_000 }

describe("watchVideos", () => {
  it.effect("emits every change of every job and each job's end, then ends", () =>
    Effect.gen(function* () {
      const jobs = jobsOf(3, long)
      const { updates } = yield* watchAll(jobs)
      for (const { id } of jobs) {
        const own = updates.filter((update) => update.id === id)
        assert.strictEqual(own.at(-1)?._tag, "VideoEnded")
        assert.isTrue(own.slice(0, -1).every(({ _tag }) => _tag === "VideoChanged"))
        assert.isTrue(own.length > 25)
      }
    })
  )

  it.effect("a job that failed has ended; a watch that failed is lost; neither ends the others", () =>
    Effect.gen(function* () {
      const [one, two] = jobsOf(2, long) as [Job, Job]
      const fleet = makeFleet([one, { ...two, fails: true }])
      const updates = yield* over(
        fleet,
        Effect.gen(function* () {
          yield* TestClock.adjust("30 seconds")
          const fiber = yield* Effect.fork(
            Stream.runCollect(watchVideos([one.id, two.id, "video_none", "../x"], everySecond))
          )
          yield* TestClock.adjust("2 minutes")
          return Chunk.toReadonlyArray(yield* Fiber.join(fiber))
        })
      )
      const last = (id: string) => updates.filter((update) => update.id === id).at(-1)
      const [completed, failed, lost] = [last(one.id), last(two.id), last("video_none")]
      assert(completed?._tag === "VideoEnded" && failed?._tag === "VideoEnded" && lost?._tag === "VideoLost")
      assert.strictEqual(completed.video.status, "completed")
      assert.strictEqual(failed.video.status, "failed")
      assert.strictEqual(lost.error._tag, "VideoNotFoundError")
      assert.isNull(lost.lastSnapshot)
    })
  )

  it.effect("watches an id that is given twice once, and takes one text for one id", () => {
    const fleet = makeFleet(jobsOf(1, long))
    return over(
      fleet,
      Effect.gen(function* () {
        const twice = yield* Effect.fork(Stream.runCollect(watchVideos(["video_0", "video_0"], everySecond)))
        const text = yield* Effect.fork(Stream.runCollect(watchVideos("video_0", everySecond)))
        yield* TestClock.adjust("2 minutes")
        assert.deepStrictEqual(yield* Fiber.join(twice), yield* Fiber.join(text))
      })
    )
  })

  it.effect("ends at once without ids", () =>
    Effect.gen(function* () {
      const fleet = makeFleet([])
      assert.strictEqual(yield* over(fleet, Stream.runCount(watchVideos([]))), 0)
      assert.strictEqual(yield* over(fleet, Stream.runCount(watchVideos(Stream.empty))), 0)
    })
  )

  it.effect("goes on from snapshots, and emits those that are terminal", () => {
    const [job] = jobsOf(1, long) as [Job]
    const fleet = makeFleet([job])
    return over(
      fleet,
      Effect.gen(function* () {
        const ended = at({ ...job, id: "video_old" }, 100_000)
        const fiber = yield* Effect.fork(Stream.runCollect(watchVideos([at(job, 0), ended], everySecond)))
        yield* TestClock.adjust("2 minutes")
        const updates = Chunk.toReadonlyArray(yield* Fiber.join(fiber))
        const [first, second] = updates
        assert(first?._tag === "VideoEnded" && second?._tag === "VideoChanged")
        assert.strictEqual(first.video, ended)
        // What the snapshot said is not repeated.
        assert.notStrictEqual(second.video.progress, 0)
        assert.isFalse(fleet.polls.some(({ id }) => id === "video_old"))
      })
    )
  })

  it.effect("takes jobs from a Stream as they come, and ends when that and all of them have", () => {
    const fleet = makeFleet(jobsOf(2, long))
    return over(
      fleet,
      Effect.gen(function* () {
        const ids = yield* Queue.unbounded<string>()
        const ends: Array<string> = []
        const fiber = yield* watchVideos(Stream.fromQueue(ids), everySecond).pipe(
          Stream.runForEach(({ _tag, id }) => Effect.sync(() => (_tag === "VideoEnded" ? ends.push(id) : 0))),
          Effect.fork
        )
        yield* Queue.offer(ids, "video_0")
        yield* TestClock.adjust("70 seconds")
        assert.deepStrictEqual(ends, ["video_0"])
        yield* Queue.offer(ids, "video_1")
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(ends, ["video_0", "video_1"])
        assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
        yield* Queue.shutdown(ids)
        yield* TestClock.adjust("1 second")
        assert.isTrue(Option.isSome(yield* Fiber.poll(fiber)))
      })
    )
  })

  it.effect("fails with the error of the Stream that gives the jobs, and leaves nothing running", () => {
    class Lost extends Data.TaggedError("Lost") {}
    const fleet = makeFleet(jobsOf(1, long))
    return over(
      fleet,
      Effect.gen(function* () {
        const ids = Stream.concat(Stream.make("video_0"), Stream.fromEffect(Effect.delay(new Lost(), "5500 millis")))
        const fiber = yield* Effect.fork(Effect.exit(Stream.runDrain(watchVideos(ids, everySecond))))
        yield* TestClock.adjust("1 minute")
        const exit = yield* Fiber.join(fiber)
        assert.deepStrictEqual(Option.flatMap(Exit.causeOption(exit), Cause.failureOption), Option.some(new Lost()))
        assert.strictEqual(fleet.polls.length, 6)
      })
    )
  })

  it.effect("watches no more at once than `concurrency`", () => {
    const jobs = jobsOf(5, { run: 10_000 })
    const fleet = makeFleet(jobs)
    return over(
      fleet,
      Effect.gen(function* () {
        const fiber = yield* Effect.fork(
          Stream.runCollect(watchVideos(idsOf(jobs), { ...everySecond, concurrency: 2 }))
        )
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual([...new Set(fleet.polls.map(({ id }) => id))], ["video_0", "video_1"])
        yield* TestClock.adjust("1 minute")
        const updates = Chunk.toReadonlyArray(yield* Fiber.join(fiber))
        assert.strictEqual(updates.filter(({ _tag }) => _tag === "VideoEnded").length, 5)
      })
    )
  })

  it.effect.each([
    [3, "polls"],
    [60, "pages"]
  ] as const)("an interruption stops them all, and what is in flight: %i jobs, by %s", ([count, by]) => {
    const jobs = jobsOf(count, long)
    const fleet = makeFleet(jobs, { latency: 500 })
    return over(
      fleet,
      Effect.gen(function* () {
        yield* TestClock.adjust("1 second")
        const fiber = yield* Effect.fork(Stream.runDrain(watchVideos(Stream.fromIterable(idsOf(jobs)), everySecond)))
        yield* TestClock.adjust("6200 millis")
        assert.strictEqual(fleet.inFlight(), by === "pages" ? 1 : count)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(fleet.inFlight(), 0)
        assert.strictEqual(fleet.pages.length > 0, by === "pages")
        const before = fleet.requests()
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(fleet.requests(), before)
      })
    )
  })
})

describe("awaitVideos", () => {
  it.effect("gives each job's end in the order of the ids, failures as data", () => {
    const [one, two] = jobsOf(2, long) as [Job, Job]
    const fleet = makeFleet([one, { ...two, fails: true }])
    return over(
      fleet,
      Effect.gen(function* () {
        const fiber = yield* Effect.fork(awaitVideos([two.id, "video_none", one.id, two.id], everySecond))
        yield* TestClock.adjust("2 minutes")
        const ends = yield* Fiber.join(fiber)
        assert.deepStrictEqual(
          ends.map(Either.match({ onLeft: ({ _tag }) => _tag, onRight: ({ status }) => status })),
          ["VideoFailedError", "VideoNotFoundError", "completed", "VideoFailedError"]
        )
      })
    )
  })
})

describe("pages instead of single polls", () => {
  it.effect("two hundred jobs cost three requests a round, not two hundred, and all end in time", () =>
    Effect.gen(function* () {
      const jobs = jobsOf(200, long)
      const { ended, fleet, updates } = yield* watchAll(jobs)
      assert.strictEqual(ended.length, 200)
      // 31 rounds of two pages, and a poll of its own to compare, every 16 pages.
      assert.isTrue(fleet.pages.length <= 67, `${fleet.pages.length} pages`)
      assert.isTrue(fleet.polls.length <= 8, `${fleet.polls.length} polls`)
      for (const { id } of jobs) {
        const own = updates.filter((update) => update.id === id)
        const progress = own.map((update) => (update._tag === "VideoLost" ? null : update.video.progress))
        assert.deepStrictEqual(
          progress,
          [...progress].sort((a, b) => (a ?? 0) - (b ?? 0))
        )
      }
    })
  )

  it.effect("a slow page does not undo what a poll has shown since", () =>
    Effect.gen(function* () {
      const jobs = jobsOf(30, long)
      const byId = new Map(jobs.map((job) => [job.id, job]))
      // A page says what was so when it was asked for; the poll that is compared with it comes while the next is on its way.
      const { fleet, updates } = yield* watchAll(jobs, {
        latency: (id) => (id === null ? 900 : 1500),
        list: (page, now) => ({
          ...page,
          videos: page.videos.map((video) => at(byId.get(video.id) as Job, now - 900))
        })
      })
      assert.isAbove(fleet.polls.length, 0)
      for (const { id } of jobs) {
        const progress = updates.flatMap((update) =>
          update.id === id && update._tag === "VideoChanged" ? [update.video.progress] : []
        )
        assert.deepStrictEqual(
          progress,
          [...progress].sort((a, b) => (a ?? 0) - (b ?? 0))
        )
      }
    })
  )

  it.effect("jobs that a list shows a second late are found there all the same", () =>
    Effect.gen(function* () {
      const jobs = jobsOf(40, long)
      const fleet = makeFleet(jobs, {
        list: (page, now) => ({
          ...page,
          videos: page.videos.filter(({ createdAt }) => (createdAt?.epochMillis ?? 0) <= now - 1000)
        })
      })
      yield* TestClock.adjust("600 millis")
      const fiber = yield* Effect.fork(over(fleet, awaitVideos(idsOf(jobs))))
      yield* TestClock.adjust("90 seconds")
      yield* Fiber.join(fiber)
      assert.isBelow(fleet.requests(), 160)
    })
  )

  it.effect("fewer jobs than the threshold are polled one by one", () =>
    Effect.gen(function* () {
      const { fleet } = yield* watchAll(jobsOf(9, long))
      assert.strictEqual(fleet.pages.length, 0)
    })
  )

  it.effect("jobs that are far apart in a long list are not searched for page after page", () =>
    Effect.gen(function* () {
      const all = jobsOf(4000, { run: 60_000 })
      const fleet = makeFleet(all)
      yield* over(
        fleet,
        Effect.gen(function* () {
          yield* TestClock.adjust("30 seconds")
          const ids = idsOf(all.filter((_, index) => index % 100 === 0))
          const fiber = yield* Effect.fork(Stream.runDrain(watchVideos(ids, everySecond)))
          yield* TestClock.adjust("2 minutes")
          yield* Fiber.join(fiber)
        })
      )
      // A quarter of the forty, once; then one by one.
      assert.strictEqual(fleet.pages.length, 10)
    })
  )

  it.effect("new jobs that push others off the first page lose no job", () =>
    Effect.gen(function* () {
      const watched = jobsOf(60, { run: 60_000 })
      const newer = Array.from({ length: 400 }, (_, index) => ({
        id: `new_${index}`,
        createdAt: 31_000 + index * 50,
        queue: 0,
        run: 60_000
      }))
      const fleet = makeFleet([...watched, ...newer])
      const updates = yield* over(
        fleet,
        Effect.gen(function* () {
          yield* TestClock.adjust("30 seconds")
          const fiber = yield* Effect.fork(Stream.runCollect(watchVideos(idsOf(watched), everySecond)))
          yield* TestClock.adjust("2 minutes")
          return Chunk.toReadonlyArray(yield* Fiber.join(fiber))
        })
      )
      assert.strictEqual(updates.filter(({ _tag }) => _tag === "VideoEnded").length, 60)
      assert.isTrue(fleet.requests() < 31 * 6, `${fleet.requests()} requests`)
    })
  )

  /** Runs twenty jobs against a list that is off, and sees that all end, and in time. */
  const survives = (options: FleetOptions) =>
    Effect.gen(function* () {
      const jobs = jobsOf(20, long).map((job, index) => ({ ...job, createdAt: index * 1200 }))
      const { ended, fleet } = yield* watchAll(jobs, options)
      assert.strictEqual(ended.length, 20)
      return fleet
    })

  const untrusted: ReadonlyArray<readonly [string, FleetOptions]> = [
    [
      "that leaves out jobs",
      { list: (page) => ({ ...page, videos: page.videos.filter((_, index) => index % 3 > 0) }) }
    ],
    ["in the wrong order", { list: (page) => ({ ...page, videos: [...page.videos].reverse() }) }],
    [
      "that says less than a poll",
      {
        list: (page) => ({ ...page, videos: page.videos.map((video): VideoResource => ({ ...video, progress: null })) })
      }
    ],
    ["that is not implemented", { fault: (id) => (id === null ? unsupported : null) }],
    ["that fails while single polls work", { fault: (id) => (id === null ? broken : null) }],
    [
      "that sends the same page for each cursor",
      {
        list: (page) => ({
          videos: jobsOf(20, long)
            .slice(0, 7)
            .reverse()
            .map((job) => at(job, page.videos.length)),
          hasMore: true
        })
      }
    ]
  ]

  it.effect.each(untrusted)("goes back to single polls, for good, over a list %s", ([, options]) =>
    Effect.gen(function* () {
      const fleet = yield* survives(options)
      const lastPage = fleet.pages.at(-1)?.at ?? 0
      assert.isTrue(lastPage < 45_000, `read until ${lastPage}`)
      assert.isTrue(fleet.polls.length > 20 * 14, `${fleet.polls.length} polls`)
    })
  )

  it.effect("a list that shows ended jobs as running is detected by single polls", () =>
    Effect.gen(function* () {
      // The truth as it was when the list was first read: nothing ever moves in it.
      const frozen = (page: { readonly videos: ReadonlyArray<VideoResource>; readonly hasMore: boolean | null }) => ({
        ...page,
        videos: page.videos.map((video) => ({ ...video, status: "in_progress", progress: 50 }))
      })
      const fleet = yield* survives({ list: frozen })
      assert.isTrue(fleet.pages.length > 0)
    })
  )

  it.effect("a bounded run of failing pages ends no watch, and the list is read again after it", () =>
    Effect.gen(function* () {
      const jobs = jobsOf(60, long)
      const { ended, fleet } = yield* watchAll(jobs, {
        fault: (_id, _count, now) => (now > 33_000 && now < 37_500 ? broken : null)
      })
      assert.strictEqual(ended.length, 60)
      assert.isTrue(fleet.pages.some(({ at }) => at > endOf(jobs[0] as Job) - 5000))
    })
  )
})
