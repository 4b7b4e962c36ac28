import { assert, describe, it } from "@effect/vitest"
import { Chunk, Duration, Effect, Exit, Fiber, Option, Schedule, Stream, TestClock } from "effect"
import {
  AuthenticationError,
  awaitVideo,
  RateLimitedError,
  type RetrieveVideoError,
  ServerError,
  VideoNotFoundError,
  type VideoResource,
  type WatchOptions,
  type WatchVideoError,
  watchVideo
} from "effect-videos"
import { makeScript, type Poll, seen, snapshot } from "./support/script.js"

const everySecond: WatchOptions = { poll: Schedule.spaced("1 second"), retry: Schedule.spaced("1 second") }

const broken = new ServerError({ operation: "retrieveVideo", status: 500, detail: "" })

const failing = (error: RetrieveVideoError): Poll => ({ error })

const asked = { operation: "retrieveVideo", detail: "" } as const

/** Runs a watch to its end, moving the clock; gives what it emitted, how it ended and when polls were sent. */
const watched = (polls: ReadonlyArray<Poll>, options: WatchOptions, from: string | VideoResource = "video_1") =>
  Effect.gen(function* () {
    const script = makeScript(...polls)
    const emitted: Array<VideoResource> = []
    const fiber = yield* watchVideo(from, options).pipe(
      Stream.runForEach((video) => Effect.sync(() => emitted.push(video))),
      Effect.provide(script.layer),
      Effect.fork
    )
    yield* TestClock.adjust("1 hour")
    const ended = yield* Fiber.poll(fiber)
    yield* Fiber.interrupt(fiber)
    return {
      emitted,
      statuses: emitted.map(({ status }) => status),
      times: script.times,
      aborted: script.aborted(),
      ended,
      error: Option.flatMap(ended, (exit) =>
        Exit.isFailure(exit) && exit.cause._tag === "Fail" ? Option.some(exit.cause.error) : Option.none()
      )
    }
  })

const succeeded = (ended: Option.Option<Exit.Exit<void, WatchVideoError>>) =>
  assert.isTrue(Option.isSome(ended) && Exit.isSuccess(ended.value))

