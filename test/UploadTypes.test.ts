/** The type and the name of an upload, by its first bytes: in memory, on disk, and in a stream that is read once. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { createVideo, VideoFile } from "effect-videos"
import { fileOf } from "effect-videos/promise"
import { parseMultipart } from "./support/multipart.js"
import { inTurn, json, serve, text } from "./support/server.js"
import { atOnce, job, videosOver } from "./support/videos.js"

/** Latin-1 text as bytes, and zeros up to a length. */
const bytesOf = (start: string, length = 2000): Uint8Array => {
  const bytes = new Uint8Array(Math.max(length, start.length))
  bytes.set(Buffer.from(start, "latin1"))
  return bytes
}

const ftyp = (major: string, ...compatible: ReadonlyArray<string>): Uint8Array =>
  bytesOf(`\0\0\0${String.fromCharCode(16 + 4 * compatible.length)}ftyp${major}\0\0\0\0${compatible.join("")}`)

const ebml = (docType: string): Uint8Array =>
  bytesOf(
    `\x1aE\xdf\xa3\xa3\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82${String.fromCharCode(0x80 + docType.length)}${docType}`
  )

const kinds: { readonly [kind: string]: readonly [bytes: Uint8Array, type: string, ending: string] } = {
  GIF: [bytesOf("GIF89a"), "image/gif", "gif"],
  "GIF of 1987": [bytesOf("GIF87a"), "image/gif", "gif"],
  PNG: [bytesOf("\x89PNG\r\n\x1a\n"), "image/png", "png"],
  JPEG: [bytesOf("\xff\xd8\xff\xe1"), "image/jpeg", "jpg"],
  WebP: [bytesOf("RIFF\x10\0\0\0WEBPVP8 "), "image/webp", "webp"],
  BMP: [bytesOf("BM\x36\0\x0c\0\0\0\0\0\x36\0\0\0\x28\0\0\0"), "image/bmp", "bmp"],
  "TIFF, little-endian": [bytesOf("II*\0\x08\0\0\0"), "image/tiff", "tiff"],
  "TIFF, big-endian": [bytesOf("MM\0*\0\0\0\x08"), "image/tiff", "tiff"],
  HEIC: [ftyp("heic", "mif1", "heic"), "image/heic", "heic"],
  "HEIC by a compatible brand": [ftyp("mif1", "mif1", "heic"), "image/heic", "heic"],
  HEIF: [ftyp("mif1", "mif1"), "image/heif", "heif"],
  AVIF: [ftyp("avif", "avif", "mif1"), "image/avif", "avif"],
  "AVIF by a compatible brand": [ftyp("mif1", "avif"), "image/avif", "avif"],
  "JPEG XL": [bytesOf("\0\0\0\x0cJXL \r\n\x87\n"), "image/jxl", "jxl"],
  SVG: [
    Buffer.from('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'.padEnd(2000)),
    "image/svg+xml",
    "svg"
  ],
  MP4: [ftyp("isom", "isom", "avc1"), "video/mp4", "mp4"],
  "a fragment of an MP4": [bytesOf("\0\0\0\x18styp"), "video/mp4", "mp4"],
  QuickTime: [ftyp("qt  ", "qt  "), "video/quicktime", "mov"],
  WebM: [ebml("webm"), "video/webm", "webm"],
  Matroska: [ebml("matroska"), "video/matroska", "mkv"],
  AVI: [bytesOf("RIFF\x10\0\0\0AVI LIST"), "video/vnd.avi", "avi"]
}

const names = Object.keys(kinds)

/** The file part of the request that a server receives. */
const sent = (file: VideoFile.VideoFile) =>
  Effect.gen(function* () {
    const server = yield* serve(json(200, job()))
    yield* Effect.provide(
      createVideo({ prompt: "x", inputReference: file }),
      videosOver(server, {}, NodeHttpClient.layerUndici)
    )
    const [request] = server.requests
    const part = request === undefined ? undefined : parseMultipart(request).find(({ filename }) => filename)
    return { part, length: request?.headers["content-length"], bytes: request?.body.length }
  })

const onDisk = (name: string, content: Uint8Array) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = `${yield* fs.makeTempDirectoryScoped()}/${name}`
    yield* fs.writeFile(path, content)
    return path
  })

const inPieces = (bytes: Uint8Array, size: number) =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.byteLength / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size)
    )
  )

