import { readFileSync } from "node:fs"
import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Fault, VideosServer, type VideosServerService } from "@effect-videos/server"
import { Chunk, Effect, Fiber, Layer, Schedule, Stream, TestClock } from "effect"
import {
  awaitVideo,
  createVideo,
  dialects,
  downloadVideo,
  type ExtendVideoRequest,
  extendVideo,
  phaseOf,
  retrieveVideo,
  VideoFile,
  type VideoResource,
  Videos,
  type VideosConfigOptions,
  watchVideo
} from "effect-videos"
import { fixture } from "./support.js"

type Dialect = VideosServerService["dialect"]

const onSocket = (
  options: Parameters<typeof VideosServer.layer>[0],
  videos: (server: VideosServerService) => VideosConfigOptions = () => ({})
) =>
  Layer.unwrapEffect(
    Effect.map(VideosServer, (server) =>
      Videos.layer({ baseUrl: server.baseUrl, dialect: server.dialect, ...videos(server) })
    )
  ).pipe(
    Layer.provide(FetchHttpClient.layer),
    Layer.provideMerge(VideosServer.layer({ queueTime: "40 millis", runTime: "40 millis", ...options }))
  )

const poll = Schedule.spaced("15 millis")

const isClip = (video: VideoResource) =>
  Effect.map(Stream.runCollect(downloadVideo(video)), (chunks) => {
    const bytes = Buffer.concat(Chunk.toReadonlyArray(chunks))
    assert.strictEqual(bytes.toString("latin1", 4, 8), "ftyp")
    return bytes.length
  })

interface Row {
  readonly dialect: Dialect
  readonly seconds: number
  readonly model?: string
  /** The length that the finished extension tells: `undefined` if the server does not extend. */
  readonly extended?: number | null
  /** Cost of the first clip, in USD. */
  readonly cost?: number
}

const rows: ReadonlyArray<Row> = [
  { dialect: "openai", seconds: 4, extended: 8 },
  { dialect: "azure", seconds: 4, extended: 8 },
  { dialect: "litellm", seconds: 4, extended: null },
  { dialect: "xai", seconds: 2, extended: 4, model: "grok-imagine-video", cost: 0.1 },
  { dialect: "aiproxy", seconds: 1, extended: 2 },
  { dialect: "openrouter", seconds: 1, extended: null, model: "a-model-extend", cost: 0.05 },
  { dialect: "llmgateway", seconds: 1, model: "veo", cost: 0.05 },
  { dialect: "vllm-omni", seconds: 1 },
  { dialect: "sglang", seconds: 1 },
  { dialect: "new-api", seconds: 1, model: "m" }
]

describe("in each dialect, over a socket", () => {
  it.live.each(rows)(
    "$dialect: creates, extends, watches and downloads",
    ({ cost, dialect, extended, model, seconds }) =>
      Effect.gen(function* () {
        const size = dialect === "xai" ? "480x480" : "64x64"
        const job = yield* createVideo({ prompt: "a lighthouse", seconds, size, model })
        const clip = yield* awaitVideo(job, { poll })
        assert.strictEqual(clip.id, job.id)
        if (cost !== undefined) assert.deepStrictEqual(clip.cost, { amount: cost, currency: "USD" })
        const request = { video: clip, prompt: "the light comes on", seconds }
        if (extended === undefined) {
          const error = yield* Effect.flip(extendVideo(request))
          assert.strictEqual(error._tag, "OperationUnsupportedError")
          yield* isClip(clip)
          return
        }
        const extension = yield* extendVideo(request)
        const seen = yield* Stream.runCollect(watchVideo(extension, { poll }))
        const last = yield* Effect.orDie(Chunk.last(seen))
        assert.strictEqual(phaseOf(last), "succeeded")
        assert.strictEqual(last.seconds, extended)
        assert.isAbove(yield* isClip(last), yield* isClip(clip))
        // By id alone, too.
        yield* Stream.runDrain(downloadVideo(extension.id))
        const { jobs } = yield* VideosServer
        assert.strictEqual((yield* jobs).length, 2)
      }).pipe(Effect.provide(onSocket({ dialect })))
  )

  it.live("dynamo: responds when the clip is done, with its URL", () =>
    Effect.gen(function* () {
      const clip = yield* createVideo({ prompt: "a lighthouse", seconds: 1, size: "64x64" })
      assert.strictEqual(phaseOf(clip), "succeeded")
      yield* isClip(clip)
    }).pipe(Effect.provide(onSocket({ dialect: "dynamo" })))
  )
})