describe("watchVideo: what it emits", () => {
  it.effect("emits the first snapshot at once, then one element per change, and ends after the terminal one", () =>
    Effect.gen(function* () {
      const polls = [
        seen("queued"),
        seen("queued"),
        seen("in_progress", { progress: 10 }),
        seen("in_progress", { progress: 10 }),
        seen("in_progress", { progress: 60 }),
        seen("completed", { progress: 100 })
      ]
      const { emitted, ended, times } = yield* watched(polls, everySecond)
      assert.deepStrictEqual(
        emitted.map(({ progress, status }) => [status, progress]),
        [
          ["queued", null],
          ["in_progress", 10],
          ["in_progress", 60],
          ["completed", 100]
        ]
      )
      assert.deepStrictEqual(times, [0, 1000, 2000, 3000, 4000, 5000])
      succeeded(ended)
    })
  )

  it.effect("emits a change in any field, those that the protocol does not know included", () =>
    Effect.gen(function* () {
      const polls = [
        seen("in_progress", { usage: { tokens: 1 } }),
        seen("in_progress", { usage: { tokens: 1 } }),
        seen("in_progress", { usage: { tokens: 2 } }),
        seen("in_progress", { usage: { tokens: 2 }, expires_at: 1_800_000_000 }),
        seen("completed")
      ]
      const { emitted, times } = yield* watched(polls, everySecond)
      assert.strictEqual(emitted.length, 4)
      assert.strictEqual(times.length, 5)
    })
  )

  it.effect("emits each poll with `emit: every`, but no stale response", () =>
    Effect.gen(function* () {
      const polls = [seen("in_progress"), seen("in_progress"), seen("queued"), seen("completed")]
      const { statuses } = yield* watched(polls, { ...everySecond, emit: "every" })
      assert.deepStrictEqual(statuses, ["in_progress", "in_progress", "completed"])
    })
  )

  it.effect("takes a failed job for an element and not for an error", () =>
    Effect.gen(function* () {
      const polls = [seen("queued"), seen("failed", { error: { code: "moderation_blocked", message: "no" } })]
      const { emitted, ended } = yield* watched(polls, everySecond)
      assert.deepStrictEqual(emitted[1]?.error, { code: "moderation_blocked", message: "no" })
      succeeded(ended)
    })
  )

  it.effect.each(["cancelled", "expired", "deleted", "DONE", "success"])("ends with the foreign status %s", (status) =>
    Effect.gen(function* () {
      const { ended, statuses } = yield* watched([seen("in_progress"), seen(status)], everySecond)
      assert.deepStrictEqual(statuses, ["in_progress", status])
      succeeded(ended)
    })
  )

  it.effect("emits an unknown status and goes on", () =>
    Effect.gen(function* () {
      const polls = [seen("queued"), seen("upscaling"), seen("upscaling"), seen("completed")]
      const { statuses } = yield* watched(polls, everySecond)
      assert.deepStrictEqual(statuses, ["queued", "upscaling", "completed"])
    })
  )

  it.effect("drops a read whose status goes backwards, and passes progress on as it comes", () =>
    Effect.gen(function* () {
      const polls = [
        seen("in_progress", { progress: 50 }),
        seen("queued", { progress: 0 }),
        seen("in_progress", { progress: 30 }),
        seen("completed")
      ]
      const { emitted } = yield* watched(polls, everySecond)
      assert.deepStrictEqual(
        emitted.map(({ progress }) => progress),
        [50, 30, null]
      )
    })
  )

  it.effect("does not end on progress 100 or a completion time, which servers set while a job runs", () =>
    Effect.gen(function* () {
      const polls = [
        seen("in_progress", { progress: 100, completed_at: 1_790_000_000 }),
        seen("completed", { progress: 100, completed_at: 1_790_000_009 })
      ]
      const { statuses } = yield* watched(polls, everySecond)
      assert.deepStrictEqual(statuses, ["in_progress", "completed"])
    })
  )
})

describe("watchVideo: from a snapshot", () => {
  it.effect("goes on without repeating what the snapshot said", () =>
    Effect.gen(function* () {
      const from = snapshot("in_progress", { progress: 50 })
      const polls = [seen("in_progress", { progress: 50 }), seen("in_progress", { progress: 70 }), seen("completed")]
      const { emitted, times } = yield* watched(polls, everySecond, from)
      assert.deepStrictEqual(
        emitted.map(({ progress }) => progress),
        [70, null]
      )
      assert.strictEqual(times[0], 0)
    })
  )

  it.effect("drops a first read that is older than the snapshot", () =>
    Effect.gen(function* () {
      const { statuses } = yield* watched([seen("queued"), seen("completed")], everySecond, snapshot("in_progress"))
      assert.deepStrictEqual(statuses, ["completed"])
    })
  )

  it.effect("emits a terminal snapshot without a request", () =>
    Effect.gen(function* () {
      const { statuses, times } = yield* watched([seen("queued")], everySecond, snapshot("completed"))
      assert.deepStrictEqual(statuses, ["completed"])
      assert.deepStrictEqual(times, [])
    })
  )
})

