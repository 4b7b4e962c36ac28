/** The database of durable runs, for the commands that use it. Its engine is loaded by these alone. */
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { UsageError } from "./errors.js"

export const database = Options.optional(Options.text("database"))

export interface Database {
  readonly database: Option.Option<string>
}

const defaultFile = "videos.db"

/** A file, or a Postgres: its URL has a password, and is taken from the environment alone. */
export const databaseOf = ({ database }: Database) =>
  Effect.gen(function* () {
    const variable = yield* Config.withDefault(Config.string("VIDEOS_DATABASE"), "")
    const isUrl = (text: string) => /^postgres(ql)?:/.test(text)
    if (Option.isSome(database) && isUrl(database.value)) {
      const problem =
        "must be a file; set VIDEOS_DATABASE to the URL of a Postgres: a password does not belong into an argument"
      return yield* new UsageError({ field: "--database", problem })
    }
    const text = Option.getOrElse(database, () => (variable.trim() === "" ? defaultFile : variable.trim()))
    return isUrl(text)
      ? ({ _tag: "Postgres", url: Redacted.make(text) } as const)
      : ({ _tag: "File", filename: text } as const)
  })

export const engine = Effect.promise(() => import("@effect-videos/durable"))

export const postgresEngine = Effect.promise(() => import("@effect-videos/durable/Postgres"))

/** Starts, watches and cancels runs, and runs none. `isNew`: a file that is missing is made. */
export const clientLayer = (given: Database, { isNew }: { readonly isNew: boolean }) =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const where = yield* databaseOf(given)
      if (where._tag === "Postgres") {
        const { layerClient } = yield* postgresEngine
        return layerClient({ url: where.url })
      }
      const { filename } = where
      const fs = yield* FileSystem.FileSystem
      if (!isNew && !(yield* Effect.orElseSucceed(fs.exists(filename), () => false))) {
        const problem = `names ${filename}, which does not exist: \`extend --durable\` makes it`
        return yield* new UsageError({ field: "--database", problem })
      }
      const { DurableVideos } = yield* engine
      return DurableVideos.layerSqliteClient({ filename })
    })
  )
