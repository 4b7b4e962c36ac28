/** Joined films by FFmpeg itself: frames, times, colours, tracks and containers. `Continue.test.ts` has what happens around it. */
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeContext } from "@effect/platform-node"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Film, probe } from "../src/continue/film.js"
import { join as joinFilms, lastFrame } from "../src/continue/graph.js"
import type { Seam } from "../src/continue/seam.js"
import { colorsOf, ffmpeg, flashesAndBeeps, folder, hasFfmpeg, picturesOf, playlist } from "./support/films.js"
import { parseTracks } from "./support/mp4.js"

// A start of FFmpeg costs a quarter of a second of CPU time. So films are made many at a time, each is probed once, and a test
// runs the two steps that it is about instead of all nine of `continueVideo`.

const programs = { ffmpeg: "ffmpeg", ffprobe: "ffprobe" }

const sh = (...words: ReadonlyArray<string>) => words.flatMap((word) => word.split(" "))

/** The directory of all films. */
const shelf = fs.mkdtempSync(join(tmpdir(), "films-"))
afterAll(() => fs.rmSync(shelf, { recursive: true, force: true }))

/** Makes films by one run of FFmpeg: common inputs, then the arguments of each output, by its name. */
const makeFilms = <Name extends string>(
  inputs: ReadonlyArray<string>,
  outputs: Readonly<Record<Name, ReadonlyArray<string>>>
) => {
  let made: Promise<void> | undefined
  const make = () =>
    Effect.runPromise(
      Effect.asVoid(
        ffmpeg(
          ...inputs,
          ...Object.entries<ReadonlyArray<string>>(outputs).flatMap(([name, args]) => [...args, join(shelf, name)])
        )
      )
    )
  return (name: Name) =>
    Effect.as(
      Effect.promise(() => (made ??= make())),
      join(shelf, name)
    )
}

const probed = new Map<string, Film>()

/** Reads what a film is, once. */
const filmOf = (path: string, film: "source" | "segment" = "source") =>
  Effect.suspend(() => {
    const known = probed.get(path)
    return known === undefined
      ? Effect.tap(probe(programs, path, { film, segment: null }), (made) => probed.set(path, made))
      : Effect.succeed(known)
  }).pipe(Effect.provide(NodeContext.layer))

const quick = sh("-c:v libx264 -preset ultrafast -crf 5 -pix_fmt yuv420p -c:a aac")

/** Joins films, and returns the path of the result with the length that it should have. */
const joinedAs = (seam: Seam | undefined, source: string, ...segments: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const path = join(yield* folder, "longer.mp4")
    const next = yield* Effect.forEach(segments, (segment) => filmOf(segment, "segment"))
    const seconds = yield* joinFilms(programs, [yield* filmOf(source), ...next], { encoding: quick, seam }, path, null)
    return { path, seconds, tracks: parseTracks(fs.readFileSync(path)) }
  }).pipe(Effect.provide(NodeContext.layer))

const joined = (source: string, ...segments: ReadonlyArray<string>) => joinedAs(undefined, source, ...segments)

/** Writes a film's last frame beside it. */
const frameOf = (path: string, size?: { readonly width: number; readonly height: number }) =>
  Effect.gen(function* () {
    const film = yield* filmOf(path)
    const frame = join(yield* folder, "frame.png")
    yield* lastFrame(
      programs,
      film,
      size ?? film,
      frame,
      Effect.sync(() => fs.existsSync(frame))
    )
    return frame
  }).pipe(Effect.provide(NodeContext.layer))

const sequence = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)

// -----------------------------------------------------------------------------
// frames
// -----------------------------------------------------------------------------

const h264 = sh("-c:v libx264 -preset ultrafast -pix_fmt yuv420p")

/** Frames of the common sequence, from one number to another, at a rate. */
const frames = (from: number, to: number, rate = 24, more = "") => [
  ...sh("-map 0 -vf"),
  `trim=start_frame=${from}:end_frame=${to},setpts=(N${more})/${rate}/TB`,
  ...sh("-r", String(rate)),
  ...h264
]

