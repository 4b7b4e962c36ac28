/** What films really look like: odd times, colours, tracks and containers, and an FFmpeg that lacks something. */
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeContext } from "@effect/platform-node"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { VideoFile, VideosFetch } from "effect-videos"
import { type ContinueVideoOptions, continueVideo, type JoinVideosOptions, joinVideos } from "effect-videos/continue"
import { probe } from "../src/continue/film.js"
import { lastFrame } from "../src/continue/graph.js"
import {
  colorsIn,
  type FilmOptions,
  ffmpeg,
  flashesAndBeeps,
  folder,
  hasFfmpeg,
  makeFilm,
  picturesOf,
  probed
} from "./support/films.js"
import { json, serve } from "./support/server.js"
import { whole } from "./support/transfer.js"
import { videosOver } from "./support/videos.js"

const videos = videosOver({ baseUrl: "http://127.0.0.1:1" }, {}, VideosFetch.layer)

/** Joins two files into `longer.mp4` beside the first. */
const joined = (source: string, segment: string, options: JoinVideosOptions = {}) =>
  Effect.gen(function* () {
    const path = join(yield* folder, "longer.mp4")
    const [one, other] = [yield* VideoFile.fromPath(source), yield* VideoFile.fromPath(segment)]
    const made = yield* joinVideos(one, other, path, { overwrite: true, ...options })
    return { ...made, path }
  }).pipe(Effect.provide([videos, NodeContext.layer]))

/** Films that all tests share; each is made when it is first wanted. */
const shelf = fs.mkdtempSync(join(tmpdir(), "films-"))
afterAll(() => fs.rmSync(shelf, { recursive: true, force: true }))

const shelved = (name: string, makeIt: (path: string) => Effect.Effect<unknown>) =>
  Effect.suspend(() => {
    const path = join(shelf, name)
    return fs.existsSync(path) ? Effect.succeed(path) : Effect.as(makeIt(path), path)
  })

const film = (name: string, options: FilmOptions) => shelved(name, (path) => makeFilm(path, options))

const plain = film("plain.mp4", { from: 0, count: 12 })

/** Twelve pictures that go on where twelve others ended. */
const segment = film("segment.mp4", { from: 11, count: 12 })

const sequence = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)

const patch = [200, 60, 60]

const assertPatch = (color: ReadonlyArray<number> | undefined, message: string) => {
  const far = patch.map((value, index) => Math.abs(value - (color?.[index] ?? 0)))
  assert.isBelow(Math.max(...far), 5, `${message}: ${color}`)
}

/** A server of a source and a segment, and the calls that it had. */
const paying = (source: string, made: string, paid: () => void = () => {}) =>
  Effect.gen(function* () {
    const at = yield* folder
    const job = { id: "segment_1", object: "video", status: "completed" }
    const server = yield* serve((response, asked, index) => {
      if (asked.method === "POST") {
        paid()
        return json(200, job)(response, asked, index)
      }
      return whole(fs.readFileSync(made))(response, asked, index)
    })
    const path = join(at, "longer.mp4")
    const provided = Effect.provide([videosOver(server, {}, VideosFetch.layer), NodeContext.layer])
    const go = (options: ContinueVideoOptions = {}) =>
      Effect.flatMap(VideoFile.fromPath(source), (video) =>
        continueVideo({ video, prompt: "on", seconds: 4 }, path, { ...options, extension: "never" })
      ).pipe(provided)
    return {
      at,
      path,
      provided,
      go,
      submissions: () => server.requests.filter(({ method }) => method === "POST").length
    }
  })

/** An FFmpeg that fails if its arguments contain something. */
const without = (at: string, pattern: string, instead = "echo lacking >&2; exit 1") =>
  Effect.sync(() => {
    const path = join(at, "program")
    fs.writeFileSync(path, `#!/bin/sh\ncase "$*" in ${pattern}) ${instead};; esac\nexec ffmpeg "$@"\n`, { mode: 0o755 })
    return path
  })

