import { inspect } from "node:util"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Either, FastCheck, Redacted, Schema, Stream } from "effect"
import {
  createVideo,
  type DownloadVideoError,
  downloadVideo,
  type ExtendVideoError,
  extendVideo,
  retrieveVideo,
  VideoResource,
  type Videos
} from "effect-videos"
import { runs } from "./support/seeds.js"
import { closedPort, inTurn, json, redirect, reset, serve, text } from "./support/server.js"
import { recordSpans } from "./support/tracing.js"
import { clients, job, respondJson, videosOver, videosScripted } from "./support/videos.js"

addEqualityTesters()

type Call = Effect.Effect<void, ExtendVideoError | DownloadVideoError, Videos>

const download: Call = Stream.runDrain(downloadVideo("video_1", { singleAttempt: true }))

const calls: ReadonlyArray<Call> = [
  Effect.asVoid(retrieveVideo("video_1", { singleAttempt: true })),
  Effect.asVoid(createVideo({ prompt: "x" }, { singleAttempt: true })),
  Effect.asVoid(extendVideo({ video: "video_1", prompt: "x", seconds: 4 }, { singleAttempt: true })),
  download
]

/** Everything that a program could print, log or send of an error. */
const shown = (error: Error): string =>
  [
    error.message,
    String(error),
    error.stack,
    JSON.stringify(error),
    inspect(error, { depth: 10, showHidden: true }),
    JSON.stringify(Cause.fail(error)),
    Cause.pretty(Cause.fail(error), { renderErrorCause: true })
  ].join("\n")

