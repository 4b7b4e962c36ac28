import { createReadStream } from "node:fs"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { FetchHttpClient } from "@effect/platform"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Chunk, Effect, Exit, Fiber, Layer, Scope, Stream, TestClock } from "effect"
import {
  awaitVideo,
  createVideo,
  downloadVideo,
  extendAndWatch,
  extendVideo,
  retrieveVideo,
  VideoFile,
  type Videos
} from "effect-videos"
import OpenAI from "openai"
import { parseMp4 } from "../../../test/support/mp4.js"
import { fixture, inOwnFolder, instant } from "./support.js"

const small = { prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" } as const

const bytesOf = (id: string) =>
  Effect.map(Stream.runCollect(downloadVideo(id)), (chunks) => Buffer.concat(Chunk.toReadonlyArray(chunks)))

/** Makes a clip and moves the clock past its end. */
const finished = Effect.tap(createVideo(small), () => TestClock.adjust("10 seconds"))

const inProcess = VideosServer.layerTest()

/** Server on a socket, and `Videos` for it. */
const onSocket = (options?: Parameters<typeof VideosServer.layer>[0], client = FetchHttpClient.layer) =>
  VideosServer.layerVideos.pipe(Layer.provide(client), Layer.provideMerge(VideosServer.layer(options)))

describe("jobs follow the clock", () => {
  it.effect("and go from queued to in_progress to completed", () =>
    Effect.gen(function* () {
      const job = yield* createVideo(small)
      assert.deepStrictEqual([job.status, job.progress, job.seconds, job.size], ["queued", 0, 4, "64x64"])
      yield* TestClock.adjust("2 seconds")
      const running = yield* retrieveVideo(job.id)
      assert.deepStrictEqual([running.status, running.progress], ["in_progress", 50])
      assert.isNull(running.completedAt)
      yield* TestClock.adjust("1500 millis")
      const done = yield* retrieveVideo(job.id)
      assert.deepStrictEqual([done.status, done.progress], ["completed", 100])
      assert.strictEqual(done.completedAt?.epochMillis, 3000)
    }).pipe(Effect.provide(inProcess))
  )

  it.effect("and take the durations of the options", () =>
    Effect.gen(function* () {
      const job = yield* createVideo(small)
      yield* TestClock.adjust("119 seconds")
      assert.strictEqual((yield* retrieveVideo(job.id)).status, "in_progress")
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual((yield* retrieveVideo(job.id)).status, "completed")
    }).pipe(Effect.provide(VideosServer.layerTest({ queueTime: "1 minute", runTime: "1 minute" })))
  )

  it.effect("and end with the failure that `outcome` returns", () =>
    Effect.gen(function* () {
      const job = yield* createVideo(small)
      const fiber = yield* Effect.fork(Effect.flip(awaitVideo(job)))
      yield* TestClock.adjust("1 minute")
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "VideoFailedError")
      assert.strictEqual(error.code, "moderation_blocked")
      const download = yield* Effect.flip(bytesOf(job.id))
      assert.strictEqual(download._tag, "VideoFailedError")
    }).pipe(
      Effect.provide(VideosServer.layerTest({ outcome: () => ({ code: "moderation_blocked", message: "not that" }) }))
    )
  )
})

