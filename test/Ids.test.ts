/** Ids as servers write them: under other names, inside an envelope, as integers that `JSON.parse` rounds. */
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Effect, Redacted, Stream, TestClock } from "effect"
import {
  awaitVideo,
  createCharacter,
  createVideo,
  editVideo,
  extendVideo,
  listVideos,
  remixVideo,
  retrieveVideo,
  VideoFile
} from "effect-videos"
import * as Webhook from "effect-videos/Webhook"
import { readJson } from "../src/internal/protocol/json.js"
import { inTurn, json, routes, serve, text } from "./support/server.js"
import { anyClient, job, videosOver } from "./support/videos.js"
import * as webhook from "./support/webhook.js"

addEqualityTesters()

const big = "4326796003218200779"

/** `{ "id": big }` with the digits as a number, which no `JSON.stringify` writes. */
const withNumbers = (body: unknown): string => JSON.stringify(body).replace(/"#([^"]*)"/g, "$1")

describe("readJson", () => {
  it.each([
    [`{"id":${big}}`, { id: big }],
    [`{ "id" : ${big} }`, { id: big }],
    [`{"id"\n:\n-1}`, { id: { number: "-1" } }],
    [`{"id":9007199254740991}`, { id: 9007199254740991 }],
    [`{"id":9007199254740992}`, { id: "9007199254740992" }],
    [`{"id":1e3}`, { id: { number: "1e3" } }],
    [`{"id":1.0}`, { id: { number: "1.0" } }],
    [`{"id":7}`, { id: 7 }],
    [`{"a":[{"task_id":${big}}],"last_id":${big}}`, { a: [{ task_id: big }], last_id: big }],
    [`{"userId":${big},"paid":${big}}`, { userId: big, paid: Number(big) }],
    [`{"id":${big},"seed":${big}5,"loss":1.5e3}`, { id: big, seed: Number(`${big}5`), loss: 1500 }],
    [`{"prompt":"say \\"id\\":${big}, NaN","n":NaN}`, { prompt: `say "id":${big}, NaN`, n: null }],
    [`{"prompt":"\\\\","id":${big}}`, { prompt: "\\", id: big }],
    [`{"id":["x",${big}],"b":{"id":true,"c":${big}}}`, { id: ["x", Number(big)], b: { id: true, c: Number(big) } }],
    [
      `{"id":"NaN","a":NaN,"b":Infinity,"c":-Infinity,"d":[NaN, -inf,nan]}`,
      { id: "NaN", a: null, b: null, c: null, d: [null, null, null] }
    ],
    [`{"status":"inf","info":"nan"}`, { status: "inf", info: "nan" }],
    ["NaN", null],
    ["[]", []]
  ])("reads %s", (source, value) => {
    expect(readJson(source)).toEqual(value)
  })

  it.each(["", "{", `{"id":${big}`, "NaNa", "{NaN:1}", `{"a":Infinity1}`, `{"id":${big},"a":"`, '"\\'])(
    "does not read %s",
    (source) => {
      expect(() => readJson(source)).toThrow(SyntaxError)
    }
  )

  it("reads a long string beside a large id in linear time", () => {
    const clip = "A".repeat(8_000_000)
    expect(readJson(`{"b64":"${clip}","quoted":"${'\\"'.repeat(100_000)}","id":${big}}`)).toMatchObject({ id: big })
  })
})

const submits = {
  createVideo: createVideo({ prompt: "x" }),
  "createVideo with a file": createVideo({ prompt: "x", inputReference: VideoFile.fromBytes(new Uint8Array(9)) }),
  extendVideo: extendVideo({ video: "video_0", prompt: "x", seconds: 4 }),
  editVideo: editVideo({ video: "video_0", prompt: "x" }),
  remixVideo: remixVideo({ video: "video_0", prompt: "x" })
}

