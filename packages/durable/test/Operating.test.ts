/** What operators rely on: a drain, metrics, resumed event streams, and runs that wait until a database is repaired. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { HttpApiBuilder, HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DurableVideos, type RunOptions, VideoStore } from "@effect-videos/durable"
import * as Api from "@effect-videos/durable/Api"
import * as S3 from "@effect-videos/durable/S3"
import { Fault, VideosServer } from "@effect-videos/server"
import { createClient } from "@libsql/client"
import {
  Array as Arr,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Metric,
  MetricState,
  Scope,
  Stream,
  TestClock
} from "effect"
import { createVideo, Videos } from "effect-videos"
import { dialects } from "effect-videos/Dialects"
import { afterAll } from "vitest"
import { Drain } from "../src/internal/drain.js"
import { DatabaseName, RunTable } from "../src/internal/runTable.js"
import { Checkpoint, Settings } from "../src/internal/settings.js"
import { sqliteClient } from "../src/internal/sqliteConnection.js"
import { record } from "../src/internal/startRun.js"
import { create, ended, until } from "./support/runs.js"
import { bucket, s3Server } from "./support/s3.js"

const folder = mkdtempSync(join(tmpdir(), "durable-operating-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const quiet = Logger.remove(Logger.defaultLogger)

/** The list is not trusted: a lost submission stays uncertain. */
const serverOf = (runTime: Duration.DurationInput) =>
  VideosServer.layerTest(
    { queueTime: 0, runTime },
    { listLag: "20 millis", requestTimeout: "5 seconds", dialect: { ...dialects.openai, listTrusted: false } }
  )

const server = serverOf(0)

type ServerContext = Layer.Layer.Success<typeof server>

interface RunnerOptions extends RunOptions {
  readonly name: string
  readonly checkpoint?: typeof Checkpoint.Service
  readonly store?: Layer.Layer<VideoStore, unknown>
}

const runner = (context: Context.Context<ServerContext>, { checkpoint, name, store, ...options }: RunnerOptions) =>
  DurableVideos.layerSqlite({
    filename: join(folder, `${name}.db`),
    polling: { min: "100 millis", max: "100 millis" },
    retryAfter: "50 millis",
    ...options
  }).pipe(
    Layer.provide(store ?? VideoStore.layerDirectory(join(folder, name))),
    Layer.provide(Layer.succeedContext(context)),
    Layer.provide(Layer.succeed(Checkpoint, checkpoint ?? (() => Effect.void))),
    Layer.provide(quiet)
  )

const statements = (name: string, ...sql: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const client = createClient({ url: `file:${join(folder, `${name}.db`)}` })
    for (const statement of sql) await client.executeMultiple(statement)
    client.close()
  })

describe("a run", () => {
  it.scopedLive("whose job the server has deleted before the clip is stored is lost, and not retried for ever", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(server)
      const videos = Context.get(context, Videos)
      const { jobs } = Context.get(context, VideosServer)
      const checkpoint: typeof Checkpoint.Service = (name) =>
        name === "before download"
          ? Effect.ignore(
              Effect.flatMap(jobs, (all) => Effect.forEach(all, ({ id }) => videos.delete(id), { discard: true }))
            )
          : Effect.void
      const run = yield* Effect.provide(
        Effect.flatMap(create("deleted"), ({ execution }) => ended(execution)),
        runner(context, { name: "deleted", checkpoint, lostAfter: "100 millis" })
      )
      assert.deepInclude(run, { state: "lost", sends: 1, location: null })
    })
  )

  it.scopedLive("that has its job already is not driven by a decision that came late", () =>
    Effect.gen(function* () {
      const name = "late"
      const context = yield* Layer.build(serverOf("1 hour"))
      const { faults } = Context.get(context, VideosServer)
      const reads = Effect.map(faults.log, (log) => log.filter(({ operation }) => operation === "retrieve").length)
      const seldom = { min: "1 hour", max: "1 hour" } as const
      yield* Effect.gen(function* () {
        const durable = yield* DurableVideos
        const { execution } = yield* create("late")
        const waiting = yield* until(execution, ({ state, wakeAt }) => state === "waiting" && wakeAt !== null)
        yield* statements(name, "UPDATE effect_video_runs SET resolution = 'resend'")
        yield* durable.retry(execution)
        yield* until(execution, ({ version }) => version > waiting.version + 1)
        // Long enough for many reads.
        yield* faults.set([{ on: ["create"], fault: Fault.status({ status: 400 }) }])
        yield* ended((yield* create("refused")).execution)
        assert.isAtMost(yield* reads, 2)
      }).pipe(Effect.provide(runner(context, { name, polling: seldom })))
    })
  )
})

