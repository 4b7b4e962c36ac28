import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Layer, Redacted, Schedule, Stream } from "effect"
import {
  type AwaitVideoOptions,
  adaptivePoll,
  awaitVideo,
  createAndWatch,
  createVideo,
  dialects,
  downloadVideo,
  downloadVideoToFile,
  listVideos,
  retrieveVideo,
  type Videos,
  VideosConfig,
  watchVideo,
  watchVideos
} from "effect-videos"
import { makeVideos } from "effect-videos/promise"
import * as VideosUndici from "effect-videos/undici"
import { Webhooks } from "effect-videos/Webhook"
import { serve } from "./support/server.js"
import { videosOver } from "./support/videos.js"

/** Options as a program that is not type-checked gives them. */
const loose = <A>(options: { readonly [name: string]: unknown }): A => options as A

/** What no duration can be: each is refused by every option that is one. */
const noDuration = [-1, Number.NaN, "5 secnds", "-1 seconds", {}]

const calls: ReadonlyArray<{
  readonly name: string
  readonly field: string
  readonly values: ReadonlyArray<unknown>
  readonly run: (options: { readonly [name: string]: unknown }) => Effect.Effect<unknown, unknown, Videos>
}> = [
  ...["timeout", "totalTimeout", "idleTimeout"].map((field) => ({
    name: "retrieveVideo",
    field,
    values: [...noDuration, 0],
    run: (options: object) => retrieveVideo("video_1", loose({ ...options }))
  })),
  ...["timeout", "totalTimeout", "idleTimeout"].map((field) => ({
    name: "createVideo",
    field,
    values: [...noDuration, 0],
    run: (options: object) => createVideo({ prompt: "a boat" }, loose({ ...options }))
  })),
  ...["totalTimeout", "stallTimeout"].map((field) => ({
    name: "watchVideo",
    field,
    values: [...noDuration, 0],
    run: (options: object) => Stream.runDrain(watchVideo("video_1", loose({ ...options })))
  })),
  ...["maxRetryAfter", "notFoundGrace"].map((field) => ({
    name: "awaitVideo",
    field,
    values: noDuration,
    run: (options: object) => awaitVideo("video_1", loose<AwaitVideoOptions>({ ...options }))
  })),
  {
    name: "createAndWatch",
    field: "totalTimeout",
    values: noDuration,
    run: (options) => Stream.runDrain(createAndWatch({ prompt: "a boat" }, loose(options)))
  },
  {
    name: "watchVideo",
    field: "buffer",
    values: [0, -1, 1.5, Number.NaN, "8"],
    run: (options) => Stream.runDrain(watchVideo("video_1", loose({ emit: "every", ...options })))
  },
  {
    name: "watchVideo",
    field: "poll",
    values: [500, "1 second", null],
    run: (options) => Stream.runDrain(watchVideo("video_1", loose(options)))
  },
  {
    name: "createVideo",
    field: "singleAttempt",
    values: ["true", 1, null],
    run: (options) => createVideo({ prompt: "a boat" }, loose(options))
  },
  {
    name: "downloadVideo",
    field: "variant",
    values: ["thumb", 1],
    run: (options) => Stream.runDrain(downloadVideo("video_1", loose(options)))
  },
  {
    name: "listVideos",
    field: "limit",
    values: [0, -1, 1.5, 1000, "ten"],
    run: (options) => Stream.runDrain(listVideos(loose(options)))
  },
  ...["timeout", "totalTimeout", "idleTimeout", "contentGrace"].map((field) => ({
    name: "downloadVideo",
    field,
    values: noDuration,
    run: (options: object) => Stream.runDrain(downloadVideo("video_1", loose({ ...options })))
  })),
  {
    name: "downloadVideoToFile",
    field: "idleTimeout",
    values: noDuration,
    run: (options) =>
      Effect.provide(downloadVideoToFile("video_1", "/nowhere/clip.mp4", loose(options)), NodeContext.layer)
  }
]

describe("an option that makes no sense", () => {
  it.scopedLive.each(calls)("is refused by name before any request: $field of $name", ({ field, run, values }) =>
    Effect.gen(function* () {
      const server = yield* serve(() => {})
      for (const value of values) {
        const error = yield* Effect.flip(Effect.provide(run({ [field]: value }), videosOver(server)))
        assert.deepInclude(error, { _tag: "InvalidRequestError", field }, `${field}: ${String(value)}`)
      }
      assert.strictEqual(server.requests.length, 0)
    })
  )

  it.scopedLive.each([0, -1, 1.5, Number.NaN])("loses each job of watchVideos: concurrency %s", (concurrency) =>
    Effect.gen(function* () {
      const server = yield* serve(() => {})
      const updates = yield* Stream.runCollect(watchVideos(["video_1", "video_2"], { concurrency })).pipe(
        Effect.provide(videosOver(server))
      )
      const lost = Array.from(updates, (update) => (update._tag === "VideoLost" ? update.error : null))
      assert.strictEqual(lost.length, 2)
      for (const error of lost) assert.deepInclude(error, { _tag: "InvalidRequestError", field: "concurrency" })
      assert.strictEqual(server.requests.length, 0)
    })
  )

  it("is thrown when a poll schedule is made", () => {
    for (const floor of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "5 secnds"]) {
      assert.throws(() => adaptivePoll(loose({ floor })), /floor/)
    }
  })
})

