/**
 * What peers of this library fell into, each as a test. In files of their own: lost responses and twins (`Reconcile*`), keys
 * kept over retries (`Reconcile`, `Submissions`), a wait that holds its process (`Deadlines`), events before their time
 * (`WatchPush`), failures without code or id (`Watches`), what leaves the origin (`Redirects`, `secrets/`), and of webhooks the
 * stale, the replayed, junk in times, bare signatures, changed secrets and bodies without shape (`Webhook*`).
 */
import { assert, describe, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import {
  Array as Arr,
  Cause,
  Duration,
  Effect,
  Exit,
  Fiber,
  Random,
  Redacted,
  Schedule,
  Stream,
  TestClock
} from "effect"
import {
  adaptivePoll,
  awaitVideo,
  type CreateVideoError,
  createVideo,
  downloadVideo,
  type RetrieveVideoError,
  retrieveVideo,
  type VideoResource,
  type Videos,
  type VideosConfigOptions,
  watchVideo
} from "effect-videos"
import { makeScript, seen, snapshot } from "../support/script.js"
import { hangUntilClosed, inTurn, json, serve, text } from "../support/server.js"
import { anyClient, clients, job, respondBroken, respondJson, videosOver, videosScripted } from "../support/videos.js"
import { idsThere, requestsFor, resultOf, twice, world } from "./support.js"

/** The gaps between tries, in milliseconds of the clock. */
const gaps = (at: ReadonlyArray<number>): ReadonlyArray<number> => Arr.zipWith(at.slice(1), at, (b, a) => b - a)

const advanced = <A, E, R>(self: Effect.Effect<A, E, R>, by: Duration.DurationInput) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(self)
    yield* TestClock.adjust(by)
    return yield* Fiber.join(fiber)
  })

describe("delays that are no integers", () => {
  it.effect("are waited for like any others", () =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted((index, request) =>
        index < 4 ? respondBroken(request, "ECONNRESET") : respondJson(200, job())
      )
      yield* advanced(Effect.provide(retrieveVideo("video_1"), layer), "1 minute")
      // Half of 0.5, 1, 2 and 4 s, and a bit of a millisecond that the clock rounds away.
      assert.deepStrictEqual(gaps(tries.at).map(Math.round), [250, 500, 1000, 2000])
    }).pipe(Effect.withRandom(Random.fixed([0.5000001])))
  )
})

describe("Retry-After", () => {
  const forms: ReadonlyArray<readonly [string, { readonly [name: string]: string }]> = [
    ["seconds", { "retry-after": "2" }],
    ["milliseconds", { "retry-after-ms": "2000" }],
    ["a date", { "retry-after": new Date(2000).toUTCString() }]
  ]
  it.effect.each(forms)("delays a read and a submission if it has %s", ([, headers]) =>
    Effect.gen(function* () {
      const calls: ReadonlyArray<Effect.Effect<VideoResource, CreateVideoError | RetrieveVideoError, Videos>> = [
        retrieveVideo("video_1"),
        createVideo({ prompt: "x" })
      ]
      for (const call of calls) {
        const { layer, tries } = videosScripted(
          (index) => (index === 0 ? respondJson(429, {}, headers) : respondJson(200, job())),
          { readRetry: twice, submitRetry: twice }
        )
        yield* advanced(Effect.provide(call, layer), "3 seconds")
        assert.strictEqual(tries.at.length, 2)
        assert.isAtLeast(
          tries.at[1] ?? 0,
          headers["retry-after"]?.includes("GMT") === true ? 2000 : (tries.at[0] ?? 0) + 2000
        )
        yield* TestClock.setTime(0)
      }
    })
  )

  it.effect("becomes an error at once if it is an hour", () =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted(() => respondJson(429, {}, { "retry-after": "3600" }))
      const error = yield* Effect.flip(Effect.provide(createVideo({ prompt: "x" }), layer))
      assert(error._tag === "RateLimitedError" && error.retryAfter !== null)
      assert.strictEqual(Duration.toSeconds(error.retryAfter), 3600)
      assert.deepStrictEqual(tries.at, [0])
    })
  )

  it.effect("does not become a hot loop if it is in the past: the schedule's own delay holds", () =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted(
        () => respondJson(503, {}, { "retry-after": "Thu, 01 Jan 1970 00:00:00 GMT" }),
        { readRetry: Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(2)) }
      )
      yield* advanced(Effect.either(Effect.provide(retrieveVideo("video_1"), layer)), "1 minute")
      assert.strictEqual(tries.at.length, 3)
      assert.isTrue(gaps(tries.at).every((gap) => gap >= 1000))
    })
  )
})