/** The same film, shown turned by a quarter: the matrix of its track's header (ISO/IEC 14496-12, `tkhd`). */
const turned = (film: Buffer): Buffer => {
  const copy = Buffer.from(film)
  const at = copy.indexOf("tkhd") + 4 + 40
  for (const [index, value] of [0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000].entries()) {
    copy.writeInt32BE(value, at + 4 * index)
  }
  return copy
}

/** A copy of a film with changed bytes. */
const changed = (path: string, name: string, change: (film: Buffer) => Buffer) =>
  Effect.sync(() => {
    const copy = join(shelf, name)
    fs.writeFileSync(copy, change(fs.readFileSync(path)))
    return copy
  })

/** Replaces texts by others of the same length. */
const patched = (path: string, name: string, ...changes: ReadonlyArray<readonly [string, string]>) =>
  changed(path, name, (film) =>
    Buffer.from(
      changes.reduce((text, [old, other]) => text.replaceAll(old, other), film.toString("latin1")),
      "latin1"
    )
  )

describe.skipIf(!hasFfmpeg)("the frames of a joined film", () => {
  const made = makeFilms(sh("-f lavfi -i testsrc2=s=160x90:r=24:d=1 -f lavfi -i sine=d=2"), {
    "source.mp4": frames(0, 12),
    "segment.mp4": frames(11, 23),
    "one.mp4": frames(11, 12),
    // The last frame is held for three seconds.
    "held.mp4": [...sh("-map 0 -vf"), "trim=end_frame=12,setpts=(N+72*eq(N\\,11))/24/TB", ...sh("-vsync vfr"), ...h264],
    "fast.mp4": frames(0, 12, 1000),
    "fast-segment.mkv": frames(11, 23, 30),
    "slow-segment.mkv": frames(11, 23, 15),
    "sounding.mkv": [...frames(0, 12), ...sh("-map 1")],
    "wide.mp4": [...frames(0, 12), ...sh("-aspect 32:9")],
    "large-segment.mp4": [
      ...sh("-map 0 -vf trim=start_frame=11:end_frame=23,setpts=N/24/TB,pad=160:160:-1:-1,scale=320:320"),
      ...h264
    ],
    "mpeg4.mp4": [...frames(0, 12), ...sh("-c:v mpeg4 -q:v 2")]
  })

  it.scopedLive.each([
    ["another codec, and a segment in another size with bars", "mpeg4.mp4", "large-segment.mp4"],
    ["a source with one frame", "one.mp4", "segment.mp4"]
  ] as const)("are those of the source and then of the segment, without its first: %s", ([, source, segment]) =>
    Effect.gen(function* () {
      const { path, seconds, tracks } = yield* joined(yield* made(source), yield* made(segment))
      const expected = sequence(source === "one.mp4" ? 11 : 0, 23)
      assert.deepStrictEqual(yield* picturesOf(path, 24), expected)
      assert.closeTo(seconds, expected.length / 24, 0.001)
      assert.deepStrictEqual(
        tracks.map(({ codec, height, width }) => [codec.slice(0, 4), width, height]),
        [["avc1", 160, 90]]
      )
    })
  )

  it.scopedLive("are kept if the source's last frame is held", () =>
    Effect.gen(function* () {
      const { path, seconds } = yield* joined(yield* made("held.mp4"), yield* made("segment.mp4"))
      const seen = yield* picturesOf(path, 24)
      assert.deepStrictEqual([...new Set(seen)], sequence(0, 23))
      assert.deepStrictEqual(seen.slice(-12), sequence(11, 23))
      assert.strictEqual(seen.length, 12 + 72 + 11)
      assert.closeTo(seconds, seen.length / 24, 0.01)
    })
  )

  it.scopedLive.each([
    ["15, then 30, after 24", "source.mp4", ["slow-segment.mkv", "fast-segment.mkv"], 30],
    ["24 after 1000 in a second", "fast.mp4", ["segment.mp4"], 120]
  ] as const)(
    "have the highest rate of all, at most 120, and none of a segment is lost: %s",
    ([, source, segments, rate]) =>
      Effect.gen(function* () {
        const { path, tracks } = yield* joined(yield* made(source), ...(yield* Effect.forEach(segments, made)))
        const seen = yield* picturesOf(path, 24)
        assert.closeTo((tracks[0]?.samples ?? 0) / (tracks[0]?.seconds ?? 1), rate, 0.01)
        assert.deepStrictEqual(
          seen.filter((picture, index) => picture > 11 && picture !== seen[index - 1]),
          segments.flatMap(() => sequence(12, 23))
        )
      })
  )

  it.scopedLive("fade into the segment's for as long as the seam says, and so does the sound", () =>
    Effect.gen(function* () {
      const { path, seconds, tracks } = yield* joinedAs(
        { crossfade: "167 millis" },
        yield* made("sounding.mkv"),
        yield* made("segment.mp4")
      )
      const seen = yield* picturesOf(path, 24)
      assert.strictEqual(seen.length, 12 + 11 - 4)
      assert.deepStrictEqual([...seen.slice(0, 8), ...seen.slice(12)], [...sequence(0, 8), ...sequence(16, 23)])
      assert.strictEqual(tracks.length, 2)
      for (const track of tracks) assert.closeTo(track.seconds, seconds, 0.05)
    })
  )

  it.scopedLive("are followed by the segment at once, even if the source's sound is longer", () =>
    Effect.gen(function* () {
      const source = yield* made("sounding.mkv")
      const { path, tracks } = yield* joined(source, yield* made("segment.mp4"))
      assert.deepStrictEqual(yield* picturesOf(path, 24), sequence(0, 23))
      assert.deepStrictEqual(
        tracks.map(({ codec }) => codec.slice(0, 4)),
        ["avc1", "mp4a"]
      )
      for (const { seconds } of tracks) assert.closeTo(seconds, 23 / 24, 0.05)
      assert.deepStrictEqual(yield* picturesOf(yield* frameOf(source), 24), [11])
    })
  )

  it.scopedLive.each([
    ["turned by a quarter", "source.mp4", { width: 90, height: 160 }, turned],
    ["with pixels that are not square", "wide.mp4", { width: 320, height: 90 }, (film: Buffer) => film]
  ] as const)("have the size in which players show the source: %s", ([what, name, size, change]) =>
    Effect.gen(function* () {
      const source = yield* changed(yield* made(name), `${what}.mp4`, change)
      const { tracks } = yield* joined(source, yield* made("segment.mp4"))
      assert.deepInclude(tracks[0], size)
    })
  )

  it.scopedLive("include the source's last frame, which fits into a size that the server makes", () =>
    Effect.gen(function* () {
      const frame = fs.readFileSync(yield* frameOf(yield* made("source.mp4"), { width: 160, height: 160 }))
      // The header of a PNG has its size.
      assert.deepStrictEqual([frame.readUInt32BE(16), frame.readUInt32BE(20)], [160, 160])
    })
  )

  it.scopedLive("are found whatever the names of the files are", () =>
    Effect.gen(function* () {
      const at = join(yield* folder, "it's 100%d of %03d, -x: ü")
      fs.mkdirSync(at)
      const [source, segment] = [join(at, "-i file:%02d.mp4"), join(at, "concat:a|b.mp4")]
      fs.copyFileSync(yield* made("source.mp4"), source)
      fs.copyFileSync(yield* made("segment.mp4"), segment)
      const films = [yield* filmOf(source), yield* filmOf(segment)] as const
      const target = join(at, "-o 'longer' %04d.mp4")
      yield* Effect.provide(joinFilms(programs, films, { encoding: quick }, target, null), NodeContext.layer)
      assert.strictEqual(parseTracks(fs.readFileSync(target))[0]?.samples, 23)
    })
  )

  it.scopedLive("come from the film's own file: a playlist in its place opens no other file", () =>
    Effect.gen(function* () {
      const list = yield* playlist(yield* made("source.mp4"), join(shelf, "list.mp4"))
      // FFmpeg alone follows it.
      yield* ffmpeg("-i", list, "-f", "null", "-")
      assert.deepInclude(yield* Effect.flip(filmOf(list)), { _tag: "MediaError", step: "probe", film: "source" })
    })
  )
})