describe("a layer's option that makes no sense", () => {
  const { paths, ...incomplete } = dialects.sglang

  it.effect.each([
    ["requestTimeout", { requestTimeout: -1 }],
    ["idleTimeout", { idleTimeout: "5 secnds" }],
    ["totalTimeout", { totalTimeout: 0 }],
    ["listLag", { listLag: Number.NaN }],
    ["readRetry", { readRetry: "3 times" }],
    ["onUnknownOutcome", { onUnknownOutcome: "retry" }],
    ["watching.threshold", { watching: { threshold: 0 } }],
    ["watching.list", { watching: { list: "sometimes" } }],
    ...[0, 1.5, Number.POSITIVE_INFINITY].map(
      (concurrency) => ["budget.concurrency", { budget: { concurrency } }] as const
    ),
    ...[0, -1, Number.NaN, Number.POSITIVE_INFINITY].map(
      (requestsPerSecond) => ["budget.requestsPerSecond", { budget: { requestsPerSecond } }] as const
    ),
    ["budget.limiter", { budget: { limiter: {} } }],
    ["dialect.paths", { dialect: incomplete }],
    ["dialect.paths", { dialect: { ...dialects.sglang, paths: { ...paths, listVideos: "videos" } } }],
    ["dialect.encoding", { dialect: { ...dialects.sglang, encoding: "xml" } }],
    ...[undefined, {}, { baseUrl: "api.x.ai/v1", keyVariable: "KEY" }].map(
      (home) => ["dialect.home", { baseUrl: "http://me/v1", dialect: { ...dialects.xai, home } }] as const
    ),
    ["apiKey", { apiKey: 42 }]
  ] as const)("is a ConfigError that names it: %s", ([name, options]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(VideosConfig.layer(loose({ ...options }))))
      assert.include(String(error), name.split(".").at(-1) ?? name)
    }).pipe(Effect.scoped)
  )

  it.effect("is a ConfigError of the undici transport and of the webhooks", () =>
    Effect.gen(function* () {
      for (const layer of [
        Layer.discard(VideosUndici.layer({ connections: 0 })),
        Layer.discard(VideosUndici.layer({ connectTimeout: -1 })),
        Layer.discard(Webhooks.layer({ secrets: Redacted.make("s"), buffer: 0 })),
        Layer.discard(Webhooks.layer({ secrets: Redacted.make("s"), tolerance: -1 }))
      ]) {
        const built = yield* Effect.either(Layer.build(layer))
        assert(Either.isLeft(built))
      }
    }).pipe(Effect.scoped)
  )

  it.effect("does not refuse what makes sense", () =>
    Effect.gen(function* () {
      for (const apiKey of ["sk-text", Redacted.make("sk-redacted")]) {
        yield* Layer.build(
          VideosConfig.layer({
            apiKey,
            requestTimeout: "1 minute",
            totalTimeout: Number.POSITIVE_INFINITY,
            budget: { requestsPerSecond: 0.1, concurrency: 1 },
            readRetry: Schedule.recurs(1),
            dialect: { ...dialects.sglang, encoding: "form" }
          })
        )
      }
    }).pipe(Effect.scoped)
  )
})

describe("many calls with one AbortSignal", () => {
  it.scopedLive.each(["retrieve", "await"] as const)("warn of nothing and leave no listener: %s", (operation) =>
    Effect.gen(function* () {
      const server = yield* serve((response) => {
        response.writeHead(200, { "content-type": "application/json" })
        response.end(JSON.stringify({ id: "video_1", object: "video", status: "completed" }))
      })
      const warnings: Array<string> = []
      const warn = (warning: Error) => warnings.push(warning.name)
      process.on("warning", warn)
      const videos = makeVideos({ baseUrl: server.baseUrl })
      const { signal } = new AbortController()
      let listeners = 0
      const add = signal.addEventListener.bind(signal)
      const remove = signal.removeEventListener.bind(signal)
      signal.addEventListener = (...args: Parameters<typeof add>) => {
        listeners++
        add(...args)
      }
      signal.removeEventListener = (...args: Parameters<typeof remove>) => {
        listeners--
        remove(...args)
      }
      const call = () =>
        operation === "retrieve" ? videos.retrieve("video_1", { signal }) : videos.await("video_1", { signal })
      yield* Effect.promise(async () => {
        await Promise.all(Array.from({ length: 20 }, call))
        for (let count = 0; count < 30; count++) await call()
        await videos.close()
        // A warning is emitted in a later turn.
        await new Promise((resolve) => setImmediate(resolve))
      })
      process.off("warning", warn)
      assert.deepStrictEqual(warnings, [])
      assert.strictEqual(listeners, 0)
    })
  )
})
