/** Runs one case with one client against a new server on a socket, and compares the result with the server's state. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type ServerOptions, VideosServer } from "@effect-videos/server"
import { Effect } from "effect"
import type { Case } from "./cases.js"
import type { Access, Client } from "./client.js"
import { type Evidence, type Found, judge, type Result, type Verdict } from "./judge.js"

/** Milliseconds after which a call counts as hanging. A submission that proves that it made no job takes half a minute. */
const patience = 40_000

/** Milliseconds between the starts of two cases, so that load does not cause timeouts, which are short here. */
const stagger = 50

/** Number of jobs after which a list of five jobs counts as endless. */
const endless = 1000

/** Part of everything that identifies the caller. */
const secret = "secret-9f1c"

// -----------------------------------------------------------------------------
// the other origin
// -----------------------------------------------------------------------------

/** Server at another origin: counts requests that identify the caller, makes jobs for every request, and has the clip. */
const listenElsewhere = Effect.acquireRelease(
  Effect.async<{
    readonly origin: string
    readonly serves: (clip: Buffer) => void
    readonly leaks: () => number
    readonly close: () => void
  }>((resume) => {
    let clip: Buffer = Buffer.alloc(0)
    let leaks = 0
    const server = createServer(({ headers, method, url }, response) => {
      if (JSON.stringify([headers, url]).includes(secret)) leaks++
      const send = (status: number, body: string | Buffer, type: string) =>
        response.writeHead(status, { "content-type": type }).end(body)
      if (method === "POST") return send(200, '{"id":"video_elsewhere","status":"queued"}', "application/json")
      if (url?.includes("/content") === true) return send(200, clip, "video/mp4")
      return send(503, '{"error":{"message":"not today"}}', "application/json")
    })
    server.listen(0, "127.0.0.1", () =>
      resume(
        Effect.succeed({
          origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
          serves: (bytes) => (clip = bytes),
          leaks: () => leaks,
          close: () => {
            server.close()
            server.closeAllConnections()
          }
        })
      )
    )
  }),
  ({ close }) => Effect.sync(close)
)

// -----------------------------------------------------------------------------
// the jobs before the case
// -----------------------------------------------------------------------------

/** Makes a job of another client, without a socket and before any fault. */
const make = (prompt: string) =>
  Effect.flatMap(VideosServer, ({ baseUrl, fetch, dialect }) =>
    Effect.promise(async () => {
      const fields = { prompt, seconds: "4", size: "64x64" }
      const form = new FormData()
      for (const [name, value] of Object.entries(fields)) form.set(name, value)
      const json = { body: JSON.stringify(fields), headers: { "content-type": "application/json" } }
      const response = await fetch(`${baseUrl}/videos`, {
        method: "POST",
        ...(dialect === "vllm-omni" ? { body: form } : json)
      })
      return ((await response.json()) as { readonly id: string }).id
    })
  )

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "faults-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const operations = { submit: "create", watch: "retrieve", list: "list", download: "content" } as const

/** Durations of a job. */
type Times = Pick<ServerOptions, "queueTime" | "runTime">

/** A watched job runs for some time, any other job completes at once. */
const watchedJob: Times = { queueTime: "300 millis", runTime: "2500 millis" }

const instant: Times = { queueTime: 0, runTime: 0 }

// -----------------------------------------------------------------------------
// the case
// -----------------------------------------------------------------------------

const resultOf = <A>(isOpen: (error: unknown) => boolean, call: () => Promise<A>): Effect.Effect<Result<A>> =>
  Effect.promise(async (): Promise<Result<A>> => {
    try {
      return { _tag: "Value", value: await call() }
    } catch (error) {
      if (error instanceof Endless) return { _tag: "Nothing" }
      return { _tag: "Error", message: messageOf(error), isOpen: isOpen(error) }
    }
  }).pipe(
    Effect.timeoutTo({
      duration: patience,
      onSuccess: (ended): Result<A> => ended,
      onTimeout: (): Result<A> => ({ _tag: "Nothing" })
    })
  )

/** Ends a client that hangs. */
class Endless extends Error {}

const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const text = `${error.name}: ${error.message}`.replaceAll(/\s+/g, " ")
  return text.length > 100 ? `${text.slice(0, 99)}…` : text
}

