/** Runs in this process, over a SQLite file and the embedded server. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { HttpApiBuilder, HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DurableVideos, isEnded, VideoStore, VideoStoreError } from "@effect-videos/durable"
import * as Api from "@effect-videos/durable/Api"
import { Fault, VideosServer } from "@effect-videos/server"
import { createClient } from "@libsql/client"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Schema, Scope } from "effect"
import { createVideo, VideoEvent } from "effect-videos"
import { dialects } from "effect-videos/Dialects"
import { afterAll } from "vitest"
import { Checkpoint } from "../src/internal/settings.js"
import { lockDatabase, sqliteClient } from "../src/internal/sqliteConnection.js"
import { create, ended, until } from "./support/runs.js"
import { withLayer } from "./support/sharedLayer.js"

const folder = mkdtempSync(join(tmpdir(), "durable-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const filename = join(folder, "videos.db")

/** Whether the store refuses clips. */
const disk = { isFull: false }

const store = VideoStore.layerUpload({
  directory: join(folder, "clips"),
  find: () => Effect.succeed(null),
  upload: (execution, { bytes }) =>
    Effect.suspend(() =>
      disk.isFull
        ? new VideoStoreError({ operation: "upload", location: "the store", detail: "no space left" })
        : Effect.succeed({ location: `store:${execution}`, bytes })
    )
})

const fast = { polling: { min: "250 millis", max: "250 millis" }, retryAfter: "50 millis" } as const

/** The list is not trusted: a lost submission without a job on the list stays uncertain. */
const server = VideosServer.layerTest(
  {
    queueTime: 0,
    runTime: "100 millis",
    outcome: ({ prompt }) => (prompt.startsWith("forbidden") ? { code: "moderation_blocked", message: "no" } : null)
  },
  { listLag: "20 millis", requestTimeout: "5 seconds", dialect: { ...dialects.openai, listTrusted: false } }
)

const quiet = Logger.remove(Logger.defaultLogger)

const live = DurableVideos.layerSqlite({ filename, ...fast }).pipe(
  Layer.provide(store),
  Layer.provideMerge(server),
  Layer.provide(quiet)
)

const prompts = (...those: ReadonlyArray<string>) =>
  Effect.flatMap(VideosServer, ({ jobs }) =>
    Effect.map(jobs, (all) => all.filter(({ prompt }) => prompt !== null && those.includes(prompt)).length)
  )

/** Loses the response to the next submission. */
const lose = (fault: Fault.Fault) =>
  Effect.flatMap(VideosServer, ({ faults }) => faults.set([{ on: ["create"], when: Fault.first(1), fault }]))

