/** What the tables of faults share: the embedded server on a socket, clients of little patience, and what came of a call. */
import { readFileSync } from "node:fs"
import type * as HttpClient from "@effect/platform/HttpClient"
import { assert } from "@effect/vitest"
import { type Operation, type ServerOptions, VideosServer } from "@effect-videos/server"
import { Effect, Either, Layer, type Schedule } from "effect"
import type { VideosConfigOptions } from "effect-videos"
import { fixture, idOf, instant, make, postForm } from "../../packages/server/test/support.js"
import { clients as all, atOnce, videosOver } from "../support/videos.js"

/** The short way over each transport, and the long one. */
export const clients = all.filter(({ client }) => client !== "undici")

/** Two more tries, at once: a run of two faults is outlived, a third ends the call. */
export const twice: Schedule.Schedule<unknown> = atOnce(2)

/** For calls that nobody answers: long enough for an answer on a busy machine. */
export const patience = "1 second"

/** A server whose jobs are done at once, and `Videos` over a client that reaches it by a socket. */
export const world = (
  client: Layer.Layer<HttpClient.HttpClient>,
  options: VideosConfigOptions = {},
  server: ServerOptions = {}
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
  ).pipe(Layer.provideMerge(VideosServer.layer({ ...instant, ...server })))

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

/** One place of a table: what is done to what, and what is to come of it. */
export interface Cell {
  readonly name: string
  readonly ends: string
  /** Whether it takes its time: a server that does not answer, a budget that a 429 has cut. */
  readonly waits: boolean
}

/** Runs all cells, each by itself, and compares the table that comes of it with the table that is wanted. */
export const agree = <C extends Cell, E, R>(
  cells: ReadonlyArray<C>,
  run: (cell: C) => Effect.Effect<string, E, R>,
  atOnce = 6
): Effect.Effect<void, E, R> => {
  const place = (cell: C) =>
    Effect.map(
      run(cell).pipe(
        Effect.catchAllDefect((defect) => Effect.succeed(`defect: ${defect}`)),
        Effect.disconnect,
        Effect.timeoutTo({ duration: "15 seconds", onSuccess: (ends) => ends, onTimeout: () => "no end" })
      ),
      (ends) => [cell.name, ends] as const
    )
  const some = (waits: boolean, concurrency: number) =>
    Effect.forEach(
      cells.filter((cell) => cell.waits === waits),
      place,
      { concurrency }
    )
  return Effect.zipWith(some(false, atOnce), some(true, 64), (quick, slow) => {
    const wanted = Object.fromEntries(cells.map(({ ends, name }) => [name, ends]))
    assert.strictEqual(Object.keys(wanted).length, cells.length, "names are unique")
    assert.deepStrictEqual(Object.fromEntries([...quick, ...slow]), wanted)
  })
}

/** Such as "3 requests". */
export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`