describe("extending a clip", () => {
  it.effect("emits the submission at once, then every change, and ends with the job", () =>
    Effect.gen(function* () {
      const video = yield* finished
      const seen: Array<readonly [string, number | null]> = []
      const fiber = yield* extendAndWatch({ video, prompt: "the light comes on", seconds: 8 }).pipe(
        Stream.runForEach(({ seconds, status }) => Effect.sync(() => seen.push([status, seconds]))),
        Effect.fork
      )
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(seen, [["queued", 12]])
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.strictEqual(new Set(seen.map(([, seconds]) => seconds)).size, 1)
      assert.deepStrictEqual(seen.at(-1), ["completed", 12])
      assert.isTrue(seen.some(([status]) => status === "in_progress"))
      assert.strictEqual((yield* (yield* VideosServer).jobs).length, 2)
    }).pipe(Effect.provide(inProcess))
  )

  it.effect("makes a file of the total length, with the source's frames first", () =>
    Effect.gen(function* () {
      const source = yield* finished
      const longer = yield* extendVideo({ video: source, prompt: "the light comes on", seconds: 4 })
      yield* TestClock.adjust("10 seconds")
      const before = parseMp4(yield* bytesOf(source.id))
      const after = parseMp4(yield* bytesOf(longer.id))
      assert.strictEqual(before.movieSeconds, 4)
      assert.strictEqual(after.movieSeconds, 8)
      assert.strictEqual(after.samples.length, 2 * before.samples.length)
      before.samples.forEach(({ data }, index) => {
        assert.deepStrictEqual(after.samples[index]?.data, data)
      })
    }).pipe(Effect.provide(inProcess))
  )

  it.effect("refuses a source that is not completed, and one that does not exist", () =>
    Effect.gen(function* () {
      const video = yield* createVideo(small)
      const early = yield* Effect.flip(extendVideo({ video, prompt: "on", seconds: 4 }))
      assert(early._tag === "BadRequestError")
      assert.deepStrictEqual([early.param, early.code], ["video", "video_not_completed"])
      const missing = yield* Effect.flip(extendVideo({ video: "video_0", prompt: "on", seconds: 4 }))
      assert(missing._tag === "VideoNotFoundError")
      assert.strictEqual(missing.videoId, "video_0")
    }).pipe(Effect.provide(inProcess))
  )

  it.effect.each(["x264-bframes-aac.mp4", "fragmented.mp4"])("accepts the uploaded file %s as a source", (name) =>
    Effect.gen(function* () {
      const upload = parseMp4(yield* Effect.promise(() => fs.readFile(fixture(name))))
      const video = yield* VideoFile.fromPath(fixture(name))
      const job = yield* extendVideo({ video, prompt: "and then", seconds: 4 })
      const uploaded = (job.seconds ?? 0) - 4
      assert.isTrue(Math.abs(uploaded - upload.samplesSeconds) < 0.1, `${uploaded} s`)
      yield* TestClock.adjust("10 seconds")
      const { movieSeconds } = parseMp4(yield* bytesOf(job.id))
      assert.isTrue(Math.abs(movieSeconds - (job.seconds ?? 0)) < 0.01, `${movieSeconds} s`)
    }).pipe(Effect.provide(Layer.merge(inProcess, NodeContext.layer)))
  )

  it.effect("refuses an upload that is not MP4", () =>
    Effect.gen(function* () {
      const video = VideoFile.fromBytes(new TextEncoder().encode("not a video at all"), { name: "clip.mp4" })
      const error = yield* Effect.flip(extendVideo({ video, prompt: "and then", seconds: 4 }))
      assert(error._tag === "BadRequestError")
      assert.deepStrictEqual([error.param, error.code], ["video", "invalid_file"])
      assert.strictEqual((yield* (yield* VideosServer).jobs).length, 0)
    }).pipe(Effect.provide(inProcess))
  )
})

describe("the server refuses", () => {
  const post = (path: string, body: unknown, type = "application/json") =>
    Effect.flatMap(VideosServer, ({ baseUrl, fetch }) =>
      Effect.promise(async () => {
        const init = {
          method: "POST",
          headers: { "content-type": type },
          body: typeof body === "string" ? body : JSON.stringify(body)
        }
        const response = await fetch(`${baseUrl}${path}`, init)
        return { status: response.status, body: await response.json() }
      })
    )

  it.effect.each([
    ["no prompt", "/videos", {}, 400, "prompt", "missing_required_parameter"],
    ["an empty prompt", "/videos", { prompt: "" }, 400, "prompt", "empty_string"],
    ["a prompt too long", "/videos", { prompt: "x".repeat(32_001) }, 400, "prompt", "string_above_max_length"],
    ["a prompt that is a number", "/videos", { prompt: 1 }, 400, "prompt", "invalid_type"],
    ["a length of 5", "/videos", { prompt: "x", seconds: "5" }, 400, "seconds", "invalid_value"],
    ["a length as a number", "/videos", { prompt: "x", seconds: 8 }, 400, "seconds", "invalid_type"],
    ["an odd size", "/videos", { prompt: "x", size: "63x64" }, 400, "size", "invalid_value"],
    [
      "an extension without seconds",
      "/videos/extensions",
      { prompt: "x", video: { id: "v" } },
      400,
      "seconds",
      "missing_required_parameter"
    ],
    [
      "an extension without a source",
      "/videos/extensions",
      { prompt: "x", seconds: "4" },
      400,
      "video",
      "missing_required_parameter"
    ],
    [
      "a source that is a string",
      "/videos/extensions",
      { prompt: "x", seconds: "4", video: "v" },
      400,
      "video",
      "invalid_type"
    ],
    ["a body that is not JSON", "/videos", "{", 400, null, "invalid_body"],
    ["a body that is an array", "/videos", [], 400, null, "invalid_body"],
    ["an unknown path", "/videos/v/frames", {}, 404, null, "unknown_url"]
  ] as const)("%s", ([, path, body, status, param, code]) =>
    Effect.gen(function* () {
      const response = yield* post(path, body)
      assert.strictEqual(response.status, status)
      assert.deepInclude(response.body.error, { type: "invalid_request_error", param, code })
      assert.isNotEmpty(response.body.error.message)
    }).pipe(Effect.provide(inProcess))
  )

  it.effect("a body of another type", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* post("/videos", "prompt=x", "text/plain")).status, 415)
    }).pipe(Effect.provide(inProcess))
  )
})