describe("a hint of the server", () => {
  it.effect("applies to the next poll only", () =>
    Effect.gen(function* () {
      const { layer, times } = makeScript(
        { video: snapshot("in_progress"), headers: { "openai-poll-after-ms": "7000" } },
        seen("in_progress"),
        seen("in_progress"),
        seen("completed")
      )
      yield* advanced(Effect.provide(awaitVideo("video_1", { poll: adaptivePoll() }), layer), "1 minute")
      const [hinted, ...own] = gaps(times)
      assert.strictEqual(hinted, 7000)
      assert.isTrue(own.length > 0 && own.every((gap) => gap !== 7000))
    })
  )
})

describe("waiters at the cap", () => {
  it.effect("do not fall in step", () =>
    Effect.gen(function* () {
      const scripts = Arr.makeBy(20, () => makeScript(seen("queued")))
      const fiber = yield* Effect.fork(
        Effect.forEach(
          scripts,
          ({ layer }) =>
            Effect.provide(
              Stream.runDrain(watchVideo("video_1", { poll: adaptivePoll({ cap: "10 seconds" }) })),
              layer
            ),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.interrupt(fiber)
      const last = scripts.map(({ times }) => gaps(times).at(-1) ?? 0)
      assert.isTrue(last.every((gap) => gap > 8000 && gap < 12_000))
      assert.isAtLeast(new Set(last).size, 15)
    })
  )
})

describe("a timeout", () => {
  it.effect("is an error that can be caught, with what was seen last, and the job goes on from it", () =>
    Effect.gen(function* () {
      const { layer } = makeScript(seen("in_progress", { progress: 40 }))
      const wait = awaitVideo("video_1", { totalTimeout: "10 seconds" }).pipe(
        Effect.catchTag("WatchTimeoutError", (error) => Effect.succeed(error.lastSnapshot))
      )
      const last = yield* advanced(Effect.provide(wait, layer), "10 seconds")
      assert.strictEqual(last?.progress, 40)
      const after = makeScript(seen("completed"))
      const video = yield* Effect.provide(awaitVideo(last ?? "video_1"), after.layer)
      assert.strictEqual(video.status, "completed")
    })
  )

  it.effect("polls once more just before, and emits what ended meanwhile", () =>
    Effect.gen(function* () {
      const { layer, times } = makeScript(seen("in_progress"), seen("completed"))
      const wait = awaitVideo("video_1", { totalTimeout: "10 seconds", poll: Schedule.spaced("1 hour") })
      assert.strictEqual((yield* advanced(Effect.provide(wait, layer), "10 seconds")).status, "completed")
      assert.deepStrictEqual(times, [0, 9500])
    })
  )
})

describe.each(clients)("a wait that is given up, over $client,", ({ layer }) => {
  it.live("emits no value, and leaves neither a timer nor a connection", () =>
    Effect.gen(function* () {
      const { arrived, closed, reply } = yield* hangUntilClosed
      const server = yield* serve(inTurn(json(200, job()), reply))
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length
      yield* Effect.gen(function* () {
        const sleeping = yield* Effect.fork(awaitVideo("video_1", { poll: Schedule.spaced("1 hour") }))
        while (server.requests.length === 0) yield* Effect.sleep(1)
        yield* Effect.sleep(250)
        const before = timers()
        const asking = yield* Effect.fork(awaitVideo("video_2"))
        yield* arrived
        for (const fiber of [sleeping, asking]) {
          const exit = yield* Fiber.interrupt(fiber)
          assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
        }
        yield* closed
        assert.isBelow(timers(), before)
      }).pipe(Effect.provide(videosOver(server, {}, layer)))
    }).pipe(Effect.scoped)
  )
})

describe("a paid request", () => {
  const { layer } = anyClient
  /** With defaults but for the waits: what a program gets that says nothing. */
  const options: VideosConfigOptions = { listLag: 0 }
  const faults: ReadonlyArray<readonly [string, Fault.Fault, number]> = [
    ["a reset", Fault.reset("after-commit"), 1],
    ["a 503", Fault.status({ status: 503, committed: true }), 1],
    ["a 504", Fault.status({ status: 504, committed: true }), 1],
    ["half a response", Fault.reset("mid-body"), 1]
  ]
  it.live.each(faults)("is sent once, and its job is found, if its response is lost by %s", ([, fault, sent]) =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      yield* faults.set([{ on: ["create"], when: Fault.nth(1), fault }])
      const { id } = yield* createVideo({ prompt: "a lighthouse", size: "64x64" })
      assert.deepStrictEqual(yield* idsThere, [id])
      assert.strictEqual(yield* requestsFor("create"), sent)
    }).pipe(Effect.provide(world(layer, options)))
  )
})

