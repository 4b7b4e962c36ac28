import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Schedule,
  ScheduleDecision,
  ScheduleInterval,
  Stream,
  TestClock
} from "effect"
import { awaitVideo, type VideoResource, Videos, type WatchOptions, watchVideo } from "effect-videos"
import { broken, jobsOf, makeFleet } from "./support/fleet.js"

const every = (seconds: number): WatchOptions => ({
  poll: Schedule.spaced(`${seconds} seconds`),
  retry: Schedule.spaced("1 second")
})

/** A consumer in a fiber of its own, and what it has got. */
const consume = (options: WatchOptions, id = "video_0") =>
  Effect.suspend(() => {
    const got: Array<VideoResource> = []
    return Effect.map(
      Effect.fork(Stream.runForEach(watchVideo(id, options), (video) => Effect.sync(() => got.push(video)))),
      (fiber) => ({ fiber, got, progress: () => got.map(({ progress }) => progress) })
    )
  })

/** A program over one layer of virtual jobs, so that all its watches have one hub. */
const over = <A, E>(fleet: ReturnType<typeof makeFleet>, program: Effect.Effect<A, E, Videos>): Effect.Effect<A, E> =>
  Effect.provide(program, fleet.layer)

describe("many consumers of one job", () => {
  it.effect("share one poller, and each gets every change", () => {
    const fleet = makeFleet(jobsOf(1))
    return over(
      fleet,
      Effect.gen(function* () {
        const consumers = yield* Effect.replicateEffect(consume(every(1)), 10)
        yield* TestClock.adjust("1 minute")
        for (const { fiber, got } of consumers) {
          yield* Fiber.join(fiber)
          assert.strictEqual(got.length, 21)
          assert.strictEqual(got.at(-1)?.status, "completed")
        }
        assert.strictEqual(fleet.polls.length, 21)
      })
    )
  })

  it.effect("a late one receives the latest snapshot at once, without a poll", () => {
    const fleet = makeFleet(jobsOf(1))
    return over(
      fleet,
      Effect.gen(function* () {
        yield* consume(every(4))
        yield* TestClock.adjust("6 seconds")
        const late = yield* consume(every(4))
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(late.progress(), [20])
        assert.strictEqual(fleet.polls.length, 2)
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(late.fiber)
        // 0, 4, 8, 12, 16 and 20 seconds: the first one's.
        assert.strictEqual(fleet.polls.length, 6)
      })
    )
  })

  it.effect("cost what the fastest costs, and a slow one goes on by itself when that leaves", () => {
    const fleet = makeFleet(jobsOf(1, { run: 60_000 }))
    return over(
      fleet,
      Effect.gen(function* () {
        const fast = yield* consume(every(1))
        const slow = yield* consume(every(10))
        yield* TestClock.adjust("10500 millis")
        assert.strictEqual(fleet.polls.length, 11)
        assert.strictEqual(slow.got.length, 11)
        yield* Fiber.interrupt(fast.fiber)
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(
          fleet.polls.slice(11).map(({ at }) => at),
          [20_000, 30_000, 40_000]
        )
        yield* Fiber.interrupt(slow.fiber)
      })
    )
  })

  it.effect("cost no extra poll if their intervals differ", () => {
    const fleet = makeFleet(jobsOf(1, { run: 60_000 }))
    return over(
      fleet,
      Effect.gen(function* () {
        const fast = yield* consume(every(2))
        const slow = yield* consume(every(3))
        yield* TestClock.adjust("13 seconds")
        // At 3 s a poll of a second ago is new enough.
        assert.deepStrictEqual(
          fleet.polls.map(({ at }) => at),
          [0, 2000, 4000, 6000, 8000, 10_000, 12_000]
        )
        assert.deepStrictEqual(slow.progress(), fast.progress())
        yield* Fiber.interruptAll([fast.fiber, slow.fiber])
      })
    )
  })

  it.effect("step a schedule with the time of the poll, not of its processing", () => {
    const fleet = makeFleet(jobsOf(1))
    const steps: Array<readonly [at: number, progress: number | null]> = []
    const recorder = Schedule.makeWithState(null, (now, { progress }: VideoResource) => {
      steps.push([now, progress])
      return Effect.succeed([null, null, ScheduleDecision.continueWith(ScheduleInterval.after(now + 6000))] as const)
    })
    return over(
      fleet,
      Effect.gen(function* () {
        yield* consume(every(4))
        yield* consume({ poll: recorder })
        yield* TestClock.adjust("15 seconds")
        // Else a schedule that reckons with progress would take the job for slower than it is.
        assert.deepStrictEqual(steps, [
          [0, 0],
          [4000, 20],
          [8000, 40],
          [12_000, 60]
        ])
      })
    )
  })

  it.effect("a late one's schedule begins with it, however old the latest snapshot is", () => {
    const fleet = makeFleet(jobsOf(1, { run: 3_600_000 }))
    return over(
      fleet,
      Effect.gen(function* () {
        yield* consume(every(1800))
        yield* TestClock.adjust("29 minutes")
        const late = yield* consume({ poll: Schedule.upTo(Schedule.spaced("10 seconds"), "2 minutes") })
        yield* TestClock.adjust("1 minute")
        assert.isNull(late.fiber.unsafePoll())
        yield* TestClock.adjust("2 minutes")
        const error = yield* Effect.flip(Fiber.join(late.fiber))
        assert.strictEqual(error._tag, "WatchTimeoutError")
      })
    )
  })

  it.effect("share the failures too: a failing server receives one poll for all of them", () => {
    const fleet = makeFleet(jobsOf(1), { fault: (_, count) => (count > 1 && count < 6 ? broken : null) })
    return over(
      fleet,
      Effect.gen(function* () {
        const consumers = yield* Effect.replicateEffect(consume(every(1)), 50)
        yield* TestClock.adjust("30 seconds")
        for (const { fiber } of consumers) yield* Fiber.join(fiber)
        assert.strictEqual(fleet.polls.length, 21)
      })
    )
  })

  it.effect("the last to leave aborts the poll in flight, and none follows", () => {
    const fleet = makeFleet(jobsOf(1), { latency: 10_000 })
    return over(
      fleet,
      Effect.gen(function* () {
        const one = yield* consume(every(1))
        const two = yield* consume(every(1))
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(one.fiber)
        assert.strictEqual(fleet.inFlight(), 1)
        yield* Fiber.interrupt(two.fiber)
        assert.strictEqual(fleet.inFlight(), 0)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(fleet.polls.length, 1)
      })
    )
  })

  it.effect("the last to leave has left once its poll is closed, and not before", () => {
    const closing = Layer.mock(Videos, {
      retrieve: () => Effect.onInterrupt(Effect.never, () => Effect.sleep("1 second"))
    })
    return Effect.gen(function* () {
      const { fiber } = yield* consume(every(1))
      yield* TestClock.adjust("1 second")
      const leaving = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("999 millis")
      assert.isNull(yield* Fiber.poll(leaving).pipe(Effect.map(Option.getOrNull)))
      yield* TestClock.adjust("1 millis")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(leaving)))
    }).pipe(Effect.provide(closing))
  })

  it.effect("have schedules and timeouts of their own", () => {
    const fleet = makeFleet(jobsOf(1, { run: 60_000 }))
    return over(
      fleet,
      Effect.gen(function* () {
        const timed = yield* Effect.fork(Effect.exit(awaitVideo("video_0", { ...every(1), totalTimeout: "5 seconds" })))
        const counted = yield* Effect.fork(
          Effect.exit(
            awaitVideo("video_0", { poll: Schedule.intersect(Schedule.spaced("2 seconds"), Schedule.recurs(3)) })
          )
        )
        const patient = yield* consume(every(10))
        yield* TestClock.adjust("5 seconds")
        const timeout = Exit.causeOption(yield* Fiber.join(timed)).pipe(Option.flatMap(Cause.failureOption))
        assert.strictEqual(Option.getOrThrow(timeout)._tag, "WatchTimeoutError")
        assert.isTrue(Option.isNone(yield* Fiber.poll(counted)))
        yield* TestClock.adjust("1 second")
        const ended = Exit.causeOption(yield* Fiber.join(counted)).pipe(Option.flatMap(Cause.failureOption))
        assert.strictEqual(Option.getOrThrow(ended)._tag, "WatchTimeoutError")
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(patient.fiber)
        assert.strictEqual(patient.got.at(-1)?.status, "completed")
      })
    )
  })
})