// -----------------------------------------------------------------------------
// xAI
// -----------------------------------------------------------------------------

const clip = { prompt: "a lighthouse", seconds: 2, size: "480x480", model: "grok-imagine-video" }

/** The extension of a source, until it has ended. */
const extended = (video: ExtendVideoRequest["video"], seconds = 2) =>
  Effect.flatMap(extendVideo({ video, prompt: "on", seconds }), (job) => awaitVideo(job, { poll }))

/** The embedded server as the dialect's own home. */
const atHome = ({ baseUrl }: VideosServerService): VideosConfigOptions => ({
  dialect: { ...dialects.xai, home: { baseUrl, keyVariable: "XAI_API_KEY" } }
})

describe("xai", () => {
  it.live("a job id becomes the URL of its clip, by one read", () =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      const job = yield* awaitVideo(yield* createVideo(clip), { poll })
      yield* faults.set([])
      const before = (yield* faults.log).length
      const longer = yield* extended(job.id)
      assert.strictEqual(longer.seconds, 4)
      const methods = (yield* faults.log).slice(before).map(({ method }) => method)
      assert.deepStrictEqual(methods.slice(0, 2), ["GET", "POST"])
    }).pipe(Effect.provide(onSocket({ dialect: "xai" })))
  )

  it.live("a file goes along as a data URL", () =>
    Effect.gen(function* () {
      const file = VideoFile.fromBytes(readFileSync(fixture("x264-bframes-aac.mp4")))
      const longer = yield* extended(file)
      assert.strictEqual(phaseOf(longer), "succeeded")
    }).pipe(Effect.provide(onSocket({ dialect: "xai" })))
  )

  it.live("a source that cannot be read is accepted, and its job fails without a bill", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(extended("https://films.example/gone.mp4"))
      assert.strictEqual(error._tag, "VideoFailedError")
      if (error._tag !== "VideoFailedError") return
      assert.strictEqual(error.code, "invalid_argument")
      assert.strictEqual(error.video.error?.billed, false)
      assert.strictEqual(error.video.seconds, null)
    }).pipe(Effect.provide(onSocket({ dialect: "xai" })))
  )

  it.live("a moderated job is done by its status, has failed for the caller, and is billed", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.flatMap(createVideo(clip), (job) => awaitVideo(job, { poll })))
      assert.strictEqual(error._tag, "VideoFailedError")
      if (error._tag !== "VideoFailedError") return
      assert.deepInclude(error.video.error, { code: "moderation_blocked", billed: true })
      assert.deepStrictEqual(error.video.cost, { amount: 0.1, currency: "USD" })
    }).pipe(Effect.provide(onSocket({ dialect: "xai", outcome: () => ({ code: "moderation_blocked", message: "" }) })))
  )

  it.live("a poll without a body is the same job, still waiting, with what the request said", () =>
    Effect.gen(function* () {
      const job = yield* createVideo(clip)
      const polled = yield* retrieveVideo(job.id)
      assert.strictEqual(phaseOf(polled), "waiting")
      assert.deepInclude(polled, { id: job.id, model: clip.model, prompt: clip.prompt, size: clip.size, seconds: null })
      assert.isNotNull(polled.createdAt)
    }).pipe(Effect.provide(onSocket({ dialect: "xai", queueTime: "1 minute" })))
  )

  it.effect(
    "jobs whose progress stands still for two minutes are watched to their end, at most 5 polls per second",
    () =>
      Effect.gen(function* () {
        const { faults } = yield* VideosServer
        const watching = yield* Effect.fork(
          Effect.forEach(
            ["a", "b", "c", "d", "e", "f"],
            (prompt) => Effect.flatMap(createVideo({ ...clip, prompt }), (job) => awaitVideo(job)),
            { concurrency: "unbounded" }
          )
        )
        // The server responds through promises, which need the event loop and no time of the clock.
        const turn = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
        const done = Effect.gen(function* () {
          yield* TestClock.adjust("1 second")
          yield* turn
          return (yield* watching.status)._tag === "Done"
        })
        yield* Effect.repeat(done, { until: (is) => is })
        const videos = yield* Fiber.join(watching)
        assert.isTrue(videos.every((video) => phaseOf(video) === "succeeded"))
        const polls = (yield* faults.log).filter(({ method }) => method === "GET").length
        assert.isBelow(polls, 6 * 60)
      }).pipe(
        Effect.provide(
          VideosServer.layerTest({ dialect: "xai", queueTime: "1 second", runTime: "150 seconds", pollsPerSecond: 5 })
        )
      )
  )

  it.live("a wrong key is an AuthenticationError, although the status is 400", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(createVideo(clip))
      assert.deepInclude(error, { _tag: "AuthenticationError", status: 400 })
    }).pipe(Effect.provide(onSocket({ dialect: "xai", apiKeys: ["right"] }, () => ({ apiKey: "wrong-key-123" }))))
  )

  it.live("a length or a source outside the dialect's range costs no request", () =>
    Effect.gen(function* () {
      const { jobs } = yield* VideosServer
      const url = "https://films.example/clip.mp4"
      const tooLong = yield* Effect.flip(extendVideo({ video: url, prompt: "on", seconds: 20 }))
      assert.deepInclude(tooLong, { _tag: "InvalidRequestError", field: "seconds" })
      assert.match(tooLong.message, /a whole number of seconds from 2 to 10 in the dialect `xai`/)
      const long = yield* awaitVideo(yield* createVideo({ ...clip, seconds: 1 }), { poll })
      const source = yield* Effect.flip(extendVideo({ video: long, prompt: "on", seconds: 6 }))
      assert.match(source.message, /`video` must be a clip of 2 to 15 s in the dialect `xai`; received a clip of 1 s/)
      assert.strictEqual((yield* jobs).length, 1)
    }).pipe(Effect.provide(onSocket({ dialect: "xai" })))
  )

  it.live("a response whose body broke off names its job in a header", () =>
    Effect.gen(function* () {
      const { faults, jobs } = yield* VideosServer
      yield* faults.set([{ on: ["create"], fault: Fault.cutJson() }])
      const job = yield* createVideo(clip)
      assert.strictEqual((yield* awaitVideo(job, { poll })).id, (yield* jobs)[0]?.id)
      assert.strictEqual((yield* jobs).length, 1)
    }).pipe(Effect.provide(onSocket({ dialect: "xai" }, atHome)))
  )

  it.live(
    "a response that was lost leaves the submission uncertain, at a gateway as at home, and is not sent again",
    () =>
      Effect.gen(function* () {
        const { faults, jobs } = yield* VideosServer
        yield* faults.set([{ on: ["create"], fault: Fault.reset("after-commit") }])
        const error = yield* Effect.flip(createVideo(clip))
        assert.strictEqual(error._tag, "SubmissionUncertainError")
        assert.strictEqual((yield* jobs).length, 1)
      }).pipe(Effect.provide(onSocket({ dialect: "xai" }, atHome)))
  )

  it.live("the dialect to set is named if another one is", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(createVideo(clip))
      assert.strictEqual(error._tag, "SubmissionUncertainError")
      assert.match(error.message, /It belongs to the dialect `xai`: set `dialect: "xai"`/)
    }).pipe(
      Effect.provide(
        onSocket({ dialect: "xai" }, () => ({
          dialect: { ...dialects.xai, name: "openai", response: undefined },
          onUnknownOutcome: "fail"
        }))
      )
    )
  )
})

