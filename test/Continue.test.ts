/** A clip and more of it where the server extends nothing: what is sent, what is joined, and what is left when it breaks off. */
import * as fs from "node:fs"
import { join } from "node:path"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Cause, Effect, Either, Fiber, Schedule, Stream } from "effect"
import { createVideo, VideoFile, VideosFetch } from "effect-videos"
import {
  type ContinuePhase,
  type ContinueVideoOptions,
  type ContinueVideoRequest,
  continueVideo,
  joinVideos
} from "effect-videos/continue"
import { instant } from "../packages/server/test/support.js"
import {
  distance,
  type FilmOptions,
  folder,
  graysIn,
  hasFfmpeg,
  makeFilm,
  makeSound,
  picturesOf,
  probed
} from "./support/films.js"
import { parseMultipart } from "./support/multipart.js"
import { json, serve, text } from "./support/server.js"
import { reasonOf, whole } from "./support/transfer.js"
import { videosOver } from "./support/videos.js"

const request: ContinueVideoRequest = { video: "video_0", prompt: "the light comes on", seconds: 4 }

const job = (id: string, status = "completed") => ({ id, object: "video", status, prompt: request.prompt })

/** A server of two films that extends nothing: `video_0` is the source, and each clip that is created is the segment. */
const world = (source: Uint8Array, segment: Uint8Array, status = "completed") =>
  Effect.gen(function* () {
    const at = yield* folder
    const server = yield* serve((response, asked, index) => {
      const { method, url } = asked
      if (method === "POST" && url === "/v1/videos")
        return json(200, job(`segment_${index}`, status))(response, asked, index)
      if (method === "GET" && url === "/v1/videos/video_0/content") return whole(source)(response, asked, index)
      if (method === "GET" && url.endsWith("/content")) return whole(segment)(response, asked, index)
      if (method === "GET") return json(200, job(url.replace(/.*\//, ""), status))(response, asked, index)
      return json(405, { detail: "Method Not Allowed" })(response, asked, index)
    })
    const submissions = () => server.requests.filter(({ method, url }) => method === "POST" && url === "/v1/videos")
    const path = join(at, "longer.mp4")
    const provided = Effect.provide([videosOver(server, {}, VideosFetch.layer), NodeContext.layer])
    return {
      at,
      path,
      server,
      submissions,
      provided,
      go: (options: ContinueVideoOptions = {}, changed: Partial<ContinueVideoRequest> = {}) =>
        provided(continueVideo({ ...request, ...changed }, path, options))
    }
  })

const films = (source: FilmOptions, segment: FilmOptions) =>
  Effect.gen(function* () {
    const at = yield* folder
    return [yield* makeFilm(join(at, "a.mp4"), source), yield* makeFilm(join(at, "b.mp4"), segment)] as const
  })

/** The same film, to be shown turned by a quarter: the matrix of its track's header (ISO/IEC 14496-12, `tkhd`). */
const turned = (film: Buffer): Buffer => {
  const copy = Buffer.from(film)
  const at = copy.indexOf("tkhd") + 4 + 40
  for (const [index, value] of [0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000].entries()) {
    copy.writeInt32BE(value, at + 4 * index)
  }
  return copy
}

const two = films({ from: 0, count: 48 }, { from: 47, count: 48 })

const sequence = (count: number) => Array.from({ length: count }, (_, index) => index)

/** The files beside the result: what was needed on the way is gone. */
const left = (at: string) => fs.readdirSync(at)

const nothing = new Uint8Array(8)

describe.skipIf(!hasFfmpeg)("continueVideo, where the server extends nothing", () => {
  it.scopedLive("sends the source's last frame, and shows each picture once", () =>
    Effect.gen(function* () {
      const { at, go, path, server, submissions } = yield* world(...(yield* two))
      const told: Array<string> = []
      const made = yield* go({ onUpdate: ({ id, status }) => Effect.sync(() => told.push(`${id} ${status}`)) })

      assert.deepStrictEqual(left(at), ["longer.mp4"])
      assert.deepInclude(made, { path: fs.realpathSync(path), way: "joined", bytes: fs.statSync(path).size })
      assert.deepStrictEqual(told, [`${made.video.id} completed`])
      // 48 pictures and 48, of which one was shown already.
      assert.deepStrictEqual(yield* picturesOf(path), sequence(95))
      assert.closeTo(made.seconds ?? 0, 95 / 24, 0.001)

      const [sent] = submissions()
      const parts = sent === undefined ? [] : parseMultipart(sent)
      const fields = parts.map(({ body, filename, name }) => [name, filename ?? body.toString()])
      assert.sameDeepMembers(fields, [
        ["prompt", request.prompt],
        ["seconds", "4"],
        ["size", "160x90"],
        ["input_reference", "frame.png"]
      ])
      const frame = join(at, "frame.png")
      fs.writeFileSync(frame, parts.find(({ name }) => name === "input_reference")?.body ?? "")
      assert.deepStrictEqual(yield* picturesOf(frame), [47])
      assert.strictEqual(server.requests.filter(({ method }) => method === "POST").length, 2)
    })
  )

  it.scopedLive("makes one codec, size and rate of two, and silence where there is no sound", () =>
    Effect.gen(function* () {
      const source = { from: 0, count: 48, more: ["-c:v", "mpeg4", "-q:v", "2"] }
      const segment = { from: 47, count: 32, framesPerSecond: 16, sound: 2, more: ["-s", "320x180"] }
      const { go, path } = yield* world(...(yield* films(source, segment)))
      yield* go()
      const [pictures, sound, ...more] = (yield* probed(path)).streams
      assert.deepInclude(pictures, { codec_name: "h264", width: 160, height: 90, avg_frame_rate: "24/1" })
      assert.deepInclude(sound, { codec_type: "audio", codec_name: "aac" })
      assert.deepStrictEqual(more, [])
      // Two seconds, and 31 pictures of a sixteenth.
      assert.closeTo(Number(pictures?.duration), 2 + 31 / 16, 1 / 24)
      assert.closeTo(Number(sound?.duration), 2 + 31 / 16, 0.05)
      const seen = yield* picturesOf(path)
      assert.deepStrictEqual(seen.slice(0, 48), sequence(48))
      assert.deepStrictEqual([...new Set(seen.slice(48))], sequence(79).slice(48))
    })
  )

  it.scopedLive.each(["mp4", "matroska"])(
    "finds the last frame where the sound goes on for long after it: %s",
    (format) =>
      Effect.gen(function* () {
        const source = { from: 0, count: 24, sound: 4, more: ["-f", format] }
        const { go, path } = yield* world(...(yield* films(source, { from: 23, count: 24 })))
        yield* go()
        assert.deepStrictEqual(yield* picturesOf(path), sequence(47))
        const lengths = (yield* probed(path)).streams.map(({ duration }) => Number(duration))
        for (const length of lengths) assert.closeTo(length, 47 / 24, 0.05)
      })
  )

  it.scopedLive("fits the frame into a size that the server makes, and the segment into the source's", () =>
    Effect.gen(function* () {
      const segment = { from: 47, count: 24, more: ["-vf", "trim=start_frame=47,setpts=N/24/TB,pad=160:160:-1:-1"] }
      const { at, go, path, submissions } = yield* world(...(yield* films({ from: 0, count: 48 }, segment)))
      yield* go({}, { size: "160x160" })
      const [sent] = submissions()
      const parts = sent === undefined ? [] : parseMultipart(sent)
      assert.strictEqual(parts.find(({ name }) => name === "size")?.body.toString(), "160x160")
      const frame = join(at, "frame.png")
      fs.writeFileSync(frame, parts.find(({ name }) => name === "input_reference")?.body ?? "")
      assert.deepInclude((yield* probed(frame)).streams[0], { width: 160, height: 160 })
      assert.deepInclude((yield* probed(path)).streams[0], { width: 160, height: 90 })
      assert.deepStrictEqual(yield* picturesOf(path), sequence(71))
    })
  )

  it.scopedLive.each([
    ["turned", "90x160", turned],
    ["of pixels that are not square", "320x90", (film: Buffer) => film]
  ] as const)("takes a film as it is shown: %s", ([, size, change]) =>
    Effect.gen(function* () {
      const more = size === "320x90" ? ["-aspect", "32:9"] : []
      const [source, segment] = yield* films({ from: 0, count: 24, more }, { from: 23, count: 24, size })
      const { go, path, submissions } = yield* world(change(source), segment)
      yield* go()
      const [sent] = submissions()
      const parts = sent === undefined ? [] : parseMultipart(sent)
      assert.strictEqual(parts.find(({ name }) => name === "size")?.body.toString(), size)
      const [pictures] = (yield* probed(path)).streams
      assert.strictEqual(`${pictures?.width}x${pictures?.height}`, size)
    })
  )

  it.scopedLive("takes a file for its source", () =>
    Effect.gen(function* () {
      const [source, segment] = yield* two
      const { go, path, server } = yield* world(source, segment)
      yield* go({ extension: "never" }, { video: VideoFile.fromBytes(source) })
      assert.deepStrictEqual(yield* picturesOf(path), sequence(95))
      assert.deepStrictEqual(
        server.requests.map(({ method, url }) => `${method} ${url.replace(/segment_\d+/, "it")}`),
        ["POST /v1/videos", "GET /v1/videos/it/content"]
      )
    })
  )

  it.scopedLive("makes no second segment after a join that failed: `joinVideos` goes on with the first", () =>
    Effect.gen(function* () {
      const { at, go, path, provided, submissions } = yield* world(...(yield* two))
      // Works until the segment is paid for.
      const program = join(at, "program")
      fs.writeFileSync(
        program,
        `#!/bin/sh\ncase "$*" in *segment*) echo "no memory" >&2; exit 3;; esac\nexec ffmpeg "$@"\n`
      )
      fs.chmodSync(program, 0o755)
      const error = yield* Effect.flip(go({ ffmpeg: program }))
      assert.strictEqual(error._tag, "MediaError")
      if (error._tag !== "MediaError") return
      assert.deepInclude(error, { step: "join", film: "result", exitCode: 3, detail: "no memory" })
      assert.include(error.message, `The segment is ${error.segment?.id}`)
      assert.deepStrictEqual(left(at), ["program", `${error.segment?.id}.segment.mp4`])
      const made = yield* provided(joinVideos("video_0", error.segment?.id ?? "none", path))
      assert.deepInclude(made, { path: fs.realpathSync(path), bytes: fs.statSync(path).size })
      assert.strictEqual(made.segment?.id, error.segment?.id)
      assert.deepStrictEqual(yield* picturesOf(path), sequence(95))
      assert.strictEqual(submissions().length, 1)
    })
  )

  it.scopedLive("joins two files, and asks no server", () =>
    Effect.gen(function* () {
      const [source, segment] = yield* two
      const { path, provided, server } = yield* world(source, segment)
      const made = yield* provided(joinVideos(VideoFile.fromBytes(source), VideoFile.fromBytes(segment), path))
      assert.strictEqual(made.segment, null)
      assert.deepStrictEqual(yield* picturesOf(path), sequence(95))
      assert.deepStrictEqual(server.requests, [])
    })
  )

  it.scopedLive("names the film that cannot be read", () =>
    Effect.gen(function* () {
      const [source] = yield* two
      const { at, go, provided, path, submissions } = yield* world(
        source,
        Buffer.from(Array.from({ length: 64 }, (_, at) => (at * 37) % 256))
      )
      const late = yield* Effect.flip(go())
      assert.deepInclude(late, { _tag: "MediaError", step: "probe", film: "segment" })
      assert.strictEqual(submissions().length, 1)
      const [, submitted] =
        /^cannot read the segment \(exit code 1\): .* The segment is (segment_\d): /s.exec(late.message) ?? []

      const broken = VideoFile.fromStream(Stream.fail(new Cause.UnknownException(null, "the disk is gone")), {
        name: "mine.mp4"
      })
      const early = yield* Effect.flip(go({ extension: "never" }, { video: broken }))
      assert.deepInclude(early, { _tag: "UploadError", file: "mine.mp4", detail: "the disk is gone" })

      const silent = VideoFile.fromPath(join(at, "sound.mp4"))
      yield* makeSound(join(at, "sound.mp4"))
      const none = yield* Effect.flip(provided(Effect.flatMap(silent, (file) => joinVideos(file, file, path))))
      assert.deepInclude(none, { _tag: "MediaError", step: "probe", film: "source", exitCode: null, segment: null })
      assert.strictEqual(none.message, "cannot read the source: there are no pictures in it.")
      assert.strictEqual(submissions().length, 1)
      assert.sameMembers(left(at), ["sound.mp4", `${submitted}.segment.mp4`])
    })
  )

  it.scopedLive("does not let a film lead FFmpeg to other files", () =>
    Effect.gen(function* () {
      const [source, segment] = yield* two
      const { at, go, submissions } = yield* world(source, segment)
      yield* makeFilm(join(at, "secret.ts"), { from: 0, count: 24 })
      const list = `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n${join(at, "secret.ts")}\n#EXT-X-ENDLIST\n`
      fs.writeFileSync(join(at, "list.mp4"), list)
      // That FFmpeg would follow it, left to itself.
      assert.strictEqual((yield* probed(join(at, "list.mp4"))).streams.length, 1)
      const error = yield* Effect.flip(go({}, { video: VideoFile.fromBytes(Buffer.from(list)) }))
      assert.deepInclude(error, { _tag: "MediaError", step: "probe", film: "source", segment: null })
      assert.strictEqual(submissions().length, 0)
    })
  )

  it.scopedLive("pays for one segment where two calls want the same path", () =>
    Effect.gen(function* () {
      const { at, go, path, submissions } = yield* world(...(yield* two))
      const ends = yield* Effect.all([Effect.either(go()), Effect.either(go())], { concurrency: "unbounded" })
      const tags = ends.map((end) => (Either.isLeft(end) ? reasonOf(end.left) : end.right.way))
      assert.sameMembers(tags, ["joined", "busy"])
      assert.strictEqual(submissions().length, 1)
      assert.deepStrictEqual(yield* picturesOf(path), sequence(95))
      assert.deepStrictEqual(left(at), ["longer.mp4"])
    })
  )

  it.scopedLive("ends FFmpeg with its fiber, and leaves nothing", () =>
    Effect.gen(function* () {
      const { at, go } = yield* world(...(yield* two))
      // Everything but the join is FFmpeg's; the join tells its process and goes on for ever.
      const program = join(at, "program")
      const script = `#!/bin/sh\ncase "$*" in *faststart*) echo $$ > ${at}/pid; exec sleep 600;; *) exec ffmpeg "$@";; esac\n`
      fs.writeFileSync(program, script, { mode: 0o755 })
      const fiber = yield* Effect.fork(go({ ffmpeg: program }))
      const pid = yield* Effect.try(() =>
        Number(/^\d+(?=\n)/.exec(fs.readFileSync(join(at, "pid"), "utf8"))?.[0])
      ).pipe(
        Effect.filterOrFail((pid) => pid > 0),
        Effect.retry(Schedule.spaced("20 millis"))
      )
      assert.isTrue(process.kill(pid, 0))
      yield* Fiber.interrupt(fiber)
      assert.throws(() => process.kill(pid, 0), /ESRCH/)
      assert.sameMembers(left(at), ["pid", "program"])
    })
  )

  it.scopedLive("does it all over a socket with the embedded server in another's manner", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const server = yield* VideosServer
      const videos = videosOver(server, { dialect: server.dialect }, VideosFetch.layer)
      const phases: Array<ContinuePhase> = []
      const made = yield* Effect.gen(function* () {
        const clip = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" })
        return yield* continueVideo({ ...request, video: clip }, "longer.mp4", {
          directory: at,
          onPhase: (phase) => Effect.sync(() => phases.push(phase))
        })
      }).pipe(Effect.provide([videos, NodeContext.layer]))
      assert.strictEqual(made.way, "joined")
      assert.deepStrictEqual(phases, ["extend", "prepare", "create", "join"])
      assert.closeTo(made.seconds ?? 0, 8 - 1 / 24, 0.001)
      assert.strictEqual((yield* server.jobs).length, 2)
      // This server's clip begins with the picture that it is given: where the two meet, nothing jumps.
      const grays = yield* graysIn(made.path)
      const between = (one: number, other: number) => distance(grays[one] ?? nothing, grays[other] ?? nothing)
      assert.isBelow(between(95, 96), between(95, 95 + 24) / 3)
    }).pipe(Effect.provide(VideosServer.layer({ dialect: "vllm-omni", ...instant })))
  )
})

describe("continueVideo", () => {
  it.scopedLive("takes the server's extension where there is one, and needs no FFmpeg for it", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const server = yield* VideosServer
      const made = yield* Effect.gen(function* () {
        const clip = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" })
        return yield* continueVideo({ ...request, video: clip }, join(at, "longer.mp4"), { ffmpeg: "/no/ffmpeg" })
      }).pipe(Effect.provide([videosOver(server, {}, VideosFetch.layer), NodeContext.layer]))
      assert.deepInclude(made, { way: "extended", seconds: 8 })
      assert.strictEqual((yield* server.jobs).length, 2)
      assert.deepStrictEqual(left(at), ["longer.mp4"])
    }).pipe(Effect.provide(VideosServer.layer(instant)))
  )

  it.scopedLive("pays for nothing where there is no FFmpeg", () =>
    Effect.gen(function* () {
      const { at, go, server } = yield* world(nothing, nothing)
      const error = yield* Effect.flip(go({ ffmpeg: "/no/ffmpeg" }))
      assert.deepInclude(error, { _tag: "FfmpegUnavailableError", program: "/no/ffmpeg" })
      assert.match(error.message, /^cannot start \/no\/ffmpeg; install FFmpeg/)
      assert.deepStrictEqual(left(at), [])
      // The extension that is not served, and the look that settles it.
      assert.isEmpty(server.requests.filter(({ url }) => url === "/v1/videos"))
    })
  )

  it.scopedLive.each([
    ["InvalidRequestError", { seconds: 5 as never }, {}],
    ["InvalidRequestError", { prompt: "" }, {}],
    ["InvalidRequestError", { size: "" }, {}],
    ["InvalidRequestError", {}, { submit: { idempotencyKey: "ü" } }],
    ["invalidPath", {}, { directory: "elsewhere" }],
    ["exists", {}, {}]
  ] satisfies ReadonlyArray<[string, Partial<ContinueVideoRequest>, ContinueVideoOptions]>)(
    "fails before anything is sent: %s",
    ([reason, changed, options]) =>
      Effect.gen(function* () {
        const { at, go, path, server } = yield* world(nothing, nothing)
        if (reason === "exists") fs.writeFileSync(path, "mine")
        const error = yield* Effect.flip(go({ extension: "never", ...options }, changed))
        assert.strictEqual(reasonOf(error), reason)
        assert.deepStrictEqual(server.requests, [])
        assert.deepStrictEqual(left(at), reason === "exists" ? ["longer.mp4"] : [])
      })
  )

  it.scopedLive("names an id that is none before anything is sent", () =>
    Effect.gen(function* () {
      const { path, provided, server } = yield* world(nothing, nothing)
      const error = yield* Effect.flip(provided(joinVideos("video_0", "..", path)))
      assert.deepInclude(error, { _tag: "InvalidRequestError", field: "segment" })
      assert.deepStrictEqual(server.requests, [])
    })
  )

  it.scopedLive("does not take a refusal of anything else for a server that extends nothing", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const server = yield* serve(text(401, "no"))
      const error = yield* Effect.flip(
        continueVideo(request, join(at, "longer.mp4")).pipe(
          Effect.provide([videosOver(server, {}, VideosFetch.layer), NodeContext.layer])
        )
      )
      assert.strictEqual(error._tag, "AuthenticationError")
      assert.strictEqual(server.requests.length, 1)
    })
  )

  it.scopedLive.skipIf(!hasFfmpeg)("fails with the server's reason where the segment does", () =>
    Effect.gen(function* () {
      const { at, go, submissions } = yield* world(...(yield* two), "failed")
      const error = yield* Effect.flip(go())
      assert.strictEqual(error._tag, "VideoFailedError")
      assert.strictEqual(submissions().length, 1)
      assert.deepStrictEqual(left(at), [])
    })
  )
})
