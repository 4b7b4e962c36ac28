import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { VideosServer, type VideosServerService } from "@effect-videos/server"
import { Chunk, Effect, Layer, Schema, Stream } from "effect"
import {
  awaitVideo,
  createCharacter,
  createVideo,
  deleteVideo,
  dialects,
  downloadVideo,
  editVideo,
  extendVideo,
  listVideos,
  phaseOf,
  remixVideo,
  retrieveCharacter,
  retrieveVideo,
  VideoFile,
  VideoResource,
  Videos
} from "effect-videos"
import OpenAI, { toFile } from "openai"
import { fixture, instant } from "./support.js"

const clip = { prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" } as const

const onSocket = (options: Parameters<typeof VideosServer.layer>[0]) =>
  VideosServer.layerVideos.pipe(Layer.provide(FetchHttpClient.layer), Layer.provideMerge(VideosServer.layer(options)))

const collect = <E, R>(stream: Stream.Stream<VideoResource, E, R>) =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

const bytesOf = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => Buffer.concat(Chunk.toReadonlyArray(chunks)))

describe("this library and the official client, with one server", () => {
  it.live("each see the jobs of the other, through every operation", () =>
    Effect.gen(function* () {
      const { baseUrl, jobs } = yield* VideosServer
      const client = new OpenAI({ apiKey: "none", baseURL: baseUrl, maxRetries: 0 })
      const call = <A>(run: () => Promise<A>) => Effect.promise(run)
      const decode = Schema.decodeUnknown(VideoResource)
      /** Asserts that both clients return the same job. */
      const agree = (ours: VideoResource) =>
        Effect.gen(function* () {
          const theirs = yield* decode(yield* call(() => client.videos.retrieve(ours.id)))
          assert.deepStrictEqual(theirs, ours)
          return ours
        })
      const theirs = (job: { readonly id: string }) => Effect.flatMap(retrieveVideo(job.id), agree)

      const created = yield* Effect.flatMap(createVideo(clip), agree)
      const source = { id: created.id }
      yield* Effect.flatMap(extendVideo({ video: created, prompt: "on", seconds: 8 }), agree)
      yield* Effect.flatMap(editVideo({ video: created, prompt: "in winter" }), agree)
      yield* Effect.flatMap(remixVideo({ video: created, prompt: "at night" }), agree)
      yield* Effect.flatMap(
        call(() => client.videos.create({ prompt: "a harbour", seconds: "4" })),
        theirs
      )
      yield* Effect.flatMap(
        call(() => client.videos.extend({ video: source, prompt: "on", seconds: "8" })),
        theirs
      )
      yield* Effect.flatMap(
        call(() => client.videos.edit({ video: source, prompt: "in winter" })),
        theirs
      )
      const remix = yield* Effect.flatMap(
        call(() => client.videos.remix(created.id, { prompt: "at night" })),
        theirs
      )
      assert.strictEqual(remix.remixedFromVideoId, created.id)

      const made = yield* jobs
      assert.strictEqual(made.length, 8)
      const ours = yield* collect(listVideos({ limit: 3, order: "asc" }))
      const listed = yield* call(async () => {
        const all: Array<string> = []
        for await (const { id } of client.videos.list({ limit: 3, order: "asc" })) all.push(id)
        return all
      })
      assert.deepStrictEqual(ours, made)
      assert.deepStrictEqual(
        listed,
        made.map(({ id }) => String(id))
      )

      for (const variant of ["video", "thumbnail", "spritesheet"] as const) {
        const content = yield* call(async () =>
          (await client.videos.downloadContent(created.id, { variant })).arrayBuffer()
        )
        assert.deepStrictEqual(yield* bytesOf(downloadVideo(created, { variant })), Buffer.from(content))
      }

      const file = yield* call(() =>
        import("node:fs/promises").then((fs) => fs.readFile(fixture("x264-bframes-aac.mp4")))
      )
      const tom = yield* createCharacter({ video: VideoFile.fromBytes(file, { name: "tom.mp4" }), name: "Tom" })
      const tomToo = yield* call(() => client.videos.getCharacter(tom.id ?? ""))
      assert.deepStrictEqual([tomToo.id, tomToo.name], [tom.id, tom.name])
      const jerry = yield* call(async () =>
        client.videos.createCharacter({ name: "Jerry", video: await toFile(file, "jerry.mp4", { type: "video/mp4" }) })
      )
      assert.strictEqual((yield* retrieveCharacter(jerry.id ?? "")).name, "Jerry")

      assert.isTrue((yield* deleteVideo(created)).deleted)
      yield* call(() => client.videos.delete(remix.id))
      const left = yield* collect(listVideos())
      assert.deepStrictEqual(
        new Set(left.map(({ id }) => id)),
        new Set(made.map(({ id }) => id).filter((id) => id !== created.id && id !== remix.id))
      )
    }).pipe(Effect.provide(onSocket(instant)))
  )
})

/** Dynamo has no jobs, so the embedded server does not imitate it. */
const served: ReadonlyArray<VideosServerService["dialect"]> = [
  "openai",
  "azure",
  "litellm",
  "vllm-omni",
  "sglang",
  "new-api"
]

describe("this library, with the matching dialect, against each dialect", () => {
  it.live.each(served)("%s: creates, watches and downloads; an unsupported operation fails", (dialect) =>
    Effect.gen(function* () {
      const { paths } = dialects[dialect]
      const created = yield* createVideo({ ...clip, model: "m" })
      const done = yield* awaitVideo(created)
      assert.strictEqual(done.id, created.id)
      assert.strictEqual(phaseOf(done), "succeeded")
      const bytes = yield* bytesOf(downloadVideo(done))
      assert.strictEqual(bytes.subarray(4, 8).toString(), "ftyp")
      if (paths.listVideos !== null) {
        assert.strictEqual((yield* collect(listVideos())).length, 1)
      }
      const extended = yield* Effect.either(extendVideo({ video: done, prompt: "on", seconds: 4 }))
      assert.strictEqual(extended._tag, paths.extendVideo !== null ? "Right" : "Left")
      // Without the dialect, the response of the server has the same meaning.
      const bare = Videos.layer({ baseUrl: (yield* VideosServer).baseUrl }).pipe(Layer.provide(FetchHttpClient.layer))
      const asked = yield* Effect.either(
        Effect.provide(extendVideo({ video: created, prompt: "on", seconds: 4 }), bare)
      )
      if (asked._tag === "Left") assert.strictEqual(asked.left._tag, "OperationUnsupportedError")
      else assert.isTrue(paths.extendVideo !== null)
      const missing = yield* Effect.flip(retrieveVideo("video_0"))
      assert.strictEqual(missing._tag, "VideoNotFoundError")
      if (paths.deleteVideo !== null) assert.isTrue((yield* deleteVideo(done)).deleted)
    }).pipe(Effect.provide(onSocket({ ...instant, dialect })))
  )

  it.live.each(served)("%s: decodes a failed job as ended", (dialect) =>
    Effect.gen(function* () {
      const created = yield* createVideo({ ...clip, model: "m" })
      const error = yield* Effect.flip(awaitVideo(created))
      assert.strictEqual(error._tag, "VideoFailedError")
      const download = yield* Effect.flip(bytesOf(downloadVideo(created)))
      assert.strictEqual(download._tag, "VideoFailedError")
    }).pipe(
      Effect.provide(onSocket({ ...instant, dialect, outcome: () => ({ code: "500", message: "out of memory" }) }))
    )
  )
})
