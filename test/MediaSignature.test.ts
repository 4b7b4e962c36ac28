/** What a body is by its first bytes: clips of every container, and everything that servers send in their place. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Redacted, Stream } from "effect"
import { type ContentOptions, downloadVideo } from "effect-videos"
import { downloadVideoToFile } from "effect-videos/Transfer"
import { signatureOf } from "../src/internal/download/inspectContent.js"
import { signatureLength } from "../src/internal/protocol/mediaType.js"
import { json, type Reply, routes, serve } from "./support/server.js"
import { makeFolder } from "./support/transfer.js"
import { job, videosOver } from "./support/videos.js"

addEqualityTesters()

type Parts = ReadonlyArray<string | ReadonlyArray<number>>

const bytesOf = (...parts: Parts): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.from(part))))

/** Behind a head: what no text has. */
const rest = Buffer.alloc(600, 1)

const box = (type: string, brand = "isom") => Buffer.concat([bytesOf([0, 0, 0, 0x20], type, brand), rest])
const riff = (form: string, ...more: Parts) => Buffer.concat([bytesOf("RIFF", [0xf4, 1, 0, 0], form, ...more), rest])
const packets = (length: number, at = 0) => {
  const bytes = Buffer.alloc(3 * length, 0)
  for (let packet = 0; packet < 3; packet++) bytes[packet * length + at] = 0x47
  return bytes
}
const headed = (...parts: Parts) => Buffer.concat([bytesOf(...parts), rest])

const clips: ReadonlyArray<readonly [string, Buffer]> = [
  ...["ftyp", "moov", "mdat", "free", "skip", "wide", "styp", "moof", "uuid"].map(
    (type) => [`MP4 that begins with ${type}`, box(type)] as const
  ),
  ["QuickTime", box("ftyp", "qt  ")],
  ["3GP", box("ftyp", "3gp5")],
  ["an animated AVIF", box("ftyp", "avis")],
  ["WebM", headed([0x1a, 0x45, 0xdf, 0xa3])],
  ["AVI", riff("AVI ")],
  ["animated WebP", riff("WEBP", "VP8X", [10, 0, 0, 0, 0x02, 0, 0, 0])],
  ["GIF", headed("GIF89a")],
  ["MPEG-TS", packets(188)],
  ["MPEG-TS of a Blu-ray", packets(192, 4)],
  ["MPEG-PS", headed([0, 0, 1, 0xba])],
  ["FLV", headed("FLV", [1])],
  ["Ogg", headed("OggS", [0])],
  ["ASF", headed([0x30, 0x26, 0xb2, 0x75])],
  ["YUV4MPEG2", headed("YUV4MPEG2 W64 H64 F24:1\nFRAME\n", Array(600).fill(0x50))],
  ["raw H.264, an unknown type", headed([0, 0, 0, 1, 0x67, 0x64])],
  ["a few bytes of an unknown type", bytesOf([7, 8, 9])]
]