// These suites mostly wait, so they run side by side; the tests of each share a server, and run one after the other.
withLayer("a run on SQLite", live, (test) => {
  test("creates a clip, and a run extends it; the same key is the same run", () =>
    Effect.gen(function* () {
      const durable = yield* DurableVideos
      const first = yield* ended((yield* create("a")).execution)
      assert.deepInclude(first, { state: "done", problem: null, sends: 1, location: `store:${first.execution}` })
      const request = { video: first.jobId ?? "", prompt: "b", seconds: 4 } as const
      const started = yield* durable.extend(request, { key: "one" })
      const again = yield* durable.extend(request, { key: "one" })
      assert.strictEqual(again.execution, started.execution)
      const last = yield* ended(started.execution)
      assert.deepInclude(last, { state: "done", kind: "extend", key: "one", attempt: 1 })
      const conflict = yield* Effect.flip(durable.extend({ ...request, prompt: "c" }, { key: "one" }))
      assert.deepInclude(conflict, { _tag: "IdempotencyConflictError", execution: started.execution })
      const [newest] = yield* durable.list({ states: ["done"], limit: 1 })
      assert.strictEqual(newest?.execution, started.execution)
      // Its key stays taken.
      yield* durable.forget(first.execution)
      assert.strictEqual((yield* create("a")).execution, first.execution)
      assert.strictEqual(yield* prompts("a", "b"), 2)
    }))

  test("a response that is lost after the job was made costs one job", () =>
    Effect.gen(function* () {
      yield* lose(Fault.reset("after-commit"))
      const run = yield* ended((yield* create("lost response")).execution)
      assert.deepInclude(run, { state: "done", sends: 1 })
      assert.strictEqual(yield* prompts("lost response"), 1)
    }))

  test("a job that fails ends its run, and `retry` begins a new attempt under the key", () =>
    Effect.gen(function* () {
      const durable = yield* DurableVideos
      const run = yield* ended((yield* create("forbidden")).execution)
      assert.deepInclude(run, { state: "failed", attempt: 1 })
      assert.include(run.problem ?? "", "moderation_blocked")
      const next = yield* durable.retry(run.execution)
      assert.deepInclude(next, { key: "forbidden", attempt: 2 })
      assert.strictEqual((yield* create("forbidden")).execution, next.execution)
      yield* ended(next.execution)
      assert.strictEqual(yield* prompts("forbidden"), 2)
    }))

  test("a server that refuses a request is not asked again; one that is not there is", () =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      yield* lose(Fault.status({ status: 400 }))
      const refused = yield* ended((yield* create("refused")).execution)
      assert.deepInclude(refused, { state: "refused", sends: 0, jobId: null })
      yield* faults.set([
        {
          on: ["create"],
          when: Fault.first(3),
          fault: Fault.status({ status: 429, retryAfter: Fault.retryAfterMillis(1) })
        }
      ])
      assert.strictEqual((yield* ended((yield* create("busy")).execution)).state, "done")
      assert.strictEqual(yield* prompts("refused", "busy"), 1)
    }))

  test("a store that is full delays a run, and pays for nothing again", () =>
    Effect.gen(function* () {
      disk.isFull = true
      const { execution } = yield* create("stored")
      const full = yield* until(execution, ({ problem }) => problem !== null)
      assert.include(full.problem ?? "", "no space left")
      disk.isFull = false
      assert.strictEqual((yield* ended(execution)).state, "done")
      assert.strictEqual(yield* prompts("stored"), 1)
    }))

  test("cancel ends a run, and deletes its job if asked to", () =>
    Effect.gen(function* () {
      const durable = yield* DurableVideos
      disk.isFull = true
      const { execution } = yield* create("cancelled")
      yield* until(execution, ({ problem }) => problem !== null)
      assert.strictEqual(yield* prompts("cancelled"), 1)
      yield* durable.cancel(execution, { deleteJob: true })
      assert.strictEqual((yield* ended(execution)).state, "cancelled")
      disk.isFull = false
      assert.strictEqual(yield* prompts("cancelled"), 0)
    }))

  test("is started, watched and decided over HTTP; an OpenAPI document has the endpoints", () =>
    Effect.gen(function* () {
      const durable = yield* DurableVideos
      const http = HttpApiBuilder.serve().pipe(
        Layer.provide(HttpApiBuilder.middlewareOpenApi()),
        Layer.provide(Api.layer),
        Layer.provide(Layer.succeed(DurableVideos, durable)),
        Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0 }))
      )
      const { address } = Context.get(yield* Layer.build(http), HttpServer.HttpServer)
      const base = address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : ""
      const call = (path: string, body?: object) =>
        Effect.promise(async () => {
          const json = { headers: { "content-type": "application/json" }, body: JSON.stringify(body), method: "POST" }
          const response = await fetch(`${base}${path}`, body === undefined ? {} : json)
          return { status: response.status, body: await response.text() }
        })
      const request = { prompt: "over HTTP", size: "16x16", seconds: "4" }
      const started = yield* call("/runs/create", { key: "http", request })
      assert.strictEqual(started.status, 200, started.body)
      const { execution } = JSON.parse(started.body)
      // The stream ends with the run.
      const events = yield* call(`/runs/${execution}/events`)
      const [, version = "", last = ""] = /id: (\d+)\ndata: ([^\n]*)\n\n$/.exec(events.body) ?? []
      assert.deepInclude(JSON.parse(last), { execution, state: "done", version: Number(version) })
      assert.deepStrictEqual(yield* call(`/runs/${execution}/events?after=${version}`), { status: 200, body: "" })
      assert.deepStrictEqual(JSON.parse((yield* call("/runs?state=done&limit=1")).body), [JSON.parse(last)])
      assert.deepStrictEqual(JSON.parse((yield* call(`/runs/${execution}`)).body), JSON.parse(last))
      const long = yield* call("/runs/extendTo", {
        key: "http",
        request: { video: "video_nowhere", totalSeconds: 20, prompts: ["over HTTP"] }
      })
      assert.deepInclude(JSON.parse(long.body), { kind: "extendTo", state: "accepted", segments: [], seconds: null })
      const wrong = yield* Effect.all([
        call("/runs/extendTo", { key: "http", request: { video: "video_nowhere", totalSeconds: 20, prompts: [] } }),
        call("/runs/create", { key: "http", request: { ...request, prompt: "another" } }),
        call("/runs/create", { key: "http", request: { prompt: "" } }),
        call("/runs/nowhere/events"),
        call(`/runs/${execution}/retry`, {}),
        call(`/runs/${execution}/resolve`, { decision: "resend" })
      ])
      assert.deepStrictEqual(
        wrong.map(({ status }) => status),
        [400, 409, 400, 404, 409, 409]
      )
      assert.include(wrong[1]?.body, "IdempotencyConflictError")
      assert.strictEqual((yield* call(`/runs/${execution}/cancel`, { deleteJob: true })).body, last)
      const { paths } = JSON.parse((yield* call("/openapi.json")).body)
      assert.sameMembers(
        Object.keys(paths),
        [
          "",
          "/create",
          "/extend",
          "/extendTo",
          ...["", "/events", "/cancel", "/retry", "/resolve"].map((end) => `/{execution}${end}`)
        ].map((path) => `/runs${path}`)
      )
    }).pipe(Effect.scoped))

  test("another process starts and watches runs as a client; a second runner is refused", () =>
    Effect.gen(function* () {
      const other = DurableVideos.layerSqlite({ filename }).pipe(Layer.provide(store), Layer.provide(server))
      const refused = yield* Effect.flip(Effect.scoped(Layer.build(other)))
      assert.deepInclude(refused, { _tag: "DatabaseInUseError", database: filename })
      const run = yield* Effect.flatMap(create("from a client"), ({ execution }) => ended(execution)).pipe(
        Effect.provide(DurableVideos.layerSqliteClient({ filename }))
      )
      assert.strictEqual(run.state, "done")
    }))
})

