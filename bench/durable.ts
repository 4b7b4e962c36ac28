/**
 * Measures durable runs on SQLite and on Postgres: runs per second from start to end, processor time, rows and bytes of each, open
 * files; what runs that wait cost; and how soon a run goes on after its process was killed or stopped.
 *
 *   npm run bench -- durable             # `--sqlite` or `--postgres` for one of them, `--part=kills` for one part, `--waiting=1000`
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DurableVideos, isEnded, VideoStore } from "@effect-videos/durable"
import * as DurablePostgres from "@effect-videos/durable/Postgres"
import { VideosServer } from "@effect-videos/server"
import { createClient } from "@libsql/client"
import { Effect, Layer, Logger } from "effect"
import Pg from "pg"
import { freePort, hasPostgres, postgres } from "../packages/durable/test/support/postgres.js"
import { deploys, kills } from "./durable/resumption.js"
import { waiting } from "./durable/waiting.js"

const count = 200

const options = process.argv.slice(2)
const numberOf = (name: string, otherwise: number) =>
  Number(options.find((option) => option.startsWith(`--${name}=`))?.split("=")[1] ?? otherwise)

const folder = mkdtempSync(join(tmpdir(), "durable-bench-"))
process.on("exit", () => rmSync(folder, { recursive: true, force: true }))

const filename = join(folder, "videos.db")

const store = Layer.succeed(VideoStore, {
  find: () => Effect.succeed(null),
  save: (execution) => Effect.succeed({ location: execution, bytes: 1 }),
  put: (execution) => Effect.succeed({ location: execution, bytes: 1 }),
  file: (execution) => Effect.succeed(execution),
  remove: () => Effect.void
})

const openFiles = () => readdirSync("/proc/self/fd").length

const print = (what: string, figure: string) => console.log(`${what.padEnd(24)} ${figure}`)

const tables = ["cluster_messages", "cluster_replies", "effect_video_runs"]

/** The rows of the engine, and the bytes of the whole database. */
const sizeOf = async (url: string | null) => {
  if (url === null) {
    const client = createClient({ url: `file:${filename}` })
    const rowsOf = async (table: string) =>
      Number((await client.execute(`SELECT count(*) AS n FROM ${table}`)).rows[0]?.["n"])
    const rows = (await rowsOf("cluster_messages")) + (await rowsOf("cluster_replies"))
    client.close()
    return { rows, bytes: statSync(filename).size }
  }
  const client = new Pg.Client(url)
  await client.connect()
  const { rows } = await client.query(
    `SELECT (SELECT count(*) FROM cluster_messages) + (SELECT count(*) FROM cluster_replies) AS rows,
      ${tables.map((table) => `pg_total_relation_size('${table}')`).join(" + ")} AS bytes`
  )
  await client.end()
  return { rows: Number(rows[0].rows), bytes: Number(rows[0].bytes) }
}

/** Starts runs and waits until all have ended. The embedded server is in the same process, and clips are not downloaded. */
const throughput = (url: string | null) =>
  Effect.gen(function* () {
    const port = yield* Effect.promise(freePort)
    const layer =
      url === null
        ? DurableVideos.layerSqlite({ filename })
        : DurablePostgres.layer({ url, listen: { host: "127.0.0.1", port } })
    const live = layer.pipe(
      Layer.provide(store),
      Layer.provide(VideosServer.layerTest({ queueTime: 0, runTime: 0 })),
      Layer.provide(Logger.remove(Logger.defaultLogger))
    )
    const { cpuMillis, files, seconds } = yield* Effect.gen(function* () {
      const durable = yield* DurableVideos
      const started = performance.now()
      const cpu = process.cpuUsage()
      yield* Effect.forEach(
        Array.from({ length: count }, (_, n) => `run ${n}`),
        (key) => durable.create({ prompt: key, size: "64x64", seconds: 4 }, { key }),
        { concurrency: 20, discard: true }
      )
      while ((yield* durable.list({ limit: count })).some(({ state }) => !isEnded(state)))
        yield* Effect.sleep("500 millis")
      const { system, user } = process.cpuUsage(cpu)
      const seconds = (performance.now() - started) / 1000
      return { seconds, cpuMillis: (system + user) / 1000 / count, files: openFiles() }
    }).pipe(Effect.provide(live))
    const { bytes, rows } = yield* Effect.promise(() => sizeOf(url))
    print("runs, start to end", `${count} in ${seconds.toFixed(1)} s, ${(count / seconds).toFixed(0)} per second`)
    print("processor time", `${cpuMillis.toFixed(0)} ms per run, the server's included`)
    print("rows of the engine", `${(rows / count).toFixed(1)} per run, and one in the table of runs`)
    print("size of the database", `${(bytes / count / 1000).toFixed(1)} kB per run`)
    print("open files", `${files} with ${count} runs`)
  })

/** Each part has a database of its own. */
const measure = (name: string, fresh: (part: string) => Effect.Effect<string | null>) =>
  Effect.gen(function* () {
    console.log(`\n${name}`)
    const part = <A>(name: string, run: (url: string | null) => Effect.Effect<A>) =>
      isPart(name) ? Effect.asVoid(Effect.flatMap(fresh(name), run)) : Effect.void
    yield* part("throughput", (url) => Effect.orDie(throughput(url)))
    yield* part("waiting", (url) => waiting(url, numberOf("waiting", 10_000)))
    yield* part("kills", kills)
    yield* part("deploys", (url) => (url === null ? Effect.void : deploys(url)))
  })

const isPart = (name: string) =>
  options.includes(`--part=${name}`) || !options.some((option) => /^--part=/.test(option))

const isNamed = (name: string) => options.includes(`--${name}`) || !options.some((option) => /^--[a-z]+$/.test(option))

const program = Effect.gen(function* () {
  if (isNamed("sqlite")) yield* measure("SQLite", () => Effect.succeed(null))
  if (!isNamed("postgres")) return
  if (!hasPostgres) return console.log("\nPostgres: Debian's packages are not installed")
  const { url } = yield* postgres
  yield* measure("Postgres", (part) =>
    Effect.promise(async () => {
      const client = new Pg.Client(url)
      await client.connect()
      await client.query(`CREATE DATABASE ${part}`)
      await client.end()
      return url.replace(/postgres$/, part)
    })
  )
})

await Effect.runPromise(Effect.scoped(program))
process.exit(0)
