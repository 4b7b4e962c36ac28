/** Two runners and a client on one Postgres, in this process. `npm run soak:durable -- postgres` kills runners. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { RateLimiterStore } from "@effect/experimental/RateLimiter"
import { assert, describe, it } from "@effect/vitest"
import { DurableVideos, isEnded, VideoStore } from "@effect-videos/durable"
import * as DurablePostgres from "@effect-videos/durable/Postgres"
import { VideosServer } from "@effect-videos/server"
import { Context, Duration, Effect, Exit, Layer, Logger, Option, Scope, Stream } from "effect"
import { afterAll, beforeAll, vi } from "vitest"
import { serve, text } from "../../../test/support/server.js"
import { freePort, hasListener, hasPostgres, newDatabase, postgres } from "./support/postgres.js"

const quiet = Logger.remove(Logger.defaultLogger)

/** One Postgres for all tests of this file. */
const scope = Effect.runSync(Scope.make())
let url = ""
beforeAll(async () => {
  if (hasPostgres) url = (await Effect.runPromise(Scope.extend(postgres, scope))).url
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "durable-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Sets variables of the environment until the end of the test: the engine reads its other options from there. */
const environment = (variables: { readonly [name: string]: string | number }) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, String(value))
    }),
    () => Effect.sync(() => vi.unstubAllEnvs())
  )

const polling = { min: "250 millis", max: "250 millis" } as const

