import { describe, expect, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Effect, Fiber, Layer, Option, Schedule, Stream, TestClock } from "effect"
import {
  createVideo,
  retrieveVideo,
  Videos,
  VideosConfig,
  type VideosConfigOptions,
  watchVideo,
  watchVideos
} from "effect-videos"
import { json, type Reply, serve } from "./support/server.js"
import { anyClient, atOnce, job, respondJson, videosOver, videosScripted } from "./support/videos.js"

const idsOf = (count: number) => Array.from({ length: count }, (_, index) => `video_${index}`)

describe.each([anyClient])("a layer over $client", ({ layer: client }) => {
  it.scopedLive("has as many requests under way as its budget allows, and no more, on a few sockets", () =>
    Effect.gen(function* () {
      const concurrency = 3
      const total = 45
      const held: Array<() => void> = []
      const sockets = new Set<unknown>()
      let most = 0
      // The server holds all responses until as many requests are open as the limit allows, and 5 ms longer, in case there is one more.
      const reply: Reply = (response, request, index) => {
        sockets.add(response.socket)
        const id = decodeURIComponent(request.url.split("/").at(-1) ?? "")
        held.push(() => json(200, job({ id, status: "completed" }))(response, request, index))
        most = Math.max(most, held.length)
        if (held.length === concurrency || index === total - 1) {
          setTimeout(() => {
            for (const send of held.splice(0)) send()
          }, 5)
        }
      }
      const server = yield* serve(reply)
      yield* Effect.gen(function* () {
        const reads = Effect.forEach(idsOf(30), (id) => retrieveVideo(id), { concurrency: "unbounded" })
        const watches = Effect.forEach(idsOf(15), (id) => Stream.runDrain(watchVideo(id)), { concurrency: "unbounded" })
        yield* Effect.all([reads, watches], { concurrency: "unbounded" })
      }).pipe(Effect.provide(videosOver(server, { budget: { concurrency }, watching: { list: "never" } }, client)))
      expect(server.requests.map(({ url }) => url).sort()).toEqual(
        [...idsOf(30), ...idsOf(15)].map((id) => `/v1/videos/${id}`).sort()
      )
      expect(most).toBe(concurrency)
      // A response may be complete, and its permit released, a moment before its socket is free.
      expect(sockets.size).toBeLessThanOrEqual(2 * concurrency)
    })
  )

  it.scopedLive("loses no place to calls that are interrupted, refused, redirected or broken, wherever they are", () =>
    Effect.gen(function* () {
      const server = yield* serve(
        (response, request, index) =>
          void [
            () => setTimeout(() => respond(response), index % 7),
            () => respond(response),
            () => json(404, { error: { message: "no such job" } })(response, request, index),
            () => response.writeHead(307, { location: "/v1/videos/video_there" }).end(),
            () => response.socket?.destroy(),
            () => response.writeHead(200, { "content-type": "application/json" }).write("{")
          ][index % 6]?.()
      )
      const respond = (response: Parameters<Reply>[0]) => response.end(JSON.stringify(job({ status: "completed" })))
      yield* Effect.gen(function* () {
        yield* Effect.forEach(
          idsOf(300),
          (id, index) =>
            Effect.gen(function* () {
              const fiber = yield* Effect.fork(Effect.exit(retrieveVideo(id)))
              // Before it has begun, while it waits for a place, and at any moment of its exchange.
              if (index % 3 > 0) yield* Effect.sleep(index % 11)
              yield* Fiber.interrupt(fiber)
            }),
          { concurrency: 40 }
        )
        const { budget } = yield* Videos.watchers
        expect(budget).toMatchObject({ inFlight: 0, waiting: 0 })
      }).pipe(Effect.provide(videosOver(server, { budget: { concurrency: 5 } }, client)))
    })
  )
})

