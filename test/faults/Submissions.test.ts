/** Every fault on every operation that makes something: how often it was sent, what was made, and what the caller receives. */
import { assert, describe } from "@effect/vitest"
import { Fault, type Operation as ServerOperation, VideosServer } from "@effect-videos/server"
import { Effect, Either } from "effect"
import {
  type CreateVideoError,
  createCharacter,
  createVideo,
  type ExtendVideoError,
  editVideo,
  extendVideo,
  type OnUnknownOutcome,
  remixVideo,
  VideoFile,
  type Videos
} from "effect-videos"
import {
  anyClient,
  clients,
  counted,
  film,
  idsThere,
  patience,
  requestsFor,
  resultOf,
  seenByTransports,
  source,
  testCells,
  world
} from "./support.js"

type Call = (
  video: string
) => Effect.Effect<{ readonly id: string | null }, CreateVideoError | ExtendVideoError, Videos>

const prompt = "the tide comes in"
const file = VideoFile.fromBytes(film, { name: "tide.mp4", contentType: "video/mp4" })

type Operation = "create" | "extend" | "extend with a file" | "edit" | "remix" | "createCharacter"

/** Each with the server's name for it. */
const calls: { readonly [name in Operation]: { readonly on: ServerOperation; readonly call: Call } } = {
  create: { on: "create", call: () => createVideo({ prompt, size: "64x64" }) },
  extend: { on: "extend", call: (video) => extendVideo({ video, prompt, seconds: 4 }) },
  "extend with a file": { on: "extend", call: () => extendVideo({ video: file, prompt, seconds: 4 }) },
  edit: { on: "edit", call: (video) => editVideo({ video, prompt }) },
  remix: { on: "remix", call: (video) => remixVideo({ video, prompt }) },
  createCharacter: { on: "createCharacter", call: () => createCharacter({ video: file, name: "Tom" }) }
}

const needsSource: ReadonlyArray<Operation> = ["extend", "edit", "remix"]

const operations = Object.keys(calls) as ReadonlyArray<Operation>

/** What is known of a fault: whether the request took effect under it, and whether the client can tell. */
type Effects = "refused" | "harmless" | "lost" | "made" | "received"

interface Row {
  readonly name: string
  readonly fault: Fault.Fault
  readonly is: Effects
  /** The error, if it is not `SubmissionUncertainError`. */
  readonly error?: string
  readonly silent?: boolean
  readonly waits?: boolean
  /** If it only concerns responses that name a job. */
  readonly jobsOnly?: boolean
}

const { status } = Fault