/** It reads the list once: what is decided wakes it. */
const patient = DurableVideos.layerSqlite({
  filename: join(folder, "uncertain.db"),
  ...fast,
  retryAfter: "1 hour"
}).pipe(
  Layer.provide(VideoStore.layerDirectory(join(folder, "uncertain"))),
  Layer.provideMerge(server),
  Layer.provide(quiet)
)

withLayer("an uncertain run on SQLite", patient, (test) => {
  test("an unknown outcome waits for a decision: resend, give up, or a job's id", () =>
    Effect.gen(function* () {
      const durable = yield* DurableVideos
      const uncertain = (prompt: string) =>
        Effect.gen(function* () {
          yield* lose(Fault.reset("before-headers"))
          const { execution } = yield* create(prompt)
          const run = yield* until(execution, ({ state }) => state === "uncertain")
          assert.include(run.problem ?? "", "list")
          return run
        })
      const { execution } = yield* uncertain("decide")
      yield* durable.resolve(execution, "resend")
      assert.deepInclude(yield* ended(execution), { state: "done", sends: 2 })
      const wrong = yield* Effect.flip(durable.resolve(execution, "resend"))
      assert.strictEqual(wrong._tag, "RunStateError")

      const second = yield* uncertain("decide too")
      const taken = (yield* durable.get(execution)).jobId ?? ""
      yield* durable.resolve(second.execution, taken)
      const refused = yield* until(second.execution, ({ problem }) => problem?.includes("another run") === true)
      assert.strictEqual(refused.state, "uncertain")
      yield* durable.resolve(second.execution, "give up")
      assert.deepInclude(yield* ended(second.execution), { state: "abandoned", jobId: null })
      // Its request may have made a job: a new attempt does not send it again before that is settled.
      const { execution: next } = yield* durable.retry(second.execution)
      const retried = yield* until(next, ({ state }) => state === "uncertain" || isEnded(state))
      assert.deepInclude(retried, { state: "uncertain", attempt: 2, sends: 1 })
      yield* durable.resolve(next, "give up")
      yield* ended(next)
      assert.strictEqual(yield* prompts("decide", "decide too"), 1)
    }))
})

describe.concurrent("a runner that stops", () => {
  it.scopedLive("records the step that it is in and begins no other; the next one continues", () =>
    Effect.gen(function* () {
      const filename = join(folder, "stopped.db")
      const server = yield* Layer.build(VideosServer.layerTest({ queueTime: 0, runTime: "50 millis" }))
      const runner = (checkpoint: typeof Checkpoint.Service) =>
        DurableVideos.layerSqlite({ filename, ...fast }).pipe(
          Layer.provide(VideoStore.layerDirectory(join(folder, "stopped"))),
          Layer.provide(Layer.succeedContext(server)),
          Layer.provide(Layer.succeed(Checkpoint, checkpoint)),
          Layer.provide(quiet)
        )
      const isSent = yield* Deferred.make<void>()
      const isStopping = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const first = runner((name) =>
        name === "after response"
          ? Effect.zipRight(Deferred.succeed(isSent, undefined), Deferred.await(isStopping))
          : Effect.void
      )
      const { execution } = yield* Effect.provide(create("stopped"), yield* Layer.buildWithScope(first, scope))
      yield* Deferred.await(isSent)
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(isStopping, undefined)
      yield* Fiber.join(closing)
      const read = Effect.flatMap(DurableVideos, (durable) => durable.get(execution))
      const stopped = yield* Effect.provide(read, DurableVideos.layerSqliteClient({ filename }))
      assert.deepInclude(stopped, { state: "waiting", sends: 1 })
      assert.isNotNull(stopped.jobId)
      const done = yield* Effect.provide(
        ended(execution),
        runner(() => Effect.void)
      )
      assert.deepInclude(done, { state: "done", sends: 1, jobId: stopped.jobId })
    })
  )
})

