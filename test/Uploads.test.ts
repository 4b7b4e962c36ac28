import * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Schedule, Stream } from "effect"
import { extendVideo, VideoFile } from "effect-videos"
import { parseMultipart } from "./support/multipart.js"
import { hangUntilClosed, inTurn, json, type Recorded, serve, text } from "./support/server.js"
import { atOnce, clients, job, videosOver } from "./support/videos.js"

/** 600 kB that are no text and hold what could be taken for a boundary. */
const bytes = Uint8Array.from({ length: 600_000 }, (_, index) => (index * 31 + (index >> 8)) & 0xff)
bytes.set(Buffer.from("\r\n--effect-videos-\r\n\r\n--"), 1000)

const gone = new PlatformError.SystemError({
  reason: "Unknown",
  module: "FileSystem",
  method: "read",
  description: "EIO: disk gone"
})

/** The same bytes, in uneven pieces. */
const pieces = (all: Uint8Array): Stream.Stream<Uint8Array> =>
  Stream.fromIterable([0, 1, 2000, 300_000].map((from, index, starts) => all.subarray(from, starts[index + 1])))

const extendWith = (video: VideoFile.VideoFile) => extendVideo({ video, prompt: "and “on”", seconds: 8 })

const onDisk = (name: string, content: Uint8Array) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = `${yield* fs.makeTempDirectoryScoped()}/${name}`
    yield* fs.writeFile(path, content)
    return path
  })

const checkForm = (request: Recorded | undefined, file: { readonly name: string; readonly type: string }) => {
  expect(request).toMatchObject({ method: "POST", url: "/v1/videos/extensions", complete: true })
  const parts = request === undefined ? [] : parseMultipart(request)
  expect(parts.map(({ filename, name, type }) => [name, filename, type])).toEqual([
    ["prompt", undefined, undefined],
    ["seconds", undefined, undefined],
    ["video", file.name, file.type]
  ])
  const [prompt, seconds, video] = parts
  expect(prompt?.body.toString()).toBe("and “on”")
  expect(seconds?.body.toString()).toBe("8")
  expect(video?.body.equals(bytes)).toBe(true)
}

for (const { client, layer } of clients) {
  describe(`over ${client}, an uploaded file`, () => {
    const made = {
      path: Effect.flatMap(onDisk("clip one.webm", bytes), (path) => VideoFile.fromPath(path)),
      "stream of a known size": Effect.succeed(
        VideoFile.fromStream(pieces(bytes), { name: "clip one.webm", size: bytes.byteLength })
      ),
      "stream of an unknown size": Effect.succeed(VideoFile.fromStream(pieces(bytes), { name: "clip one.webm" })),
      bytes: Effect.succeed(VideoFile.fromBytes(bytes, { name: "clip one.webm" }))
    }
    it.scopedLive.each(Object.keys(made) as ReadonlyArray<keyof typeof made>)(
      "arrives whole from a %s, and whole again after a 429",
      (from) =>
        Effect.gen(function* () {
          const server = yield* serve(inTurn(text(429, ""), json(200, job({ id: "video_2" }))))
          const video = yield* Effect.flatMap(made[from], extendWith).pipe(
            Effect.provide(videosOver(server, { submitRetry: atOnce(1) }, layer))
          )
          expect(video.id).toBe("video_2")
          expect(server.requests).toHaveLength(2)
          for (const request of server.requests) {
            checkForm(request, { name: "clip one.webm", type: "video/webm" })
            const length = request.headers["content-length"]
            const measured = from !== "stream of an unknown size" && (/undici/i.test(client) || from === "bytes")
            expect(length).toBe(measured ? String(request.body.length) : undefined)
          }
        }).pipe(Effect.provide(NodeFileSystem.layer))
    )

    const ill = {
      "is longer than it said": [
        VideoFile.fromStream(pieces(bytes), { name: "a.mp4", size: 599_999 }),
        /longer than 599999 bytes/
      ],
      "is shorter than it said": [
        VideoFile.fromStream(pieces(bytes), { name: "a.mp4", size: 600_001 }),
        /ended after 600000 of 600001 bytes/
      ],
      "cannot be read": [
        VideoFile.fromStream(Stream.concat(pieces(bytes), Stream.fail(gone)), { name: "a.mp4" }),
        /EIO: disk gone/
      ],
      "fails at once": [VideoFile.fromStream(Stream.fail({ code: "ECONNREFUSED" }), { name: "a.mp4", size: 9 }), /./]
    } as const
    it.scopedLive.each(Object.keys(ill) as ReadonlyArray<keyof typeof ill>)("becomes an UploadError if it %s", (what) =>
      Effect.gen(function* () {
        const [video, detail] = ill[what]
        const server = yield* serve(json(200, job()))
        const error = yield* Effect.flip(extendWith(video)).pipe(
          Effect.provide(videosOver(server, { submitRetry: atOnce(2) }, layer))
        )
        expect(error).toMatchObject({ _tag: "UploadError", operation: "extendVideo", file: "a.mp4" })
        expect("detail" in error && error.detail).toMatch(detail)
        expect(error.message).toMatch(/^extendVideo: cannot upload a\.mp4: /)
        expect(server.requests.filter(({ complete }) => complete)).toEqual([])
        expect(server.requests.length).toBeLessThanOrEqual(1)
      })
    )

    it.scopedLive("becomes an UploadError if it vanished between two tries", () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const path = yield* onDisk("clip.mp4", bytes)
        const file = yield* VideoFile.fromPath(path)
        const server = yield* serve(text(429, ""))
        const vanish = fs.remove(path).pipe(Effect.orDie)
        const submitRetry = Schedule.recurs(1).pipe(Schedule.tapInput(() => vanish))
        const error = yield* Effect.flip(extendWith(file)).pipe(
          Effect.provide(videosOver(server, { submitRetry }, layer))
        )
        expect(error).toMatchObject({ _tag: "UploadError", file: "clip.mp4" })
        expect(server.requests.filter(({ complete }) => complete)).toHaveLength(1)
      }).pipe(Effect.provide(NodeFileSystem.layer))
    )

    it.scopedLive("is closed with its request by an interruption", () =>
      Effect.gen(function* () {
        const { arrived, closed, reply } = yield* hangUntilClosed
        const server = yield* serve(reply)
        yield* Effect.raceFirst(
          extendWith(VideoFile.fromBytes(bytes)).pipe(Effect.provide(videosOver(server, {}, layer))),
          arrived
        )
        yield* closed
        expect(server.requests).toHaveLength(1)
      })
    )
  })
}

