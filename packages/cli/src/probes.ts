/**
 * What `doctor` asks a server, and what an answer tells. No request can make a job: ids are invented, and a body that goes to a
 * route that makes jobs cannot be read, or names no model, no prompt, no length and no size that there is.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Operation } from "effect-videos/Errors"
import type { VideosConfigService } from "effect-videos/Http"
import { makePrepare } from "effect-videos/internal/http/prepareRequest"
import { makeSecrets } from "effect-videos/internal/http/redaction"
import type { StatusError } from "effect-videos/internal/http/responseError"
import { leavesOpen, toError } from "effect-videos/internal/http/responseError"
import { diagnose } from "effect-videos/internal/http/transportError"
import { currentMonotonicMillis } from "effect-videos/internal/monotonicClock"
import { readJson } from "effect-videos/internal/protocol/json"
import { isObject } from "effect-videos/internal/protocol/jsonReaders"

// -----------------------------------------------------------------------------
// questions
// -----------------------------------------------------------------------------

export interface Probe {
  readonly operation: Operation
  readonly method: "GET" | "POST" | "DELETE"
  readonly path: string
  /** The invented id, where the path has one. */
  readonly id: string | null
  readonly body: { readonly type: string; readonly text: string } | null
  /** What is special about the request, in words. */
  readonly with: string
}

const unreadable = { type: "application/json", text: '{"prompt":' }

/** A form in which there is no form. */
const noForm = { type: "multipart/form-data; boundary=effect-videos-doctor", text: "no form" }

/** JSON that can be read, and in which nothing is right: whoever reads it says something else than of no JSON at all. */
const impossible = {
  type: "application/json",
  text: JSON.stringify({ prompt: [], seconds: "none", size: "none", model: "effect-videos-doctor" })
}

const post = (operation: Operation, path: string, id: string | null = null): Probe => ({
  operation,
  method: "POST",
  path,
  id,
  body: unreadable,
  with: "a body that is no JSON"
})

const read = (operation: Operation, path: string, id: string | null): Probe => ({
  operation,
  method: "GET",
  path,
  id,
  body: null,
  with: id === null ? "" : "an id that nobody has"
})

/** One question per operation, in the order of the protocol. `id` must be of no job. */
export const probesOf = (id: string): ReadonlyArray<Probe> => [
  read("listVideos", "/videos?limit=1", null),
  read("retrieveVideo", `/videos/${id}`, id),
  read("downloadVideo", `/videos/${id}/content`, id),
  post("createVideo", "/videos"),
  post("extendVideo", "/videos/extensions"),
  post("editVideo", "/videos/edits"),
  { ...post("remixVideo", `/videos/${id}/remix`, id), with: "an id that nobody has, and a body that is no JSON" },
  { ...read("deleteVideo", `/videos/${id}`, id), method: "DELETE" },
  post("createCharacter", "/videos/characters"),
  read("retrieveCharacter", `/videos/characters/${id}`, id)
]

export const formProbe: Probe = { ...post("createVideo", "/videos"), body: noForm, with: "a form that is none" }

export const jsonProbe: Probe = {
  ...post("createVideo", "/videos"),
  body: impossible,
  with: "JSON in which no field is right"
}

// -----------------------------------------------------------------------------
// answers
// -----------------------------------------------------------------------------

export interface Answered {
  readonly status: number
  readonly headers: { readonly [name: string]: string | undefined }
  readonly body: string
  readonly latency: number
}

/** An answer, or why there is none. */
export type Reply = Answered | { readonly broken: string }

export const isAnswered = (reply: Reply): reply is Answered => "status" in reply

/** No server takes longer to refuse something. */
const patience = Duration.seconds(10)

/** Sends one question, once; no redirect is followed. */
export const ask = (
  config: VideosConfigService,
  { body, method, operation, path }: Probe
): Effect.Effect<Reply, never, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const { scrub } = makeSecrets(config)
    const asked = HttpClientRequest.make(method)(path)
    const request = makePrepare(config)({
      operation,
      kind: "read",
      request: body === null ? asked : HttpClientRequest.bodyText(asked, body.text, body.type)
    })
    const started = yield* currentMonotonicMillis
    return yield* client.execute(request).pipe(
      Effect.flatMap((response) => Effect.map(response.text, (text) => ({ response, text }))),
      Effect.flatMap(({ response, text }) =>
        Effect.map(
          currentMonotonicMillis,
          (ended): Reply => ({
            status: response.status,
            headers: response.headers,
            body: scrub(text.slice(0, 64 * 1024)),
            latency: ended - started
          })
        )
      ),
      Effect.catchAll((error) => Effect.succeed<Reply>({ broken: scrub(diagnose(error.cause ?? error).detail) })),
      Effect.timeoutTo({
        duration: Duration.min(patience, config.requestTimeout),
        onSuccess: (reply) => reply,
        onTimeout: (): Reply => ({
          broken: `no answer within ${Duration.format(Duration.min(patience, config.requestTimeout))}`
        })
      })
    )
  })

