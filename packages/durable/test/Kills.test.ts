/** One job and one whole file, whatever is killed: real processes over SQLite, with the embedded server counting. */

import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Effect, Layer } from "effect"
import { folder, joining, runKilled } from "./support/kills.js"

/** The protocol promises nothing for an `Idempotency-Key`, so the server ignores it. */
const server = VideosServer.layer({ queueTime: 0, runTime: "300 millis", idempotency: "ignore" })

const live = VideosServer.layerVideos.pipe(Layer.provideMerge(server), Layer.provide(FetchHttpClient.layer))

describe("kill -9", () => {
  // `npm run soak:durable` has each step, alone and with faults.
  it.scopedLive("in the submission and in the download leaves one job and one whole file", () =>
    Effect.gen(function* () {
      const kill = ["in request", "in download"]
      const { ends, jobs, log, reached, whole } = yield* runKilled({ kill, keys: ["a"] })
      assert.deepStrictEqual(reached, kill, log)
      assert.strictEqual(ends.at(-1), "0", log)
      assert.deepStrictEqual([jobs, whole.length], [1, 1], log)
    }).pipe(Effect.provide(live))
  )

  it.scopedLive("between the segments of `extendTo` and at its end leaves a job for each, and one whole file", () =>
    Effect.gen(function* () {
      const kill = ["after segment", "after save"]
      const joins = yield* Effect.flatMap(folder, joining)
      const { ends, files, jobs, log, reached, whole } = yield* runKilled({ kill, keys: ["a"], joins })
      assert.deepStrictEqual(reached, kill, log)
      assert.strictEqual(ends.at(-1), "0", log)
      assert.deepStrictEqual([jobs, files.length, whole.length], [2, 1, 1], log)
    }).pipe(Effect.provide(live))
  )
})
