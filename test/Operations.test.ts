import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schedule } from "effect"
import {
  createCharacter,
  createVideo,
  type DeleteVideoError,
  type DialectName,
  deleteVideo,
  dialects,
  type EditVideoError,
  editVideo,
  extendVideo,
  type RetrieveCharacterError,
  remixVideo,
  retrieveCharacter,
  VideoFile,
  type Videos
} from "effect-videos"
import { parseMultipart } from "./support/multipart.js"
import { inTurn, json, type Recorded, reset, routes, serve, text } from "./support/server.js"
import { anyClient, atOnce, job, videosOver } from "./support/videos.js"

const clip = VideoFile.fromBytes(new TextEncoder().encode("the bytes of a clip"), { name: "clip.mp4" })
const picture = VideoFile.fromBytes(new TextEncoder().encode("the bytes of a picture"), { name: "first.png" })

const bodyOf = (request: Recorded | undefined): unknown => JSON.parse(request?.body.toString() ?? "")
const partsOf = (request: Recorded | undefined) =>
  request === undefined
    ? []
    : parseMultipart(request).map(({ body, filename, name }) => [name, filename ?? body.toString()])

/** Any operation, for tables of them. */
type Operation = Effect.Effect<unknown, EditVideoError | RetrieveCharacterError | DeleteVideoError, Videos>

/** One operation against a server that takes it, and the one request that came of it. */
const asked = <A, E>(operation: Effect.Effect<A, E, Videos>, body: unknown = job({ id: "video_2" })) =>
  Effect.gen(function* () {
    const server = yield* serve(json(200, body))
    const result = yield* Effect.provide(operation, videosOver(server))
    assert.strictEqual(server.requests.length, 1)
    return { result, request: server.requests[0] }
  })

describe("requests", () => {
  it.scopedLive("name the source of an edit in JSON, or carry it as a file", () =>
    Effect.gen(function* () {
      const { request } = yield* asked(
        editVideo({ video: { id: "video_1" }, prompt: "winter", extraBody: { seed: 7 } })
      )
      assert.deepStrictEqual([request?.method, request?.url], ["POST", "/v1/videos/edits"])
      assert.deepStrictEqual(bodyOf(request), { video: { id: "video_1" }, prompt: "winter", seed: 7 })
      const upload = yield* asked(editVideo({ video: clip, prompt: "winter", extraBody: { seed: 7 } }))
      assert.deepStrictEqual(partsOf(upload.request), [
        ["prompt", "winter"],
        ["seed", "7"],
        ["video", "clip.mp4"]
      ])
    })
  )

  it.scopedLive("name the source of a remix in the path, as one segment", () =>
    Effect.gen(function* () {
      const { request } = yield* asked(remixVideo({ video: "a/b+c==", prompt: "at night" }))
      assert.deepStrictEqual([request?.method, request?.url], ["POST", "/v1/videos/a%2Fb%2Bc%3D%3D/remix"])
      assert.deepStrictEqual(bodyOf(request), { prompt: "at night" })
    })
  )

  it.scopedLive("carry the picture of a create as a file, a URL or a file id", () =>
    Effect.gen(function* () {
      const upload = yield* asked(createVideo({ prompt: "on", seconds: 4, inputReference: picture }))
      assert.deepStrictEqual(partsOf(upload.request), [
        ["prompt", "on"],
        ["seconds", "4"],
        ["input_reference", "first.png"]
      ])
      assert.include(upload.request?.body.toString(), "content-type: image/png")
      const byUrl = yield* asked(
        createVideo({ prompt: "on", inputReference: { imageUrl: "data:image/png;base64,AA==" } })
      )
      assert.deepStrictEqual(bodyOf(byUrl.request), {
        prompt: "on",
        input_reference: { image_url: "data:image/png;base64,AA==" }
      })
      const byId = yield* asked(createVideo({ prompt: "on", inputReference: { fileId: "file-1" } }))
      assert.deepStrictEqual(bodyOf(byId.request), { prompt: "on", input_reference: { file_id: "file-1" } })
    })
  )

  it.scopedLive("carry the clip and the name of a character", () =>
    Effect.gen(function* () {
      const body = { id: "char_1", name: "Tom", created_at: 1_760_000_000, mood: "good" }
      const made = yield* asked(createCharacter({ video: clip, name: "Tom" }), body)
      assert.deepStrictEqual([made.request?.method, made.request?.url], ["POST", "/v1/videos/characters"])
      assert.deepStrictEqual(partsOf(made.request), [
        ["name", "Tom"],
        ["video", "clip.mp4"]
      ])
      assert.deepInclude(made.result, { id: "char_1", name: "Tom", extra: { mood: "good" } })
      assert.strictEqual(made.result.createdAt?.epochMillis, 1_760_000_000_000)
      const found = yield* asked(retrieveCharacter("char/1"), body)
      assert.deepStrictEqual([found.request?.method, found.request?.url], ["GET", "/v1/videos/characters/char%2F1"])
      assert.deepStrictEqual(found.result, made.result)
    })
  )

  it.scopedLive("carry what a call adds to headers and query, over the library's own", () =>
    Effect.gen(function* () {
      const options = { extraHeaders: { "X-Trace": "1", "User-Agent": "mine" }, extraQuery: { provider: "a b" } }
      const { request } = yield* asked(editVideo({ video: "video_1", prompt: "winter" }, options))
      assert.strictEqual(request?.url, "/v1/videos/edits?provider=a+b")
      assert.deepInclude(request?.headers, { "x-trace": "1", "user-agent": "mine" })
      const bad = { extraHeaders: { "x-trace": "a\nb" } }
      const error = yield* Effect.flip(asked(editVideo({ video: "video_1", prompt: "winter" }, bad)))
      assert(error._tag === "InvalidRequestError")
      assert.strictEqual(error.field, "extraHeaders.x-trace")
    })
  )

  const refusedBefore: ReadonlyArray<readonly [what: string, operation: Operation, field: string]> = [
    ["an edit of nothing", editVideo({ video: "", prompt: "winter" }), "video.id"],
    ["an edit without words", editVideo({ video: "video_1", prompt: "" }), "prompt"],
    ["a remix of ..", remixVideo({ video: "..", prompt: "at night" }), "video"],
    ["a character without a name", createCharacter({ video: clip, name: "" }), "name"],
    ["a character with 81 letters", createCharacter({ video: clip, name: "x".repeat(81) }), "name"],
    ["a poll of no character", retrieveCharacter(""), "id"],
    ["a deletion of no job", deleteVideo("\u0000"), "id"]
  ]
  it.scopedLive.each(refusedBefore)("are not sent for %s", ([, operation, field]) =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, job()))
      const error = yield* Effect.flip(Effect.provide(operation, videosOver(server)))
      assert(error._tag === "InvalidRequestError")
      assert.strictEqual(error.field, field)
      assert.strictEqual(server.requests.length, 0)
    })
  )
})