// -----------------------------------------------------------------------------
// the others
// -----------------------------------------------------------------------------

describe("openrouter", () => {
  it.live("a model that cannot extend is a free OperationUnsupportedError that names it", () =>
    Effect.gen(function* () {
      const { jobs } = yield* VideosServer
      const job = yield* createVideo({ prompt: "a lighthouse", seconds: 1, size: "64x64", model: "some-model" })
      const done = yield* awaitVideo(job, { poll })
      const error = yield* Effect.flip(extendVideo({ video: done, prompt: "on", seconds: 1 }))
      assert.strictEqual(error._tag, "OperationUnsupportedError")
      assert.match(error.message, /some-model does not support previous_job_id/)
      assert.strictEqual((yield* jobs).length, 1)
    }).pipe(Effect.provide(onSocket({ dialect: "openrouter" })))
  )

  it.live("a source that is not a job is refused before anything is sent", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        extendVideo({ video: "https://h/clip.mp4", prompt: "on", seconds: 1, model: "m" })
      )
      assert.deepInclude(error, { _tag: "InvalidRequestError", field: "video" })
      assert.match(error.message, /must be a job: the dialect `openrouter` takes nothing else/)
    }).pipe(Effect.provide(onSocket({ dialect: "openrouter" })))
  )
})
