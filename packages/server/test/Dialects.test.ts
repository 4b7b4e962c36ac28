import { assert, describe, it } from "@effect/vitest"
import { VideosServer, type VideosServerService } from "@effect-videos/server"
import { Effect, Redacted, TestClock } from "effect"
import { makePollLimit } from "../src/pollLimit.js"
import { idOf, idsOf, instant, type Json, post, postForm, remove, segment, send, type TestResponse } from "./support.js"

type Options = Parameters<typeof VideosServer.layerInProcess>[0]

type ServedDialect = Exclude<VideosServerService["dialect"], "xai" | "aiproxy" | "openrouter" | "llmgateway" | "dynamo">

const as = (dialect: ServedDialect, options: Options = {}) => VideosServer.layerInProcess({ ...options, dialect })

/** Request body that all servers accept. */
const fields = { prompt: "a boat", model: "wan", size: "64x64", seconds: "4" }

const create = postForm("/videos", fields)

const retrieve = (id: string) => send(`/videos/${segment(id)}`)

const contentOf = (id: string, query = "") => send(`/videos/${segment(id)}/content${query}`)

const all: ReadonlyArray<ServedDialect> = ["openai", "azure", "litellm", "vllm-omni", "sglang", "new-api"]

const uuid = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

describe("every server", () => {
  const ids: { readonly [dialect in ServedDialect]: RegExp } = {
    openai: /^video_[\da-f]{32}$/,
    azure: /^video_[\da-f]{32}$/,
    litellm: /^video_\+\/\/\+[A-Za-z\d+/]+=*$/,
    "vllm-omni": /^video_gen_[\da-f]{32}$/,
    sglang: uuid,
    "new-api": /^task_[\da-f]{32}$/
  }

  it.effect.each([...all])("%s serves a clip from prompt to file, with its own form of ids", (dialect) =>
    Effect.gen(function* () {
      const id = idOf(yield* create)
      assert.match(id, ids[dialect])
      const { json, status } = yield* retrieve(id)
      assert.deepInclude(json, { object: "video", status: "completed" })
      assert.strictEqual(status, 200)
      const content = yield* contentOf(id)
      assert.strictEqual(content.headers.get("content-type"), "video/mp4")
      assert.strictEqual(new TextDecoder().decode(content.bytes.subarray(4, 8)), "ftyp")
      const part = yield* send(`/videos/${segment(id)}/content`, { headers: { range: "bytes=0-9" } })
      assert.strictEqual(part.status, dialect === "litellm" ? 200 : 206)
    }).pipe(Effect.provide(as(dialect, instant)))
  )

  const words: { readonly [dialect in ServedDialect]: ReadonlyArray<string> } = {
    openai: ["queued", "queued", "in_progress", "completed"],
    azure: ["queued", "queued", "in_progress", "completed"],
    litellm: ["queued", "queued", "processing", "completed"],
    "vllm-omni": ["queued", "queued", "in_progress", "completed"],
    sglang: ["queued", "queued", "queued", "completed"],
    "new-api": ["unknown", "queued", "in_progress", "completed"]
  }

  it.effect.each([...all])("%s has its own status names", (dialect) =>
    Effect.gen(function* () {
      const made = yield* create
      const seen = [made.json.status]
      for (const wait of ["300 millis", "1 second", "1 minute"] as const) {
        yield* TestClock.adjust(wait)
        seen.push((yield* retrieve(idOf(made))).json.status)
      }
      assert.deepStrictEqual<ReadonlyArray<unknown>>(seen, words[dialect])
    }).pipe(Effect.provide(as(dialect)))
  )
})

