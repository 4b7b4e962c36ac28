import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream, TestClock } from "effect"
import {
  awaitVideo,
  awaitVideos,
  type CallOptions,
  createAndWatch,
  editAndWatch,
  extendAndWatch,
  remixAndWatch,
  Videos,
  type VideosService,
  type WatchOptions,
  watchVideo,
  watchVideos
} from "effect-videos"
import { makeVideos } from "effect-videos/promise"
import { snapshot } from "./support/script.js"
import { inTurn, json, type Reply, serve } from "./support/server.js"
import { sharing } from "./support/sharing.js"
import { job, videosOver } from "./support/videos.js"

const extras = { extraQuery: { "api-version": "preview" }, extraHeaders: { "X-Tenant": "acme" } }
const quick = { poll: Schedule.spaced("1 millis") }

/** Two polls that see it run, and then it is done. */
const course: Reply = inTurn(
  json(200, job({ status: "queued" })),
  json(200, job({ status: "in_progress" })),
  json(200, job({ status: "completed" }))
)

describe("what a watch's requests carry", () => {
  it.scopedLive.each<{ readonly name: string; readonly run: Effect.Effect<unknown, unknown, Videos> }>([
    { name: "watchVideo", run: Stream.runDrain(watchVideo("video_1", { ...quick, ...extras })) },
    { name: "awaitVideo", run: awaitVideo("video_1", { ...quick, ...extras }) },
    { name: "watchVideos", run: Stream.runDrain(watchVideos(["video_1"], { ...quick, ...extras })) },
    {
      name: "watchVideos of a Stream",
      run: Stream.runDrain(watchVideos(Stream.make("video_1"), { ...quick, ...extras }))
    },
    { name: "awaitVideos", run: awaitVideos(["video_1"], { ...quick, ...extras }) }
  ])("is in each poll of $name", ({ run }) =>
    Effect.gen(function* () {
      const server = yield* serve(course)
      yield* Effect.provide(run, videosOver(server))
      assert.strictEqual(server.requests.length, 3)
      for (const { headers, url } of server.requests) {
        assert.strictEqual(url, "/v1/videos/video_1?api-version=preview")
        assert.strictEqual(headers["x-tenant"], "acme")
      }
    })
  )

  const submit = { ...extras, extraHeaders: { ...extras.extraHeaders, "Idempotency-Key": "mine" } }
  const own = { extraHeaders: { "x-tenant": "other", "x-watch": "1" } }

  it.scopedLive.each([
    { name: "createAndWatch", run: createAndWatch({ prompt: "a boat" }, { ...quick, ...own, submit }) },
    {
      name: "extendAndWatch",
      run: extendAndWatch({ video: "video_0", prompt: "on", seconds: 4 }, { ...quick, ...own, submit })
    },
    { name: "editAndWatch", run: editAndWatch({ video: "video_0", prompt: "on" }, { ...quick, ...own, submit }) },
    { name: "remixAndWatch", run: remixAndWatch({ video: "video_0", prompt: "on" }, { ...quick, ...own, submit }) }
  ])("is what the submission of $name carried, and the watch's own, which wins", ({ run }) =>
    Effect.gen(function* () {
      const server = yield* serve(course)
      yield* Effect.provide(Stream.runDrain(run), videosOver(server))
      const [submission, ...polls] = server.requests
      assert.match(submission?.url ?? "", /\?api-version=preview$/)
      assert.strictEqual(submission?.headers["x-tenant"], "acme")
      assert.strictEqual(submission?.headers["x-watch"], undefined)
      assert.strictEqual(polls.length, 2)
      for (const { headers, url } of polls) {
        assert.strictEqual(url, "/v1/videos/video_1?api-version=preview")
        assert.strictEqual(headers["x-tenant"], "other")
        assert.strictEqual(headers["x-watch"], "1")
        assert.strictEqual(headers["idempotency-key"], undefined)
      }
    })
  )

  it.scopedLive("is in the pages that stand for polls, and only those with the same share a page", () =>
    Effect.gen(function* () {
      const ids = Array.from({ length: 10 }, (_, index) => `video_${index}`)
      const data = ids.map((id) => job({ id, status: "completed" }))
      const server = yield* serve(json(200, { object: "list", data, has_more: false }))
      yield* Effect.all(
        [
          awaitVideos(ids, extras),
          awaitVideos(ids, { ...extras, extraHeaders: { "x-tenant": "acme" } }),
          awaitVideos(ids)
        ],
        { concurrency: "unbounded" }
      ).pipe(Effect.provide(videosOver(server, { watching: { list: "always" } })))
      assert.deepStrictEqual(
        server.requests.map(({ headers, url }) => [url, headers["x-tenant"]]).sort(),
        [
          ["/v1/videos?limit=100&order=desc", undefined],
          ["/v1/videos?api-version=preview&limit=100&order=desc", "acme"]
        ].sort()
      )
    })
  )

  it.scopedLive("is in the polls of the Promise facade", () =>
    Effect.gen(function* () {
      const server = yield* serve(course)
      const videos = makeVideos({ baseUrl: server.baseUrl })
      yield* Effect.promise(() => videos.await("video_1", { poll: "1 millis", ...extras }))
      yield* Effect.promise(() => videos.close())
      assert.deepStrictEqual(
        [...new Set(server.requests.map(({ url }) => url))],
        ["/v1/videos/video_1?api-version=preview"]
      )
    })
  )
})