describe("watchVideo: when it polls", () => {
  it.effect.each([
    ["openai-poll-after-ms", "5000"],
    ["retry-after-ms", "5000"],
    ["retry-after", "5"],
    ["retry-after", "Thu, 01 Jan 1970 00:00:05 GMT"]
  ] as const)("polls again only after the server's hint %s: %s", ([name, value]) =>
    Effect.gen(function* () {
      const polls: ReadonlyArray<Poll> = [
        { video: snapshot("queued"), headers: { [name]: value } },
        seen("in_progress"),
        seen("completed")
      ]
      const { times } = yield* watched(polls, everySecond)
      assert.deepStrictEqual(times, [0, 5000, 6000])
    })
  )

  it.effect("lets a hint shorten the default schedule, for one poll only", () =>
    Effect.gen(function* () {
      const polls: ReadonlyArray<Poll> = [
        { video: snapshot("queued"), headers: { "openai-poll-after-ms": "250" } },
        seen("in_progress"),
        seen("completed")
      ]
      const { times } = yield* watched(polls, {})
      assert.strictEqual(times[1], 250)
      const second = (times[2] ?? 0) - 250
      assert.isTrue(second >= 1350 && second <= 1700, `${second} ms`)
    })
  )

  it.effect("bounds a hint of days by maxRetryAfter", () =>
    Effect.gen(function* () {
      const polls: ReadonlyArray<Poll> = [
        { video: snapshot("queued"), headers: { "retry-after": "999999" } },
        seen("completed")
      ]
      const { times } = yield* watched(polls, { ...everySecond, maxRetryAfter: "2 minutes" })
      assert.deepStrictEqual(times, [0, 120_000])
    })
  )

  it.effect("a hint with a date in the past does not become a hot loop", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 minute")
      const polls: ReadonlyArray<Poll> = [
        { video: snapshot("queued"), headers: { "retry-after": "Thu, 01 Jan 1970 00:00:05 GMT" } },
        seen("completed")
      ]
      const { times } = yield* watched(polls, everySecond)
      assert.deepStrictEqual(times, [60_000, 61_000])
    })
  )

  it.effect("a schedule that ends before the job fails the watch with the last snapshot", () =>
    Effect.gen(function* () {
      const { error, times } = yield* watched([seen("queued")], { poll: Schedule.recurs(3) })
      assert.strictEqual(times.length, 4)
      const timeout = Option.getOrThrow(error)
      assert(timeout._tag === "WatchTimeoutError")
      assert.strictEqual(timeout.lastSnapshot?.status, "queued")
    })
  )
})

describe("watchVideo: faults", () => {
  it.effect("retries transient errors by the schedule, which every success resets", () =>
    Effect.gen(function* () {
      const polls = [
        seen("queued"),
        failing(broken),
        failing(broken),
        seen("in_progress"),
        failing(broken),
        seen("completed")
      ]
      const retry = Schedule.exponential("2 seconds")
      const { statuses, times } = yield* watched(polls, { ...everySecond, retry })
      assert.deepStrictEqual(statuses, ["queued", "in_progress", "completed"])
      // 1 s poll, 2 s and 4 s backoff, 1 s poll, and 2 s again.
      assert.deepStrictEqual(times, [0, 1000, 3000, 7000, 8000, 10_000])
    })
  )

  it.effect.each([
    ["shorter than the schedule", 500, 1000],
    ["longer than the schedule", 7000, 7000]
  ] as const)("waits a Retry-After that is %s", ([, wanted, waited]) =>
    Effect.gen(function* () {
      const limited = new RateLimitedError({ ...asked, status: 429, retryAfter: Duration.millis(wanted) })
      const { times } = yield* watched([failing(limited), seen("completed")], everySecond)
      assert.deepStrictEqual(times, [0, waited])
    })
  )

  it.effect("a Retry-After longer than maxRetryAfter ends the watch with the error that carries it", () =>
    Effect.gen(function* () {
      const limited = new RateLimitedError({ ...asked, status: 429, retryAfter: Duration.hours(1) })
      const { error, times } = yield* watched([failing(limited)], everySecond)
      const found = Option.getOrThrow(error)
      assert(found._tag === "RateLimitedError")
      assert.deepStrictEqual(found.retryAfter, Duration.hours(1))
      assert.strictEqual(times.length, 1)
    })
  )

  it.effect("the last error is the watch's, once the retry schedule has ended", () =>
    Effect.gen(function* () {
      const { error, times } = yield* watched([seen("queued"), failing(broken)], {
        ...everySecond,
        retry: Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(2))
      })
      assert.strictEqual(Option.getOrThrow(error), broken)
      assert.strictEqual(times.length, 4)
    })
  )

  it.effect("an error that is not transient ends the watch at once, after what was seen before", () =>
    Effect.gen(function* () {
      const denied = new AuthenticationError({ ...asked, reason: "unauthenticated", status: 401 })
      const { error, statuses, times } = yield* watched([seen("queued"), failing(denied)], everySecond)
      assert.deepStrictEqual(statuses, ["queued"])
      assert.strictEqual(Option.getOrThrow(error), denied)
      assert.strictEqual(times.length, 2)
    })
  )

  const missing = new VideoNotFoundError({ ...asked, status: 404, videoId: "video_1" })

  it.effect("a 404 soon after the start is a replica that lags", () =>
    Effect.gen(function* () {
      const { statuses } = yield* watched([failing(missing), failing(missing), seen("completed")], everySecond)
      assert.deepStrictEqual(statuses, ["completed"])
    })
  )

  it.effect("a 404 later is final", () =>
    Effect.gen(function* () {
      const { error, times } = yield* watched([failing(missing)], everySecond)
      assert.strictEqual(Option.getOrThrow(error), missing)
      assert.deepStrictEqual(times, [0, 1000, 2000, 3000, 4000, 5000])
    })
  )

  it.effect("a 404 for an old job is final at once", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      const old = snapshot("queued", { created_at: 60 })
      const { times } = yield* watched([failing(missing)], everySecond, old)
      assert.strictEqual(times.length, 1)
    })
  )

  it.effect("the default schedules survive ten minutes of nothing but failures, and no more", () =>
    Effect.gen(function* () {
      const { ended, times } = yield* watched([failing(broken)], {})
      assert.isTrue(Option.isSome(ended))
      const last = times.at(-1) ?? 0
      assert.isTrue(last > 9 * 60_000 && last <= 10.5 * 60_000, `${last} ms`)
    })
  )
})

