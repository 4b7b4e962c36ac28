/** Clips in a bucket, over sockets, with a server that checks what it receives. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as S3 from "@effect-videos/durable/S3"
import { VideosServer } from "@effect-videos/server"
import { Effect, Stream } from "effect"
import { awaitVideo, createVideo, downloadVideo } from "effect-videos"
import type { VideoStoreProblem } from "../src/errors.js"
import { VideoStore } from "../src/VideoStore.js"
import { bucket, credentials, type Failure, s3Server } from "./support/s3.js"

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "durable-s3-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const videos = VideosServer.layerTest({ queueTime: 0, runTime: 0 })

const clip = Effect.flatMap(createVideo({ prompt: "the tide", size: "64x64", seconds: 4 }), (video) =>
  awaitVideo(video)
)

type Server = Effect.Effect.Success<ReturnType<typeof s3Server>>

const storeOf = ({ client }: Pick<Server, "client">, directory: string, name = bucket) =>
  S3.layer({ bucket: name, prefix: "clips/", client, directory })

const save = (execution: string) =>
  Effect.gen(function* () {
    const store = yield* VideoStore
    return yield* store.save(execution, yield* clip)
  })

/** A clip that is on the local disk already, as after a crash between the download and the upload. */
const downloaded = (directory: string, execution: string, bytes: number) =>
  Effect.sync(() => {
    const content = Buffer.from(Array.from({ length: bytes >> 10 }, (_, n) => `${n}`.padStart(1024, ".")).join(""))
    writeFileSync(join(directory, `${execution}.mp4`), content)
    return content
  })

/** A whole part, which has 5 MiB, and a smaller one. */
const large = 6 << 20

describe("clips in a bucket", () => {
  it.scopedLive("are saved in one request, found by their execution, and deleted on the local disk", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const server = yield* s3Server()
      yield* Effect.gen(function* () {
        const store = yield* VideoStore
        assert.isNull(yield* store.find("one"))
        const video = yield* clip
        const saved = yield* store.save("one", video)
        const object = server.objects.get("clips/one.mp4")
        assert.deepStrictEqual(saved, { location: "s3://films/clips/one.mp4", bytes: object?.length })
        assert.deepStrictEqual(yield* store.find("one"), saved)
        assert.isFalse(existsSync(join(directory, "one.mp4")))
        assert.deepStrictEqual(server.log, ["HEAD", "PUT", "HEAD", "HEAD"])
        const chunks = yield* Stream.runCollect(downloadVideo(video))
        assert.isTrue(object?.equals(Buffer.concat([...chunks])))
      }).pipe(Effect.provide(storeOf(server, directory)))
    }).pipe(Effect.provide(videos))
  )

  it.scopedLive("are copied to a local file for FFmpeg, stored from one, and deleted", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const film = join(yield* temporary, "film.mp4")
      writeFileSync(film, "a film")
      const server = yield* s3Server()
      yield* Effect.gen(function* () {
        const store = yield* VideoStore
        assert.deepStrictEqual(yield* store.put("one", film), { location: "s3://films/clips/one.mp4", bytes: 6 })
        const path = yield* Effect.scoped(
          Effect.tap(store.file("one"), (path) => assert.strictEqual(readFileSync(path, "utf8"), "a film"))
        )
        assert.isFalse(existsSync(path))
        assert.isTrue(existsSync(film))
        yield* store.remove("one")
        yield* store.remove("one")
        const error = yield* Effect.flip(Effect.scoped(store.file("one")))
        assert.deepInclude(error, { operation: "S3.download", reason: "missing", detail: "NoSuchKey, HTTP 404" })
      }).pipe(Effect.provide(storeOf(server, directory)))
    })
  )

  it.scopedLive(
    "above 5 MiB are sent in parts; a connection that is cut leaves nothing, and the next attempt all",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporary
        let cuts = 1
        const server = yield* s3Server((operation, part) =>
          operation === "PUT part" && part === 2 && cuts-- > 0 ? "cut" : null
        )
        const content = yield* downloaded(directory, "large", large)
        yield* Effect.gen(function* () {
          const error = yield* Effect.flip(save("large"))
          assert.deepInclude(error, { reason: "unavailable", location: "s3://films/clips/large.mp4" })
          assert.match(error.message, /\((ECONNRESET|EPIPE)\)/)
          assert.strictEqual(server.log.at(-1), "DELETE upload")
          assert.deepStrictEqual([server.objects.size, server.uploads.size], [0, 0])
          assert.isTrue(readFileSync(join(directory, "large.mp4")).equals(content))
          assert.strictEqual((yield* save("large")).bytes, content.length)
          assert.isTrue(server.objects.get("clips/large.mp4")?.equals(content))
          assert.strictEqual(server.uploads.size, 0)
        }).pipe(Effect.provide(storeOf(server, directory)))
      }).pipe(Effect.provide(videos))
  )

  it.scopedLive("that are damaged on their way are refused by their checksum", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const server = yield* s3Server(undefined, { corrupt: true })
      yield* downloaded(directory, "large", large)
      yield* Effect.forEach(["small", "large"], (execution) =>
        Effect.map(Effect.flip(save(execution)), (error) => assert.include(error.message, "BadDigest, HTTP 400"))
      ).pipe(Effect.provide(storeOf(server, directory)))
      assert.strictEqual(server.objects.size, 0)
    }).pipe(Effect.provide(videos))
  )

  const failures: ReadonlyArray<readonly [failure: Failure, reason: VideoStoreProblem, detail: string]> = [
    [{ status: 403, code: "AccessDenied" }, "denied", "AccessDenied, HTTP 403"],
    [{ status: 400, code: "ExpiredToken" }, "denied", "ExpiredToken, HTTP 400"],
    [{ status: 403, code: "QuotaExceeded" }, "full", "QuotaExceeded, HTTP 403"],
    [{ status: 507, code: "XMinioStorageFull" }, "full", "XMinioStorageFull, HTTP 507"],
    [{ status: 503, code: "SlowDown" }, "unavailable", "SlowDown, HTTP 503"],
    [{ status: 400, code: "InvalidArgument" }, "unknown", "InvalidArgument, HTTP 400"],
    ["cut", "unavailable", "ECONNRESET"]
  ]

  it.scopedLive("fail by kind, without a key or a signature in the error", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      let failure: Failure = "cut"
      const server = yield* s3Server((operation) => (operation === "PUT" ? failure : null))
      const other = yield* s3Server()
      const errors = yield* Effect.forEach(failures, ([next, reason, detail]) =>
        Effect.gen(function* () {
          failure = next
          const error = yield* Effect.flip(save("one"))
          assert.deepInclude(error, { _tag: "VideoStoreError", operation: "S3.upload", reason, detail })
          return error.message
        })
      ).pipe(Effect.provide(storeOf(server, directory)))
      const missing = yield* Effect.flip(Effect.provide(save("one"), storeOf(other, directory, "nowhere")))
      assert.deepInclude(missing, { reason: "missing", detail: "NoSuchBucket, HTTP 404" })
      assert.include(missing.message, "s3://nowhere/clips/one.mp4 (NoSuchBucket, HTTP 404). Create it")
      for (const message of errors) {
        assert.notInclude(message, credentials.accessKeyId)
        assert.notMatch(message, /Signature|Credential=/)
      }
      // The clip was downloaded once, and is still on the local disk.
      assert.isTrue(existsSync(join(directory, "one.mp4")))
    }).pipe(Effect.provide(videos))
  )
})
