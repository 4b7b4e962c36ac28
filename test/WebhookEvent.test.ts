import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Arbitrary, DateTime, Either, FastCheck, Schema } from "effect"
import type { VideoId } from "effect-videos/Schema"
import * as Webhook from "effect-videos/Webhook"
import { event } from "./support/webhook.js"

addEqualityTesters()

describe("VideoEvent", () => {
  const decode = Schema.decodeUnknownSync(Webhook.VideoEvent)
  const throughText = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

  it("narrows by its tag", () => {
    const decoded = decode(event)
    if (decoded._tag !== "VideoCompleted") throw new Error("not narrowed")
    const id: VideoId = decoded.videoId
    expect(id).toBe("video_1")
    expect(decoded.createdAt).toEqual(DateTime.unsafeMake(1_794_999_999_000))
  })

  it("keeps an unknown type, its data, and unknown fields", () => {
    const wire = { id: "evt_2", type: "video.upscaled", data: { id: "video_2", to: "4k" }, livemode: true }
    expect(decode(wire)).toMatchObject({
      _tag: "UnknownEvent",
      type: "video.upscaled",
      videoId: "video_2",
      extra: { livemode: true }
    })
    expect(Schema.encodeSync(Webhook.VideoEvent)(decode(wire))).toMatchObject(wire)
  })

  it("takes the id of another family's event for no video's", () => {
    const wire = { id: "evt_3", type: "response.completed", data: { id: "resp_1" } }
    expect(decode(wire)).toMatchObject({ videoId: null, data: { id: "resp_1" } })
  })

  it("keeps a time that it cannot read, and writes it again", () => {
    const decoded = decode({ ...event, created_at: "yesterday" })
    expect(decoded).toMatchObject({ createdAt: null, extra: { created_at: "yesterday" } })
    expect(Schema.encodeSync(Webhook.VideoEvent)(decoded).created_at).toBe("yesterday")
  })

  it("is not written when its id and its data disagree", () => {
    const decoded = decode(event)
    expect(Either.isLeft(Schema.encodeEither(Webhook.VideoEvent)({ ...decoded, data: {} } as Webhook.VideoEvent))).toBe(
      true
    )
  })

  it.prop("comes back the same from its JSON text", [Webhook.VideoEvent], ([value]) => {
    expect(decode(throughText(Schema.encodeSync(Webhook.VideoEvent)(value)))).toEqual(value)
  })

  it("generates events of every kind for the property above", () => {
    const sample = FastCheck.sample(Arbitrary.make(Webhook.VideoEvent), 200)
    for (const type of ["video.completed", "video.failed", "batch.completed"]) {
      expect(sample.some((value) => value.type === type)).toBe(true)
    }
    expect(new Set(sample.map(({ type }) => type)).size).toBeGreaterThan(20)
    expect(sample.some(({ extra }) => Object.keys(extra).length > 0)).toBe(true)
    expect(sample.some(({ createdAt }) => createdAt !== null)).toBe(true)
  })

  const names = "object type created_at data __proto__ more".split(" ")
  const bodies = FastCheck.array(FastCheck.tuple(FastCheck.constantFrom(...names), FastCheck.jsonValue())).map(
    (given): unknown => throughText(Object.fromEntries([["type", "video.new"], ...given, ["id", "evt_1"]]))
  )
  it.prop("can be stored and read again if it decodes, whatever its other fields hold", [bodies], ([wire]) => {
    const result = Schema.decodeUnknownEither(Webhook.VideoEvent)(wire)
    if (Either.isLeft(result)) return
    expect(decode(throughText(Schema.encodeSync(Webhook.VideoEvent)(result.right)))).toEqual(result.right)
  })
})