describe("consumers that are slow", () => {
  it.effect("hold up no other watch, and receive the newest snapshot and the last", () => {
    const fleet = makeFleet(jobsOf(1))
    return over(
      fleet,
      Effect.gen(function* () {
        const got: Array<number | null> = []
        const slow = yield* watchVideo("video_0", every(1)).pipe(
          Stream.runForEach(({ progress }) =>
            Effect.delay(
              Effect.sync(() => got.push(progress)),
              "7 seconds"
            )
          ),
          Effect.fork
        )
        const quick = yield* consume(every(1))
        yield* TestClock.adjust("20 seconds")
        yield* Fiber.join(quick.fiber)
        assert.strictEqual(quick.got.length, 21)
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(slow)
        // Taken at 0, 7, 14 and 21 seconds.
        assert.deepStrictEqual(got, [0, 35, 70, 100])
      })
    )
  })

  it.effect("have `buffer` waiting snapshots with emit every: the oldest are dropped, the last never", () => {
    const fleet = makeFleet(jobsOf(1))
    return over(
      fleet,
      Effect.gen(function* () {
        const got: Array<number | null> = []
        const slow = yield* watchVideo("video_0", { ...every(1), emit: "every", buffer: 3 }).pipe(
          Stream.runForEach(({ progress }) =>
            Effect.delay(
              Effect.sync(() => got.push(progress)),
              "10500 millis"
            )
          ),
          Effect.fork
        )
        yield* TestClock.adjust("2 minutes")
        yield* Fiber.join(slow)
        assert.deepStrictEqual(got, [0, 40, 45, 50, 90, 95, 100])
      })
    )
  })
})

