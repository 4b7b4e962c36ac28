/** One job and one whole file, whatever is killed: real processes over SQLite, with the embedded server counting. */

import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Effect, Layer } from "effect"
import { fakePrograms, framesFilm } from "../../../test/support/fakeFfmpeg.js"
import { folder, runKilled } from "./support/kills.js"

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
      const at = yield* folder
      const film = framesFilm(3 * 48 - 2)
      writeFileSync(join(at, "clip"), framesFilm(48))
      yield* fakePrograms(at, film)
      const kill = ["after plan", "in request", "after segment", "after save"]
      const { contents, ends, jobs, log, reached } = yield* runKilled({ kill, keys: ["a"], programs: at })
      assert.deepStrictEqual(reached, kill, log)
      assert.strictEqual(ends.at(-1), "0", log)
      assert.deepStrictEqual([jobs, contents.length], [2, 1], log)
      assert.isTrue(contents[0]?.equals(film))
    }).pipe(Effect.provide(live))
  )
})
