import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Stream } from "effect"
import { extendVideo, VideoFile } from "effect-videos"
import { downloadVideoToFile, type TransferProgress } from "effect-videos/Transfer"
import { parseMultipart } from "./support/multipart.js"
import { inTurn, json, type Reply, serve, text } from "./support/server.js"
import { clip, cut, makeFolder, other, ranged, tagged, unranged, whole } from "./support/transfer.js"
import { anyClient, atOnce, job, videosOver } from "./support/videos.js"

addEqualityTesters()

/** Whether each is at least as far as the one before, and only the last is the end. */
const expectMonotone = (all: ReadonlyArray<TransferProgress>) => {
  const transferred = all.map((progress) => progress.transferred)
  expect(transferred).toEqual([...transferred].sort((a, b) => a - b))
  expect(all.map(({ done }) => done)).toEqual(all.map((_, index) => index === all.length - 1))
}

for (const { client, layer } of [anyClient]) {
  const over = (server: { readonly baseUrl: string }) =>
    Layer.merge(videosOver(server, { submitRetry: atOnce(1) }, layer), NodeContext.layer)

  describe(`over ${client}, the progress of a download`, () => {
    it.scopedLive("goes from nothing to all, and ends once the file is in place", () =>
      Effect.gen(function* () {
        const { folder, list } = yield* makeFolder
        const server = yield* serve(ranged(clip))
        const seen: Array<readonly [TransferProgress, ReadonlyArray<string>]> = []
        yield* downloadVideoToFile("video_1", `${folder}/a.mp4`, {
          progressInterval: 0,
          onProgress: (progress) => Effect.map(Effect.orDie(list), (names) => void seen.push([progress, names]))
        }).pipe(Effect.provide(over(server)))
        const all = seen.map(([progress]) => progress)
        expectMonotone(all)
        expect(all.every(({ resumedFrom, total }) => resumedFrom === 0 && total === 300_000)).toBe(true)
        expect(seen.at(-1)).toEqual([{ transferred: 300_000, total: 300_000, resumedFrom: 0, done: true }, ["a.mp4"]])
      }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive("does not hold the transfer up when its handler is slow, and the last report is not lost", () =>
      Effect.gen(function* () {
        const { folder } = yield* makeFolder
        const fs = yield* FileSystem.FileSystem
        const server = yield* serve(ranged(clip))
        const all: Array<TransferProgress> = []
        yield* downloadVideoToFile("video_1", `${folder}/a.mp4`, {
          progressInterval: 0,
          // The handler of the first report returns when the file is there.
          onProgress: (progress) =>
            Effect.repeat(Effect.yieldNow(), { until: () => fs.exists(`${folder}/a.mp4`) }).pipe(
              Effect.orDie,
              Effect.andThen(() => void all.push(progress))
            )
        }).pipe(Effect.provide(over(server)))
        expect(all.at(-1)).toMatchObject({ transferred: 300_000, done: true })
        expect(all.length).toBeLessThanOrEqual(3)
      }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive("ends with a transfer that is interrupted, and the part stays", () =>
      Effect.gen(function* () {
        const { folder, list } = yield* makeFolder
        const half: Reply = (response) => {
          response.writeHead(200, { ...tagged, "content-length": "300000" }).write(clip.subarray(0, 1000))
        }
        const server = yield* serve(half)
        const isHalf = yield* Deferred.make<void>()
        const fiber = yield* downloadVideoToFile("video_1", `${folder}/a.mp4`, {
          progressInterval: 0,
          onProgress: ({ transferred }) => (transferred === 1000 ? Deferred.succeed(isHalf, undefined) : Effect.void)
        }).pipe(Effect.provide(over(server)), Effect.fork)
        yield* Deferred.await(isHalf)
        yield* Fiber.interrupt(fiber)
        expect(yield* list).toEqual(["a.mp4.part", "a.mp4.part.json"])
      }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive("goes back when the transfer starts again, and has the offset of the resumption", () =>
      Effect.gen(function* () {
        const { folder } = yield* makeFolder
        const server = yield* serve(
          inTurn(cut(clip, 200_000), unranged(cut(other, 100_000, { etag: '"v2"' })), ranged(other, { etag: '"v2"' }))
        )
        const all: Array<TransferProgress> = []
        const path = `${folder}/a.mp4`
        const options = {
          retry: atOnce(0),
          progressInterval: "1 hour" as const,
          onProgress: (progress: TransferProgress) => Effect.sync(() => void all.push(progress))
        }
        const exits = yield* Effect.all(
          [1, 2, 3].map(() => Effect.exit(downloadVideoToFile("video_1", path, options)))
        ).pipe(Effect.provide(over(server)))
        expect(exits.map(Exit.isSuccess)).toEqual([false, false, true])
        expect(all.at(-1)).toEqual({ transferred: 250_000, total: 250_000, resumedFrom: 100_000, done: true })
        expect(all.filter(({ done }) => done)).toHaveLength(1)
      }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive("is not reported by a download that fails before the first byte", () =>
      Effect.gen(function* () {
        const { folder } = yield* makeFolder
        const server = yield* serve(text(401, ""))
        const all: Array<TransferProgress> = []
        const onProgress = (progress: TransferProgress) => Effect.sync(() => void all.push(progress))
        const error = yield* Effect.flip(downloadVideoToFile("video_1", `${folder}/a.mp4`, { onProgress })).pipe(
          Effect.provide(over(server))
        )
        expect(error._tag).toBe("AuthenticationError")
        expect(all).toEqual([])
      }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive("has no total until the end without a length", () =>
      Effect.gen(function* () {
        const { folder } = yield* makeFolder
        const server = yield* serve((response) => {
          response.writeHead(200, tagged).write(clip.subarray(0, 9))
          response.end(clip.subarray(9))
        })
        const all: Array<TransferProgress> = []
        const onProgress = (progress: TransferProgress) => Effect.sync(() => void all.push(progress))
        yield* downloadVideoToFile("video_1", `${folder}/a.mp4`, { onProgress }).pipe(Effect.provide(over(server)))
        expect(all.at(-1)).toEqual({
          transferred: 300_000,
          total: null,
          resumedFrom: 0,
          done: true
        })
      }).pipe(Effect.provide(NodeContext.layer))
    )
  })

  describe(`over ${client}, the progress of an upload`, () => {
    const made = {
      path: (folder: string) => VideoFile.fromPath(`${folder}/clip.mp4`),
      "stream of a known size": () =>
        Effect.succeed(VideoFile.fromStream(Stream.make(clip.subarray(0, 9), clip.subarray(9)), { size: 300_000 })),
      "stream of an unknown size": () => Effect.succeed(VideoFile.fromStream(Stream.make(clip))),
      bytes: () => Effect.succeed(VideoFile.fromBytes(clip))
    }
    it.scopedLive.each(Object.keys(made) as ReadonlyArray<keyof typeof made>)(
      "begins anew with each attempt of a %s, and each attempt sends the whole",
      (from) =>
        Effect.gen(function* () {
          const { folder } = yield* makeFolder
          yield* (yield* FileSystem.FileSystem).writeFile(`${folder}/clip.mp4`, clip)
          const server = yield* serve(inTurn(text(429, ""), json(200, job())))
          const all: Array<TransferProgress> = []
          const video = VideoFile.withProgress(
            yield* made[from](folder),
            (progress) => Effect.sync(() => void all.push(progress)),
            { interval: 0 }
          )
          yield* extendVideo({ video, prompt: "on", seconds: 8 }).pipe(Effect.provide(over(server)))
          const second = all.findIndex(({ done }) => done) + 1
          for (const tried of [all.slice(0, second), all.slice(second)]) {
            expectMonotone(tried)
            const total = from === "stream of an unknown size" ? null : 300_000
            expect(tried.at(-1)).toEqual({ transferred: 300_000, total, resumedFrom: 0, done: true })
          }
          expect(server.requests).toHaveLength(2)
          for (const request of server.requests) {
            expect(parseMultipart(request).at(-1)?.body.equals(clip)).toBe(true)
            const isMeasured = /undici/i.test(client) && from !== "stream of an unknown size"
            expect(request.headers["content-length"]).toBe(isMeasured ? String(request.body.length) : undefined)
          }
        }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive("does not wait for a slow handler but at the end", () =>
      Effect.gen(function* () {
        const server = yield* serve(json(200, job()))
        const slow = yield* Deferred.make<void>()
        const all: Array<number> = []
        const content = Stream.concat(
          Stream.make(clip),
          Stream.fromEffect(Effect.as(Deferred.succeed(slow, void 0), Buffer.from("last")))
        )
        const video = VideoFile.withProgress(
          VideoFile.fromStream(content),
          // The first report is only done with when the last bytes are on their way.
          ({ transferred }) =>
            Effect.zipRight(
              Deferred.await(slow),
              Effect.sync(() => all.push(transferred))
            ),
          { interval: 0 }
        )
        yield* extendVideo({ video, prompt: "on", seconds: 8 }).pipe(Effect.provide(over(server)))
        expect(all.at(-1)).toBe(300_004)
      })
    )

    it.scopedLive("has no end if the file vanishes meanwhile: UploadError", () =>
      Effect.gen(function* () {
        const { folder } = yield* makeFolder
        const fs = yield* FileSystem.FileSystem
        const path = `${folder}/clip.mp4`
        yield* fs.writeFile(path, clip)
        const server = yield* serve(json(200, job()))
        const all: Array<TransferProgress> = []
        const video = VideoFile.withProgress(yield* VideoFile.fromPath(path), (progress) =>
          Effect.sync(() => void all.push(progress))
        )
        yield* fs.remove(path)
        const error = yield* Effect.flip(extendVideo({ video, prompt: "on", seconds: 8 })).pipe(
          Effect.provide(over(server))
        )
        expect(error).toMatchObject({ _tag: "UploadError", file: "clip.mp4" })
        expect(all.some(({ done }) => done)).toBe(false)
        expect(server.requests.filter(({ complete }) => complete)).toHaveLength(0)
      }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive("has no end if the file is truncated meanwhile: UploadError", () =>
      Effect.gen(function* () {
        const { folder } = yield* makeFolder
        const fs = yield* FileSystem.FileSystem
        const path = `${folder}/clip.mp4`
        yield* fs.writeFile(path, clip)
        const server = yield* serve(json(200, job()))
        const video = yield* VideoFile.fromPath(path)
        yield* fs.truncate(path, 1000)
        const error = yield* Effect.flip(extendVideo({ video, prompt: "on", seconds: 8 })).pipe(
          Effect.provide(over(server))
        )
        expect(error).toMatchObject({ _tag: "UploadError", detail: "it ended after 1000 of 300000 bytes" })
        expect(server.requests.filter(({ complete }) => complete)).toHaveLength(0)
      }).pipe(Effect.provide(NodeContext.layer))
    )
  })
}

describe("an onProgress", () => {
  it.scopedLive("has had the last report before the download returns", () =>
    Effect.gen(function* () {
      const { folder } = yield* makeFolder
      const server = yield* serve(whole(clip))
      let last: TransferProgress | null = null
      yield* downloadVideoToFile("video_1", `${folder}/a.mp4`, {
        onProgress: (progress) =>
          Effect.zipRight(
            Effect.sleep("20 millis"),
            Effect.sync(() => (last = progress))
          )
      }).pipe(Effect.provide(Layer.merge(videosOver(server), NodeContext.layer)))
      expect(last).toMatchObject({ transferred: 300_000, done: true })
    }).pipe(Effect.provide(NodeContext.layer))
  )
})
