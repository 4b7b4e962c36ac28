/**
 * SQLite over one connection. The driver's own client opens a connection for each transaction, leaves it open, and loses the
 * pragmas with it: 500 workflows had 6,055 open files.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import { LibsqlClient } from "@effect/sql-libsql"
import { type Client, createClient, type InStatement, type Transaction } from "@libsql/client"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { DatabaseInUseError, DatabaseUnavailableError } from "../errors.js"

/** The driver takes a URL, and decodes it: `#`, `?` and `%` of a name would be parts of the URL. */
const urlOf = (file: string): string => `file:${file.split("/").map(encodeURIComponent).join("/")}`

const openDatabase = async (file: string, busyMillis: number): Promise<Client> => {
  const client = createClient({ url: urlOf(file), intMode: "bigint" })
  const pragmas = [`busy_timeout = ${busyMillis}`, "journal_mode = WAL", "synchronous = FULL"]
  for (const pragma of pragmas) await client.execute(`PRAGMA ${pragma}`)
  // A file that is not a database, or that another program has locked, fails here: the engine would retry for minutes.
  await client.execute("BEGIN IMMEDIATE")
  await client.execute("ROLLBACK")
  const transaction = async (): Promise<Transaction> => {
    await client.execute("BEGIN IMMEDIATE")
    let isOpen = true
    const end = (how: "COMMIT" | "ROLLBACK") => async () => {
      if (!isOpen) return
      isOpen = false
      await client.execute(how)
    }
    return {
      execute: (statement: InStatement) => client.execute(statement),
      batch: (all) => Promise.all(all.map((statement) => client.execute(statement))),
      executeMultiple: (text) => client.executeMultiple(text),
      commit: end("COMMIT"),
      rollback: end("ROLLBACK"),
      close: () => void end("ROLLBACK")(),
      get closed() {
        return !isOpen
      }
    }
  }
  // `LibsqlClient` uses these three only, and sends one statement at a time.
  return Object.assign(Object.create(client) as Client, {
    execute: (statement: InStatement) => client.execute(statement),
    transaction,
    close: () => client.close()
  })
}

const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** `busyMillis`: how long a statement waits for another program that has locked the file. */
export const sqliteClient = (
  file: string,
  busyMillis = 5000
): Layer.Layer<SqlClient.SqlClient, DatabaseUnavailableError> =>
  Layer.unwrapScoped(
    Effect.map(
      Effect.acquireRelease(
        Effect.tryPromise({
          try: () => openDatabase(file, busyMillis),
          catch: (error) =>
            new DatabaseUnavailableError({ operation: "DurableVideos", database: file, detail: describe(error) })
        }),
        (client) => Effect.sync(() => client.close())
      ),
      (liveClient) => LibsqlClient.layer({ liveClient })
    )
  )

/**
 * Holds the file for this process. Two processes with workflows on one file would run the same submission at the same time. The
 * kernel drops the lock with the process, however it ends.
 */
export const lockDatabase = (
  file: string
): Effect.Effect<void, DatabaseInUseError | DatabaseUnavailableError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const client = createClient({ url: urlOf(`${file}.lock`) })
        try {
          await client.execute("BEGIN EXCLUSIVE")
          return client
        } catch (error) {
          client.close()
          throw error
        }
      },
      catch: (error) =>
        /SQLITE_BUSY|database is locked/.test(describe(error))
          ? new DatabaseInUseError({ database: file })
          : new DatabaseUnavailableError({ operation: "DurableVideos", database: file, detail: describe(error) })
    }),
    // The driver keeps a closed connection until its statements are collected: the lock ends with the transaction.
    (client) => Effect.promise(() => client.execute("ROLLBACK").finally(() => client.close()))
  ).pipe(Effect.asVoid)