describe("an upload without a content type", () => {
  it.scopedLive.each(names)("is sent as what its first bytes show: %s", (kind) =>
    Effect.gen(function* () {
      const [bytes, type, ending] = kinds[kind] ?? [new Uint8Array(), "", ""]
      const folder = type.startsWith("image/") ? "image" : "video"
      const path = yield* onDisk("photo", bytes)
      const files: ReadonlyArray<readonly [VideoFile.VideoFile, name: string]> = [
        [VideoFile.fromBytes(bytes), `${folder}.${ending}`],
        [VideoFile.fromBytes(bytes, { name: "photo" }), `photo.${ending}`],
        [yield* VideoFile.fromPath(path), `photo.${ending}`],
        [VideoFile.fromStream(inPieces(bytes, 7), { name: "photo", size: bytes.byteLength }), `photo.${ending}`],
        [VideoFile.fromStream(inPieces(bytes, 700)), `${folder}.${ending}`],
        [fileOf(new Blob([bytes as Uint8Array<ArrayBuffer>])), `${folder}.${ending}`]
      ]
      for (const [file, name] of files) {
        const { bytes: received, length, part } = yield* sent(file)
        assert.deepStrictEqual([part?.type, part?.filename], [type, name])
        assert.isTrue(part?.body.equals(bytes))
        assert.strictEqual(length, file.size === null ? undefined : String(received))
      }
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scopedLive.each(names.filter((name) => kinds[name]?.[1].startsWith("image/")))(
    "is sent as what its first bytes show in a data URL, too: %s",
    (kind) =>
      Effect.gen(function* () {
        const [bytes, type] = kinds[kind] ?? [new Uint8Array(), ""]
        for (const file of [
          VideoFile.fromBytes(bytes),
          VideoFile.fromStream(inPieces(bytes, 7)),
          fileOf(new Blob([bytes as Uint8Array<ArrayBuffer>])),
          fileOf(new Blob([bytes as Uint8Array<ArrayBuffer>], { type: "image/x-other" }))
        ]) {
          const server = yield* serve(json(200, { request_id: "video_1" }))
          yield* Effect.provide(
            createVideo({ prompt: "x", inputReference: file }),
            videosOver(server, { dialect: "xai", apiKey: "sk-none" })
          )
          const { image } = JSON.parse(String(server.requests[0]?.body))
          assert.strictEqual(image.url, `data:${type};base64,${Buffer.from(bytes).toString("base64")}`)
        }
      })
  )

  it.scopedLive("keeps its name and loses its wrong type, if the name's extension lies", () =>
    Effect.gen(function* () {
      const heic = ftyp("heic", "mif1", "heic")
      const path = yield* onDisk("IMG_0001.JPG", heic)
      const file = { name: "IMG_0001.JPG" }
      for (const lying of [
        VideoFile.fromBytes(heic, file),
        yield* VideoFile.fromPath(path),
        VideoFile.fromStream(inPieces(heic, 100), { ...file, size: heic.byteLength }),
        fileOf(new Blob([heic as Uint8Array<ArrayBuffer>], { type: "image/jpeg" }), file),
        VideoFile.withProgress(VideoFile.fromStream(inPieces(heic, 100), file), () => Effect.void),
        VideoFile.withProgress(VideoFile.fromBytes(heic, file), () => Effect.void)
      ]) {
        const { part } = yield* sent(lying)
        assert.deepStrictEqual([part?.type, part?.filename], ["image/heic", "IMG_0001.JPG"])
        assert.isTrue(part?.body.equals(heic))
      }
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scopedLive("has the type of its name, or of its Blob, if the bytes show none", () =>
    Effect.gen(function* () {
      const unknown = new Uint8Array([1, 2, 3])
      const path = yield* onDisk("a.heic", unknown)
      const table: ReadonlyArray<readonly [VideoFile.VideoFile, type: string, name: string]> = [
        [VideoFile.fromBytes(unknown, { name: "a.gif" }), "image/gif", "a.gif"],
        [VideoFile.fromBytes(unknown, { name: "a.TIF" }), "image/tiff", "a.TIF"],
        [yield* VideoFile.fromPath(path), "image/heic", "a.heic"],
        [VideoFile.fromStream(Stream.make(unknown), { name: "a.avif", size: 3 }), "image/avif", "a.avif"],
        [VideoFile.fromStream(Stream.empty, { name: "a.bmp", size: 0 }), "image/bmp", "a.bmp"],
        [fileOf(new Blob([unknown], { type: "image/png" })), "image/png", "video.mp4"],
        [VideoFile.fromBytes(unknown), "video/mp4", "video.mp4"],
        [VideoFile.fromBytes(unknown, { name: "photo" }), "video/mp4", "photo"]
      ]
      for (const [file, type, name] of table) {
        const { part } = yield* sent(file)
        assert.deepStrictEqual([part?.type, part?.filename], [type, name])
      }
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scopedLive("has the content type that is given, whatever the bytes show", () =>
    Effect.gen(function* () {
      const gif = bytesOf("GIF89a")
      const own = { contentType: "image/x-own", name: "a" }
      for (const file of [VideoFile.fromBytes(gif, own), VideoFile.fromStream(inPieces(gif, 10), own)]) {
        const { part } = yield* sent(file)
        assert.deepStrictEqual([part?.type, part?.filename], ["image/x-own", "a"])
      }
    })
  )

  it.each([
    ["v1.2", "v1.2.gif"],
    ["photo.", "photo.gif"],
    [".hidden", ".hidden.gif"],
    ["holiday 2026.07.01", "holiday 2026.07.01.gif"],
    ["", "image.gif"],
    ["a.jpeg", "a.jpeg"]
  ])("has an extension if its name %j has none: %s", (name, expected) => {
    assert.strictEqual(VideoFile.fromBytes(bytesOf("GIF89a"), { name }).name, expected)
  })

  it.scopedLive("is read once per attempt, and not before it is sent, if it is a stream", () =>
    Effect.gen(function* () {
      const bytes = kinds["WebP"]?.[0] ?? new Uint8Array()
      let runs = 0
      const stream = Stream.suspend(() => {
        runs++
        return inPieces(bytes, 300)
      })
      const file = VideoFile.fromStream(stream, { size: bytes.byteLength })
      assert.strictEqual(runs, 0)
      const server = yield* serve(inTurn(text(429, ""), json(200, job())))
      yield* Effect.provide(
        createVideo({ prompt: "x", inputReference: file }),
        videosOver(server, { submitRetry: atOnce(1) }, NodeHttpClient.layerUndici)
      )
      assert.strictEqual(runs, 2)
      const types = server.requests.map((request) => parseMultipart(request).at(-1)?.type)
      assert.deepStrictEqual(types, ["image/webp", "image/webp"])
    })
  )
})
