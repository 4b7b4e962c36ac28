import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { Ajv } from "ajv"
import addFormats from "ajv-formats"
import { Effect, Schema, Stream } from "effect"
import {
  type CreateVideoRequest,
  createCharacter,
  createVideo,
  deleteVideo,
  downloadVideo,
  type ExtendVideoRequest,
  editVideo,
  extendVideo,
  listVideos,
  remixVideo,
  retrieveCharacter,
  retrieveVideo,
  VideoFile,
  VideoResource,
  type VideoSeconds,
  type Videos
} from "effect-videos"
import { parseMultipart } from "./support/multipart.js"
import { json, type Recorded, serve, text } from "./support/server.js"
import { job, videosOver } from "./support/videos.js"

interface Route {
  readonly method: string
  readonly path: string
  readonly body?: string
  readonly form?: string
  readonly query?: ReadonlyArray<string>
}

interface Definition {
  readonly properties: { readonly [name: string]: unknown }
}

const protocol: {
  readonly routes: { readonly [name: string]: Route }
  readonly schemas: { readonly $defs: { readonly [name: string]: Definition } }
} = JSON.parse(readFileSync(new URL("./fixtures/protocol.schema.json", import.meta.url), "utf8"))

const ajv = addFormats.default(new Ajv({ allErrors: true })).addSchema(protocol.schemas)

/** What is wrong with a value by the specification, unknown fields included. */
const wrong = (name: string, value: object): ReadonlyArray<string> => {
  ajv.validate(`protocol#/$defs/${name}`, value)
  const unknown = Object.keys(value).filter((field) => !(field in (protocol.schemas.$defs[name]?.properties ?? {})))
  return [...(ajv.errors ?? []).map((error) => `${error.instancePath} ${error.message}`), ...unknown]
}

const bodyOf = (request: Recorded | undefined): object => JSON.parse(request?.body.toString() ?? "")

type Program = Effect.Effect<unknown, unknown, Videos>

/** The requests that a program made. */
const sent = (program: Program) =>
  Effect.gen(function* () {
    const server = yield* serve((response, request, index) => {
      const respond = /\/content$/.test(request.url.replace(/\?.*$/, ""))
        ? text(200, "\u0000the bytes of a clip", { "content-type": "video/mp4" })
        : request.method === "GET" && /\/videos(\?|$)/.test(request.url)
          ? json(200, { object: "list", data: [], has_more: false })
          : json(200, job({ id: "video_2", status: "completed", deleted: true }))
      respond(response, request, index)
    })
    yield* program.pipe(Effect.provide(videosOver(server)))
    return server.requests
  })

const lengths: ReadonlyArray<VideoSeconds> = [4, 8, 12, 16, 20]

