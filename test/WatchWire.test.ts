import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Fiber, Schedule, Stream, TestClock } from "effect"
import { awaitVideo, extendAndWatch, type VideoResource, watchVideo } from "effect-videos"
import { hangUntilClosed, html, inTurn, json, type Reply, reset, serve, text } from "./support/server.js"
import { anyClient, videosOver } from "./support/videos.js"

const quick = { poll: Schedule.spaced("5 millis"), retry: Schedule.spaced("5 millis") }

const job = (status: string, fields: { readonly [name: string]: unknown } = {}) => ({
  id: "video_1",
  object: "video",
  status,
  ...fields
})

const ok = (status: string, fields?: { readonly [name: string]: unknown }): Reply => json(200, job(status, fields))

const statusesOf = <E, R>(watch: Stream.Stream<VideoResource, E, R>) =>
  Effect.map(Stream.runCollect(watch), (all) => Chunk.toReadonlyArray(Chunk.map(all, ({ status }) => status)))

/** Half of a JSON body, and no more: the connection closes as if that were all. */
const cut: Reply = (response) => {
  const whole = JSON.stringify(job("in_progress"))
  response.writeHead(200, { "content-type": "application/json", "content-length": String(whole.length) })
  response.write(whole.slice(0, 20), () => response.socket?.destroy())
}

describe.each([anyClient])("a watch over $client", ({ layer: client }) => {
  it.scopedLive("goes on over a 503, a reset, a truncated body, a page of HTML and a 429, one poll each", () =>
    Effect.gen(function* () {
      const server = yield* serve(
        inTurn(
          ok("queued"),
          json(503, {}),
          reset,
          cut,
          html(200, "<html><title>Just a moment</title></html>"),
          text(502, ""),
          json(429, { error: { message: "slow down" } }, { "retry-after": "0" }),
          ok("in_progress"),
          ok("completed")
        )
      )
      const statuses = yield* Effect.provide(
        statusesOf(watchVideo("video_1", quick)),
        videosOver(server, { readRetry: Schedule.recurs(3) }, client)
      )
      assert.deepStrictEqual(statuses, ["queued", "in_progress", "completed"])
      // The HTTP layer's own retries are off: they would multiply with the watch's.
      assert.strictEqual(server.requests.length, 9)
    })
  )

  it.scopedLive("reads a failed job that comes with an error status as the job's end", () =>
    Effect.gen(function* () {
      const server = yield* serve(
        inTurn(ok("in_progress"), json(500, job("failed", { error: { code: 500, message: "out of memory" } })))
      )
      const error = yield* Effect.flip(Effect.provide(awaitVideo("video_1", quick), videosOver(server, {}, client)))
      assert(error._tag === "VideoFailedError")
      assert.deepStrictEqual(error.video.error, { code: "500", message: "out of memory" })
      assert.strictEqual(server.requests.length, 2)
    })
  )

  it.scopedLive("keeps the id of the submission, whatever id later responses have", () =>
    Effect.gen(function* () {
      const id = "video_bGl0ZWxsbTo+a/b+c=="
      const server = yield* serve(
        inTurn(ok("queued", { id }), ok("processing", { id: "" }), ok("completed", { id: "video_other" }))
      )
      const watch = extendAndWatch({ video: "video_0", prompt: "on", seconds: 4 }, quick)
      const all = yield* Effect.provide(Stream.runCollect(watch), videosOver(server, {}, client))
      assert.deepStrictEqual(Chunk.toReadonlyArray(Chunk.map(all, (video) => [video.id, video.status])), [
        [id, "queued"],
        [id, "processing"],
        [id, "completed"]
      ])
      const path = `/v1/videos/${encodeURIComponent(id)}`
      assert.deepStrictEqual(
        server.requests.map(({ url }) => url),
        ["/v1/videos/extensions", path, path]
      )
    })
  )

  it.scopedLive("does not poll a submission whose response has ended", () =>
    Effect.gen(function* () {
      const server = yield* serve(ok("completed", { data: [{ url: "http://cdn/1.mp4" }] }))
      const watch = extendAndWatch({ video: "video_0", prompt: "on", seconds: 4 }, quick)
      assert.deepStrictEqual(yield* Effect.provide(statusesOf(watch), videosOver(server, {}, client)), ["completed"])
      assert.strictEqual(server.requests.length, 1)
    })
  )

  it.scopedLive("polls no sooner than the hint in the submission's response", () =>
    Effect.gen(function* () {
      const { reply, arrived } = yield* hangUntilClosed
      const hinted = json(200, job("queued"), { "openai-poll-after-ms": "3600000" })
      const server = yield* serve(inTurn(hinted, reply))
      const watch = extendAndWatch(
        { video: "video_0", prompt: "on", seconds: 4 },
        { ...quick, maxRetryAfter: "2 hours" }
      )
      const fiber = yield* Effect.fork(Effect.provide(Stream.runDrain(watch), videosOver(server, {}, client)))
      const looked = yield* Effect.timeoutOption(arrived, "200 millis")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(looked._tag, "None")
      assert.strictEqual(server.requests.length, 1)
    })
  )

  it.scopedLive("closes the request in flight if it is interrupted", () =>
    Effect.gen(function* () {
      const { arrived, closed, reply } = yield* hangUntilClosed
      const server = yield* serve(inTurn(ok("queued"), reply))
      const fiber = yield* Effect.fork(
        Effect.provide(Stream.runDrain(watchVideo("video_1", quick)), videosOver(server, {}, client))
      )
      yield* arrived
      yield* Fiber.interrupt(fiber)
      yield* closed
      assert.strictEqual(server.requests.length, 2)
    })
  )

  it.scoped("closes the request in flight when its time is over", () =>
    Effect.gen(function* () {
      const { arrived, closed, reply } = yield* hangUntilClosed
      const server = yield* serve(inTurn(ok("queued"), reply))
      const seen = yield* Deferred.make<void>()
      const watch = awaitVideo("video_1", {
        poll: Schedule.spaced("1 hour"),
        totalTimeout: "3610 seconds",
        onUpdate: () => Deferred.succeed(seen, undefined)
      })
      const fiber = yield* Effect.fork(Effect.flip(Effect.provide(watch, videosOver(server, {}, client))))
      yield* Deferred.await(seen)
      yield* TestClock.adjust("1 hour")
      yield* arrived
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)
      yield* closed
      assert(error._tag === "WatchTimeoutError")
      assert.strictEqual(error.lastSnapshot?.status, "queued")
    })
  )
})
