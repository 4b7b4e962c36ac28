/** `continueVideo` and `joinVideos` around FFmpeg: what is sent, which files are left, and what each failure says. */
import * as fs from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Cause, Effect, Either, Fiber, Schedule, Stream, TestClock } from "effect"
import { createVideo, VideoFile, type VideosConfigOptions, VideosFetch } from "effect-videos"
import {
  type ContinuePhase,
  type ContinueVideoOptions,
  type ContinueVideoRequest,
  continueVideo,
  joinVideos
} from "effect-videos/continue"
import { instant } from "../packages/server/test/support.js"
import { probe } from "../src/continue/film.js"
import { fakeFilm, fakePlatform, fakePrograms, frameLine, framesFilm, trackLine } from "./support/fakeFfmpeg.js"
import { folder } from "./support/films.js"
import { parseMultipart } from "./support/multipart.js"
import { json, serve, text } from "./support/server.js"
import { reasonOf, whole } from "./support/transfer.js"
import { videosOver } from "./support/videos.js"

const request: ContinueVideoRequest = { video: "video_0", prompt: "the light comes on", seconds: 4 }

const job = (id: string, status = "completed") => ({ id, object: "video", status, prompt: request.prompt })

/** A source and a segment of half a second, and what a join makes of them. */
const source = framesFilm(12)
const segment = framesFilm(12)
const longer = framesFilm(23)

/** A film of pictures at these times, in seconds. */
const filmAt = (...times: ReadonlyArray<number>) => fakeFilm(...times.map((time) => frameLine(0, time)), trackLine(0))

interface WorldOptions {
  readonly source?: Uint8Array
  readonly segment?: Uint8Array
  readonly result?: Buffer
  readonly status?: string
  readonly dialect?: VideosConfigOptions["dialect"]
  /** More branches of the program `ffmpeg`, see `fakePrograms`. */
  readonly cases?: (at: string) => string
  readonly onSubmission?: (programs: string) => void
}