describe("the list of runs", () => {
  it.effect("has each run once, page after page, if runs are of one millisecond", () =>
    Effect.gen(function* () {
      const table = yield* RunTable
      const row = { kind: "create", attempt: 1, fingerprint: "", request: "{}", server: "default" } as const
      const made = yield* Effect.forEach(Arr.range(1, 5), (n) => record(table, { ...row, run_key: `${n}` }))
      const pages: Array<string> = []
      for (let before: string | undefined; pages.length < 5; before = pages.at(-1)) {
        const page = yield* table.list({ limit: 2, before })
        assert.isNotEmpty(page)
        pages.push(...page.map(({ execution_id }) => execution_id))
      }
      assert.deepStrictEqual([...pages].sort(), [...made].sort())
    }).pipe(
      Effect.provide(
        RunTable.layer.pipe(
          Layer.provide(Layer.merge(sqliteClient(join(folder, "list.db")), Layer.succeed(DatabaseName, "list.db")))
        )
      )
    )
  )
})

describe("a watch", () => {
  it.effect("reads a run each 500 ms, and emits what it has just read", () =>
    Effect.gen(function* () {
      const durable = yield* DurableVideos
      const { execution, version } = yield* create("watched")
      const isSeen = yield* Deferred.make<void>()
      const watching = yield* durable.watch(execution).pipe(
        Stream.tap(() => Deferred.succeed(isSeen, undefined)),
        Stream.take(2),
        Stream.runCollect,
        Effect.fork
      )
      yield* Deferred.await(isSeen)
      const cancelled = yield* durable.cancel(execution)
      yield* TestClock.adjust("500 millis")
      const versions = [...(yield* Fiber.join(watching))].map((run) => run.version)
      assert.deepStrictEqual(versions, [version, cancelled.version])
    }).pipe(Effect.provide(DurableVideos.layerSqliteClient({ filename: join(folder, "watched.db") })))
  )
})

describe("a runner that stops", () => {
  it.scoped("lets its executions end before its layers are released, for `stopWithin` at most", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const stop = (isFinished: boolean) =>
        Effect.gen(function* () {
          const begun = yield* Deferred.make<Drain["Type"]>()
          const finish = yield* Deferred.make<void>()
          const fake = Layer.scopedDiscard(
            Effect.gen(function* () {
              const drain = yield* Drain
              const step = Effect.zipRight(Deferred.succeed(begun, drain), Deferred.await(finish))
              yield* Effect.forkDaemon(
                Effect.zipRight(
                  step,
                  Effect.sync(() => log.push("ended"))
                ).pipe(drain.counted)
              )
              yield* Effect.addFinalizer(() => Effect.sync(() => log.push("released")))
            })
          )
          const scope = yield* Scope.make()
          yield* Layer.buildWithScope(Drain.around(fake), scope)
          const drain = yield* Deferred.await(begun)
          assert.isFalse(yield* drain.isStopping)
          const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
          yield* TestClock.adjust("9 seconds")
          assert.isTrue(yield* drain.isStopping)
          assert.isNull(closing.unsafePoll())
          if (isFinished) yield* Deferred.succeed(finish, undefined)
          else yield* TestClock.adjust("1 second")
          yield* Fiber.join(closing)
        })
      yield* stop(false)
      assert.deepStrictEqual(log, ["released"])
      yield* stop(true)
      assert.deepStrictEqual(log, ["released", "ended", "released"])
    }).pipe(
      Effect.provideService(Settings, {
        server: "default",
        safetyNet: Duration.minutes(2),
        polling: { min: Duration.seconds(1), max: Duration.seconds(1) },
        lostAfter: Duration.minutes(10),
        retryAfter: Duration.seconds(5),
        programs: {},
        stopWithin: Duration.seconds(10),
        sweep: { every: Duration.seconds(10), late: Duration.seconds(30) }
      })
    )
  )

  it.scopedLive("records the step that runs, and sends no request that the next step would send", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(server)
      const { jobs } = Context.get(context, VideosServer)
      const isRunning = yield* Deferred.make<void>()
      const isStopping = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const first = runner(context, {
        name: "stopped",
        checkpoint: (moment) =>
          moment === "after intent"
            ? Effect.zipRight(Deferred.succeed(isRunning, undefined), Deferred.await(isStopping))
            : Effect.void
      })
      const { execution } = yield* Effect.provide(create("stopped"), yield* Layer.buildWithScope(first, scope))
      yield* Deferred.await(isRunning)
      // Runs first of all, since it was added last.
      yield* Scope.addFinalizer(scope, Deferred.succeed(isStopping, undefined))
      yield* Scope.close(scope, Exit.void)
      assert.lengthOf(yield* jobs, 0)
      const second = yield* Layer.build(runner(context, { name: "stopped" }))
      assert.deepInclude(yield* Effect.provide(ended(execution), second), { state: "done", sends: 1 })
      assert.lengthOf(yield* jobs, 1)
    })
  )
})

