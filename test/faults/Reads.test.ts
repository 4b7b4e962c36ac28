/** Every fault on every operation that makes nothing. */
import { assert, describe } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { Effect, Stream } from "effect"
import {
  deleteVideo,
  type ListVideosError,
  listVideos,
  type RetrieveCharacterError,
  type RetrieveVideoError,
  retrieveCharacter,
  retrieveVideo,
  type Videos
} from "effect-videos"
import {
  anyClient,
  character,
  clients,
  counted,
  idsThere,
  patience,
  requestsFor,
  resultOf,
  seenByTransports,
  source,
  testCells,
  world
} from "./support.js"

/** What calls are about. */
interface Subject {
  readonly video: string
  readonly character: string
}

/** Whether what came is what was asked for. */
type Call = (
  subject: Subject
) => Effect.Effect<boolean, RetrieveVideoError | ListVideosError | RetrieveCharacterError, Videos>

type Operation = "retrieve" | "list" | "retrieveCharacter" | "delete"

const operations: { readonly [name in Operation]: Call } = {
  retrieve: ({ video }) => Effect.map(retrieveVideo(video), ({ id }) => id === video),
  list: ({ video }) =>
    Effect.map(Stream.runCollect(listVideos()), (all) => [...all].map(({ id }) => String(id)).join() === video),
  retrieveCharacter: ({ character }) => Effect.map(retrieveCharacter(character), ({ id }) => id === character),
  delete: ({ video }) => Effect.map(deleteVideo(video), ({ deleted, id }) => deleted && id === video)
}

/**
 * How a call ends and with how many requests, where two tries more are allowed: once after a fault that is gone with the
 * second request, once under one that stays. A deletion also says whether the job is there afterwards.
 */
interface Cell {
  readonly run: string
  readonly stays: string
}

interface Row {
  readonly name: string
  readonly fault: Fault.Fault
  readonly cell: Cell
  readonly but?: { readonly [name in Operation]?: Partial<Cell> }
  readonly on?: ReadonlyArray<Operation>
  /** No response in time. */
  readonly silent?: boolean
  /** After a 429, the rate of the layer is halved: the next request waits for seconds. */
  readonly waits?: boolean
  /** undici accepts no compressed responses, and returns them as they are. */
  readonly undici?: (operation: Operation) => Cell
}

const everything: ReadonlyArray<Operation> = ["retrieve", "list", "retrieveCharacter", "delete"]
const jobs: ReadonlyArray<Operation> = ["retrieve", "list"]

/** Retried: the call succeeds after a run of faults. */
const passing = (error: string): Cell => ({ run: "value, 3 requests", stays: `${error}, 3 requests` })
/** Not retried. */
const final = (error: string): Cell => ({ run: `${error}, 1 request`, stays: `${error}, 1 request` })
/** No effect. */
const fine: Cell = { run: "value, 1 request", stays: "value, 1 request" }

/** The first attempt has deleted it, and its response is lost; the second finds nothing. */
const foundGone: Cell = { run: "value, 2 requests", stays: "value, 2 requests" }

const { status } = Fault

