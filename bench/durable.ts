/**
 * Measures durable runs on SQLite: runs per second from start to end, processor time, rows and bytes of each, and open files. The
 * embedded server is in the same process, and clips are not downloaded, so that the figures are those of the runs.
 *
 *   npm run bench -- durable
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DurableVideos, isEnded, VideoStore } from "@effect-videos/durable"
import { VideosServer } from "@effect-videos/server"
import { createClient } from "@libsql/client"
import { Effect, Layer, Logger } from "effect"

const count = 200

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

const live = DurableVideos.layerSqlite({ filename }).pipe(
  Layer.provide(store),
  Layer.provide(VideosServer.layerTest({ queueTime: 0, runTime: 0 })),
  Layer.provide(Logger.remove(Logger.defaultLogger))
)

const openFiles = () => readdirSync("/proc/self/fd").length

const program = Effect.gen(function* () {
  const durable = yield* DurableVideos
  const started = performance.now()
  const cpu = process.cpuUsage()
  yield* Effect.forEach(
    Array.from({ length: count }, (_, n) => `run ${n}`),
    (key) => durable.create({ prompt: key, size: "64x64", seconds: 4 }, { key }),
    { concurrency: 20, discard: true }
  )
  while ((yield* durable.list({ limit: count })).some(({ state }) => !isEnded(state))) yield* Effect.sleep("2 seconds")
  const { system, user } = process.cpuUsage(cpu)
  const seconds = (performance.now() - started) / 1000
  return { seconds, cpuMillis: (system + user) / 1000 / count, files: openFiles() }
})

const { cpuMillis, files, seconds } = await Effect.runPromise(Effect.provide(program, live))

const client = createClient({ url: `file:${filename}` })
const rowsOf = async (table: string) =>
  Number((await client.execute(`SELECT count(*) AS n FROM ${table}`)).rows[0]?.["n"])
const rows = (await rowsOf("cluster_messages")) + (await rowsOf("cluster_replies"))
client.close()

console.log(`runs, start to end      ${count} in ${seconds.toFixed(1)} s, ${(count / seconds).toFixed(0)} per second`)
console.log(`processor time          ${cpuMillis.toFixed(0)} ms per run, the server's included`)
console.log(`rows of the engine      ${(rows / count).toFixed(1)} per run, and one in the table of runs`)
console.log(`size of the database    ${(statSync(filename).size / count / 1000).toFixed(1)} kB per run`)
console.log(`open files              ${files}`)
