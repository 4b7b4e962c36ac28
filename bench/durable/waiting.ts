/**
 * What runs that wait cost a process that has just started: memory, queries, requests and open files. One run is started; the
 * others are copies of its rows, as if they had been started too, since starting ten thousand takes minutes.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { EntityId, Sharding } from "@effect/cluster"
import { FetchHttpClient } from "@effect/platform"
import { SqlClient } from "@effect/sql"
import { CreateVideo, DurableVideos, VideoStore } from "@effect-videos/durable"
import * as DurablePostgres from "@effect-videos/durable/Postgres"
import { createClient } from "@libsql/client"
import { Effect, Layer, Logger, Redacted } from "effect"
import { Videos } from "effect-videos"
import Pg from "pg"
import { localEngine } from "../../packages/durable/src/internal/engine.js"
import { postgresClient } from "../../packages/durable/src/internal/postgresPool.js"
import { sqliteClient } from "../../packages/durable/src/internal/sqliteConnection.js"
import { freePort } from "../../packages/durable/test/support/postgres.js"
import { startWaiting } from "../../packages/durable/test/support/runs.js"

interface Task {
  readonly baseUrl: string
  readonly url: string | null
  readonly filename: string
  readonly port: number
  /** `copy` starts a run and copies it so often; `measure` runs all. */
  readonly copies: number | null
  readonly seconds: number
}

interface Figures {
  readonly megabytes: number
  readonly cpuSeconds: number
  readonly queries: number
  readonly files: number
}

const jobOf = (n: number) => `video_${String(n).padStart(6, "0")}`

/** Lists as many running jobs as there are runs, newest first, a hundred on a page. */
const serve = async (jobs: () => number) => {
  const counts = { pages: 0, reads: 0 }
  const resource = (id: string) => ({
    id,
    object: "video",
    status: "in_progress",
    progress: 50,
    model: "sora-2",
    created_at: 1_790_000_000
  })
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://server")
    const id = /videos\/(video_\d+)$/.exec(url.pathname)?.[1]
    response.setHeader("content-type", "application/json")
    if (request.method === "POST") return void response.end(JSON.stringify(resource(jobOf(0))))
    if (id !== undefined) {
      counts.reads++
      return void response.end(JSON.stringify(resource(id)))
    }
    counts.pages++
    const after = url.searchParams.get("after")
    const first = after === null ? jobs() - 1 : Number(after.slice(6)) - 1
    const length = Math.min(Number(url.searchParams.get("limit") ?? 20), first + 1)
    const data = Array.from({ length: Math.max(length, 0) }, (_, index) => resource(jobOf(first - index)))
    response.end(
      JSON.stringify({ object: "list", data, has_more: first + 1 > length, last_id: data.at(-1)?.id ?? null })
    )
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  return { baseUrl: `http://127.0.0.1:${port}/v1`, counts, close: () => server.close().closeAllConnections() }
}

/** Measures `count` runs that wait, beside none. */
export const waiting = (url: string | null, count: number) =>
  Effect.promise(async () => {
    let jobs = 0
    const server = await serve(() => jobs)
    const folder = mkdtempSync(join(tmpdir(), "durable-waiting-"))
    const seconds = 20
    const task = { baseUrl: server.baseUrl, url, filename: join(folder, "videos.db"), port: await freePort(), seconds }
    const run = async (copies: number | null): Promise<Figures> => {
      const child: ChildProcess = fork(fileURLToPath(import.meta.url), [JSON.stringify({ ...task, copies })], {
        execArgv: ["--expose-gc", "--import", import.meta.resolve("tsx")]
      })
      const ended = once(child, "close").then(([code]) => Promise.reject(new Error(`the process ended with ${code}`)))
      const [figures] = await Promise.race([once(child, "message"), ended])
      child.kill("SIGKILL")
      await ended.catch(() => {})
      return figures
    }
    const none = await run(null)
    // The locks of the process that was killed expire.
    if (url !== null) await sleep(16_000)

    await run(count - 1)
    jobs = count
    if (url !== null) await sleep(16_000)
    const before = { ...server.counts }
    const { cpuSeconds, files, megabytes, queries } = await run(null)
    const pages = server.counts.pages - before.pages
    const reads = server.counts.reads - before.reads
    server.close()
    rmSync(folder, { recursive: true, force: true })
    const line = `${megabytes.toFixed(0)} MB resident, ${none.megabytes.toFixed(0)} MB with none`
    console.log(`${`${count} runs that wait`.padEnd(24)} ${line}`)
    const per = (n: number) => (n / seconds).toFixed(1)
    console.log(`${"".padEnd(24)} ${per(queries)} queries per second, ${per(none.queries)} with none`)
    console.log(`${"".padEnd(24)} ${pages} pages and ${reads} single reads from the start, ${files} open files`)
    console.log(`${"".padEnd(24)} ${((cpuSeconds / seconds) * 100).toFixed(0)} % of a processor`)
  })

