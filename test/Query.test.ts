/** The configuration's query: in every request to the server's own origin, in no other, and its secrets shown nowhere. */
import { inspect } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Schedule, Stream } from "effect"
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
import { inTurn, json, type Reply, redirect, reset, routes, serve, text } from "./support/server.js"
import { recordSpans } from "./support/tracing.js"
import { anyClient, job, videosOver } from "./support/videos.js"

const secret = "p/a+s=s w&ord-12345"
const query = { "api-version": "preview", "api-key": secret, code: "abc" }

const paramsOf = (url: string) => [...new URL(url, "http://host").searchParams]
const queryOf = (url: string) => Object.fromEntries(paramsOf(url))

const file = VideoFile.fromStream(Stream.make(new Uint8Array(100)), { name: "a.mp4" })

const calls: { readonly [name: string]: Effect.Effect<unknown, unknown, Videos> } = {
  createVideo: createVideo({ prompt: "x" }),
  extendVideo: extendVideo({ video: "video_1", prompt: "x", seconds: 4 }),
  "extendVideo with a file": extendVideo({ video: file, prompt: "x", seconds: 4 }),
  editVideo: editVideo({ video: "video_1", prompt: "x" }),
  remixVideo: remixVideo({ video: "video_1", prompt: "x" }),
  createCharacter: createCharacter({ video: file, name: "x" }),
  retrieveCharacter: retrieveCharacter("character_1"),
  retrieveVideo: retrieveVideo("video_1"),
  listVideos: Stream.runDrain(listVideos({ limit: 1 })),
  deleteVideo: deleteVideo("video_1"),
  downloadVideo: Stream.runDrain(downloadVideo("video_1", { variant: "thumbnail" })),
  awaitVideo: awaitVideo("video_1")
}

/** A server that does everything at once. */
const anything: Reply = (response, request, index) => {
  if (request.url.includes("/content")) return text(200, "bytes")(response, request, index)
  if (request.method === "GET" && /\/videos\?/.test(request.url)) {
    const page = { data: [job({ id: `video_${index + 1}` })], has_more: index === 0, last_id: `video_${index + 1}` }
    return json(200, page)(response, request, index)
  }
  json(200, job({ status: "completed", name: "x", deleted: true }))(response, request, index)
}