const metrics = Effect.map(Metric.snapshot, (pairs) => {
  const values = new Map<string, number>()
  for (const { metricKey, metricState } of pairs) {
    const tags = metricKey.tags.map(({ key, value }) => `${key}=${value}`)
    const value = MetricState.isCounterState(metricState)
      ? Number(metricState.count)
      : MetricState.isGaugeState(metricState)
        ? Number(metricState.value)
        : 0
    values.set([metricKey.name.replace("effect_videos_durable_", ""), ...tags].join(" "), value)
  }
  return (name: string) => values.get(name) ?? 0
})

describe("metrics and events", () => {
  it.scopedLive("count requests, uncertain, overdue and open runs; `Last-Event-ID` resumes a stream of events", () =>
    Effect.gen(function* () {
      const name = "counted"
      const context = yield* Layer.build(serverOf("150 millis"))
      const { faults } = Context.get(context, VideosServer)
      const live = yield* Layer.build(runner(context, { name, sweepEvery: "20 millis", retryAfter: "1 hour" }))
      yield* Effect.gen(function* () {
        const before = yield* metrics
        yield* faults.set([{ on: ["create"], when: Fault.first(1), fault: Fault.reset("before-headers") }])
        const lost = yield* create("lost")
        yield* until(lost.execution, ({ state }) => state === "uncertain")
        const done = yield* ended((yield* create("counted")).execution)
        assert.deepInclude(done, { state: "done", sends: 1 })
        // Its wake-up is lost.
        yield* statements(name, "UPDATE effect_video_runs SET wake_at = 1, updated_at = 1 WHERE state = 'uncertain'")
        // At the second, the first search for overdue runs has ended.
        yield* until(lost.execution, ({ nudges }) => nudges > 1)
        const counted = yield* metrics
        const grown = (metric: string) => counted(metric) - before(metric)
        assert.strictEqual(grown("sends"), 2)
        assert.strictEqual(grown("uncertain"), 1)
        assert.isAtLeast(grown("nudges"), 2)
        assert.isAtLeast(grown("polls"), 1)
        assert.strictEqual(counted("runs state=uncertain"), 1)

        const http = HttpApiBuilder.serve().pipe(
          Layer.provide(Api.layer),
          Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0 }))
        )
        const { address } = Context.get(yield* Layer.build(http), HttpServer.HttpServer)
        const base = address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : ""
        const events = (headers: { readonly [name: string]: string }, query = "") =>
          Effect.promise(async () => {
            const response = await fetch(`${base}/runs/${done.execution}/events${query}`, { headers })
            return (await response.text()).split("\n").filter((line) => line.startsWith("id: "))
          })
        const last = `id: ${done.version}`
        assert.deepStrictEqual(yield* events({}), [last])
        assert.deepStrictEqual(yield* events({ "last-event-id": `${done.version - 1}` }), [last])
        assert.deepStrictEqual(yield* events({ "last-event-id": `${done.version}` }), [])
        assert.deepStrictEqual(yield* events({ "last-event-id": `${done.version}` }, "?after=1"), [last])
      }).pipe(Effect.provide(live))
    })
  )
})

