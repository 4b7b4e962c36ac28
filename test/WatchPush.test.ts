import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Queue, Schema, Stream, TestClock } from "effect"
import { extendAndWatch, type VideoResource, watchVideo } from "effect-videos"
import { VideoEvent, Webhooks, wakeWatches } from "effect-videos/Webhook"
import { endOf, type Job, jobsOf, makeFleet } from "./support/fleet.js"

const eventOf = (id: string, type = "video.completed"): VideoEvent =>
  Schema.decodeUnknownSync(VideoEvent)({ id: "evt_1", object: "event", created_at: 0, type, data: { id } })

/** A fleet whose watches are woken by whatever the test delivers. */
const pushed = (jobs: ReadonlyArray<Job>) =>
  Effect.map(Queue.unbounded<VideoEvent>(), (events) => {
    const fleet = makeFleet(jobs)
    const webhooks = Layer.mock(Webhooks, { subscribe: Effect.succeed(events) })
    return {
      fleet,
      deliver: (event: VideoEvent) => Queue.offer(events, event),
      webhooks,
      layer: wakeWatches().pipe(Layer.provideMerge(Layer.merge(fleet.layer, webhooks)))
    }
  })

const [job] = jobsOf(1, { run: 100_000 }) as [Job]

const consume = (got: Array<VideoResource>) =>
  Effect.fork(Stream.runForEach(watchVideo(job.id), (video) => Effect.sync(() => got.push(video))))

describe("watches that events wake", () => {
  it.effect("poll once a minute, and once more when the event arrives, which ends them", () =>
    Effect.gen(function* () {
      const { deliver, fleet, layer } = yield* pushed([job])
      yield* Effect.gen(function* () {
        const got: Array<VideoResource> = []
        const fiber = yield* consume(got)
        yield* TestClock.adjust(endOf(job))
        assert.deepStrictEqual(
          fleet.polls.map(({ at }) => at),
          [0, 60_000]
        )
        yield* deliver(eventOf(job.id))
        yield* Fiber.join(fiber)
        assert.strictEqual(got.at(-1)?.status, "completed")
        assert.strictEqual(fleet.polls.length, 3)
        assert.strictEqual(fleet.polls[2]?.at, endOf(job))
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("poll when the event arrives, even if the next poll by the clock is the last before a timeout", () =>
    Effect.gen(function* () {
      const { deliver, fleet, layer } = yield* pushed([{ ...job, run: 20_000 }])
      yield* Effect.gen(function* () {
        const fiber = yield* Effect.fork(Stream.runLast(watchVideo(job.id, { totalTimeout: "50 seconds" })))
        // Too early: the watch goes on, and still has its last poll.
        yield* TestClock.adjust("10 seconds")
        yield* deliver(eventOf(job.id))
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(fleet.polls.length, 2)
        yield* TestClock.adjust("10 seconds")
        yield* deliver(eventOf(job.id))
        yield* TestClock.adjust("1 millis")
        const last = yield* Fiber.join(fiber)
        assert.strictEqual(last._tag === "Some" && last.value.status, "completed")
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("find by themselves what the sender forgot", () =>
    Effect.gen(function* () {
      const { fleet, layer } = yield* pushed([job])
      yield* Effect.gen(function* () {
        const got: Array<VideoResource> = []
        const fiber = yield* consume(got)
        yield* TestClock.adjust("2 minutes")
        yield* Fiber.join(fiber)
        assert.strictEqual(got.at(-1)?.status, "completed")
        assert.strictEqual(fleet.polls.length, 3)
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("take events that come twice, for others, or too early for what they are", () =>
    Effect.gen(function* () {
      const { deliver, fleet, layer } = yield* pushed([job])
      yield* Effect.gen(function* () {
        const got: Array<VideoResource> = []
        const fiber = yield* consume(got)
        yield* TestClock.adjust("10 seconds")
        // Too early: a replica that lags, or a sender that is ahead of itself.
        yield* deliver(eventOf(job.id))
        yield* deliver(eventOf(job.id, "video.failed"))
        yield* deliver(eventOf("video_other"))
        yield* deliver(eventOf(job.id, "video.hatched"))
        yield* TestClock.adjust("80 seconds")
        assert.isTrue(got.every(({ status }) => status === "in_progress"))
        // What was announced and not seen yet is looked for at the usual pace.
        assert.isTrue(fleet.polls.length > 8, `${fleet.polls.length} polls`)
        yield* TestClock.adjust("20 seconds")
        yield* Fiber.join(fiber)
        yield* deliver(eventOf(job.id))
        const before = fleet.requests()
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(fleet.requests(), before)
        const states = got.map(({ progress }) => progress)
        assert.deepStrictEqual(
          states,
          [...new Set(states)].sort((a, b) => (a ?? 0) - (b ?? 0))
        )
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect.each([
    ["that begin after the event poll at once", "9 minutes", 1],
    ["that begin long after the event poll as others do", "11 minutes", 0]
  ] as const)("%s", ([, wait, polls]) =>
    Effect.gen(function* () {
      const { deliver, fleet, layer } = yield* pushed([{ ...job, run: 3_600_000 }])
      yield* Effect.gen(function* () {
        yield* deliver(eventOf(job.id))
        yield* TestClock.adjust(wait)
        const watching = extendAndWatch({ video: "video_9", prompt: "on", seconds: 4 })
        const fiber = yield* Effect.fork(Stream.runDrain(watching))
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(fleet.polls.length, polls)
        yield* Fiber.interrupt(fiber)
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("return to their own interval when the layer is closed", () =>
    Effect.gen(function* () {
      const { fleet, webhooks } = yield* pushed([job])
      yield* Effect.gen(function* () {
        yield* Effect.scoped(Layer.build(Layer.provide(wakeWatches(), webhooks)))
        const got: Array<VideoResource> = []
        const fiber = yield* consume(got)
        yield* TestClock.adjust("2 minutes")
        yield* Fiber.join(fiber)
        assert.isTrue(fleet.polls.length > 8, `${fleet.polls.length} polls`)
      }).pipe(Effect.provide(fleet.layer))
    })
  )
})