describe("a missing route", () => {
  it.scopedLive.each([
    ["edit", editVideo({ video: "video_1", prompt: "winter" }), "POST /videos/edits"],
    ["remix", remixVideo({ video: "video_1", prompt: "at night" }), "POST /videos/video_1/remix"]
  ] as const)("of %s is distinguished from a missing source by a poll of the source", ([, operation, route]) =>
    Effect.gen(function* () {
      const there = yield* serve(routes({ "GET /v1/videos/video_1": json(200, job()) }))
      const unsupported = yield* Effect.flip(Effect.provide(operation, videosOver(there)))
      assert(unsupported._tag === "OperationUnsupportedError")
      assert.strictEqual(unsupported.route, route)
      assert.strictEqual(there.requests.length, 2)
      const gone = yield* serve(routes({}))
      const missing = yield* Effect.flip(Effect.provide(operation, videosOver(gone)))
      assert.strictEqual(missing._tag, "VideoNotFoundError")
    })
  )

  it.scopedLive("causes no read of the source for characters, and a missing character has its own tag", () =>
    Effect.gen(function* () {
      const bare = yield* serve(json(404, { detail: "Not Found" }))
      const unsupported = yield* Effect.flip(
        Effect.provide(createCharacter({ video: clip, name: "Tom" }), videosOver(bare))
      )
      assert.strictEqual(unsupported._tag, "OperationUnsupportedError")
      const missing = yield* Effect.flip(Effect.provide(retrieveCharacter("char_1"), videosOver(bare)))
      assert(missing._tag === "CharacterNotFoundError")
      assert.strictEqual(missing.characterId, "char_1")
    })
  )
})