describe("the body of createVideo", () => {
  const table: ReadonlyArray<readonly [string, CreateVideoRequest, object]> = [
    ["a prompt alone", { prompt: "a lighthouse" }, { prompt: "a lighthouse" }],
    [
      "everything",
      {
        prompt: "a “lighthouse”\n🎬",
        model: "sora-2-pro",
        seconds: 12,
        size: "1792x1024",
        inputReference: { imageUrl: "https://host/p.png" }
      },
      {
        prompt: "a “lighthouse”\n🎬",
        model: "sora-2-pro",
        seconds: "12",
        size: "1792x1024",
        input_reference: { image_url: "https://host/p.png" }
      }
    ],
    [
      "an uploaded picture",
      { prompt: "x", inputReference: { fileId: "file_1" } },
      { prompt: "x", input_reference: { file_id: "file_1" } }
    ],
    [
      "a picture in the request",
      { prompt: "x", inputReference: { imageUrl: "data:image/png;base64,AA==" } },
      { prompt: "x", input_reference: { image_url: "data:image/png;base64,AA==" } }
    ],
    [
      "options that are undefined",
      { prompt: "x", model: undefined, seconds: undefined, size: undefined },
      { prompt: "x" }
    ],
    ...lengths.map((seconds): readonly [string, CreateVideoRequest, object] => [
      `${seconds} s`,
      { prompt: "x", seconds },
      { prompt: "x", seconds: String(seconds) }
    ])
  ]

  it.scopedLive.each(table)("follows the protocol with %s", ([, request, body]) =>
    Effect.gen(function* () {
      const [only, ...more] = yield* sent(createVideo(request))
      expect(bodyOf(only)).toEqual(body)
      expect(wrong("CreateVideoJsonBody", bodyOf(only))).toEqual([])
      expect(only).toMatchObject({ method: "POST", url: "/v1/videos", headers: { "content-type": "application/json" } })
      expect(more).toEqual([])
    })
  )

  it.scopedLive("carries a server's own parameters, which come last and win", () =>
    Effect.gen(function* () {
      const request: CreateVideoRequest = {
        prompt: "x",
        seconds: 4,
        size: "720x1280",
        extraBody: { seconds: 6, size: null, seed: 7, fps: 16, lora: [{ path: "a", scale: 0.5 }] }
      }
      const [only] = yield* sent(createVideo(request))
      expect(bodyOf(only)).toEqual({
        prompt: "x",
        seconds: 6,
        size: null,
        seed: 7,
        fps: 16,
        lora: [{ path: "a", scale: 0.5 }]
      })
    })
  )

  it.scopedLive("takes 32,000 emoji", () =>
    Effect.gen(function* () {
      const prompt = "🎬".repeat(32_000)
      const [only] = yield* sent(createVideo({ prompt }))
      expect(bodyOf(only)).toEqual({ prompt })
      expect(wrong("CreateVideoJsonBody", bodyOf(only))).toEqual([])
    })
  )
})

describe("the body of extendVideo", () => {
  const snapshot = Schema.decodeUnknownSync(VideoResource)(job({ id: "video_a/b+c==", url: "https://cdn/1.mp4" }))
  const sources: ReadonlyArray<readonly [string, ExtendVideoRequest["video"], string]> = [
    ["an id", "video_1", "video_1"],
    ["a reference", { id: "video_1" }, "video_1"],
    ["a snapshot", snapshot, "video_a/b+c=="],
    ["an id in base64", "video_a/b+c==", "video_a/b+c=="]
  ]

  it.scopedLive.each(sources)("refers to its source only, if that is %s", ([, video, id]) =>
    Effect.gen(function* () {
      const [only, ...more] = yield* sent(extendVideo({ video, prompt: "and on", seconds: 8 }))
      expect(bodyOf(only)).toEqual({ video: { id }, prompt: "and on", seconds: "8" })
      expect(wrong("CreateVideoExtendJsonBody", bodyOf(only))).toEqual([])
      expect(only).toMatchObject({
        method: "POST",
        url: "/v1/videos/extensions",
        headers: { "content-type": "application/json" }
      })
      expect(more).toEqual([])
    })
  )

  it.scopedLive.each(lengths)("has %s seconds as a text", (seconds) =>
    Effect.gen(function* () {
      const [only] = yield* sent(extendVideo({ video: "video_1", prompt: "x", seconds }))
      expect(bodyOf(only)).toEqual({ video: { id: "video_1" }, prompt: "x", seconds: String(seconds) })
      expect(wrong("CreateVideoExtendJsonBody", bodyOf(only))).toEqual([])
    })
  )

  it.scopedLive("carries a server's own parameters, which come last and win", () =>
    Effect.gen(function* () {
      const extraBody = { video: { url: "https://host/v.mp4" }, duration: 8, model: "grok-video" }
      const [only] = yield* sent(extendVideo({ video: "video_1", prompt: "x", seconds: 8, extraBody }))
      expect(bodyOf(only)).toEqual({ ...extraBody, prompt: "x", seconds: "8" })
    })
  )
})