describe.skipIf(!hasFfmpeg)("what FFmpeg cannot do, before anything is paid for", () => {
  it.scopedLive.each([
    ["the encoder", "*libx264*"],
    ["the filter that joins", "*concat=*"],
    ["the filter that makes silence", "*anullsrc*"]
  ] as const)("continueVideo submits nothing if FFmpeg lacks %s", ([, pattern]) =>
    Effect.gen(function* () {
      const { at, go, submissions } = yield* paying(yield* plain, yield* segment)
      const error = yield* Effect.flip(go({ ffmpeg: yield* without(at, pattern) }))
      assert.deepInclude(error, { _tag: "MediaError", segment: null, detail: "lacking" })
      assert.strictEqual(submissions(), 0)
      assert.deepStrictEqual(fs.readdirSync(at), ["program"])
    })
  )

  it.scopedLive("continueVideo submits nothing if FFmpeg is installed and does not run", () =>
    Effect.gen(function* () {
      const { at, go, submissions } = yield* paying(yield* plain, yield* segment)
      const error = yield* Effect.flip(go({ ffmpeg: yield* without(at, "*-version*") }))
      assert.strictEqual(error._tag, "FfmpegUnavailableError")
      assert.strictEqual(submissions(), 0)
    })
  )

  it.scopedLive("continueVideo submits nothing if the source is HDR and FFmpeg cannot convert that", () =>
    Effect.gen(function* () {
      const { at, go, submissions } = yield* paying(yield* colored("HLG"), yield* segment)
      const error = yield* Effect.flip(go({ ffmpeg: yield* without(at, "*-filters*", "exit 0") }))
      assert.deepInclude(error, { _tag: "MediaError", film: "source", segment: null })
      assert.include(error.message, "it is HDR (HLG), and this FFmpeg has no filter zscale and no filter tonemap")
      assert.strictEqual(submissions(), 0)
    })
  )

  it.scopedLive.each([
    ["an empty file", Buffer.alloc(0), /the file is empty/],
    ["a text", Buffer.from("Video is still being processed"), /Invalid data/],
    ["the first half of a film", null, /moov/]
  ] as const)("continueVideo submits nothing if the source is %s", ([, bytes, why]) =>
    Effect.gen(function* () {
      const at = yield* folder
      const source = join(at, "source.mp4")
      const all = fs.readFileSync(yield* plain)
      fs.writeFileSync(source, bytes ?? all.subarray(0, all.byteLength / 2))
      const { go, submissions } = yield* paying(source, yield* segment)
      const error = yield* Effect.flip(go())
      assert.deepInclude(error, { _tag: "MediaError", step: "probe", film: "source", segment: null })
      assert.match(error.message, why)
      assert.strictEqual(submissions(), 0)
    })
  )

  it.scopedLive("an FFmpeg that is gone after the payment leaves the segment, and an error that names it", () =>
    Effect.gen(function* () {
      const gone = () => fs.rmSync(join(at, "program"))
      const { at, go, path, provided, submissions } = yield* paying(yield* plain, yield* segment, () => gone())
      const error = yield* Effect.flip(go({ ffmpeg: yield* without(at, "nothing") }))
      assert.strictEqual(error._tag, "MediaError")
      if (error._tag !== "MediaError") return
      const kept = join(fs.realpathSync(at), "segment_1.segment.mp4")
      assert.deepInclude(error, { step: "join", segmentPath: kept })
      assert.match(
        error.message,
        /cannot start .*\/program.* The segment's file is kept: .* The segment is segment_1: `joinVideos`/s
      )
      const [one, other] = [yield* VideoFile.fromPath(yield* plain), yield* VideoFile.fromPath(kept)]
      yield* provided(joinVideos(one, other, path))
      assert.deepStrictEqual(yield* picturesOf(path, 24), sequence(0, 23))
      assert.strictEqual(submissions(), 1)
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

const sh = (...words: ReadonlyArray<string>) => words.flatMap((word) => word.split(" "))

/** Black, and white from one second on, with a tone that begins `late` seconds after the white. */
const flash = (name: string, late: number, ...more: ReadonlyArray<string>) =>
  shelved(name, (path) =>
    Effect.gen(function* () {
      const pictures = `${path}.v.mp4`
      const sound = `${path}.a.wav`
      yield* ffmpeg(
        ...sh("-f lavfi -i", "color=c=black:s=64x64:r=24:d=1", "-f lavfi -i", "color=c=white:s=64x64:r=24:d=1"),
        ...sh("-filter_complex concat -c:v libx264 -pix_fmt yuv420p", pictures)
      )
      yield* ffmpeg("-f", "lavfi", "-i", "aevalsrc='gte(t,1)*sin(6283*t)/2':d=2:s=48000", sound)
      yield* ffmpeg(
        ...(late < 0 ? ["-itsoffset", String(-late)] : []),
        ...["-i", pictures],
        ...(late > 0 ? ["-itsoffset", String(late)] : []),
        ...["-i", sound],
        ...more,
        path
      )
    })
  )

describe.skipIf(!hasFfmpeg)("the times of a joined film", () => {
  const late = flash("late.mp4", 0.5, "-c:v", "copy")
  const early = flash("early.mp4", -0.5, "-c:v", "copy")
  const webm = flash("late.webm", 0.3, ...sh("-c:v libvpx -deadline realtime -c:a libopus"))
  const shifted = flash("five.mkv", 0, ...sh("-c:v copy -output_ts_offset 5"))
  const stream = flash("stream.ts", 0.25, "-c:v", "copy")
  const fragments = flash("fragments.mp4", 0, ...sh("-c:v copy -use_editlist 0 -movflags frag_keyframe+empty_moov"))
  const avi = flash("old.avi", 0, ...sh("-c:v mpeg4 -bf 0 -c:a pcm_s16le"))
  const hevc = flash(
    "new.mov",
    0,
    ...sh("-c:v libx265 -preset ultrafast -x265-params log-level=none -timecode 01:00:00:00")
  )

  it.scopedLive.each([
    ["an MP4 whose sound begins late, twice", late, 0.5, late, 0.5],
    ["an MP4 whose pictures begin late, twice", early, -0.5, early, -0.5],
    ["a WebM whose sound begins late, and a Matroska that begins at 5 s", webm, 0.3, shifted, 0],
    ["a Matroska that begins at 5 s, and an MPEG-TS that begins at 1.4 s", shifted, 0, stream, 0.25],
    ["a fragmented MP4 without an edit list, and a WebM whose sound begins late", fragments, 0, webm, 0.3],
    ["a QuickTime with a time code and B-frames, and an AVI", hevc, 0, avi, 0]
  ] as const)("sound and pictures keep their distance: %s", ([, source, first, more, second]) =>
    Effect.gen(function* () {
      const { path } = yield* joined(yield* source, yield* more)
      const { beeps, flashes } = yield* flashesAndBeeps(path)
      assert.strictEqual(flashes.length, 2)
      assert.strictEqual(beeps.length, 2)
      // A film begins with its first picture, or with a sound that begins well before.
      const leads = [Math.max(0, -first), Math.max(0, -second)] as const
      const joint = 2 + leads[0]
      const expected = [1 + leads[0], joint + 1 - 1 / 24 + leads[1]]
      for (const [index, late] of [first, second].entries()) {
        assert.closeTo(flashes[index] ?? 0, expected[index] ?? 0, 0.001)
        assert.closeTo((beeps[index] ?? 0) - (flashes[index] ?? 0), late, 0.025)
      }
      const lengths = (yield* probed(path)).streams.map(({ duration }) => Number(duration))
      assert.strictEqual(lengths.length, 2)
      for (const length of lengths) assert.closeTo(length, joint + 2 - 1 / 24 + leads[1], 0.03)
    })
  )

  it.scopedLive("a picture that is held thins nothing out", () =>
    Effect.gen(function* () {
      const held = ["-vf", "trim=end_frame=12,setpts=(N+72*eq(N\\,11))/24/TB", "-vsync", "vfr"]
      const source = yield* shelved("held.mp4", (path) =>
        ffmpeg(...sh("-f lavfi -i testsrc2=s=160x90:r=24:d=1"), ...held, "-preset", "ultrafast", path)
      )
      const { path, seconds } = yield* joined(source, yield* segment)
      const seen = yield* picturesOf(path, 24)
      assert.deepStrictEqual([...new Set(seen)], sequence(0, 23))
      assert.deepStrictEqual(seen.slice(-12), sequence(11, 23))
      assert.strictEqual(seen.length, 12 + 72 + 11)
      assert.closeTo(seconds, seen.length / 24, 0.01)
    })
  )

  it.scopedLive.each([
    ["30 after 24", 24, 30, "30/1"],
    ["15 after 30", 30, 15, "30/1"],
    ["24 after 1000 in a second", 1000, 24, "120/1"]
  ] as const)("the rate is the higher one, and every picture of the segment is shown: %s", ([, before, after, rate]) =>
    Effect.gen(function* () {
      const source = yield* film(`at${before}.mp4`, { from: 0, count: 12, framesPerSecond: before })
      const more = yield* film(`more${after}.mkv`, { from: 11, count: 12, framesPerSecond: after })
      const { path } = yield* joined(source, more)
      const seen = yield* picturesOf(path, 24)
      assert.deepInclude((yield* probed(path)).streams[0], { avg_frame_rate: rate })
      assert.deepStrictEqual(
        [...new Set(seen)].filter((picture) => picture > 11),
        sequence(12, 23)
      )
    })
  )

  it.scopedLive("a WebM without a duration is measured", () =>
    Effect.gen(function* () {
      const recorded = (name: string, from: number) =>
        shelved(name, (path) =>
          Effect.gen(function* () {
            const made = yield* film(`${name}.mp4`, { from, count: 12, sound: 0.5 })
            const { stdout } = yield* ffmpeg(
              "-i",
              made,
              ...sh("-c:v libvpx -deadline realtime -b:v 2M -c:a libopus -f webm -live 1 pipe:1")
            )
            fs.writeFileSync(path, stdout)
          })
        )
      const { path } = yield* joined(yield* recorded("one.webm", 0), yield* recorded("two.webm", 11))
      assert.deepStrictEqual(yield* picturesOf(path, 24), sequence(0, 23))
    })
  )
})

describe.skipIf(!hasFfmpeg)("films that have too little, or never end", () => {
  it.scopedLive.each([
    ["one picture", sh("-frames:v 1"), "it has one picture"],
    ["one picture and a sound", sh("-f lavfi -i sine=d=1 -frames:v 1"), "it has one picture"],
    ["a sound alone", sh("-f lavfi -i sine=d=1 -map 1"), "there are no pictures in it"],
    [
      "pictures that last no time",
      sh("-vf settb=1/90000,setpts=N -video_track_timescale 90000 -vsync passthrough -enc_time_base 1:90000"),
      "timestamps are broken"
    ],
    ["a picture for hours", sh("-vf setpts=N*2000/TB -vsync vfr -frames:v 3"), "which is a broken timestamp"]
  ] as const)("a segment that has %s is named", ([what, more, why]) =>
    Effect.gen(function* () {
      const source = yield* film("sounding.mp4", { from: 0, count: 12, sound: 0.5 })
      const poor = yield* shelved(`${what}.mp4`, (path) =>
        ffmpeg(...sh("-f lavfi -i testsrc2=r=24:s=64x64:d=1"), ...more, ...sh("-pix_fmt yuv420p"), path)
      )
      const error = yield* Effect.flip(joined(source, poor))
      assert.deepInclude(error, { _tag: "MediaError", film: "segment" })
      assert.include(error.message, why)
    })
  )

  it.scopedLive("a source of one picture is enough", () =>
    Effect.gen(function* () {
      const source = yield* film("one.mp4", { from: 11, count: 1 })
      const { path } = yield* joined(source, yield* segment)
      assert.deepStrictEqual(yield* picturesOf(path, 24), sequence(11, 23))
    })
  )

  it.scopedLive("a file that came out shorter than it should is no success", () =>
    Effect.gen(function* () {
      const short = `for last; do :; done; exec ffmpeg -v error -y -f lavfi -i color=d=0.2 -f mp4 "$last"`
      const program = yield* without(yield* folder, "*segment*", short)
      const error = yield* Effect.flip(joined(yield* plain, yield* segment, { ffmpeg: program }))
      assert.match(error.message, /it lasts 0\.200 s instead of 0\.958 s/)
    })
  )

  it.scoped("a program that does not end is killed, even if it ignores SIGTERM", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const program = join(at, "program")
      const script = `#!/bin/sh\ncase "$*" in *-version*) exit 0;; esac\ntrap '' TERM\necho $$ > ${at}/pid\nwhile :; do sleep 600; done\n`
      fs.writeFileSync(program, script, { mode: 0o755 })
      const fiber = yield* Effect.fork(Effect.flip(joined(yield* plain, yield* segment, { ffprobe: program })))
      const settled = Effect.gen(function* () {
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        yield* TestClock.adjust(fs.existsSync(join(at, "pid")) ? "1 day" : 0)
        return (yield* fiber.status)._tag === "Done"
      })
      yield* Effect.repeat(settled, { until: (is) => is })
      assert.match((yield* Fiber.join(fiber)).message, /program had not ended after 2m.* and was killed/)
      assert.throws(() => process.kill(Number(fs.readFileSync(join(at, "pid"), "utf8")), 0), /ESRCH/)
    })
  )
})

// -----------------------------------------------------------------------------
// colours
// -----------------------------------------------------------------------------

const rgb = (size: string) => sh("-f lavfi -i", `color=c=0xC83C3C:s=${size}:r=24:d=0.25,format=gbrp`)

const h264 = sh("-c:v libx264 -preset ultrafast -crf 5")

const tags = (matrix: string, primaries = matrix, transfer = matrix, range = "tv") =>
  sh(`-colorspace ${matrix} -color_primaries ${primaries} -color_trc ${transfer} -color_range ${range}`)

const high = (transfer: string) => [
  ...rgb("64x64"),
  "-vf",
  // Of an odd size, too.
  `zscale=min=gbr:pin=bt709:tin=bt709:p=bt2020:t=${transfer}:m=bt2020nc:r=tv:npl=100,format=yuv420p10le,crop=63:61:exact=1`,
  ...sh("-c:v ffv1"),
  ...tags("bt2020nc", "bt2020", transfer)
]

const scaled = (options: string) => ["-vf", `scale=${options}`]

/** Films of one colour, in all the ways to say it. */
const ways: Readonly<Record<string, readonly [extension: string, ...args: ReadonlyArray<string>]>> = {
  "BT.709": [
    "mp4",
    ...rgb("64x64"),
    ...scaled("out_color_matrix=bt709:out_range=tv,format=yuv420p"),
    ...h264,
    ...tags("bt709")
  ],
  "BT.601": [
    "mp4",
    ...rgb("64x64"),
    ...scaled("out_color_matrix=bt601:out_range=tv,format=yuv420p"),
    ...h264,
    ...tags("smpte170m")
  ],
  PAL: [
    "mkv",
    ...rgb("64x64"),
    ...scaled("out_color_matrix=bt601:out_range=tv,format=yuv420p"),
    ...h264,
    ...tags("bt470bg", "bt470bg", "gamma28")
  ],
  "small and untagged": [
    "mp4",
    ...rgb("64x64"),
    ...scaled("out_color_matrix=bt601:out_range=tv,format=yuv420p"),
    ...h264
  ],
  "large and untagged": [
    "mp4",
    ...rgb("1280x720"),
    ...scaled("out_color_matrix=bt709:out_range=tv,format=yuv420p"),
    ...h264
  ],
  "full range": [
    "mp4",
    ...rgb("64x64"),
    ...scaled("out_color_matrix=bt709:out_range=pc,format=yuvj420p"),
    ...h264,
    ...tags("bt709", "bt709", "bt709", "pc")
  ],
  MJPEG: ["mov", ...rgb("64x64"), ...sh("-c:v mjpeg -q:v 1 -pix_fmt yuvj444p")],
  "10 bits": [
    "mp4",
    ...rgb("64x64"),
    ...scaled("out_color_matrix=bt709:out_range=tv,format=yuv420p10le"),
    ...h264,
    ...tags("bt709")
  ],
  RGB: ["mkv", ...rgb("64x64"), ...sh("-c:v libx264rgb -pix_fmt rgb24 -crf 1")],
  GIF: ["gif", ...rgb("64x64")],
  "BT.2020": [
    "mkv",
    ...rgb("64x64"),
    ...sh("-vf zscale=min=gbr:pin=bt709:tin=bt709:p=bt2020:t=bt709:m=bt2020nc:r=tv,format=yuv420p10le"),
    ...h264,
    ...tags("bt2020nc", "bt2020", "bt2020-10")
  ],
  HLG: ["mkv", ...high("arib-std-b67")],
  PQ: ["mkv", ...high("smpte2084")]
}

const colored = (way: string) => {
  const [extension, ...args] = ways[way] ?? []
  return shelved(`${way}.${extension}`, (path) => ffmpeg(...args, path))
}

describe.skipIf(!hasFfmpeg)("the colours of a joined film", () => {
  it.scopedLive.each([
    ["BT.709", "BT.601"],
    ["small and untagged", "full range"],
    ["large and untagged", "PAL"],
    ["MJPEG", "10 bits"],
    ["GIF", "RGB"],
    ["HLG", "BT.709"],
    ["PQ", "BT.2020"]
  ] as const)("are the same before and after the joint, and in the frame that is sent: %s and %s", ([one, other]) =>
    Effect.gen(function* () {
      const source = yield* colored(one)
      const { path } = yield* joined(source, yield* colored(other), {
        encoding: sh("-c:v libx264 -crf 5 -preset ultrafast")
      })
      const colors = yield* colorsIn(path)
      for (const [index, color] of colors.entries()) assertPatch(color, `picture ${index}`)
      assert.deepInclude((yield* probed(path)).streams[0], {
        color_range: "tv",
        color_space: "bt709",
        color_primaries: "bt709",
        color_transfer: "bt709"
      })
      const programs = { ffmpeg: "ffmpeg", ffprobe: "ffprobe" }
      const read = yield* probe(programs, source, { film: "source", segment: null })
      const frame = join(path, "..", "frame.png")
      yield* lastFrame(
        programs,
        read,
        read,
        frame,
        Effect.sync(() => fs.existsSync(frame))
      )
      assertPatch((yield* colorsIn(frame))[0], "the frame")
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

// -----------------------------------------------------------------------------
// tracks and containers
// -----------------------------------------------------------------------------

/** Twelve numbered pictures, with more inputs and arguments. */
const odd = (name: string, ...more: ReadonlyArray<string>) =>
  shelved(name, (path) =>
    ffmpeg(...sh("-f lavfi -i testsrc2=s=160x90:r=24:d=0.5 -f lavfi -i sine=d=0.5"), ...more, path)
  )

/** A file's bytes with one text for another, of the same length. */
const patched = (from: string, name: string, ...changes: ReadonlyArray<readonly [string, string]>) =>
  shelved(name, (path) =>
    Effect.sync(() =>
      fs.writeFileSync(
        path,
        changes.reduce((text, [old, other]) => text.replaceAll(old, other), fs.readFileSync(from, "latin1")),
        "latin1"
      )
    )
  )

describe.skipIf(!hasFfmpeg)("the tracks of a joined film", () => {
  const cover = odd(
    "cover.mp4",
    ...sh("-f lavfi -i color=s=32x32:d=0.04 -map 2 -map 0 -map 1 -c:v:0 png -disposition:v:0 attached_pic")
  )
  const tracks = odd("tracks.mkv", ...sh("-f lavfi -i color=s=32x32:d=0.5 -map 0 -map 2 -map 1"))
  const six = odd("six.mkv", ...sh("-ac 6 -ar 8000 -c:a pcm_s16le"))
  const uneven = odd("odd.mkv", ...sh("-vf scale=101:77 -pix_fmt yuv444p"))
  const prores = odd("alpha.mov", ...sh("-vf format=yuva444p10le -c:v prores_ks -profile:v 4444 -c:a pcm_s16le"))
  const vp9 = odd("vp9.mp4", ...sh("-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 2M"))
  const av1 = odd("av1.mp4", ...sh("-c:v libsvtav1 -preset 12 -pix_fmt yuv420p"))
  const apng = odd("pictures.apng", ...sh("-map 0 -f apng"))
  const fields = odd("fields.mkv", ...sh("-vf setfield=tff -flags +ildct+ilme -c:v mpeg2video -q:v 2"))

  it.scopedLive.each([
    ["a cover beside them, and two tracks of pictures", cover, tracks],
    ["six channels at 8 kHz, and ProRes with alpha", six, prores],
    ["an odd size, and AV1", uneven, av1],
    ["an animated PNG, and VP9", apng, vp9],
    ["interlaced pictures", fields, fields]
  ] as const)("are its first pictures that are no cover, and one sound: %s", ([, source, more]) =>
    Effect.gen(function* () {
      const { path } = yield* joined(yield* source, yield* more)
      assert.deepStrictEqual(yield* picturesOf(path, 12), [...sequence(0, 12), ...sequence(1, 12)])
      assert.deepStrictEqual(
        (yield* probed(path)).streams.map(({ codec_type }) => codec_type),
        ["video", "audio"]
      )
    })
  )

  it.scopedLive("a sound without a decoder is left out, and the next one taken", () =>
    Effect.gen(function* () {
      const hidden = [
        ["mp4a", "apac"],
        ["esds", "zzzz"]
      ] as const
      const alone = yield* patched(yield* odd("sound.mp4", "-c:a", "aac"), "alone.mp4", ...hidden)
      const silent = yield* joined(alone, yield* segment)
      assert.strictEqual((yield* probed(silent.path)).streams.length, 1)
      const both = yield* odd("both.mov", ...sh("-map 0 -map 1 -map 1 -c:a:0 aac -c:a:1 pcm_s16le"))
      const second = yield* joined(yield* patched(both, "second.mov", ...hidden), yield* segment)
      assert.strictEqual((yield* probed(second.path)).streams.length, 2)
    })
  )

  it.scopedLive("what is transparent is black, in the file and in the frame", () =>
    Effect.gen(function* () {
      const source = yield* shelved("clear.mov", (path) =>
        ffmpeg(
          ...sh("-f lavfi -i color=c=red@0:s=64x64:r=24:d=0.25,format=yuva444p10le -c:v prores_ks -profile:v 4444"),
          path
        )
      )
      const { path } = yield* joined(source, yield* segment)
      assert.isBelow(Math.max(...((yield* colorsIn(path))[0] ?? [255])), 5)
    })
  )

  it.scopedLive("names of files mean nothing to FFmpeg", () =>
    Effect.gen(function* () {
      const at = join(yield* folder, "it's 100%d of %03d, -x: ü")
      fs.mkdirSync(at)
      const [one, other] = [join(at, "-i file:%02d.mp4"), join(at, "concat:a|b.mp4")]
      fs.copyFileSync(yield* plain, one)
      fs.copyFileSync(yield* segment, other)
      const { path } = yield* joined(one, other)
      const target = join(at, "-o 'longer' %04d.mp4")
      yield* Effect.gen(function* () {
        yield* joinVideos(yield* VideoFile.fromPath(one), yield* VideoFile.fromPath(other), target)
      }).pipe(Effect.provide([videos, NodeContext.layer]))
      assert.strictEqual(fs.statSync(target).size, fs.statSync(path).size)
    })
  )
})
