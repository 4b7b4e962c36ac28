/** Durable runs by the command: one process records and shows them, another runs them. */
import { existsSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Effect, Layer } from "effect"
import { awaitVideo, createVideo } from "effect-videos"
import { folder } from "../../../test/support/films.js"
import { instant } from "../../server/test/support.js"
import { finished, saying, useCommand } from "./process.js"
import { cli, serverLayer } from "./support.js"

const { command, inFolder } = useCommand()

const server = VideosServer.layerVideos.pipe(
  Layer.provideMerge(VideosServer.layer({ queueTime: 0, runTime: "100 millis" })),
  Layer.provideMerge(FetchHttpClient.layer)
)

describe("durable runs", () => {
  it.scopedLive("`extend --durable` returns an execution id; `worker` runs it; `runs` waits for it and shows it", () =>
    Effect.gen(function* () {
      const { baseUrl, jobs } = yield* VideosServer
      const source = yield* createVideo({ prompt: "the source", size: "64x64", seconds: 4 })
      yield* awaitVideo(source)
      // The default of the worker.
      const database = ["--database", inFolder("videos.db")]
      const extend = ["extend", source.id, "the tide", "--seconds", "4", "--durable", "--idempotency-key", "a"]
      const started = yield* cli([...extend, ...database])
      assert.strictEqual(started.code, 0, started.err)
      const execution = String(started.records[0]?.execution)
      assert.strictEqual(started.records[0]?.state, "accepted")
      const long = ["extend", source.id, "the tide", "--then", "a boat", "--to", "20s", "--max-segments", "2"]
      const [second] = (yield* cli([...long, "--durable", ...database])).records
      assert.deepInclude(second, { kind: "extendTo", state: "accepted", segments: [] })
      // Neither submits anything: the worker does.
      assert.lengthOf(yield* jobs, 1)
      const worker = yield* command(["worker"], { OPENAI_BASE_URL: baseUrl })
      const waited = yield* cli(["runs", "wait", execution.slice(0, 8), ...database])
      assert.strictEqual(waited.code, 0, waited.err)
      const [run] = waited.records
      assert.deepInclude(run, { execution, state: "done", kind: "extend", key: "a", sends: 1 })
      const extended = String(second?.execution)
      const longer = yield* cli(["runs", "wait", extended, "--table", ...database])
      assert.strictEqual(longer.code, 0, longer.err)
      assert.match(longer.out, /length +20 s of 20 s\nsegments +1 done \S+, 2 done \S+\nprompt +the tide \/ a boat\n/)
      yield* saying(worker, "err", new RegExp(`${extended.slice(0, 8)} done`))
      worker.child.kill("SIGTERM")
      const stopped = yield* finished(worker)
      const shown = stopped.out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.deepStrictEqual([stopped.code, shown.find((one) => one.execution === execution)], [130, run])
      assert.isAbove(statSync(String(run?.location)).size, 0)
      const listed = yield* cli(["runs", "list", "--table", ...database])
      assert.include(listed.out, `${execution.slice(0, 8)}  `)
      const other = yield* cli(["runs", "show", "0000", ...database])
      assert.deepStrictEqual(
        [other.code, other.err],
        [4, "error: no run 0000 in this database. `list` shows the runs.\n"]
      )
    }).pipe(Effect.provide(server))
  )

  it.scopedLive("are named by four characters or more: an empty variable of a script cancels nothing", () =>
    Effect.gen(function* () {
      const database = ["--database", join(yield* folder, "videos.db")]
      const started = yield* cli(["extend", "video_1", "x", "--seconds", "4", "--durable", ...database])
      assert.strictEqual(started.code, 0, started.err)
      const { code, err } = yield* cli(["runs", "cancel", "", ...database])
      assert.deepStrictEqual([code, err.includes("`EXECUTION` must be")], [2, true], err)
      const [run] = (yield* cli(["runs", "list", ...database])).records
      assert.deepInclude(run, { state: "accepted", cancel: null })
    }).pipe(Effect.provide(serverLayer(instant)))
  )

  it.scoped.each(["clip.mp4", "https://videos.invalid/clip.mp4"])("extend a job, and nothing else: not %s", (source) =>
    Effect.gen(function* () {
      const at = yield* folder
      writeFileSync(join(at, "clip.mp4"), "a clip")
      const given = source.startsWith("https:") ? source : join(at, source)
      const database = join(at, "videos.db")
      const { code, err } = yield* cli(["extend", given, "x", "--seconds", "4", "--durable", "--database", database])
      assert.deepStrictEqual([code, existsSync(database)], [2, false], err)
      assert.include(err, "`ID` must be the id of a job")
    }).pipe(Effect.provide(serverLayer(instant)))
  )
})