const layerOf = ({ baseUrl, filename, port, url }: Task) =>
  (url === null
    ? DurableVideos.layerSqlite({ filename })
    : DurablePostgres.layer({ url, listen: { host: "127.0.0.1", port } })
  ).pipe(
    Layer.provide(VideoStore.layerDirectory(join(tmpdir(), "durable-waiting-clips"))),
    Layer.provide(Videos.layer({ baseUrl })),
    Layer.provide(FetchHttpClient.layer),
    Layer.provide(Logger.remove(Logger.defaultLogger))
  )

type Row = { readonly [column: string]: string | number | bigint | boolean | null }

/** Copies the rows of a run: each copy has its own key, job, execution and ids, and waits for an hour. */
const copy = (execution: string, copies: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const sharding = yield* Sharding.Sharding
    const messages = yield* sql<Row>`SELECT * FROM cluster_messages`
    const replies = yield* sql<Row>`SELECT * FROM cluster_replies`
    const runs = yield* sql<Row>`SELECT * FROM effect_video_runs`
    const later = Date.now() + 3_600_000
    const insert = (table: string, rows: ReadonlyArray<Row>) => sql`INSERT INTO ${sql(table)} ${sql.insert(rows)}`
    for (let first = 1; first <= copies; first += 100) {
      const numbers = Array.from({ length: Math.min(100, copies - first + 1) }, (_, index) => first + index)
      const all = yield* Effect.forEach(numbers, (n) =>
        Effect.gen(function* () {
          const key = `run ${n}`
          const id = yield* CreateVideo.executionId({ key, attempt: 1 })
          const shard = sharding.getShardId(EntityId.make(id), "default")
          // Ids are times: those of the copies are earlier, seconds apart.
          const shift = (value: Row[string] | undefined) =>
            value === null || value === undefined ? null : BigInt(String(value)) - BigInt(n) * 2n ** 33n
          const text = (value: Row[string] | undefined) => String(value).replaceAll(execution, id)
          return {
            messages: messages.map((row) => ({
              ...row,
              id: shift(row["id"]),
              request_id: shift(row["request_id"]),
              last_reply_id: shift(row["last_reply_id"]),
              message_id: text(row["message_id"]),
              entity_id: id,
              shard_id: `${shard.group}:${shard.id}`,
              deliver_at: row["deliver_at"] === null ? null : BigInt(later)
            })),
            replies: replies.map((row) => ({ ...row, id: shift(row["id"]), request_id: shift(row["request_id"]) })),
            runs: runs.map((row) => ({
              ...row,
              execution_id: id,
              run_key: key,
              idempotency_key: text(row["idempotency_key"]),
              job_id: jobOf(n),
              wake_at: BigInt(later)
            }))
          }
        })
      )
      yield* sql.withTransaction(
        Effect.all([
          insert(
            "cluster_messages",
            all.flatMap(({ messages }) => messages)
          ),
          insert(
            "cluster_replies",
            all.flatMap(({ replies }) => replies)
          ),
          insert(
            "effect_video_runs",
            all.flatMap(({ runs }) => runs)
          )
        ])
      )
    }
  })

const nothing: Figures = { megabytes: 0, cpuSeconds: 0, queries: 0, files: 0 }

/** Counts what the drivers send. */
const countQueries = () => {
  const counts = { queries: 0 }
  const sqlite = Object.getPrototypeOf(createClient({ url: "file::memory:" }))
  for (const prototype of [
    { holder: sqlite, name: "execute" },
    { holder: Pg.Client.prototype, name: "query" }
  ]) {
    const { holder, name } = prototype
    const original = Reflect.get(holder, name)
    Reflect.set(holder, name, function (this: unknown, ...args: ReadonlyArray<unknown>) {
      counts.queries++
      return Reflect.apply(original, this, args)
    })
  }
  return counts
}

const measureIn = (seconds: number, counts: { queries: number }) =>
  Effect.gen(function* () {
    yield* DurableVideos
    // The first round of polls is over.
    yield* Effect.sleep("20 seconds")
    const { queries } = counts
    const cpu = process.cpuUsage()
    yield* Effect.sleep(seconds * 1000)
    const { system, user } = process.cpuUsage(cpu)
    globalThis.gc?.()
    return {
      megabytes: process.memoryUsage().rss / 1e6,
      cpuSeconds: (system + user) / 1e6,
      queries: counts.queries - queries,
      files: readdirSync("/proc/self/fd").length
    }
  })

const clientOf = ({ filename, url }: Task) =>
  localEngine("client").pipe(
    Layer.provideMerge(url === null ? sqliteClient(filename) : postgresClient(Redacted.make(url)))
  )

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const task: Task = JSON.parse(process.argv[2] ?? "")
  const { copies, seconds } = task
  const counts = countQueries()
  const program =
    copies === null
      ? measureIn(seconds, counts).pipe(Effect.provide(layerOf(task)))
      : startWaiting("run 0").pipe(
          Effect.provide(layerOf(task)),
          Effect.flatMap((execution) => Effect.provide(copy(execution, copies), clientOf(task))),
          Effect.as(nothing)
        )
  process.send?.(await Effect.runPromise(program))
}