describe("an id in a path", () => {
  const ids: ReadonlyArray<readonly [string, string]> = [
    ["video_1", "video_1"],
    ["a/b+c==", "a%2Fb%2Bc%3D%3D"],
    ["a..b/c", "a..b%2Fc"],
    ["%2d%2d", "%252d%252d"],
    ["a?b#c", "a%3Fb%23c"],
    ["a b", "a%20b"],
    ["é🎬", "%C3%A9%F0%9F%8E%AC"],
    ["a\\b", "a%5Cb"],
    ["...", "..."],
    ["v".repeat(2048), "v".repeat(2048)]
  ]
  it.scopedLive.each(ids)("is one segment: %s", ([id, segment]) =>
    Effect.gen(function* () {
      const requests = yield* sent(Effect.zipRight(retrieveVideo(id), Stream.runDrain(downloadVideo({ id }))))
      expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
        `GET /v1/videos/${segment}`,
        `GET /v1/videos/${segment}/content`
      ])
      expect(requests.map(({ body }) => body.length)).toEqual([0, 0])
    })
  )

  it.scopedLive.each(["../../admin", "a/../b", "%2e%2e", "%252e%252e%252fadmin", ".", "a\\..\\b"])(
    "is refused, and nothing sent, where a proxy could make it climb: %s",
    (id) =>
      Effect.gen(function* () {
        const requests = yield* sent(
          Effect.flip(retrieveVideo(id)).pipe(
            Effect.tap((error) => Effect.sync(() => expect(error).toMatchObject({ _tag: "InvalidRequestError" })))
          )
        )
        expect(requests).toEqual([])
      })
  )
})

describe("the specification", () => {
  it.scopedLive("has every route that the client requests, with the same method, path and fields", () =>
    Effect.gen(function* () {
      const file = VideoFile.fromBytes(new Uint8Array([1, 2, 3]), { name: "clip.mp4" })
      const calls = {
        createVideo: createVideo({ prompt: "x", seconds: 20, size: "720x1280", model: "sora-2" }),
        extendVideo: extendVideo({ video: "video_1", prompt: "x", seconds: 16 }),
        extendVideoWithFile: extendVideo({ video: file, prompt: "x", seconds: 4 }),
        retrieveVideo: retrieveVideo("video_1"),
        editVideo: editVideo({ video: "video_1", prompt: "x" }),
        editVideoWithFile: editVideo({ video: file, prompt: "x" }),
        remixVideo: remixVideo({ video: "video_1", prompt: "x" }),
        createVideoWithFile: createVideo({ prompt: "x", seconds: 4, inputReference: file }),
        createCharacter: createCharacter({ video: file, name: "Tom" }),
        retrieveCharacter: retrieveCharacter("video_1"),
        listVideos: Stream.runDrain(listVideos({ limit: 10, order: "asc", after: "video_0" })),
        deleteVideo: deleteVideo("video_1"),
        downloadVideo: Stream.runDrain(downloadVideo("video_1", { variant: "thumbnail" }))
      }
      expect(Object.keys(calls).sort()).toEqual(Object.keys(protocol.routes).sort())
      for (const [name, call] of Object.entries<Program>(calls)) {
        const route = protocol.routes[name]
        const [only] = yield* sent(call)
        const url = new URL(only?.url ?? "", "http://host")
        expect(`${only?.method} ${url.pathname}`).toBe(
          `${route?.method} /v1${route?.path.replace(/\{\w+\}/, "video_1")}`
        )
        for (const parameter of url.searchParams.keys()) expect(route?.query).toContain(parameter)
        if (route?.body !== undefined) expect(wrong(route.body, bodyOf(only))).toEqual([])
        if (route?.form !== undefined && only !== undefined) {
          const fields = Object.fromEntries(
            parseMultipart(only).map((part) => [part.name, part.body.toString("latin1")])
          )
          expect(wrong(route.form, fields)).toEqual([])
        }
      }
    })
  )

  it("is what a resource is written back as", () => {
    const written = (fields: object) =>
      Schema.encodeSync(VideoResource)(Schema.decodeUnknownSync(VideoResource)(job({ ...fields })))
    expect(wrong("VideoResource", written({}))).toEqual([])
    expect(wrong("VideoResource", written({ status: "failed", error: { code: "c", message: "m" } }))).toEqual([])
    expect(written({ completed_at: 1_760_000_001, progress: 100 })).toEqual(
      job({ completed_at: 1_760_000_001, progress: 100 })
    )
  })

  it("is checked by a validator that can refuse", () => {
    expect(wrong("CreateVideoJsonBody", { prompt: "", seconds: 8, foo: 1 })).toHaveLength(4)
  })
})
