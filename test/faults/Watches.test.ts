/** Every fault on a watch that is under way: it goes on over what passes, and says what does not. */
import { assert, describe, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { Chunk, Effect, Either, Schedule, Stream } from "effect"
import { awaitVideo, type VideosConfigOptions, watchVideo, watchVideos } from "effect-videos"
import { make } from "../../packages/server/test/support.js"
import { seeds } from "../support/seeds.js"
import {
  anyClient,
  counted,
  patience,
  requestsFor,
  resultOf,
  serverWith,
  source,
  testCells,
  twice,
  world
} from "./support.js"

const quick = { poll: Schedule.spaced("2 millis"), retry: twice }

/** What the server says that a job of its is, on the nth polls. */
const said = (on: "retrieve" | "list", status: string, n: number, ...more: ReadonlyArray<number>) => ({
  on: [on] as const,
  when: Fault.nth(n, ...more),
  fault: Fault.unknownStatus(status)
})

const { status } = Fault

interface Row {
  readonly name: string
  readonly fault: Fault.Fault
  /** How it ends under a fault that stays. */
  readonly error: string
  /** Whether a run of two is outlived; what is not ends the watch at once. */
  readonly passes: boolean
  readonly silent?: boolean
  readonly waits?: boolean
}

const rows: ReadonlyArray<Row> = [
  { name: "429", fault: status({ status: 429 }), error: "RateLimitedError", passes: true, waits: true },
  {
    name: "429, Retry-After in the past",
    fault: status({ status: 429, retryAfter: Fault.retryAfterPast("1 hour") }),
    error: "RateLimitedError",
    passes: true,
    waits: true
  },
  {
    name: "429, Retry-After of an hour",
    fault: status({ status: 429, retryAfter: "1 hour" }),
    error: "RateLimitedError",
    passes: false
  },
  {
    name: "429 with an empty account",
    fault: status({ status: 429, code: "insufficient_quota" }),
    error: "QuotaExceededError",
    passes: false
  },
  { name: "401", fault: status({ status: 401 }), error: "AuthenticationError", passes: false },
  { name: "500", fault: status({ status: 500 }), error: "ServerError", passes: true },
  { name: "502, a proxy's page", fault: status({ status: 502, body: "html" }), error: "ServerError", passes: true },
  { name: "503", fault: status({ status: 503 }), error: "ServerError", passes: true },
  { name: "504", fault: status({ status: 504, body: "empty" }), error: "ServerError", passes: true },
  { name: "524, a proxy's page", fault: status({ status: 524 }), error: "ServerError", passes: true },
  { name: "a page with 200", fault: Fault.html(), error: "ResponseDecodeError", passes: true },
  { name: "truncated JSON", fault: Fault.cutJson(), error: "ResponseDecodeError", passes: true },
  { name: "less said than sent", fault: Fault.contentLength(-9), error: "ResponseDecodeError", passes: true },
  { name: "more said than sent", fault: Fault.contentLength(9), error: "TransportError", passes: true },
  { name: "reset before headers", fault: Fault.reset("before-headers"), error: "TransportError", passes: true },
  { name: "reset in mid-body", fault: Fault.reset("mid-body"), error: "TransportError", passes: true },
  { name: "headers of 64 KiB", fault: Fault.hugeHeaders(64 * 1024), error: "TransportError", passes: true },
  { name: "a response without end", fault: Fault.endless(), error: "ResponseDecodeError", passes: false },
  { name: "no response", fault: Fault.hang(), error: "RequestTimeoutError", passes: true, silent: true },
  { name: "one byte per second", fault: Fault.slow(), error: "RequestTimeoutError", passes: true, silent: true }
]

const cells = rows.flatMap(({ error, fault, name, passes, silent = false, waits = false }) => {
  const common = { fault, silent, waits: waits || silent }
  return [
    {
      ...common,
      name: `${name}, twice`,
      when: Fault.nth(2, 3),
      ends: passes ? "queued in_progress completed, value, 5 polls" : `queued, ${error}, 2 polls`
    },
    {
      ...common,
      name: `${name}, for good`,
      when: Fault.always,
      ends: `, ${error}, ${passes ? 3 : 1} poll${passes ? "s" : ""}`
    }
  ]
})

/** What a watch tells, how it ends, and how many requests it takes. */
const watched = (id: string) =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    const ended = yield* Effect.either(
      Stream.runForEach(watchVideo(id, quick), (video) => Effect.sync(() => seen.push(video.status)))
    )
    return `${seen.join(" ")}, ${resultOf(ended)}, ${counted(yield* requestsFor("retrieve", "list"), "poll")}`
  })

const isPatient = (silent: boolean): VideosConfigOptions => (silent ? { requestTimeout: patience } : {})

const { layer } = anyClient

