/** Postgres over a pool of this package's own. */
import type * as SqlClient from "@effect/sql/SqlClient"
import { PgClient } from "@effect/sql-pg"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import Pg from "pg"
import { DatabaseUnavailableError } from "../errors.js"

/** One connection is held for the locks of a runner. */
const connections = 10

/** Host and database, without the credentials. */
export const nameOf = (url: Redacted.Redacted): string => {
  try {
    const text = Redacted.value(url)
    const { host, pathname, username } = new URL(text)
    // A password with a slash in it ends the host too early, and is in the path.
    return username === "" && text.includes("@") ? "postgres" : `postgres://${host}${pathname}`
  } catch {
    return "postgres"
  }
}

export const postgresClient = (url: Redacted.Redacted): Layer.Layer<SqlClient.SqlClient, DatabaseUnavailableError> =>
  PgClient.layerFromPool({
    acquire: Effect.acquireRelease(
      Effect.sync(() => {
        const pool = new Pg.Pool({ connectionString: Redacted.value(url), max: connections })
        pool.on("error", () => {})
        // Without it, the driver cannot cancel the statement of a connection that serves another fiber by then.
        pool.on("connect", (client) => {
          Object.assign(client, { processID: undefined })
        })
        return pool
      }),
      (pool) => Effect.promise(() => pool.end()).pipe(Effect.interruptible, Effect.timeoutOption("1 second"))
    )
  }).pipe(
    Layer.mapError(
      (error) =>
        new DatabaseUnavailableError({
          operation: "DurableVideos",
          database: nameOf(url),
          detail: error instanceof Error ? error.message : String(error)
        })
    )
  )
