import { createReadStream } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Effect, Redacted } from "effect"
import { decode } from "fast-png"
import OpenAI, { AzureOpenAI, toFile } from "openai"
import { parseMp4 } from "../../../test/support/mp4.js"
import { fixture, instant } from "./support.js"

const apiKeys = [Redacted.make("sk-official")]

/** Every method of the official client. */
const drive = (run: (client: OpenAI) => Promise<void>) =>
  Effect.flatMap(VideosServer, ({ baseUrl }) =>
    Effect.promise(() => run(new OpenAI({ apiKey: "sk-official", baseURL: baseUrl, maxRetries: 0 })))
  ).pipe(Effect.provide(VideosServer.layer({ ...instant, apiKeys })))

const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer())

const failed = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise
  } catch (error) {
    return error
  }
  return assert.fail("it did not fail")
}

// The types allow only the sizes of one vendor.
const small = { prompt: "a lighthouse", seconds: "4" } as const

describe("the official client", () => {
  it.live("creates with an image, retrieves, remixes, edits and extends", () =>
    drive(async (client) => {
      const input_reference = await toFile(Uint8Array.from([0xff, 0xd8, 0xff]), "cat.jpg", { type: "image/jpeg" })
      const clip = await client.videos.create({ ...small, input_reference })
      assert.deepInclude(clip, { object: "video", status: "completed", seconds: "4", size: "720x1280" })
      assert.deepStrictEqual({ ...(await client.videos.retrieve(clip.id)) }, { ...clip })
      const byUrl = await client.videos.create({
        ...small,
        input_reference: { image_url: "https://a.example/cat.png" }
      })
      const remix = await client.videos.remix(clip.id, { prompt: "in a storm" })
      assert.strictEqual(remix.remixed_from_video_id, clip.id)
      const edit = await client.videos.edit({ video: { id: byUrl.id }, prompt: "at noon" })
      const upload = await client.videos.edit({
        video: createReadStream(fixture("x264-bframes-aac.mp4")),
        prompt: "at noon"
      })
      assert.deepStrictEqual([edit.seconds, upload.seconds, upload.size], ["4", "1", "64x64"])
      const longer = await client.videos.extend({ video: { id: upload.id }, prompt: "on", seconds: "8" })
      assert.strictEqual(longer.seconds, "9")
      const film = parseMp4(await bytesOf(await client.videos.downloadContent(longer.id)))
      assert.strictEqual(film.movieSeconds, 9)
    })
  )

  it.live("downloads each variant", () =>
    drive(async (client) => {
      const video = createReadStream(fixture("x264-bframes-aac.mp4"))
      const { id } = await client.videos.edit({ video, prompt: "at noon" })
      const film = await client.videos.downloadContent(id, { variant: "video" })
      assert.strictEqual(film.headers.get("content-type"), "video/mp4")
      assert.strictEqual(parseMp4(await bytesOf(film)).samples.length, 24)
      for (const [variant, size] of [
        ["thumbnail", [64, 64]],
        ["spritesheet", [640, 64]]
      ] as const) {
        const response = await client.videos.downloadContent(id, { variant })
        assert.strictEqual(response.headers.get("content-type"), "image/png")
        const { height, width } = decode(await bytesOf(response))
        assert.deepStrictEqual<ReadonlyArray<number>>([width, height], size)
      }
    })
  )

  it.live("pages through a list and deletes its jobs", () =>
    drive(async (client) => {
      const ids: Array<string> = []
      for (let count = 0; count < 5; count++) ids.push((await client.videos.create(small)).id)
      const listed: Array<string> = []
      for await (const { id } of client.videos.list({ limit: 2, order: "asc" })) listed.push(id)
      assert.deepStrictEqual(listed, ids)
      for (const id of ids) {
        assert.deepStrictEqual({ ...(await client.videos.delete(id)) }, { id, object: "video.deleted", deleted: true })
      }
      assert.deepStrictEqual((await client.videos.list()).data, [])
      assert(((await failed(client.videos.retrieve(ids[0] ?? ""))) as object) instanceof OpenAI.NotFoundError)
    })
  )

  it.live("creates and reads a character", () =>
    drive(async (client) => {
      const video = createReadStream(fixture("x264-bframes-aac.mp4"))
      const made = await client.videos.createCharacter({ name: "Mossy", video })
      const found = await client.videos.getCharacter(made.id ?? "")
      assert.deepStrictEqual({ ...found }, { ...made })
      assert.strictEqual(found.name, "Mossy")
    })
  )

  it.live("distinguishes errors by class", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* VideosServer
      yield* Effect.promise(async () => {
        const client = new OpenAI({ apiKey: "sk-official", baseURL: baseUrl, maxRetries: 0 })
        const { id } = await client.videos.create(small)
        assert((await failed(client.videos.delete(id))) instanceof OpenAI.ConflictError)
        assert((await failed(client.videos.downloadContent(id))) instanceof OpenAI.NotFoundError)
        const early = await failed(client.videos.remix(id, { prompt: "again" }))
        assert(early instanceof OpenAI.BadRequestError)
        assert.strictEqual(early.code, "video_not_completed")
        const stranger = new OpenAI({ apiKey: "sk-other", baseURL: baseUrl, maxRetries: 0 })
        const refused = await failed(stranger.videos.list())
        assert(refused instanceof OpenAI.AuthenticationError)
        assert.notInclude(refused.message, "sk-")
      })
    }).pipe(Effect.provide(VideosServer.layer({ apiKeys })))
  )

  it.live("uses the paths and the header of Azure if it is made for Azure", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* VideosServer
      assert.match(baseUrl, /\/openai\/v1$/)
      yield* Effect.promise(async () => {
        const client = new AzureOpenAI({ apiKey: "sk-official", baseURL: baseUrl, apiVersion: "v1", maxRetries: 0 })
        const clip = await client.videos.create(small)
        assert.strictEqual((await client.videos.retrieve(clip.id)).status, "completed")
      })
    }).pipe(Effect.provide(VideosServer.layer({ ...instant, apiKeys, dialect: "azure" })))
  )
})