const rows: ReadonlyArray<Row> = [
  // It certainly had no effect, and passes.
  { name: "429", fault: status({ status: 429 }), is: "harmless", error: "RateLimitedError", waits: true },
  {
    name: "429, Retry-After: 0",
    fault: status({ status: 429, retryAfter: 0 }),
    is: "harmless",
    error: "RateLimitedError",
    waits: true
  },
  {
    name: "429, Retry-After in the past",
    fault: status({ status: 429, retryAfter: Fault.retryAfterPast("1 hour") }),
    is: "harmless",
    error: "RateLimitedError",
    waits: true
  },
  {
    name: "503, Retry-After: 0",
    fault: status({ status: 503, retryAfter: 0 }),
    is: "harmless",
    error: "ServerError",
    waits: true
  },
  { name: "408", fault: status({ status: 408 }), is: "harmless", error: "ServerError" },
  { name: "521", fault: status({ status: 521, body: "html" }), is: "harmless", error: "ServerError" },
  // It was refused.
  { name: "400", fault: status({ status: 400 }), is: "refused", error: "BadRequestError" },
  { name: "401", fault: status({ status: 401 }), is: "refused", error: "AuthenticationError" },
  { name: "402", fault: status({ status: 402 }), is: "refused", error: "QuotaExceededError" },
  { name: "403", fault: status({ status: 403 }), is: "refused", error: "AuthenticationError" },
  { name: "409", fault: status({ status: 409 }), is: "refused", error: "ConflictError" },
  {
    name: "429 with an empty account",
    fault: status({ status: 429, code: "insufficient_quota" }),
    is: "refused",
    error: "QuotaExceededError"
  },
  {
    name: "429, Retry-After of an hour",
    fault: status({ status: 429, retryAfter: "1 hour" }),
    is: "refused",
    error: "RateLimitedError"
  },
  {
    name: "503, Retry-After as a date in an hour",
    fault: status({ status: 503, retryAfter: Fault.retryAfterDate("1 hour") }),
    is: "refused",
    error: "ServerError"
  },
  {
    name: "a redirect to another origin",
    fault: Fault.redirect("http://127.0.0.1:9"),
    is: "refused",
    error: "RedirectError"
  },
  // It had no effect, and the client cannot know.
  { name: "500", fault: status({ status: 500 }), is: "lost" },
  { name: "502", fault: status({ status: 502, body: "html" }), is: "lost" },
  { name: "503", fault: status({ status: 503 }), is: "lost" },
  { name: "504", fault: status({ status: 504, body: "empty" }), is: "lost" },
  { name: "524, a proxy's page", fault: status({ status: 524 }), is: "lost" },
  { name: "a page with 200", fault: Fault.html(), is: "lost" },
  { name: "reset before headers", fault: Fault.reset("before-headers"), is: "lost" },
  { name: "no response", fault: Fault.hang(), is: "lost", silent: true },
  // It was done, and the response is lost.
  { name: "500 after it was done", fault: status({ status: 500, committed: true }), is: "made" },
  { name: "504 after it was done", fault: status({ status: 504, committed: true }), is: "made" },
  { name: "reset after it was done", fault: Fault.reset("after-commit"), is: "made" },
  { name: "reset in mid-body", fault: Fault.reset("mid-body"), is: "made" },
  { name: "more said than sent", fault: Fault.contentLength(9), is: "made" },
  { name: "less said than sent", fault: Fault.contentLength(-9), is: "made" },
  { name: "truncated JSON", fault: Fault.cutJson(), is: "made" },
  { name: "no response after it was done", fault: Fault.hang({ committed: true }), is: "made", silent: true },
  { name: "one byte per second", fault: Fault.slow(), is: "made", silent: true },
  { name: "a response without end", fault: Fault.endless(), is: "made" },
  { name: "headers of 64 KiB", fault: Fault.hugeHeaders(64 * 1024), is: "made" },
  // Odd responses that name what was made.
  { name: "byte after byte, in time", fault: Fault.slow({ bytes: 64, every: "1 millis" }), is: "received" },
  { name: "an unknown status", fault: Fault.unknownStatus("dreaming"), is: "received", jobsOnly: true },
  { name: "absurd numbers", fault: Fault.absurd(), is: "received", jobsOnly: true },
  { name: "a clock that is ahead", fault: Fault.skew({ ahead: "3 hours" }), is: "received" },
  { name: "a clock that is behind", fault: Fault.skew({ behind: "3 hours" }), is: "received" },
  { name: "deep JSON", fault: Fault.deepJson(), is: "received" },
  { name: "keys of the prototype", fault: Fault.poison(), is: "received" }
]

type Mode = "twice" | "for good"

/** How it ends, with how many requests, and how many jobs beside the source are there then. */
const ends = ({ error = "SubmissionUncertainError", is }: Row, mode: Mode): string => {
  switch (is) {
    case "harmless":
      return mode === "twice" ? "value, 3 requests, 1 job" : `${error}, 3 requests, 0 jobs`
    case "refused":
    case "lost":
      return `${error}, 1 request, 0 jobs`
    case "made":
      return `${error}, 1 request, 1 job`
    case "received":
      return "value, 1 request, 1 job"
  }
}

const both = ["twice", "for good"] as const

/** What is not sent again meets one fault, whether others follow or not. */
const unlooked = (row: Row): ReadonlyArray<Mode> => (row.is === "harmless" ? both : ["for good"])

/** What may be sent again, or is asked for again. */
const looked = ({ is }: Row): ReadonlyArray<Mode> => (is === "lost" || is === "made" ? both : [])

