/** Where a completed job says that its clip is: the fields that count, those that do not, and the clip inside the job. */
import { inspect } from "node:util"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Either, Fiber, Logger, Redacted, Schedule, Schema, Stream, TestClock } from "effect"
import {
  awaitVideo,
  type ContentOptions,
  createVideo,
  downloadVideo,
  extendVideo,
  isSameSnapshot,
  VideoNotReadyError,
  VideoResource,
  type VideosConfigOptions
} from "effect-videos"
import { dialects } from "effect-videos/Dialects"
import { downloadVideoToFile } from "effect-videos/Transfer"
import { json, type Reply, reset, routes, serve, type TestServer, text } from "./support/server.js"
import { clip as film, makeFolder } from "./support/transfer.js"
import { anyClient, job, quiet, respondJson, videosOver, videosScripted } from "./support/videos.js"

addEqualityTesters()

const clip = Buffer.concat([Buffer.from([0]), Buffer.from("the clip")])
const key = "sk-very-secret-0123456789"
const location = "http://storage.invalid/clip.mp4?sig=secret"
const content = "/v1/videos/video_1/content"

const sent =
  (bytes: Uint8Array): Reply =>
  (response) => {
    response.writeHead(200, { "content-type": "video/mp4" }).end(bytes)
  }

const decode = Schema.decodeUnknownSync(VideoResource)

/** A completed job with these fields, whose content route and poll say this. */
const jobServer = (fields: { readonly [name: string]: unknown }, bytes: Reply = json(404, { detail: "Not Found" })) =>
  serve(
    routes({
      [`GET ${content}`]: bytes,
      [`GET ${content}?variant=thumbnail`]: bytes,
      "GET /v1/videos/video_1": json(200, job({ status: "completed", ...fields }))
    })
  )

const gather = (
  server: { readonly baseUrl: string },
  video: Parameters<typeof downloadVideo>[0] = "video_1",
  options?: ContentOptions,
  config?: VideosConfigOptions
) =>
  Stream.runCollect(downloadVideo(video, options)).pipe(
    Effect.map((chunks) => Buffer.concat(Chunk.toReadonlyArray(chunks))),
    Effect.provide(videosOver(server, { apiKey: Redacted.make(key), ...config }))
  )

const urlsOf = (server: TestServer) => server.requests.map(({ url }) => url)

