import type { HttpClient } from "@effect/platform"
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Stream } from "effect"
import {
  createVideo,
  type DownloadVideoError,
  downloadVideo,
  type ExtendVideoError,
  extendVideo,
  retrieveVideo,
  type Videos
} from "effect-videos"
import { html, json, type Reply, serve, text } from "./support/server.js"
import { anyClient, videosOver } from "./support/videos.js"

addEqualityTesters()

type Operation = "create" | "extend" | "retrieve" | "download"

const operations: {
  readonly [name in Operation]: Effect.Effect<void, ExtendVideoError | DownloadVideoError, Videos>
} = {
  create: Effect.asVoid(createVideo({ prompt: "a lighthouse" })),
  extend: Effect.asVoid(extendVideo({ video: "video_1", prompt: "and on", seconds: 8 })),
  retrieve: Effect.asVoid(retrieveVideo("video_1")),
  download: Stream.runDrain(downloadVideo("video_1"))
}

/** The error of one operation, and what the server was asked. */
const refusal = (operation: Operation, reply: Reply, client?: Layer.Layer<HttpClient.HttpClient>) =>
  Effect.gen(function* () {
    const server = yield* serve(reply)
    const error = yield* Effect.flip(operations[operation]).pipe(Effect.provide(videosOver(server, {}, client)))
    return { error, requests: server.requests, origin: server.origin }
  })

const protocol = (message: string, code: unknown, type: unknown = "invalid_request_error", param: unknown = null) => ({
  error: { message, type, param, code }
})

interface Row {
  readonly says: string
  readonly to: Operation
  readonly reply: Reply
  readonly tag: string
  readonly fields?: { readonly [name: string]: unknown }
  readonly message: RegExp
}