describe("an unsupported operation", () => {
  const invalidUrl = (route: string, rest: Json) => ({ error: { message: `Invalid URL (${route})`, ...rest } })
  const openai = { type: "invalid_request_error", param: null, code: "unknown_url" }
  const newApi = { type: "invalid_request_error", param: "", code: "" }
  const notAllowed = { detail: "Method Not Allowed" }
  const notFound = { detail: "Not Found" }

  it.effect.each<readonly [ServedDialect, string, string, number, Json]>([
    ["openai", "POST", "/videos/v/frames", 404, invalidUrl("POST /v1/videos/v/frames", openai)],
    ["openai", "PATCH", "/videos/v", 404, invalidUrl("PATCH /v1/videos/v", openai)],
    ["azure", "GET", "/images", 404, invalidUrl("GET /openai/v1/images", openai)],
    ["litellm", "DELETE", "/videos/v", 405, notAllowed],
    ["litellm", "GET", "/videos/v/frames", 404, notFound],
    ["vllm-omni", "POST", "/videos/extensions", 405, notAllowed],
    ["vllm-omni", "POST", "/videos/edits", 405, notAllowed],
    ["vllm-omni", "POST", "/videos/characters", 405, notAllowed],
    ["vllm-omni", "POST", "/videos/v/remix", 404, notFound],
    ["vllm-omni", "GET", "/videos/characters/c", 404, notFound],
    ["sglang", "POST", "/videos/extensions", 405, notAllowed],
    ["sglang", "POST", "/videos/v/remix", 404, notFound],
    ["new-api", "POST", "/videos/extensions", 404, invalidUrl("POST /v1/videos/extensions", newApi)],
    ["new-api", "GET", "/videos", 404, invalidUrl("GET /v1/videos", newApi)],
    ["new-api", "DELETE", "/videos/v", 404, invalidUrl("DELETE /v1/videos/v", newApi)]
  ])("%s: %s %s is %i", ([dialect, method, path, status, body]) =>
    Effect.gen(function* () {
      const response = yield* send(path, { method })
      assert.strictEqual(response.status, status)
      assert.deepStrictEqual(response.json, body)
      assert.strictEqual(response.headers.has("allow"), status === 405)
    }).pipe(Effect.provide(as(dialect)))
  )
})

describe("errors", () => {
  const key = { apiKeys: [Redacted.make("sk-1")] }
  const missing = "/videos/video_0"

  it.effect.each<
    readonly [ServedDialect, string, Options, Effect.Effect<TestResponse, never, VideosServer>, number, Json]
  >([
    [
      "litellm",
      "an unknown job",
      {},
      send(missing),
      404,
      {
        error: {
          message: "No video with the id 'video_0'.",
          type: "invalid_request_error",
          param: "video_id",
          code: "404"
        }
      }
    ],
    [
      "vllm-omni",
      "an unknown job",
      {},
      send(missing),
      404,
      { error: { message: "No video with the id 'video_0'.", type: "Not Found", param: null, code: 404 } }
    ],
    ["sglang", "an unknown job", {}, send(missing), 404, { detail: "No video with the id 'video_0'." }],
    [
      "new-api",
      "an unknown job",
      {},
      send(missing),
      400,
      { code: "task_not_exist", message: "No video with the id 'video_0'.", data: null }
    ],
    [
      "new-api",
      "content of an unknown job",
      {},
      send(`${missing}/content`),
      404,
      { error: { message: "No video with the id 'video_0'.", type: "invalid_request_error" } }
    ],
    [
      "new-api",
      "no model",
      {},
      post("/videos", { prompt: "a boat" }),
      400,
      { code: "missing_model", message: "The field 'model' is required.", data: null }
    ],
    [
      "vllm-omni",
      "a body of JSON",
      {},
      post("/videos", { prompt: "a boat" }),
      400,
      { error: { message: "Missing required parameter: 'prompt'.", type: "Bad Request", param: null, code: 400 } }
    ],
    [
      "sglang",
      "an image as an object",
      {},
      post("/videos", { prompt: "a boat", input_reference: { image_url: "https://a.example/b.png" } }),
      400,
      { detail: "Invalid request body: 400: Invalid type for 'input_reference': expected a string." }
    ],
    [
      "sglang",
      "a form without a prompt",
      {},
      postForm("/videos", { size: "64x64" }),
      422,
      {
        detail: [
          {
            loc: ["body", "prompt"],
            msg: "Missing required parameter: 'prompt'.",
            type: "missing_required_parameter"
          }
        ]
      }
    ],
    [
      "sglang",
      "a limit of none",
      {},
      send("/videos?limit=0"),
      422,
      {
        detail: [
          {
            loc: ["query", "limit"],
            msg: "Invalid 'limit': expected an integer of 1 to 100.",
            type: "integer_below_min_value"
          }
        ]
      }
    ],
    ["vllm-omni", "a wrong key", key, send("/videos"), 401, { error: "Unauthorized" }],
    [
      "new-api",
      "a wrong key",
      key,
      send(missing),
      401,
      {
        error: {
          message: "No API key was given. Send one as 'Authorization: Bearer KEY'.",
          type: "new_api_error",
          code: ""
        }
      }
    ],
    [
      "litellm",
      "an extension of a file",
      {},
      postForm("/videos/extensions", { video: new File(["x"], "x.mp4"), prompt: "on", seconds: "4" }),
      400,
      {
        error: {
          message: "Expected a body of type 'application/json'.",
          type: "invalid_request_error",
          param: null,
          code: "400"
        }
      }
    ]
  ])("%s has its own error for %s", ([dialect, , options, request, status, body]) =>
    Effect.gen(function* () {
      const response = yield* request
      assert.deepStrictEqual(response.json, body)
      assert.strictEqual(response.status, status)
    }).pipe(Effect.provide(as(dialect, options)))
  )

  it.effect.each<readonly [ServedDialect, number, string, number]>([
    ["openai", 404, "Video is not ready yet", 404],
    ["litellm", 200, "Video is not ready yet", 200],
    ["vllm-omni", 404, "Generation is still in-progress", 422],
    ["sglang", 404, "Generation is still in-progress", 404],
    ["new-api", 400, "Task is not completed yet, current status: IN_PROGRESS", 400]
  ])("%s: content of a running job is %i (%s), of a failed job %i", ([dialect, early, words, late]) =>
    Effect.gen(function* () {
      const id = idOf(yield* create)
      yield* TestClock.adjust("1 second")
      const running = yield* contentOf(id)
      assert.strictEqual(running.status, early)
      assert.include(new TextDecoder().decode(running.bytes), words)
      // A bug that a client must detect: an error with the content type of a video.
      const type = dialect === "litellm" ? "video/mp4" : "application/json"
      assert.strictEqual(running.headers.get("content-type"), type)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* contentOf(id)).status, late)
    }).pipe(Effect.provide(as(dialect, { outcome: () => ({ code: "c", message: "m" }) })))
  )
})

