import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Random, Schedule, Stream, TestClock } from "effect"
import { isSameSnapshot, isTerminal, type VideoResource, watchVideo, watchVideos } from "effect-videos"
import { broken, type Job, makeFleet } from "./support/fleet.js"

const options = { poll: Schedule.spaced("2 seconds"), retry: Schedule.spaced("2 seconds") }

/** One consumer: what it got, and how many responses the server had given when it began. */
interface Consumer {
  readonly id: string
  readonly got: Array<VideoResource>
  began: number
  ended: boolean
}

/** The updates that follow from the responses: repeated ones are emitted once, and none follows the end. */
const updatesOf = (responses: ReadonlyArray<VideoResource>): ReadonlyArray<VideoResource> => {
  const changes: Array<VideoResource> = []
  for (const video of responses) {
    const last = changes.at(-1)
    if (last !== undefined && (isTerminal(last) || isSameSnapshot(last, video))) continue
    changes.push(video)
  }
  return changes
}

const groupBy = <A>(all: ReadonlyArray<A>, keyOf: (a: A) => string): ReadonlyMap<string, ReadonlyArray<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const a of all) {
    const group = groups.get(keyOf(a))
    if (group === undefined) groups.set(keyOf(a), [a])
    else group.push(a)
  }
  return groups
}

const show = (videos: ReadonlyArray<VideoResource>) => videos.map(({ progress, status }) => `${status} ${progress}`)

/** Random jobs, faults and consumers by one seed; everything happens on half seconds, so that a run is short. */
const run = (seed: string, count: number) =>
  Effect.gen(function* () {
    const between = (least: number, most: number) => Random.nextIntBetween(least, most)
    const jobs: ReadonlyArray<Job> = yield* Effect.forEach(Array.from({ length: count }), (_, index) =>
      Effect.all({
        id: Effect.succeed(`video_${index}`),
        createdAt: Effect.map(between(0, 8), (half) => half * 500),
        queue: Effect.map(between(0, 20), (half) => half * 500),
        run: Effect.map(between(1, 60), (half) => half * 500),
        fails: Effect.map(Random.next, (chance) => chance < 0.1)
      })
    )
    const faults = yield* Effect.replicateEffect(
      Effect.map(Random.next, (chance) => chance < 0.1),
      997
    )
    let asked = 0
    const fleet = makeFleet(jobs, { fault: () => (faults[++asked % faults.length] === true ? broken : null) })

    const consumerOf = (id: string) => Effect.sync((): Consumer => ({ id, got: [], began: 0, ended: false }))

    yield* Effect.gen(function* () {
      yield* TestClock.adjust("5 seconds")
      const consumers = yield* Effect.forEach(jobs, ({ id }) =>
        Effect.flatMap(between(0, 3), (howMany) => Effect.replicateEffect(consumerOf(id), howMany))
      ).pipe(Effect.map((all) => all.flat()))
      const fibers = yield* Effect.forEach(consumers, (consumer) =>
        Effect.gen(function* () {
          const delay = (yield* between(0, 30)) * 500
          const stay = (yield* between(0, 200)) * 500
          const watching = Stream.suspend(() => {
            consumer.began = fleet.responses.length
            return watchVideo(consumer.id, options)
          }).pipe(
            Stream.runForEach((video) => Effect.sync(() => consumer.got.push(video))),
            Effect.zipRight(Effect.sync(() => (consumer.ended = true)))
          )
          return yield* Effect.fork(Effect.delay(Effect.timeoutOption(watching, stay), delay))
        })
      )
      const everything = jobs.map(({ id }): Consumer => ({ id, got: [], began: 0, ended: false }))
      const byId = new Map(everything.map((consumer) => [consumer.id, consumer]))
      const all = yield* Stream.suspend(() => {
        for (const consumer of everything) consumer.began = fleet.responses.length
        return watchVideos(byId.keys(), options)
      }).pipe(
        Stream.runForEach((update) =>
          Effect.sync(() => {
            if (update._tag === "VideoLost") return assert.fail(`${update.id}: ${update.error.message}`)
            const consumer = byId.get(update.id) as Consumer
            consumer.got.push(update.video)
            consumer.ended = update._tag === "VideoEnded"
          })
        ),
        Effect.fork
      )
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.join(all)
      yield* Fiber.joinAll(fibers)

      const responses = groupBy(
        fleet.responses.map((video, place) => ({ video, place })),
        ({ video }) => video.id as string
      )
      for (const { began, ended, got, id } of [...consumers, ...everything]) {
        const after = (responses.get(id) ?? []).filter(({ place }) => place >= began)
        const expected = show(updatesOf(after.map(({ video }) => video)))
        const seen = show(got)
        // A late subscriber gets the latest snapshot first, from a response before it came.
        const own = seen.length > 0 && seen[0] !== expected[0] ? seen.slice(1) : seen
        assert.deepStrictEqual(own, expected.slice(0, own.length), id)
        if (ended && got.length > 1) assert.strictEqual(own.length, expected.length, id)
        assert.isTrue(!ended || isTerminal(got.at(-1) as VideoResource), id)
      }
      assert.isTrue(everything.every(({ ended }) => ended))

      // All subscribers have left: no request follows.
      const before = fleet.requests()
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(fleet.requests(), before)
      assert.strictEqual(fleet.inFlight(), 0)
      return { consumers: consumers.length, requests: before }
    }).pipe(Effect.provide(fleet.layer))
    return fleet
  }).pipe(Effect.withRandom(Random.make(seed)))

