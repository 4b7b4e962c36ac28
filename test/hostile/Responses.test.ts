/** Servers that mean harm, over sockets, with every client: a tagged error, a closed connection, no more than the limits. */
import { gzipSync } from "node:zlib"
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, Either, Fiber, Schema, Stream, TestClock } from "effect"
import {
  createVideo,
  downloadVideo,
  isSameSnapshot,
  type Limits,
  listVideos,
  retrieveVideo,
  VideoId,
  VideoResource,
  VideosConfig
} from "effect-videos"
import { start } from "../support/process.js"
import { hangUntilClosed, json, type Reply, reset, serve, text } from "../support/server.js"
import { clients, job, respondJson, videosOver, videosScripted } from "../support/videos.js"

addEqualityTesters()

const limits: Partial<Limits> = {
  jsonBytes: 100_000,
  errorBytes: 1000,
  jsonDepth: 16,
  listItems: 50,
  downloadBytes: 100_000
}

/** Bytes without end, and without a length. */
const endless =
  (status: number, type: string, piece: string): Reply =>
  (response) => {
    response.writeHead(status, { "content-type": type })
    const block = piece.repeat(Math.ceil(65_536 / piece.length))
    const more = () => {
      while (!response.destroyed && response.write(block)) {
        // until the socket is full
      }
      response.once("drain", more)
    }
    more()
  }

