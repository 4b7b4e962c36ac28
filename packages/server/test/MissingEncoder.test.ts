/** Server without the package of its encoder. */
import Module from "node:module"
import { assert, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Effect, Layer } from "effect"
import { awaitVideo, createVideo } from "effect-videos"

const encoder = "h264-mp4-encoder"

/** While the scope is open, Node does not find the package. */
const withoutEncoder = Effect.acquireRelease(
  Effect.sync(() => {
    const resolve: (request: string, ...rest: ReadonlyArray<unknown>) => string = Reflect.get(
      Module,
      "_resolveFilename"
    )
    Reflect.set(Module, "_resolveFilename", (request: string, ...rest: ReadonlyArray<unknown>) => {
      if (request === encoder) throw new Error(`Cannot find module '${encoder}'`)
      return resolve(request, ...rest)
    })
    return resolve
  }),
  (resolve) => Effect.sync(() => Reflect.set(Module, "_resolveFilename", resolve))
)

const server = Layer.unwrapScoped(
  Effect.as(withoutEncoder, VideosServer.layerTest({ queueTime: "1 minute", runTime: "1 minute" }))
)

describe("a server without its encoder", () => {
  it.effect("fails a job at once, and names the package to install", () =>
    Effect.gen(function* () {
      const video = yield* createVideo({ prompt: "a lighthouse" })
      // Without an adjustment of the test clock.
      const error = yield* Effect.flip(awaitVideo(video))
      assert.strictEqual(error._tag, "VideoFailedError")
      assert.include(error.message, "encoder_missing")
      assert.include(error.message, `npm install ${encoder}`)
    }).pipe(Effect.provide(server))
  )
})