/** Written by `programs/journal.ts`, one for each released version. */
const journals = new URL("./fixtures/", import.meta.url)

describe.concurrent("an upgrade", () => {
  for (const name of readdirSync(journals)) {
    it.scopedLive(`continues the runs of ${name}, and a request that it cannot read waits`, () =>
      Effect.gen(function* () {
        const filename = join(folder, `${name}.db`)
        const server = yield* Layer.build(VideosServer.layerTest({ queueTime: 0, runTime: 0 }))
        const job = yield* Effect.provide(createVideo({ prompt: "the tide", size: "16x16", seconds: 4 }), server)
        const client = yield* Effect.acquireRelease(
          Effect.sync(() => createClient({ url: `file:${filename}` })),
          (client) => Effect.sync(() => client.close())
        )
        const change = (sql: string, ...args: ReadonlyArray<string>) =>
          Effect.promise(() => client.execute({ sql, args: [...args] }))
        yield* Effect.promise(() => client.executeMultiple(readFileSync(new URL(name, journals), "utf8")))
        yield* change("UPDATE effect_video_runs SET job_id = ?", job.id)
        const other = yield* Effect.provide(create("unread"), DurableVideos.layerSqliteClient({ filename }))
        const setRequest = (request: object) =>
          change("UPDATE effect_video_runs SET request = ? WHERE run_key = 'unread'", JSON.stringify(request))
        yield* setRequest({ prompt: 3 })
        const today = DurableVideos.layerSqlite({ filename, ...fast }).pipe(
          Layer.provide(VideoStore.layerDirectory(join(folder, name))),
          Layer.provide(Layer.succeedContext(server)),
          Layer.provide(quiet)
        )
        yield* Effect.gen(function* () {
          const durable = yield* DurableVideos
          const [, run] = yield* durable.list()
          const done = yield* ended(run?.execution ?? "")
          assert.deepInclude(done, { state: "done", key: "a", sends: 1, jobId: job.id })
          const unread = yield* until(other.execution, ({ problem }) => problem !== null)
          assert.deepInclude(unread, { state: "submitting", sends: 0 })
          assert.include(unread.problem, "cannot read the run's request: prompt")
          yield* setRequest({ prompt: "unread", size: "16x16", seconds: "4" })
          yield* durable.retry(other.execution)
          assert.strictEqual((yield* ended(other.execution)).state, "done")
        }).pipe(Effect.provide(today))
        const { jobs } = Context.get(server, VideosServer)
        assert.lengthOf(yield* jobs, 2)
      })
    )
  }
})

describe.concurrent("webhooks", () => {
  const event = (videoId: string) =>
    Schema.decodeUnknown(VideoEvent)({
      id: "evt_1",
      object: "event",
      type: "video.completed",
      created_at: 1_790_000_000,
      data: { id: videoId }
    })

  // No poll within the test's time.
  const unpolled = DurableVideos.layerSqlite({
    filename: join(folder, "webhooks.db"),
    polling: { min: "1 hour", max: "1 hour" },
    safetyNet: "1 second"
  }).pipe(
    Layer.provide(VideoStore.layerDirectory(join(folder, "files"))),
    Layer.provideMerge(VideosServer.layerTest({ queueTime: 0, runTime: "50 millis" })),
    Layer.provide(quiet)
  )

  it.scopedLive("complete a wait; early, doubled and unknown ones change nothing, and a lost one is made up for", () =>
    Effect.gen(function* () {
      const durable = yield* DurableVideos
      const { execution } = yield* create("pushed")
      const { jobId } = yield* until(execution, ({ jobId }) => jobId !== null)
      const pushed = yield* event(jobId ?? "")
      yield* durable.webhook(pushed)
      yield* durable.webhook(pushed)
      const done = yield* ended(execution)
      assert.strictEqual(done.state, "done")
      assert.strictEqual(statSync(done.location ?? "").size, done.bytes)
      yield* durable.webhook(pushed)
      yield* durable.webhook(yield* event("video_of_another_program"))
      const lost = yield* ended((yield* create("not pushed")).execution)
      assert.strictEqual(lost.state, "done")
      assert.strictEqual(yield* prompts("pushed", "not pushed"), 2)
    }).pipe(Effect.provide(unpolled))
  )
})