describe("a completed job's field that holds its clip's URL", () => {
  const fields: ReadonlyArray<readonly [string, (url: string) => { readonly [name: string]: unknown }]> = [
    ["result_url", (url) => ({ result_url: url })],
    ["output[0]", (url) => ({ output: [url] })],
    ["output", (url) => ({ output: url })],
    ["output.url", (url) => ({ output: { url } })],
    ["video_url", (url) => ({ video_url: url })],
    ["video.url", (url) => ({ video: { url } })],
    ["video", (url) => ({ video: url })],
    ["metadata.url", (url) => ({ metadata: { url } })],
    ["data[0].url", (url) => ({ data: [{ url }] })],
    ["videos[0].url", (url) => ({ videos: [{ url }] })],
    ["unsigned_urls[0]", (url) => ({ unsigned_urls: [url] })],
    ["assets.video", (url) => ({ assets: { video: url } })],
    ["result.video.url", (url) => ({ result: { video: { url } } })],
    ["file_url", (url) => ({ file_url: url })],
    ["download_url", (url) => ({ download_url: url })],
    ["generations[0].url", (url) => ({ generations: [{ url }] })],
    ["content[0].url", (url) => ({ content: [{ type: "video", url }] })],
    ["results[0]", (url) => ({ results: [url] })],
    ["content.video_url", (url) => ({ content: { video_url: url } })],
    ["task_result.videos[0].url", (url) => ({ task_result: { videos: [{ url }] } })],
    ["data.video_url", (url) => ({ data: { video_url: url } })]
  ]
  it.scopedLive.each(fields)("is followed after the content route, and before it from a snapshot: %s", ([, fieldsOf]) =>
    Effect.gen(function* () {
      const storage = yield* serve(sent(clip))
      const named = fieldsOf(`${storage.origin}/clip.mp4?sig=1`)
      const server = yield* jobServer(named)
      expect((yield* gather(server)).equals(clip)).toBe(true)
      expect(urlsOf(server)).toEqual([content, "/v1/videos/video_1"])
      const snapshot = decode(job({ status: "completed", ...named }))
      expect((yield* gather(server, snapshot)).equals(clip)).toBe(true)
      expect(server.requests).toHaveLength(2)
      expect(urlsOf(storage)).toEqual(["/clip.mp4?sig=1", "/clip.mp4?sig=1"])
      expect(JSON.stringify(storage.requests)).not.toContain(key)
    })
  )

  it.scopedLive.each([
    ["from the root", "/v1/videos/video_1/file?token=1", "/v1/videos/video_1/file?token=1"],
    ["from the root, without a query", "/files/1.mp4", "/files/1.mp4?api-version=1"],
    ["from the base URL", "files/1.mp4", "/v1/files/1.mp4?api-version=1"]
  ])("may be a path of the API %s, and gets the key", ([, url, asked]) =>
    Effect.gen(function* () {
      const server = yield* serve((response, request, index) =>
        (request.url === asked ? sent(clip) : text(404, ""))(response, request, index)
      )
      const snapshot = decode(job({ status: "completed", video: { url } }))
      expect(
        (yield* gather(server, snapshot, {
          extraQuery: { "api-version": "1" },
          extraHeaders: { "x-mine": "1" }
        })).equals(clip)
      ).toBe(true)
      expect(server.requests[0]).toMatchObject({
        url: asked,
        headers: { authorization: `Bearer ${key}`, "x-mine": "1" }
      })
    })
  )

  it.scopedLive("is the next one, when the first leads to something else", () =>
    Effect.gen(function* () {
      const storage = yield* serve(routes({ "GET /page": text(200, "<html>watch</html>"), "GET /clip": sent(clip) }))
      const named = { url: `${storage.origin}/page`, video_url: `${storage.origin}/clip` }
      expect((yield* gather(yield* jobServer(named))).equals(clip)).toBe(true)
    })
  )

  it.scopedLive("is read anew if the URL of an old snapshot has expired", () =>
    Effect.gen(function* () {
      const storage = yield* serve(routes({ "GET /new": sent(clip), "GET /old": text(403, "") }))
      const server = yield* jobServer({ url: `${storage.origin}/new` })
      const snapshot = decode(job({ status: "completed", url: `${storage.origin}/old` }))
      expect((yield* gather(server, snapshot)).equals(clip)).toBe(true)
      expect(urlsOf(server)).toEqual([content, "/v1/videos/video_1"])
    })
  )
})