describe("the id of a new job", () => {
  it.scopedLive.each(Object.entries(submits))(
    "is read digit for digit, and is the one that is polled (%s)",
    ([, submit]) =>
      Effect.gen(function* () {
        const server = yield* serve(
          inTurn(
            text(200, withNumbers({ id: `#${big}`, status: "queued" })),
            text(200, withNumbers({ id: `#${big}`, status: "completed" }))
          )
        )
        const video = yield* Effect.flatMap(submit, (made) => awaitVideo(made)).pipe(Effect.provide(videosOver(server)))
        expect(video.id).toBe(big)
        expect(server.requests[1]?.url).toBe(`/v1/videos/${big}`)
      })
  )

  const bodies: ReadonlyArray<readonly [string, unknown, string]> = [
    ["task_id", { task_id: big }, big],
    ["a task_id that is a number", { task_id: `#${big}` }, big],
    ["data.task_id", { code: "success", message: "", data: { task_id: "task_1" } }, "task_1"],
    ["data.task_id that is a number", { data: { task_id: `#${big}`, status: "NOT_START" } }, big],
    ["data.id", { data: { id: `#${big}` } }, big],
    ["data.id in an envelope with a status", { status: "success", data: { id: "video_7" } }, "video_7"],
    ["output.task_id beside a request_id", { request_id: "r", output: { task_id: "t-1" } }, "t-1"],
    ["result.id, beside data: null", { data: null, result: { id: "video_7" } }, "video_7"],
    ["video.id", { video: { id: "video_7", status: "queued" } }, "video_7"],
    ["id before task_id", { id: "video_7", task_id: "upstream", data: { id: "other" } }, "video_7"],
    ["task_id beside an empty id", { id: "", task_id: "t-1" }, "t-1"],
    ["task_id beside id: null", { id: null, task_id: "t-1" }, "t-1"],
    ["a small integer", { id: 7, data: null }, "7"],
    ["an id beside NaN", { id: "video_7", progress: "#NaN", eta: "#Infinity" }, "video_7"]
  ]
  for (const { client, layer } of [anyClient]) {
    it.scopedLive.each(bodies)(`is read from %s (${client})`, ([, body, id]) =>
      Effect.gen(function* () {
        const server = yield* serve(text(200, withNumbers(body)))
        const video = yield* createVideo({ prompt: "x" }).pipe(Effect.provide(videosOver(server, {}, layer)))
        expect(video.id).toBe(id)
      })
    )
  }

  it.scopedLive.each([
    ["1e3", `"1e3"`],
    ["1.5", `"1.5"`],
    ["-7", `"-7"`],
    ["4.326796003218200779e18", `"4.326796003218200779e18"`],
    ["NaN", "null"],
    ["[7]", "[7]"]
  ])("is not %s: the error shows the response", ([number, shown]) =>
    Effect.gen(function* () {
      const body = `{"id":${number},"prompt":"my \\"secret\\" film","key":"sk-abcdefgh12345678"}`
      const server = yield* serve(text(200, body))
      const error = yield* Effect.flip(createVideo({ prompt: "x" })).pipe(
        Effect.provide(videosOver(server, { apiKey: Redacted.make("sk-abcdefgh12345678") }))
      )
      expect(error._tag).toBe("SubmissionUncertainError")
      expect(error.message).toContain(shown)
      expect(error.message).toContain(`"key":"<redacted>"`)
      expect(error.message).not.toContain("film")
    })
  )

  it.scopedLive("is in the error, for a person, if it has an unknown name", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, { ok: true, generation: "gen-4326" }))
      const error = yield* Effect.flip(createVideo({ prompt: "x" })).pipe(Effect.provide(videosOver(server)))
      expect(error.message).toContain(`The response: {"ok":true,"generation":"gen-4326"}`)
    })
  )
})

