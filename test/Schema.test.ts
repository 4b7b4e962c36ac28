import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Arbitrary, DateTime, Either, FastCheck, ParseResult, Schema } from "effect"
import {
  CharacterBody,
  CreateVideoBody,
  EditVideoBody,
  ExtendVideoBody,
  ExtendVideoForm,
  isSameSnapshot,
  isTerminal,
  ListQuery,
  Prompt,
  PromptBody,
  phaseOf,
  VideoCharacter,
  VideoId,
  VideoReference,
  VideoResource,
  VideoSeconds
} from "effect-videos/Schema"
import { job } from "./support/videos.js"

addEqualityTesters()

const decode = Schema.decodeUnknownSync(VideoResource)
const encode = Schema.encodeSync(VideoResource)
const throughText = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describe("round trips", () => {
  const comesBack = <A, I>(name: string, schema: Schema.Schema<A, I>) =>
    it.prop(`${name} comes back the same from its JSON text`, [schema], ([value]) => {
      const back = Schema.decodeUnknownSync(schema)(throughText(Schema.encodeSync(schema)(value)))
      expect(back).toEqual(value)
    })

  comesBack("VideoId", VideoId)
  comesBack("VideoResource", VideoResource)
  comesBack("VideoSeconds", VideoSeconds)
  comesBack("Prompt", Prompt)
  comesBack("CreateVideoBody", CreateVideoBody)
  comesBack("ExtendVideoBody", ExtendVideoBody)
  comesBack("ExtendVideoForm", ExtendVideoForm)
  comesBack("VideoReference", VideoReference)
  comesBack("EditVideoBody", EditVideoBody)
  comesBack("PromptBody", PromptBody)
  comesBack("CharacterBody", CharacterBody)
  comesBack("ListQuery", ListQuery)
  comesBack("VideoCharacter", VideoCharacter)

  it("generates resources with different fields for the properties above", () => {
    const sample = FastCheck.sample(Arbitrary.make(VideoResource), 300)
    const kinds = (read: (video: VideoResource) => unknown) => new Set(sample.map((video) => String(read(video)))).size
    expect(kinds((video) => video.status)).toBeGreaterThan(50)
    expect(kinds((video) => video.createdAt)).toBeGreaterThan(50)
    expect(kinds((video) => video.seconds)).toBeGreaterThan(50)
    expect(sample.some((video) => Object.keys(video.extra).length > 0)).toBe(true)
    expect(sample.some((video) => video.error !== null)).toBe(true)
  })

  const accents = FastCheck.oneof(
    FastCheck.jsonValue(),
    FastCheck.constantFrom(..."0,-1,4,8s,30%,1e300,1e400,720p,NaN,null,1760000000.5".split(",")),
    FastCheck.constantFrom(-1, 0, 100.5, 1e300, 1_760_000_000, 9e15),
    FastCheck.record({ code: FastCheck.jsonValue(), message: FastCheck.jsonValue() }, { requiredKeys: [] })
  )
  const names =
    "object model status progress created_at created completed_at expires_at prompt size seconds remixed_from_video_id error url __proto__"
  const bodies = FastCheck.array(FastCheck.tuple(FastCheck.constantFrom(...names.split(" ")), accents)).map(
    (fields): unknown => throughText(Object.fromEntries([...fields, ["id", "video_1"]]))
  )

  it.prop(
    "a body with an id decodes whatever its other fields hold, and its snapshot can be stored and read again",
    [bodies],
    ([body]) => {
      const video = decode(body)
      const again = decode(throughText(encode(video)))
      expect(again).toEqual(video)
      expect(isSameSnapshot(again, video)).toBe(true)
    }
  )
})