describe("a URL anywhere else is not followed", () => {
  const refusals: ReadonlyArray<readonly [string, (url: string) => Reply, (url: string) => object]> = [
    ["in a 404", (url) => json(404, { error: { message: `expired, see ${url}` } }), () => ({})],
    ["in a 400", (url) => json(400, { detail: `bad, see ${url}` }), () => ({})],
    [
      "in a 400 with words like SGLang's",
      (url) => json(400, { detail: `no. Video has been uploaded to cloud storage. Please use the cloud URL: ${url}` }),
      () => ({})
    ],
    ["in a 405", (url) => json(405, { detail: `no, ${url}` }), () => ({})],
    ["in a 409", (url) => json(409, { detail: url }), () => ({})],
    ["in a 410", (url) => text(410, url), () => ({})],
    ["in a 200 that is text", (url) => text(200, url), () => ({})],
    ["in a 200 that is JSON", (url) => json(200, { url }), () => ({})],
    ["in the prompt", () => text(404, ""), (url) => ({ prompt: url })],
    ["in a sentence", () => text(404, ""), (url) => ({ url: `see ${url}`, metadata: { url: `${url} and more` } })],
    ["in what the caller sent", () => text(404, ""), (url) => ({ input: { url }, metadata: { source: url } })],
    ["in other fields", () => text(404, ""), (url) => ({ polling_url: url, thumbnail_url: url, docs: url })],
    ["in the error of a completed job", () => text(404, ""), (url) => ({ error: { code: "x", message: url } })]
  ]
  it.scopedLive.each(refusals)("%s, whatever the dialect", ([, replyOf, fieldsOf]) =>
    Effect.gen(function* () {
      const elsewhere = yield* serve(sent(clip))
      const url = `${elsewhere.origin}/docs`
      const server = yield* jobServer(fieldsOf(url) as { readonly [name: string]: unknown }, replyOf(url))
      for (const dialect of ["openai", "sglang", "new-api"] as const) {
        yield* Effect.flip(gather(server, "video_1", {}, { dialect }))
      }
      expect(elsewhere.requests).toEqual([])
    })
  )

  it.scopedLive.each(["failed", "in_progress", "queued", "cancelled"])("of a job that is %s", (status) =>
    Effect.gen(function* () {
      const elsewhere = yield* serve(sent(clip))
      const fields = { status, metadata: { url: elsewhere.origin }, url: elsewhere.origin }
      const server = yield* jobServer(fields)
      yield* Effect.flip(gather(server))
      yield* Effect.flip(gather(server, decode(job(fields))))
      expect(elsewhere.requests).toEqual([])
    })
  )
})

describe("a completed job whose clip is at an unknown address", () => {
  it.scopedLive.each([
    ["404", json(404, { detail: "Not Found" }), 404, "Not Found"],
    ["400", json(400, { detail: "no content" }), 400, "no content"],
    ["405", json(405, { detail: "Method Not Allowed" }), 405, "Method Not Allowed"],
    ["200 with text", text(200, "look elsewhere"), 200, "look elsewhere"]
  ] as const)(
    "is reported as completed, with the response and the fields that hold a URL: %s",
    ([, reply, status, detail]) =>
      Effect.gen(function* () {
        const link = "https://user:pw@cdn.invalid/a/clip.mp4?X-Signature=secret#x"
        const server = yield* jobServer({ files: { mp4: [link], poster: "none" }, note: `see ${link}` }, reply)
        const error = yield* Effect.flip(gather(server))
        expect(error).toMatchObject({
          _tag: "VideoContentNotFoundError",
          status,
          route: `GET ${content.slice(3)}`,
          addresses: [{ field: "files.mp4[0]", location: "https://cdn.invalid/a/clip.mp4" }]
        })
        expect(error.message).toContain(`HTTP ${status}`)
        expect(error.message).toContain(detail)
        expect(error.message).toContain("video_1 has completed")
        expect(error.message).toContain("`files.mp4[0]` (https://cdn.invalid/a/clip.mp4)")
        expect(error.message).not.toMatch(/secret|pw|again|expired/)
      })
  )

  it.scopedLive("is not reported as expired for a variant that is not served", () =>
    Effect.gen(function* () {
      const server = yield* jobServer({}, json(404, { detail: "Video variant thumbnail not found" }))
      const error = yield* Effect.flip(gather(server, "video_1", { variant: "thumbnail" }))
      expect(error).toMatchObject({ _tag: "VideoContentNotFoundError", status: 404 })
      expect(error.message).toContain("Video variant thumbnail not found")
    })
  )

  it.scopedLive("is named while its replica may lag, too", () =>
    Effect.gen(function* () {
      const now = Math.floor(Date.now() / 1000)
      const server = yield* jobServer({ created_at: now - 9, completed_at: now, link: "https://cdn.invalid/clip?s=1" })
      const error = yield* Effect.flip(gather(server))
      expect(error._tag).toBe("VideoNotReadyError")
      expect(error.message).toContain("HTTP 404: Not Found")
      expect(error.message).toContain("`link` (https://cdn.invalid/clip)")
    })
  )

  it.scopedLive.each([
    ["the server says so", json(404, { detail: "the video has expired" }), {}],
    ["it is 410", text(410, ""), {}],
    ["its time has passed", text(404, ""), { expires_at: 1_760_000_100, link: "https://cdn.invalid/clip" }]
  ] as const)("has expired when %s", ([, reply, fields]) =>
    Effect.gen(function* () {
      expect((yield* Effect.flip(gather(yield* jobServer(fields, reply))))._tag).toBe("VideoExpiredError")
    })
  )
})

