import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Redacted, Schema, Stream } from "effect"
import {
  type CreateVideoRequest,
  createVideo,
  downloadVideo,
  type ExtendVideoRequest,
  extendVideo,
  type Json,
  retrieveVideo,
  VideoResource,
  type VideoSeconds,
  Videos
} from "effect-videos"
import { hangUntilClosed, html, inTurn, json, type Reply, routes, serve, text } from "./support/server.js"
import { anyClient, atOnce, clients, job, videosOver } from "./support/videos.js"

addEqualityTesters()

const key = "sk-very-secret-0123456789"

/** What no type allows and a program without types does all the same. */
const unchecked = (value: unknown) => JSON.parse(JSON.stringify(value))

type Failure = Error & { readonly _tag: string }

describe("bad input", () => {
  /** The error of a call that must not send anything. */
  const refused = (call: Effect.Effect<unknown, Failure, Videos>) =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, job()))
      const exit = yield* Effect.exit(call).pipe(Effect.provide(videosOver(server, { apiKey: Redacted.make(key) })))
      expect(server.requests).toHaveLength(0)
      expect(Exit.isFailure(exit) && Cause.isFailType(exit.cause)).toBe(true)
      return yield* Effect.flip(exit)
    })

  const check = (call: Effect.Effect<unknown, Failure, Videos>, field: string, accepted: RegExp) =>
    Effect.map(refused(call), (error) => {
      expect(error).toMatchObject({ _tag: "InvalidRequestError", field })
      const { message } = error
      expect(message).toContain(`\`${field}\` must be `)
      expect(message).toMatch(accepted)
      expect(message).toMatch(/Nothing was sent\.$/)
      expect(message).not.toContain(key)
    })

  const five: VideoSeconds = unchecked(5)
  const word: VideoSeconds = unchecked("8")
  const cycle: { [name: string]: Json } = {}
  cycle["self"] = cycle

  const creations: ReadonlyArray<readonly [string, CreateVideoRequest, string, RegExp]> = [
    ["an empty prompt", { prompt: "" }, "prompt", /1 to 32,000 characters; received a text of 0 characters/],
    ["a prompt of 32,001 characters", { prompt: key.repeat(2000) }, "prompt", /received a text of 50000 characters/],
    ["a prompt that is missing", unchecked({}), "prompt", /given/],
    ["a prompt that is a number", unchecked({ prompt: 7 }), "prompt", /received 7/],
    ["5 seconds", { prompt: "x", seconds: five }, "seconds", /4, 8, 12, 16 or 20.*received 5/],
    ["seconds as a text", { prompt: "x", seconds: word }, "seconds", /4, 8, 12, 16 or 20/],
    ["an empty model", { prompt: "x", model: "" }, "model", /not empty/],
    ["an empty size", { prompt: "x", size: "" }, "size", /not empty/],
    [
      "two pictures",
      unchecked({ prompt: "x", inputReference: { imageUrl: "https://h", fileId: "f" } }),
      "inputReference",
      /exactly one of `imageUrl` and `fileId`/
    ],
    ["a field that does not exist", unchecked({ prompt: "x", duration: 8 }), "duration", /does not have this field/],
    ["a cycle", { prompt: "x", extraBody: cycle }, "extraBody", /no cycles/]
  ]
  it.scopedLive.each(creations)("createVideo names the field for %s", ([, request, field, accepted]) =>
    check(createVideo(request), field, accepted)
  )

  const extensions: ReadonlyArray<readonly [string, ExtendVideoRequest, string, RegExp]> = [
    ["an empty prompt", { video: "v", prompt: "", seconds: 4 }, "prompt", /1 to 32,000 characters/],
    ["5 seconds", { video: "v", prompt: "x", seconds: five }, "seconds", /4, 8, 12, 16 or 20/],
    ["no seconds", unchecked({ video: "v", prompt: "x" }), "seconds", /given/],
    ["a source that is missing", unchecked({ prompt: "x", seconds: 4 }), "video", /given/],
    ["a source that is null", unchecked({ video: null, prompt: "x", seconds: 4 }), "video", /a job's id, a reference/],
    ["a source that is a number", unchecked({ video: 7, prompt: "x", seconds: 4 }), "video", /VideoFile/],
    ["a reference without an id", unchecked({ video: {}, prompt: "x", seconds: 4 }), "video.id", /an id of 1 to 2048/]
  ]
  it.scopedLive.each(extensions)("extendVideo names the field for %s", ([, request, field, accepted]) =>
    check(extendVideo(request), field, accepted)
  )

  it.scopedLive.each(["", ".", "..", "a\u0000b", "a\nb", "\u007f", "\u0085", "\ud800", "a\udc00", "v".repeat(2049)])(
    "an id that cannot be a path segment (%j) is refused everywhere",
    (id) =>
      Effect.gen(function* () {
        const accepted = /an id of 1 to 2048 characters/
        yield* check(retrieveVideo(id), "id", accepted)
        yield* check(Stream.runDrain(downloadVideo(id)), "id", accepted)
        yield* check(Stream.runDrain(downloadVideo({ id })), "id", accepted)
        yield* check(extendVideo({ video: id, prompt: "x", seconds: 4 }), "video.id", accepted)
        yield* check(extendVideo({ video: { id }, prompt: "x", seconds: 4 }), "video.id", accepted)
      })
  )
})

