/** A key is in the requests to its own server and nowhere else, whatever that server sends, over each transport, for each operation. */
import { inspect } from "node:util"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { Cause, Clock, Effect, Exit, FastCheck, Layer, Logger, LogLevel, Metric, Redacted, Stream } from "effect"
import {
  awaitVideo,
  createCharacter,
  createVideo,
  deleteVideo,
  downloadVideo,
  editVideo,
  extendVideo,
  listVideos,
  remixVideo,
  retrieveCharacter,
  retrieveVideo,
  VideoFile,
  type Videos
} from "effect-videos"
import { start } from "../support/process.js"
import { runs } from "../support/seeds.js"
import { type Recorded, redirect, serve, text } from "../support/server.js"
import { recordSpans } from "../support/tracing.js"
import { anyClient, clients, job, videosOver } from "../support/videos.js"

addEqualityTesters()

const file = VideoFile.fromStream(Stream.make(new Uint8Array(100)), { name: "a.mp4" })

const calls: { readonly [name: string]: Effect.Effect<unknown, { readonly _tag: string }, Videos> } = {
  createVideo: createVideo({ prompt: "x" }),
  extendVideo: extendVideo({ video: "video_1", prompt: "x", seconds: 4 }),
  "extendVideo with a file": extendVideo({ video: file, prompt: "x", seconds: 4 }),
  editVideo: editVideo({ video: "video_1", prompt: "x" }),
  remixVideo: remixVideo({ video: "video_1", prompt: "x" }),
  createCharacter: createCharacter({ video: file, name: "x" }),
  retrieveCharacter: retrieveCharacter("character_1"),
  retrieveVideo: retrieveVideo("video_1"),
  listVideos: Stream.runDrain(Stream.take(listVideos(), 3)),
  deleteVideo: deleteVideo("video_1"),
  downloadVideo: Stream.runDrain(downloadVideo("video_1")),
  awaitVideo: awaitVideo("video_1", { totalTimeout: "50 millis" })
}

/** One of each kind that a transport sends and reads otherwise; the other calls are sent like these. */
const kinds = ["createVideo", "extendVideo with a file", "retrieveVideo", "downloadVideo"]
const callsOver = (client: string) =>
  Object.entries(calls).filter(([name]) => client === anyClient.client || kinds.includes(name))

type Sign = { readonly [name: string]: string }

/** What a server sends that repeats what it was sent; as bytes, so that it may be no HTTP at all. */
const echoes: { readonly [what: string]: (key: string, request: Recorded) => string } = {
  "an error with every header": (_, { headers }) => respond(400, JSON.stringify({ error: { message: said(headers) } })),
  "an error with every header as text": (_, { headers }) => respond(500, said(headers)),
  "a page": (key) => respond(502, `<html><title>Bad ${key}</title></html>`),
  "a page as HTML has it": (key) => respond(502, `<html><title>${escapeHtml(key)}</title></html>`),
  headers: (key) => respond(429, "{}", { "x-echo": `Bearer ${key}`, "x-request-id": key }),
  "a job, and headers": (key) => respond(200, JSON.stringify(job({ status: "failed", echo: key })), { "x-echo": key }),
  "a job that failed by it": (key) =>
    respond(200, JSON.stringify(job({ status: "failed", error: { code: key, message: `not ${key}` } }))),
  "a list of it": (key) => respond(200, JSON.stringify({ data: [{ id: "" }, key], error: key })),
  "a body that breaks off in it": (key) => respond(200, `{"error":"${key.slice(0, 20)}`, { "content-length": "999" }),
  "a redirect to nowhere": (key) => respond(302, "", { location: `data:,${encodeURIComponent(key)}` }),
  "no HTTP": (key) => `Bearer ${key}\r\n\r\n`,
  "a wrong status line": (key) => `HTTP/1.1 ${key} ${key}\r\n\r\n`,
  "a wrong header": (key) => `HTTP/1.1 200 OK\r\n${key}\u0000\r\n\r\n`,
  "a wrong length": (key) => respond(200, "{}", { "content-length": `${key}` }),
  "a wrong chunk": (key) => `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${key}\r\n${key}\r\n`
}

const said = (headers: object) => Object.entries(headers).flat().join(" ")

const escapeHtml = (words: string) =>
  words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")

const respond = (status: number, body: string, headers: Sign = {}): string =>
  [
    `HTTP/1.1 ${status} Whatever`,
    ...Object.entries({
      "content-length": String(Buffer.byteLength(body)),
      "content-type": "application/json",
      connection: "close",
      ...headers
    }).map(([name, value]) => `${name}: ${value}`),
    "",
    body
  ].join("\r\n")

