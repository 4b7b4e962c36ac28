import { inspect } from "node:util"
import type { HttpClient } from "@effect/platform"
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, type Layer, Redacted, Stream } from "effect"
import { createVideo, downloadVideo, extendVideo, retrieveVideo, VideoFile } from "effect-videos"
import { inTurn, json, redirect, reset, routes, serve, text } from "./support/server.js"
import { atOnce, clients, job, videosOver, videosScripted } from "./support/videos.js"

addEqualityTesters()

const identity = {
  apiKey: Redacted.make("sk-secret"),
  organization: "org-1",
  project: "proj_1",
  headers: { "x-api-key": Redacted.make("sk-other"), "x-team": "film", cookie: "session=1", "api-key": "azure" }
} as const

/** Every header that identifies the caller. */
const personal = [
  "authorization",
  "x-api-key",
  "api-key",
  "x-team",
  "cookie",
  "openai-organization",
  "openai-project",
  "idempotency-key"
]

const carried = (headers: object | undefined) => personal.filter((name) => Object.hasOwn(headers ?? {}, name))

const videosFor = (server: { readonly baseUrl: string }, layer: Layer.Layer<HttpClient.HttpClient>) =>
  videosOver(server, { ...identity, readRetry: atOnce(2), submitRetry: atOnce(2) }, layer)