/** Runs a client in one case; it starts when `ready` completes. */
const evidenceOf = (
  each: Case,
  open: (access: Access) => Client,
  times: Times,
  ready: Effect.Effect<void>
): Effect.Effect<Evidence> =>
  Effect.gen(function* () {
    const { baseUrl, faults, fetch, jobs } = yield* VideosServer
    const elsewhere = yield* listenElsewhere
    const { flow } = each
    const count = each.jobs ?? { submit: 0, watch: 1, list: 5, download: 1 }[flow]
    const makeAll = Effect.forEach(Array.from({ length: count }), (_, index) => make(`clip ${index}`))
    // A watched job starts with its watch.
    if (flow === "watch") yield* ready
    const before = yield* makeAll
    const [id = ""] = before
    const content =
      flow === "download"
        ? yield* Effect.promise(async () => {
            const response = await fetch(`${baseUrl}/videos/${id}/content`)
            return Buffer.from(await response.arrayBuffer())
          })
        : Buffer.alloc(0)
    elsewhere.serves(content)
    yield* faults.set(each.rules(elsewhere.origin))
    const ids = Effect.map(jobs, (all) => all.map((video): string => video.id))
    const asked = Effect.map(faults.log, (log) => log.filter(({ operation }) => operation === operations[flow]).length)
    const askedBefore = yield* asked
    const client = yield* Effect.acquireRelease(
      Effect.sync(() =>
        open({ baseUrl, apiKey: `sk-${secret}`, organization: `org-${secret}`, project: `proj-${secret}` })
      ),
      (client) => Effect.promise(async () => client.close?.())
    )
    if (flow !== "watch") yield* ready
    const call = <A>(run: () => Promise<A>) => resultOf(client.isOpen, run)

    const found = yield* Effect.gen(function* () {
      switch (flow) {
        case "submit": {
          const calls = Array.from({ length: each.calls ?? 1 }, () => call(() => client.submit("a lighthouse at dusk")))
          const ended = yield* Effect.all(calls, { concurrency: "unbounded" })
          return { flow, result: ended, made: yield* ids } satisfies Found
        }
        case "watch": {
          const statuses: Array<string> = []
          const ended = yield* call(() => client.watch(id, (status) => statuses.push(status)))
          return { flow, result: ended, id, statuses, isStillThere: (yield* ids).includes(id) } satisfies Found
        }
        case "list": {
          const seen: Array<string> = []
          const ended = yield* call(() =>
            client.list(2, (job) => {
              if (seen.push(job) > endless) throw new Endless()
            })
          )
          return { flow, result: ended, ids: seen, there: [...before].reverse() } satisfies Found
        }
        case "download": {
          const path = yield* folder
          const ended = yield* call(() => client.download(id, join(path, "clip.mp4")))
          const file = yield* Effect.promise(async (): Promise<"whole" | "wrong" | "none"> => {
            if (!(await readdir(path)).includes("clip.mp4")) return "none"
            return (await readFile(join(path, "clip.mp4"))).equals(content) ? "whole" : "wrong"
          })
          return { flow, result: ended, file } satisfies Found
        }
      }
    })
    return { ...found, requests: (yield* asked) - askedBefore, leaks: elsewhere.leaks() }
  }).pipe(
    Effect.scoped,
    Effect.provide(VideosServer.layer({ ...(each.flow === "watch" ? times : instant), ...each.server })),
    Effect.orDie
  )

/**
 * Runs all cases concurrently, because they mostly wait. No case starts before all are prepared, so that rendering a clip delays
 * none.
 */
export const verdictsOf = (
  cases: ReadonlyArray<Case>,
  open: (access: Access) => Client,
  times = watchedJob
): Effect.Effect<ReadonlyArray<readonly [Case, Verdict]>> =>
  Effect.gen(function* () {
    const start = yield* Effect.makeLatch()
    let left = cases.length
    const arrived = Effect.suspend(() => (--left === 0 ? start.open : start.await))
    return yield* Effect.forEach(
      cases,
      (each, index) => {
        const ready = Effect.zipRight(arrived, Effect.sleep(index * stagger))
        return Effect.map(evidenceOf(each, open, times, ready), (evidence) => [each, judge(each, evidence)] as const)
      },
      { concurrency: "unbounded" }
    )
  })