describe.each(clients)("what identifies the caller, over $client,", ({ layer }) => {
  it.live("is sent to no other origin, whichever way the server leads there", () =>
    Effect.gen(function* () {
      const secret = "sk-secret-9f1c"
      const elsewhere = yield* serve(text(200, "bytes of a clip"))
      yield* Effect.gen(function* () {
        const { faults } = yield* VideosServer
        for (const status of [301, 302, 303, 307, 308] as const) {
          yield* faults.set([{ fault: Fault.redirect(elsewhere.origin, status) }])
          yield* Effect.either(retrieveVideo("video_1"))
          yield* Effect.either(Stream.runDrain(downloadVideo("video_1")))
          assert.strictEqual(resultOf(yield* Effect.either(createVideo({ prompt: "x" }))), "RedirectError")
        }
      }).pipe(
        Effect.provide(
          world(layer, {
            apiKey: Redacted.make(secret),
            organization: `org-${secret}`,
            project: `proj-${secret}`,
            headers: { "x-api-key": Redacted.make(secret), "api-key": secret, cookie: `session=${secret}` }
          })
        )
      )
      assert.isAtLeast(elsewhere.requests.length, 10)
      assert.isTrue(elsewhere.requests.every(({ method }) => method === "GET"))
      assert.notInclude(JSON.stringify(elsewhere.requests.map(({ headers, url }) => [url, headers])), secret)
    }).pipe(Effect.scoped)
  )
})

describe("a watch", () => {
  it.live("survives a 503 and then a reset, as a run of any length", () =>
    Effect.gen(function* () {
      const server = yield* serve(
        inTurn(
          json(200, job({ status: "in_progress" })),
          ...Arr.flatten(
            Arr.makeBy(10, () => [
              text(503, ""),
              (response: { socket: { destroy: () => void } | null }) => void response.socket?.destroy()
            ])
          ),
          json(200, job({ status: "completed" }))
        )
      )
      const video = yield* awaitVideo("video_1", { poll: Schedule.spaced(1), retry: Schedule.spaced(1) }).pipe(
        Effect.provide(videosOver(server, {}, anyClient.layer))
      )
      assert.strictEqual(`${video.status} ${server.requests.length}`, "completed 22")
    }).pipe(Effect.scoped)
  )
})