for (const { client, layer } of clients) {
  describe(`over ${client}, a redirect of a read`, () => {
    it.scopedLive.each([301, 302, 303, 307, 308])("within the origin keeps the caller's identity (%s)", (status) =>
      Effect.gen(function* () {
        const server = yield* serve(
          routes({
            "GET /v1/videos/video_1": redirect(status, "/v2/videos/video_1?a=1"),
            "GET /v2/videos/video_1?a=1": json(200, job())
          })
        )
        const video = yield* retrieveVideo("video_1").pipe(Effect.provide(videosFor(server, layer)))
        expect(video.id).toBe("video_1")
        expect(server.requests).toHaveLength(2)
        expect(carried(server.requests[1]?.headers)).toEqual(carried(server.requests[0]?.headers))
        expect(server.requests[1]?.headers.authorization).toBe("Bearer sk-secret")
      })
    )

    it.scopedLive.each([301, 302, 303, 307, 308])(
      "carries no identity of the caller to another origin (%s)",
      (status) =>
        Effect.gen(function* () {
          const storage = yield* serve(text(200, "\u0000the clip's bytes", { "content-type": "video/mp4" }))
          const server = yield* serve(redirect(status, `${storage.origin}/clip.mp4?sig=s1`))
          const bytes = yield* Stream.runCollect(downloadVideo("video_1")).pipe(
            Effect.provide(videosFor(server, layer))
          )
          expect(Buffer.concat([...Chunk.toReadonlyArray(bytes)]).toString()).toBe("\u0000the clip's bytes")
          expect(storage.requests).toHaveLength(1)
          expect(storage.requests[0]?.url).toBe("/clip.mp4?sig=s1")
          expect(carried(storage.requests[0]?.headers)).toEqual([])
          expect(JSON.stringify(storage.requests[0]?.headers)).not.toMatch(/sk-|org-1|proj_1|film|azure|session/)
          expect(carried(server.requests[0]?.headers)).toHaveLength(personal.length - 1)
        })
    )

    it.scopedLive("to a URL with a user is followed without the user, which no error shows", () =>
      Effect.gen(function* () {
        const storage = yield* serve(
          inTurn(text(200, "\u0000the clip's bytes", { "content-type": "video/mp4" }), reset, reset, reset)
        )
        const away = `${storage.origin.replace("//", "//someone:hunter2@")}/clip.mp4?sig=s1`
        const server = yield* serve(redirect(302, away))
        const download = Stream.runCollect(downloadVideo("video_1")).pipe(Effect.provide(videosFor(server, layer)))
        const bytes = yield* download
        expect(Buffer.concat([...Chunk.toReadonlyArray(bytes)]).toString()).toBe("\u0000the clip's bytes")
        expect(carried(storage.requests[0]?.headers)).toEqual([])
        const error = yield* Effect.flip(download)
        expect(error._tag).toBe("TransportError")
        expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/someone|hunter2|sig=/)
      })
    )

    it.scopedLive("away and back again stays anonymous", () =>
      Effect.gen(function* () {
        const away = yield* serve((response, request, index) =>
          redirect(302, `${server.origin}/home`)(response, request, index)
        )
        const server: { readonly origin: string; readonly baseUrl: string } = yield* serve(
          routes({
            "GET /v1/videos/video_1": redirect(302, `${away.origin}/x`),
            "GET /home": (response, request, index) =>
              (carried(request.headers).length === 0 ? json(200, job()) : json(400, {}))(response, request, index)
          })
        )
        const video = yield* retrieveVideo("video_1").pipe(Effect.provide(videosFor(server, layer)))
        expect(video.id).toBe("video_1")
        expect(away.requests).toHaveLength(1)
      })
    )

    it.scopedLive("is followed five times and no more", () =>
      Effect.gen(function* () {
        const server = yield* serve((response, request, index) =>
          (request.url === "/5" ? json(200, job()) : redirect(302, `/${index + 1}`))(response, request, index)
        )
        const video = yield* retrieveVideo("video_1").pipe(Effect.provide(videosFor(server, layer)))
        expect(video.id).toBe("video_1")
        expect(server.requests).toHaveLength(6)

        const loop = yield* serve(redirect(302, "/again?sig=s1"))
        const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(videosFor(loop, layer)))
        expect(error).toMatchObject({
          _tag: "RedirectError",
          operation: "retrieveVideo",
          status: 302,
          reason: "loop",
          location: `${loop.origin}/again`
        })
        expect(loop.requests).toHaveLength(6)
      })
    )

    const nowhere: ReadonlyArray<readonly [to: string, location: string]> = [
      ["file:///etc/passwd", "file:"],
      ["ftp://host/clip.mp4", "ftp:"],
      ["data:application/json,{}", "data:"],
      ["javascript:alert(1)", "javascript:"],
      ["http://[", "an invalid URL"]
    ]
    it.scopedLive.each(nowhere)("is not followed to %s", ([to, location]) =>
      Effect.gen(function* () {
        const server = yield* serve(redirect(302, to))
        const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(videosFor(server, layer)))
        expect(error).toMatchObject({ _tag: "RedirectError", status: 302, reason: "scheme", location })
        expect(server.requests).toHaveLength(1)
      })
    )

    it.scopedLive("is an error status if it has no location", () =>
      Effect.gen(function* () {
        const server = yield* serve(text(302, "moved"))
        const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(videosFor(server, layer)))
        expect(error).toMatchObject({ _tag: "BadRequestError", status: 302, detail: "moved" })
      })
    )
  })

  describe(`over ${client}, a redirect of a submission`, () => {
    const submissions = {
      createVideo: createVideo({ prompt: "x" }),
      extendVideo: extendVideo({ video: "video_1", prompt: "x", seconds: 4 }),
      "extendVideo with a file": extendVideo({ video: VideoFile.fromBytes(new Uint8Array(9)), prompt: "x", seconds: 4 })
    }
    for (const [name, submission] of Object.entries(submissions)) {
      it.scopedLive.each([301, 302, 303, 307, 308])(`is not followed: ${name}, %s`, (status) =>
        Effect.gen(function* () {
          const other = yield* serve(json(200, job()))
          const server = yield* serve(redirect(status, `${other.origin}/v1/videos?sig=s1#f`))
          const error = yield* Effect.flip(submission).pipe(Effect.provide(videosFor(server, layer)))
          expect(error).toMatchObject({
            _tag: "RedirectError",
            operation: name.split(" ")[0],
            status,
            reason: "submission",
            location: `${other.origin}/v1/videos`
          })
          expect(error.message).toMatch(/a request that makes a job is sent to the base URL alone/)
          expect(server.requests).toHaveLength(1)
          expect(other.requests).toHaveLength(0)
        })
      )
    }
  })
}

describe("a redirect from https to http", () => {
  it.effect("is not followed", () =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted(
        () => Effect.sync(() => new Response(null, { status: 302, headers: { location: "http://host/clip?sig=1" } })),
        { baseUrl: "https://host/v1" }
      )
      const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(layer))
      expect(error).toMatchObject({ _tag: "RedirectError", reason: "downgrade", location: "http://host/clip" })
      expect(tries.at).toHaveLength(1)
    })
  )
})

describe("a redirect that the runtime hides, as browsers do", () => {
  it.effect("is named as such", () =>
    Effect.gen(function* () {
      const { layer } = videosScripted(() => Effect.sync(() => Response.error()))
      const read = Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(layer))
      const submission = Effect.flip(createVideo({ prompt: "x" })).pipe(Effect.provide(layer))
      for (const error of [yield* read, yield* submission]) {
        expect(error).toMatchObject({ _tag: "RedirectError", status: 0, reason: "opaque" })
      }
    })
  )
})