/** Everything that a program could print, log, send or store of how a call ended. */
const shown = (exit: Exit.Exit<unknown, unknown>): string => {
  const errors = Exit.isFailure(exit)
    ? [...Cause.failures(exit.cause), ...Cause.defects(exit.cause), Cause.squash(exit.cause)]
    : [exit.value]
  return [
    inspect(exit, { depth: 5, maxStringLength: null }),
    JSON.stringify(exit),
    String(exit),
    ...(Exit.isFailure(exit) ? [Cause.pretty(exit.cause, { renderErrorCause: true }), String(exit.cause)] : []),
    ...errors.flatMap((error) => [
      String(error),
      JSON.stringify(error),
      inspect(error, { depth: 5, showHidden: true, getters: true, maxStringLength: null }),
      error instanceof Error ? `${error.message}\n${error.stack}` : ""
    ])
  ].join("\n")
}

/** Runs a call with all loggers and a tracer; returns everything that they record, and the error in every form. */
const seenOf = <A, E>(call: Effect.Effect<A, E>): Effect.Effect<{ readonly seen: string; readonly failed: boolean }> =>
  Effect.gen(function* () {
    const spans = recordSpans()
    const lines: Array<string> = []
    const keep = Logger.make((entry) => {
      for (const logger of [Logger.stringLogger, Logger.logfmtLogger, Logger.jsonLogger]) lines.push(logger.log(entry))
      lines.push(inspect(Logger.structuredLogger.log(entry), { depth: 12 }))
    })
    const exit = yield* call.pipe(
      Effect.tapErrorCause((cause) => Effect.logError("it failed", cause)),
      Effect.withSpan("program"),
      Effect.withTracer(spans.tracer),
      Effect.provide(Layer.merge(Logger.replace(Logger.defaultLogger, keep), Logger.minimumLogLevel(LogLevel.All))),
      Effect.exit
    )
    return {
      seen: [
        shown(exit),
        ...spans.said(),
        ...lines,
        inspect(Metric.unsafeSnapshot(), { depth: null, maxArrayLength: null, maxStringLength: null })
      ].join("\n"),
      failed: Exit.isFailure(exit)
    }
  })

const expectAbsent = (what: string, seen: string, key: string) => {
  for (const spelling of new Set([key, encodeURIComponent(key), JSON.stringify(key).slice(1, -1), escapeHtml(key)])) {
    const at = seen.indexOf(spelling)
    if (at >= 0) expect.fail(`${what}: the key is in …${seen.slice(Math.max(0, at - 300), at + spelling.length + 40)}`)
  }
}

const visible = Array.from({ length: 0x7e - 0x21 + 1 }, (_, index) => String.fromCharCode(0x21 + index))

/** Keys as providers make them, and unusual ones: of regular expressions' signs, of common words, of escapes. */
const keys = FastCheck.oneof(
  FastCheck.string({ unit: FastCheck.constantFrom(...visible), minLength: 16, maxLength: 60 }),
  FastCheck.string({ unit: FastCheck.constantFrom(..."$^.*+?()[]{}|\\/&%<>\"'"), minLength: 16, maxLength: 30 }),
  FastCheck.base64String({ minLength: 16, maxLength: 100 }).map((key) => `${key}/+==`),
  FastCheck.base64String({ minLength: 16, maxLength: 60 }).map((key) => encodeURIComponent(`${key}/+ &é`)),
  FastCheck.constantFrom(
    "video-status-queued-1",
    "application/json; charset=utf-8".replaceAll(" ", ""),
    "retrieveVideo_completed_0",
    "sk-$&-$1-$`-$'-0123456789"
  )
)

const configured = (key: string) => ({
  apiKey: Redacted.make(key),
  organization: "org-1",
  project: "proj_1",
  headers: { "x-team": "film", "x-other-key": Redacted.make(`${key}-2`) },
  onUnknownOutcome: "fail" as const,
  // A request whose body is not read may hang in `fetch` until its timeout.
  requestTimeout: "500 millis" as const,
  idleTimeout: "500 millis" as const
})