/** A server that extends nothing: `video_0` is the source, and each job that is created is the segment. */
const world = (options: WorldOptions = {}) =>
  Effect.gen(function* () {
    const { status = "completed" } = options
    const programsAt = yield* folder
    const programs = yield* fakePrograms(programsAt, options.result ?? longer, options.cases?.(programsAt))
    const at = yield* folder
    const server = yield* serve((response, asked, index) => {
      const { method, url } = asked
      if (method === "POST" && url === "/v1/videos") {
        options.onSubmission?.(programs.ffmpeg)
        return json(200, job(`segment_${index}`, status))(response, asked, index)
      }
      if (method === "GET" && url === "/v1/videos/video_0/content") {
        return whole(options.source ?? source)(response, asked, index)
      }
      if (method === "GET" && url.endsWith("/content")) {
        return whole(options.segment ?? segment)(response, asked, index)
      }
      if (method === "GET") return json(200, job(url.replace(/.*\//, ""), status))(response, asked, index)
      return json(405, { detail: "Method Not Allowed" })(response, asked, index)
    })
    const submissions = () => server.requests.filter(({ method, url }) => method === "POST" && url === "/v1/videos")
    const path = join(at, "longer.mp4")
    const provided = Effect.provide([videosOver(server, { dialect: options.dialect }, VideosFetch.layer), fakePlatform])
    return {
      at,
      path,
      programs,
      programsAt,
      server,
      submissions,
      /** The fields of the segment's submission, each with its name, or its file's. */
      sent: () =>
        submissions().flatMap((submission) =>
          parseMultipart(submission).map(({ body, filename, name }) => [name, filename ?? body.toString()])
        ),
      provided,
      go: (more: ContinueVideoOptions = {}, changed: Partial<ContinueVideoRequest> = {}) =>
        provided(continueVideo({ ...request, ...changed }, path, { ...programs, ...more }))
    }
  })

/** The names in a directory: a call leaves no temporary files. */
const left = (at: string) => fs.readdirSync(at)

describe("continueVideo, if the server extends nothing,", () => {
  it.scopedLive("submits a segment with the source's last frame, and saves both as one file", () =>
    Effect.gen(function* () {
      const { at, go, path, sent, server } = yield* world()
      const updates: Array<string> = []
      const phases: Array<ContinuePhase> = []
      const made = yield* go({
        onUpdate: ({ id, status }) => Effect.sync(() => updates.push(`${id} ${status}`)),
        onPhase: (phase) => Effect.sync(() => phases.push(phase))
      })
      assert.deepStrictEqual(phases, ["extend", "prepare", "create", "join"])
      assert.deepStrictEqual(left(at), ["longer.mp4"])
      assert.isTrue(fs.readFileSync(path).equals(longer))
      assert.deepInclude(made, { path: fs.realpathSync(path), way: "joined", bytes: longer.byteLength })
      assert.closeTo(made.seconds ?? 0, 23 / 24, 0.001)
      assert.deepStrictEqual(updates, [`${made.video.id} completed`])
      assert.sameDeepMembers(sent(), [
        ["prompt", request.prompt],
        ["seconds", "4"],
        ["size", "160x90"],
        ["input_reference", "frame.png"]
      ])
      assert.strictEqual(server.requests.filter(({ method }) => method === "POST").length, 2)
    })
  )

  it.scopedLive("submits the segment with the size of the request", () =>
    Effect.gen(function* () {
      const { go, sent } = yield* world()
      yield* go({}, { size: "160x160" })
      assert.deepInclude(sent(), ["size", "160x160"])
    })
  )

  it.scopedLive("uses a file as the source, and then sends no extension request", () =>
    Effect.gen(function* () {
      const { go, path, server } = yield* world()
      yield* go({ extension: "never" }, { video: VideoFile.fromBytes(source) })
      assert.isTrue(fs.readFileSync(path).equals(longer))
      assert.deepStrictEqual(
        server.requests.map(({ method, url }) => `${method} ${url.replace(/segment_\d+/, "it")}`),
        ["POST /v1/videos", "GET /v1/videos/it/content"]
      )
    })
  )

  it.scopedLive("keeps the segment after a join that failed, and `joinVideos` continues with it", () =>
    Effect.gen(function* () {
      const { at, go, path, programs, programsAt, provided, submissions } = yield* world({
        cases: (at) =>
          `*joined.mp4) [ -e ${at}/works ] || { echo "no memory" >&2; exit 3; }; exec cp ${at}/result "$last";;`
      })
      const error = yield* Effect.flip(go())
      assert.strictEqual(error._tag, "MediaError")
      if (error._tag !== "MediaError") return
      assert.deepInclude(error, { step: "join", film: "result", exitCode: 3, detail: "no memory" })
      assert.include(error.message, `The segment is ${error.segment?.id}`)
      assert.deepStrictEqual(left(at), [`${error.segment?.id}.segment.mp4`])
      fs.writeFileSync(join(programsAt, "works"), "")
      const made = yield* provided(joinVideos("video_0", error.segment?.id ?? "none", path, programs))
      assert.deepInclude(made, { path: fs.realpathSync(path), bytes: longer.byteLength })
      assert.strictEqual(made.segment?.id, error.segment?.id)
      assert.strictEqual(submissions().length, 1)
    })
  )

  it.scopedLive("names the kept segment if FFmpeg is gone after the submission", () =>
    Effect.gen(function* () {
      const { at, go, submissions } = yield* world({ onSubmission: (ffmpeg) => fs.rmSync(ffmpeg) })
      const error = yield* Effect.flip(go())
      assert.strictEqual(error._tag, "MediaError")
      if (error._tag !== "MediaError") return
      const kept = join(fs.realpathSync(at), `${error.segment?.id}.segment.mp4`)
      assert.deepInclude(error, { step: "join", segmentPath: kept })
      assert.isTrue(fs.readFileSync(kept).equals(segment))
      assert.match(
        error.message,
        /cannot start .*\/ffmpeg.* The segment's file is kept: .* The segment is segment_\d: `joinVideos`/s
      )
      assert.strictEqual(submissions().length, 1)
    })
  )

  it.scopedLive("fails if the result is shorter than both films", () =>
    Effect.gen(function* () {
      const { at, go } = yield* world({ result: framesFilm(5) })
      const error = yield* Effect.flip(go())
      assert.match(error.message, /it lasts 0\.208 s instead of 0\.958 s/)
      assert.notInclude(left(at), "longer.mp4")
    })
  )

  it.scopedLive("fails with the server's reason if the segment fails", () =>
    Effect.gen(function* () {
      const { at, go, submissions } = yield* world({ status: "failed" })
      assert.strictEqual((yield* Effect.flip(go()))._tag, "VideoFailedError")
      assert.strictEqual(submissions().length, 1)
      assert.deepStrictEqual(left(at), [])
    })
  )

  it.scopedLive.each([
    ["cannot be read", "probe", fakeFilm(), /^cannot read the segment \(exit code 1\): Invalid data/],
    ["has one picture", "join", framesFilm(1), /it has one picture, .*: there is nothing to put after it/]
  ] as const)("names the segment if it %s", ([, step, segment, why]) =>
    Effect.gen(function* () {
      const { at, go, submissions } = yield* world({ segment })
      const error = yield* Effect.flip(go())
      assert.deepInclude(error, { _tag: "MediaError", step, film: "segment" })
      assert.match(error.message, why)
      assert.strictEqual(submissions().length, 1)
      const [, submitted] = / The segment is (segment_\d): /.exec(error.message) ?? []
      assert.deepStrictEqual(left(at), [`${submitted}.segment.mp4`])
    })
  )

  it.scopedLive("submits one segment if two calls have the same path", () =>
    Effect.gen(function* () {
      const { at, go, submissions } = yield* world()
      const ends = yield* Effect.all([Effect.either(go()), Effect.either(go())], { concurrency: "unbounded" })
      const tags = ends.map((end) => (Either.isLeft(end) ? reasonOf(end.left) : end.right.way))
      assert.sameMembers(tags, ["joined", "busy"])
      assert.strictEqual(submissions().length, 1)
      assert.deepStrictEqual(left(at), ["longer.mp4"])
    })
  )

  it.scopedLive("kills FFmpeg when its fiber is interrupted, and leaves no file", () =>
    Effect.gen(function* () {
      const { at, go, programsAt } = yield* world({
        cases: (at) => `*joined.mp4) echo $$ > ${at}/pid; exec sleep 600;;`
      })
      const fiber = yield* Effect.fork(go())
      const pid = yield* Effect.try(() =>
        Number(/^\d+(?=\n)/.exec(fs.readFileSync(join(programsAt, "pid"), "utf8"))?.[0])
      ).pipe(
        Effect.filterOrFail((pid) => pid > 0),
        Effect.retry({ schedule: Schedule.spaced("2 millis"), while: () => fiber.unsafePoll() === null })
      )
      assert.isTrue(process.kill(pid, 0))
      yield* Fiber.interrupt(fiber)
      assert.throws(() => process.kill(pid, 0), /ESRCH/)
      assert.deepStrictEqual(left(at), [])
    })
  )

  it.scoped("kills a program that exceeds its time limit, even if it ignores SIGTERM", () =>
    Effect.gen(function* () {
      const { go, programsAt } = yield* world({
        cases: (at) => `*frame.png) trap '' TERM; echo $$ > ${at}/pid; while :; do sleep 600; done;;`
      })
      const fiber = yield* Effect.fork(Effect.flip(go({ extension: "never" }, { video: VideoFile.fromBytes(source) })))
      const ended = Effect.gen(function* () {
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        yield* TestClock.adjust(fs.existsSync(join(programsAt, "pid")) ? "1 day" : 0)
        return (yield* fiber.status)._tag === "Done"
      })
      yield* Effect.repeat(ended, { until: (is) => is })
      assert.match((yield* Fiber.join(fiber)).message, /ffmpeg had not ended after 2m.* and was killed/)
      assert.throws(() => process.kill(Number(fs.readFileSync(join(programsAt, "pid"), "utf8")), 0), /ESRCH/)
    })
  )
})

describe("joinVideos", () => {
  it.scopedLive("joins two files without a request", () =>
    Effect.gen(function* () {
      const { path, programs, provided, server } = yield* world()
      const made = yield* provided(
        joinVideos(VideoFile.fromBytes(source), VideoFile.fromBytes(segment), path, programs)
      )
      assert.strictEqual(made.segment, null)
      assert.isTrue(fs.readFileSync(path).equals(longer))
      assert.deepStrictEqual(server.requests, [])
    })
  )

  it.scopedLive("takes a film for silent if its only sound has no decoder", () =>
    Effect.gen(function* () {
      const { at, programs } = yield* world()
      const film = join(at, "film.mp4")
      const sound = trackLine(1, { codec_type: "audio", codec_name: "unknown" })
      fs.writeFileSync(film, fakeFilm(frameLine(0, 0), frameLine(0, 1 / 24), trackLine(0), sound))
      const { sound: index } = yield* probe(programs, film, { film: "source", segment: null })
      assert.strictEqual(index, null)
    }).pipe(Effect.provide(fakePlatform))
  )

  it.scopedLive("checks both ids before anything is sent", () =>
    Effect.gen(function* () {
      const { path, provided, server } = yield* world()
      const error = yield* Effect.flip(provided(joinVideos("video_0", "..", path)))
      assert.deepInclude(error, { _tag: "InvalidRequestError", field: "segment" })
      assert.deepStrictEqual(server.requests, [])
    })
  )
})

describe("continueVideo submits nothing", () => {
  it.scopedLive("if FFmpeg is not installed", () =>
    Effect.gen(function* () {
      const { at, go, submissions } = yield* world()
      const error = yield* Effect.flip(go({ ffmpeg: "/no/ffmpeg" }))
      assert.deepInclude(error, { _tag: "FfmpegUnavailableError", program: "/no/ffmpeg" })
      assert.match(error.message, /^cannot start \/no\/ffmpeg; install FFmpeg/)
      assert.deepStrictEqual(left(at), [])
      assert.strictEqual(submissions().length, 0)
    })
  )

  it.scopedLive("if FFmpeg is installed and does not run", () =>
    Effect.gen(function* () {
      const { go, submissions } = yield* world({ cases: () => `*-version*) exit 1;;` })
      assert.strictEqual((yield* Effect.flip(go()))._tag, "FfmpegUnavailableError")
      assert.strictEqual(submissions().length, 0)
    })
  )

  it.scopedLive.each([
    ["the encoder", "*libx264*"],
    ["the filter that joins", "*concat=*"],
    ["the filter that makes silence", "*anullsrc*"]
  ] as const)("if FFmpeg lacks %s", ([, pattern]) =>
    Effect.gen(function* () {
      const { at, go, submissions } = yield* world({ cases: () => `${pattern}) echo lacking >&2; exit 1;;` })
      const error = yield* Effect.flip(go())
      assert.deepInclude(error, { _tag: "MediaError", segment: null, detail: "lacking" })
      assert.strictEqual(submissions().length, 0)
      assert.deepStrictEqual(left(at), [])
    })
  )

  it.scopedLive("if the source is HDR and FFmpeg lacks the filters for it", () =>
    Effect.gen(function* () {
      const { go, submissions } = yield* world({ source: framesFilm(12, { color_transfer: "arib-std-b67" }) })
      const error = yield* Effect.flip(go())
      assert.deepInclude(error, { _tag: "MediaError", film: "source", segment: null })
      assert.include(error.message, "it is HDR (HLG), and this FFmpeg has no filter zscale and no filter tonemap")
      assert.strictEqual(submissions().length, 0)
    })
  )

  it.scopedLive.each([
    ["is empty", Stream.empty, "MediaError", /^cannot read the source: the file is empty/],
    [
      "is not a film",
      Stream.make(Buffer.from("Video is still being processed")),
      "MediaError",
      /^cannot read the source/
    ],
    [
      "has no pictures",
      Stream.make(framesFilm(0, { codec_type: "audio" })),
      "MediaError",
      /there are no pictures in it/
    ],
    [
      "has pictures that last no time",
      Stream.make(filmAt(0, 1 / 90_000, 2 / 90_000)),
      "MediaError",
      /its 3 pictures last 0\.000022 s; their timestamps are broken/
    ],
    [
      "has a picture for hours",
      Stream.make(filmAt(0, 2000, 4000)),
      "MediaError",
      /one of its pictures is shown for 2000 s, which is a broken timestamp/
    ],
    [
      "cannot be read from its disk",
      Stream.fail(new Cause.UnknownException(null, "the disk is gone")),
      "UploadError",
      /mine\.mp4.*the disk is gone/
    ]
  ] as const)("if the source %s", ([, content, tag, message]) =>
    Effect.gen(function* () {
      const { at, go, submissions } = yield* world()
      const video = VideoFile.fromStream(content, { name: "mine.mp4" })
      const error = yield* Effect.flip(go({ extension: "never" }, { video }))
      assert.strictEqual(error._tag, tag)
      assert.match(error.message, message)
      assert.strictEqual(submissions().length, 0)
      assert.deepStrictEqual(left(at), [])
    })
  )

  it.scopedLive.each([
    ["`seconds` is not valid", "InvalidRequestError", { seconds: 5 as never }, {}],
    ["the prompt is empty", "InvalidRequestError", { prompt: "" }, {}],
    ["the size is empty", "InvalidRequestError", { size: "" }, {}],
    ["the idempotency key is not valid", "InvalidRequestError", {}, { submit: { idempotencyKey: "ü" } }],
    ["the path is outside of the directory", "invalidPath", {}, { directory: "elsewhere" }],
    ["the path exists", "exists", {}, {}]
  ] satisfies ReadonlyArray<[string, string, Partial<ContinueVideoRequest>, ContinueVideoOptions]>)(
    "and sends no other request if %s",
    ([, reason, changed, options]) =>
      Effect.gen(function* () {
        const { at, go, path, server } = yield* world()
        if (reason === "exists") fs.writeFileSync(path, "mine")
        const error = yield* Effect.flip(go({ extension: "never", ...options }, changed))
        assert.strictEqual(reasonOf(error), reason)
        assert.deepStrictEqual(server.requests, [])
        assert.deepStrictEqual(left(at), reason === "exists" ? ["longer.mp4"] : [])
      })
  )

  it.scopedLive("if the extension fails for another reason than that the server does not serve it", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const server = yield* serve(text(401, "no"))
      const error = yield* Effect.flip(
        continueVideo(request, join(at, "longer.mp4")).pipe(
          Effect.provide([videosOver(server, {}, VideosFetch.layer), fakePlatform])
        )
      )
      assert.strictEqual(error._tag, "AuthenticationError")
      assert.strictEqual(server.requests.length, 1)
    })
  )
})

describe("continueVideo, with the embedded server,", () => {
  it.scopedLive("saves the server's extension, and needs no FFmpeg for it", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const server = yield* VideosServer
      const made = yield* Effect.gen(function* () {
        const clip = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" })
        return yield* continueVideo({ ...request, video: clip }, join(at, "longer.mp4"), { ffmpeg: "/no/ffmpeg" })
      }).pipe(Effect.provide([videosOver(server, {}, VideosFetch.layer), fakePlatform]))
      assert.deepInclude(made, { way: "extended", seconds: 8 })
      assert.strictEqual((yield* server.jobs).length, 2)
      assert.deepStrictEqual(left(at), ["longer.mp4"])
    }).pipe(Effect.provide(VideosServer.layer(instant)))
  )

  it.scopedLive(
    "sends the source's end as a clip, and no extension, to a dialect that takes one and has no extension",
    () =>
      Effect.gen(function* () {
        const { go, sent, server } = yield* world({ dialect: "vllm-omni" })
        const made = yield* go({ window: "1 second" })
        assert.strictEqual(made.way, "joined")
        const url = `data:video/mp4;base64,${longer.toString("base64")}`
        assert.deepInclude(sent(), ["video_reference", JSON.stringify({ video_url: url })])
        assert.strictEqual(server.requests.filter(({ method }) => method === "POST").length, 1)
      })
  )

  it.scopedLive("refuses a window before anything is sent if the dialect goes on from no clip", () =>
    Effect.gen(function* () {
      const { go, server } = yield* world()
      const error = yield* Effect.flip(go({ window: "1 second" }))
      assert.deepInclude(error, { _tag: "InvalidRequestError", field: "window" })
      assert.deepStrictEqual(server.requests, [])
    })
  )
})