describe("a response to retrieveVideo that cannot be decoded", () => {
  const table: ReadonlyArray<readonly [string, Reply, "syntax" | "shape", RegExp]> = [
    ["a page", html(200, `<!DOCTYPE html><title>Sign in</title>${key}`), "syntax", /HTML page; check the base URL/],
    ["JSON that was cut", text(200, `{"id":"video_1","status`), "syntax", /it is not JSON \(23 characters\)/],
    ["nothing", text(200, ""), "syntax", /it is empty/],
    ["nothing, with status 204", text(204, ""), "syntax", /it is empty/],
    ["a list", json(200, [job()]), "shape", /it is an array of 1, not a video/],
    ["null", json(200, null), "shape", /it is null, not a video/],
    ["a text", json(200, "video_1"), "shape", /it is a string, not a video/],
    ["an object without a status", json(200, { id: "video_1" }), "shape", /it has no `status`/],
    ["xAI's protocol", json(200, { request_id: "r_1" }), "shape", /belongs to the dialect `xai`: set `dialect: "xai"`/],
    ["new-api's old dialect", json(200, { code: "success", message: key, data: {} }), "shape", /but says: <redacted>/],
    ["an error with status 200", json(200, { error: { message: "no such model" } }), "shape", /says: no such model/]
  ]
  for (const { client, layer } of [anyClient]) {
    it.scopedLive.each(table)(`names the route for %s, over ${client}`, ([, reply, reason, detail]) =>
      Effect.gen(function* () {
        const server = yield* serve(reply)
        const exit = yield* Effect.exit(retrieveVideo("video_a/b")).pipe(
          Effect.provide(videosOver(server, { apiKey: Redacted.make(key) }, layer))
        )
        expect(Exit.isFailure(exit) && Cause.isFailType(exit.cause)).toBe(true)
        const error = yield* Effect.flip(exit)
        expect(error).toMatchObject({ _tag: "ResponseDecodeError", route: "GET /videos/video_a%2Fb", reason })
        expect("detail" in error && error.detail).toMatch(detail)
        expect(error.message).toMatch(
          /^retrieveVideo: cannot read the response to GET \/videos\/video_a%2Fb \(HTTP 20[04]\)/
        )
        expect(JSON.stringify(error) + error.message).not.toContain(key)
        expect(server.requests).toHaveLength(1)
      })
    )
  }

  it.scopedLive("shows at most 2 KiB of it", () =>
    Effect.gen(function* () {
      for (const reply of [text(200, "x".repeat(100_000)), json(200, ["y".repeat(100_000)])]) {
        const server = yield* serve(reply)
        const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(videosOver(server)))
        expect("body" in error && error.body.length).toBe(2048)
      }
    })
  )
})

describe("a job that is completed by the response to its submission", () => {
  it.scopedLive("is given back as it is, with one request", () =>
    Effect.gen(function* () {
      const body = {
        id: "d1",
        object: "video",
        status: "completed",
        progress: 100,
        created: 1_760_000_000,
        data: [{ url: "u" }]
      }
      const server = yield* serve(json(200, body))
      const video = yield* createVideo({ prompt: "x" }).pipe(Effect.provide(videosOver(server)))
      expect(video).toEqual(yield* Schema.decodeUnknown(VideoResource)(body))
      expect(video.status).toBe("completed")
      expect(server.requests).toHaveLength(1)
    })
  )
})