describe.each(clients)("over $client, a key", ({ client, layer }) => {
  it.effect.prop(
    "is in no log, span, metric or error of any call, whatever the server sends",
    [keys],
    ([key]) =>
      Effect.gen(function* () {
        let echo: (key: string, request: Recorded) => string = () => ""
        const server = yield* serve((response, request) => {
          response.socket?.end(Buffer.from(echo(key, request), "latin1"))
        })
        let failures = 0
        let asked = 0
        for (const [at, [what, made]] of Object.entries(echoes).entries()) {
          echo = made
          for (const [index, [name, call]] of callsOver(client).entries()) {
            // Each call meets every third response, those of a kind of their own every second one.
            if (index % (kinds.includes(name) ? 2 : 3) !== at % (kinds.includes(name) ? 2 : 3)) continue
            asked++
            const { failed, seen } = yield* seenOf(
              call.pipe(Effect.provide(videosOver(server, configured(key), layer)))
            )
            if (failed) failures++
            expectAbsent(`${name} on ${what}`, seen, key)
            expect(seen).toContain("Videos.")
          }
        }
        expect(failures).toBeGreaterThan(0.6 * asked)
        expect(server.requests[0]?.headers.authorization).toBe(`Bearer ${key}`)
      }).pipe(Effect.scoped, Effect.withClock(Clock.make())),
    { fastCheck: { numRuns: runs(1) } }
  )

  const faults: ReadonlyArray<Fault.Fault> = [
    Fault.status({ status: 429, retryAfter: "1 hour" }),
    Fault.status({ status: 401 }),
    Fault.status({ status: 500, committed: true }),
    Fault.status({ status: 524 }),
    Fault.html(),
    Fault.reset("before-headers"),
    Fault.reset("after-commit"),
    Fault.reset("mid-body"),
    Fault.cutJson(),
    Fault.slow({ bytes: 20, every: "1 millis" }),
    Fault.contentLength(9),
    Fault.contentLength(-9),
    Fault.redirect("http://127.0.0.1:9"),
    Fault.stale("5 seconds"),
    Fault.skew({ ahead: "1 hour" }),
    Fault.unknownStatus("dreaming"),
    Fault.absurd(),
    Fault.pathTricks(),
    Fault.page("first"),
    Fault.deepJson(),
    Fault.poison(),
    Fault.hugeHeaders(),
    Fault.expire(),
    Fault.duplicate("response")
  ]
  // Above the transports.
  it.scopedLive.each(client === anyClient.client ? faults : [])(
    "is in no log, span, metric or error of any call under %j",
    (fault) =>
      Effect.gen(function* () {
        const key = "sk-proj-0123456789/+abc=="
        const server = yield* VideosServer
        yield* server.faults.set([{ fault }])
        const at = faults.indexOf(fault)
        // Each call meets every third fault.
        for (const [name, call] of callsOver(client).filter((_, index) => index % 3 === at % 3)) {
          const { seen } = yield* seenOf(call.pipe(Effect.provide(videosOver(server, configured(key), layer))))
          expectAbsent(`${name} under ${fault._tag}`, seen, key)
        }
      }).pipe(
        Effect.provide(
          VideosServer.layer({ queueTime: 0, runTime: 0, apiKeys: [Redacted.make("sk-proj-0123456789/+abc==")] })
        )
      ),
    { timeout: 180_000 }
  )

  // What Node prints is `inspect` of the error, which the test above checks over the other transports.
  it.scopedLive.each(client === anyClient.client ? ["retrieve"] : client === "VideosUndici" ? ["download"] : [])(
    "is not in what Node prints of a failure that is not caught (%s)",
    (call) =>
      Effect.gen(function* () {
        const key = "sk-proj-0123456789/+abc=="
        const server = yield* serve((response) => {
          response.socket?.end(`HTTP/1.1 200 OK\r\nBearer ${key}\u0000\r\n\r\n`)
        })
        const { ended } = yield* start("crash", { BASE_URL: server.baseUrl, CALL: call, CLIENT: client, KEY: key })
        const { code, err, out } = yield* ended
        expect(code).toBe(1)
        expect(err).toContain("TransportError")
        expectAbsent("the crash", `${out}${err}`, key)
      }),
    { timeout: 180_000 }
  )

  it.effect.prop(
    "stays with the server's own origin, as does all that identifies the caller",
    [keys],
    ([key]) =>
      Effect.gen(function* () {
        const other = yield* serve(text(200, "bytes of a clip", { "content-type": "video/mp4" }))
        const server = yield* serve(redirect(307, `${other.origin}/elsewhere`))
        // What a program has set for all its requests is meant for the server that it set it for.
        const announcing = layer.pipe(
          Layer.provideMerge(
            Layer.succeed(FetchHttpClient.RequestInit, { headers: { "x-init-key": key, cookie: "a=1" } })
          )
        )
        for (const [, call] of callsOver(client)) {
          yield* Effect.exit(
            call.pipe(
              Effect.provide(videosOver(server, configured(key), announcing)),
              Effect.provideService(FetchHttpClient.RequestInit, { headers: { "x-init-key": key, cookie: "a=1" } })
            )
          )
        }
        expect(other.requests.length).toBeGreaterThan(2)
        for (const { headers, method } of other.requests) {
          expect(method).toBe("GET")
          expect(Object.keys(headers).sort()).toEqual(
            expect.not.arrayContaining([
              "authorization",
              "cookie",
              "idempotency-key",
              "openai-organization",
              "openai-project",
              "x-init-key",
              "x-other-key",
              "x-team"
            ])
          )
          expectAbsent("another origin", JSON.stringify(headers), key)
          expect(JSON.stringify(headers)).not.toMatch(/org-1|proj_1|film|a=1/)
        }
      }).pipe(Effect.scoped, Effect.withClock(Clock.make())),
    { fastCheck: { numRuns: runs(1) } }
  )
})
