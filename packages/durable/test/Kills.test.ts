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
  it.scopedLive(
    "in a submission, a download, between segments and at the end leaves each job once, and whole files",
    () =>
      Effect.gen(function* () {
        const short = { kill: ["in request", "in download"], keys: ["a"] }
        const joins = yield* Effect.flatMap(folder, joining)
        const long = { kill: ["after segment", "after save"], keys: ["b"], joins }
        const { ends, results } = yield* runKilled([short, long])
        const logs = results.map(({ log }) => log).join("\n")
        assert.deepStrictEqual(
          results.map(({ reached }) => reached),
          [short.kill, long.kill],
          logs
        )
        assert.deepStrictEqual(ends, ["SIGKILL", "SIGKILL", "0"], logs)
        assert.deepStrictEqual(
          results.map(({ files, jobs, whole }) => [jobs, files.length, whole.length]),
          [
            [1, 1, 1],
            [2, 1, 1]
          ],
          logs
        )
      }).pipe(Effect.provide(live))
  )
})