describe("downloadVideo without content", () => {
  const poll = (status: string, fields: object = {}): Reply => json(200, job({ status, ...fields }))

  const table: ReadonlyArray<
    readonly [string, Reply, Reply, { readonly _tag: string; readonly [name: string]: unknown }]
  > = [
    [
      "OpenAI's 404 of a queued job",
      json(404, { error: { message: "Video is not ready yet" } }),
      poll("queued"),
      { _tag: "VideoNotReadyError", video: { status: "queued" } }
    ],
    [
      "vLLM-Omni's 404 of a running job",
      json(404, { error: { message: "Generation is still in-progress", code: 404 } }),
      poll("in_progress", { progress: 40 }),
      { _tag: "VideoNotReadyError", video: { progress: 40 } }
    ],
    [
      "new-api's 400",
      json(400, { error: { message: "Task is not completed yet, current status: IN_PROGRESS" } }),
      poll("in_progress"),
      { _tag: "VideoNotReadyError" }
    ],
    ["TeleFuser's 400", json(400, { detail: "not ready" }), poll("generating"), { _tag: "VideoNotReadyError" }],
    ["a 409", text(409, ""), poll("queued"), { _tag: "VideoNotReadyError" }],
    ["a 425", text(425, ""), poll("queued"), { _tag: "VideoNotReadyError" }],
    [
      "a 422 of a failed job",
      json(422, { detail: "failed" }),
      poll("failed", { error: { code: "oom", message: "no memory" } }),
      { _tag: "VideoFailedError", video: { error: { code: "oom", message: "no memory" } } }
    ],
    [
      "a 404 of a cancelled job",
      text(404, ""),
      poll("cancelled"),
      { _tag: "VideoFailedError", video: { status: "cancelled" } }
    ],
    [
      "a 404, the failed job's poll being a 500 itself",
      text(404, ""),
      json(500, job({ status: "failed" })),
      { _tag: "VideoFailedError" }
    ],
    [
      "a 404 of a completed job",
      text(404, ""),
      poll("completed"),
      { _tag: "VideoExpiredError", video: { status: "completed" } }
    ],
    ["a 410 of a completed job", text(410, ""), poll("completed"), { _tag: "VideoExpiredError" }],
    [
      "a 404 of a job that is missing too",
      text(404, ""),
      json(404, { detail: "Video not found" }),
      { _tag: "VideoNotFoundError", status: 404, videoId: "video_1" }
    ],
    [
      "new-api's unknown job",
      text(400, ""),
      json(400, { code: "task_not_exist", message: "no" }),
      { _tag: "VideoNotFoundError", status: 400 }
    ],
    [
      "a 400 of a completed job",
      json(400, { detail: "variant unknown" }),
      poll("completed"),
      { _tag: "BadRequestError", detail: "variant unknown" }
    ],
    [
      "a 404, the poll failing",
      json(404, { detail: "gone" }),
      text(500, ""),
      { _tag: "VideoNotFoundError", detail: "gone" }
    ]
  ]
  for (const { client, layer } of [anyClient]) {
    it.scopedLive.each(table)(`fails with the reason of the job: %s, over ${client}`, ([, content, asked, expected]) =>
      Effect.gen(function* () {
        const server = yield* serve(
          routes({ "GET /v1/videos/video_1/content": content, "GET /v1/videos/video_1": asked })
        )
        const error = yield* Effect.flip(Stream.runDrain(downloadVideo("video_1"))).pipe(
          Effect.provide(videosOver(server, {}, layer))
        )
        expect(error).toMatchObject({ operation: "downloadVideo", ...expected })
        expect(error.message).toMatch(/^downloadVideo: .*video_1|variant unknown/)
        expect(server.requests.map(({ url }) => url)).toEqual(["/v1/videos/video_1/content", "/v1/videos/video_1"])
      })
    )
  }

  it.scopedLive.each([401, 403, 429, 500, 502, 503])("sends no read of the job after a %s", (status) =>
    Effect.gen(function* () {
      const server = yield* serve(text(status, ""))
      const error = yield* Effect.flip(Stream.runDrain(downloadVideo("video_1"))).pipe(
        Effect.provide(videosOver(server))
      )
      expect(error).toMatchObject({ status, operation: "downloadVideo" })
      expect(server.requests).toHaveLength(1)
    })
  )
})

