import { afterEach, assert, describe, it, vi } from "@effect/vitest"
import { Clock, DateTime, Duration, Effect, Fiber, Layer, Option, Schedule, Stream, TestClock } from "effect"
import {
  awaitVideo,
  retrieveVideo,
  settleSubmission,
  Videos,
  type VideosService,
  type WatchOptions,
  watchVideo
} from "effect-videos"
import { memoryReplayStore } from "effect-videos/Webhook"
import { retryAfter } from "../src/internal/http/responseHeaders.js"
import { stepper } from "../src/internal/http/retryPolicy.js"
import { makeBudget } from "../src/internal/rate/requestBudget.js"
import { jobsOf, makeFleet } from "./support/fleet.js"
import { snapshot } from "./support/script.js"
import { inTurn, json, serve } from "./support/server.js"
import { sharing } from "./support/sharing.js"
import { job, respondJson, videosOver, videosScripted } from "./support/videos.js"

/** A test's clock, and what sets the time of day: sleeps and nanoseconds go on as if nothing had happened. */
const settable = Effect.map(Effect.clock, (clock) => {
  let offset = 0
  const millis = () => clock.unsafeCurrentTimeMillis() + offset
  const set: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: millis,
    unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanos: clock.currentTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
  return {
    clock: set,
    jump: (by: Duration.DurationInput, back: boolean) => {
      offset += Duration.toMillis(by) * (back ? -1 : 1)
    }
  }
})

const jumps = [
  { name: "back by ten minutes", by: "10 minutes", back: true },
  { name: "forward by ten minutes", by: "10 minutes", back: false },
  { name: "back by a year", by: "365 days", back: true },
  { name: "forward by a day", by: "1 day", back: false }
] as const

