/** `worker`: runs the durable runs of a database until it is stopped. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { Run } from "@effect-videos/durable"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { videosLayer } from "./connection.js"
import { database, databaseOf, engine, postgresEngine } from "./durable.js"
import { UsageError } from "./errors.js"
import * as options from "./options.js"
import { Screen } from "./screen.js"
import { clean } from "./text.js"
import { makeWriter, writeRun } from "./writer.js"

/** `HOST:PORT`, where the other workers reach this one. */
const listenOf = (given: Option.Option<string>) => {
  const [, host = "", port = ""] = /^(.+):(\d+)$/.exec(Option.getOrElse(given, () => "")) ?? []
  return host === "" || Number(port) < 1 || Number(port) > 65_535
    ? new UsageError({
        field: "--listen",
        problem: "must be the host and the port where the other workers reach this one, such as 10.0.0.7:34431"
      })
    : Effect.succeed({ host, port: Number(port) })
}

export const worker = Command.make(
  "worker",
  {
    database,
    output: Options.withDefault(Options.text("output").pipe(Options.withAlias("o")), "clips"),
    listen: Options.optional(Options.text("listen")),
    ...options.connection,
    ...options.format
  },
  (given) =>
    Effect.gen(function* () {
      const startedAt = yield* DateTime.now
      const where = yield* databaseOf(given)
      if (where._tag === "File" && Option.isSome(given.listen)) {
        return yield* new UsageError({ field: "--listen", problem: "is for a Postgres, which VIDEOS_DATABASE names" })
      }
      const { DurableVideos, isEnded, VideoStore } = yield* engine
      const runner =
        where._tag === "File"
          ? DurableVideos.layerSqlite({ filename: where.filename })
          : (yield* postgresEngine).layer({ url: where.url, listen: yield* listenOf(given.listen) })

      const program = Effect.gen(function* () {
        const durable = yield* DurableVideos
        const screen = yield* Screen
        const writer = yield* makeWriter(given)
        yield* screen.err(
          `Running the runs of ${where._tag === "File" ? where.filename : "Postgres"}. Ctrl-C stops it.\n`
        )
        // `null` before the first listing.
        let seen: ReadonlyMap<string, Pick<Run, "state" | "problem">> | null = null
        const show = Effect.gen(function* () {
          const listed = yield* durable.list({ limit: 1000 })
          const last = seen
          seen = new Map(listed.map(({ execution, problem, state }) => [execution, { problem, state }] as const))
          for (const run of [...listed].reverse()) {
            const { endedAt, execution, problem, state } = run
            const before = last?.get(execution)
            if (before?.state === state && before.problem === problem) continue
            if (last === null && endedAt !== null && DateTime.lessThan(endedAt, startedAt)) continue
            yield* screen.err(`${execution.slice(0, 8)} ${clean(problem === null ? state : `${state}: ${problem}`)}\n`)
            if (isEnded(state)) yield* writeRun(writer, run)
          }
        })
        // An outage of the database passes.
        yield* Effect.repeat(
          Effect.catchTag(show, "DatabaseUnavailableError", () => Effect.void),
          Schedule.spaced("1 second")
        )
      })

      const live = runner.pipe(
        Layer.provide(VideoStore.layerDirectory(given.output)),
        Layer.provide(videosLayer(given))
      )
      yield* Effect.provide(program, live)
    })
)