describe.each([anyClient])("deleteVideo over $client", ({ layer: client }) => {
  it.scopedLive.each([
    ["the protocol's own response", json(200, { id: "video_1", object: "video.deleted", deleted: true }), true, null],
    ["a refusal in a 200", json(200, { id: "video_1", deleted: false }), false, null],
    ["the job as deleted", json(200, job({ status: "deleted" })), true, "deleted"],
    ["the job as cancelled", json(200, job({ status: "cancelled" })), true, "cancelled"],
    ["the job, still running", json(200, job({ status: "in_progress" })), false, "in_progress"],
    ["a null", json(200, null), true, null],
    ["an empty 204", text(204, ""), true, null],
    ["an empty 200", text(200, ""), true, null]
  ] as const)("reads %s", ([, reply, deleted, status]) =>
    Effect.gen(function* () {
      const server = yield* serve(reply)
      const result = yield* Effect.provide(deleteVideo({ id: "video_1" }), videosOver(server, {}, client))
      assert.deepStrictEqual([result.id, result.deleted, result.video?.status ?? null], ["video_1", deleted, status])
      assert.deepStrictEqual([server.requests[0]?.method, server.requests[0]?.url], ["DELETE", "/v1/videos/video_1"])
    })
  )

  it.scopedLive("succeeds if its response was lost and its retry finds nothing", () =>
    Effect.gen(function* () {
      const server = yield* serve(inTurn(reset, json(404, { error: { message: "No video video_1" } })))
      const layer = videosOver(server, { readRetry: atOnce(2) }, client)
      assert.isTrue((yield* Effect.provide(deleteVideo("video_1"), layer)).deleted)
      assert.strictEqual(server.requests.length, 2)
    })
  )

  it.scopedLive("fails with VideoNotFoundError if the job does not exist, after a 429 too", () =>
    Effect.gen(function* () {
      const server = yield* serve(inTurn(json(429, {}), json(404, { error: { message: "No video video_1" } })))
      const layer = videosOver(server, { readRetry: atOnce(2) }, client)
      const error = yield* Effect.flip(Effect.provide(deleteVideo("video_1"), layer))
      assert.strictEqual(error._tag, "VideoNotFoundError")
      assert.strictEqual(server.requests.length, 2)
    })
  )

  it.scopedLive("reports a route that the server does not serve", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(405, { detail: "Method Not Allowed" }))
      const error = yield* Effect.flip(Effect.provide(deleteVideo("video_1"), videosOver(server, {}, client)))
      assert.strictEqual(error._tag, "OperationUnsupportedError")
    })
  )
})

describe("dialects", () => {
  const create = createVideo({ prompt: "on", seconds: 4, inputReference: { imageUrl: "https://h/a.png" } })

  it.scopedLive("vllm-omni takes forms, and a picture's URL as JSON text under its own name", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, job()))
      yield* Effect.provide(create, videosOver(server, { dialect: "vllm-omni" }))
      assert.deepStrictEqual(partsOf(server.requests[0]), [
        ["prompt", "on"],
        ["seconds", "4"],
        ["image_reference", `{"image_url":"https://h/a.png"}`]
      ])
    })
  )

  it.scopedLive("sglang takes a picture's URL as a text", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, job()))
      yield* Effect.provide(create, videosOver(server, { dialect: "sglang" }))
      assert.deepStrictEqual(bodyOf(server.requests[0]), {
        prompt: "on",
        seconds: "4",
        input_reference: "https://h/a.png"
      })
    })
  )

  it.scopedLive("a dialect can be overridden field by field", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, job({ id: "video_2" })))
      const layer = videosOver(server, { dialect: { ...dialects.openai, encoding: "form" } })
      yield* Effect.provide(extendVideo({ video: "video_1", prompt: "on", seconds: 8 }), layer)
      assert.deepStrictEqual(partsOf(server.requests[0]), [
        ["video[id]", "video_1"],
        ["prompt", "on"],
        ["seconds", "8"]
      ])
    })
  )

  it.scopedLive("azure carries the key in a header of its own", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, job()))
      yield* Effect.provide(create, videosOver(server, { dialect: "azure", apiKey: Redacted.make("sk-1234567890") }))
      assert.strictEqual(server.requests[0]?.headers["api-key"], "sk-1234567890")
      assert.isUndefined(server.requests[0]?.headers.authorization)
    })
  )

  const unserved: ReadonlyArray<readonly [dialect: DialectName, operation: Operation, route: string]> = [
    ["litellm", deleteVideo("video_1"), "DELETE /videos/video_1"],
    ["vllm-omni", extendVideo({ video: "video_1", prompt: "on", seconds: 8 }), "POST /videos/extensions"],
    ["sglang", remixVideo({ video: "video_1", prompt: "on" }), "POST /videos/video_1/remix"],
    ["new-api", createCharacter({ video: clip, name: "Tom" }), "POST /videos/characters"]
  ]
  it.scopedLive.each(unserved)("%s receives no request that it does not serve", ([dialect, operation, route]) =>
    Effect.gen(function* () {
      const server = yield* serve(text(500, ""))
      const error = yield* Effect.flip(
        Effect.provide(operation, videosOver(server, { dialect, readRetry: Schedule.stop }))
      )
      assert(error._tag === "OperationUnsupportedError")
      assert.strictEqual(error.route, route)
      assert.match(error.message, new RegExp(`nothing was sent.*\`${dialect}\``))
      assert.strictEqual(server.requests.length, 0)
    })
  )
})
