import type { HttpClient } from "@effect/platform"
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, type Layer, Redacted, Stream } from "effect"
import { type ContentOptions, downloadVideo, type VideosConfigOptions } from "effect-videos"
import { html, json, type Reply, redirect, reset, routes, serve, text } from "./support/server.js"
import { anyClient, clients, job, respondJson, videosOver, videosScripted } from "./support/videos.js"

addEqualityTesters()

const key = "sk-very-secret-0123456789"

const identity: VideosConfigOptions = {
  apiKey: Redacted.make(key),
  organization: "org-1",
  project: "proj_1",
  headers: { "x-api-key": Redacted.make("sk-other-0123456789"), "x-team": "film" }
}

const content = "/v1/videos/video_1/content"

/** What no text has: the clips here begin with it. */
const clip = (words: string): string => `\u0000${words}`

/** A server of one job: its content, and what a poll of it finds. */
const jobServer = (bytes: Reply, poll: Reply) =>
  serve(routes({ [`GET ${content}`]: bytes, "GET /v1/videos/video_1": poll }))

const video =
  (bytes: Uint8Array | string, headers: { readonly [name: string]: string } = {}): Reply =>
  (response) => {
    response.writeHead(200, { "content-type": "video/mp4", ...headers }).end(bytes)
  }

const gather = (
  server: { readonly baseUrl: string },
  layer: Layer.Layer<HttpClient.HttpClient>,
  options?: ContentOptions,
  config: VideosConfigOptions = {}
) =>
  Stream.runCollect(downloadVideo("video_1", options)).pipe(
    Effect.map((chunks) => Buffer.concat(Chunk.toReadonlyArray(chunks))),
    Effect.provide(videosOver(server, { ...identity, ...config }, layer))
  )

const completed = json(200, job({ status: "completed" }))

/** By the server's clock. */
const justEnded: Reply = (response, request, index) => {
  const now = Math.floor(Date.now() / 1000)
  json(200, job({ status: "completed", created_at: now - 60, completed_at: now }))(response, request, index)
}

for (const { client, layer } of [anyClient]) {
  describe(`over ${client}, a 200 that is not a clip`, () => {
    const ready = json(200, { error: { message: `Video is not ready yet ${key}` } }, { "content-type": "video/mp4" })
    const table: ReadonlyArray<readonly [string, Reply, Reply, { readonly [name: string]: unknown }]> = [
      ["JSON of a job that runs", ready, json(200, job({ status: "in_progress" })), { _tag: "VideoNotReadyError" }],
      ["JSON of a job that failed", ready, json(200, job({ status: "failed" })), { _tag: "VideoFailedError" }],
      ["JSON of a job that is gone", ready, json(404, { detail: "no" }), { _tag: "VideoNotFoundError" }],
      [
        "JSON of a job that is done",
        json(200, { error: { message: `no video for you ${key}` } }, { "content-type": "video/mp4" }),
        completed,
        {
          _tag: "ResponseDecodeError",
          reason: "shape",
          route: "GET /videos/video_1/content",
          detail: "it is JSON instead of a video: no video for you <redacted>",
          body: `{"error":{"message":"no video for you <redacted>"}}`
        }
      ],
      [
        "JSON of a job that has just ended",
        ready,
        justEnded,
        { _tag: "VideoNotReadyError", video: { status: "completed" } }
      ],
      [
        "JSON, and a poll that fails",
        ready,
        text(500, ""),
        { _tag: "ResponseDecodeError", reason: "shape", status: 200 }
      ],
      [
        "JSON behind a byte order mark and white space",
        video(`\ufeff \r\n\t[{"detail":"no"}]`),
        completed,
        { _tag: "ResponseDecodeError", reason: "shape" }
      ],
      [
        "JSON that was cut",
        (response) => {
          response.writeHead(200, { "content-type": "video/mp4", "content-length": "100" })
          response.write(`{"error":`, () => response.socket?.destroy())
        },
        json(200, job({ status: "queued" })),
        { _tag: "VideoNotReadyError" }
      ],
      [
        "what calls itself JSON",
        text(200, "oops", { "content-type": "application/json; charset=utf-8" }),
        completed,
        { _tag: "ResponseDecodeError", reason: "shape", detail: "it is text instead of a video: oops" }
      ],
      [
        "nothing, called JSON",
        text(200, "", { "content-type": "application/json" }),
        completed,
        { _tag: "ResponseDecodeError", detail: "it is empty instead of a video" }
      ]
    ]
    it.scopedLive.each(table)("is the error of the job's state: %s", ([, bytes, poll, expected]) =>
      Effect.gen(function* () {
        const server = yield* jobServer(bytes, poll)
        const error = yield* Effect.flip(gather(server, layer))
        expect(error).toMatchObject({ operation: "downloadVideo", ...expected })
        expect(JSON.stringify(error) + error.message).not.toContain(key)
        expect(server.requests.map(({ url }) => url)).toEqual([content, "/v1/videos/video_1"])
      })
    )

    it.scopedLive.each([
      ["a page", video(`<!DOCTYPE html><title>Sign in</title>${key}`)],
      ["what calls itself a page", text(200, "Sign in", { "content-type": "text/html" })]
    ] as const)("is a response that cannot be decoded, and the job is not polled, for %s", ([, bytes]) =>
      Effect.gen(function* () {
        const server = yield* jobServer(bytes, completed)
        const error = yield* Effect.flip(gather(server, layer))
        expect(error).toMatchObject({ _tag: "ResponseDecodeError", reason: "syntax" })
        expect(error.message).toMatch(/it is an HTML page instead of a video/)
        expect(JSON.stringify(error)).not.toContain(key)
        expect(server.requests).toHaveLength(1)
      })
    )

    it.scopedLive.each([200, 404])("is read no further than need be: 10 MB with status %s", (status) =>
      Effect.gen(function* () {
        const server = yield* jobServer(text(status, `{"detail":"${"x".repeat(10_000_000)}"}`), completed)
        const error = yield* Effect.flip(gather(server, layer))
        expect(error).toMatchObject({ _tag: status === 200 ? "ResponseDecodeError" : "VideoExpiredError" })
        expect(JSON.stringify(error).length).toBeLessThan(10_000)
      })
    )
  })
}