describe.skipIf(!hasFfmpeg)("films that cannot be joined", () => {
  const made = makeFilms(sh("-f lavfi -i testsrc2=s=64x64:r=24:d=1 -f lavfi -i sine=d=1"), {
    "one picture and a sound": [...sh("-map 0 -map 1 -frames:v 1 -f mp4"), ...h264],
    "a sound alone": sh("-map 1 -f mp4"),
    "pictures that last no time": [
      ...sh("-map 0 -vf settb=1/90000,setpts=N -video_track_timescale 90000 -vsync passthrough -enc_time_base 1:90000"),
      ...h264,
      ...sh("-f mp4")
    ],
    "a picture for hours": [...sh("-map 0 -vf setpts=N*2000/TB -vsync vfr -frames:v 3"), ...h264, ...sh("-f mp4")]
  })

  it.scopedLive.each([
    ["one picture and a sound", "it has one picture"],
    ["a sound alone", "there are no pictures in it"],
    ["pictures that last no time", "timestamps are broken"],
    ["a picture for hours", "which is a broken timestamp"]
  ] as const)("are named: a segment that has %s", ([name, why]) =>
    Effect.gen(function* () {
      const path = yield* made(name)
      const error = yield* Effect.flip(
        Effect.flatMap(filmOf(path, "segment"), (film) =>
          Effect.provide(
            joinFilms(programs, [film, film], { encoding: quick }, join(shelf, "none.mp4"), null),
            NodeContext.layer
          )
        )
      )
      assert.deepInclude(error, { _tag: "MediaError", film: "segment" })
      assert.include(error.message, why)
    })
  )

  it.scopedLive("are named: a source of which the second half is missing", () =>
    Effect.gen(function* () {
      const half = yield* changed(yield* made("one picture and a sound"), "half.mp4", (film) =>
        film.subarray(0, film.byteLength / 2)
      )
      const error = yield* Effect.flip(filmOf(half))
      assert.deepInclude(error, { _tag: "MediaError", step: "probe", film: "source" })
      assert.match(error.message, /moov/)
    })
  )
})