for (const { client, layer } of clients) {
  describe(`the content, over ${client}`, () => {
    it.scopedLive("arrives as it is sent: the first bytes are here before the last are there", () =>
      Effect.gen(function* () {
        let release = () => {}
        const consumed = new Promise<void>((resolve) => {
          release = resolve
        })
        const server = yield* serve((response) => {
          response.writeHead(200, { "content-type": "video/mp4", "content-length": "20" })
          response.write("one".padStart(17, "\u0000"))
          // If the client gathered the whole, it would wait for this, and this for it.
          consumed.then(() => response.end("two"))
        })
        const gathered = yield* downloadVideo("video_1").pipe(
          Stream.tap(() => Effect.sync(release)),
          Stream.runFold("", (all, chunk) => all + Buffer.from(chunk).toString()),
          Effect.provide(videosOver(server, {}, layer))
        )
        expect(gathered).toBe("onetwo".padStart(20, "\u0000"))
        expect(server.requests).toHaveLength(1)
      })
    )

    it.scopedLive("fails the stream if it breaks off, and is not begun again", () =>
      Effect.gen(function* () {
        const server = yield* serve((response) => {
          response.writeHead(200, { "content-type": "video/mp4", "content-length": "1000" })
          response.write("half", () => response.socket?.destroy())
        })
        const error = yield* Effect.flip(Stream.runDrain(downloadVideo("video_1"))).pipe(
          Effect.provide(videosOver(server, { readRetry: atOnce(3) }, layer))
        )
        expect(error).toMatchObject({ _tag: "TransportError", operation: "downloadVideo", reason: "exchange" })
        expect(server.requests).toHaveLength(1)
      })
    )

    it.scopedLive("is requested again until its first byte", () =>
      Effect.gen(function* () {
        const server = yield* serve(inTurn(text(503, ""), text(200, "\u0000clip", { "content-type": "video/mp4" })))
        const size = yield* downloadVideo("video_1").pipe(
          Stream.runFold(0, (all, chunk) => all + chunk.byteLength),
          Effect.provide(videosOver(server, { readRetry: atOnce(1) }, layer))
        )
        expect(size).toBe(5)
        expect(server.requests).toHaveLength(2)
      })
    )

    it.scopedLive("stops with its consumer, and closes the connection", () =>
      Effect.gen(function* () {
        const { closed, reply } = yield* hangUntilClosed
        const server = yield* serve((response, request, index) => {
          response.writeHead(200, { "content-type": "video/mp4" }).write("first".padStart(20, "\u0000"))
          reply(response, request, index)
        })
        const some = yield* downloadVideo("video_1").pipe(
          Stream.take(1),
          Stream.runCount,
          Effect.provide(videosOver(server, {}, layer))
        )
        expect(some).toBe(1)
        yield* closed
      })
    )

    it.scopedLive("is not a clip if its body is empty", () =>
      Effect.gen(function* () {
        const server = yield* serve(
          routes({
            "GET /v1/videos/video_1/content": text(200, "", { "content-type": "video/mp4" }),
            "GET /v1/videos/video_1": json(200, job({ status: "completed" }))
          })
        )
        const error = yield* Effect.flip(Stream.runDrain(downloadVideo("video_1"))).pipe(
          Effect.provide(videosOver(server, {}, layer))
        )
        expect(error).toMatchObject({ _tag: "ResponseDecodeError", detail: "it is empty instead of a video" })
      })
    )
  })
}

describe("the Videos service", () => {
  it.effect("can be replaced by a program's own, method by method", () =>
    Effect.gen(function* () {
      const video = yield* Schema.decodeUnknown(VideoResource)(job({ id: "video_fake" }))
      const fake = Layer.mock(Videos, { retrieve: () => Effect.succeed(video) })
      expect((yield* retrieveVideo("video_1").pipe(Effect.provide(fake))).id).toBe("video_fake")
      const exit = yield* Effect.exit(createVideo({ prompt: "x" })).pipe(Effect.provide(fake))
      expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
    })
  )
})