describe("a malformed URL", () => {
  const aiproxy = VideosServer.layerInProcess({ ...instant, dialect: "aiproxy" })

  it.effect("of a clip is not found", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* VideosServer
      const { status } = yield* send(`${new URL(baseUrl).origin}/clips/%ZZ.mp4`)
      assert.strictEqual(status, 404)
    }).pipe(Effect.provide(aiproxy))
  )

  it.effect.each(["https://[bad", "http://", "https://host/clips/%ZZ.mp4"])(
    "of a source fails the job, as one that cannot be read does: %s",
    (video) =>
      Effect.gen(function* () {
        const id = idOf(yield* post("/videos/extensions", { video, prompt: "on", seconds: "4" }))
        assert.deepInclude((yield* retrieve(id)).json, { status: "failed" })
      }).pipe(Effect.provide(aiproxy))
  )
})

describe("a limit of polls", () => {
  it.effect("is the same if the clock is set back", () =>
    Effect.gen(function* () {
      const test = yield* Effect.clock
      const permit = makePollLimit(1)
      yield* permit
      yield* TestClock.adjust("2 seconds")
      const past = { ...test, currentTimeMillis: Effect.succeed(-600_000) }
      yield* Effect.withClock(permit, past)
      assert.strictEqual((yield* Effect.flip(Effect.withClock(permit, past))).status, 429)
    })
  )
})

describe("a failed job", () => {
  it.effect.each<readonly [ServedDialect, string, number, unknown]>([
    ["openai", "oom", 200, { code: "oom", message: "m" }],
    ["litellm", "oom", 200, { code: "oom", message: "m" }],
    ["vllm-omni", "oom", 500, { code: 500, message: "m" }],
    ["vllm-omni", "400", 400, { code: 400, message: "m" }],
    ["sglang", "oom", 200, { message: "m" }],
    ["new-api", "oom", 200, { code: "oom", message: "m" }]
  ])("of %s (code %s) has HTTP status %i", ([dialect, code, status, error]) =>
    Effect.gen(function* () {
      const id = idOf(yield* create)
      const response = yield* retrieve(id)
      assert.strictEqual(response.status, status)
      assert.deepInclude(response.json, { object: "video", status: "failed", error })
    }).pipe(Effect.provide(as(dialect, { ...instant, outcome: () => ({ code, message: "m" }) })))
  )
})