describe.skipIf(!hasPostgres)("runs on Postgres", () => {
  it.scopedLive("are started by a client, done once by one of two runners, and watched from the client", () =>
    Effect.gen(function* () {
      // The second runner takes over half of the shards. A step that has begun there has this time to end.
      yield* environment({ ENTITY_TERMINATION_TIMEOUT: "1 second" })
      const folder = yield* temporary
      const server = yield* Layer.build(VideosServer.layerTest({ queueTime: 0, runTime: "100 millis" }))
      const runner = (port: number) =>
        DurablePostgres.layer({ url, listen: { host: "127.0.0.1", port }, polling }).pipe(
          Layer.provide(VideoStore.layerDirectory(join(folder, "clips"))),
          Layer.provide(Layer.succeedContext(server)),
          Layer.provide(quiet)
        )
      const ports = yield* Effect.promise(() => Promise.all([freePort(), freePort()]))
      yield* Effect.forEach(ports, (port) => Layer.build(runner(port)), { concurrency: 2 })
      const keys = ["a", "b"]
      const ended = (execution: string) =>
        Effect.flatMap(DurableVideos, (durable) =>
          Effect.map(
            Stream.runLast(Stream.filter(durable.watch(execution), ({ state }) => isEnded(state))),
            Option.getOrThrow
          )
        )
      yield* Effect.gen(function* () {
        const durable = yield* DurableVideos
        const runs = yield* Effect.forEach(
          keys,
          (key) =>
            Effect.flatMap(durable.create({ prompt: key, size: "64x64", seconds: 4 }, { key }), ({ execution }) =>
              ended(execution)
            ),
          { concurrency: "unbounded" }
        )
        // A run and its segments may be on different runners.
        const video = runs[0]?.jobId ?? ""
        const { execution } = yield* durable.extendTo({ video, totalSeconds: 20, prompts: ["c"] }, { key: "c" })
        const long = yield* ended(execution)
        assert.deepInclude(long, { state: "done", seconds: 20, progress: 100 })
        assert.lengthOf(long.segments, 2)
      }).pipe(Effect.provide(DurablePostgres.layerClient({ url }).pipe(Layer.provide(quiet))))
      const { jobs } = yield* Effect.provide(VideosServer, Layer.succeedContext(server))
      assert.lengthOf(yield* jobs, keys.length + 2)
    })
  )

  it.scopedLive("share one request budget", () =>
    Effect.gen(function* () {
      const build = Layer.build(Layer.fresh(DurablePostgres.layerRateLimiterStore({ url })))
      const stores = (yield* Effect.all([build, build])).map((context) => Context.get(context, RateLimiterStore))
      const left = yield* Effect.forEach([true, true, false, false, true, true], (allowOverflow, index) => {
        const taken = stores[index % 2]?.tokenBucket({
          key: "k",
          tokens: 1,
          limit: 2,
          refillRate: Duration.hours(1),
          allowOverflow
        })
        return taken ?? Effect.dieMessage("no store")
      })
      assert.deepStrictEqual(left, [1, 0, -1, -1, -1, -2])
      const counted = yield* Effect.forEach([1, 1, 1], (tokens, index) => {
        const taken = stores[index % 2]?.fixedWindow({ key: "w", tokens, limit: 2, refillRate: Duration.hours(1) })
        return taken ?? Effect.dieMessage("no store")
      })
      assert.deepStrictEqual(
        counted.map(([count, ttl]) => [count, Math.ceil(ttl / 3_600_000)]),
        [
          [1, 1],
          [2, 2],
          [3, 2]
        ]
      )
    })
  )

  it.scopedLive("are done once by a runner whose address no other process reaches", () =>
    Effect.gen(function* () {
      const server = yield* Layer.build(VideosServer.layerTest({ queueTime: 0, runTime: 0 }))
      const [advertised, listening] = yield* Effect.promise(() => Promise.all([freePort(), freePort()]))
      // It listens elsewhere, as in a container whose port is not published.
      yield* environment({ LISTEN_HOST: "127.0.0.1", LISTEN_PORT: listening })
      yield* DurablePostgres.layer({ url, listen: { host: "127.0.0.1", port: advertised }, polling }).pipe(
        Layer.provide(VideoStore.layerDirectory(yield* temporary)),
        Layer.provide(Layer.succeedContext(server)),
        Layer.provide(quiet),
        Layer.build
      )
      assert.isFalse(yield* Effect.promise(() => hasListener(advertised)))
      const run = yield* Effect.flatMap(DurableVideos, (durable) =>
        Effect.flatMap(durable.create({ prompt: "far", size: "64x64", seconds: 4 }, { key: "far" }), ({ execution }) =>
          Stream.runLast(durable.watch(execution))
        )
      ).pipe(Effect.provide(DurablePostgres.layerClient({ url }).pipe(Layer.provide(quiet))))
      assert.deepInclude(Option.getOrThrow(run), { state: "done", sends: 1 })
      assert.lengthOf(yield* Context.get(server, VideosServer).jobs, 1)
    })
  )

  it.scopedLive("are done by `examples/durable/postgres.ts`, which prints each state", () =>
    Effect.gen(function* () {
      const folder = yield* temporary
      const port = yield* Effect.promise(freePort)
      const lines: Array<string> = []
      const printed = vi.spyOn(console, "log").mockImplementation((...words) => lines.push(words.join(" ")))
      const before = process.cwd()
      yield* environment({ DATABASE_URL: url, PORT: port })
      process.chdir(folder)
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          printed.mockRestore()
          process.chdir(before)
        })
      )
      yield* Effect.promise(() => import("../../../examples/durable/postgres.js"))
      assert.match(lines.filter((line) => !line.startsWith("timestamp")).join("\n"), /^(\w+\n)*done\nsent 1 time$/)
      assert.lengthOf(readdirSync(join(folder, "clips")), 1)
    })
  )

  it.scopedLive("fail with a tag if the address of a runner is taken", () =>
    Effect.gen(function* () {
      const { origin } = yield* serve(text(200, ""))
      const port = Number(new URL(origin).port)
      const runner = DurablePostgres.layer({ url, listen: { host: "127.0.0.1", port } }).pipe(
        Layer.provide(VideoStore.layerDirectory(yield* temporary)),
        Layer.provide(VideosServer.layerTest()),
        Layer.provide(quiet)
      )
      const taken = yield* Effect.flip(Layer.build(runner))
      assert.strictEqual(taken._tag, "DatabaseUnavailableError")
      assert.include(taken.message, `127.0.0.1:${port}`)
    })
  )

  it.live("fail with a tag if the engine cannot make its tables", () =>
    Effect.gen(function* () {
      // A table of another program.
      const taken = yield* newDatabase(url, "taken", "CREATE TABLE cluster_migrations (title TEXT)")
      const client = DurablePostgres.layerClient({ url: taken })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(client))).pipe(Effect.provide(quiet))
      assert.deepInclude(error, { _tag: "DatabaseUnavailableError", operation: "DurablePostgres.layerClient" })
      assert.include(error.message, "migration_id")
    })
  )

  it.live.each(["postgres://me:12/secret@127.0.0.1:9/videos", "postgres://me:/secret@127.0.0.1/videos"])(
    "fail without the password if it is not encoded as a URL wants it: %s",
    (wrong) =>
      Effect.gen(function* () {
        const client = DurablePostgres.layerClient({ url: wrong })
        const error = yield* Effect.flip(Effect.scoped(Layer.build(client))).pipe(Effect.provide(quiet))
        assert.strictEqual(error._tag, "DatabaseUnavailableError")
        assert.notInclude(error.message, "secret")
      })
  )

  it.live("fail with a tag and without the password if the database does not respond", () =>
    Effect.gen(function* () {
      const client = DurablePostgres.layerClient({ url: "postgres://me:secret@127.0.0.1:9/videos" })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(client))).pipe(Effect.provide(quiet))
      assert.strictEqual(error._tag, "DatabaseUnavailableError")
      assert.notInclude(error.message, "secret")
    })
  )
})
