/**
 * What `doctor` sends, and what a response shows. No request can make a job: ids are invented, and a body that goes to a route
 * that makes jobs cannot be read, or names no model, prompt, length and size that exist.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import { type Dialect, dialects, VideosConfig, type VideosConfigService, type VideosHttpError } from "effect-videos"
import { VideosHttp } from "effect-videos/transport"
import { monotonicMillis } from "./display.js"
import { withoutOperation } from "./text.js"

// -----------------------------------------------------------------------------
// requests
// -----------------------------------------------------------------------------

export interface Probe {
  readonly operation: keyof Dialect["paths"]
  readonly method: "GET" | "POST" | "DELETE"
  readonly path: string
  /** The invented id in the path. */
  readonly id: string | null
  readonly body: { readonly type: string; readonly text: string } | null
  /** What is special about the request. */
  readonly with: string
}

const unreadable = { type: "application/json", text: '{"prompt":' }

/** JSON with no field that is right: a server that reads it has another error for it than for a body that is not JSON. */
const impossible = {
  type: "application/json",
  text: JSON.stringify({ prompt: [], seconds: "none", size: "none", model: "effect-videos-doctor" })
}

const notForm = { type: "multipart/form-data; boundary=effect-videos-doctor", text: "not a form" }

const post = (operation: Probe["operation"], path: string, id: string | null = null): Probe => ({
  operation,
  method: "POST",
  path,
  id,
  body: unreadable,
  with: id === null ? "a body that is not JSON" : "an unknown id and a body that is not JSON"
})

const read = (operation: Probe["operation"], path: string, id: string | null): Probe => ({
  operation,
  method: "GET",
  path,
  id,
  body: null,
  with: id === null ? "" : "an unknown id"
})

/** One request per operation, in the order of the protocol. `id` must be of no job. */
export const probesOf = (id: string): ReadonlyArray<Probe> => [
  read("listVideos", "/videos?limit=1", null),
  read("retrieveVideo", `/videos/${id}`, id),
  read("downloadVideo", `/videos/${id}/content`, id),
  post("createVideo", "/videos"),
  post("createVideo", "/videos/generations"),
  post("extendVideo", "/videos/extensions"),
  post("editVideo", "/videos/edits"),
  post("remixVideo", `/videos/${id}/remix`, id),
  { ...read("deleteVideo", `/videos/${id}`, id), method: "DELETE" },
  post("createCharacter", "/videos/characters"),
  read("retrieveCharacter", `/videos/characters/${id}`, id)
]

export const formProbe = (path: string): Probe => ({
  ...post("createVideo", path),
  body: notForm,
  with: "a body that is not a form"
})

export const jsonProbe = (path: string): Probe => ({
  ...post("createVideo", path),
  body: impossible,
  with: "JSON with wrong fields"
})

// -----------------------------------------------------------------------------
// responses
// -----------------------------------------------------------------------------

export interface Reply {
  /** `null`: there was no response. The body is as the server sent it, secrets included: it is compared, never shown. */
  readonly response: {
    readonly status: number
    readonly headers: { readonly [name: string]: string | undefined }
    readonly body: string
    readonly latency: number
  } | null
  /** What the library made of it. */
  readonly error: VideosHttpError | null
}

const longest = Duration.seconds(10)

const withoutBody: ReadonlySet<number> = new Set([204, 205, 304])

/** Sends requests by the library's own client, whatever the dialect leaves out, and keeps what came back. */
export const makeAsk = (config: VideosConfigService) =>
  Effect.gen(function* () {
    let response: Reply["response"] = null
    const client = HttpClient.transform(yield* HttpClient.HttpClient, (sent, request) =>
      Effect.gen(function* () {
        const started = yield* monotonicMillis
        const { headers, status, text } = yield* sent
        const body = yield* text
        response = { status, headers, body, latency: (yield* monotonicMillis) - started }
        return HttpClientResponse.fromWeb(
          request,
          new Response(withoutBody.has(status) ? null : body, { status, headers })
        )
      })
    )
    const everything = { ...config.dialect, paths: dialects.openai.paths }
    const layer = VideosHttp.layer.pipe(
      Layer.provide(Layer.succeed(VideosConfig, { ...config, dialect: everything })),
      Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
    )
    const http = yield* Effect.provide(VideosHttp, layer)
    return ({ body, id, method, operation, path }: Probe): Effect.Effect<Reply> => {
      const request = HttpClientRequest.make(method)(path)
      const call = http.execute({
        operation,
        kind: "read",
        request: body === null ? request : HttpClientRequest.bodyText(request, body.text, body.type),
        ...(id === null ? {} : { videoId: id }),
        options: { singleAttempt: true, timeout: Duration.min(longest, config.requestTimeout) }
      })
      return Effect.map(
        Effect.suspend(() => {
          response = null
          return Effect.either(call)
        }),
        (result) => ({ response, error: Either.isLeft(result) ? result.left : null })
      )
    }
  })