describe("watchVideo: timeouts", () => {
  it.effect("polls once more just before the end and fails with the last snapshot", () =>
    Effect.gen(function* () {
      const { error, times } = yield* watched([seen("in_progress")], {
        poll: Schedule.spaced("7 seconds"),
        totalTimeout: "20 seconds"
      })
      assert.deepStrictEqual(times, [0, 7000, 14_000, 19_500])
      const timeout = Option.getOrThrow(error)
      assert(timeout._tag === "WatchTimeoutError")
      assert.strictEqual(timeout.lastSnapshot?.status, "in_progress")
      assert.deepStrictEqual(timeout.elapsed, Duration.seconds(20))
    })
  )

  it.effect("a job that ends before the last poll does not time out", () =>
    Effect.gen(function* () {
      const { ended, statuses } = yield* watched([seen("queued"), seen("queued"), seen("completed")], {
        poll: Schedule.spaced("10 seconds"),
        totalTimeout: "15 seconds"
      })
      assert.deepStrictEqual(statuses, ["queued", "completed"])
      succeeded(ended)
    })
  )

  it.effect("bounds the request in flight too", () =>
    Effect.gen(function* () {
      const { aborted, error } = yield* watched([seen("queued"), "never"], {
        ...everySecond,
        totalTimeout: "30 seconds"
      })
      const timeout = Option.getOrThrow(error)
      assert(timeout._tag === "WatchTimeoutError")
      assert.deepStrictEqual(timeout.elapsed, Duration.seconds(30))
      assert.strictEqual(timeout.lastSnapshot?.status, "queued")
      assert.strictEqual(aborted, 1)
    })
  )

  it.effect("a retry's wait does not outlast the watch", () =>
    Effect.gen(function* () {
      const limited = new RateLimitedError({ ...asked, status: 429, retryAfter: Duration.minutes(4) })
      const { error, times } = yield* watched([failing(limited)], { ...everySecond, totalTimeout: "10 seconds" })
      assert.deepStrictEqual(times, [0, 9500])
      const timeout = Option.getOrThrow(error)
      assert(timeout._tag === "WatchTimeoutError")
      assert.isNull(timeout.lastSnapshot)
    })
  )

  it.effect("a consumer that is slower than the timeout still receives the job's end", () =>
    Effect.gen(function* () {
      const script = makeScript(seen("queued"), seen("completed"))
      const fiber = yield* watchVideo("video_1", { ...everySecond, totalTimeout: "10 seconds" }).pipe(
        Stream.mapEffect((video) => Effect.delay(Effect.succeed(video.status), "1 minute")),
        Stream.runCollect,
        Effect.provide(script.layer),
        Effect.fork
      )
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(fiber)), ["queued", "completed"])
    })
  )

  it.effect("fails as stalled after no change for the timeout, and a change restarts the timeout", () =>
    Effect.gen(function* () {
      const polls = [seen("queued"), seen("queued"), seen("in_progress")]
      const { error, times } = yield* watched(polls, { poll: Schedule.spaced("4 seconds"), stallTimeout: "10 seconds" })
      assert.deepStrictEqual(times, [0, 4000, 8000, 12_000, 16_000, 18_000])
      const stalled = Option.getOrThrow(error)
      assert(stalled._tag === "WatchTimeoutError")
      assert.strictEqual(stalled.reason, "stalled")
      assert.strictEqual(stalled.lastSnapshot?.status, "in_progress")
      assert.deepStrictEqual(stalled.unchangedFor, Duration.seconds(10))
    })
  )

  it.effect("the error resumes the watch", () =>
    Effect.gen(function* () {
      const { error } = yield* watched([seen("in_progress")], { ...everySecond, totalTimeout: "5 seconds" })
      const timeout = Option.getOrThrow(error)
      assert(timeout._tag === "WatchTimeoutError")
      const polls = [seen("in_progress"), seen("completed")]
      const { statuses } = yield* watched(polls, everySecond, timeout.lastSnapshot ?? timeout.videoId)
      assert.deepStrictEqual(statuses, ["completed"])
    })
  )
})

