/** What the tables of faults share: the embedded server on a socket, clients with short timeouts, and how a call ended. */
import { readFileSync } from "node:fs"
import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, it } from "@effect/vitest"
import { type Operation, type ServerOptions, VideosServer } from "@effect-videos/server"
import { Context, Effect, Either, Exit, Layer, type Schedule, Scope } from "effect"
import type { VideosConfigOptions } from "effect-videos"
import { afterAll } from "vitest"
import { fixture, idOf, instant, make, postForm, remove } from "../../packages/server/test/support.js"
import { anyClient, atOnce, clients, videosOver } from "../support/videos.js"

export { anyClient, clients }

/**
 * The faults that a transport sees itself, by their names in the tables: they run over each transport. A status code and a body
 * that has arrived are judged above the transports, so the other faults run over one.
 */
export const seenByTransports: ReadonlyArray<string> = [
  "500",
  "reset before headers",
  "reset after it was done",
  "reset in mid-body",
  "more said than sent",
  "less said than sent",
  "no response",
  "one byte per second",
  "a body that does not begin",
  "a redirect to a port without a server",
  "a redirect to another origin",
  "a response without end",
  "a file without end",
  "a bomb",
  "headers of 64 KiB"
]

/** Two retries without a delay: the call succeeds after two faults, and fails after three. */
export const twice: Schedule.Schedule<unknown> = atOnce(2)

/** Timeout of calls without a response: long enough for one on a busy machine. */
export const patience = "2 seconds"

/** A server on a socket, whose jobs are done at once. */
export const serverWith = (options: ServerOptions = {}) => VideosServer.layer({ ...instant, ...options })

type Server = ReturnType<typeof serverWith>

/** `Videos` over a client that reaches a server by a socket: a server of its own, or a given one. */
export const world = (
  client: Layer.Layer<HttpClient.HttpClient>,
  options: VideosConfigOptions = {},
  server: Server = serverWith()
) =>
  Layer.unwrapEffect(
    Effect.map(VideosServer, (at) =>
      videosOver(
        at,
        {
          onUnknownOutcome: "reconcile",
          readRetry: twice,
          submitRetry: twice,
          listLag: "20 millis",
          limits: { jsonBytes: 512 * 1024, downloadBytes: 1024 ** 2 },
          ...options
        },
        client
      )
    )
  ).pipe(Layer.provideMerge(server))

/**
 * A server for the tests of a `describe` that run one after the other, with what is made on it once; a new server takes a third of
 * the time of a cell.
 */
export const shareServer = <A>(make: Effect.Effect<A, never, VideosServer>) => {
  const scope = Effect.runSync(Scope.make())
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return Effect.runSync(
    Effect.cached(
      Effect.gen(function* () {
        const server = Context.get(yield* Layer.buildWithScope(serverWith(), scope), VideosServer)
        return { server, made: yield* Effect.provideService(make, VideosServer, server) }
      })
    )
  )
}

/** The server without rules of faults, and with the requests from now on in its log. */
export const cleared = (server: typeof VideosServer.Service) =>
  Effect.gen(function* () {
    const { faults } = server
    yield* faults.clear
    const { length } = yield* faults.log
    const log = Effect.map(faults.log, (entries) => entries.slice(length))
    return VideosServer.of({ ...server, faults: { ...faults, log } })
  })

/** Says "value", or the error's tag. */
export const resultOf = <A, E extends { readonly _tag: string }>(ended: Either.Either<A, E>): string =>
  Either.isLeft(ended) ? ended.left._tag : "value"

/** How many requests for an operation have reached the server. */
export const requestsFor = (...operations: ReadonlyArray<Operation>) =>
  Effect.flatMap(VideosServer, ({ faults }) =>
    Effect.map(
      faults.log,
      (log) => log.filter(({ operation }) => operation !== null && operations.includes(operation)).length
    )
  )

/** The ids of the jobs on the server. */
export const idsThere = Effect.flatMap(VideosServer, ({ jobs }) =>
  Effect.map(jobs, (made) => made.map((video): string => video.id))
)

/** A clip to upload. */
export const film: Uint8Array<ArrayBuffer> = readFileSync(fixture("fragmented.mp4"))

/** A completed job of another client. */
export const source = make()

/** A character of another client. */
export const character = Effect.map(
  postForm("/videos/characters", { name: "Tom", video: new File([film], "tom.mp4", { type: "video/mp4" }) }),
  idOf
)

/** One place of a table: what is done to what, and what is to come of it. The name is unique in its table. */
export interface Cell {
  readonly name: string
  readonly ends: string
  /** Whether it waits: for a server that sends no response, for a rate that a 429 has halved. */
  readonly waits: boolean
}

/**
 * Declares a test for each cell. Cells that wait for timeouts run side by side, each with a server of its own; the others one
 * after the other, so that they do not use up the time of those that wait, on one server that has no jobs when a cell begins. A
 * file with several such tables waits once for all, if their `describe`s are concurrent.
 */
export const testCells = <C extends Cell, E>(
  cells: ReadonlyArray<C>,
  run: (cell: C, server: Server) => Effect.Effect<string, E>
): void => {
  const shared = shareServer(Effect.void)
  const emptied = Layer.effect(
    VideosServer,
    Effect.gen(function* () {
      const { server } = yield* shared
      yield* server.faults.clear
      yield* Effect.forEach(yield* server.jobs, ({ id }) => remove(`/videos/${id}`)).pipe(
        Effect.provideService(VideosServer, server)
      )
      return yield* cleared(server)
    })
  )
  const checked = (server: Server) => (cell: C) =>
    Effect.map(run(cell, server), (ended) => assert.strictEqual(ended, cell.ends))
  it.live.each(cells.filter(({ waits }) => !waits))("$name", checked(emptied), { concurrent: false })
  it.live.each(cells.filter(({ waits }) => waits))("$name", checked(serverWith()), { concurrent: true })
}

/** Such as "3 requests". */
export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`