for (const { client, layer } of clients) {
  describe(`over ${client}, a clip`, () => {
    it.scopedLive.each([
      ["that begins with white space", " \n\t \u0000clip"],
      ["of white space and one other byte", `${" ".repeat(400)}\u0001`],
      ["shorter than what is read for it", "\u0001"],
      ["that begins with half a byte order mark", "\u{f000}{\u0002"]
    ] as const)("%s is passed on to the byte", ([, bytes]) =>
      Effect.gen(function* () {
        const server = yield* jobServer(video(bytes), completed)
        expect((yield* gather(server, layer)).toString()).toBe(bytes)
        expect(server.requests).toHaveLength(1)
      })
    )

    it.scopedLive("is passed on to the byte if it arrives in pieces of one byte", () =>
      Effect.gen(function* () {
        const bytes = Buffer.from("  \n\u0000\u0000{\u0001ftypisom")
        const server = yield* jobServer((response) => {
          response.writeHead(200, { "content-type": "video/mp4" })
          const send = (at: number) => {
            if (at === bytes.length) response.end()
            else response.write(bytes.subarray(at, at + 1), () => setImmediate(send, at + 1))
          }
          send(0)
        }, completed)
        expect((yield* gather(server, layer)).equals(bytes)).toBe(true)
      })
    )

    it.scopedLive("is passed on if its part begins like a document: a 206 may begin with any byte", () =>
      Effect.gen(function* () {
        const server = yield* jobServer((response) => {
          response.writeHead(206, { "content-range": "bytes 5-9/10" }).end("{6789")
        }, completed)
        const bytes = yield* gather(server, layer, { extraHeaders: { range: "bytes=5-" } })
        expect(bytes.toString()).toBe("{6789")
      })
    )

    it.scopedLive.each(["thumbnail", "spritesheet"] as const)(
      "is not looked for in a %s, which is asked for by name",
      (variant) =>
        Effect.gen(function* () {
          const server = yield* serve(json(200, { tiles: 4 }))
          expect((yield* gather(server, layer, { variant })).toString()).toBe(`{"tiles":4}`)
          expect(server.requests.map(({ url }) => url)).toEqual([`${content}?variant=${variant}`])
        })
    )

    it.scopedLive("keeps the requested range over a redirect, and adds no variant", () =>
      Effect.gen(function* () {
        const storage = yield* serve(video(clip("clip")))
        const server = yield* serve((response, request, index) =>
          redirect(302, index === 0 ? "/here?sig=1" : `${storage.origin}/there?sig=2`)(response, request, index)
        )
        const extraHeaders = { range: "bytes=5-", "if-range": '"v1"', "x-mine": "1" }
        yield* gather(server, layer, { variant: "video", extraHeaders })
        expect(server.requests.map(({ url }) => url)).toEqual([`${content}?variant=video`, "/here?sig=1"])
        expect(storage.requests[0]).toMatchObject({
          url: "/there?sig=2",
          headers: { range: "bytes=5-", "if-range": '"v1"' }
        })
        expect(Object.keys(storage.requests[0]?.headers ?? {})).not.toContain("x-mine")
      })
    )
  })

  describe(`over ${client}, where the content route has nothing and the completed job has a URL`, () => {
    const refused = json(404, { detail: "no content" })
    /** Each accent: what the content route says, and where the job has its URL. */
    const accents: ReadonlyArray<readonly [string, Reply, (url: string) => { readonly [name: string]: unknown }]> = [
      ["url", refused, (url) => ({ url })],
      ["new-api's metadata.url", json(400, { error: { message: "no" } }), (url) => ({ metadata: { url } })],
      ["Dynamo's data[0].url", json(405, { detail: "Method Not Allowed" }), (url) => ({ data: [{ url }] })],
      ["OpenRouter's unsigned_urls", refused, (url) => ({ unsigned_urls: [url] })],
      ["url, after a 200 that is JSON", json(200, { detail: "elsewhere" }), (url) => ({ url })]
    ]
    it.scopedLive.each(accents)("it is fetched from there without the caller's identity: %s", ([, bytes, fields]) =>
      Effect.gen(function* () {
        const storage = yield* serve(video(clip("the clip")))
        const url = `${storage.origin}/clip.mp4?sig=a%20b`
        const server = yield* jobServer(bytes, json(200, job({ status: "completed", ...fields(url) })))
        const extraHeaders = { "x-mine": "1", authorization: `Bearer ${key}`, range: "bytes=0-" }
        expect((yield* gather(server, layer, { extraHeaders })).toString()).toBe(clip("the clip"))
        expect(server.requests.map(({ url }) => url)).toEqual([content, "/v1/videos/video_1"])
        expect(server.requests[1]?.headers).toMatchObject({ "x-mine": "1" })
        expect(server.requests[1]?.headers["range"]).toBeUndefined()
        expect(storage.requests).toHaveLength(1)
        expect(storage.requests[0]?.url).toBe("/clip.mp4?sig=a%20b")
        const { headers } = storage.requests[0] ?? { headers: {} }
        for (const name of ["authorization", "api-key", "x-api-key", "x-team", "x-mine", "openai-organization"]) {
          expect(Object.keys(headers)).not.toContain(name)
        }
        expect(JSON.stringify(headers)).not.toMatch(/sk-|org-1|proj_1|film/)
        expect(headers).toMatchObject({ range: "bytes=0-" })
      })
    )

    it.scopedLive("the URL in SGLang's own sentence is followed by its dialect alone", () =>
      Effect.gen(function* () {
        const storage = yield* serve(video(clip("the clip")))
        const detail = `Video has been uploaded to cloud storage. Please use the cloud URL: ${storage.origin}/v.mp4?sig=1`
        const server = yield* jobServer(json(400, { detail }), completed)
        expect((yield* gather(server, layer, undefined, { dialect: "sglang" })).toString()).toBe(clip("the clip"))
        expect(storage.requests.map(({ url }) => url)).toEqual(["/v.mp4?sig=1"])
        const error = yield* Effect.flip(gather(server, layer))
        expect(error).toMatchObject({ _tag: "BadRequestError", status: 400 })
        expect(error.message).toContain(`${storage.origin}/v.mp4?<redacted>`)
        expect(storage.requests).toHaveLength(1)
      })
    )

    it.scopedLive("the server's own origin receives the caller's identity", () =>
      Effect.gen(function* () {
        let origin = ""
        const server = yield* serve((response, request, index) =>
          routes({
            [`GET ${content}`]: refused,
            "GET /v1/videos/video_1": json(200, job({ status: "completed", url: `${origin}/files/1.mp4` })),
            "GET /files/1.mp4": video(clip("the clip"))
          })(response, request, index)
        )
        origin = server.origin
        expect((yield* gather(server, layer)).toString()).toBe(clip("the clip"))
        expect(server.requests[2]?.headers.authorization).toBe(`Bearer ${key}`)
      })
    )

    const ill: ReadonlyArray<
      readonly [string, (origin: string) => string, Reply, { readonly [name: string]: unknown }]
    > = [
      [
        "a file on this disk",
        () => "file:///etc/passwd",
        reset,
        { _tag: "RedirectError", reason: "scheme", location: "file:" }
      ],
      ["another scheme", () => "s3://bucket/clip.mp4", reset, { _tag: "RedirectError", reason: "scheme" }],
      [
        "a redirect to a file",
        (o) => o,
        redirect(302, "file:///etc/passwd"),
        { _tag: "RedirectError", reason: "scheme" }
      ],
      ["a redirect loop", (o) => o, redirect(302, "/clip.mp4"), { _tag: "RedirectError", reason: "loop" }],
      [
        "a clip that is not there",
        (o) => o,
        text(404, "NoSuchKey"),
        { _tag: "VideoContentNotFoundError", status: 404 }
      ],
      ["a clip that is gone", (o) => o, text(404, "it has expired"), { _tag: "VideoExpiredError", status: 404 }],
      [
        "a signature that has run out",
        (o) => o,
        text(403, "expired"),
        { _tag: "AuthenticationError", reason: "forbidden", status: 403 }
      ],
      ["a page", (o) => o, html(200, "<!doctype html>"), { _tag: "ResponseDecodeError", reason: "syntax" }],
      ["JSON", (o) => o, json(200, { url: "again" }), { _tag: "ResponseDecodeError", reason: "shape" }],
      ["a connection that breaks", (o) => o, reset, { _tag: "TransportError" }]
    ]
    it.scopedLive.each(ill)("an error names %s", ([, urlOf, reply, expected]) =>
      Effect.gen(function* () {
        const storage = yield* serve(reply)
        const url = urlOf(`${storage.origin}/clip.mp4`)
        const server = yield* jobServer(refused, json(200, job({ status: "completed", url })))
        const error = yield* Effect.flip(gather(server, layer))
        expect(error).toMatchObject({ operation: "downloadVideo", ...expected })
        expect(server.requests).toHaveLength(2)
      })
    )

    it.scopedLive.each([
      ["a path on the server's disk", { url: "/root/outputs/video_1.mp4" }],
      ["a sentence", { metadata: { url: "task failed: out of memory" } }],
      ["an empty list", { data: [], unsigned_urls: [] }],
      ["a number", { url: 7 }]
    ] as const)("a text that is not a URL is not read as one: %s", ([, fields]) =>
      Effect.gen(function* () {
        const server = yield* jobServer(refused, json(200, job({ status: "completed", ...fields })))
        expect(yield* Effect.flip(gather(server, layer))).toMatchObject({ _tag: "VideoExpiredError" })
      })
    )

    it.scopedLive("the clip is not returned as its thumbnail", () =>
      Effect.gen(function* () {
        const storage = yield* serve(video(clip("the clip")))
        const poll = json(200, job({ status: "completed", url: storage.origin }))
        const server = yield* serve(
          routes({ [`GET ${content}?variant=thumbnail`]: refused, "GET /v1/videos/video_1": poll })
        )
        const error = yield* Effect.flip(gather(server, layer, { variant: "thumbnail" }))
        expect(error).toMatchObject({ _tag: "VideoContentNotFoundError", status: 404, detail: "no content" })
        expect(storage.requests).toHaveLength(0)
      })
    )
  })
}

describe("a job's URL", () => {
  it.effect("is not followed from https to http", () =>
    Effect.gen(function* () {
      const url = "http://storage.invalid/clip.mp4?sig=1"
      const { layer, tries } = videosScripted(
        (index) => (index === 0 ? respondJson(404, {}) : respondJson(200, job({ status: "completed", url }))),
        { baseUrl: "https://videos.invalid/v1" }
      )
      const error = yield* Effect.flip(Stream.runDrain(downloadVideo("video_1"))).pipe(Effect.provide(layer))
      expect(error).toMatchObject({
        _tag: "RedirectError",
        reason: "downgrade",
        location: "http://storage.invalid/clip.mp4"
      })
      expect(tries.at).toHaveLength(2)
    })
  )
})