/** Every character as JSON may also write it: `\u0073` for `s`. */
const escaped = (words: string): string =>
  Array.from(words, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")

const respond =
  (status: number, body: string, headers: { readonly [name: string]: string } = {}) =>
  () =>
    Effect.sync(() => new Response(body, { status, headers }))

const said = (value: unknown, status = 400) => respond(status, JSON.stringify(value))

/** Servers, proxies and transports that repeat the key. */
const failures: {
  readonly [what: string]: (
    key: string
  ) => (
    index: number,
    request: HttpClientRequest.HttpClientRequest
  ) => Effect.Effect<Response, HttpClientError.HttpClientError>
} = {
  "the protocol's error": (key) =>
    said({ error: { message: `Incorrect API key provided: ${key}.`, type: key, param: key, code: key } }, 401),
  "a param and no more": (key) => said({ error: { message: "bad", param: `headers.${key}`, code: null } }),
  "an escaped error": (key) => respond(400, `{"error":{"message":"key ${escaped(key)}","code":"${escaped(key)}"}}`),
  "an escaped response without an id": (key) => respond(200, `{"error":{"message":"key ${escaped(key)}"}}`),
  "a slash escaped as PHP does": (key) => respond(400, JSON.stringify({ detail: key }).replaceAll("/", "\\/")),
  "FastAPI's list": (key) => said({ detail: [{ loc: ["header", key], msg: `got ${key}`, type: key }] }, 422),
  "JSON in JSON": (key) => said({ code: "x", message: JSON.stringify({ error: { message: key } }) }, 500),
  "a page": (key) => respond(502, `<html><title>Bad ${key}</title></html>`),
  "a page with status 200": (key) => respond(200, `<html><title>Bad ${key}</title></html>`),
  "plain words, at the cut": (key) => respond(500, `${"x".repeat(2040)}${key}`),
  "nothing but the key, again and again": (key) => respond(500, key.repeat(20_000 / key.length)),
  "more of it than is read": (key) => respond(500, `y${key.repeat(80_000 / key.length + 1)}`),
  "the same with status 200": (key) => respond(200, `y${key.repeat(80_000 / key.length)}`),
  "percent-encoding": (key) => respond(400, `?key=${encodeURIComponent(key)}`),
  "a response without an id": (key) => said({ error: { message: `key ${key}` }, key }, 200),
  "xAI's response": (key) => said({ request_id: key }, 200),
  "a list": (key) => said([key], 200),
  "JSON that was cut": (key) => respond(200, `{"id":"video_1","key":"${key}`),
  "a redirect": (key) =>
    respond(307, "", { location: `http://other.invalid/${encodeURIComponent(key)}?key=${encodeURIComponent(key)}` }),
  "a redirect to nowhere": (key) => respond(302, "", { location: `file:///${encodeURIComponent(key)}` }),
  "a transport that says the header": (key) => (_, request) =>
    Effect.fail(
      new HttpClientError.RequestError({
        request,
        reason: "Transport",
        cause: new TypeError(`invalid header Bearer ${key}`, { cause: new Error(key) })
      })
    ),
  "a transport without a cause": () => (_, request) =>
    Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", description: "no luck" })),
  "a response that cannot be decoded": () => (_, request) =>
    Effect.succeed(
      new Response(
        new ReadableStream({
          start: (controller) => controller.error(new Error(`lost ${JSON.stringify(request.headers)}`))
        })
      )
    )
}

/** Failures with messages of the client: its own span records them before the library can redact them. */
const clientsOwn = ["a transport that says the header"]

const visible = Array.from({ length: 0x7e - 0x21 + 1 }, (_, index) => String.fromCharCode(0x21 + index))

const keys = FastCheck.oneof(
  FastCheck.string({ unit: FastCheck.constantFrom(...visible), minLength: 16, maxLength: 60 }),
  FastCheck.base64String({ minLength: 16, maxLength: 200 }).map((key) => `sk-proj-${key}/+`)
)

describe("a key", () => {
  const check = (key: string, configured: { readonly [name: string]: unknown }) =>
    Effect.gen(function* () {
      for (const [what, failure] of Object.entries(failures)) {
        for (const call of calls) {
          const spans = recordSpans()
          const { layer, tries } = videosScripted(failure(key), configured)
          const result = yield* Effect.either(call).pipe(Effect.provide(layer), Effect.withTracer(spans.tracer))
          if (Either.isRight(result)) {
            // Bytes that came with a 200 are the clip, whatever they say.
            expect(call).toBe(download)
            continue
          }
          const error = result.left
          expect(
            tries.headers.some((headers) => JSON.stringify(headers).includes(JSON.stringify(key).slice(1, -1)))
          ).toBe(true)
          expect(spans.names().length).toBeGreaterThan(1)
          const texts = [shown(error), ...(clientsOwn.includes(what) ? [] : spans.said())].join("\n")
          for (const spelling of [key, key.slice(0, 14), encodeURIComponent(key), JSON.stringify(key).slice(1, -1)]) {
            if (texts.includes(spelling)) {
              const at = texts.indexOf(spelling)
              expect.fail(`${what}: ${error._tag} shows ${texts.slice(Math.max(0, at - 200), at + spelling.length)}`)
            }
          }
        }
      }
    })

  it.effect.prop(
    "is in no error and no span if servers, proxies and transports repeat it",
    [keys],
    ([key]) => check(key, { apiKey: Redacted.make(key) }),
    { fastCheck: { numRuns: runs(1) } }
  )

  it.effect.prop(
    "is in no error and no span if it is a custom header",
    [keys],
    ([key]) => check(key, { headers: { "x-litellm-key": Redacted.make(key) } }),
    { fastCheck: { numRuns: runs(1) } }
  )

  it.effect("is in no error and no span, not even half of it, if it is as long as a signed token", () => {
    const token = `eyJ${Array.from({ length: 300 }, (_, index) => (index * 7919).toString(36)).join("")}`
    return check(token, { apiKey: Redacted.make(token) })
  })

  it.effect("is in no error and no span if it is short", () => check("sk-test", { apiKey: Redacted.make("sk-test") }))

  it.effect.each(["video", "x", "null", "0", '"', "EMPTY", "queued", "lighthouse"])(
    "that is not a secret (%j) changes nothing of a job",
    (key) =>
      Effect.gen(function* () {
        const body = job({ prompt: `a lighthouse and a fox, "EMPTY"`, extra: { key, [key]: [0] } })
        const { layer } = videosScripted(said(body, 200), { apiKey: Redacted.make(key) })
        const expected = yield* Schema.decodeUnknown(VideoResource)(body)
        expect(yield* retrieveVideo("video_1").pipe(Effect.provide(layer))).toEqual(expected)
        expect(yield* createVideo({ prompt: "x" }).pipe(Effect.provide(layer))).toEqual(expected)
      })
  )

  it.effect("is redacted in a job that a server writes it into, and in the error that the job becomes", () =>
    Effect.gen(function* () {
      const key = "sk-proj-0123456789"
      const failed = job({
        status: "failed",
        error: { code: "upstream", message: `Incorrect API key: ${key}` },
        seen: [{ [key]: JSON.stringify({ header: `Bearer ${key}` }) }]
      })
      const { layer } = videosScripted((index) => (index === 0 ? respondJson(404, {}) : respondJson(200, failed)), {
        apiKey: Redacted.make(key)
      })
      const error = yield* Effect.flip(download).pipe(Effect.provide(layer))
      expect(error).toMatchObject({
        _tag: "VideoFailedError",
        video: { id: "video_1", error: { code: "upstream", message: "Incorrect API key: <redacted>" } }
      })
      expect(shown(error)).not.toContain(key)
    })
  )

  it.effect.each(["error", "message", "e", "code", "x", "1", '"'])(
    "that is a common word (%j) does not hide what the server says",
    (key) =>
      Effect.gen(function* () {
        const refusal = { error: { message: "You exceeded your current quota", code: "insufficient_quota" } }
        const { layer } = videosScripted(said(refusal, 429), { apiKey: Redacted.make(key) })
        const error = yield* Effect.flip(createVideo({ prompt: "x" }, { singleAttempt: true })).pipe(
          Effect.provide(layer)
        )
        expect(error._tag).toBe("QuotaExceededError")
      })
  )

  it.scopedLive.each(clients)("stays out of what happens on a socket ($client)", ({ layer }) =>
    Effect.gen(function* () {
      const key = "sk-proj-0123456789/+abcdefghij"
      const echo = `you sent Bearer ${key}`
      const other = yield* serve(reset)
      const port = yield* closedPort
      const server = yield* serve((response, request, index) =>
        inTurn(
          json(401, { error: { message: echo } }),
          text(200, echo),
          json(200, { detail: echo }),
          redirect(302, `${other.origin}/?${encodeURIComponent(key)}`),
          redirect(302, `http://127.0.0.1:${port}/?${encodeURIComponent(key)}`),
          reset
        )(response, request, index)
      )
      const spans = recordSpans()
      for (let turn = 0; turn < 6; turn++) {
        const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(
          Effect.provide(videosOver(server, { apiKey: Redacted.make(key) }, layer)),
          Effect.withTracer(spans.tracer)
        )
        expect(shown(error)).not.toContain(key)
      }
      expect(server.requests).toHaveLength(6)
      expect(server.requests[0]?.headers.authorization).toBe(`Bearer ${key}`)
      expect(spans.names()).toContain("Videos.retrieve")
      for (const words of spans.said()) expect(words).not.toContain(key)
    })
  )
})

describe("spans", () => {
  it.effect("carry no prompt, and name the operation", () =>
    Effect.gen(function* () {
      const spans = recordSpans()
      const { layer } = videosScripted(said(job({ prompt: null }), 200))
      const prompt = "a very particular lighthouse"
      yield* createVideo({ prompt, model: "sora-2" }).pipe(Effect.provide(layer), Effect.withTracer(spans.tracer))
      yield* extendVideo({ video: "video_1", prompt, seconds: 8 }).pipe(
        Effect.provide(layer),
        Effect.withTracer(spans.tracer)
      )
      expect(spans.names()).toEqual(expect.arrayContaining(["Videos.create", "Videos.extend"]))
      expect(spans.said().join("\n")).toMatch(/"gen_ai\.operation\.name","create_video"/)
      expect(spans.said().join("\n")).not.toContain(prompt)
    })
  )
})