const utf16 = (words: string) => Buffer.from(words, "utf16le")
const words = "Video is still being rendered, 40 % done"
const others: ReadonlyArray<readonly [string, Buffer, string]> = [
  ["text", bytesOf(words), "text instead of a video: Video is still being rendered"],
  ["text with the letters of a box", bytesOf("You free the clip"), "text"],
  ["text in lines", bytesOf("\r\n\tnot here\n"), "text instead of a video: not here"],
  ["text of 2 KiB", bytesOf(`no clip ${"x".repeat(2000)}`), "text instead of a video: no clip x"],
  ["text beyond ASCII", Buffer.from("Das Video wird überprüft …"), "text"],
  ["text in Latin-1", bytesOf("La vidéo est arrêtée"), "text"],
  ["text in UTF-16", utf16("the video is not here"), "text"],
  ["text with a byte order mark", Buffer.from("\ufeffthe video is not here"), "text"],
  ["base64 of a clip", Buffer.from(box("ftyp").toString("base64")), "base64 as text instead of a video"],
  [
    "a data URL of a clip",
    Buffer.from(`data:video/mp4;base64,${box("ftyp").toString("base64")}`),
    "a `data:` URL as text"
  ],
  ["an HLS playlist", bytesOf("#EXTM3U\n#EXT-X-VERSION:3\nseg0.ts?sig=secret\n"), "an HLS playlist (m3u8)"],
  ["a DASH manifest", bytesOf('<?xml version="1.0"?><MPD xmlns="x"></MPD>'), "a DASH manifest (MPD)"],
  [
    "an object store's error",
    bytesOf("<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>The key does not exist</Message></Error>"),
    "XML instead of a video: The key does not exist"
  ],
  ["JSON", bytesOf('{"error":{"message":"no such clip"}}'), "JSON instead of a video: no such clip"],
  ["nothing", Buffer.alloc(0), "it is empty instead of a video"],
  ["white space", bytesOf(" \n".repeat(400)), "text"],
  ["a PNG", headed([0x89], "PNG\r\n", [0x1a, 0x0a]), "a PNG picture"],
  ["a JPEG", headed([0xff, 0xd8, 0xff, 0xe0]), "a JPEG picture"],
  ["a WebP", riff("WEBP", "VP8 "), "a WebP picture"],
  ["a WebP with transparency", riff("WEBP", "VP8X", [10, 0, 0, 0, 0x10, 0, 0, 0]), "a WebP picture"],
  ["a HEIC", box("ftyp", "heic"), "a HEIC or AVIF picture"],
  ["an AVIF", box("ftyp", "avif"), "a HEIC or AVIF picture"],
  ["gzip", headed([0x1f, 0x8b, 8]), "compressed by gzip"],
  ["a ZIP archive", headed("PK", [3, 4]), "a ZIP archive"],
  ["sound", riff("WAVE"), "WAVE sound"]
]

const sent =
  (bytes: Uint8Array, type = "video/mp4", size = bytes.length): Reply =>
  (response) => {
    response.writeHead(200, { "content-type": type })
    const send = (at: number) => {
      if (at >= bytes.length) response.end()
      else response.write(bytes.subarray(at, at + size), () => setImmediate(send, at + size))
    }
    send(0)
  }

const over = (reply: Reply, status = "completed", fields: { readonly [name: string]: unknown } = {}) =>
  serve(
    routes({
      "GET /v1/videos/video_1/content": reply,
      "GET /v1/videos/video_1/content?variant=thumbnail": reply,
      "GET /v1/videos/video_1/content?variant=spritesheet": reply,
      "GET /v1/videos/video_1": json(200, job({ status, ...fields }))
    })
  )

const gather = (server: { readonly baseUrl: string }, options?: ContentOptions) =>
  Stream.runCollect(downloadVideo("video_1", options)).pipe(
    Effect.map((chunks) => Buffer.concat(Chunk.toReadonlyArray(chunks))),
    Effect.provide(videosOver(server))
  )

const signature = (bytes: Uint8Array) =>
  signatureOf(bytes.subarray(0, signatureLength), bytes.length <= signatureLength)

describe("the first bytes of a body", () => {
  it.each(clips)("are those of a clip: %s", (_, bytes) => {
    expect(["video", "unknown"]).toContain(signature(bytes)?.media)
  })

  it.each([...clips, ...others].map(([name, bytes]) => [name, bytes] as const))(
    "have one type however they are divided: %s",
    (_, bytes) => {
      const whole = signature(bytes)
      for (let length = 1; length <= Math.min(signatureLength, bytes.length); length++) {
        const early = signatureOf(bytes.subarray(0, length), false)
        if (early !== null) {
          expect(early).toEqual(whole)
          return
        }
      }
      expect(bytes.length).toBeLessThan(signatureLength)
    }
  )
})

