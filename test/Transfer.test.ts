import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { Videos } from "effect-videos"
import { downloadVideoToFile } from "effect-videos/Transfer"
import { hang, html, inTurn, json, type Reply, reset, routes, serve, text } from "./support/server.js"
import { clip, cut, makeFolder, other, ranged, startOf, tagged, unranged, whole } from "./support/transfer.js"
import { anyClient, atOnce, job, videosOver } from "./support/videos.js"

addEqualityTesters()

/** More than a table's row needs. */
const retry = atOnce(3)

for (const { client, layer } of [anyClient]) {
  const over = (server: { readonly baseUrl: string }) => Layer.merge(videosOver(server, {}, layer), NodeContext.layer)

  describe(`over ${client}, a download to a file`, () => {
    it.scopedLive("is under its final name, whole, and nothing is left beside it", () =>
      Effect.gen(function* () {
        const { folder, list, read } = yield* makeFolder
        const server = yield* serve(ranged(clip))
        const file = yield* downloadVideoToFile("video_1", `${folder}/clip.mp4`).pipe(Effect.provide(over(server)))
        expect(file).toEqual({
          path: `${folder}/clip.mp4`,
          bytes: 300_000,
          videoId: "video_1",
          resumedFrom: 0,
          etag: '"v1"'
        })
        expect((yield* read("clip.mp4")).equals(clip)).toBe(true)
        expect(yield* list).toEqual(["clip.mp4"])
        expect(server.requests).toHaveLength(1)
        expect(server.requests[0]).toMatchObject({
          url: "/v1/videos/video_1/content",
          headers: { "accept-encoding": "identity" }
        })
        expect(server.requests[0]?.headers.range).toBeUndefined()
      }).pipe(Effect.provide(NodeContext.layer))
    )

    const date = { date: "Sun, 22 Nov 2026 10:00:00 GMT" }
    const old = { ...date, "last-modified": "Sun, 22 Nov 2026 09:59:59 GMT" }
    const new_ = { etag: '"v2"' }
    /** A 206 that is not what was asked for. */
    const odd =
      (range: string | null, headers: { readonly [name: string]: string }): Reply =>
      (response) => {
        response.writeHead(206, { ...(range === null ? {} : { "content-range": range }), ...headers }).end("odd bytes")
      }
    /** The next `length` bytes, and a proper end after them. */
    const some =
      (length: number): Reply =>
      (response, request) => {
        const start = startOf(request.headers.range) ?? 0
        const range = `bytes ${start}-${start + length - 1}/${clip.byteLength}`
        response.writeHead(206, { "content-range": range, ...tagged }).end(clip.subarray(start, start + length))
      }
    const rest = `bytes 100000-299999/300000`
    /** What goes wrong after the first break, which requests ask for a range, and what is in the file. */
    const table: ReadonlyArray<readonly [string, ReadonlyArray<Reply>, string, Buffer]> = [
      ["goes on", [cut(clip, 100_000), ranged(clip)], "all part", clip],
      [
        "goes on three times",
        [cut(clip, 100_000), cut(clip, 50_000), cut(clip, 9), ranged(clip)],
        "all part part part",
        clip
      ],
      ["goes on after a part of the rest", [cut(clip, 100_000), some(50_000), ranged(clip)], "all part part", clip],
      ["goes on after a 503", [cut(clip, 100_000), text(503, ""), ranged(clip)], "all part part", clip],
      ["goes on after a reset", [cut(clip, 100_000), reset, ranged(clip)], "all part part", clip],
      ["goes on after a proxy's page", [cut(clip, 100_000), html(200, "<html>"), ranged(clip)], "all part part", clip],
      ["goes on by a date that is old enough", [cut(clip, 100_000, old), ranged(clip, old)], "all part", clip],
      ["starts over where Range is ignored", [cut(clip, 100_000), whole(clip, tagged)], "all part", clip],
      ["starts over where the clip has changed", [cut(clip, 100_000), ranged(other, new_)], "all part", other],
      [
        "starts over if only the tag has changed",
        [cut(clip, 100_000), odd(rest, new_), ranged(other, new_)],
        "all part all",
        other
      ],
      ["starts over where a part has no tag", [cut(clip, 100_000), odd(rest, {}), ranged(clip)], "all part all", clip],
      [
        "starts over where a part begins elsewhere",
        [cut(clip, 100_000), odd("bytes 5-299999/300000", tagged), ranged(clip)],
        "all part all",
        clip
      ],
      [
        "starts over where a part is of another length",
        [cut(clip, 100_000), odd("bytes 100000-249999/250000", tagged), ranged(clip)],
        "all part all",
        clip
      ],
      [
        "starts over where a part is not named",
        [cut(clip, 100_000), odd(null, tagged), ranged(clip)],
        "all part all",
        clip
      ],
      [
        "starts over after a 416",
        [cut(clip, 100_000), text(416, "", { "content-range": "bytes */9" }), ranged(clip)],
        "all part all",
        clip
      ],
      ["starts over after a 400", [cut(clip, 100_000), text(400, ""), ranged(clip)], "all part all", clip],
      ["starts over where the tag is weak", [cut(clip, 100_000, { etag: 'W/"v1"' }), ranged(clip)], "all all", clip],
      ["starts over without a tag", [cut(clip, 100_000, {}), ranged(clip)], "all all", clip],
      [
        "starts over if the date is that of the response",
        [cut(clip, 100_000, { ...old, "last-modified": date.date }), ranged(clip)],
        "all all",
        clip
      ],
      [
        "starts over and goes on in that",
        [cut(clip, 100_000), unranged(cut(other, 200_000, new_)), ranged(other, new_)],
        "all part part",
        other
      ]
    ]
    it.scopedLive.each(table.map((row) => [...row] as const))("that breaks %s", ([, replies, asked, bytes]) =>
      Effect.gen(function* () {
        const { folder, list, read } = yield* makeFolder
        // A poll of the job, which follows an error, takes no reply of the table.
        let turn = 0
        const server = yield* serve((response, request) => {
          if (request.url.endsWith("/content")) (replies[turn++] ?? hang)(response, request, turn)
          else json(200, job({ status: "completed" }))(response, request, 0)
        })
        const file = yield* downloadVideoToFile("video_1", `${folder}/clip.mp4`, { retry }).pipe(
          Effect.provide(over(server))
        )
        expect((yield* read("clip.mp4")).equals(bytes)).toBe(true)
        expect(file).toMatchObject({ bytes: bytes.byteLength, resumedFrom: 0 })
        expect(yield* list).toEqual(["clip.mp4"])
        const requests = server.requests.filter(({ url }) => url.endsWith("/content"))
        expect(requests.map(({ headers }) => (headers.range === undefined ? "all" : "part")).join(" ")).toBe(asked)
        const validators = requests.map(({ headers }) => headers["if-range"])
        expect(validators.map((validator) => (validator === undefined ? "all" : "part")).join(" ")).toBe(asked)
      }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive("counts as broken if it is silent for too long", () =>
      Effect.gen(function* () {
        const { folder, read } = yield* makeFolder
        const silent: Reply = (response) => {
          response.writeHead(200, { ...tagged, "content-length": "300000" }).write(clip.subarray(0, 100_000))
        }
        const server = yield* serve(inTurn(silent, ranged(clip)))
        yield* downloadVideoToFile("video_1", `${folder}/clip.mp4`, { retry, idleTimeout: "100 millis" }).pipe(
          Effect.provide(over(server))
        )
        expect((yield* read("clip.mp4")).equals(clip)).toBe(true)
        expect(server.requests.map(({ headers }) => startOf(headers.range))).toEqual([null, 100_000])
      }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive("is retried as long as each attempt receives more bytes", () =>
      Effect.gen(function* () {
        const { folder, read } = yield* makeFolder
        const server = yield* serve(cut(clip, 60_000))
        yield* downloadVideoToFile("video_1", `${folder}/clip.mp4`, { retry: atOnce(1) }).pipe(
          Effect.provide(over(server))
        )
        expect((yield* read("clip.mp4")).equals(clip)).toBe(true)
        expect(server.requests.length).toBeGreaterThanOrEqual(5)
      }).pipe(Effect.provide(NodeContext.layer))
    )

    const short: ReadonlyArray<readonly [string, Reply, string, ReadonlyArray<string>, object]> = [
      ["breaks at the same byte", cut(clip, 100_000, {}), "lost", ["clip.mp4.part"], { total: 300_000 }],
      [
        "breaks without a length",
        (response) => {
          response.writeHead(200, tagged)
          response.write(clip.subarray(0, 1000), () => response.socket?.destroy())
        },
        "",
        ["clip.mp4.part", "clip.mp4.part.json"],
        { total: null }
      ],
      [
        "brings more than the whole",
        (response) => {
          response.writeHead(206, { "content-range": "bytes 0-9/10" }).end(clip)
        },
        "more has come than the 10 bytes of the whole",
        [],
        { received: 0, total: 10 }
      ],
      [
        "brings more than the whole, once the whole is there",
        (response) => {
          response.writeHead(206, { "content-range": "bytes 0-999/1000", ...tagged })
          response.write(clip.subarray(0, 1000), () => setTimeout(() => response.end("more"), 250))
        },
        "more has come than the 1000 bytes of the whole",
        ["clip.mp4.part"],
        { total: 1000 }
      ],
      [
        "begins in the middle, unasked",
        (response) => {
          response.writeHead(206, { "content-range": "bytes 5-9/10" }).end("56789")
        },
        "it sent bytes 5-9/10, asked for everything",
        [],
        { received: 0 }
      ]
    ]
    it.scopedLive.each(short)("is incomplete in the end if it %s", ([, reply, detail, left, fields]) =>
      Effect.gen(function* () {
        const { folder, list } = yield* makeFolder
        const server = yield* serve((response, request, index) =>
          // A break without a length ends the range that is asked for as well.
          (request.headers.range === undefined ? reply : reset)(response, request, index)
        )
        const error = yield* Effect.flip(
          downloadVideoToFile("video_1", `${folder}/clip.mp4`, { retry: atOnce(2) })
        ).pipe(Effect.provide(over(server)))
        expect(error).toMatchObject({
          _tag: "IncompleteDownloadError",
          operation: "downloadVideo",
          videoId: "video_1",
          part: `${folder}/clip.mp4.part`,
          ...fields
        })
        expect("detail" in error && error.detail).toContain(detail)
        expect(error.message).toMatch(/^downloadVideo: video video_1 is incomplete, \d+( of \d+)? bytes in /)
        expect(yield* list).toEqual(left)
        expect(server.requests.length).toBeGreaterThanOrEqual(3)
      }).pipe(Effect.provide(NodeContext.layer))
    )

    const refusals: ReadonlyArray<readonly [string, Reply, Reply, string]> = [
      ["nothing", whole(Buffer.alloc(0), tagged), json(200, job({ status: "completed" })), "ResponseDecodeError"],
      [
        "text called a clip",
        text(200, "soon", { "content-type": "video/mp4" }),
        json(200, job({ status: "completed" })),
        "ResponseDecodeError"
      ],
      ["a job that runs", json(404, {}), json(200, job({ status: "in_progress" })), "VideoNotReadyError"],
      ["a job that failed", json(422, {}), json(200, job({ status: "failed" })), "VideoFailedError"],
      ["a job that is gone", json(404, {}), json(404, {}), "VideoNotFoundError"],
      ["a job whose clip is gone", json(404, {}), json(200, job({ status: "completed" })), "VideoExpiredError"],
      ["a wrong key", json(401, {}), hang, "AuthenticationError"],
      ["JSON called a clip", text(200, "{}"), json(200, job({ status: "queued" })), "VideoNotReadyError"],
      ["a page called a clip", html(200, "<html>"), hang, "ResponseDecodeError"],
      ["a 10 MB error", text(500, "x".repeat(10_000_000)), hang, "ServerError"],
      ["a redirect to a file", text(302, "", { location: "file:///etc/passwd" }), hang, "RedirectError"],
      ["a redirect loop", text(302, "", { location: "content" }), hang, "RedirectError"],
      ["a server that hangs up", reset, hang, "TransportError"]
    ]
    it.scopedLive.each(refusals)("fails as any download and leaves no file for %s", ([, content, poll, tag]) =>
      Effect.gen(function* () {
        const { folder, list } = yield* makeFolder
        const server = yield* serve(
          routes({ "GET /v1/videos/video_1/content": content, "GET /v1/videos/video_1": poll })
        )
        const error = yield* Effect.flip(
          downloadVideoToFile({ id: "video_1" }, `${folder}/clip.mp4`, { retry: atOnce(1) })
        ).pipe(Effect.provide(over(server)))
        expect(error._tag).toBe(tag)
        expect(yield* list).toEqual([])
      }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive("resumes at the job's URL after a break, without the caller's identity", () =>
      Effect.gen(function* () {
        const { folder, read } = yield* makeFolder
        const storage = yield* serve(inTurn(cut(clip, 100_000), ranged(clip)))
        const poll = json(200, job({ status: "completed", url: `${storage.origin}/clip.mp4?sig=1` }))
        const server = yield* serve(
          routes({ "GET /v1/videos/video_1/content": json(404, {}), "GET /v1/videos/video_1": poll })
        )
        yield* downloadVideoToFile("video_1", `${folder}/clip.mp4`, { retry, extraHeaders: { "x-mine": "1" } }).pipe(
          Effect.provide(over(server))
        )
        expect((yield* read("clip.mp4")).equals(clip)).toBe(true)
        expect(storage.requests.map(({ url }) => url)).toEqual(["/clip.mp4?sig=1", "/clip.mp4?sig=1"])
        expect(storage.requests.map(({ headers }) => startOf(headers.range))).toEqual([null, 100_000])
        expect(storage.requests.flatMap(({ headers }) => Object.keys(headers))).not.toContain("x-mine")
      }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive("is resumed by the next call after an interruption", () =>
      Effect.gen(function* () {
        const { folder, list, read } = yield* makeFolder
        const fs = yield* FileSystem.FileSystem
        const half: Reply = (response) => {
          response.writeHead(200, { ...tagged, "content-length": "300000" }).write(clip.subarray(0, 150_000))
        }
        const server = yield* serve(inTurn(half, ranged(clip)))
        const begun = yield* Deferred.make<void>()
        const path = `${folder}/clip.mp4`
        const fiber = yield* downloadVideoToFile("video_1", path, {
          progressInterval: 0,
          onProgress: ({ transferred }) => (transferred === 150_000 ? Deferred.succeed(begun, void 0) : Effect.void)
        }).pipe(Effect.provide(over(server)), Effect.fork)
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(fiber)
        expect(yield* list).toEqual(["clip.mp4.part", "clip.mp4.part.json"])
        expect((yield* fs.stat(`${path}.part`)).size).toBe(150_000n)
        const file = yield* downloadVideoToFile("video_1", path).pipe(Effect.provide(over(server)))
        expect(file).toMatchObject({ bytes: 300_000, resumedFrom: 150_000, etag: '"v1"' })
        expect((yield* read("clip.mp4")).equals(clip)).toBe(true)
        expect(yield* list).toEqual(["clip.mp4"])
        expect(server.requests[1]?.headers).toMatchObject({ range: "bytes=150000-", "if-range": '"v1"' })
      }).pipe(Effect.provide(NodeContext.layer))
    )
  })
}

describe("a replaced Videos service", () => {
  it.scopedLive("is the source of the download, even if it passes no headers on", () =>
    Effect.gen(function* () {
      const { folder, read } = yield* makeFolder
      const fake = Layer.mock(Videos, { content: (id) => Stream.make(Buffer.from("clip of "), Buffer.from(id)) })
      const file = yield* downloadVideoToFile("video_1", `${folder}/a.mp4`).pipe(Effect.provide(fake))
      expect(file).toMatchObject({ bytes: 15, etag: null })
      expect((yield* read("a.mp4")).toString()).toBe("clip of video_1")
    }).pipe(Effect.provide(NodeContext.layer))
  )
})
