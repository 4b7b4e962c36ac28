/** What the tables of faults share: the embedded server on a socket, clients of little patience, and what came of a call. */
import { readFileSync } from "node:fs"
import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, it } from "@effect/vitest"
import { type Operation, type ServerOptions, VideosServer } from "@effect-videos/server"
import { Context, Effect, Either, Layer, type Schedule } from "effect"
import type { VideosConfigOptions } from "effect-videos"
import { fixture, idOf, instant, make, postForm } from "../../packages/server/test/support.js"
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
  "no answer",
  "one byte per second",
  "a body that does not begin",
  "a redirect to a port without a server",
  "a redirect to another origin",
  "an answer without end",
  "a file without end",
  "a bomb",
  "headers of a mebibyte"
]

/** Two more tries, at once: a run of two faults is outlived, a third ends the call. */
export const twice: Schedule.Schedule<unknown> = atOnce(2)

/** For calls that nobody answers: long enough for an answer on a busy machine. */
export const patience = "2 seconds"

/** `Videos` over a client that reaches a server by a socket: a server of its own, whose jobs are done at once, or a given one. */
export const world = (
  client: Layer.Layer<HttpClient.HttpClient>,
  options: VideosConfigOptions = {},
  server: ServerOptions | Context.Context<VideosServer> = {}
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
          limits: { jsonBytes: 1024 ** 2, downloadBytes: 8 * 1024 ** 2 },
          ...options
        },
        client
      )
    )
  ).pipe(Layer.provideMerge(serverOf(server)))

const serverOf = (server: ServerOptions | Context.Context<VideosServer>) =>
  Context.isContext(server) ? Layer.succeedContext(server) : VideosServer.layer({ ...instant, ...server })

/** Says "value", or the error's tag. */
export const told = <A, E extends { readonly _tag: string }>(ended: Either.Either<A, E>): string =>
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

/** A completed job, made by somebody else. */
export const source = make()

/** A character, made by somebody else. */
export const character = Effect.map(
  postForm("/videos/characters", { name: "Tom", video: new File([film], "tom.mp4", { type: "video/mp4" }) }),
  idOf
)

/** One place of a table: what is done to what, and what is to come of it. The name is unique in its table. */
export interface Cell {
  readonly name: string
  readonly ends: string
  /** Whether it takes its time: a server that does not answer, a budget that a 429 has cut. */
  readonly waits: boolean
}

/**
 * Declares a test for each cell. Cells that wait for time-outs run side by side; the others one after the other, so that they
 * do not use up the time of those that wait.
 */
export const testCells = <C extends Cell, E>(
  cells: ReadonlyArray<C>,
  run: (cell: C) => Effect.Effect<string, E>
): void => {
  const checked = (cell: C) => Effect.map(run(cell), (ended) => assert.strictEqual(ended, cell.ends))
  it.live.each(cells.filter(({ waits }) => !waits))("$name", checked)
  it.live.each(cells.filter(({ waits }) => waits))("$name", checked, { concurrent: true })
}

/** Such as "3 requests". */
export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`