describe.each([anyClient])("over $client", ({ layer }) => {
  it.scopedLive.each(Object.keys(calls))("%s has it in each of its requests, each parameter once", (name) =>
    Effect.gen(function* () {
      const server = yield* serve(anything)
      yield* Effect.exit(Effect.provide(calls[name] ?? Effect.void, videosOver(server, { query }, layer)))
      expect(server.requests).not.toHaveLength(0)
      if (name === "listVideos") expect(server.requests).toHaveLength(2)
      for (const { url } of server.requests) {
        expect(queryOf(url)).toMatchObject(query)
        expect(paramsOf(url)).toHaveLength(Object.keys(queryOf(url)).length)
      }
    })
  )

  it.scopedLive("a read of the list after a lost response has it, and so has what is sent again", () =>
    Effect.gen(function* () {
      const server = yield* serve((response, request, index) => {
        if (index === 0) return reset(response, request, index)
        if (request.method === "GET") return json(200, { data: [], has_more: false })(response, request, index)
        json(200, job())(response, request, index)
      })
      const videos = videosOver(server, { query, onUnknownOutcome: "reconcile", listLag: 0 }, layer)
      yield* createVideo({ prompt: "x" }).pipe(Effect.provide(videos))
      expect(new Set(server.requests.map(({ method }) => method))).toEqual(new Set(["POST", "GET"]))
      for (const { url } of server.requests) expect(queryOf(url)).toMatchObject(query)
    })
  )

  it.scopedLive("a redirect within the origin has it, except for what the location sets itself", () =>
    Effect.gen(function* () {
      const server = yield* serve(inTurn(redirect(307, "/v2/here?api-version=2&a=1"), json(200, job())))
      yield* retrieveVideo("video_1").pipe(Effect.provide(videosOver(server, { query }, layer)))
      expect(queryOf(server.requests[1]?.url ?? "")).toEqual({ ...query, "api-version": "2", a: "1" })
    })
  )

  it.scopedLive("another origin gets nothing of it, by a redirect or by a job's URL", () =>
    Effect.gen(function* () {
      const storage = yield* serve(text(200, "the clip's bytes"))
      const redirecting = yield* serve(redirect(302, `${storage.origin}/clip.mp4?sig=s1`))
      const naming = yield* serve(json(200, job({ status: "completed", url: `${storage.origin}/clip.mp4?sig=s1` })))
      for (const server of [redirecting, naming]) {
        yield* Effect.exit(
          Stream.runDrain(downloadVideo("video_1")).pipe(Effect.provide(videosOver(server, { query }, layer)))
        )
      }
      expect(storage.requests).not.toHaveLength(0)
      for (const { url } of storage.requests) expect(url).toBe("/clip.mp4?sig=s1")
    })
  )

  it.scopedLive("a call's own query wins over it, and a page's cursor does", () =>
    Effect.gen(function* () {
      const server = yield* serve(routes({ "GET /v1/videos/video_1?api-version=2&limit=7": json(200, job()) }))
      const videos = videosOver(server, { query: { limit: "7", "api-version": "1" } }, layer)
      yield* retrieveVideo("video_1", { extraQuery: { "api-version": "2" } }).pipe(Effect.provide(videos))
      yield* Effect.exit(Stream.runDrain(listVideos({ limit: 3 })).pipe(Effect.provide(videos)))
      expect(queryOf(server.requests[1]?.url ?? "")).toEqual({ limit: "3", "api-version": "1" })
    })
  )

  it.scopedLive("no error and no span shows its secrets, whatever the server repeats", () =>
    Effect.gen(function* () {
      const echoes: ReadonlyArray<Reply> = [
        (response, request, index) => json(400, { error: { message: request.url } })(response, request, index),
        (response, request, index) => text(502, request.url)(response, request, index),
        (response, request, index) => text(500, JSON.stringify(request.headers))(response, request, index),
        (response, request, index) => text(200, `${secret} ${request.url}`)(response, request, index),
        (response, request, index) => json(200, { error: { message: request.url } })(response, request, index),
        (response, request, index) => json(200, { echo: request.headers })(response, request, index),
        (response, request, index) => redirect(302, `ftp://host${request.url}`)(response, request, index),
        reset
      ]
      const ways = [
        { config: { query }, call: {} },
        { config: {}, call: { extraQuery: query } },
        { config: {}, call: { extraQuery: { ...query, "api-key": "other-1" }, extraHeaders: { "x-key": secret } } },
        { config: {}, call: { extraQuery: query, extraHeaders: { authorization: `Bearer ${secret}` } } }
      ]
      for (const [echo, { call, config }] of echoes.flatMap((echo) => ways.map((way) => [echo, way] as const))) {
        const server = yield* serve(echo)
        const spans = recordSpans()
        const exit = yield* retrieveVideo("video_1", call).pipe(
          Effect.provide(videosOver(server, { ...config, readRetry: Schedule.stop }, layer)),
          Effect.withTracer(spans.tracer),
          Effect.exit
        )
        expect(Exit.isFailure(exit)).toBe(true)
        const seen = [
          inspect(exit, { depth: 8, showHidden: true }),
          Exit.isFailure(exit) ? Cause.pretty(exit.cause, { renderErrorCause: true }) : "",
          JSON.stringify(exit),
          ...spans.said()
        ].join("\n")
        for (const shown of [
          secret,
          encodeURIComponent(secret),
          new URLSearchParams({ a: secret }).toString().slice(2)
        ]) {
          expect(seen).not.toContain(shown)
        }
        expect(seen).not.toContain("code=abc")
        expect(spans.said().join()).toContain("api-version=preview")
      }
    })
  )
})

it.scopedLive("no error shows a secret in the body of a call, if the server repeats it", () =>
  Effect.gen(function* () {
    const server = yield* serve(inTurn(json(422, { detail: [{ msg: `no ${secret}` }] }), json(200, { seen: secret })))
    const create = createVideo(
      { prompt: "x", callback: { url: "https://host/hook", secret }, extraBody: { provider_key: `${secret}-2` } },
      { onUnknownOutcome: "fail" }
    )
    const errors = yield* Effect.all([Effect.flip(create), Effect.flip(create)]).pipe(
      Effect.provide(videosOver(server, { dialect: "openrouter" }, anyClient.layer))
    )
    expect(inspect(errors, { depth: 8, showHidden: true })).not.toContain(secret)
    expect(server.requests).toHaveLength(2)
  })
)

it.scopedLive("a job whose fields have a short parameter's value keeps them", () =>
  Effect.gen(function* () {
    const server = yield* serve(json(200, job({ model: "abc", prompt: "abc" })))
    const video = yield* retrieveVideo("video_1").pipe(Effect.provide(videosOver(server, { query: { code: "abc" } })))
    expect([video.model, video.prompt]).toEqual(["abc", "abc"])
  })
)