describe("a file's name and type", () => {
  const upload = (video: VideoFile.VideoFile, extraBody = {}) =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, job()))
      yield* extendVideo({ video, prompt: "x", seconds: 8, extraBody }).pipe(
        Effect.provide(videosOver(server, {}, NodeHttpClient.layerUndici))
      )
      const [request] = server.requests
      return request === undefined ? [] : parseMultipart(request)
    })

  const small = new Uint8Array([1, 2, 3])

  const names: ReadonlyArray<readonly [string, string]> = [
    ["clip.mp4", "clip.mp4"],
    [`a "quoted" clip.mp4`, "a %22quoted%22 clip.mp4"],
    ["a\r\nx-evil: 1\r\n\r\n.mp4", "a%0D%0Ax-evil: 1%0D%0A%0D%0A.mp4"],
    ["клип 🎬.mp4", "клип 🎬.mp4"],
    [`"; name="prompt`, "%22; name=%22prompt"]
  ]
  it.scopedLive.each(names)("%j cannot break out of its header", ([name, filename]) =>
    Effect.gen(function* () {
      const parts = yield* upload(VideoFile.fromBytes(small, { name }))
      expect(parts).toHaveLength(3)
      expect(parts[2]).toMatchObject({ name: "video", filename })
      expect(parts[2]?.body.equals(small)).toBe(true)
    })
  )

  const types: ReadonlyArray<readonly [string, VideoFile.Options, string]> = [
    ["a.mp4", {}, "video/mp4"],
    ["A.MOV", {}, "video/quicktime"],
    ["a.webm", {}, "video/webm"],
    ["a.bin", {}, "video/mp4"],
    ["mp4", {}, "video/mp4"],
    ["a.webm", { contentType: "video/x-own" }, "video/x-own"],
    ["a.mp4", { contentType: "video/mp4\r\nx-evil: 1" }, "video/mp4x-evil: 1"]
  ]
  it.scopedLive.each(types)("%s with %j is sent as %s", ([name, options, type]) =>
    Effect.gen(function* () {
      expect((yield* upload(VideoFile.fromBytes(small, { name, ...options })))[2]?.type).toBe(type)
    })
  )

  it.scopedLive("stand beside a server's own parameters, which win: texts as they are, the rest as JSON", () =>
    Effect.gen(function* () {
      const parts = yield* upload(VideoFile.fromBytes(small), { seed: 7, note: "é", size: [1, 2], seconds: "9" })
      expect(parts.map(({ body, name }) => [name, body.toString("latin1")])).toEqual([
        ["prompt", "x"],
        ["seconds", "9"],
        ["seed", "7"],
        ["note", Buffer.from("é").toString("latin1")],
        ["size", "[1,2]"],
        ["video", "\u0001\u0002\u0003"]
      ])
      expect(parts[5]).toMatchObject({ filename: "video.mp4", type: "video/mp4" })
    })
  )
})

describe("a path", () => {
  it.scoped.each([
    ["that is missing", "/missing.mp4", "SystemError"],
    ["that is a directory", "", "BadArgument"]
  ] as const)("%s fails before anything is sent", ([, rest, tag]) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const error = yield* Effect.flip(VideoFile.fromPath(`${directory}${rest}`))
      expect(error._tag).toBe(tag)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