describe("ids that are integers", () => {
  it.scopedLive("are exact in a job, its source, a list and its cursor", () =>
    Effect.gen(function* () {
      const other = "4326796003218200778"
      const item = (id: string) => job({ id: `#${id}`, remixed_from_video_id: `#${other}` })
      const server = yield* serve(
        routes({
          [`GET /v1/videos/${big}`]: text(200, withNumbers(item(big))),
          "GET /v1/videos": text(200, withNumbers({ data: [item(big)], has_more: true, last_id: `#${big}` })),
          [`GET /v1/videos?after=${big}`]: text(200, withNumbers({ data: [item(other)], has_more: false }))
        })
      )
      yield* Effect.gen(function* () {
        expect(yield* retrieveVideo(big)).toMatchObject({ id: big, remixedFromVideoId: other })
        const listed = yield* Stream.runCollect(listVideos())
        expect([...listed].map(({ id }): string => id)).toEqual([big, other])
      }).pipe(Effect.provide(videosOver(server)))
    })
  )

  it.scopedLive("are exact in a character", () =>
    Effect.gen(function* () {
      const server = yield* serve(text(200, withNumbers({ id: `#${big}` })))
      const character = yield* createCharacter({ name: "x", video: VideoFile.fromBytes(new Uint8Array(9)) }).pipe(
        Effect.provide(videosOver(server))
      )
      expect(character.id).toBe(big)
    })
  )

  it.scopedLive("are read in a list of small ones, and if a job has a task_id", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, [{ id: 7 }, { task_id: "t-1" }]))
      const listed = yield* Stream.runCollect(listVideos()).pipe(Effect.provide(videosOver(server)))
      expect([...listed].map(({ id }): string => id)).toEqual(["7", "t-1"])
    })
  )
})

describe("the job of a webhook", () => {
  it.effect.each([
    ["video.completed", { id: `#${big}` }],
    ["video.completed", { task_id: `#${big}`, loss: "#NaN" }],
    ["video.expired", { id: `#${big}` }]
  ])("is exact (%s, %o)", ([type, data]) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(webhook.now * 1000)
      const body = withNumbers({ id: `#${big}`, type, data })
      const headers = yield* webhook.signed({ body })
      const { event } = yield* Webhook.verifyWebhook({ headers, body }, { secrets: [Redacted.make(webhook.secret)] })
      expect(event).toMatchObject({ id: big, videoId: big })
    })
  )

  it.effect("is missing if its id is not an integer", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(webhook.now * 1000)
      const body = `{"id":"evt_1","type":"video.completed","data":{"id":4.3e18}}`
      const headers = yield* webhook.signed({ body })
      const error = yield* Effect.flip(
        Webhook.verifyWebhook({ headers, body }, { secrets: [Redacted.make(webhook.secret)] })
      )
      expect(error._tag).toBe("WebhookDecodeError")
    })
  )
})

describe("a job in an envelope", () => {
  it.scopedLive.each([
    [{ code: "success", data: { task_id: "t-1", status: "SUCCESS" } }, "SUCCESS"],
    [{ status: "success", data: { task_id: "t-1", status: "queued" } }, "queued"],
    [{ data: { status: "queued" } }, "queued"],
    [{ status: "done", video: { url: "https://storage.invalid/clip.mp4" } }, "done"]
  ])("is read in the response to a poll: %o", ([body, status]) =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, body))
      const video = yield* retrieveVideo("t-1").pipe(Effect.provide(videosOver(server)))
      expect(video).toMatchObject({ id: "t-1", status })
    })
  )
})

describe("a refusal", () => {
  it.scopedLive("is read if a number in it is not finite", () =>
    Effect.gen(function* () {
      const server = yield* serve(text(429, `{"error":{"code":"insufficient_quota","message":"no","left":-Infinity}}`))
      const error = yield* Effect.flip(createVideo({ prompt: "x" })).pipe(Effect.provide(videosOver(server)))
      expect(error).toMatchObject({ _tag: "QuotaExceededError", code: "insufficient_quota" })
    })
  )
})
