import { assert, describe, it } from "@effect/vitest"
import {
  Array as Arr,
  DateTime,
  Effect,
  FastCheck as fc,
  Random,
  Schedule,
  ScheduleDecision,
  ScheduleIntervals
} from "effect"
import { adaptivePoll, defaultPollSchedule, pollByAge, pollByProgress } from "effect-videos/Polling"
import { phaseOf, type VideoResource } from "effect-videos/Schema"
import { snapshot } from "./support/script.js"

type Poll = Schedule.Schedule<unknown, VideoResource>

const minute = 60_000

/** A run of a schedule, on a clock that the test holds: the milliseconds to wait, or `null` at its end. */
const runOf = (poll: Poll) => {
  let state = poll.initial
  return (now: number, video: VideoResource) =>
    Effect.map(poll.step(now, video, state), ([next, , decision]) => {
      state = next
      return ScheduleDecision.isDone(decision) ? null : ScheduleIntervals.start(decision.intervals) - now
    })
}

/** Follows a job; gives when polls were sent, in milliseconds since the first. */
const follow = (poll: Poll, job: (elapsed: number) => VideoResource, until = 60 * minute) =>
  Effect.gen(function* () {
    const step = runOf(poll)
    const times: Array<number> = [0]
    while (true) {
      const now = times[times.length - 1] ?? Number.NaN
      const video = job(now)
      if (now >= until || phaseOf(video) === "succeeded") return times
      const delay = yield* step(now, video)
      if (delay === null) return times
      times.push(now + delay)
    }
  })

const delaysOf = (times: ReadonlyArray<number>) => Arr.zipWith(times.slice(1), times, (next, time) => next - time)

/** Takes the jitter out. */
const steady = Effect.withRandom(Random.fixed([0.5]))

const running = (progress: number | null) => ({ ...snapshot("in_progress"), progress })

/** Waits, then runs with even progress. */
const linear =
  (queued: number, run: number) =>
  (elapsed: number): VideoResource =>
    elapsed < queued
      ? { ...snapshot("queued"), progress: 0 }
      : elapsed < queued + run
        ? running(((elapsed - queued) / run) * 100)
        : snapshot("completed")

/** Says how it is, and never how far. */
const silent =
  (run: number, status = "in_progress") =>
  (elapsed: number): VideoResource =>
    elapsed < run ? { ...snapshot(status), progress: 0 } : snapshot("completed")

const created = (epochMillis: number, video: VideoResource = running(0)): VideoResource => ({
  ...video,
  createdAt: DateTime.unsafeMake(epochMillis)
})

const today = 1_790_000_000_000

const first = (poll: Poll, video: VideoResource) =>
  Effect.map(steady(runOf(poll)(today, video)), (delay) => Math.round(delay ?? Number.NaN))

const pieces = { adaptivePoll, pollByAge, pollByProgress }

describe("every poll schedule", () => {
  const absurd = fc.record({
    status: fc.constantFrom("queued", "in_progress", "upscaling", "completed", "failed", ""),
    progress: fc.oneof(fc.double(), fc.integer({ min: 0, max: 100 }), fc.constantFrom(null, 0, 100, 1e-300, 5e-324)),
    createdAt: fc.oneof(fc.constantFrom(null, 1, 8.64e15), fc.integer({ min: -1e6, max: 1e6 })),
    gap: fc.oneof(fc.constantFrom(0, 1, 1e10, -1e6), fc.integer({ min: 0, max: 1e6 }))
  })
  const polls = fc.array(absurd, { minLength: 1, maxLength: 30 })
  const floors = fc.integer({ min: 1, max: 5000 })

  it.effect.prop(
    "stays between floor and cap, ±10 %, for all responses and clocks",
    [fc.constantFrom(...Object.values(pieces)), floors, floors, polls],
    ([make, floor, more, script]) =>
      Effect.gen(function* () {
        const step = runOf(make({ floor, cap: floor + more }))
        let now = today
        for (const { createdAt, gap, progress, status } of script) {
          now += gap
          const at = createdAt === null ? null : Math.abs(createdAt) <= 1e6 ? today + createdAt : createdAt
          const video = { ...snapshot(status), progress, createdAt: at === null ? null : DateTime.unsafeMake(at) }
          const delay = (yield* step(now, video)) ?? Number.NaN
          assert.isTrue(delay >= floor * 0.9 - 0.01 && delay <= (floor + more) * 1.1 + 0.01, `${delay} ms`)
        }
      })
  )

  it.effect.each(Object.keys(pieces) as ReadonlyArray<keyof typeof pieces>)("%s is jittered at its cap too", (name) =>
    Effect.gen(function* () {
      const times = yield* follow(pieces[name](), silent(30 * minute))
      const late = delaysOf(times).slice(-50)
      assert.strictEqual(new Set(late).size, 50)
      assert.isAbove(Math.max(...late) - Math.min(...late), 1000)
    })
  )

  it.effect("takes a cap below its floor for the floor", () =>
    Effect.gen(function* () {
      const times = yield* steady(follow(adaptivePoll({ floor: "5 seconds", cap: "1 second" }), silent(minute)))
      assert.deepStrictEqual(new Set(delaysOf(times).map(Math.round)), new Set([5000]))
    })
  )

  it.effect("is a value: runs of it share nothing", () =>
    Effect.gen(function* () {
      const one = yield* steady(follow(defaultPollSchedule, linear(0, minute)))
      const two = yield* steady(follow(defaultPollSchedule, linear(0, minute)))
      assert.deepStrictEqual(two, one)
    })
  )
})