describe("many virtual jobs, a tenth of all requests failing, consumers that come and go", () => {
  it.effect.each([
    [150, "one"],
    [50, "two"],
    [8, "four"]
  ] as const)(
    "%i jobs: no update is lost, out of order or after the end, and nothing is asked once all have left (seed %s)",
    ([count, seed]) =>
      Effect.gen(function* () {
        const fleet = yield* run(seed, count)
        // Single polls would be some twenty for each job.
        if (count === 150) assert.isTrue(fleet.requests() < 3 * 150, `${fleet.requests()} requests`)
        assert.strictEqual(fleet.pages.length > 0, count > 10)
      }),
    120_000
  )
})

/** When a job was watched, in milliseconds of the clock. */
interface Stay {
  readonly id: string
  readonly from: number
  readonly to: number
}

describe("jobs without a watch for a while", () => {
  it.effect.each(["one", "two"])("are not polled meanwhile (seed %s)", (seed) =>
    Effect.gen(function* () {
      const between = (least: number, most: number) => Random.nextIntBetween(least, most)
      // Fewer than are read by pages, which also show jobs that are not watched.
      const jobs = Array.from(
        { length: 15 },
        (_, index): Job => ({ id: `video_${index}`, createdAt: 0, queue: 0, run: 120_000 })
      )
      const fleet = makeFleet(jobs, { latency: 300, fault: (_, count) => (count % 10 === 0 ? broken : null) })
      const stays: Array<Stay> = []
      yield* Effect.forEach(
        jobs,
        ({ id }) =>
          Effect.gen(function* () {
            // One after the other and at the same time, with pauses in which a job is alone.
            const delay = yield* between(0, 100_000)
            const stay = yield* between(0, 20_000)
            yield* Effect.sleep(delay)
            const from = yield* Clock.currentTimeMillis
            yield* Effect.timeoutOption(Stream.runDrain(watchVideo(id, options)), stay)
            stays.push({ id, from, to: yield* Clock.currentTimeMillis })
          }).pipe(Effect.replicateEffect(4, { concurrency: "unbounded" })),
        { concurrency: "unbounded" }
      ).pipe(
        Effect.provide(fleet.layer),
        Effect.fork,
        Effect.zipLeft(TestClock.adjust("5 minutes")),
        Effect.flatMap(Fiber.join)
      )
      assert.isAbove(fleet.polls.length, 100)
      assert.deepStrictEqual(
        fleet.polls.filter(({ at, id }) => !stays.some((stay) => stay.id === id && stay.from <= at && at <= stay.to)),
        []
      )
      assert.strictEqual(fleet.inFlight(), 0)
    }).pipe(Effect.withRandom(Random.make(seed)))
  )
})
