/** Lists that lie, break off or never end: what is emitted, what it costs, and how it ends. */
import { assert, describe } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { Effect, Stream } from "effect"
import { listVideos } from "effect-videos"
import { make } from "../../packages/server/test/support.js"
import { anyClient, counted, requestsFor, resultOf, testCells, world } from "./support.js"

const { status } = Fault

/** Five jobs, two on a page: three pages. Which request has the fault, and what comes of it. */
const table: ReadonlyArray<readonly [name: string, fault: Fault.Fault, when: Fault.When, ends: string]> = [
  ["no fault", Fault.skew({ ahead: 1 }), Fault.always, "5 jobs, value, 3 requests"],
  ["the first page for ever", Fault.page("first"), Fault.always, "2 jobs, ResponseDecodeError, 2 requests"],
  ["the first page as the third", Fault.page("first"), Fault.nth(3), "4 jobs, ResponseDecodeError, 3 requests"],
  [
    "an empty page that says there is more",
    Fault.page("empty"),
    Fault.nth(2),
    "2 jobs, ResponseDecodeError, 2 requests"
  ],
  [
    "nothing but empty pages that say there is more",
    Fault.page("empty"),
    Fault.always,
    "0 jobs, ResponseDecodeError, 1 request"
  ],
  ["every job twice", Fault.page("doubled"), Fault.always, "5 jobs, value, 3 requests"],
  ["a page for people as the third", Fault.html(), Fault.nth(3), "5 jobs, value, 4 requests"],
  ["pages for people from the third on", Fault.html(), Fault.nth(3, 4, 5), "4 jobs, ResponseDecodeError, 5 requests"],
  ["a third page cut in half, twice", Fault.reset("mid-body"), Fault.nth(3, 4), "5 jobs, value, 5 requests"],
  [
    "a third page cut in half for good",
    Fault.reset("mid-body"),
    Fault.nth(3, 4, 5),
    "4 jobs, TransportError, 5 requests"
  ],
  ["a 503 before each page", status({ status: 503 }), Fault.nth(1, 3, 5), "5 jobs, value, 6 requests"],
  ["a key that stops being good", status({ status: 401 }), Fault.nth(2), "2 jobs, AuthenticationError, 2 requests"],
  ["a million jobs on a page", Fault.hugeList(1_000_000), Fault.nth(2), "2 jobs, ResponseDecodeError, 2 requests"],
  ["a page without end", Fault.endless(), Fault.nth(2), "2 jobs, ResponseDecodeError, 2 requests"],
  ["a replica that knows nothing yet", Fault.stale("1 hour"), Fault.always, "0 jobs, value, 1 request"]
]

describe("a list emits each job once, and ends as it should", () => {
  testCells(
    table.map(([name, fault, when, ends]) => ({ name, fault, when, ends, waits: false })),
    ({ fault, when }, server) =>
      Effect.gen(function* () {
        const { faults } = yield* VideosServer
        const made = yield* Effect.replicateEffect(make(), 5)
        yield* faults.set([{ on: ["list"], when, fault }])
        const seen: Array<string> = []
        const ended = yield* Effect.either(
          Stream.runForEach(listVideos({ limit: 2 }), ({ id }) => Effect.sync(() => seen.push(id)))
        )
        // The newest first, none left out and none twice, as far as it came.
        assert.deepStrictEqual(seen, [...made].reverse().slice(0, seen.length))
        return `${counted(seen.length, "job")}, ${resultOf(ended)}, ${counted(yield* requestsFor("list"), "request")}`
      }).pipe(Effect.provide(world(anyClient.layer, {}, server)), Effect.orDie)
  )
})
