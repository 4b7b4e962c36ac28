/** What users of other clients miss, and no other test has: what polling costs, and what a watch does not change. */
import { assert, describe, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { Effect, Fiber, Random, Schedule, Stream, TestClock } from "effect"
import { awaitVideo, awaitVideos, downloadVideo, type Videos, type WatchTimeoutError, watchVideo } from "effect-videos"
import { jobsOf, makeFleet } from "../support/fleet.js"
import { inTurn, json, serve } from "../support/server.js"
import { job, videosOver } from "../support/videos.js"
import { anyClient, requestsFor, resultOf, serverWith, source, twice, world } from "./support.js"

describe("by the default schedule", () => {
  it.effect.each(["one", "two", "three"])("a job of a minute costs a poll every few seconds (seed %s)", (seed) =>
    Effect.gen(function* () {
      const fleet = makeFleet([{ id: "video_1", createdAt: 0, queue: 5000, run: 55_000 }])
      const fiber = yield* Effect.fork(Effect.provide(awaitVideo("video_1"), fleet.layer))
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.join(fiber)
      // A poll each half second, as some have it, is 120; one each 5 s is 12, and knows the end 2.5 s late on the average.
      assert.isAtMost(fleet.requests(), 20)
      assert.isAtMost((fleet.polls.at(-1)?.at ?? 0) - 60_000, 2000)
    }).pipe(Effect.withRandom(Random.make(seed)))
  )

  it.effect("a hundred of them cost little more than one", () =>
    Effect.gen(function* () {
      const jobs = jobsOf(100, { run: 60_000 })
      const fleet = makeFleet(jobs)
      yield* TestClock.adjust("1 second")
      const fiber = yield* Effect.fork(Effect.provide(awaitVideos(jobs.map(({ id }) => id)), fleet.layer))
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.join(fiber)
      // Single polls, each five seconds, would be 1,200.
      assert.isAtMost(fleet.requests(), 40)
    }).pipe(Effect.withRandom(Random.make("one")))
  )
})

const { layer } = anyClient

describe("a watch that is given up", () => {
  const poll = Schedule.spaced("5 millis")
  const ways: ReadonlyArray<readonly [string, (id: string) => Effect.Effect<unknown, unknown, Videos>, string]> = [
    ["by its timeout", (id) => awaitVideo(id, { poll, totalTimeout: "100 millis" }), "deadline"],
    ["as stalled", (id) => awaitVideo(id, { poll, stallTimeout: "100 millis" }), "stalled"],
    ["by its consumer", (id) => Stream.runHead(watchVideo(id, { poll })), "value"],
    ["by an interruption", (id) => Effect.timeoutOption(awaitVideo(id, { poll }), "100 millis"), "value"]
  ]
  it.live.each(ways)("%s leaves the job alone", ([, wait, ends]) =>
    Effect.gen(function* () {
      const { faults, jobs } = yield* VideosServer
      const id = yield* source
      const ended = yield* Effect.either(wait(id))
      assert.strictEqual(ended._tag === "Right" ? "value" : (ended.left as WatchTimeoutError).reason, ends)
      assert.isTrue((yield* faults.log).slice(1).every(({ method }) => method === "GET"))
      assert.deepStrictEqual(
        (yield* jobs).map(({ id, status }) => [String(id), status]),
        [[id, "queued"]]
      )
    }).pipe(Effect.provide(world(layer, {}, serverWith({ queueTime: "1 hour" }))))
  )
})

describe("a job with an unknown final status and without content", () => {
  it.live("has ended, and its download fails with the reason", () =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      const id = yield* source
      yield* faults.set([
        { on: ["retrieve"], fault: Fault.unknownStatus("done") },
        { on: ["content"], fault: Fault.status({ status: 404 }) }
      ])
      const video = yield* awaitVideo(id, { poll: Schedule.spaced("5 millis"), retry: twice })
      assert.strictEqual(video.status, "done")
      // Not replica lag: the job has ended, and its content is not there.
      const content = Stream.runDrain(downloadVideo(id, { contentGrace: 0 }))
      assert.strictEqual(resultOf(yield* Effect.either(content)), "VideoExpiredError")
      assert.strictEqual(yield* requestsFor("content"), 1)
    }).pipe(Effect.provide(world(layer)))
  )
})

describe("an error with status 200", () => {
  const bodies: ReadonlyArray<object> = [
    { error: { message: "overloaded", type: "server_error", param: null, code: null } },
    { detail: "Not Found" },
    { code: "fail_to_fetch_task", message: "upstream", data: null }
  ]
  it.live.each(bodies)("is never read as a job that still runs: %j", (body) =>
    Effect.gen(function* () {
      const server = yield* serve(inTurn(json(200, job({ status: "in_progress" })), json(200, body)))
      const seen: Array<string> = []
      const ended = yield* watchVideo("video_1", { poll: Schedule.spaced("5 millis"), retry: twice }).pipe(
        Stream.runForEach((video) => Effect.sync(() => seen.push(video.status))),
        Effect.either,
        Effect.provide(videosOver(server, {}, layer))
      )
      assert.strictEqual(`${seen.join()} ${resultOf(ended)}`, "in_progress ResponseDecodeError")
    }).pipe(Effect.scoped)
  )
})