describe.each(jumps)("a clock that is set $name", ({ back, by }) => {
  it.effect("changes nothing about when a watch polls, and when it ends", () => {
    const fleet = makeFleet(jobsOf(1))
    return Effect.gen(function* () {
      const { clock, jump } = yield* settable
      const test = yield* Effect.clock
      // The server's own clock is right.
      const right = (videos: VideosService): VideosService => ({
        ...videos,
        retrieve: (id) => Effect.withClock(videos.retrieve(id), test)
      })
      const fiber = yield* awaitVideo("video_0", { poll: Schedule.spaced("5 seconds") }).pipe(
        Effect.zipRight(test.currentTimeNanos),
        Effect.updateService(Videos, right),
        Effect.provide(fleet.layer),
        Effect.withClock(clock),
        Effect.fork
      )
      yield* TestClock.adjust("7 seconds")
      jump(by, back)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(fiber), BigInt(20_000_000_000))
      assert.deepStrictEqual(
        fleet.polls.map(({ at }) => at),
        [0, 5000, 10_000, 15_000, 20_000]
      )
    })
  })

  it.effect("neither ends a watch early nor lets its timeouts wait", () =>
    Effect.gen(function* () {
      const { clock, jump } = yield* settable
      const watching = (options: WatchOptions) =>
        Effect.fork(Effect.withClock(Effect.flip(awaitVideo("video_1", options)), clock))
      const poll = Schedule.spaced("10 seconds")
      const total = yield* watching({ poll, totalTimeout: "1 minute" })
      const stalled = yield* watching({ poll, stallTimeout: "1 minute" })
      const upTo = yield* watching({ poll: Schedule.upTo(poll, "1 minute") })
      const fixed = yield* watching({ poll: Schedule.fixed("7 seconds"), totalTimeout: "1 minute" })
      yield* TestClock.adjust("15 seconds")
      jump(by, back)
      yield* TestClock.adjust("44 seconds")
      for (const fiber of [total, stalled, upTo, fixed]) assert(Option.isNone(yield* Fiber.poll(fiber)))
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual((yield* Fiber.join(total))._tag, "WatchTimeoutError")
      assert.strictEqual((yield* Fiber.join(fixed))._tag, "WatchTimeoutError")
      assert.strictEqual((yield* Fiber.join(upTo))._tag, "WatchTimeoutError")
      const error = yield* Fiber.join(stalled)
      assert(error._tag === "WatchTimeoutError" && error.reason === "stalled" && error.unchangedFor !== null)
      assert.isAtMost(Duration.toMillis(error.unchangedFor), 70_000)
    }).pipe(Effect.provide(Layer.mock(Videos, { retrieve: () => Effect.succeed(snapshot("in_progress")) })))
  )

  it.scoped("shows the polls of a watch by the time of day that it is now", () =>
    Effect.gen(function* () {
      const { clock, jump } = yield* settable
      const layer = sharing({ retrieve: () => Effect.succeed(snapshot("in_progress")) })
      const videos = yield* Effect.withClock(Layer.build(layer), clock)
      const fiber = yield* Effect.fork(
        Effect.provide(awaitVideo("video_1", { poll: Schedule.spaced("1 minute") }), videos)
      )
      yield* TestClock.adjust("10 seconds")
      jump(by, back)
      const { jobs } = yield* Effect.provide(Videos.watchers, videos)
      const now = clock.unsafeCurrentTimeMillis()
      assert.strictEqual(jobs[0]?.polledAt?.epochMillis, now - 10_000)
      assert.strictEqual(jobs[0]?.nextPollAt?.epochMillis, now + 50_000)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("leaves the pause that a server requested as long as it is", () =>
    Effect.gen(function* () {
      const { clock, jump } = yield* settable
      const { layer, tries } = videosScripted((index) =>
        index === 0 ? respondJson(429, {}, { "retry-after": "20" }) : respondJson(200, job())
      )
      const fiber = yield* Effect.fork(Effect.withClock(Effect.provide(retrieveVideo("video_1"), layer), clock))
      yield* TestClock.adjust("5 seconds")
      jump(by, back)
      yield* TestClock.adjust("14 seconds")
      assert.strictEqual(tries.at.length, 1)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      assert.strictEqual(tries.at.length, 2)
    })
  )

  it.effect("leaves a budget's pause as long as it is", () =>
    Effect.gen(function* () {
      const { clock, jump } = yield* settable
      const budget = makeBudget({ requestsPerSecond: 1 })
      yield* Effect.withClock(budget.acquire("read"), clock)
      budget.release({ status: 429, retryAfter: Duration.seconds(20) })
      const next = yield* Effect.fork(Effect.withClock(budget.acquire("read"), clock))
      yield* TestClock.adjust("5 seconds")
      jump(by, back)
      const { pausedUntil } = budget.snapshot()
      assert.strictEqual(pausedUntil?.epochMillis, clock.unsafeCurrentTimeMillis() + 15_000)
      yield* TestClock.adjust("14 seconds")
      assert(Option.isNone(yield* Fiber.poll(next)))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(next)
    })
  )

  it.effect("leaves a retry schedule's own time as long as it is", () =>
    Effect.gen(function* () {
      const { clock, jump } = yield* settable
      const step = stepper(Schedule.upTo(Schedule.spaced("1 second"), "1 minute"))
      const next = Effect.withClock(step(undefined), clock)
      assert.strictEqual(yield* next, 1000)
      yield* TestClock.adjust("30 seconds")
      jump(by, back)
      assert.strictEqual(yield* next, 1000)
      yield* TestClock.adjust("31 seconds")
      assert.strictEqual(yield* next, null)
    })
  )

  it.effect("neither shortens nor stretches how long a submission of before is looked for on the list", () =>
    Effect.gen(function* () {
      const { clock, jump } = yield* settable
      const test = yield* Effect.clock
      const sentAt = yield* DateTime.now
      const made = snapshot("queued", { id: "video_1", prompt: "a boat", created_at: sentAt.epochMillis / 1000 + 2 })
      // The server's list lags: it shows the job after this many seconds.
      const settled = (after: number) =>
        settleSubmission(
          { prompt: "a boat" },
          { begunAt: sentAt, sentAt, baseline: [], heldElsewhere: () => Effect.succeed([]) }
        ).pipe(
          Effect.zip(test.currentTimeMillis),
          Effect.provide(
            Layer.mock(Videos, {
              listPages: () =>
                Stream.fromEffect(
                  Effect.map(test.currentTimeMillis, (now) => ({
                    videos: now >= after * 1000 ? [made] : [],
                    hasMore: false
                  }))
                )
            })
          ),
          Effect.withClock(clock),
          Effect.fork
        )
      const found = yield* settled(20)
      const missing = yield* settled(Infinity)
      yield* TestClock.adjust("500 millis")
      jump(by, back)
      yield* TestClock.adjust("2 minutes")
      const [outcome] = yield* Fiber.join(found)
      assert.strictEqual(outcome._tag, "Made")
      assert.deepStrictEqual(yield* Fiber.join(missing), [{ _tag: "NotMade" }, 30_000])
    })
  )

  it.effect("leaves the lease and the memory of a webhook's message as long as they are", () =>
    Effect.gen(function* () {
      const { clock, jump } = yield* settable
      const store = yield* memoryReplayStore({ lease: "1 minute", ttl: "1 hour" })
      let claims = 0
      const claim = Effect.suspend(() => Effect.withClock(store.claim("wh_1", `${claims++}`), clock))
      assert.strictEqual(yield* claim, "claimed")
      yield* TestClock.adjust("30 seconds")
      jump(by, back)
      assert.strictEqual(yield* claim, "busy")
      yield* TestClock.adjust("31 seconds")
      assert.strictEqual(yield* claim, "claimed")
      yield* Effect.withClock(store.complete("wh_1", "2"), clock)
      jump(by, back)
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(yield* claim, "seen")
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* claim, "claimed")
    })
  )
})

describe("the live clock", () => {
  afterEach(() => void vi.restoreAllMocks())

  it.scopedLive.each([
    { name: "back", by: -600_000 },
    { name: "forward", by: 600_000 }
  ])(
    "that is set $name while a watch waits does not keep it",
    ({ by }) =>
      Effect.gen(function* () {
        const real = Date.now
        const server = yield* serve(
          inTurn(
            json(200, job({ status: "queued" })),
            json(200, job({ status: "in_progress" })),
            json(200, job({ status: "completed" }))
          )
        )
        const watching = watchVideo("video_1", { poll: Schedule.spaced("20 millis"), totalTimeout: "5 minutes" }).pipe(
          Stream.tap(({ status }) =>
            Effect.sync(() => {
              if (status === "queued") vi.spyOn(Date, "now").mockImplementation(() => real() + by)
            })
          ),
          Stream.runCount
        )
        assert.strictEqual(yield* Effect.provide(watching, videosOver(server)), 3)
      }),
    20_000
  )
})

describe("a date of the server", () => {
  it("is compared with the server's own clock if the response has a Date", () => {
    const headers = { "retry-after": "Thu, 01 Jan 2026 00:10:05 GMT", date: "Thu, 01 Jan 2026 00:10:00 GMT" }
    assert.deepStrictEqual(retryAfter(headers, Date.UTC(2026, 0, 1)), Duration.seconds(5))
    assert.deepStrictEqual(
      retryAfter({ "retry-after": headers["retry-after"] }, Date.UTC(2026, 0, 1)),
      Duration.seconds(605)
    )
    assert.deepStrictEqual(retryAfter({ ...headers, date: "soon" }, Date.UTC(2026, 0, 1)), Duration.seconds(605))
  })
})