it.effect("a database is the file that was named, whatever a URL would make of the name", () =>
  Effect.gen(function* () {
    const filename = join(folder, "why? #1 100%41.db")
    const runner = DurableVideos.layerSqlite({ filename }).pipe(
      Layer.provide(store),
      Layer.provide(server),
      Layer.provide(quiet)
    )
    yield* Effect.scoped(Layer.build(runner))
    assert.deepStrictEqual([existsSync(filename), existsSync(`${filename}.lock`)], [true, true])
  })
)

describe("a store in a directory", () => {
  it.effect("names its clips by absolute paths, however the directory was named", () =>
    Effect.gen(function* () {
      const store = yield* VideoStore
      const file = join(folder, "a.mp4")
      writeFileSync(file, "a clip")
      const location = join(folder, "relative", "run.mp4")
      assert.strictEqual((yield* store.put("run", file)).location, location)
      assert.strictEqual((yield* store.find("run"))?.location, location)
    }).pipe(Effect.provide(VideoStore.layerDirectory(relative(process.cwd(), join(folder, "relative")))))
  )
})

it.live("a database is free for another layer of this process as soon as its layer is released", () =>
  Effect.repeatN(Effect.scoped(lockDatabase(join(folder, "locked.db"))), 50)
)

it.live.each([
  ["sweepEvery", { sweepEvery: 0 }],
  ["polling.max", { polling: { max: -1 } }],
  ["retryAfter", { retryAfter: Number.NaN }],
  ["safetyNet", { safetyNet: "soon" as "1 second" }]
] as const)("a duration that is none is a ConfigError that names it: %s", ([name, options]) =>
  Effect.gen(function* () {
    const layer = DurableVideos.layerSqliteClient({ filename: join(folder, "options.db"), ...options })
    const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
    assert.deepInclude(error, { _op: "InvalidData", path: [name] })
  })
)

describe("a database that cannot be used", () => {
  const opened = (filename: string) =>
    Effect.flip(Effect.scoped(Layer.build(DurableVideos.layerSqliteClient({ filename })))).pipe(Effect.provide(quiet))

  it.scopedLive("is an error with a tag while another program has locked it", () =>
    Effect.gen(function* () {
      const locked = join(folder, "held.db")
      yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const client = createClient({ url: `file:${locked}` })
          await client.execute("PRAGMA journal_mode = WAL")
          await client.execute("BEGIN EXCLUSIVE")
          return client
        }),
        (client) => Effect.promise(() => client.execute("ROLLBACK").finally(() => client.close()))
      )
      assert.deepInclude(yield* Effect.flip(Layer.build(sqliteClient(locked, 1))), {
        _tag: "DatabaseUnavailableError",
        detail: "SQLITE_BUSY: database is locked"
      })
    })
  )

  it.live("is an error with a tag if the engine cannot use its tables", () =>
    Effect.gen(function* () {
      const taken = join(folder, "taken.db")
      yield* Effect.promise(async () => {
        const client = createClient({ url: `file:${taken}` })
        await client.execute("CREATE TABLE cluster_migrations (title TEXT)")
        client.close()
      })
      const error = yield* opened(taken)
      assert.deepInclude(error, { _tag: "DatabaseUnavailableError", database: taken })
      assert.include(error.message, "migration_id")
    })
  )

  it.live("is an error with a tag: no folder, no database, or tables of a later version", () =>
    Effect.gen(function* () {
      const missing = yield* opened(join(folder, "nowhere/videos.db"))
      assert.strictEqual(missing._tag, "DatabaseUnavailableError")
      assert.isFalse(existsSync(join(folder, "nowhere")))
      const text = join(folder, "text.db")
      writeFileSync(text, "this is not a database, and long enough to be read as one ".repeat(40))
      assert.strictEqual((yield* opened(text))._tag, "DatabaseUnavailableError")
      const later = join(folder, "later.db")
      yield* Effect.promise(async () => {
        const client = createClient({ url: `file:${later}` })
        await client.execute("CREATE TABLE effect_video_migrations (migration_id INTEGER, created_at TEXT, name TEXT)")
        await client.execute("INSERT INTO effect_video_migrations VALUES (99, '', 'later')")
        client.close()
      })
      const error = yield* opened(later)
      assert.deepInclude(error, { _tag: "DatabaseVersionError", found: 99, supported: 3 })
    })
  )
})