const envelopes: ReadonlyArray<Row> = [
  {
    says: "OpenAI: a wrong key",
    to: "retrieve",
    reply: json(401, protocol("Incorrect API key provided.", "invalid_api_key"), { "x-request-id": "req_9" }),
    tag: "AuthenticationError",
    fields: {
      reason: "unauthenticated",
      status: 401,
      code: "invalid_api_key",
      detail: "Incorrect API key provided.",
      requestId: "req_9"
    },
    message: /^retrieveVideo: .*API key.*\(HTTP 401, request req_9\): Incorrect API key provided\.$/
  },
  {
    says: "OpenAI: code null, a param",
    to: "create",
    reply: json(400, protocol("Invalid value for 'seconds'.", null, "invalid_request_error", "seconds")),
    tag: "BadRequestError",
    fields: { status: 400, code: "invalid_request_error", param: "seconds", requestId: null },
    message: /^createVideo: `seconds` not accepted \(HTTP 400\): Invalid value/
  },
  {
    says: "a code and a param of ten thousand characters",
    to: "create",
    reply: json(400, protocol("No.", "c".repeat(10_000), null, "p".repeat(10_000))),
    tag: "BadRequestError",
    fields: { code: `${"c".repeat(2048)}…`, param: `${"p".repeat(2048)}…` },
    message: /No\./
  },
  {
    says: "vLLM-Omni: an integer code",
    to: "create",
    reply: json(400, protocol("Model mismatch", 400, "Bad Request")),
    tag: "BadRequestError",
    fields: { code: "400", detail: "Model mismatch", param: null },
    message: /request not accepted \(HTTP 400\): Model mismatch/
  },
  {
    says: "vLLM-Omni: an error that is a text",
    to: "retrieve",
    reply: json(401, { error: "Unauthorized" }),
    tag: "AuthenticationError",
    fields: { code: null, detail: "Unauthorized" },
    message: /\(HTTP 401\): Unauthorized$/
  },
  {
    says: "an error that is a word, with the sentence beside it",
    to: "retrieve",
    reply: json(403, { error: "forbidden", message: "This key may not read videos." }),
    tag: "AuthenticationError",
    fields: { reason: "forbidden", code: "forbidden", detail: "This key may not read videos." },
    message: /may not read videos/
  },
  {
    says: "new-api: an empty code and param",
    to: "create",
    reply: json(403, protocol("no channel for this group", "", "new_api_error", "")),
    tag: "AuthenticationError",
    fields: { reason: "forbidden", status: 403, code: "new_api_error" },
    message: /not permitted \(HTTP 403\): no channel/
  },
  {
    says: "FastAPI: a detail that is a text",
    to: "retrieve",
    reply: json(404, { detail: "Video 'video_1' not found" }),
    tag: "VideoNotFoundError",
    fields: { status: 404, videoId: "video_1", detail: "Video 'video_1' not found" },
    message: /no video video_1; it may have expired/
  },
  {
    says: "FastAPI: a list of what is wrong",
    to: "create",
    reply: json(422, {
      detail: [
        { loc: ["body", "seconds"], msg: "field required", type: "missing" },
        { loc: ["body", "size", 0], msg: "bad", type: "x" }
      ]
    }),
    tag: "BadRequestError",
    fields: { status: 422, param: "seconds", code: "missing", detail: "seconds: field required; size.0: bad" },
    message: /`seconds` not accepted/
  },
  {
    says: "SGLang: a body that it re-wrapped",
    to: "create",
    reply: json(400, { detail: "Invalid request body: 400: input_reference must be a string" }),
    tag: "BadRequestError",
    message: /input_reference must be a string/
  },
  {
    says: "new-api: code, message and data at the top",
    to: "create",
    reply: json(400, { code: "missing_model", message: "model is required", data: null }),
    tag: "BadRequestError",
    fields: { code: "missing_model", detail: "model is required" },
    message: /model is required/
  },
  {
    says: "new-api: an unknown job with status 400",
    to: "retrieve",
    reply: json(400, { code: "task_not_exist", message: "task_not_exist", data: null }),
    tag: "VideoNotFoundError",
    fields: { status: 400, code: "task_not_exist", videoId: "video_1" },
    message: /no video video_1/
  },
  {
    says: "new-api: the upstream's JSON inside the message",
    to: "retrieve",
    reply: json(400, {
      code: "fail_to_fetch_task",
      message: JSON.stringify(protocol("The size is not allowed.", "invalid_size", "invalid", "size")),
      data: null
    }),
    tag: "BadRequestError",
    fields: { detail: "The size is not allowed.", code: "invalid_size", param: "size" },
    message: /`size` not accepted \(HTTP 400\): The size is not allowed\.$/
  },
  {
    says: "new-api: the upstream's empty account inside the message",
    to: "create",
    reply: json(429, {
      code: "fail_to_fetch_task",
      message: JSON.stringify(protocol("You exceeded your current quota.", "insufficient_quota")),
      data: null
    }),
    tag: "QuotaExceededError",
    fields: { status: 429, code: "insufficient_quota", detail: "You exceeded your current quota." },
    message: /quota is used up/
  },
  {
    says: "LiteLLM: a budget",
    to: "create",
    reply: json(400, protocol("Budget has been exceeded! Current cost: 3", "400", "budget_exceeded")),
    tag: "QuotaExceededError",
    message: /Budget has been exceeded/
  },
  {
    says: "a proxy's page, 502",
    to: "retrieve",
    reply: html(502, "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"),
    tag: "ServerError",
    fields: { status: 502, detail: "an HTML page: 502 Bad Gateway" },
    message: /the server failed \(HTTP 502\): an HTML page: 502 Bad Gateway$/
  },
  {
    says: "Cloudflare's page, 524",
    to: "retrieve",
    reply: html(524, "<!DOCTYPE html>\n<title>host | 524: A timeout occurred</title>", { "cf-ray": "8f1-FRA" }),
    tag: "ServerError",
    fields: { status: 524, requestId: "8f1-FRA" },
    message: /524: A timeout occurred/
  },
  {
    says: "a page with status 403",
    to: "create",
    reply: html(403, "<h1>Access denied</h1>"),
    tag: "AuthenticationError",
    fields: { reason: "forbidden" },
    message: /an HTML page: Access denied/
  },
  {
    says: "plain words",
    to: "retrieve",
    reply: text(503, "upstream connect error"),
    tag: "ServerError",
    fields: { detail: "upstream connect error", retryAfter: null },
    message: /upstream connect error$/
  },
  {
    says: "JSON that says nothing",
    to: "retrieve",
    reply: json(500, {}),
    tag: "ServerError",
    fields: { detail: "{}", code: null },
    message: /the server failed \(HTTP 500\): \{\}$/
  },
  {
    says: "a code with an empty message",
    to: "create",
    reply: json(429, protocol("", "insufficient_quota")),
    tag: "QuotaExceededError",
    fields: { code: "insufficient_quota" },
    message: /quota is used up.*"code":"insufficient_quota"/
  },
  {
    says: "JSON that was cut",
    to: "create",
    reply: text(400, `{"error":{"message":"half`),
    tag: "BadRequestError",
    fields: { detail: `{"error":{"message":"half` },
    message: /half$/
  }
]