describe("schedules of users", () => {
  it.effect("one whose step takes its time holds up its own watch alone", () => {
    const fleet = makeFleet(jobsOf(2))
    return over(
      fleet,
      Effect.gen(function* () {
        const lame = Schedule.makeWithState(0, (now: number, video: VideoResource, state) =>
          Effect.delay(Schedule.spaced("1 second").step(now, video, state), "5 seconds")
        )
        const slow = yield* consume({ poll: lame }, "video_0")
        const quick = yield* consume(every(1), "video_1")
        yield* TestClock.adjust("21 seconds")
        yield* Fiber.join(quick.fiber)
        assert.strictEqual(quick.got.length, 21)
        assert.deepStrictEqual(slow.progress(), [0, 25, 50, 75, 100])
        yield* Fiber.interrupt(slow.fiber)
      })
    )
  })

  it.effect("one that throws ends its own watch with the defect", () => {
    const fleet = makeFleet(jobsOf(2))
    return over(
      fleet,
      Effect.gen(function* () {
        const thrown = { why: "no such state" }
        const faulty = Schedule.makeWithState(0, () => Effect.die(thrown))
        const dead = yield* consume({ poll: faulty }, "video_0")
        const quick = yield* consume(every(1), "video_1")
        yield* TestClock.adjust("21 seconds")
        yield* Fiber.join(quick.fiber)
        const exit = yield* Fiber.await(dead.fiber)
        assert.deepStrictEqual(Option.flatMap(Exit.causeOption(exit), Cause.dieOption), Option.some(thrown))
      })
    )
  })
})
