/** Two runners and a client on one Postgres, in this process. `npm run soak:durable -- postgres` kills runners. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { RateLimiterStore } from "@effect/experimental/RateLimiter"
import { assert, describe, it } from "@effect/vitest"
import { DurableVideos, isEnded, VideoStore } from "@effect-videos/durable"
import * as DurablePostgres from "@effect-videos/durable/Postgres"
import { VideosServer } from "@effect-videos/server"
import { Context, Duration, Effect, Layer, Logger, Stream } from "effect"
import { freePort, hasPostgres, postgres } from "./support/postgres.js"

const quiet = Logger.remove(Logger.defaultLogger)

describe.skipIf(!hasPostgres)("runs on Postgres", () => {
  it.scopedLive("are started by a client, done once by one of two runners, and watched from the client", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "durable-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const { url } = yield* postgres
      const server = yield* Layer.build(VideosServer.layerTest({ queueTime: 0, runTime: "100 millis" }))
      const polling = { min: "250 millis", max: "250 millis" } as const
      const runner = (port: number) =>
        DurablePostgres.layer({ url, listen: { host: "127.0.0.1", port }, polling }).pipe(
          Layer.provide(VideoStore.layerDirectory(join(folder, "clips"))),
          Layer.provide(Layer.succeedContext(server)),
          Layer.provide(quiet)
        )
      const ports = yield* Effect.promise(() => Promise.all([freePort(), freePort()]))
      yield* Effect.forEach(ports, (port) => Layer.build(runner(port)), { concurrency: 2 })
      const keys = ["a", "b"]
      const runs = yield* Effect.flatMap(DurableVideos, (durable) =>
        Effect.forEach(
          keys,
          (key) =>
            Effect.flatMap(durable.create({ prompt: key, size: "64x64", seconds: 4 }, { key }), ({ execution }) =>
              Stream.runLast(Stream.filter(durable.watch(execution), ({ state }) => isEnded(state)))
            ),
          { concurrency: "unbounded" }
        )
      ).pipe(Effect.provide(DurablePostgres.layerClient({ url }).pipe(Layer.provide(quiet))))
      for (const run of runs) assert.deepInclude(run, { _tag: "Some" })
      const { jobs } = yield* Effect.provide(VideosServer, Layer.succeedContext(server))
      assert.lengthOf(yield* jobs, keys.length)

      // A second runner at the address of the first.
      const taken = yield* Effect.flip(Effect.scoped(Layer.build(Layer.fresh(runner(ports[0] ?? 0)))))
      assert.strictEqual(taken._tag, "DatabaseUnavailableError")
      assert.include(taken.message, `127.0.0.1:${ports[0]}`)

      // Two processes share one request budget.
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

  it.live("fail with a tag and without the password if the database does not respond", () =>
    Effect.gen(function* () {
      const client = DurablePostgres.layerClient({ url: "postgres://me:secret@127.0.0.1:9/videos" })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(client))).pipe(Effect.provide(quiet))
      assert.strictEqual(error._tag, "DatabaseUnavailableError")
      assert.notInclude(error.message, "secret")
    })
  )
})
