/** Joined films by FFmpeg itself: frames, times, colours, tracks and containers. `Continue.test.ts` has what happens around it. */
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeContext } from "@effect/platform-node"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Film, probe } from "../src/continue/film.js"
import { type Joining, join as joinFilms, lastFrame, lastWindow, type Size } from "../src/continue/graph.js"
import { colorsOf, drawing, ffmpeg, flashesAndBeeps, hasFfmpeg, picturesOf, playlist } from "./support/films.js"
import { parseTracks } from "./support/mp4.js"

// A start of FFmpeg costs a quarter of a second of CPU time. So films are made, and joined films are read, many at a time; a film is
// probed once; and one joined film shows what several tests assert.

const programs = { ffmpeg: "ffmpeg", ffprobe: "ffprobe" }

const sh = (...words: ReadonlyArray<string>) => words.flatMap((word) => word.split(" "))

const root = fs.mkdtempSync(join(tmpdir(), "films-"))
afterAll(() => fs.rmSync(root, { recursive: true, force: true }))

/** The directory of all films: every path has what FFmpeg could take for an option, a pattern, a protocol or a filter. */
const shelf = join(root, "it's 100%d of %03d, -x: ü")
fs.mkdirSync(shelf)

/** Runs an effect once, for all tests that need its result. */
const once = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> => Effect.runSync(Effect.cached(effect))

/** Makes films by one run of FFmpeg: common inputs, then the arguments of each output, by its name. */
const makeFilms = <Name extends string>(
  inputs: ReadonlyArray<string>,
  outputs: Readonly<Record<Name, ReadonlyArray<string>>>
) => {
  const named = Object.entries<ReadonlyArray<string>>(outputs)
  const made = once(ffmpeg(...inputs, ...named.flatMap(([name, args]) => [...args, join(shelf, name)])))
  return (name: Name) => Effect.as(made, join(shelf, name))
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

let results = 0

/** Joins films, and returns the path of the result with the length that it should have. */
const joined = (
  [source, ...segments]: readonly [source: Effect.Effect<string>, ...segments: ReadonlyArray<Effect.Effect<string>>],
  { seam, window }: Partial<Joining> = {}
) =>
  Effect.gen(function* () {
    const path = join(shelf, `-o 'longer' %04d ${results++}.mp4`)
    const first = yield* Effect.flatMap(source, (path) => filmOf(path))
    const next = yield* Effect.forEach(
      segments,
      Effect.flatMap((path) => filmOf(path, "segment"))
    )
    const seconds = yield* joinFilms(programs, [first, ...next], { encoding: quick, seam, window }, path, null)
    return { path, seconds, tracks: parseTracks(fs.readFileSync(path)) }
  }).pipe(Effect.provide(NodeContext.layer))

/** Writes a film's last frame. */
const frameOf = (path: string, size?: Size) =>
  Effect.gen(function* () {
    const film = yield* filmOf(path)
    const frame = join(shelf, `${results++} frame.png`)
    yield* lastFrame(
      programs,
      film,
      size ?? film,
      frame,
      Effect.sync(() => fs.existsSync(frame))
    )
    return frame
  }).pipe(Effect.provide(NodeContext.layer))

/** Writes a film's last seconds. */
const windowOf = (path: string, seconds: number) =>
  Effect.gen(function* () {
    const film = yield* filmOf(path)
    const window = join(shelf, `${results++} window.mp4`)
    yield* lastWindow(programs, film, seconds, film, window)
    return window
  }).pipe(Effect.provide(NodeContext.layer))

const sequence = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)

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

// -----------------------------------------------------------------------------
// frames and tracks
// -----------------------------------------------------------------------------

const h264 = sh("-c:v libx264 -preset ultrafast -pix_fmt yuv420p")

/** Frames of the pattern, from one number to another, at a rate. */
const frames = (from: number, to: number, rate = 24, more = "") => [
  ...sh("-map 0 -vf"),
  `trim=start_frame=${from}:end_frame=${to},setpts=N/${rate}/TB${more}`,
  ...sh("-r", String(rate)),
  ...h264
]

