/** A Postgres of Debian's packages, in a folder of its own. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Schedule } from "effect"
import Pg from "pg"

const versions = "/usr/lib/postgresql"

const bin = (existsSync(versions) ? readdirSync(versions) : [])
  .map((version) => join(versions, version, "bin"))
  .filter((path) => existsSync(join(path, "initdb")))
  .at(-1)

export const hasPostgres = bin !== undefined

const idOf = (flag: string): number => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }))

/** Postgres refuses to run as root. */
const user = hasPostgres && process.getuid?.() === 0 ? { uid: idOf("-u"), gid: idOf("-g") } : {}

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** Whether a process listens on a port of this machine. */
export const hasListener = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy()
      resolve(true)
    }).on("error", () => resolve(false))
  })

const start = (folder: string, port: number) =>
  Effect.gen(function* () {
    const options = { ...user, cwd: folder, stdio: "ignore" } as const
    const flags = ["-D", join(folder, "data"), "-p", String(port), "-k", folder, "-h", "127.0.0.1", "-c", "fsync=off"]
    const child = spawn(join(bin ?? "", "postgres"), flags, options)
    yield* Effect.tryPromise(async () => {
      const client = new Pg.Client({ host: "127.0.0.1", port, user: "postgres", database: "postgres" })
      await client.connect()
      await client.end()
    }).pipe(Effect.retry(Schedule.intersect(Schedule.spaced("100 millis"), Schedule.recurs(300))), Effect.orDie)
    return child
  })

const stop = (child: ChildProcess) =>
  Effect.async<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.on("close", () => resume(Effect.void))
    // Immediate: connections are cut.
    child.kill("SIGQUIT")
  })

/** Starts Postgres for the scope; `restart` cuts all connections and starts it again. */
export const postgres = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "durable-postgres-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid ?? 0)
  execFileSync(join(bin ?? "", "initdb"), ["-D", join(folder, "data"), "-U", "postgres", "-A", "trust", "--no-sync"], {
    ...user,
    cwd: folder,
    stdio: "ignore"
  })
  const port = yield* Effect.promise(freePort)
  let child = yield* start(folder, port)
  yield* Effect.addFinalizer(() => stop(child))
  const restart = Effect.gen(function* () {
    yield* stop(child)
    child = yield* start(folder, port)
  })
  return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, restart }
})

/** Runs statements on a database. */
const query = async (url: string, statements: string): Promise<void> => {
  const client = new Pg.Client({ connectionString: url })
  await client.connect()
  await client.query(statements)
  await client.end()
}

/** Makes another database of the same Postgres, with these tables; returns its URL. */
export const newDatabase = (url: string, name: string, tables = ""): Effect.Effect<string> =>
  Effect.promise(async () => {
    const made = url.replace(/postgres$/, name)
    await query(url, `CREATE DATABASE ${name}`)
    await query(made, tables)
    return made
  })