// -----------------------------------------------------------------------------
// times
// -----------------------------------------------------------------------------

describe.skipIf(!hasFfmpeg)("the times of a joined film", () => {
  /** Black, and white from one second on; a tone that begins with the white. */
  const plain = makeFilms(
    [
      ...sh("-f lavfi -i color=c=black:s=64x64:r=24:d=1 -f lavfi -i color=c=white:s=64x64:r=24:d=1 -f lavfi -i"),
      "aevalsrc='gte(t,1)*sin(6283*t)/2':d=2:s=48000",
      ...sh("-filter_complex [0][1]concat[v]")
    ],
    { "flash.mp4": sh("-map [v] -c:v libx264 -pix_fmt yuv420p"), "tone.wav": sh("-map 2") }
  )
  const [picture, tone] = [join(shelf, "flash.mp4"), join(shelf, "tone.wav")]
  /** Inputs 0 to 4: the picture, the tone, the tone 0.5 s later, the picture 0.5 s later, and the tone 0.25 s later. */
  const made = makeFilms(
    [
      ...["-i", picture, "-i", tone, "-itsoffset", "0.5", "-i", tone],
      ...["-itsoffset", "0.5", "-i", picture, "-itsoffset", "0.25", "-i", tone]
    ],
    {
      "late.mp4": sh("-map 0 -map 2 -c:v copy"),
      "early.mp4": sh("-map 3 -map 1 -c:v copy"),
      // A recording has no duration.
      "live.webm": sh("-map 0 -map 2 -c:v libvpx -deadline realtime -c:a libopus -live 1"),
      "five.mkv": sh("-map 0 -map 1 -c:v copy -output_ts_offset 5"),
      "stream.ts": sh("-map 0 -map 4 -c:v copy"),
      "fragments.mp4": sh("-map 0 -map 1 -c:v copy -use_editlist 0 -movflags frag_keyframe+empty_moov"),
      "old.avi": sh("-map 0 -map 1 -c:v mpeg4 -bf 0 -c:a pcm_s16le"),
      "new.mov": sh("-map 0 -map 1 -c:v libx265 -preset ultrafast -x265-params log-level=none -timecode 01:00:00:00")
    }
  )

  /** The films, and how much later the tone begins than the white. */
  type Late = readonly [name: Parameters<typeof made>[0], seconds: number]

  const others: ReadonlyArray<Late> = [
    ["live.webm", 0.5],
    ["five.mkv", 0],
    ["stream.ts", 0.25],
    ["fragments.mp4", 0],
    ["old.avi", 0],
    ["new.mov", 0]
  ]

  it.scopedLive.each([
    ["late sound first, then late pictures, then six containers", ["late.mp4", 0.5], ["early.mp4", -0.5], ...others],
    ["late pictures first", ["early.mp4", -0.5], ["late.mp4", 0.5]],
    ["a QuickTime with a time code and B-frames first", ["new.mov", 0], ["stream.ts", 0.25]]
  ] satisfies ReadonlyArray<[string, Late, ...ReadonlyArray<Late>]>)(
    "keep the distance of sound and pictures: %s",
    ([, source, ...segments]) =>
      Effect.gen(function* () {
        yield* plain("flash.mp4")
        const all = [source, ...segments]
        const rest = yield* Effect.forEach(segments, ([name]) => made(name))
        const { path, tracks } = yield* joined(yield* made(source[0]), ...rest)
        const { beeps, flashes } = yield* flashesAndBeeps(path, 24)
        assert.deepStrictEqual([flashes.length, beeps.length], [all.length, all.length])
        let end = 0
        for (const [index, [name, late]] of all.entries()) {
          // A film begins with its first picture, or with a sound that begins well before.
          const lead = Math.max(0, -late) - (index === 0 ? 0 : 1 / 24)
          assert.closeTo(flashes[index] ?? 0, end + 1 + lead, 0.001, name)
          assert.closeTo((beeps[index] ?? 0) - (flashes[index] ?? 0), late, 0.025, name)
          end += 2 + lead
        }
        assert.strictEqual(tracks.length, 2)
        for (const { seconds } of tracks) assert.closeTo(seconds, end, 0.03)
      })
  )
})