describe("pollByAge", () => {
  it.effect.prop(
    "never speeds up while nothing changes, and ends at its cap",
    [fc.constantFrom("queued", "in_progress", "upscaling"), fc.integer({ min: 1, max: 60 })],
    ([status, cap]) =>
      Effect.gen(function* () {
        const times = yield* steady(follow(pollByAge({ floor: 1000, cap: cap * 1000 }), silent(10 * minute, status)))
        const delays = delaysOf(times)
        for (const [before, after] of Arr.zip(delays, delays.slice(1))) assert.isAtLeast(after, before - 1e-3)
        assert.approximately(delays[0] ?? 0, 1000, 1e-3)
        assert.approximately(delays.at(-1) ?? 0, cap * 1000, 1e-3)
      })
  )

  it.effect("begins anew when a job that waited begins to run", () =>
    Effect.gen(function* () {
      const job = (elapsed: number) => (elapsed < 5 * minute ? snapshot("queued") : silent(10 * minute)(elapsed))
      const times = yield* steady(follow(pollByAge(), job))
      const started = times.findIndex((time) => time >= 5 * minute)
      const delays = delaysOf(times)
      assert.approximately(delays[started - 1] ?? 0, 10_000, 1)
      assert.isAtMost(delays[started] ?? Number.NaN, 3500)
    })
  )

  it.effect("counts from the job's own creation", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* first(pollByAge(), created(today - 30_000)), 6500)
      assert.strictEqual(yield* first(pollByAge(), created(today - 30 * minute)), 10_000)
    })
  )

  it.effect.each([
    ["in the future", today + minute],
    ["of 1970", 1],
    ["of the day before yesterday", today - 48 * 60 * minute]
  ] as const)("counts from the first poll where the creation is %s", ([, at]) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* first(pollByAge(), created(at)), 1500)
    })
  )
})

describe("pollByProgress", () => {
  it.effect("waits for its cap while nothing is known", () =>
    Effect.gen(function* () {
      const times = yield* steady(follow(pollByProgress(), silent(minute)))
      assert.deepStrictEqual(
        times.map(Math.round),
        [0, 1, 2, 3, 4, 5, 6].map((index) => index * 10_000)
      )
    })
  )

  it.effect.prop(
    "polls soon after the end of a job whose progress is even",
    [fc.integer({ min: 0, max: 5 * minute }), fc.integer({ min: 10_000, max: 60 * minute })],
    ([queued, run]) =>
      Effect.gen(function* () {
        const poll = Schedule.union(pollByProgress({ cap: "1 minute" }), Schedule.spaced("5 seconds"))
        const times = yield* steady(follow(poll, linear(queued, run), 2 * 60 * minute))
        assert.isBelow((times.at(-1) ?? Number.NaN) - queued - run, 1501)
      })
  )

  it.effect("follows the observed rate and not the job's age", () =>
    Effect.gen(function* () {
      const step = runOf(pollByProgress({ cap: "10 minutes" }))
      // Ten minutes for the first 10 %, then 10 % in ten seconds: the truth is somewhere between.
      yield* steady(step(today, created(today - 10 * minute, running(10))))
      const delay = yield* steady(step(today + 10_000, created(today - 10 * minute, running(20))))
      assert.approximately(delay ?? 0, (80 / ((10 / 600_000 + 10 / 10_000) / 2)) * 0.4, 1)
    })
  )

  it.effect("knows nothing after progress went back, until it moves again", () =>
    Effect.gen(function* () {
      const step = runOf(pollByProgress({ cap: "1 hour" }))
      const seen = yield* Effect.forEach([10, 20, 15, 15, 25], (progress, index) =>
        Effect.map(steady(step(index * 10_000, running(progress))), (delay) => Math.round(delay ?? Number.NaN))
      )
      const hour = 60 * minute
      // At 25, 10 % in 20 seconds: 150 seconds left.
      assert.deepStrictEqual(seen, [hour, 32_000, hour, hour, 60_000])
    })
  )

  it.effect.each([
    ["99", 99],
    ["100", 100]
  ] as const)("backs off to its cap for a job that stays at %s", ([, end]) =>
    Effect.gen(function* () {
      const job = (elapsed: number) => running(Math.min(end, (elapsed / minute) * 100))
      const delays = delaysOf(yield* steady(follow(adaptivePoll(), job)))
      assert.approximately(delays.at(-1) ?? 0, 10_000, 1)
      assert.isBelow(delays.length, 60 * 6 + 60)
    })
  )
})

