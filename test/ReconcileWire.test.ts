/** Lost responses over real sockets, with the live clock; uploads that are sent again; and how a job is matched. */
import * as fs from "node:fs/promises"
import { addEqualityTesters, assert, describe, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { Effect, Layer, Schema, Stream } from "effect"
import { createVideo, editVideo, VideoFile, VideoResource, Videos } from "effect-videos"
import { fixture } from "../packages/server/test/support.js"
import { type JobCriteria, likenessOf, normalPrompt } from "../src/internal/reconcile/matchJob.js"
import { facts } from "./support/reconcile.js"
import { anyClient, quiet } from "./support/videos.js"

addEqualityTesters()

const faults = (...rules: ReadonlyArray<Fault.Rule>) => Effect.flatMap(VideosServer, ({ faults }) => faults.set(rules))

const lost: ReadonlyArray<readonly [string, Fault.Fault, number]> = [
  ["a reset before the headers", Fault.reset("before-headers"), 2],
  ["a reset after the commit", Fault.reset("after-commit"), 1],
  ["a reset in mid-body", Fault.reset("mid-body"), 1],
  ["JSON that was cut", Fault.cutJson(), 1],
  ["a body that is shorter than it says", Fault.contentLength(9), 1],
  ["504", Fault.status({ status: 504, committed: true }), 1],
  ["a page", Fault.html(), 2],
  ["no response", Fault.hang({ committed: true }), 1]
]

for (const { client, layer } of [anyClient]) {
  const over = Layer.merge(
    Layer.unwrapEffect(
      Effect.map(VideosServer, ({ baseUrl }) => Videos.layer({ baseUrl, listLag: 0, requestTimeout: "150 millis" }))
    ).pipe(Layer.provide(layer), Layer.provideMerge(VideosServer.layer({ queueTime: 0, runTime: 0 }))),
    quiet
  )

  describe(`over ${client}, a submission whose response was lost`, () => {
    it.scopedLive.each(lost)("ends in one job: %s", ([, fault, sends]) =>
      Effect.gen(function* () {
        yield* faults({ on: ["create"], when: Fault.first(1), fault })
        const video = yield* createVideo({ prompt: "a lighthouse" })
        const { ids, sent } = yield* facts
        assert.deepStrictEqual([ids, sent], [[video.id], sends])
      }).pipe(Effect.provide(over))
    )

    it.scopedLive("opens its file again when it is sent again", () =>
      Effect.gen(function* () {
        const bytes = yield* Effect.promise(() => fs.readFile(fixture("x264-bframes-aac.mp4")))
        let opened = 0
        const content = Stream.suspend(() => {
          opened++
          return Stream.make(bytes.subarray(0, 1000), bytes.subarray(1000))
        })
        const video = VideoFile.fromStream(content, { name: "clip.mp4", size: bytes.byteLength })
        yield* faults({ on: ["edit"], when: Fault.first(1), fault: Fault.html() })
        const job = yield* editVideo({ video, prompt: "in winter" }, { timeout: "10 seconds" })
        assert.deepStrictEqual((yield* facts).ids, [job.id])
        assert.strictEqual(opened, 2)
      }).pipe(Effect.provide(over))
    )
  })
}

describe("a job on a list", () => {
  const sought: JobCriteria = {
    prompt: "a lighthouse",
    model: "sora-2",
    size: "1280x720",
    seconds: 8,
    isExtension: false,
    isRemix: false,
    source: null
  }
  const decode = Schema.decodeUnknownSync(VideoResource)
  const listed = (fields: { readonly [name: string]: unknown }) =>
    decode({ id: "v", prompt: "a lighthouse", model: "sora-2", size: "1280x720", seconds: "8", ...fields })
  const extension: Partial<JobCriteria> = { isExtension: true, model: null, size: null, source: "s" }
  const remix: Partial<JobCriteria> = { isRemix: true, model: null, size: null, seconds: null, source: "s" }

  it.each([
    ["the same", {}, {}, null, "same"],
    ["without a prompt", { prompt: null }, {}, null, "maybe"],
    ["with another prompt", { prompt: "another" }, {}, null, "other"],
    ["with a prompt that continues", { prompt: "a lighthouse at dusk" }, {}, null, "other"],
    ["where the request has no prompt", {}, { prompt: null }, null, "maybe"],
    ["with nothing else", { model: null, size: null, seconds: null }, {}, null, "same"],
    ["of a dated model", { model: "sora-2-2025-12-08" }, {}, null, "same"],
    ["of a model with its provider", { model: "sora-2" }, { model: "openai/sora-2" }, null, "same"],
    ["of a model of the same family", { model: "sora-2-pro" }, {}, null, "maybe"],
    ["of another model", { model: "wan" }, {}, null, "maybe"],
    ["of any model, where none was asked for", { model: "wan" }, { model: null }, null, "same"],
    ["of another size", { size: "720x1280" }, {}, null, "maybe"],
    ["of a size in other words", { size: "720p" }, {}, null, "same"],
    ["of another length", { seconds: "4" }, {}, null, "maybe"],
    ["of a rounded length", { seconds: 8.04 }, {}, null, "same"],
    ["of no length", { seconds: "0" }, {}, null, "same"],
    ["that is a remix", { remixed_from_video_id: "s" }, {}, null, "maybe"],
    ["that is the stitched length", { seconds: "12" }, extension, 4, "same"],
    ["that is another stitched length", { seconds: "16" }, extension, 4, "maybe"],
    ["that is as long as the segment alone", { seconds: "8" }, extension, 4, "maybe"],
    ["that is longer, of a source of unknown length", { seconds: "20" }, extension, null, "same"],
    ["that is shorter than the segment", { seconds: "4" }, extension, null, "maybe"],
    ["that is the source's remix", { remixed_from_video_id: "s" }, remix, null, "same"],
    ["that is another's remix", { remixed_from_video_id: "t" }, remix, null, "maybe"],
    ["that is not a remix", {}, remix, null, "maybe"]
  ] as const)("%s", (_, fields, asked, sourceSeconds, likeness) => {
    assert.strictEqual(likenessOf({ ...sought, ...asked }, listed(fields), sourceSeconds), likeness)
  })

  it("has the prompt whatever was done to its white space and its marks", () => {
    assert.strictEqual(normalPrompt(" a\r\n b\u00a0 c "), "a b c")
    assert.strictEqual(normalPrompt("cafe\u0301"), normalPrompt("caf\u00e9"))
    assert.strictEqual(normalPrompt("  "), null)
  })
})
