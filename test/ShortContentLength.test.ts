/** A `Content-Length` that is too small, time after time: the clip's end by HTTP, and not by its own account. */
import { readFileSync } from "node:fs"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { Effect, Layer, Schedule, Stream } from "effect"
import { downloadVideo } from "effect-videos"
import { downloadVideoToFile } from "effect-videos/Transfer"
import { instant, make } from "../packages/server/test/support.js"
import { hang, inTurn, type Reply, serve } from "./support/server.js"
import { makeFolder, ranged, savedOf, startOf, tagged, whole } from "./support/transfer.js"
import { atOnce, clients, videosOver } from "./support/videos.js"

addEqualityTesters()

const film = readFileSync(new URL("./fixtures/media/x264-bframes-aac.mp4", import.meta.url))

const headOf = film.subarray(0, -9)

/** Says a length that is nine bytes short; what is beyond it goes out all the same, where a socket takes it. */
const short =
  (headers: { readonly [name: string]: string }): Reply =>
  (response) => {
    response.writeHead(200, { "content-type": "video/mp4", "content-length": String(headOf.length), ...headers })
    response.end(film)
  }

/** The same, of what was asked for; the range says the truth. */
const shortRanged: Reply = (response, request, index) => {
  const start = startOf(request.headers.range)
  if (start === null) return short(tagged)(response, request, index)
  const length = Math.max(1, film.length - start - 9)
  response.writeHead(206, {
    "content-type": "video/mp4",
    "content-length": String(length),
    "content-range": `bytes ${start}-${film.length - 1}/${film.length}`,
    ...tagged
  })
  response.end(film.subarray(start, start + length))
}

/** All that there is, as far as this server knows. */
const cutThere: Reply = (response, request, index) => {
  const start = startOf(request.headers.range)
  if (start === null || start < headOf.length) return ranged(headOf)(response, request, index)
  response.writeHead(416, { "content-range": `bytes */${headOf.length}`, ...tagged }).end()
}