describe("watchVideo: interruption", () => {
  it.effect("aborts the poll in flight, and none follows", () =>
    Effect.gen(function* () {
      const script = makeScript(seen("queued"), "never")
      const fiber = yield* watchVideo("video_1", everySecond).pipe(
        Stream.runDrain,
        Effect.provide(script.layer),
        Effect.fork
      )
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(script.aborted(), 1)
      assert.strictEqual(script.times.length, 2)
    })
  )

  it.effect("a consumer that has had enough ends the watch", () =>
    Effect.gen(function* () {
      const script = makeScript(seen("queued"), seen("in_progress"), seen("completed"))
      const fiber = yield* watchVideo("video_1", everySecond).pipe(
        Stream.take(2),
        Stream.runDrain,
        Effect.provide(script.layer),
        Effect.fork
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.strictEqual(script.times.length, 2)
    })
  )

  it.effect("a watch that is run twice begins twice", () =>
    Effect.gen(function* () {
      const script = makeScript(seen("completed"))
      const watch = watchVideo("video_1").pipe(Stream.runCount, Effect.provide(script.layer))
      assert.deepStrictEqual(yield* Effect.zip(watch, watch), [1, 1])
      assert.strictEqual(script.times.length, 2)
    })
  )
})

describe("awaitVideo", () => {
  it.effect("gives the completed job", () =>
    Effect.gen(function* () {
      const script = makeScript(seen("queued"), seen("completed", { seconds: "12" }))
      const fiber = yield* Effect.fork(Effect.provide(awaitVideo("video_1", everySecond), script.layer))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(fiber)).seconds, 12)
    })
  )

  it.effect("fails with the server's reason for a failed job", () =>
    Effect.gen(function* () {
      const fault = { code: "moderation_blocked", message: "no" }
      const script = makeScript(seen("failed", { error: fault }))
      const error = yield* Effect.flip(Effect.provide(awaitVideo("video_1"), script.layer))
      assert(error._tag === "VideoFailedError")
      assert.strictEqual(error.operation, "awaitVideo")
      assert.strictEqual(error.code, "moderation_blocked")
      assert.deepStrictEqual(error.video.error, fault)
    })
  )

  it.effect("does not poll a job that has ended", () =>
    Effect.gen(function* () {
      const script = makeScript("never")
      const video = yield* Effect.provide(awaitVideo(snapshot("completed")), script.layer)
      assert.strictEqual(video.status, "completed")
      assert.deepStrictEqual(script.times, [])
    })
  )
})