describe.skipIf(!hasFfmpeg)("a joined film", () => {
  /** Films of one pattern, whose pictures are numbered, in many ways to encode them. */
  const made = makeFilms(
    sh(
      "-f lavfi -i testsrc2=s=160x90:r=24:d=1 -f lavfi -i sine=d=2 -f lavfi -i color=s=32x32:d=0.5",
      "-f lavfi -i color=s=32x32:d=0.04"
    ),
    {
      drawing: ["-map", "0", ...drawing],
      "source.mp4": frames(0, 12),
      "concat:a|b.mp4": frames(11, 23),
      // Begins with the last quarter of a second of the source.
      "repeating.mp4": frames(6, 18),
      // One picture, and a sound of two seconds.
      "one.mkv": [...frames(11, 12), ...sh("-map 1")],
      // The last frame but one is held for a second.
      "held.mp4": [
        ...sh("-map 0 -vf"),
        "trim=end_frame=12,setpts=(N+24*eq(N\\,11))/24/TB",
        ...sh("-vsync vfr"),
        ...h264
      ],
      "fast.mp4": frames(0, 12, 1000),
      "slow.mkv": frames(11, 23, 15),
      // At another rate, in another size, and with bars.
      "large.mp4": frames(11, 23, 30, ",pad=160:160:-1:-1,scale=320:320"),
      "sounding.mkv": [...frames(0, 12), ...sh("-map 1")],
      "-i mpeg4:%02d.mp4": [...frames(0, 12), ...sh("-c:v mpeg4 -q:v 2")],
      "cover.mp4": sh(
        "-map 3 -map 0 -map 1 -t 0.5 -c:v:0 png -disposition:v:0 attached_pic",
        "-c:v:1 libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 2M"
      ),
      // Interlaced pictures, more pictures, and six channels at 8 kHz.
      "tracks.mkv": sh(
        "-map 0 -map 2 -map 1 -t 0.5 -vf setfield=tff -flags +ildct+ilme -c:v mpeg2video -q:v 2",
        "-ac 6 -ar 8000 -c:a pcm_s16le"
      ),
      "odd.mkv": sh("-map 0 -t 0.5 -vf scale=101:77 -pix_fmt yuv444p"),
      "av1.mp4": sh("-map 0 -map 1 -t 0.5 -c:v libsvtav1 -preset 12 -pix_fmt yuv420p"),
      "pictures.apng": sh("-map 0 -t 0.5 -f apng"),
      "both.mov": [...sh("-map 0 -map 1 -map 1 -t 0.5 -c:a:0 aac -c:a:1 pcm_s16le"), ...h264]
    }
  )

  const tracksOf = ["pictures.apng", "av1.mp4", "cover.mp4", "tracks.mkv"] as const

  /** All of them, with the numbers of their pictures. */
  const films = once(
    Effect.gen(function* () {
      const next = made("concat:a|b.mp4")
      const joins = yield* Effect.all({
        rates: joined([made("-i mpeg4:%02d.mp4"), made("slow.mkv"), made("large.mp4")]),
        one: joined([made("one.mkv"), next]),
        held: joined([made("held.mp4"), next, made("fast.mp4")]),
        faded: joined([made("sounding.mkv"), next, next], {
          seam: { crossfade: "167 millis" }
        }),
        repeated: joined([made("source.mp4"), made("repeating.mp4")], { window: 0.25 }),
        // The size of the source is odd, and it has no sound.
        tracks: joined([made("odd.mkv"), ...tracksOf.map(made)])
      })
      const frame = yield* Effect.flatMap(made("sounding.mkv"), (path) => frameOf(path))
      const window = yield* windowOf(yield* made("source.mp4"), 0.25)
      const all = Object.values(joins).map(({ path }) => path)
      const [rates = [], one = [], held = [], faded = [], repeated = [], tracks = [], last = [], sent = []] =
        yield* Effect.scoped(picturesOf(yield* made("drawing"), ...all, frame, window))
      return { ...joins, pictures: { rates, one, held, faded, repeated, tracks, last, sent } }
    })
  )

  const typesOf = (tracks: ReturnType<typeof parseTracks>) => tracks.map(({ codec }) => codec.slice(0, 4))

  it.live(
    "has the highest rate of all, and no frame is lost, in the source's size, whatever the names of the files",
    () =>
      Effect.gen(function* () {
        const { pictures, rates } = yield* films
        const seen = pictures.rates.filter((picture, index) => picture !== pictures.rates[index - 1])
        assert.deepStrictEqual(seen, [...sequence(0, 12), ...sequence(12, 23), ...sequence(12, 23)])
        assert.closeTo(rates.seconds, 12 / 24 + 11 / 15 + 11 / 30, 0.05)
        const [track] = rates.tracks
        assert.closeTo((track?.samples ?? 0) / (track?.seconds ?? 1), 30, 0.01)
        assert.deepInclude(track, { width: 160, height: 90 })
        assert.deepStrictEqual(typesOf(rates.tracks), ["avc1"])
      })
  )

  it.live("goes on with the segment's second frame at once, even if the source has one, and a longer sound", () =>
    Effect.gen(function* () {
      const { one, pictures } = yield* films
      assert.deepStrictEqual(pictures.one, sequence(11, 23))
      assert.closeTo(one.seconds, 12 / 24, 0.001)
      assert.deepStrictEqual(typesOf(one.tracks), ["avc1", "mp4a"])
      for (const { seconds } of one.tracks) assert.closeTo(seconds, one.seconds, 0.05)
    })
  )

  it.live("shows each frame as long as its film does, at no more than 120 frames per second", () =>
    Effect.gen(function* () {
      const { held, pictures } = yield* films
      const [track] = held.tracks
      assert.closeTo((track?.samples ?? 0) / (track?.seconds ?? 1), 120, 0.01)
      const times = (count: number, picture: number) => Array.from({ length: count }, () => picture)
      assert.deepStrictEqual(pictures.held, [
        ...sequence(0, 10).flatMap((picture) => times(5, picture)),
        ...times(5 * 25, 10),
        ...sequence(11, 23).flatMap((picture) => times(5, picture))
      ])
      // The pictures of the last film take 10 ms.
      assert.closeTo(held.seconds, pictures.held.length / 120, 0.02)
    })
  )

  it.live("fades into each segment for as long as the seam says, and so does the sound", () =>
    Effect.gen(function* () {
      const { faded, pictures } = yield* films
      const seen = pictures.faded
      assert.strictEqual(seen.length, 12 + 2 * (11 - 4))
      assert.deepStrictEqual(
        [seen.slice(0, 8), seen.slice(12, 15), seen.slice(19)],
        [sequence(0, 8), sequence(16, 19), sequence(16, 23)]
      )
      assert.strictEqual(faded.tracks.length, 2)
      for (const track of faded.tracks) assert.closeTo(track.seconds, faded.seconds, 0.05)
    })
  )

  it.live("has once what the segment repeats of the clip that it was made from: the source's last pictures", () =>
    Effect.gen(function* () {
      const { pictures } = yield* films
      assert.deepStrictEqual([pictures.sent, pictures.repeated], [sequence(6, 12), sequence(0, 18)])
    })
  )

  it.live("has the first pictures of each that are not a cover, and one sound", () =>
    Effect.gen(function* () {
      const { pictures, tracks } = yield* films
      assert.deepStrictEqual(pictures.tracks, [...sequence(0, 12), ...tracksOf.flatMap(() => sequence(1, 12))])
      assert.deepStrictEqual(
        tracks.tracks.map(({ type }) => type),
        ["video", "audio"]
      )
    })
  )

  it.live("omits a sound without a decoder, and uses the next one", () =>
    Effect.gen(function* () {
      const hidden = [
        ["mp4a", "apac"],
        ["esds", "zzzz"]
      ] as const
      const second = yield* patched(yield* made("both.mov"), "second.mov", ...hidden)
      assert.strictEqual((yield* filmOf(second)).sound, 2)
    })
  )

  it.live("is made from the source's last frame, even if its sound is longer", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* films).pictures.last, [11])
    })
  )

  it.live("comes from the films' own files: a playlist in the place of one opens no other file", () =>
    Effect.gen(function* () {
      const list = yield* playlist(yield* made("source.mp4"), join(shelf, "list.mp4"))
      // FFmpeg alone follows it.
      yield* ffmpeg("-i", list, "-f", "null", "-")
      assert.deepInclude(yield* Effect.flip(filmOf(list)), { _tag: "MediaError", step: "probe", film: "source" })
    })
  )
})

