/**
 * Writes the journal of this version as SQL, with a run that waits for its job: `npx tsx packages/durable/test/programs/journal.ts FILE`.
 * Run it for each release: the tests replay all journals.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DurableVideos, VideoStore } from "@effect-videos/durable"
import { VideosServer } from "@effect-videos/server"
import { createClient } from "@libsql/client"
import { Effect, Layer } from "effect"
import { startWaiting } from "../support/runs.js"

const folder = mkdtempSync(join(tmpdir(), "durable-journal-"))
const filename = join(folder, "videos.db")

const live = DurableVideos.layerSqlite({ filename }).pipe(
  Layer.provide(VideoStore.layerDirectory(folder)),
  Layer.provide(VideosServer.layerTest({ queueTime: 0, runTime: "1 hour" }))
)

const dump = async () => {
  const client = createClient({ url: `file:${filename}` })
  const lines: Array<string> = []
  const made = await client.execute(
    "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type = 'index', name"
  )
  for (const { name, sql } of made.rows) {
    lines.push(`${String(sql).replace(/\s+/g, " ")};`)
    if (!String(sql).startsWith("CREATE TABLE")) continue
    const table = await client.execute(`SELECT * FROM ${name} LIMIT 0`)
    const quoted = table.columns.map((column) => `quote("${column}")`).join(" || ', ' || ")
    const { rows } = await client.execute(`SELECT ${quoted} AS line FROM ${name}`)
    for (const { line } of rows) lines.push(`INSERT INTO ${name} VALUES (${line});`)
  }
  client.close()
  return `${lines.join("\n")}\n`
}

Effect.runPromise(Effect.provide(startWaiting("a"), live))
  .then(dump)
  .then((text) => {
    writeFileSync(process.argv[2] ?? "journal.sql", text)
    rmSync(folder, { recursive: true, force: true })
    process.exit(0)
  })