const empty = (status: number, headers = {}) => text(status, "", headers)

const statuses: ReadonlyArray<Row> = [
  { says: "401", to: "create", reply: empty(401), tag: "AuthenticationError", message: /HTTP 401\)$/ },
  { says: "402", to: "create", reply: empty(402), tag: "QuotaExceededError", message: /HTTP 402\)$/ },
  { says: "403", to: "retrieve", reply: empty(403), tag: "AuthenticationError", message: /HTTP 403\)$/ },
  {
    says: "404",
    to: "retrieve",
    reply: empty(404),
    tag: "VideoNotFoundError",
    message: /no video video_1.*HTTP 404\)$/
  },
  {
    says: "404",
    to: "create",
    reply: empty(404),
    tag: "OperationUnsupportedError",
    message: /not serve POST \/videos /
  },
  {
    says: "405",
    to: "retrieve",
    reply: empty(405),
    tag: "OperationUnsupportedError",
    message: /not serve GET \/videos\/v/
  },
  { says: "408", to: "retrieve", reply: empty(408), tag: "ServerError", message: /HTTP 408\)$/ },
  { says: "409", to: "create", reply: empty(409), tag: "ConflictError", message: /conflict \(HTTP 409\)$/ },
  { says: "410", to: "retrieve", reply: empty(410), tag: "VideoNotFoundError", message: /HTTP 410\)$/ },
  { says: "413", to: "create", reply: empty(413), tag: "BadRequestError", message: /HTTP 413\)$/ },
  { says: "415", to: "create", reply: empty(415), tag: "BadRequestError", message: /HTTP 415\)$/ },
  { says: "418", to: "create", reply: empty(418), tag: "BadRequestError", message: /HTTP 418\)$/ },
  { says: "422", to: "extend", reply: empty(422), tag: "BadRequestError", message: /^extendVideo: .*HTTP 422\)$/ },
  { says: "425", to: "retrieve", reply: empty(425), tag: "ServerError", message: /HTTP 425\)$/ },
  { says: "429", to: "create", reply: empty(429), tag: "RateLimitedError", message: /rate limited \(HTTP 429\)$/ },
  { says: "500", to: "retrieve", reply: empty(500), tag: "ServerError", message: /HTTP 500\)$/ },
  {
    says: "501",
    to: "extend",
    reply: empty(501),
    tag: "OperationUnsupportedError",
    message: /POST \/videos\/extensions/
  },
  { says: "503", to: "retrieve", reply: empty(503), tag: "ServerError", message: /HTTP 503\)$/ },
  { says: "599", to: "retrieve", reply: empty(599), tag: "ServerError", message: /HTTP 599\)$/ },
  {
    says: "429 with a moderate request rate",
    to: "create",
    reply: json(429, protocol("Rate limit reached for sora-2", "rate_limit_exceeded", "requests")),
    tag: "RateLimitedError",
    fields: { code: "rate_limit_exceeded" },
    message: /Rate limit reached/
  },
  {
    says: "429 with an empty account",
    to: "create",
    reply: json(429, protocol("You exceeded your current quota", null, "insufficient_quota")),
    tag: "QuotaExceededError",
    fields: { status: 429, code: "insufficient_quota" },
    message: /quota is used up/
  },
  {
    says: "new-api: 403 with an empty account",
    to: "create",
    reply: json(403, protocol("user quota is not enough", "insufficient_user_quota", "new_api_error")),
    tag: "QuotaExceededError",
    message: /user quota is not enough/
  },
  {
    says: "400 moderation_blocked",
    to: "create",
    reply: json(400, protocol("Your request was blocked.", "moderation_blocked")),
    tag: "ModerationBlockedError",
    fields: { status: 400, code: "moderation_blocked" },
    message: /refused by moderation/
  },
  {
    says: "400 content_policy_violation to a read, which no prompt was part of",
    to: "retrieve",
    reply: json(400, protocol("Blocked.", "content_policy_violation")),
    tag: "BadRequestError",
    fields: { code: "content_policy_violation", param: null },
    message: /Blocked\.$/
  }
]