// -----------------------------------------------------------------------------
// colours
// -----------------------------------------------------------------------------

describe.skipIf(!hasFfmpeg)("the colours of a joined film", () => {
  const patch = [200, 60, 60]

  const assertPatch = (color: ReadonlyArray<number> | undefined, message: string) => {
    const far = patch.map((value, index) => Math.abs(value - (color?.[index] ?? 0)))
    assert.isBelow(Math.max(...far), 5, `${message}: ${color}`)
  }

  const lossless = sh("-c:v libx264 -preset ultrafast -crf 5")
  const tags = (matrix: string, primaries = matrix, transfer = matrix, range = "tv") =>
    sh(`-colorspace ${matrix} -color_primaries ${primaries} -color_trc ${transfer} -color_range ${range}`)
  const scaled = (options: string, input = 0) => sh(`-map ${input} -vf scale=${options}`)
  const high = (transfer: string) => [
    ...sh("-map 0 -vf"),
    // The size is odd, too.
    `zscale=min=gbr:pin=bt709:tin=bt709:p=bt2020:t=${transfer}:m=bt2020nc:r=tv:npl=100,format=yuv420p10le,crop=63:61:exact=1`,
    ...sh("-c:v ffv1"),
    ...tags("bt2020nc", "bt2020", transfer)
  ]

  const color = (size: string, rgb = "C83C3C") =>
    sh("-f lavfi -i", `color=c=0x${rgb}:s=${size}:r=24:d=0.125,format=gbrp`)

  /** Films of one colour, in all the ways to encode it. */
  const made = makeFilms([...color("64x64"), ...color("1280x720"), ...color("64x64", "8C5046")], {
    "another colour.mp4": [
      ...scaled("out_color_matrix=bt709:out_range=tv,format=yuv420p", 2),
      ...lossless,
      ...tags("bt709")
    ],
    "BT.709.mp4": [...scaled("out_color_matrix=bt709:out_range=tv,format=yuv420p"), ...lossless, ...tags("bt709")],
    "BT.601.mp4": [...scaled("out_color_matrix=bt601:out_range=tv,format=yuv420p"), ...lossless, ...tags("smpte170m")],
    "PAL.mkv": [
      ...scaled("out_color_matrix=bt601:out_range=tv,format=yuv420p"),
      ...lossless,
      ...tags("bt470bg", "bt470bg", "gamma28")
    ],
    "small and untagged.mp4": [...scaled("out_color_matrix=bt601:out_range=tv,format=yuv420p"), ...lossless],
    "large and untagged.mp4": [...scaled("out_color_matrix=bt709:out_range=tv,format=yuv420p", 1), ...lossless],
    "full range.mp4": [
      ...scaled("out_color_matrix=bt709:out_range=pc,format=yuvj420p"),
      ...lossless,
      ...tags("bt709", "bt709", "bt709", "pc")
    ],
    "MJPEG.mov": sh("-map 0 -c:v mjpeg -q:v 1 -pix_fmt yuvj444p"),
    "10 bits.mp4": [
      ...scaled("out_color_matrix=bt709:out_range=tv,format=yuv420p10le"),
      ...sh("-c:v libx265 -preset ultrafast -crf 5 -x265-params log-level=none"),
      ...tags("bt709")
    ],
    "RGB.mkv": sh("-map 0 -c:v libx264rgb -preset ultrafast -pix_fmt rgb24 -crf 1"),
    "GIF.gif": sh("-map 0"),
    "BT.2020.mkv": [
      ...sh("-map 0 -vf zscale=min=gbr:pin=bt709:tin=bt709:p=bt2020:t=bt709:m=bt2020nc:r=tv,format=yuv420p10le"),
      ...lossless,
      ...tags("bt2020nc", "bt2020", "bt2020-10")
    ],
    "HLG.mkv": high("arib-std-b67"),
    "PQ.mkv": high("smpte2084")
  })

  const sources = ["full range.mp4", "PAL.mkv", "MJPEG.mov", "GIF.gif", "HLG.mkv", "PQ.mkv"] as const
  const segmentsOnly = [
    "BT.601.mp4",
    "small and untagged.mp4",
    "large and untagged.mp4",
    "10 bits.mp4",
    "RGB.mkv",
    "BT.2020.mkv"
  ] as const

  it.scopedLive("are the same in every film, whatever it is encoded in, and at every joint", () =>
    Effect.gen(function* () {
      const [source, ...segments] = yield* Effect.all([
        made("BT.709.mp4"),
        ...([...sources, ...segmentsOnly] as const).map((name) => made(name))
      ])
      const { path, tracks } = yield* joined(source, ...segments)
      const [colors = []] = yield* colorsOf(path)
      assert.isAbove(colors.length, 2 * segments.length)
      for (const [index, color] of colors.entries()) assertPatch(color, `picture ${index}`)
      // The matrix, primaries and transfer of BT.709 in a `colr` box are all 1, and its range is limited.
      assert.deepStrictEqual(tracks[0]?.color, [1, 1, 1, false])
    })
  )

  it.scopedLive("are the same in the frame that is sent", () =>
    Effect.gen(function* () {
      const frames = yield* Effect.forEach(sources, (name) => Effect.flatMap(made(name), (path) => frameOf(path)))
      const seen = yield* colorsOf(...frames)
      for (const [index, [color]] of seen.entries()) assertPatch(color, sources[index] ?? "")
    })
  )

  it.scopedLive("are the source's in the segment too if the seam matches them", () =>
    Effect.gen(function* () {
      const { path } = yield* joinedAs(
        { matchColour: true },
        yield* made("BT.709.mp4"),
        yield* made("another colour.mp4")
      )
      const [colors = []] = yield* colorsOf(path)
      assert.strictEqual(colors.length, 5)
      for (const [index, color] of colors.entries()) assertPatch(color, `picture ${index}`)
    })
  )
})

