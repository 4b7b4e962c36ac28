/** Server without the package of its encoder. */
import { assert, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Effect } from "effect"
import { awaitVideo, createVideo } from "effect-videos"
import { vi } from "vitest"

vi.mock(import("../src/media/packages.js"), async (original) => {
  const packages = await original()
  return { ...packages, missingEncoder: () => packages.missingEncoder("effect-videos-no-such-encoder") }
})

describe("a server without its encoder", () => {
  it.effect("fails a job at once, and names the package to install", () =>
    Effect.gen(function* () {
      const video = yield* createVideo({ prompt: "a lighthouse" })
      // Without an adjustment of the test clock.
      const error = yield* Effect.flip(awaitVideo(video))
      assert.strictEqual(error._tag, "VideoFailedError")
      assert.include(error.message, "encoder_missing")
      assert.include(error.message, "npm install effect-videos-no-such-encoder")
    }).pipe(Effect.provide(VideosServer.layerTest({ queueTime: "1 minute", runTime: "1 minute" })))
  )
})