const routesMissing: ReadonlyArray<Row> = [
  {
    says: "new-api",
    to: "extend",
    reply: json(404, protocol("Invalid URL (POST /v1/videos/extensions)", "", "invalid_request_error", "")),
    tag: "OperationUnsupportedError",
    fields: { status: 404, route: "POST /videos/extensions" },
    message: /does not serve POST \/videos\/extensions.*Check the base URL/
  },
  {
    says: "Starlette",
    to: "extend",
    reply: json(405, { detail: "Method Not Allowed" }),
    tag: "OperationUnsupportedError",
    fields: { status: 405, route: "POST /videos/extensions", detail: "Method Not Allowed" },
    message: /does not serve POST \/videos\/extensions/
  },
  {
    says: "LiteLLM's provider",
    to: "extend",
    reply: json(500, protocol("litellm.APIConnectionError: NotImplementedError: video extension", "500", null)),
    tag: "OperationUnsupportedError",
    fields: { status: 500 },
    message: /NotImplementedError/
  },
  {
    says: "a server that knows no videos at all",
    to: "create",
    reply: json(404, { detail: "Not Found" }),
    tag: "OperationUnsupportedError",
    fields: { status: 404, route: "POST /videos" },
    message: /does not serve POST \/videos /
  },
  {
    says: "Express",
    to: "download",
    reply: html(404, "<!DOCTYPE html><pre>Cannot GET /v1/videos/video_1/content</pre>"),
    tag: "OperationUnsupportedError",
    fields: { status: 404, route: "GET /videos/video_1/content" },
    message: /^downloadVideo: /
  },
  {
    says: "a create that names an unknown model",
    to: "create",
    reply: json(404, protocol("The model 'sora-9' does not exist", "model_not_found")),
    tag: "BadRequestError",
    fields: { status: 404, code: "model_not_found" },
    message: /sora-9/
  }
]

for (const { client, layer } of [anyClient]) {
  const check = ({ fields, message, reply, tag, to }: Row) =>
    Effect.gen(function* () {
      const { error, origin, requests } = yield* refusal(to, reply, layer)
      expect(error._tag).toBe(tag)
      expect(error).toMatchObject({ operation: `${to}Video`, ...fields })
      expect(error.message).toMatch(message)
      expect(requests).toHaveLength(1)
      if (error._tag === "OperationUnsupportedError") expect(error.origin).toBe(origin)
    })

  describe(`over ${client}, an error body is read whatever its envelope`, () => {
    it.scopedLive.each(envelopes)("$says", check)
  })

  describe(`over ${client}, a status becomes a tag`, () => {
    it.scopedLive.each(statuses)("$says to $to: $tag", check)
  })

  describe(`over ${client}, a missing route is one error`, () => {
    it.scopedLive.each(routesMissing)("$says to $to: $tag", check)
  })
}