describe("a list and a deletion", () => {
  it.effect("SGLang lists everything, without cursors, and shows what it deletes", () =>
    Effect.gen(function* () {
      const [first, second] = [idOf(yield* create), idOf(yield* create)]
      const list = yield* send("/videos")
      assert.deepStrictEqual(Object.keys(list.json).sort(), ["data", "object"])
      assert.deepStrictEqual(idsOf(list), [second, first])
      const deleted = yield* remove(`/videos/${first}`)
      assert.deepInclude(deleted.json, { id: first, object: "video", status: "deleted" })
      assert.strictEqual((yield* retrieve(first)).status, 404)
    }).pipe(Effect.provide(as("sglang")))
  )

  it.effect("vLLM-Omni lists failed jobs, returns an empty page for an unknown cursor, and cancels", () =>
    Effect.gen(function* () {
      const id = idOf(yield* create)
      assert.deepStrictEqual(idsOf(yield* send("/videos?limit=1000")), [id])
      const none = yield* send("/videos?after=video_0")
      assert.deepStrictEqual(none.json, { object: "list", data: [], first_id: null, last_id: null, has_more: false })
      const deleted = yield* remove(`/videos/${id}`)
      assert.deepStrictEqual(deleted.json, { id, object: "video.deleted", deleted: true })
      assert.strictEqual((yield* retrieve(id)).status, 404)
    }).pipe(Effect.provide(as("vllm-omni")))
  )
})

describe("fields", () => {
  it.effect("are mostly empty in LiteLLM's GET, with a second id that also finds the job", () =>
    Effect.gen(function* () {
      const made = yield* create
      assert.deepInclude(made.json, { model: "wan", seconds: "4", size: "64x64", usage: { duration_seconds: 4 } })
      assert.notProperty(made.json, "prompt")
      const seen = yield* retrieve(idOf(made))
      assert.deepInclude(seen.json, {
        model: null,
        seconds: null,
        size: null,
        progress: null,
        created_at: 0,
        usage: {}
      })
      assert.notStrictEqual(idOf(seen), idOf(made))
      assert.deepStrictEqual((yield* retrieve(idOf(seen))).json, seen.json)
      const bare = yield* send(`http://videos.invalid/videos/${segment(idOf(made))}`)
      assert.deepStrictEqual(bare.json, seen.json)
    }).pipe(Effect.provide(as("litellm")))
  )

  it.effect("describe the run in vLLM-Omni, and contain a size only if the request had one", () =>
    Effect.gen(function* () {
      const { json } = yield* postForm("/videos", { prompt: "a boat", seconds: "7" })
      assert.deepInclude(json, {
        prompt: "a boat",
        size: null,
        seconds: "7",
        quality: "default",
        progress: 100,
        fps: 24,
        num_frames: 168,
        duration_s: 7,
        inference_time_s: 0
      })
      const odd = yield* postForm("/videos", { prompt: "a boat", size: "831x479" })
      assert.strictEqual(odd.json.size, "831x479")
      const dropped = yield* postForm("/videos", { prompt: "a boat", "input_reference[image_url]": "nonsense" })
      const refused = yield* postForm("/videos", { prompt: "a boat", image_reference: `{"image_url":"nonsense"}` })
      assert.deepStrictEqual([odd.status, dropped.status, refused.status], [200, 200, 400])
    }).pipe(Effect.provide(as("vllm-omni", instant)))
  )

  it.effect("have no prompt in SGLang; seconds can be a number, and a variant is a number", () =>
    Effect.gen(function* () {
      const made = yield* post("/videos", { prompt: "a boat", seconds: 5, input_reference: "/tmp/cat.png" })
      assert.deepInclude(made.json, { seconds: "5", size: "", quality: "standard", progress: 100, model: "sora-2" })
      assert.notProperty(made.json, "prompt")
      const named = yield* contentOf(idOf(made), "?variant=video")
      assert.deepStrictEqual([named.status, named.json], [404, { detail: "Video variant video not found" }])
      const small = idOf(yield* create)
      assert.strictEqual((yield* contentOf(small, "?variant=0")).status, 200)
    }).pipe(Effect.provide(as("sglang", instant)))
  )

  it.effect("are absent in new-api if empty, and completed_at exists while the job runs", () =>
    Effect.gen(function* () {
      const made = yield* post("/videos", { prompt: "a boat", model: "wan" })
      const id = idOf(made)
      assert.deepStrictEqual(made.json, {
        id,
        task_id: id,
        object: "video",
        model: "wan",
        status: "unknown",
        progress: 0,
        created_at: 0
      })
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude((yield* retrieve(id)).json, { status: "in_progress", completed_at: 2, progress: 50 })
      yield* TestClock.adjust("1 minute")
      const { json } = yield* retrieve(id)
      assert.deepInclude(json, { completed_at: 3, metadata: { url: `http://videos.invalid/v1/videos/${id}/content` } })
      const remix = yield* post(`/videos/${id}/remix`, { prompt: "again" })
      assert.deepInclude(remix.json, { remixed_from_video_id: id, model: "wan" })
    }).pipe(Effect.provide(as("new-api")))
  )
})