const cellsOf = (operation: Operation, modes: (row: Row) => ReadonlyArray<Mode>) =>
  rows
    .filter(({ jobsOnly }) => jobsOnly !== true || operation !== "createCharacter")
    .flatMap((row) =>
      modes(row).map((mode) => ({
        name: `${row.name}, ${mode}`,
        row: row.name,
        rule: {
          on: [calls[operation].on] as const,
          fault: row.fault,
          ...(mode === "twice" ? { when: Fault.first(2) } : {})
        },
        // Characters are no jobs.
        ends: operation === "createCharacter" ? ends(row, mode).replace("1 job", "0 jobs") : ends(row, mode),
        is: row.is,
        mode,
        waits: (row.waits ?? false) || (row.silent ?? false),
        silent: row.silent ?? false
      }))
    )

/** How it ends where the server's list is asked: a job that was made is found, one that was not is made, three times at most. */
const settled = ({ is }: Pick<Row, "is">, mode: Mode): string =>
  is === "made"
    ? "value, 1 request, 1 job"
    : mode === "twice"
      ? "value, 3 requests, 1 job"
      : "SubmissionUncertainError, 3 requests, 0 jobs"

type Place = ReturnType<typeof cellsOf>[number]

/** One call under one rule, and what is on the server afterwards. */
const submitted = (operation: Operation, { rule }: Place) =>
  Effect.gen(function* () {
    const { faults } = yield* VideosServer
    const { call, on } = calls[operation]
    // No other client makes a job meanwhile, unless the case needs one.
    const video = needsSource.includes(operation) ? yield* source : ""
    yield* faults.set([rule])
    const ended = yield* Effect.either(call(video))
    const made = (yield* idsThere).filter((id) => id !== video)
    return { ended, made, requests: yield* requestsFor(on) }
  })

const submitUnderFaults = (
  operation: Operation,
  cells: ReadonlyArray<Place>,
  { layer }: { readonly layer: (typeof clients)[number]["layer"] },
  onUnknownOutcome: OnUnknownOutcome
) =>
  testCells(cells, (cell, server) =>
    Effect.gen(function* () {
      const { ended, made, requests } = yield* submitted(operation, cell)
      // A job that the call returned is there.
      if (Either.isRight(ended) && operation !== "createCharacter") assert.deepStrictEqual(made, [ended.right.id])
      return `${resultOf(ended)}, ${counted(requests, "request")}, ${counted(made.length, "job")}`
    }).pipe(
      Effect.provide(world(layer, { onUnknownOutcome, ...(cell.silent ? { requestTimeout: patience } : {}) }, server)),
      Effect.orDie
    )
  )

/** All faults on a body of JSON, those of transports on a form; for the other operations, which are sent as these are, one of each kind. */
const kinds = ["429", "400", "500", "reset after it was done", "truncated JSON", "keys of the prototype"]
const isChecked = (operation: Operation, { row }: Place) =>
  operation === "create" ||
  kinds.includes(row) ||
  (operation === "extend with a file" && seenByTransports.includes(row))

describe.concurrent.each(operations)("%s without reconciliation, under faults", (operation) =>
  submitUnderFaults(
    operation,
    cellsOf(operation, unlooked).filter((cell) => isChecked(operation, cell)),
    anyClient,
    "fail"
  )
)

// What a transport makes of a fault: whether the request may have had an effect.
describe.concurrent.each(clients.filter(({ client }) => client !== anyClient.client))(
  "create without reconciliation, under faults over $client",
  (client) =>
    submitUnderFaults(
      "create",
      cellsOf("create", () => ["for good"]).filter(({ row }) => seenByTransports.includes(row)),
      client,
      "fail"
    )
)

// `Reconcile.test.ts` has every fault of every operation, in-process.
describe.concurrent("create, whose job is searched for, makes one job and returns it, under faults", () =>
  submitUnderFaults(
    "create",
    cellsOf("create", looked)
      .filter(({ row }) => kinds.includes(row))
      .map((cell) => ({ ...cell, ends: settled(cell, cell.mode) })),
    anyClient,
    "reconcile"
  ))