/** How a server writes its errors. */
export type ErrorShape = "openai" | "fastapi" | "new-api" | "json" | "html" | "text" | "empty"

export const shapeOf = (body: string): ErrorShape => {
  if (body.trim() === "") return "empty"
  try {
    const value: unknown = readJson(body)
    if (isObject(value)) {
      if (isObject(value.error)) return "openai"
      if ("detail" in value) return "fastapi"
      if ("code" in value && "message" in value && "data" in value) return "new-api"
    }
    return "json"
  } catch {
    return /^\s*</.test(body) ? "html" : "text"
  }
}

// -----------------------------------------------------------------------------
// what an answer tells
// -----------------------------------------------------------------------------

export interface Finding {
  readonly operation: Operation
  /** Method and path. */
  readonly route: string
  readonly served: "yes" | "no" | "unknown"
  readonly status: number | null
  readonly latency: number | null
  /** What was sent, what came back, and what follows from it. */
  readonly because: string
  /** What the library would have made of the answer; `null` where it is none of its errors. */
  readonly error: StatusError | null
}

/** The server's own words, short. */
const words = (error: StatusError): string => {
  const text = error.detail.replace(/\s+/g, " ").trim()
  return text === "" ? "no words" : `“${text.length > 80 ? `${text.slice(0, 79)}…` : text}”`
}

const conclude = (
  error: StatusError,
  probe: Probe
): { readonly served: Finding["served"]; readonly because: string } => {
  switch (error._tag) {
    case "OperationUnsupportedError":
      return { served: "no", because: "the route is not there" }
    case "AuthenticationError":
      return { served: "unknown", because: "the key was refused before the request was looked at" }
    case "RateLimitedError":
    case "QuotaExceededError":
      return { served: "unknown", because: "refused before the request was looked at" }
    case "ServerError":
      return { served: "unknown", because: "the server failed" }
    case "VideoNotFoundError":
      return leavesOpen(error) && !/\bcharacter\b/i.test(error.detail)
        ? { served: "no", because: "a 404 that names nothing that is missing: the route is not there" }
        : { served: "yes", because: "it looked for it" }
    default:
      return { served: "yes", because: probe.body === null ? "it looked at the request" : "it looked at the body" }
  }
}

export const findingOf = (config: VideosConfigService, probe: Probe, reply: Reply, now: number): Finding => {
  const { method, operation, path } = probe
  const route = `${method} ${path}`
  const sent = probe.with === "" ? "" : `${probe.with}: `
  if (!isAnswered(reply)) {
    return {
      operation,
      route,
      served: "unknown",
      status: null,
      latency: null,
      because: `${sent}${reply.broken}`,
      error: null
    }
  }
  const { latency, status } = reply
  const base = { operation, route, status, latency }
  if (status >= 300 && status < 400) {
    return {
      ...base,
      served: "unknown",
      because: `${sent}a redirect to ${makeSecrets(config).scrub(reply.headers["location"] ?? "nowhere")}`,
      error: null
    }
  }
  if (status < 300) {
    const json = shapeOf(reply.body) === "json"
    // A page for people answers anything with 200; so does a proxy that says no in a body (LiteLLM's content).
    return {
      ...base,
      served: json ? "yes" : "unknown",
      because: `${sent}${json ? "answered" : "answered, but with nothing of the protocol"}`,
      error: null
    }
  }
  const error = toError(
    {
      operation,
      route,
      origin: new URL(config.baseUrl).origin,
      isForeign: false,
      videoId: probe.id,
      scrub: makeSecrets(config).scrub
    },
    reply,
    now
  )
  const { because, served } = conclude(error, probe)
  return {
    ...base,
    served,
    because: `${because}: ${probe.with === "" ? "the request" : probe.with} got ${words(error)}`,
    error
  }
}