const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`

const deepJob = (depth: number) => JSON.stringify(job({ deep: 0 })).replace('"deep":0', `"deep":${nested(depth)}`)

/** Fifty times the limit. */
const inflated = gzipSync(`${" ".repeat(5_000_000)}{}`)

const gzipped: Reply = (response) => {
  response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" }).end(inflated)
}

for (const { client, layer } of clients) {
  const decodes = /fetch/i.test(client)

  describe(`over ${client}`, () => {
    const bodies: ReadonlyArray<readonly [string, Reply, object]> = [
      ["a body without end", endless(200, "application/json", " "), { _tag: "ResponseDecodeError", reason: "shape" }],
      ["a list without end", endless(200, "application/json", "[0,"), { _tag: "ResponseDecodeError", reason: "shape" }],
      [
        "events without end",
        endless(200, "text/event-stream", "data: {}\n\n"),
        { _tag: "ResponseDecodeError", reason: "shape" }
      ],
      ["a page of an error without end", endless(500, "text/html", "<title"), { _tag: "ServerError", status: 500 }],
      ["a refusal without end", endless(400, "application/json", "["), { _tag: "BadRequestError", status: 400 }]
    ]
    it.scopedLive.each(bodies)("%s ends at its limit, and its connection is closed", ([, begin, expected]) =>
      Effect.gen(function* () {
        const { closed, reply } = yield* hangUntilClosed
        const server = yield* serve((response, request, index) => {
          begin(response, request, index)
          reply(response, request, index)
        })
        const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(
          Effect.provide(videosOver(server, { limits }, layer))
        )
        expect(error).toMatchObject(expected)
        if (error._tag === "ResponseDecodeError") {
          expect(error.isTransient).toBe(false)
          expect(error.message).toContain("more than 100000 bytes")
        }
        yield* closed
      })
    )

    it.scopedLive("a length beyond the limit fails at once", () =>
      Effect.gen(function* () {
        const { closed, reply } = yield* hangUntilClosed
        const server = yield* serve((response, request, index) => {
          response.writeHead(200, { "content-type": "application/json", "content-length": "9007199254740991" })
          response.write(" ".repeat(200_000))
          reply(response, request, index)
        })
        const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(
          Effect.provide(videosOver(server, { limits }, layer))
        )
        expect(error).toMatchObject({ _tag: "ResponseDecodeError", reason: "shape" })
        yield* closed
      })
    )

    it.scopedLive("a body that grows as it is decompressed is not let grow", () =>
      Effect.gen(function* () {
        const server = yield* serve(gzipped)
        const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(
          Effect.provide(videosOver(server, { limits }, layer))
        )
        // undici returns what it received, which is not JSON.
        expect(error).toMatchObject({ _tag: "ResponseDecodeError", reason: decodes ? "shape" : "syntax" })
      })
    )

    it.scopedLive("a head that is too long is a lost connection", () =>
      Effect.gen(function* () {
        const server = yield* serve(json(200, job(), { "x-long": "x".repeat(1_048_576) }))
        const videos = videosOver(server, { limits }, layer)
        const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(videos))
        expect(error).toMatchObject({ _tag: "TransportError", reason: "exchange" })
        const made = yield* Effect.flip(createVideo({ prompt: "x" }, { onUnknownOutcome: "fail" })).pipe(
          Effect.provide(videos)
        )
        expect(made).toMatchObject({ _tag: "SubmissionUncertainError", reason: { _tag: "TransportError" } })
      })
    )

    const downloads: ReadonlyArray<readonly [string, Reply]> = [
      ["without end", endless(200, "video/mp4", "\u0001")],
      [
        "of a length beyond it",
        (response) => {
          response.writeHead(200, { "content-type": "video/mp4", "content-length": "100001" }).write("\u0001")
        }
      ],
      [
        "of a part that ends beyond it",
        (response) => {
          response.writeHead(206, { "content-type": "video/mp4", "content-range": "bytes 99990-100000/100001" })
          response.write("\u0001")
        }
      ],
      [
        "of a part whose whole is not said",
        (response) => {
          response.writeHead(206, { "content-type": "video/mp4", "content-range": "bytes 99990-100000/*" })
          response.write("12345678901")
        }
      ]
    ]
    it.scopedLive.each(downloads)("a download %s ends there, and its connection is closed", ([, begin]) =>
      Effect.gen(function* () {
        const { closed, reply } = yield* hangUntilClosed
        const server = yield* serve((response, request, index) => {
          begin(response, request, index)
          reply(response, request, index)
        })
        let got = 0
        const error = yield* downloadVideo("video_1").pipe(
          Stream.runForEach((bytes) => Effect.sync(() => (got += bytes.byteLength))),
          Effect.flip,
          Effect.provide(videosOver(server, { limits }, layer))
        )
        expect(error).toMatchObject({ _tag: "ResponseDecodeError", reason: "shape", operation: "downloadVideo" })
        expect(got).toBeLessThanOrEqual(100_000)
        yield* closed
      })
    )
  })
}

/** Judged above the transports. */
describe("a body that has arrived", () => {
  it.scopedLive("a page of too many jobs is refused", () =>
    Effect.gen(function* () {
      const data = Array.from({ length: 51 }, (_, index) => ({ id: `video_${index}`, status: "queued" }))
      const server = yield* serve(json(200, { data }))
      const error = yield* Effect.flip(Stream.runDrain(listVideos())).pipe(
        Effect.provide(videosOver(server, { limits }))
      )
      expect(error).toMatchObject({ _tag: "ResponseDecodeError", reason: "shape" })
      expect(error.message).toContain("it lists 51 items, more than 50")
    })
  )

  it.scopedLive("a value that is nested too deep is left out, and the paid job stays", () =>
    Effect.gen(function* () {
      const server = yield* serve(text(200, deepJob(40_000), { "content-type": "application/json" }))
      const videos = videosOver(server, { limits })
      const made = yield* createVideo({ prompt: "x" }).pipe(Effect.provide(videos))
      expect(made.id).toBe("video_1")
      const seen = yield* retrieveVideo("video_1").pipe(Effect.provide(videos))
      expect(isSameSnapshot(made, seen)).toBe(true)
      // The job is one level, `deep` and what is in it fifteen.
      expect(made.extra["deep"]).toEqual(JSON.parse(`${"[".repeat(15)}null${"]".repeat(15)}`))
    })
  )

  it.scopedLive.each([
    ["deep", nested(400)],
    ["deep under a word", `{"detail":${nested(450)}}`],
    ["deep in a text", JSON.stringify({ error: { message: nested(450) } })],
    ["of another prototype", `{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"error":{}}`]
  ] as ReadonlyArray<readonly [string, string]>)("a refusal whose JSON is %s is a refusal", ([, body]) =>
    Effect.gen(function* () {
      const server = yield* serve(text(400, body, { "content-type": "application/json" }))
      const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(videosOver(server, { limits })))
      expect(error).toMatchObject({ _tag: "BadRequestError", status: 400 })
      expect({}).not.toHaveProperty("polluted")
    })
  )
})

/** Sends the worst response to each call of the program `hostile`. */
const harmful: Reply = (response, request, index) => {
  const path = request.url.split("?")[0] ?? ""
  const bulk = endlessly(300_000_000)
  const reply: Reply =
    path === "/v1/videos"
      ? bulk(200, "[", "0,")
      : path.endsWith("/deep")
        ? text(200, deepJob(300_000))
        : path.endsWith("/refused")
          ? bulk(400, "{", " ")
          : path.endsWith("/gzip")
            ? bomb
            : bulk(200, "{", " ")
  reply(response, request, index)
}

/** This number of bytes of a body that never becomes JSON. */
const endlessly =
  (bytes: number) =>
  (status: number, first: string, piece: string): Reply =>
  (response) => {
    response.writeHead(status, { "content-type": "application/json" }).write(first)
    const block = piece.repeat(1_048_576 / piece.length)
    let left = bytes
    const more = () => {
      while (!response.destroyed && left > 0) {
        left -= block.length
        if (!response.write(block)) {
          response.once("drain", more)
          return
        }
      }
      response.end()
    }
    more()
  }

/** 30 MB of blanks in 30 kB. */
const blanks = gzipSync(Buffer.alloc(30_000_000, " "))

/** Ten times as much. */
const bomb: Reply = (response) => {
  response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
  response.end(Buffer.concat(Array.from({ length: 10 }, () => blanks)))
}

describe("a process", () => {
  it.scopedLive("reads bodies, lists, gzip bombs and refusals of 300 MB with 96 MB of heap, and deep JSON", () =>
    Effect.gen(function* () {
      const server = yield* serve(harmful)
      const { ended } = yield* start("hostile", { BASE_URL: server.baseUrl }, ["--max-old-space-size=96"])
      const { code, err, out } = yield* ended
      expect({ code, err }).toEqual({ code: 0, err: "" })
      const bounded = "ResponseDecodeError ResponseDecodeError ResponseDecodeError BadRequestError"
      expect(
        out
          .replace(/by \d+/, "by N")
          .trim()
          .split("\n")
      ).toEqual([`fetch ${bounded}`, `VideosFetch ${bounded}`, `VideosUndici ${bounded}`, "grew by N", "deep queued"])
      // In MiB, on and off the heap. A body that is kept would take 300 MB at least.
      expect(Number(/by (\d+)/.exec(out)?.[1])).toBeLessThan(256)
    })
  )
})

describe("redirects without end", () => {
  it.scopedLive.each(clients)("are followed five times ($client)", ({ layer }) =>
    Effect.gen(function* () {
      const server = yield* serve((response, request, index) => {
        text(302, "", { location: `/v1/videos/next_${index}` })(response, request, index)
      })
      const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(videosOver(server, {}, layer)))
      expect(error).toMatchObject({ _tag: "RedirectError", reason: "loop" })
      expect(server.requests).toHaveLength(6)
    })
  )
})

describe("retries", () => {
  it.effect("are bounded by themselves, whatever the server sends", () =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted(() =>
        respondJson(503, {}, { "retry-after": "0", "x-should-retry": "true" })
      )
      const fiber = yield* Effect.fork(Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(layer)))
      yield* TestClock.adjust("1 hour")
      expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "ServerError", status: 503 })
      expect(tries.at).toHaveLength(5)
    })
  )
})

describe("ids", () => {
  const tricks = [
    "..",
    ".",
    "../../files/secret",
    "a/../b",
    "a/./b",
    "..\\b",
    "%2e%2e",
    "..%2fb",
    "a%252f%252e%252e%252fb",
    "a\u0000b",
    "a\nb",
    "x".repeat(2049)
  ]

  it.effect.each(tricks)("are refused before any request if they leave their path segment (%j)", (id) =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted(() => Effect.never)
      for (const call of [retrieveVideo(id), Stream.runDrain(downloadVideo(id))]) {
        expect(yield* Effect.flip(call).pipe(Effect.provide(layer))).toMatchObject({
          _tag: "InvalidRequestError",
          field: "id"
        })
      }
      expect(tries.at).toEqual([])
    })
  )

  it.effect.each(tricks)("are not ids of a job if they leave their path segment (%j)", (id) =>
    Effect.gen(function* () {
      expect(Either.isLeft(Schema.decodeUnknownEither(VideoResource)(job({ id })))).toBe(true)
      const { layer } = videosScripted(() => Effect.sync(() => Response.json(job({ id }))))
      const error = yield* Effect.flip(createVideo({ prompt: "x" }, { onUnknownOutcome: "fail" })).pipe(
        Effect.provide(layer)
      )
      expect(error).toMatchObject({ _tag: "SubmissionUncertainError", reason: { _tag: "ResponseDecodeError" } })
    })
  )

  it.each(["video_a/b+c==", "a.b", "..a", "a..", "a/..b", "1%", "%2Fa", "…"])("like %s are ids", (id) => {
    expect(Schema.is(VideoId)(id)).toBe(true)
  })
})

describe("numbers and dates that make no sense", () => {
  it.effect.each([-1e308, 1e308, -1, "0x10", "1e999", "NaN", "Infinity", {}, [], "9".repeat(400)])(
    "are no numbers and no dates (%j), and break nothing",
    (value) =>
      Effect.gen(function* () {
        const body = job({ progress: value, seconds: value, created_at: value, completed_at: value, expires_at: value })
        const { layer } = videosScripted(() => Effect.sync(() => Response.json(body)))
        const video = yield* retrieveVideo("video_1").pipe(Effect.provide(layer))
        expect(video.progress === null || (video.progress >= 0 && video.progress <= 100)).toBe(true)
        for (const at of [video.createdAt, video.completedAt, video.expiresAt]) {
          expect(at === null || Number.isFinite(DateTime.toEpochMillis(at))).toBe(true)
        }
        expect(JSON.stringify(video)).toContain("video_1")
      })
  )
})

describe("limits that are none", () => {
  it.effect.each([
    ["limits.jsonBytes", { jsonBytes: 0 }],
    ["limits.jsonBytes", { jsonBytes: 1024 ** 3 }],
    ["limits.errorBytes", { errorBytes: 1.5 }],
    ["limits.jsonDepth", { jsonDepth: 5000 }],
    ["limits.listItems", { listItems: Number.NaN }],
    ["limits.downloadBytes", { downloadBytes: -1 }]
  ] as ReadonlyArray<readonly [string, Partial<Limits>]>)("%s is named", ([name, given]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.provide(VideosConfig, VideosConfig.layer({ limits: given })))
      expect(String(error)).toContain(`\`${name}\` must be a positive integer`)
    })
  )

  it.effect.each(["requestTimeout", "idleTimeout", "totalTimeout"] as const)("%s of 0 is named", (name) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.provide(VideosConfig, VideosConfig.layer({ [name]: 0 })))
      expect(String(error)).toContain(`\`${name}\` must be a duration`)
    })
  )
})

describe("a server that is gone", () => {
  it.scopedLive.each(clients)("is a lost connection ($client)", ({ layer }) =>
    Effect.gen(function* () {
      const server = yield* serve(reset)
      const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(videosOver(server, {}, layer)))
      expect(error).toMatchObject({ _tag: "TransportError", reason: "exchange" })
    })
  )
})