describe.concurrent("a watch goes on over every fault that passes, and ends with every other:", () => {
  testCells(cells, ({ fault, silent, when }, server) =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      const id = yield* source
      // The fault first: a permanent one decides how the watch ends.
      yield* faults.set([
        { on: ["retrieve"], when, fault },
        said("retrieve", "queued", 1),
        said("retrieve", "in_progress", 4)
      ])
      return yield* watched(id)
    }).pipe(Effect.provide(world(layer, isPatient(silent), server)), Effect.orDie)
  )
})

describe.concurrent("a watch that reads the list goes on over faults of the list:", () => {
  testCells(
    cells.filter(({ when }) => when._tag === "Nth"),
    ({ fault, silent, when }, server) =>
      Effect.gen(function* () {
        const { faults } = yield* VideosServer
        const id = yield* source
        yield* faults.set([{ on: ["list"], when, fault }, said("list", "queued", 1), said("list", "in_progress", 4)])
        return yield* watched(id)
      }).pipe(
        Effect.provide(world(layer, { watching: { list: "always" }, ...isPatient(silent) }, server)),
        Effect.orDie
      )
  )
})

describe("a watch, by a replica that lags,", () => {
  it.live("never emits an earlier state of a job", () =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      const id = yield* source
      yield* faults.set([
        said("retrieve", "queued", 1, 3, 5),
        said("retrieve", "in_progress", 2, 4, 6),
        { on: ["retrieve"], when: Fault.nth(7), fault: Fault.stale("1 hour") }
      ])
      assert.strictEqual(yield* watched(id), "queued in_progress completed, value, 8 polls")
    }).pipe(Effect.provide(world(layer)))
  )

  it.live("takes that it knows no such job for a while, and then for good", () =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      const id = yield* source
      yield* faults.set([{ on: ["retrieve"], fault: Fault.stale("1 hour") }])
      const fresh = yield* Effect.either(awaitVideo(id, quick))
      assert.strictEqual(`${resultOf(fresh)}, ${yield* requestsFor("retrieve")}`, "VideoNotFoundError, 3")
      const old = yield* Effect.either(awaitVideo(id, { ...quick, notFoundGrace: 0 }))
      assert.strictEqual(`${resultOf(old)}, ${yield* requestsFor("retrieve")}`, "VideoNotFoundError, 4")
    }).pipe(Effect.provide(world(layer)))
  )
})

describe("many watches", () => {
  it.live.each(seeds(1))(
    "all end as their jobs do, by pages and by single polls, under a mix of faults (seed %i)",
    (seed) =>
      Effect.gen(function* () {
        const { faults, jobs } = yield* VideosServer
        const ids = yield* Effect.all(
          Array.from({ length: 30 }, (_, index) => make({ prompt: index % 3 === 0 ? "it fails" : "it ends well" })),
          { concurrency: 1 }
        )
        yield* faults.set(
          [
            Fault.status({ status: 503 }),
            Fault.reset("before-headers"),
            Fault.reset("mid-body"),
            Fault.cutJson(),
            Fault.html(),
            Fault.contentLength(-9),
            Fault.unknownStatus("dreaming")
          ].map((fault, index) => ({
            on: ["retrieve", "list"] as const,
            when: Fault.chance(0.06, seed * 100 + index),
            fault
          }))
        )
        const updates = yield* Stream.runCollect(
          watchVideos(ids, { poll: Schedule.spaced("5 millis"), retry: Schedule.spaced("5 millis") })
        )
        const ends = Chunk.toReadonlyArray(updates).flatMap((update) =>
          update._tag === "VideoChanged"
            ? []
            : [`${update.id} ${update._tag === "VideoEnded" ? update.video.status : "lost"}`]
        )
        const truth = (yield* jobs).map(({ id, status }) => `${id} ${status}`)
        assert.deepStrictEqual([...ends].sort(), [...truth].sort())
        assert.strictEqual(truth.filter((end) => end.endsWith("failed")).length, 10)
      }).pipe(
        Effect.provide(
          world(
            layer,
            {},
            serverWith({
              queueTime: "20 millis",
              runTime: "60 millis",
              outcome: ({ prompt }) => (prompt === "it fails" ? { code: "no_gpu", message: "no GPU" } : null)
            })
          )
        )
      ),
    20_000
  )
})

describe("a job that failed", () => {
  it.live("is emitted with its code and its id, faults before it or not", () =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      const id = yield* source
      yield* faults.set([{ on: ["retrieve"], when: Fault.first(2), fault: Fault.reset("mid-body") }])
      const ended = yield* Effect.either(awaitVideo(id, quick))
      assert(Either.isLeft(ended) && ended.left._tag === "VideoFailedError")
      assert.deepStrictEqual([ended.left.code, ended.left.video.id], ["no_gpu", id])
      assert.include(ended.left.message, id)
    }).pipe(Effect.provide(world(layer, {}, serverWith({ outcome: () => ({ code: "no_gpu", message: "no GPU" }) }))))
  )
})
