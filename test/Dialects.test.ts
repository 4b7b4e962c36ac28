/** What dialects make of responses: the recorded and documented ones of xAI and of the gateways. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, DateTime, Effect, Layer, Option, Redacted, Schema, Stream } from "effect"
import {
  createVideo,
  type DialectName,
  downloadVideo,
  editVideo,
  extendVideo,
  phaseOf,
  retrieveVideo,
  VideoFile,
  VideoId,
  VideoResource,
  VideosConfig
} from "effect-videos"
import { inTurn, json, type Reply, serve, text } from "./support/server.js"
import { respondJson, videosOver, videosScripted } from "./support/videos.js"

const id = "5b1f0c1e-7a52-9d0b-8c3e-2f6a90d4e611"

const read = (dialect: DialectName, reply: Reply, given = id) =>
  Effect.flatMap(serve(reply), (server) => retrieveVideo(given).pipe(Effect.provide(videosOver(server, { dialect }))))

const url = "https://vidgen.x.ai/xai-vidgen-bucket/xai-video-5b1f0c1e.mp4?token=abc"
const unready = { url: "", duration: 0, respect_moderation: true }
const open = "gen-vid-1796000000-aB3dE5fG7hI9jK1lM3nO"

type Expected = { readonly phase: string; readonly [field: string]: unknown }

const responses: ReadonlyArray<readonly [DialectName, string, Reply, Expected]> = [
  ["xai", "an empty 202", text(202, ""), { phase: "waiting", progress: null }],
  ["xai", "progress above 0", json(202, { status: "pending", progress: 37 }), { phase: "running", progress: 37 }],
  [
    "xai",
    "an extension that is done",
    json(200, {
      status: "done",
      video: { url, duration: 11, respect_moderation: true },
      model: "grok-imagine-video",
      usage: { cost_in_usd_ticks: 4_200_000_000 },
      progress: 100
    }),
    { phase: "succeeded", seconds: 11, cost: { amount: 0.42, currency: "USD" }, error: null }
  ],
  ["xai", "a URL without a status", json(200, { video: { url, duration: 6 } }), { phase: "succeeded", seconds: 6 }],
  [
    "xai",
    "done without a URL",
    json(200, { status: "done", progress: 100, video: { respect_moderation: false } }),
    {
      phase: "failed",
      seconds: null,
      error: { code: "moderation_blocked", message: "moderation refused the clip", billed: true }
    }
  ],
  [
    "xai",
    "an unreadable source",
    json(200, { status: "failed", video: unready, error: { code: "invalid_argument", message: "HTTP 403" } }),
    { phase: "failed", seconds: null, error: { code: "invalid_argument", message: "HTTP 403", billed: false } }
  ],
  [
    "xai",
    "a failure by moderation",
    json(200, { status: "failed", video: unready, error: { code: "invalid_argument", message: "Content Moderation" } }),
    { phase: "failed", error: { code: "moderation_blocked", message: "Content Moderation", billed: true } }
  ],
  [
    "xai",
    "a job that expired",
    json(200, { status: "expired" }),
    { phase: "failed", error: { code: "expired", message: "", billed: false } }
  ],
  [
    "openrouter",
    "the price, and the time in the id",
    json(200, { id: open, status: "completed", usage: { cost: 0.42, is_byok: false } }),
    { phase: "succeeded", cost: { amount: 0.42, currency: "USD" }, createdAt: DateTime.unsafeMake(1_796_000_000_000) }
  ],
  [
    "openrouter",
    "an error as text",
    json(200, { id: open, status: "dead", error: "Provider returned no video" }),
    { phase: "failed", error: { code: null, message: "Provider returned no video" } }
  ],
  ["llmgateway", "canceled", json(200, { id, object: "video", status: "canceled" }), { phase: "failed" }],
  ["aiproxy", "a length as a number", json(200, { id, status: "queued", seconds: 4 }), { phase: "waiting", seconds: 4 }]
]

describe("a job", () => {
  it.scopedLive.each(responses)("of %s: %s", ([dialect, , reply, expected]) =>
    Effect.gen(function* () {
      const video = yield* read(dialect, reply, dialect === "openrouter" ? open : id)
      const { phase, ...fields } = expected
      assert.strictEqual(phaseOf(video), phase)
      assert.deepInclude(video, fields as Partial<VideoResource>)
      // A snapshot can be stored.
      const encoded = JSON.parse(JSON.stringify(Schema.encodeSync(VideoResource)(video)))
      assert.deepStrictEqual(Schema.decodeUnknownSync(VideoResource)(encoded), video)
    })
  )
})

const credits = "Your team 0a1b2c3d-0000-4000-8000-0123456789ab has used all available credits."

const refusals: ReadonlyArray<readonly [string, Reply, string, RegExp]> = [
  [
    "a quota as 429",
    json(429, { code: "Some resource has been exhausted", error: credits }),
    "QuotaExceededError",
    /team <redacted>/
  ],
  ["a quota as 403", json(403, { code: "permission-denied", error: credits }), "QuotaExceededError", /credits/],
  ["a rate", json(429, { code: "resource-exhausted", error: "Too many requests" }), "RateLimitedError", /Too many/],
  [
    "a wrong key as 400",
    json(400, { code: "invalid-argument", error: "Incorrect API key provided." }),
    "AuthenticationError",
    /key/
  ],
  ["a 422 as text", text(422, "Failed to deserialize the JSON body"), "BadRequestError", /Failed to deserialize/],
  [
    "a model that is not there",
    json(404, { code: "not-found", error: "The model x does not exist" }),
    "BadRequestError",
    /model x/
  ],
  [
    "a refusal that is a video (CLIProxyAPI)",
    json(400, {
      id: "video_3f9a",
      object: "video",
      status: "failed",
      error: { code: "invalid_request_error", message: "unsupported size" }
    }),
    "BadRequestError",
    /unsupported size/
  ],
  [
    "a guardrail",
    json(403, { error: { code: 403, message: "Blocked by a guardrail" } }),
    "ModerationBlockedError",
    /guardrail/
  ]
]

describe("a submission", () => {
  it.scopedLive.each(refusals)("is refused by %s, and not sent again", ([, reply, tag, message]) =>
    Effect.gen(function* () {
      const server = yield* serve(reply)
      const error = yield* Effect.flip(
        Effect.provide(createVideo({ prompt: "x", model: "m" }), videosOver(server, { dialect: "xai" }))
      )
      assert.strictEqual(error._tag, tag)
      assert.match(error.message, message)
      assert.strictEqual(server.requests.length, 1)
    })
  )

  it.scopedLive("is written in the dialect's fields", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, { request_id: id }))
      const request = {
        prompt: "x",
        model: "grok-imagine-video",
        seconds: 6,
        size: "1280x720",
        inputReference: { imageUrl: "https://h/p.png" },
        extraBody: { resolution: "480p" }
      }
      const job = yield* Effect.provide(createVideo(request), videosOver(server, { dialect: "xai" }))
      assert.deepInclude(
        { ...job },
        { id: VideoId.make(id), status: "pending", model: "grok-imagine-video", seconds: null, prompt: "x" }
      )
      const [sent] = server.requests
      assert.strictEqual(sent?.url, "/v1/videos/generations")
      assert.deepStrictEqual(JSON.parse(String(sent?.body)), {
        prompt: "x",
        model: "grok-imagine-video",
        duration: 6,
        aspect_ratio: "16:9",
        resolution: "480p",
        image: { url: "https://h/p.png" }
      })
    })
  )

  it.effect("is remembered for what the responses to its polls leave out, beside hundreds of others", () =>
    Effect.gen(function* () {
      const count = 300
      const { layer } = videosScripted(
        (index) => respondJson(200, index < count ? { request_id: `job-${index}` } : { status: "pending" }),
        { dialect: "xai", apiKey: "sk-none" }
      )
      const [first] = yield* Effect.forEach(Array.from({ length: count }), (_, index) =>
        createVideo({ prompt: `prompt ${index}`, model: "m" })
      ).pipe(
        Effect.flatMap(([job]) => Effect.all([retrieveVideo(job?.id ?? "")])),
        Effect.provide(layer)
      )
      assert.deepInclude({ ...first }, { prompt: "prompt 0", model: "m" })
    })
  )

  it.scopedLive("has a callback if the dialect has, and is refused before it is sent if not", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, { id, status: "queued" }))
      const request = {
        prompt: "x",
        model: "m",
        seconds: 4,
        callback: { url: "https://me/hook", secret: "s3cret-0123" }
      }
      yield* Effect.provide(createVideo(request), videosOver(server, { dialect: "llmgateway" }))
      assert.deepInclude(JSON.parse(String(server.requests[0]?.body)), {
        seconds: 4,
        callback_url: "https://me/hook",
        callback_secret: "s3cret-0123"
      })
      const error = yield* Effect.flip(Effect.provide(createVideo(request), videosOver(server, { dialect: "xai" })))
      assert.deepInclude(error, { _tag: "InvalidRequestError", field: "callback" })
      assert.strictEqual(server.requests.length, 1)
    })
  )

  it.scopedLive("refuses a file if the server takes none, and names the way out for one that is too long", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, { id, status: "queued" }))
      const file = (size: number) => VideoFile.fromStream(Stream.empty, { size, name: "clip.mp4" })
      const extend = (dialect: "litellm" | "xai", size: number) =>
        Effect.flip(extendVideo({ video: file(size), prompt: "x", seconds: 4 })).pipe(
          Effect.provide(videosOver(server, { dialect }))
        )
      assert.match(
        (yield* extend("litellm", 1)).message,
        /`video` must be a job: the dialect `litellm` takes nothing else/
      )
      const long = yield* extend("xai", 2 ** 26)
      assert.match(long.message, /`video` must be at most 52428800 bytes; give the URL of a longer one/)
      assert.deepStrictEqual(server.requests, [])
      // An edit takes one.
      yield* Effect.provide(editVideo({ video: file(0), prompt: "x" }), videosOver(server, { dialect: "litellm" }))
      assert.strictEqual(server.requests[0]?.url, "/v1/videos/edits")
    })
  )

  it.scopedLive("from an expired job is a VideoExpiredError before anything is sent", () =>
    Effect.gen(function* () {
      const server = yield* serve(inTurn(json(200, { status: "expired" }), text(500, "")))
      const extension = extendVideo({ video: id, prompt: "x", seconds: 6 })
      const error = yield* Effect.flip(Effect.provide(extension, videosOver(server, { dialect: "xai" })))
      assert.strictEqual(error._tag, "VideoExpiredError")
      assert.deepStrictEqual(
        server.requests.map(({ method }) => method),
        ["GET"]
      )
    })
  )
})

describe("a clip at a relative URL (sub2api)", () => {
  it.scopedLive("is read from the gateway, with its key", () =>
    Effect.gen(function* () {
      const path = `/v1/videos/${id}/content`
      const server = yield* serve((response, request, index) =>
        request.url === path
          ? text(200, "\u0000the clip", { "content-type": "video/mp4" })(response, request, index)
          : json(200, { request_id: id, status: "done", video: { url: path, duration: 10 } })(response, request, index)
      )
      const videos = videosOver(server, { dialect: "xai", apiKey: Redacted.make("sk-0123456789") })
      yield* Effect.provide(Stream.runDrain(downloadVideo(id)), videos)
      assert.strictEqual(server.requests.at(-1)?.headers.authorization, "Bearer sk-0123456789")
      const error = yield* Effect.flip(Effect.provide(extendVideo({ video: id, prompt: "x", seconds: 6 }), videos))
      assert.match(error.message, /download the clip and give the file/)
    })
  )
})

describe("the environment", () => {
  const config = (variables: { readonly [name: string]: string }) =>
    Effect.scoped(Effect.map(Layer.build(VideosConfig.layerConfig), Context.get(VideosConfig))).pipe(
      Effect.map(({ apiKey, baseUrl }) => [baseUrl, Option.getOrNull(Option.map(apiKey, Redacted.value))]),
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
    )
  const keys = { XAI_API_KEY: "xai-key", OPENAI_API_KEY: "openai-key", OPENROUTER_API_KEY: "or-key" }

  it.effect("has the key of the server that the dialect has for its home, and sends none to another", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* config({ ...keys, VIDEOS_DIALECT: "xai" }), ["https://api.x.ai/v1", "xai-key"])
      const openrouter = { ...keys, VIDEOS_DIALECT: "openrouter" }
      assert.deepStrictEqual(yield* config(openrouter), ["https://openrouter.ai/api/v1", "or-key"])
      const moved = { ...openrouter, OPENROUTER_BASE_URL: "https://eu.openrouter.ai/api/v1" }
      assert.deepStrictEqual(yield* config(moved), ["https://eu.openrouter.ai/api/v1", "or-key"])
      const gateway = { ...keys, VIDEOS_DIALECT: "xai", OPENAI_BASE_URL: "http://127.0.0.1:8317/v1" }
      assert.deepStrictEqual(yield* config(gateway), ["http://127.0.0.1:8317/v1", "openai-key"])
      const error = yield* Effect.flip(config({ VIDEOS_DIALECT: "xai", OPENAI_API_KEY: "openai-key" }))
      assert.match(String(error), /XAI_API_KEY/)
    })
  )
})