// -----------------------------------------------------------------------------
// tracks and containers
// -----------------------------------------------------------------------------

describe.skipIf(!hasFfmpeg)("the tracks of a joined film", () => {
  const made = makeFilms(
    sh(
      "-f lavfi -i testsrc2=s=160x90:r=24:d=0.5 -f lavfi -i sine=d=0.5 -f lavfi -i color=s=32x32:d=0.5 -f lavfi -i",
      "color=c=red@0:s=64x64:r=24:d=0.25,format=yuva444p10le -f lavfi -i color=s=32x32:d=0.04"
    ),
    {
      "cover.mp4": sh("-map 4 -map 0 -map 1 -c:v:0 png -disposition:v:0 attached_pic"),
      "tracks.mkv": sh("-map 0 -map 2 -map 1"),
      "six.mkv": sh("-map 0 -map 1 -ac 6 -ar 8000 -c:a pcm_s16le"),
      "odd.mkv": sh("-map 0 -vf scale=101:77 -pix_fmt yuv444p"),
      "alpha.mov": sh("-map 0 -map 1 -vf format=yuva444p10le -c:v prores_ks -profile:v 4444 -c:a pcm_s16le"),
      "vp9.mp4": sh("-map 0 -map 1 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 2M"),
      "av1.mp4": sh("-map 0 -map 1 -c:v libsvtav1 -preset 12 -pix_fmt yuv420p"),
      "pictures.apng": sh("-map 0 -f apng"),
      "fields.mkv": sh("-map 0 -map 1 -vf setfield=tff -flags +ildct+ilme -c:v mpeg2video -q:v 2"),
      "sound.mp4": [...sh("-map 0 -map 1 -c:a aac"), ...h264],
      "both.mov": [...sh("-map 0 -map 1 -map 1 -c:a:0 aac -c:a:1 pcm_s16le"), ...h264],
      "clear.mov": sh("-map 3 -c:v prores_ks -profile:v 4444")
    }
  )

  it.scopedLive("are the first pictures that are not a cover, and one sound", () =>
    Effect.gen(function* () {
      const segments = [
        "pictures.apng",
        "vp9.mp4",
        "av1.mp4",
        "cover.mp4",
        "tracks.mkv",
        // Six channels at 8 kHz.
        "six.mkv",
        "alpha.mov",
        // Interlaced pictures.
        "fields.mkv"
      ] as const
      // Its size is odd, and it has no sound.
      const source = yield* made("odd.mkv")
      const { path, tracks } = yield* joined(source, ...(yield* Effect.forEach(segments, made)))
      const expected = [...sequence(0, 12), ...segments.flatMap(() => sequence(1, 12))]
      assert.deepStrictEqual(yield* picturesOf(path, 12), expected)
      assert.deepStrictEqual(
        tracks.map(({ type }) => type),
        ["video", "audio"]
      )
    })
  )

  it.scopedLive("omit a sound without a decoder, and the next sound is used", () =>
    Effect.gen(function* () {
      const hidden = [
        ["mp4a", "apac"],
        ["esds", "zzzz"]
      ] as const
      const alone = yield* patched(yield* made("sound.mp4"), "alone.mp4", ...hidden)
      assert.strictEqual((yield* filmOf(alone)).sound, null)
      const second = yield* patched(yield* made("both.mov"), "second.mov", ...hidden)
      assert.strictEqual((yield* filmOf(second)).sound, 2)
    })
  )

  it.scopedLive("show transparent pictures on black", () =>
    Effect.gen(function* () {
      const clear = yield* made("clear.mov")
      const { path } = yield* joined(clear, clear)
      const [colors = []] = yield* colorsOf(path)
      assert.isBelow(Math.max(...(colors[0] ?? [255])), 5)
    })
  )
})