describe("on a socket", () => {
  for (const [name, client] of [
    ["fetch", FetchHttpClient.layer],
    ["undici", NodeHttpClient.layerUndici]
  ] as const) {
    it.live(`serves a clip from prompt to file over ${name}`, () =>
      Effect.gen(function* () {
        const video = yield* Effect.flatMap(createVideo(small), (job) => awaitVideo(job))
        const statuses = yield* extendAndWatch({ video, prompt: "on", seconds: 4 }).pipe(
          Stream.map(({ id, status }) => [id, status] as const),
          Stream.runCollect
        )
        const [id, status] = Chunk.unsafeLast(statuses)
        assert.strictEqual(status, "completed")
        assert.strictEqual(parseMp4(yield* bytesOf(id)).movieSeconds, 8)
        const services = yield* Effect.context<Videos>()
        const uploaded = VideoFile.fromStream(Stream.provideContext(downloadVideo(id), services))
        const again = yield* extendVideo({ video: uploaded, prompt: "and on", seconds: 4 })
        assert.strictEqual(again.seconds, 12)
      }).pipe(Effect.provide(onSocket(instant, client)))
    )
  }

  it.live("listens on the given port, and fails if the port is in use, or is not a port", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* VideosServer
      const used = Number(new URL(baseUrl).port)
      for (const port of [used, 65_536, -1, Number.NaN]) {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(VideosServer.layer({ port }))))
        assert.strictEqual(error._tag, "ServeError")
      }
    }).pipe(Effect.provide(VideosServer.layer()))
  )

  it.live("stops with its layer, and deletes its files", () =>
    Effect.gen(function* () {
      const folders = Effect.promise(async () =>
        (await fs.readdir(tmpdir())).filter((name) => name.startsWith("effect-videos-"))
      )
      const scope = yield* Scope.make()
      const services = yield* Layer.buildWithScope(onSocket(instant), scope)
      const job = yield* Effect.provide(createVideo(small), services)
      yield* Effect.provide(bytesOf(job.id), services)
      assert.strictEqual((yield* folders).length, 1)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* folders, [])
      const gone = yield* Effect.flip(Effect.provide(retrieveVideo(job.id, { singleAttempt: true }), services))
      assert(gone._tag === "TransportError")
      assert.strictEqual(gone.reason, "connect")
    }).pipe(Effect.provide(inOwnFolder(Layer.empty)))
  )
})

describe("the official client", () => {
  it.live("creates, extends by reference and by file, retrieves and downloads", () =>
    Effect.gen(function* () {
      const { baseUrl, jobs } = yield* VideosServer
      const client = new OpenAI({ apiKey: "none", baseURL: baseUrl, maxRetries: 0 })
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => fs.mkdtemp(`${tmpdir()}/openai-client-`)),
        (path) => Effect.promise(() => fs.rm(path, { recursive: true }))
      )
      yield* Effect.promise(async () => {
        // The types allow only the `size` and `seconds` of one vendor.
        const clip = await client.videos.create({ prompt: "a lighthouse", seconds: "4" })
        assert.strictEqual(clip.status, "completed")
        const longer = await client.videos.extend({ video: { id: clip.id }, prompt: "on", seconds: "4" })
        assert.strictEqual(longer.seconds, "8")
        const found = await client.videos.retrieve(longer.id)
        assert.deepStrictEqual(found, longer)
        await fs.writeFile(`${folder}/clip.mp4`, await fs.readFile(fixture("x264-bframes-aac.mp4")))
        const upload = await client.videos.extend({
          video: createReadStream(`${folder}/clip.mp4`),
          prompt: "on",
          seconds: "4"
        })
        const content = await client.videos.downloadContent(upload.id)
        assert.strictEqual(content.headers.get("content-type"), "video/mp4")
        const { movieSeconds } = parseMp4(new Uint8Array(await content.arrayBuffer()))
        assert.isTrue(Math.abs(movieSeconds - Number(upload.seconds)) < 0.01)
        await client.videos.retrieve("video_0").then(
          () => assert.fail("found what is not there"),
          (error: unknown) => assert(error instanceof OpenAI.NotFoundError)
        )
        await client.videos.extend({ video: { id: clip.id }, prompt: "", seconds: "4" }).then(
          () => assert.fail("took an empty prompt"),
          (error: unknown) => assert(error instanceof OpenAI.BadRequestError && error.param === "prompt")
        )
      })
      assert.strictEqual((yield* jobs).length, 3)
    }).pipe(Effect.scoped, Effect.provide(VideosServer.layer(instant)))
  )
})