describe("a run that cannot go on", () => {
  const journal = readFileSync(new URL("./fixtures/journal-0.1.0.sql", import.meta.url), "utf8")

  it.scopedLive("because this version cannot read a stored step or its row says so, and continues once it can", () =>
    Effect.gen(function* () {
      const name = "unread"
      const context = yield* Layer.build(server)
      const job = yield* Effect.provide(createVideo({ prompt: "the tide", size: "64x64", seconds: 4 }), context)
      yield* statements(
        name,
        journal,
        `UPDATE effect_video_runs SET job_id = '${job.id}'`,
        `UPDATE cluster_replies SET payload = REPLACE(payload, '"Go"', '"Later"')`
      )
      yield* Effect.gen(function* () {
        const durable = yield* DurableVideos
        const execution = (yield* durable.list())[0]?.execution ?? ""
        const stuck = yield* until(execution, ({ problem }) => problem !== null)
        assert.deepInclude(stuck, { state: "waiting", sends: 1 })
        assert.include(stuck.problem ?? "", "stored result of a step. Install the version that wrote it")

        yield* statements(name, "UPDATE effect_video_runs SET state = 'later'")
        const errors = yield* Effect.all([Effect.flip(durable.get(execution)), Effect.flip(durable.list())])
        for (const error of errors) {
          assert.strictEqual(error._tag, "DatabaseUnavailableError")
          assert.include(error.message, "a row that this version cannot read: state")
          assert.notInclude(error.message, "the tide")
        }

        yield* statements(
          name,
          "UPDATE effect_video_runs SET state = 'waiting'",
          `UPDATE cluster_replies SET payload = REPLACE(payload, '"Later"', '"Go"')`
        )
        yield* durable.retry(execution)
        assert.deepInclude(yield* ended(execution), { state: "done", sends: 1, problem: null })
        assert.lengthOf(yield* Context.get(context, VideosServer).jobs, 1)
      }).pipe(Effect.provide(runner(context, { name, sweepEvery: "50 millis" })))
    })
  )

  it.scopedLive("because its bucket denies it, and then is killed before its report, uploads one clip of one job", () =>
    Effect.gen(function* () {
      let denials = 1
      const s3 = yield* s3Server((operation) =>
        operation === "PUT" && denials-- > 0 ? { status: 403, code: "AccessDenied" } : null
      )
      const store = S3.layer({ bucket, client: s3.client, directory: join(folder, "uploads") })
      const context = yield* Layer.build(server)
      const isUploaded = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const first = yield* Layer.buildWithScope(
        runner(context, {
          name: "uploaded",
          store,
          // As long as it takes: the test continues it.
          retryAfter: "1 hour",
          stopWithin: 0,
          checkpoint: (moment) =>
            moment === "after download"
              ? Effect.zipRight(Deferred.succeed(isUploaded, undefined), Effect.never)
              : Effect.void
        }),
        scope
      )
      const { execution } = yield* Effect.gen(function* () {
        const run = yield* create("uploaded")
        const denied = yield* until(run.execution, ({ problem }) => problem !== null)
        assert.include(
          denied.problem ?? "",
          `s3://films/${run.execution}.mp4 (AccessDenied, HTTP 403). Check its credentials`
        )
        assert.strictEqual(denied.state, "downloading")
        return yield* Effect.flatMap(DurableVideos, ({ retry }) => retry(run.execution))
      }).pipe(Effect.provide(first))
      yield* Deferred.await(isUploaded)
      yield* Scope.close(scope, Exit.void)
      const second = yield* Layer.build(runner(context, { name: "uploaded", store }))
      const location = `s3://films/${execution}.mp4`
      assert.deepInclude(yield* Effect.provide(ended(execution), second), { state: "done", sends: 1, location })
      assert.deepStrictEqual([...s3.objects.keys()], [`${execution}.mp4`])
      assert.lengthOf(
        s3.log.filter((operation) => operation === "PUT"),
        2
      )
      assert.lengthOf(yield* Context.get(context, VideosServer).jobs, 1)
    })
  )
})
