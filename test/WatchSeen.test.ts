import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Metric, MetricState, Schedule, Stream, TestClock } from "effect"
import { awaitVideo, watchVideo, watchVideos } from "effect-videos"
import { broken, jobsOf, makeFleet } from "./support/fleet.js"
import { recordSpans } from "./support/tracing.js"

const everySecond = { poll: Schedule.spaced("1 second"), retry: Schedule.spaced("1 second") }

/** What the metric of this name says now; counters and gauges as numbers, histograms as their counts. */
const valueOf = (name: string): Effect.Effect<number> =>
  Effect.map(Metric.snapshot, (all) => {
    const state = all.find(({ metricKey }) => metricKey.name === name)?.metricState
    if (state === undefined) return 0
    if (MetricState.isHistogramState(state)) return state.count
    if (MetricState.isCounterState(state)) return Number(state.count)
    return MetricState.isGaugeState(state) ? Number(state.value) : 0
  })

const names = [
  "effect_videos_watches_active",
  "effect_videos_polls_total",
  "effect_videos_list_polls_total",
  "effect_videos_observations_total",
  "effect_videos_watch_retries_total",
  "effect_videos_watch_lag_seconds"
] as const

const values = Effect.map(
  Effect.forEach(names, valueOf),
  ([active = 0, polls = 0, pages = 0, observations = 0, retries = 0, lags = 0]) => ({
    active,
    polls,
    pages,
    observations,
    retries,
    lags
  })
)

describe("metrics of watches", () => {
  it.effect("count requests, responses, and requests in flight", () => {
    const fleet = makeFleet(jobsOf(30))
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      const before = yield* values
      const many = yield* Effect.fork(
        Stream.runDrain(
          watchVideos(
            jobsOf(30).map(({ id }) => id),
            everySecond
          )
        )
      )
      const again = yield* Effect.fork(Stream.runDrain(watchVideo("video_0", everySecond)))
      yield* TestClock.adjust("500 millis")
      assert.strictEqual((yield* values).active - before.active, 31)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.joinAll([many, again])
      const after = yield* values
      assert.strictEqual(after.active, before.active)
      assert.strictEqual(after.polls - before.polls, fleet.polls.length)
      assert.strictEqual(after.pages - before.pages, fleet.pages.length)
      assert.isTrue(after.pages > before.pages)
      // Many observations for each request: that is what pages are for.
      assert.isTrue(after.observations - before.observations > 10 * fleet.requests())
    }).pipe(Effect.provide(fleet.layer))
  })

  it.effect("count what is taken again, and how late an end was seen", () => {
    const fleet = makeFleet(jobsOf(1), { fault: (_, count) => (count === 2 ? broken : null) })
    return Effect.gen(function* () {
      const before = yield* values
      const fiber = yield* Effect.fork(awaitVideo("video_0", everySecond))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      const after = yield* values
      assert.strictEqual(after.retries - before.retries, 1)
      assert.strictEqual(after.lags - before.lags, 1)
    }).pipe(Effect.provide(fleet.layer))
  })
})

describe("spans of watches", () => {
  it.effect(
    "one per watch, which ends with it; polls are below the watch that sent them, and none has a prompt",
    () => {
      const fleet = makeFleet(jobsOf(1))
      const recording = recordSpans()
      return Effect.gen(function* () {
        const fiber = yield* watchVideo("video_0", everySecond).pipe(
          Stream.runDrain,
          Effect.zipRight(awaitVideo("video_0", everySecond)),
          Effect.withTracer(recording.tracer),
          Effect.fork
        )
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(
          recording.names().filter((name) => name === "Videos.watch"),
          ["Videos.watch", "Videos.watch"]
        )
        assert.isTrue(recording.said().some((text) => text.includes("watch_video")))
        assert.isTrue(recording.said().some((text) => text.includes("await_video")))
        assert.isTrue(recording.ended())
      }).pipe(Effect.provide(fleet.layer))
    }
  )
})