/** How a server writes its errors. */
export type ErrorShape = "openai" | "fastapi" | "new-api" | "json" | "html" | "text" | "empty"

export const parsed = (body: string): unknown => {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

export const shapeOf = (body: string): ErrorShape => {
  const value = parsed(body)
  if (body.trim() === "") return "empty"
  if (value === undefined) return /^\s*</.test(body) ? "html" : "text"
  if (Predicate.isRecord(value)) {
    if (Predicate.isRecord(value.error)) return "openai"
    if ("detail" in value) return "fastapi"
    if ("code" in value && "message" in value && "data" in value) return "new-api"
  }
  return "json"
}

// -----------------------------------------------------------------------------
// findings
// -----------------------------------------------------------------------------

export interface Finding {
  readonly operation: keyof Dialect["paths"]
  /** Method and path. */
  readonly route: string
  readonly served: "yes" | "no" | "unknown"
  readonly status: number | null
  readonly latency: number | null
  /** What was sent, what came back, and what follows from it. */
  readonly because: string
  readonly error: VideosHttpError | null
}

/** Whether a 404 says that the job is missing, and not the route. */
const namesMissing = (probe: Probe, code: string | null, detail: string): boolean =>
  detail.includes(probe.id ?? "-") ||
  /\b(video|task|job|character)s?\b/i.test(`${code ?? ""} ${detail}`.replaceAll("_", " "))

const conclude = (error: VideosHttpError, probe: Probe): Pick<Finding, "served" | "because"> => {
  switch (error._tag) {
    case "OperationUnsupportedError":
      return { served: "no", because: "the route does not exist" }
    case "AuthenticationError":
      return { served: "unknown", because: "the key was refused before the request was read" }
    case "RateLimitedError":
    case "QuotaExceededError":
      return { served: "unknown", because: "refused before the request was read" }
    case "ServerError":
      return { served: "unknown", because: "the server failed" }
    case "VideoNotFoundError":
      return namesMissing(probe, error.code, error.detail)
        ? { served: "yes", because: "the id was looked up" }
        : { served: "no", because: "a 404 that names nothing that is missing: the route does not exist" }
    case "BadRequestError":
    case "ConflictError":
    case "ModerationBlockedError":
      return { served: "yes", because: probe.body === null ? "the request was read" : "the body was read" }
    default:
      return { served: "unknown", because: withoutOperation(error.message) }
  }
}

const short = (text: string): string => {
  const line = text.replace(/\s+/g, " ").trim()
  return line === "" ? "no message" : `“${line.length > 80 ? `${line.slice(0, 79)}…` : line}”`
}

export const findingOf = (probe: Probe, { error, response }: Reply): Finding => {
  const { method, operation, path, with: sent } = probe
  const base = {
    operation,
    route: `${method} ${path}`,
    status: response?.status ?? null,
    latency: response?.latency ?? null,
    error
  }
  const prefix = sent === "" ? "" : `${sent}: `
  if (error === null) return { ...base, served: "yes", because: `${prefix}responded` }
  // A page for people responds to anything with 200; so does a proxy that refuses in a body (LiteLLM's content).
  if (response !== null && response.status < 300) {
    return { ...base, served: "unknown", because: `${prefix}responded, but not in the protocol` }
  }
  const { because, served } = conclude(error, probe)
  const got =
    "status" in error && "detail" in error ? `: ${sent === "" ? "the request" : sent} got ${short(error.detail)}` : ""
  return { ...base, served, because: `${because}${got}` }
}