describe("a body with status 200", () => {
  // A container is checked for truncation: only types without that check are sent over the wire here.
  it.scopedLive.each(clips.filter(([name]) => !/MP4|QuickTime|3GP|AVIF|WebP|WebM/.test(name)))(
    "is passed on to the byte, a byte at a time: %s",
    ([, bytes]) =>
      Effect.gen(function* () {
        const server = yield* over(sent(bytes.subarray(0, 600), "application/octet-stream", 1))
        expect((yield* gather(server)).equals(bytes.subarray(0, 600))).toBe(true)
        expect(server.requests).toHaveLength(1)
      })
  )

  // The type decides what has no known signature only: each kind of body has one type, and each type several kinds.
  const types = ["text/plain", "video/mp4", "application/octet-stream", "binary/octet-stream"]
  it.scopedLive.each(others.map(([name, ...body], index) => [name, types[index % types.length], ...body] as const))(
    "is not a clip, and its text is in the error: %s, as %s",
    ([, type, bytes, expected]) =>
      Effect.gen(function* () {
        const server = yield* over(sent(bytes, type))
        const error = yield* Effect.flip(gather(server))
        expect(error._tag).toBe("ResponseDecodeError")
        expect(error.message).toContain(expected)
        expect(error.message.length).toBeLessThan(600)
        expect(JSON.stringify(error)).not.toContain("sig=secret")
      })
  )

  it.scopedLive("is not a clip one byte at a time either", () =>
    Effect.gen(function* () {
      const server = yield* over(sent(bytesOf(words), "video/mp4", 1))
      expect((yield* Effect.flip(gather(server))).message).toContain(words)
    })
  )

  it.scopedLive.each([
    ["in_progress", "VideoNotReadyError"],
    ["queued", "VideoNotReadyError"],
    ["failed", "VideoFailedError"],
    ["cancelled", "VideoFailedError"]
  ])("is what the job says, for text of a job that is %s: %s", ([status, tag]) =>
    Effect.gen(function* () {
      const server = yield* over(sent(bytesOf(words), "text/plain"), status)
      expect((yield* Effect.flip(gather(server)))._tag).toBe(tag)
      expect(server.requests).toHaveLength(2)
    })
  )

  it.scopedLive("is not ready yet if a text about a job that has just completed says that", () =>
    Effect.gen(function* () {
      const now = Math.floor(Date.now() / 1000)
      const server = yield* over(sent(bytesOf(words), "text/plain"), "completed", {
        created_at: now - 60,
        completed_at: now
      })
      const error = yield* Effect.flip(gather(server))
      expect(error).toMatchObject({ _tag: "VideoNotReadyError", isTransient: true, video: { status: "completed" } })
      expect(error.message).toContain(words)
    })
  )

  it.scopedLive("leaves neither a file nor a partial file", () =>
    Effect.gen(function* () {
      const { folder, list } = yield* makeFolder
      const server = yield* over(sent(bytesOf(words), "video/mp4"))
      const error = yield* Effect.flip(
        Effect.provide(downloadVideoToFile("video_1", `${folder}/clip.mp4`), videosOver(server))
      )
      expect(error._tag).toBe("ResponseDecodeError")
      expect(yield* list).toEqual([])
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive.each(["thumbnail", "spritesheet"] as const)("may be a picture for a %s, and no text", (variant) =>
    Effect.gen(function* () {
      for (const [name, bytes] of others.filter(([, , format]) => format.includes("picture"))) {
        const server = yield* over(sent(bytes, "image/webp"))
        expect([name, (yield* gather(server, { variant })).equals(bytes)]).toEqual([name, true])
      }
      for (const words of ["still rendering", "<html>no</html>", '{"error":"no"}', ""]) {
        const server = yield* over(sent(bytesOf(words), "image/webp"))
        expect([words, (yield* Effect.flip(gather(server, { variant })))._tag]).toEqual([words, "ResponseDecodeError"])
      }
    })
  )

  it.scopedLive("shows no key, and no signed URL", () =>
    Effect.gen(function* () {
      const key = "sk-very-secret-0123456789"
      const text = `${key} see https://storage.invalid/clip.mp4?X-Amz-Signature=abc&x=1 there`
      const server = yield* over(sent(bytesOf(text), "video/mp4"))
      const error = yield* Effect.flip(
        Effect.provide(Stream.runDrain(downloadVideo("video_1")), videosOver(server, { apiKey: Redacted.make(key) }))
      )
      expect(error.message).toContain("<redacted> see https://storage.invalid/clip.mp4?<redacted> there")
      expect(JSON.stringify(error)).not.toMatch(/sk-very|Signature/)
      expect(server.requests.map(({ url }) => url)).toEqual(["/v1/videos/video_1/content", "/v1/videos/video_1"])
    })
  )
})
