/** The layers, and the calls that they record. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type HubOptions, makeHub } from "../internal/watch/watchHub.js"
import { Videos, type VideosService } from "../Videos.js"
import { type Call, type Failures, makeRecorded } from "./calls.js"
import { type MemoryOptions, makeMemory } from "./memory.js"
import type { Script } from "./poll.js"
import { makeScripted } from "./script.js"

/**
 * The record of the calls that a test reads.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideosTestService {
  /** Every call, in the order in which they began. A watch calls `retrieve`, and with many jobs `listPages`. */
  readonly calls: Effect.Effect<ReadonlyArray<Call>>
}

/**
 * Layers with a `Videos` that needs no server, and a record of its calls.
 *
 * @example
 * import { Effect, Fiber, TestClock, TestContext } from "effect"
 * import { awaitVideo, createVideo } from "effect-videos"
 * import { VideosTest } from "effect-videos/testing"
 *
 * const test = Effect.gen(function*() {
 *   const fiber = yield* Effect.fork(Effect.flatMap(createVideo({ prompt: "a harbour" }), (job) => awaitVideo(job)))
 *   yield* TestClock.adjust("1 minute")
 *   const video = yield* Fiber.join(fiber)
 *   const polls = yield* VideosTest.polls(video.id)
 *   return { status: video.status, polls: polls.length }
 * }).pipe(Effect.provide([VideosTest.layer({ runTime: "30 seconds" }), TestContext.TestContext]))
 *
 * @since 0.1.0
 * @category services
 */
export class VideosTest extends Context.Tag("effect-videos/VideosTest")<VideosTest, VideosTestService>() {
  /**
   * Jobs in memory, which move by the `Clock`: ten operations that refuse what the protocol refuses, and `failures` on top.
   * Ids are `video_1`, `video_2` and so on. No file is opened, `onResponse` is not run, and nothing is retried.
   */
  static readonly layer = (
    options: MemoryOptions & { readonly failures?: Failures | undefined } = {}
  ): Layer.Layer<Videos | VideosTest> => layerOf(() => makeMemory(options), options.failures)

  /**
   * Polls by a script, job by job. A job that is not in the script is not found. A submission returns the next job of the
   * script as queued, and its polls follow. Lists, deletions, downloads and characters are defects. Watches poll each job by
   * itself, however many there are.
   */
  static readonly layerScript = (script: Script): Layer.Layer<Videos | VideosTest> =>
    layerOf(() => makeScripted(script), {}, { list: "never" })

  /** Every call so far. */
  static readonly calls: Effect.Effect<ReadonlyArray<Call>, never, VideosTest> = Effect.suspend(() =>
    Effect.flatMap(VideosTest, ({ calls }) => calls)
  )

  /** When the job, or any job, was polled, in milliseconds of the `Clock`. */
  static readonly polls = (id?: string): Effect.Effect<ReadonlyArray<number>, never, VideosTest> =>
    Effect.map(VideosTest.calls, (calls) =>
      calls
        .filter(({ method, request }) => method === "retrieve" && (id === undefined || request === id))
        .map(({ at }) => at)
    )
}

/** Builds a new service each time that the layer is built, so that tests share nothing. */
const layerOf = (
  make: () => VideosService,
  failures: Failures = {},
  watching?: HubOptions["watching"]
): Layer.Layer<Videos | VideosTest> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const { calls, service } = makeRecorded(make(), failures)
      const state = yield* makeHub({ watching })
      return Context.make(Videos, { ...service, state }).pipe(Context.add(VideosTest, { calls: Effect.sync(calls) }))
    })
  )