describe("adaptivePoll", () => {
  it.effect("does not take the time that a job has waited for its pace", () =>
    Effect.gen(function* () {
      // Two seconds in a queue, then 1 % at once: by its mean, it would take minutes.
      const young = created(today - 2000, running(1))
      const delay = yield* first(adaptivePoll(), young)
      assert.strictEqual(delay, yield* first(pollByAge(), young))
      // A job that is near its end by its mean rate of progress is polled at that time.
      const old = created(today - 90_000, running(90))
      assert.strictEqual(yield* first(adaptivePoll(), old), yield* first(pollByProgress(), old))
    })
  )

  it.effect("is pollByAge for servers that send only 0 and 100", () =>
    Effect.gen(function* () {
      const byAge = yield* steady(follow(pollByAge(), silent(5 * minute)))
      assert.deepStrictEqual(yield* steady(follow(adaptivePoll(), silent(5 * minute))), byAge)
    })
  )

  it.effect("is pollByProgress once progress has moved", () =>
    Effect.gen(function* () {
      const [adaptive, byProgress] = [runOf(adaptivePoll()), runOf(pollByProgress())]
      const delays = yield* Effect.forEach([30, 55, 80, 95, 99], (progress, index) =>
        Effect.all([adaptive, byProgress].map((step) => steady(step(index * 9000, running(progress)))))
      )
      assert.deepStrictEqual(
        delays.slice(1).map(([one]) => one),
        delays.slice(1).map(([, other]) => other)
      )
      assert.notStrictEqual(delays[0]?.[0], delays[0]?.[1])
    })
  )

  it.effect.prop(
    "costs fewer requests than a poll every 5 seconds, and sees the end sooner, for jobs of minutes with progress",
    [fc.integer({ min: 0, max: 30_000 }), fc.integer({ min: 3 * minute, max: 20 * minute })],
    ([queued, run]) =>
      Effect.gen(function* () {
        const times = yield* follow(adaptivePoll(), linear(queued, run))
        assert.isAtMost(times.length, (queued + run) / 5000)
        assert.isBelow((times.at(-1) ?? Number.NaN) - queued - run, 2000)
      })
  )
})

describe("composition", () => {
  it.effect("upTo ends it", () =>
    Effect.gen(function* () {
      const times = yield* follow(adaptivePoll().pipe(Schedule.upTo("1 minute")), silent(60 * minute))
      assert.isAtLeast(times.at(-1) ?? 0, 49_000)
      assert.isAtMost(times.at(-1) ?? 0, 71_000)
    })
  )

  it.effect("union polls at the earlier time of both, intersect at the later", () =>
    Effect.gen(function* () {
      const [often, seldom] = [Schedule.union, Schedule.intersect].map((combine) =>
        combine(adaptivePoll(), Schedule.spaced("4 seconds"))
      )
      assert.isDefined(often)
      assert.isDefined(seldom)
      const delays = (poll: Poll) => Effect.map(steady(follow(poll, silent(5 * minute))), delaysOf)
      assert.approximately(Math.max(...(yield* delays(often))), 4000, 1e-3)
      assert.approximately(Math.min(...(yield* delays(seldom))), 4000, 1e-3)
    })
  )
})