describe("the clip inside its job", () => {
  const jobWith = (fields: { readonly [name: string]: unknown }) => ({
    id: "video_1",
    object: "video",
    model: "wan",
    status: "completed",
    progress: 100,
    created: 1_760_000_000,
    ...fields
  })
  const dynamo = (fields: { readonly [name: string]: unknown }) =>
    serve(routes({ "POST /v1/videos": json(200, jobWith(fields)) }))
  const base64 = film.toString("base64")

  const places: ReadonlyArray<readonly [string, { readonly [name: string]: unknown }]> = [
    ["data[0].b64_json", { data: [{ output_format: "mp4", b64_json: base64 }] }],
    ["b64_json", { b64_json: base64 }],
    ["a data URL", { data: [{ url: `data:video/mp4;base64,${base64}` }] }],
    ["in lines", { data: [{ b64_json: base64.replace(/.{76}/g, "$&\r\n") }] }],
    ["in the URL's alphabet, without padding", { data: [{ b64_json: film.toString("base64url") }] }]
  ]
  for (const dialect of ["openai", "dynamo"] as const) {
    it.scopedLive.each(places)(`needs the submission alone, with the dialect ${dialect}: %s`, ([, fields]) =>
      Effect.gen(function* () {
        const { folder, read } = yield* makeFolder
        const server = yield* dynamo(fields)
        const file = yield* Effect.gen(function* () {
          const done = yield* awaitVideo(yield* createVideo({ prompt: "a lighthouse" }))
          return yield* downloadVideoToFile(done, `${folder}/clip.mp4`)
        }).pipe(Effect.provide(videosOver(server, { dialect })))
        expect(file.bytes).toBe(film.byteLength)
        expect((yield* read("clip.mp4")).equals(film)).toBe(true)
        expect(urlsOf(server)).toEqual(["/v1/videos"])
      }).pipe(Effect.provide(NodeContext.layer))
    )
  }

  it.scopedLive("is taken out of a poll, too", () =>
    Effect.gen(function* () {
      const { folder, read } = yield* makeFolder
      const server = yield* jobServer({ data: [{ b64_json: base64 }] })
      yield* Effect.provide(downloadVideoToFile("video_1", `${folder}/clip.mp4`), videosOver(server))
      expect((yield* read("clip.mp4")).equals(film)).toBe(true)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive.each([
    ["is not base64", "§§§"],
    ["is text", Buffer.from("no clip for you").toString("base64")],
    ["is a picture", Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0]).toString("base64")]
  ])("%s is not a clip", ([, b64_json]) =>
    Effect.gen(function* () {
      const server = yield* dynamo({})
      const error = yield* Effect.flip(
        gather(server, decode(jobWith({ data: [{ b64_json }] })), {}, { dialect: "dynamo" })
      )
      expect(error).toMatchObject({ _tag: "ResponseDecodeError", route: "the job's `data[0].b64_json`" })
      expect(server.requests).toHaveLength(0)
    })
  )

  it.scopedLive("is not printed, is compared, and is stored whole", () =>
    Effect.gen(function* () {
      const body = jobWith({ data: [{ b64_json: base64 }] })
      const video = decode(body)
      const error = new VideoNotReadyError({ operation: "downloadVideo", video })
      const logged: Array<string> = []
      yield* Effect.log(video).pipe(
        Effect.provide(
          Logger.replace(
            Logger.defaultLogger,
            Logger.map(Logger.stringLogger, (line) => void logged.push(line))
          )
        )
      )
      for (const printed of [
        inspect(video, { depth: 9, maxStringLength: null }),
        inspect(error, { depth: 9, maxStringLength: null }),
        JSON.stringify(video),
        JSON.stringify(error),
        String(error),
        ...logged
      ]) {
        expect(printed.length).toBeLessThan(5000)
      }
      expect(logged).toHaveLength(1)
      expect(Schema.encodeSync(VideoResource)(video)).toMatchObject({ data: [{ b64_json: base64 }] })
      const stored = decode(JSON.parse(JSON.stringify(Schema.encodeSync(VideoResource)(video))))
      expect(isSameSnapshot(video, stored)).toBe(true)
      expect(isSameSnapshot(video, decode(jobWith({ data: [{ b64_json: `B${base64.slice(1)}` }] })))).toBe(false)
    })
  )
})

describe("the dialect dynamo", () => {
  it.scopedLive("requests nothing that the server does not serve", () =>
    Effect.gen(function* () {
      const server = yield* serve(text(500, ""))
      const error = yield* Effect.flip(gather(server, "video_1", {}, { dialect: "dynamo" }))
      expect(error._tag).toBe("OperationUnsupportedError")
      expect(server.requests).toHaveLength(0)
      expect(Object.entries(dialects.dynamo.paths).filter(([, path]) => path !== null)).toEqual([
        ["createVideo", "/videos"]
      ])
    })
  )

  it.effect("gives a submission half an hour by default", () =>
    Effect.gen(function* () {
      const made = (options: VideosConfigOptions) =>
        Effect.gen(function* () {
          const { layer } = videosScripted(
            () => Effect.delay(respondJson(200, job({ status: "completed" })), "20 minutes"),
            { dialect: "dynamo", onUnknownOutcome: "reconcile", ...options }
          )
          const fiber = yield* Effect.fork(Effect.either(Effect.provide(createVideo({ prompt: "x" }), layer)))
          yield* TestClock.adjust("30 minutes")
          return yield* Fiber.join(fiber)
        })
      expect(yield* made({})).toMatchObject({ right: { status: "completed" } })
      const late = yield* made({ requestTimeout: "1 minute" })
      expect(late).toMatchObject({ left: { _tag: "SubmissionUncertainError", hasList: false, candidates: [] } })
      expect(Either.isLeft(late) && late.left.message).toContain("give it more time (`timeout`)")
    }).pipe(Effect.provide(quiet))
  )

  it.scopedLive.each([
    ["with the dialect", "dynamo", 1],
    ["without it, after a 404 of the list", "openai", 2]
  ] as const)("does not refer to a list that the server does not have: %s", ([, dialect, requests]) =>
    Effect.gen(function* () {
      const server = yield* serve(routes({ "POST /v1/videos": reset }))
      const error = yield* Effect.flip(
        Effect.provide(createVideo({ prompt: "x" }), videosOver(server, { dialect, onUnknownOutcome: "reconcile" }))
      )
      expect(error).toMatchObject({ _tag: "SubmissionUncertainError", hasList: false })
      expect(error.message).toContain("This server has no list of jobs")
      expect(error.message).not.toMatch(/read the list|list was read/)
      expect(server.requests).toHaveLength(requests)
    })
  )
})

describe("a request inside a call", () => {
  const options = { extraHeaders: { "x-account": "a" }, extraQuery: { "api-version": "1" } }
  const asked = (server: TestServer) => server.requests.map(({ method, url }) => `${method} ${url}`)

  it.scopedLive("keeps the call's headers and query in a download: content, poll, content again", () =>
    Effect.gen(function* () {
      const now = Math.floor(Date.now() / 1000)
      const ended = job({ status: "completed", created_at: now - 9, completed_at: now })
      let turn = 0
      const server = yield* serve((response, request, index) =>
        (request.url.includes("/content") ? (turn++ === 0 ? text(404, "") : sent(clip)) : json(200, ended))(
          response,
          request,
          index
        )
      )
      yield* Stream.runDrain(downloadVideo("video_1", options)).pipe(
        Effect.provide(videosOver(server, { readRetry: undefined }))
      )
      expect(asked(server)).toEqual([
        `GET ${content}?api-version=1`,
        "GET /v1/videos/video_1?api-version=1",
        `GET ${content}?api-version=1`
      ])
      for (const { headers } of server.requests) expect(headers["x-account"]).toBe("a")
    })
  )

  it.scopedLive("keeps them in an extension, when it reads the source", () =>
    Effect.gen(function* () {
      const server = yield* serve(
        routes({ "GET /v1/videos/video_1?api-version=1": json(200, job({ status: "completed" })) })
      )
      const error = yield* Effect.flip(
        Effect.provide(extendVideo({ video: "video_1", prompt: "on", seconds: 4 }, options), videosOver(server))
      )
      expect(error._tag).toBe("OperationUnsupportedError")
      expect(asked(server)).toEqual([
        "POST /v1/videos/extensions?api-version=1",
        "GET /v1/videos/video_1?api-version=1"
      ])
      expect(server.requests[1]?.headers["x-account"]).toBe("a")
    })
  )

  it.scopedLive("keeps them in a reconciliation, when it reads the list", () =>
    Effect.gen(function* () {
      const now = Math.floor(Date.now() / 1000)
      const made = job({ prompt: "x", created_at: now, size: null, seconds: null })
      const server = yield* serve((response, request, index) =>
        (request.method === "POST" ? reset : json(200, { data: [made], has_more: false }))(response, request, index)
      )
      const video = yield* Effect.provide(
        createVideo({ prompt: "x" }, options),
        videosOver(server, { onUnknownOutcome: "reconcile" })
      )
      expect(video.id).toBe("video_1")
      for (const { headers, url } of server.requests) {
        expect(url).toContain("api-version=1")
        expect(headers["x-account"]).toBe("a")
      }
    })
  )
})

for (const { client, layer } of [anyClient]) {
  describe(`over ${client}, an error of another host than the API's`, () => {
    const failures: ReadonlyArray<readonly [string, Reply]> = [
      ["401", text(401, "")],
      ["403", text(403, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")],
      ["429", text(429, "")],
      ["500", text(500, "")],
      ["400", text(400, "")],
      ["a reset", reset]
    ]
    it.scopedLive.each(failures)("names that host: %s", ([name, reply]) =>
      Effect.gen(function* () {
        const storage = yield* serve(reply)
        const signed = `${storage.origin}/clip.mp4?sig=secret`
        for (const server of [
          yield* jobServer({ url: signed }),
          yield* jobServer({}, text(302, "", { location: signed }))
        ]) {
          const error = yield* Effect.flip(Stream.runDrain(downloadVideo("video_1"))).pipe(
            Effect.provide(videosOver(server, { apiKey: Redacted.make(key) }, layer))
          )
          expect("origin" in error && error.origin).toBe(storage.origin)
          expect(error.message).toContain(storage.origin)
          expect(error.message).not.toMatch(/secret|API key/)
          if (name === "403") expect(error.message).toContain("Request has expired")
        }
      })
    )
  })
}

describe("a timeout at another host than the API's", () => {
  it.effect.each([
    ["that a redirect led to", () => Effect.sync(() => new Response("", { status: 302, headers: { location } })), 2],
    ["that the job names", () => respondJson(404, {}), 3]
  ] as const)("names that host: %s", ([, first, requests]) =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted(
        (index) =>
          index + 1 === requests
            ? Effect.never
            : index === 0
              ? first()
              : respondJson(200, job({ status: "completed", url: location })),
        { readRetry: Schedule.stop }
      )
      const fiber = yield* Effect.fork(Effect.either(Effect.provide(Stream.runDrain(downloadVideo("video_1")), layer)))
      yield* TestClock.adjust("5 minutes")
      const ended = yield* Fiber.join(fiber)
      expect(ended).toMatchObject({ left: { _tag: "RequestTimeoutError", origin: "http://storage.invalid" } })
      expect(tries.at).toHaveLength(requests)
    })
  )
})