describe("the budget of a layer", () => {
  it.effect("refuses numbers that make no sense, by name", () =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<readonly [string, VideosConfigOptions]> = [
        ["budget.concurrency", { budget: { concurrency: 0 } }],
        ["budget.concurrency", { budget: { concurrency: 1.5 } }],
        ["budget.requestsPerSecond", { budget: { requestsPerSecond: -1 } }],
        ["budget.requestsPerSecond", { budget: { requestsPerSecond: Number.NaN } }],
        ["watching.threshold", { watching: { threshold: 0 } }]
      ]
      for (const [name, options] of wrong) {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(VideosConfig.layer(options))))
        expect(String(error)).toContain(name)
      }
    })
  )

  it.effect("spaces requests that start together, submissions first", () =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted(() => respondJson(200, job({ status: "completed" })), {
        budget: { requestsPerSecond: 1 }
      })
      const fiber = yield* Effect.all(
        [...idsOf(4).map((id) => retrieveVideo(id)), createVideo({ prompt: "a lighthouse" })],
        { concurrency: "unbounded" }
      ).pipe(Effect.provide(layer), Effect.fork)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      expect(tries.at).toEqual([0, 1000, 2000, 3000, 4000])
      expect(tries.headers.findIndex((headers) => "idempotency-key" in headers)).toBe(1)
    })
  )

  it.effect("lets a read pass after three submissions, so that endless submissions do not stop reads", () =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted(
        (index) => respondJson(200, job({ id: `video_${index}`, status: "completed" })),
        {
          budget: { requestsPerSecond: 1 }
        }
      )
      const submissions = Effect.replicateEffect(Effect.fork(createVideo({ prompt: "a lighthouse" })), 7)
      yield* Effect.gen(function* () {
        const fibers = yield* submissions
        const read = yield* Effect.fork(retrieveVideo("video_1"))
        yield* TestClock.adjust("20 seconds")
        yield* Fiber.joinAll(fibers)
        yield* Fiber.join(read)
      }).pipe(Effect.provide(layer))
      expect(tries.headers.findIndex((headers) => !("idempotency-key" in headers))).toBe(4)
    })
  )

  it.effect("a 429 to one request pauses all, watches included, and then slows them down", () =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted(
        (index) =>
          index === 0
            ? respondJson(429, {}, { "retry-after": "5" })
            : respondJson(200, job({ status: "in_progress", progress: index })),
        { readRetry: atOnce(1) }
      )
      yield* Effect.gen(function* () {
        const first = yield* Effect.fork(retrieveVideo("video_1"))
        yield* TestClock.adjust("1 second")
        const watch = yield* Effect.fork(Stream.runDrain(watchVideo("video_2", { poll: Schedule.spaced("1 second") })))
        const second = yield* Effect.fork(retrieveVideo("video_3"))
        yield* TestClock.adjust("3 seconds")
        expect(tries.at).toEqual([0])
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(first)
        yield* Fiber.join(second)
        expect(tries.at[1]).toBe(5000)
        expect(tries.at.filter((at) => at < 11_000).length).toBeLessThan(6)
        // A minute later the watch looks as often as it likes.
        expect(tries.at.filter((at) => at > 55_000).length).toBeGreaterThan(7)
        yield* Fiber.interrupt(watch)
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("and the number of watches are visible", () =>
    Effect.gen(function* () {
      const all = yield* Effect.replicateEffect(createVideo({ prompt: "a lighthouse", seconds: 4 }), 30)
      const fiber = yield* Effect.fork(Stream.runDrain(watchVideos(all.map(({ id }) => id))))
      const one = yield* Effect.fork(Stream.runDrain(watchVideo(all[0]?.id ?? "")))
      yield* TestClock.adjust("1 millis")
      const { budget, isPushed, jobs, list } = yield* Videos.watchers
      expect(jobs.length).toBe(30)
      expect(jobs[0]).toMatchObject({ id: all[0]?.id, consumers: 2, readBy: "page" })
      expect(jobs[0]?.latest?.status).toBe("queued")
      expect(Option.fromNullable(jobs[0]?.nextPollAt)._tag).toBe("Some")
      expect(list).toEqual({ mode: "auto", distrust: null })
      expect(isPushed).toBe(false)
      expect(budget).toMatchObject({ inFlight: 0, waiting: 0, pausedUntil: null })
      yield* Fiber.interruptAll([fiber, one])
      expect((yield* Videos.watchers).jobs).toEqual([])
    }).pipe(Effect.provide(VideosServer.layerTest()))
  )

  it.effect.each([
    ["never", 0],
    ["always", 1],
    ["auto", 0]
  ] as const)("three jobs with `list: %s`", ([list, pages]) =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      const all = yield* Effect.replicateEffect(createVideo({ prompt: "a lighthouse", seconds: 4 }), 3)
      const fiber = yield* Effect.fork(Stream.runDrain(watchVideos(all)))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      const log = yield* faults.log
      const asked = log.filter(({ operation }) => operation === "list").length
      expect(asked > 0 ? 1 : 0).toBe(pages)
      expect(log.some(({ operation }) => operation === "retrieve")).toBe(pages === 0)
    }).pipe(Effect.provide(VideosServer.layerTest({}, { watching: { list } })))
  )
})