describe("two watches of one job", () => {
  const counted = () => {
    const polls: Array<CallOptions | undefined> = []
    const retrieve: VideosService["retrieve"] = (_, options) => {
      polls.push(options)
      return Effect.succeed(snapshot("in_progress"))
    }
    return { polls, layer: sharing({ retrieve }) }
  }
  const slow = { poll: Schedule.spaced("1 hour") }

  it.effect.each<{ readonly name: string; readonly a: WatchOptions; readonly b: WatchOptions; readonly polls: number }>(
    [
      { name: "equal queries", a: { extraQuery: { a: "1", b: "2" } }, b: { extraQuery: { b: "2", a: "1" } }, polls: 1 },
      {
        name: "headers in another case",
        a: { extraHeaders: { "X-A": "1" } },
        b: { extraHeaders: { "x-a": "1" } },
        polls: 1
      },
      { name: "empty options and none", a: { extraHeaders: {}, extraQuery: {} }, b: {}, polls: 1 },
      { name: "another query", a: { extraQuery: { a: "1" } }, b: { extraQuery: { a: "2" } }, polls: 2 },
      {
        name: "a header's value in another case",
        a: { extraHeaders: { a: "x" } },
        b: { extraHeaders: { a: "X" } },
        polls: 2
      },
      {
        name: "a query's name in another case",
        a: { extraQuery: { a: "1" } },
        b: { extraQuery: { A: "1" } },
        polls: 2
      },
      { name: "a header and a query alike", a: { extraHeaders: { a: "1" } }, b: { extraQuery: { a: "1" } }, polls: 2 },
      { name: "options and none", a: { extraQuery: { a: "1" } }, b: {}, polls: 2 }
    ]
  )("with $name cost $polls", ({ a, b, polls }) => {
    const { layer, polls: sent } = counted()
    return Effect.gen(function* () {
      const fibers = yield* Effect.forEach([a, b], (given) =>
        Effect.fork(Stream.runDrain(watchVideo("video_1", { ...slow, ...given })))
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(sent.length, polls)
      const { jobs } = yield* Videos.watchers
      assert.strictEqual(jobs.length, polls)
      yield* Fiber.interruptAll(fibers)
      assert.strictEqual((yield* Videos.watchers).jobs.length, 0)
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "share the limit of requests even in different groups; `Videos.watchers` counts those that wait for it",
    () => {
      let inFlight = 0
      let most = 0
      const polled: Array<string> = []
      const retrieve: VideosService["retrieve"] = (id) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            polled.push(id)
            most = Math.max(most, ++inFlight)
          }),
          () => Effect.delay(Effect.succeed(snapshot("completed", { id })), "1 second"),
          () => Effect.sync(() => inFlight--)
        )
      return Effect.gen(function* () {
        const watching = (name: string) =>
          Effect.fork(
            awaitVideos(
              Array.from({ length: 100 }, (_, index) => `${name}_${index}`),
              { extraQuery: { name } }
            )
          )
        const fibers = yield* Effect.forEach(["a", "b", "c"], watching)
        yield* TestClock.adjust("500 millis")
        const watchers = yield* Videos.watchers
        assert.deepStrictEqual([watchers.inFlight, watchers.waiting], [64, 236])
        yield* TestClock.adjust("1 minute")
        yield* Fiber.joinAll(fibers)
        assert.strictEqual(most, 64)
        assert.strictEqual(polled.length, 300)
      }).pipe(Effect.provide(sharing({ retrieve, listPages: () => Stream.empty })))
    }
  )
})