describe("what does not decode", () => {
  it.each([
    ["null", null],
    ["a list", [job()]],
    ["a text", "video_1"],
    ["a number", 1],
    ["an object without an id", { status: "queued" }],
    ["an empty id", job({ id: "" })],
    ["an id that is a number", job({ id: 1 })],
    ["an id that leaves its path segment", job({ id: ".." })],
    ["an id with a line break", job({ id: "video\n1" })],
    ["an id with half a surrogate pair", job({ id: "video_\ud800" })],
    ["an id of 2049 characters", job({ id: "v".repeat(2049) })]
  ])("%s is not a video", (_, body) => {
    const result = Schema.decodeUnknownEither(VideoResource)(body)
    expect(Either.isLeft(result) && result.left instanceof ParseResult.ParseError).toBe(true)
  })

  it.each([
    ["an empty prompt", { prompt: "" }],
    ["a prompt of 32,001 characters", { prompt: "x".repeat(32_001) }],
    ["half a second", { prompt: "x", seconds: 0.5 }],
    ["both kinds of picture", { prompt: "x", inputReference: { imageUrl: "https://h/p.png", fileId: "file_1" } }],
    ["neither kind of picture", { prompt: "x", inputReference: {} }],
    ["an empty model", { prompt: "x", model: "" }]
  ])("a request with %s does not encode", (_, request) => {
    expect(Either.isLeft(Schema.encodeUnknownEither(CreateVideoBody)(request))).toBe(true)
  })

  it("counts a prompt's characters as people do: 32,000 emoji are within the limit, one more is not", () => {
    expect(Schema.is(Prompt)("🎬".repeat(32_000))).toBe(true)
    expect(Schema.is(Prompt)("🎬".repeat(32_001))).toBe(false)
  })
})

describe("a `__proto__` key", () => {
  it("is kept as data and changes no prototype", () => {
    const body: unknown = JSON.parse(
      `{"id":"video_1","status":"queued","error":{"code":"x","__proto__":{"message":"no"}},"__proto__":{"polluted":true}}`
    )
    const video = decode(body)
    expect(Object.keys(video.extra)).toContain("__proto__")
    expect(Object.getOwnPropertyDescriptor(video.extra, "__proto__")?.value).toEqual({ polluted: true })
    expect("polluted" in video.extra).toBe(false)
    expect("polluted" in video).toBe(false)
    expect("polluted" in {}).toBe(false)
    expect(video.error).toEqual({ code: "x", message: "" })
    expect(JSON.parse(JSON.stringify(encode(video)))).toHaveProperty(["__proto__"])
  })

  it("lends the body no fields: an id inside it is none", () => {
    const body: unknown = JSON.parse(`{"status":"queued","__proto__":{"id":"video_evil"}}`)
    expect(Either.isLeft(Schema.decodeUnknownEither(VideoResource)(body))).toBe(true)
    expect(decode(JSON.parse(`{"id":"video_1","__proto__":{"status":"completed"}}`)).status).toBe("unknown")
  })
})

describe("Standard Schema", () => {
  it("validates a body and gives the resource", async () => {
    const result = await VideoResource["~standard"].validate(job({ status: "completed" }))
    expect(result.issues).toBeUndefined()
    expect("value" in result && result.value.status).toBe("completed")
  })

  it("names what is wrong and where", async () => {
    const result = await VideoResource["~standard"].validate(job({ id: ".." }))
    expect(result.issues?.map((issue) => issue.path)).toEqual([["id"]])
    expect(result.issues?.[0]?.message).toMatch(/an id of 1 to 2048 characters/)
  })
})

describe("snapshots", () => {
  const base = decode(job({ url: "https://cdn/1.mp4", usage: { tokens: [1, 2] } }))

  it("are the same if all fields are equal, in any order", () => {
    const again = decode(job({ usage: { tokens: [1, 2] }, url: "https://cdn/1.mp4" }))
    expect(isSameSnapshot(base, again)).toBe(true)
  })

  it.each([
    { status: "in_progress" },
    { progress: 1 },
    { completed_at: 1_760_000_001 },
    { expires_at: 1_760_000_001 },
    { created_at: 1_760_000_001 },
    { prompt: "another" },
    { size: "720x1280" },
    { seconds: "8" },
    { model: "sora-2-pro" },
    { object: "task" },
    { remixed_from_video_id: "video_0" },
    { error: { code: "x", message: "" } },
    { usage: { tokens: [1, 3] } },
    { more: 1 }
  ])("differ by %j", (change) => {
    const changed = decode(job({ url: "https://cdn/1.mp4", usage: { tokens: [1, 2] }, ...change }))
    expect(isSameSnapshot(base, changed)).toBe(false)
    expect(isSameSnapshot(changed, base)).toBe(false)
  })

  it("are terminal by their status alone", () => {
    const running = decode(job({ status: "in_progress", progress: 100, completed_at: 1_760_000_001 }))
    expect(DateTime.toEpochMillis(running.completedAt ?? DateTime.unsafeMake(0))).toBe(1_760_000_001_000)
    expect(isTerminal(running)).toBe(false)
    expect(phaseOf(running)).toBe("running")
    expect(isTerminal(decode(job({ status: "completed", progress: 0 })))).toBe(true)
    expect(isTerminal(decode(job({ status: "cancelled" })))).toBe(true)
  })
})