for (const { client, layer } of clients) {
  const over = (server: { readonly baseUrl: string }) => Layer.merge(videosOver(server, {}, layer), NodeContext.layer)

  describe(`over ${client}, a clip that its length truncates`, () => {
    it.scopedLive.each([
      ["once", inTurn(short(tagged), ranged(film)), [null, headOf.length]],
      ["once, by a server without ranges", inTurn(short({}), whole(film)), [null, null]],
      // The range has the length of the whole, and each response a part of it.
      ["each time", shortRanged, [null, ...Array.from({ length: 9 }, (_, index) => headOf.length + index)]]
    ] as ReadonlyArray<readonly [string, Reply, ReadonlyArray<number | null>]>)(
      "is fetched to its end: %s",
      ([, reply, asked]) =>
        Effect.gen(function* () {
          const { folder, list, read } = yield* makeFolder
          const server = yield* serve(reply)
          const file = yield* downloadVideoToFile("video_1", `${folder}/clip.mp4`, { retry: atOnce(1) }).pipe(
            Effect.provide(over(server))
          )
          expect(file.bytes).toBe(film.length)
          expect((yield* read("clip.mp4")).equals(film)).toBe(true)
          expect(yield* list).toEqual(["clip.mp4"])
          expect(server.requests.map(({ headers }) => startOf(headers.range))).toEqual(asked)
        }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive.each([
      ["ignores ranges", short(tagged), ["clip.mp4.part", "clip.mp4.part.json"]],
      ["has no tags", short({}), ["clip.mp4.part"]],
      ["has no more of it", cutThere, ["clip.mp4.part", "clip.mp4.part.json"]]
    ] as ReadonlyArray<readonly [string, Reply, ReadonlyArray<string>]>)(
      "each time, by a server that %s, fails: the partial file is kept, and the same bytes are not fetched for ever",
      ([, reply, left]) =>
        Effect.gen(function* () {
          const { folder, list, read } = yield* makeFolder
          const server = yield* serve(reply)
          const path = `${folder}/clip.mp4`
          const save = Effect.flip(downloadVideoToFile("video_1", path, { retry: atOnce(8) }))
          const error = yield* Effect.provide(save, over(server))
          expect(error).toMatchObject({
            _tag: "IncompleteDownloadError",
            received: headOf.length,
            total: null,
            part: `${path}.part`,
            isTransient: true
          })
          expect(error.message).toContain("it is truncated: its `moov` ends 9 bytes further on")
          expect(yield* list).toEqual(left)
          expect((yield* read("clip.mp4.part")).equals(headOf)).toBe(true)
          // The second says what the first did: that is what the server has.
          expect(server.requests).toHaveLength(2)
          // What there is of it is not taken for the whole by the next call.
          expect(yield* Effect.provide(save, over(server))).toMatchObject({ _tag: "IncompleteDownloadError" })
          expect(yield* list).toEqual(left)
        }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive("fails as a stream once its bytes have been handed over", () =>
      Effect.gen(function* () {
        const server = yield* serve(short({}))
        const got: Array<Uint8Array> = []
        const error = yield* downloadVideo("video_1").pipe(
          Stream.runForEach((bytes) => Effect.sync(() => got.push(bytes))),
          Effect.flip,
          Effect.provide(videosOver(server, {}, layer))
        )
        expect(error).toMatchObject({ _tag: "TransportError", reason: "exchange", isTransient: true })
        expect(error.message).toContain("the clip is truncated: its `moov` ends 9 bytes further on")
        expect(Buffer.concat(got).equals(headOf)).toBe(true)
      })
    )

    it.scopedLive("is ignored in a range that the program requests", () =>
      Effect.gen(function* () {
        const server = yield* serve(ranged(film))
        const bytes = yield* downloadVideo("video_1", { extraHeaders: { range: "bytes=7000-" } }).pipe(
          Stream.runFold(0, (sum, chunk) => sum + chunk.byteLength),
          Effect.provide(videosOver(server, {}, layer))
        )
        expect(bytes).toBe(film.length - 7000)
      })
    )
  })
}

describe("a part that is whole by its note, and not by its own account", () => {
  it.scopedLive("is resumed", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { folder, read } = yield* makeFolder
      const path = `${folder}/clip.mp4`
      const note = {
        videoId: "video_1",
        variant: "",
        validator: '"v1"',
        etag: '"v1"',
        total: headOf.length,
        saved: savedOf(headOf)
      }
      yield* fs.writeFile(`${path}.part`, headOf)
      yield* fs.writeFileString(`${path}.part.json`, JSON.stringify(note))
      const server = yield* serve(inTurn(ranged(film), hang))
      const file = yield* downloadVideoToFile("video_1", path, { retry: Schedule.stop }).pipe(
        Effect.provide(videosOver(server))
      )
      expect(file).toMatchObject({ bytes: film.length, resumedFrom: headOf.length })
      expect((yield* read("clip.mp4")).equals(film)).toBe(true)
      expect(server.requests).toHaveLength(1)
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe("the clips of the embedded server", () => {
  it.scopedLive("are whole by their container, the stills too, and truncated by a fault", () =>
    Effect.gen(function* () {
      const { faults, baseUrl } = yield* VideosServer
      const { folder, list } = yield* makeFolder
      const id = yield* make()
      const videos = videosOver({ baseUrl })
      for (const variant of ["video", "thumbnail", "spritesheet"] as const) {
        yield* Stream.runDrain(downloadVideo(id, { variant })).pipe(Effect.provide(videos))
      }
      yield* faults.set([{ on: ["content"], fault: Fault.contentLength(-9) }])
      const broken = yield* Effect.flip(Stream.runDrain(downloadVideo(id))).pipe(Effect.provide(videos))
      expect(broken).toMatchObject({ _tag: "TransportError" })
      yield* faults.set([{ on: ["content"], when: Fault.first(1), fault: Fault.contentLength(-9) }])
      yield* downloadVideoToFile(id, `${folder}/clip.mp4`, { retry: atOnce(1) }).pipe(Effect.provide(videos))
      expect(yield* list).toEqual(["clip.mp4"])
      yield* faults.clear
      yield* downloadVideoToFile(id, `${folder}/again.mp4`).pipe(Effect.provide(videos))
      const fs = yield* FileSystem.FileSystem
      const [a, b] = yield* Effect.all([fs.readFile(`${folder}/clip.mp4`), fs.readFile(`${folder}/again.mp4`)])
      expect(Buffer.from(a ?? []).equals(Buffer.from(b ?? []))).toBe(true)
    }).pipe(Effect.provide([NodeContext.layer, VideosServer.layer(instant)]))
  )
})