// -----------------------------------------------------------------------------
// times
// -----------------------------------------------------------------------------

describe.skipIf(!hasFfmpeg)("the times of a joined film", () => {
  /** Black, and white from one second on. */
  const picture = sh("-f lavfi -i color=c=black:s=64x64:r=24:d=1[a];color=c=white:s=64x64:r=24:d=1[b];[a][b]concat")
  /** A tone that begins with the white. */
  const tone = ["-f", "lavfi", "-i", "aevalsrc='gte(t,1)*sin(6283*t)/2':d=2:s=48000"]
  const late = (seconds: number, input: ReadonlyArray<string>) => ["-itsoffset", String(seconds), ...input]
  const reordered = sh("-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p")

  const made = makeFilms([...picture, ...tone, ...late(0.5, tone), ...late(0.5, picture), ...late(0.25, tone)], {
    "late.mp4": [...sh("-map 0 -map 2"), ...reordered],
    "early.mov": sh(
      "-map 3 -map 1 -c:v libx265 -preset ultrafast -x265-params log-level=none:pools=none -timecode 01:00:00:00"
    ),
    // A recording has no duration.
    "live.webm": sh("-map 0 -map 2 -c:v libvpx -deadline realtime -c:a libopus -live 1"),
    "five.mkv": [...sh("-map 0 -map 1"), ...reordered, ...sh("-output_ts_offset 5")],
    "stream.ts": [...sh("-map 0 -map 4"), ...reordered],
    "fragments.mp4": [
      ...sh("-map 0 -map 1"),
      ...reordered,
      ...sh("-use_editlist 0 -movflags frag_keyframe+empty_moov")
    ],
    "old.avi": sh("-map 0 -map 1 -c:v mpeg4 -bf 0 -c:a pcm_s16le")
  })

  /** The films of both joins, and how much later the tone begins than the white. */
  type Late = readonly [name: Parameters<typeof made>[0], seconds: number]
  const lateFirst = [
    ["late.mp4", 0.5],
    ["early.mov", -0.5],
    ["live.webm", 0.5],
    ["five.mkv", 0],
    ["stream.ts", 0.25],
    ["fragments.mp4", 0],
    ["old.avi", 0]
  ] as const satisfies ReadonlyArray<Late>
  const earlyFirst = [
    ["early.mov", -0.5],
    ["late.mp4", 0.5]
  ] as const satisfies ReadonlyArray<Late>

  const films = once(
    Effect.gen(function* () {
      const join = ([[source], ...segments]: readonly [Late, ...ReadonlyArray<Late>]) =>
        joined([made(source), ...segments.map(([name]) => made(name))])
      const [one, other] = yield* Effect.all([join(lateFirst), join(earlyFirst)])
      const [seen, otherSeen] = yield* Effect.scoped(flashesAndBeeps(24, one.path, other.path))
      return { lateFirst: { ...one, ...seen }, earlyFirst: { ...other, ...otherSeen } }
    })
  )

  it.live.each([
    ["late sound first, then late pictures, then five containers", "lateFirst", lateFirst],
    ["late pictures first, in a QuickTime with a time code and B-frames", "earlyFirst", earlyFirst]
  ] as const)("keep the distance of sound and pictures: %s", ([, join, all]) =>
    Effect.gen(function* () {
      const { beeps = [], flashes = [], tracks } = (yield* films)[join]
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

/** The same film, shown turned by a quarter: the matrix of its track's header (ISO/IEC 14496-12, `tkhd`). */
const turned = (film: Buffer): Buffer => {
  const copy = Buffer.from(film)
  const at = copy.indexOf("tkhd") + 4 + 40
  for (const [index, value] of [0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000].entries()) {
    copy.writeInt32BE(value, at + 4 * index)
  }
  return copy
}

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

  const clear = sh("-f lavfi -i color=c=red@0:s=64x64:r=24:d=0.125,format=yuva444p10le")

  /** Films of one colour, in all the ways to encode it. */
  const made = makeFilms([...color("64x64"), ...color("1280x720"), ...color("64x64", "8C5046"), ...clear], {
    "another colour.mp4": [
      ...scaled("out_color_matrix=bt709:out_range=tv,format=yuv420p", 2),
      ...lossless,
      ...tags("bt709")
    ],
    "BT.709.mp4": [
      ...scaled("out_color_matrix=bt709:out_range=tv,format=yuv420p"),
      ...lossless,
      ...tags("bt709"),
      ...sh("-aspect 2:1")
    ],
    "BT.601 in 10 bits.mp4": [
      ...scaled("out_color_matrix=bt601:out_range=tv,format=yuv420p10le"),
      ...lossless,
      ...tags("smpte170m")
    ],
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
    "RGB.mkv": sh("-map 0 -c:v libx264rgb -preset ultrafast -pix_fmt rgb24 -crf 1"),
    "GIF.gif": sh("-map 0"),
    "BT.2020.mkv": [
      ...sh("-map 0 -vf zscale=min=gbr:pin=bt709:tin=bt709:p=bt2020:t=bt709:m=bt2020nc:r=tv,format=yuv420p10le"),
      ...lossless,
      ...tags("bt2020nc", "bt2020", "bt2020-10")
    ],
    "HLG.mkv": high("arib-std-b67"),
    "PQ.mkv": high("smpte2084"),
    "clear.mov": sh("-map 3 -c:v prores_ks -profile:v 4444")
  })

  const sources = ["full range.mp4", "GIF.gif", "HLG.mkv"] as const
  const segments = [
    ...sources,
    "PAL.mkv",
    "MJPEG.mov",
    "PQ.mkv",
    "BT.601 in 10 bits.mp4",
    "small and untagged.mp4",
    "large and untagged.mp4",
    "RGB.mkv",
    "BT.2020.mkv",
    "clear.mov"
  ] as const

  const films = once(
    Effect.gen(function* () {
      const source = Effect.flatMap(made("BT.709.mp4"), (path) => changed(path, "turned.mp4", turned))
      const all = yield* joined([source, ...segments.map(made)])
      const matched = yield* joined([source, made("another colour.mp4")], { seam: { matchColour: true } })
      const frames = yield* Effect.forEach(sources, (name) =>
        Effect.flatMap(made(name), (path) => frameOf(path, { width: 160, height: 160 }))
      )
      const [inAll = [], inMatched = [], ...inFrames] = yield* Effect.scoped(
        colorsOf(all.path, matched.path, ...frames)
      )
      return { tracks: all.tracks, frames, inAll, inMatched, inFrames }
    })
  )

  it.live(
    "are the same in every film, whatever it is encoded in, and at every joint; what is transparent is black",
    () =>
      Effect.gen(function* () {
        const { inAll, tracks } = yield* films
        // The last film has three pictures, and one of them is left out.
        const [opaque, clear] = [inAll.slice(0, -2), inAll.slice(-2)]
        assert.strictEqual(opaque.length, 3 + 2 * (segments.length - 1))
        for (const [index, color] of opaque.entries()) assertPatch(color, `picture ${index}`)
        for (const color of clear) assert.isBelow(Math.max(...color), 5)
        // The matrix, primaries and transfer of BT.709 in a `colr` box are all 1, and its range is limited.
        assert.deepStrictEqual(tracks[0]?.color, [1, 1, 1, false])
      })
  )

  it.live("come in the size in which players show the source: turned by a quarter, of pixels that are not square", () =>
    Effect.gen(function* () {
      assert.deepInclude((yield* films).tracks[0], { width: 64, height: 128 })
    })
  )

  it.live("are the same in the frame that is sent, which fits into a size that the server makes", () =>
    Effect.gen(function* () {
      const { frames, inFrames } = yield* films
      for (const [index, [color]] of inFrames.entries()) assertPatch(color, sources[index] ?? "")
      for (const frame of frames) {
        // The header of a PNG has its size.
        const header = fs.readFileSync(frame)
        assert.deepStrictEqual([header.readUInt32BE(16), header.readUInt32BE(20)], [160, 160])
      }
    })
  )

  it.live("are the source's in the segment too if the seam matches them", () =>
    Effect.gen(function* () {
      const { inMatched } = yield* films
      assert.strictEqual(inMatched.length, 5)
      for (const [index, color] of inMatched.entries()) assertPatch(color, `picture ${index}`)
    })
  )
})