const rows: ReadonlyArray<Row> = [
  { name: "429", fault: status({ status: 429 }), cell: passing("RateLimitedError"), waits: true },
  {
    name: "429, Retry-After: 0",
    fault: status({ status: 429, retryAfter: 0 }),
    cell: passing("RateLimitedError"),
    waits: true
  },
  {
    name: "429, retry-after-ms: 1",
    fault: status({ status: 429, retryAfter: Fault.retryAfterMillis(1) }),
    cell: passing("RateLimitedError"),
    waits: true
  },
  {
    name: "429, Retry-After in the past",
    fault: status({ status: 429, retryAfter: Fault.retryAfterPast("1 hour") }),
    cell: passing("RateLimitedError"),
    waits: true
  },
  {
    name: "429, Retry-After of an hour",
    fault: status({ status: 429, retryAfter: "1 hour" }),
    cell: final("RateLimitedError")
  },
  {
    name: "429, retry-after-ms of an hour",
    fault: status({ status: 429, retryAfter: Fault.retryAfterMillis("1 hour") }),
    cell: final("RateLimitedError")
  },
  {
    name: "429, Retry-After as a date in an hour",
    fault: status({ status: 429, retryAfter: Fault.retryAfterDate("1 hour") }),
    cell: final("RateLimitedError")
  },
  {
    name: "429 with an empty account",
    fault: status({ status: 429, code: "insufficient_quota" }),
    cell: final("QuotaExceededError")
  },
  { name: "400", fault: status({ status: 400 }), cell: final("BadRequestError") },
  { name: "401", fault: status({ status: 401 }), cell: final("AuthenticationError") },
  { name: "403", fault: status({ status: 403 }), cell: final("AuthenticationError") },
  { name: "409", fault: status({ status: 409 }), cell: passing("ConflictError") },
  { name: "408", fault: status({ status: 408 }), cell: passing("ServerError") },
  { name: "500", fault: status({ status: 500 }), cell: passing("ServerError") },
  { name: "500 as a page", fault: status({ status: 500, body: "html" }), cell: passing("ServerError") },
  { name: "500 and no body", fault: status({ status: 500, body: "empty" }), cell: passing("ServerError") },
  { name: "502", fault: status({ status: 502, body: "html" }), cell: passing("ServerError") },
  { name: "503", fault: status({ status: 503 }), cell: passing("ServerError"), waits: true },
  {
    name: "503, Retry-After: 0",
    fault: status({ status: 503, retryAfter: 0 }),
    cell: passing("ServerError"),
    waits: true
  },
  {
    name: "503, Retry-After of an hour",
    fault: status({ status: 503, retryAfter: "1 hour" }),
    cell: final("ServerError")
  },
  { name: "504", fault: status({ status: 504 }), cell: passing("ServerError") },
  { name: "524, a proxy's page", fault: status({ status: 524 }), cell: passing("ServerError") },
  {
    name: "504 after it was done",
    fault: status({ status: 504, committed: true }),
    cell: passing("ServerError")
  },
  { name: "reset before headers", fault: Fault.reset("before-headers"), cell: passing("TransportError") },
  { name: "reset after it was done", fault: Fault.reset("after-commit"), cell: passing("TransportError") },
  {
    name: "reset in mid-body",
    fault: Fault.reset("mid-body"),
    cell: passing("TransportError"),
    but: { delete: foundGone }
  },
  {
    name: "more said than sent",
    fault: Fault.contentLength(9),
    cell: passing("TransportError"),
    but: { delete: foundGone }
  },
  {
    name: "less said than sent",
    fault: Fault.contentLength(-9),
    cell: passing("ResponseDecodeError"),
    but: { delete: foundGone }
  },
  {
    name: "truncated JSON",
    fault: Fault.cutJson(),
    cell: passing("ResponseDecodeError"),
    but: { delete: foundGone }
  },
  { name: "a page with 200", fault: Fault.html(), cell: passing("ResponseDecodeError") },
  { name: "no response", fault: Fault.hang(), cell: passing("RequestTimeoutError"), silent: true },
  {
    name: "no response after it was done",
    fault: Fault.hang({ committed: true }),
    cell: passing("RequestTimeoutError"),
    silent: true
  },
  { name: "one byte per second", fault: Fault.slow(), cell: passing("RequestTimeoutError"), silent: true },
  { name: "byte after byte, in time", fault: Fault.slow({ bytes: 64, every: "1 millis" }), cell: fine },
  {
    name: "a redirect to a port without a server",
    fault: Fault.redirect("http://127.0.0.1:9"),
    cell: passing("TransportError"),
    but: { delete: final("RedirectError") }
  },
  { name: "an unknown status", fault: Fault.unknownStatus("dreaming"), cell: fine, on: jobs },
  { name: "absurd numbers", fault: Fault.absurd(), cell: fine, on: jobs },
  { name: "an id of path tricks", fault: Fault.pathTricks(), cell: fine, on: ["retrieve"] },
  { name: "a clock that is ahead", fault: Fault.skew({ ahead: "3 hours" }), cell: fine },
  { name: "a clock that is behind", fault: Fault.skew({ behind: "3 hours" }), cell: fine },
  { name: "deep JSON", fault: Fault.deepJson(), cell: fine },
  { name: "keys of the prototype", fault: Fault.poison(), cell: fine },
  { name: "a response without end", fault: Fault.endless(), cell: final("ResponseDecodeError") },
  {
    name: "a bomb",
    fault: Fault.bomb(4 * 1024 ** 2),
    cell: final("ResponseDecodeError"),
    undici: (operation) => (operation === "delete" ? foundGone : passing("ResponseDecodeError"))
  },
  { name: "headers of 64 KiB", fault: Fault.hugeHeaders(64 * 1024), cell: passing("TransportError") },
  { name: "a replica that lags", fault: Fault.stale("1 hour"), cell: final("VideoNotFoundError"), on: ["retrieve"] }
]

/** Each row runs for one read; for the other operations, one row of each kind. */
const kinds = ["429", "401", "500", "524, a proxy's page", "no response", "keys of the prototype", "a bomb"]

const cellsOf = (operation: Operation, client: string = anyClient.client) =>
  rows
    .filter(({ but = {}, name }) =>
      client === anyClient.client
        ? operation === "retrieve" || operation in but || kinds.includes(name)
        : seenByTransports.includes(name)
    )
    .flatMap(({ but = {}, cell, fault, name, on = everything, silent = false, undici, waits = false }) => {
      const ends = { ...(client === "VideosUndici" ? (undici?.(operation) ?? cell) : cell), ...but[operation] }
      // A call that is not retried meets one fault, whether others follow or not; retries are above the transports.
      const once = ends.run === ends.stays || client !== anyClient.client
      const modes = once ? (["stays"] as const) : (["run", "stays"] as const)
      return on.includes(operation)
        ? modes.map((mode) => ({
            name: `${name}, ${mode === "run" ? "twice" : "for good"}`,
            rule: { on: [operation] as const, fault, ...(mode === "run" ? { when: Fault.first(2) } : {}) },
            ends: ends[mode],
            waits: waits || silent,
            silent
          }))
        : []
    })

const checkUnderFaults = (operation: Operation, { client, layer }: (typeof clients)[number]) =>
  testCells(cellsOf(operation, client), ({ rule, silent }, server) =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      const subject = { video: yield* source, character: operation === "retrieveCharacter" ? yield* character : "" }
      yield* faults.set([rule])
      const ended = yield* Effect.either(operations[operation](subject))
      assert.notProperty({}, "polluted")
      const got = ended._tag === "Right" && !ended.right ? "another value" : resultOf(ended)
      // If the call returns, the job is deleted.
      const isThere = operation === "delete" && got === "value" && (yield* idsThere).length > 0
      return `${isThere ? "not deleted" : got}, ${counted(yield* requestsFor(operation), "request")}`
    }).pipe(Effect.provide(world(layer, silent ? { requestTimeout: patience } : {}, server)), Effect.orDie)
  )

describe.concurrent.each(clients)("retrieve under faults, over $client", (client) =>
  checkUnderFaults("retrieve", client)
)

describe.concurrent.each(everything.slice(1))("%s under faults of every kind", (operation) =>
  checkUnderFaults(operation, anyClient)
)
