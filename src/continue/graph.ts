/** The filter graphs: a film's last frame as a picture, and two films as one. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { concatBytes } from "../internal/bytes.js"
import type { VideoResource } from "../internal/protocol/videoSchemas.js"
import { failed, input, type Programs, type Run, run, type Stage, timeToMake } from "./ffmpeg.js"
import type { Colors, Film } from "./film.js"
import { comparedSide, fadesOf, levelsBetween, meeting, repeatedIn, type Seam } from "./seam.js"

export interface Size {
  readonly width: number
  readonly height: number
}

// Timestamps are those of the files, as `probe` read them: FFmpeg's own shift of them depends on the format.
const common = ["-nostdin", "-v", "error", "-y", "-copyts"]

const seconds = (value: number): string => value.toFixed(6)

// -----------------------------------------------------------------------------
// pictures
// -----------------------------------------------------------------------------

/** Curves for more light than a screen of standard range shows. */
const highRange: Readonly<Record<string, string>> = { smpte2084: "PQ", "arib-std-b67": "HLG" }

/**
 * Primaries that FFmpeg's `scale` may take for BT.709's. Those of BT.601 are so near that players differ in whether they convert
 * them, and a server's file is tagged with them by habit.
 */
const isUsual = (primaries: string): boolean => /^(unknown|bt709|smpte170m|bt470bg|bt470m|smpte240m)$/.test(primaries)

const isKnownMatrix = (matrix: string): boolean => /^(bt709|bt601|bt2020|smpte240m|fcc)$/.test(matrix)

/** Why `scale` cannot convert a film's colours, if it cannot: `zscale` and `tonemap` do. */
const specialColors = ({ colors: { isRgb, matrix, primaries, transfer } }: Film): string | null => {
  const curve = highRange[transfer]
  if (curve !== undefined) return `HDR (${curve})`
  if (!isUsual(primaries)) return `in the colours of ${primaries}`
  return isRgb || isKnownMatrix(matrix) ? null : `coded by the matrix ${matrix}`
}

/**
 * The light of an HDR film on a screen of standard range, by the usual 100 cd/m² for its white. What such a screen can show stays
 * as it is up to 80 % of its light; above, everything up to 1000 cd/m² is compressed.
 */
const toneMapped = "tonemap=tonemap=mobius:param=0.8:desat=0:peak=10"

/** Into BT.709. `zscale` needs all four properties to be named; it has names of its own for two matrices. */
const toStandard = (colors: Colors): ReadonlyArray<string> => {
  const isHigh = highRange[colors.transfer] !== undefined
  const known = (name: string, instead: string) => (name === "unknown" ? instead : name)
  const matrix = { bt2020: "bt2020nc", bt601: "smpte170m" }[colors.matrix] ?? colors.matrix
  const from = [
    `min=${colors.isRgb ? "gbr" : matrix}`,
    `rin=${colors.isRgb ? "pc" : colors.range}`,
    `pin=${known(colors.primaries, isHigh ? "bt2020" : "bt709")}`,
    `tin=${known(colors.transfer, "bt709")}`
  ].join(":")
  return [
    // With subsampled colours, `zscale` takes no odd size.
    ...(colors.isRgb ? [] : ["format=yuv444p12le"]),
    `zscale=${from}:m=gbr:r=pc:t=linear:npl=100`,
    "format=gbrpf32le",
    "zscale=p=bt709",
    ...(isHigh ? [toneMapped] : []),
    "zscale=t=bt709:m=bt709:r=tv",
    "format=yuv444p12le"
  ]
}

const scale = (...parameters: ReadonlyArray<string>): string =>
  `scale=${parameters.join(":")}:flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp`

/** Options of `scale` about its input. Without them, it converts RGB to RGB through YUV with two different matrices. */
const from = ({ isRgb, matrix, range }: Pick<Colors, "isRgb" | "matrix" | "range">): ReadonlyArray<string> =>
  isRgb ? ["in_color_matrix=bt709"] : [`in_color_matrix=${matrix}`, `in_range=${range}`]

/**
 * A film's pictures upright, progressive, opaque, of one size and in BT.709 colours: the one place where colours are converted, so
 * that the frame that is sent, the source and the segment agree. What follows decides whether they are RGB.
 */
const shown = (film: Film, { height, width }: Size): ReadonlyArray<string> => {
  const opaque: Colors = film.hasAlpha ? { ...film.colors, isRgb: true } : film.colors
  const isSpecial = specialColors(film) !== null
  const standard: Colors = isSpecial ? { ...opaque, isRgb: false, matrix: "bt709", range: "tv" } : opaque
  return [
    ...(film.isInterlaced ? ["yadif=deint=interlaced"] : []),
    // On black, as players show it.
    ...(film.hasAlpha ? [scale("iw", "ih", ...from(film.colors)), "format=gbrap16le", "premultiply=inplace=1"] : []),
    ...(isSpecial ? toStandard(opaque) : []),
    scale(String(width), String(height), ...from(standard), "out_color_matrix=bt709", "out_range=tv"),
    "setsar=1"
  ]
}

/** The size of a film's pictures in a frame that they fill, or fit into. */
const sizeIn = (film: Size, frame: Size, isFilled: boolean): Size => {
  const both = [frame.width / film.width, frame.height / film.height] as const
  const scale = isFilled ? Math.max(...both) : Math.min(...both)
  const side = (length: number, limit: number) => {
    const scaled = Math.max(1, Math.round(length * scale))
    return isFilled ? Math.max(limit, scaled) : Math.min(limit, scaled)
  }
  return { width: side(film.width, frame.width), height: side(film.height, frame.height) }
}

/** Fails if this FFmpeg lacks what the colours of films need: two filters, whatever is special about them. */
const checkColors = (
  { ffmpeg }: Programs,
  films: ReadonlyArray<Film>,
  stageOf: (index: number) => Stage
): Run<void> => {
  const index = films.findIndex((film) => specialColors(film) !== null)
  const film = films[index]
  if (film === undefined) return Effect.void
  const stage = stageOf(index)
  const listed = run(ffmpeg, ["-v", "error", "-filters"], stage, timeToMake(0), (output) =>
    Stream.mkString(Stream.decodeText(output))
  )
  return Effect.flatMap(listed, (filters) => {
    const missing = ["zscale", "tonemap"].filter((name) => !new RegExp(`^ *\\S+ +${name} `, "m").test(filters))
    return missing.length === 0
      ? Effect.void
      : failed(
          stage,
          `it is ${specialColors(film)}, and this FFmpeg has no filter ${missing.join(" and no filter ")} (libzimg) to convert it`
        )
  })
}

// -----------------------------------------------------------------------------
// the last frame
// -----------------------------------------------------------------------------

const pixelsOf = ({ count, height, width }: Film): number => count * width * height

const frameStage: Stage = { step: "frame", film: "source", segment: null }

/** Makes a file of a source's pictures alone, each whole in a frame of this size, with bars beside it if the shape is another. */
const picturesTo = (
  { ffmpeg }: Programs,
  source: Film,
  from: number,
  size: Size,
  [format, ...filters]: Arr.NonEmptyReadonlyArray<string>,
  output: ReadonlyArray<string>
): Run<void> => {
  const all = [
    `trim=start=${seconds(from - 0.001)}`,
    "setpts=PTS-STARTPTS",
    ...shown(source, sizeIn(source, size, false)),
    format,
    `pad=${size.width}:${size.height}:-1:-1`,
    ...filters
  ]
  const graph = `[0:${source.pictures}]${all.join(",")}[v]`
  const args = [...common, ...input(source.path), "-filter_complex", graph, "-map", "[v]", ...output]
  return run(ffmpeg, args, frameStage, timeToMake(pixelsOf(source)), Stream.runDrain)
}

/**
 * Each frame overwrites the one before, so that the last is left. At times of their own making: at a constant rate, FFmpeg leaves
 * out what comes too close to its neighbour. A PNG with another curve than sRGB has a gamma that some readers apply.
 */
const still = [
  "format=rgb24",
  "setparams=range=pc:colorspace=gbr:color_primaries=bt709:color_trc=iec61966-2-1",
  "settb=1/25",
  "setpts=N"
] as const

/** Writes a film's last frame as a PNG: the picture that `probe` found to be last, or else the last that FFmpeg decodes. */
export const lastFrame = (
  programs: Programs,
  source: Film,
  size: Size,
  to: string,
  isThere: Effect.Effect<boolean>
): Run<void> => {
  const output = ["-map_metadata", "-1", "-r", "25", "-update", "1", to]
  const take = (from: number) => Effect.zipRight(picturesTo(programs, source, from, size, still, output), isThere)
  return checkColors(programs, [source], () => frameStage).pipe(
    Effect.zipRight(take(source.last)),
    Effect.flatMap((found) => (found ? Effect.succeed(found) : take(source.first))),
    Effect.flatMap((found) => (found ? Effect.void : failed(frameStage, "it has no frame that can be decoded")))
  )
}

/** Writes the last seconds of a film, without sound, as a small H.264 file for a server that goes on from a clip. */
export const lastWindow = (programs: Programs, source: Film, length: number, size: Size, to: string): Run<void> => {
  const from = Math.max(source.first, source.last - length + 1 / source.framesPerSecond)
  const encoding = ["-c:v", "libx264", "-preset", "medium", "-crf", "14", "-movflags", "+faststart", "-f", "mp4"]
  return Effect.zipRight(
    checkColors(programs, [source], () => frameStage),
    picturesTo(programs, source, from, size, ["format=yuv420p", tagged], ["-r", source.rate, ...encoding, to])
  )
}

// -----------------------------------------------------------------------------
// one of several
// -----------------------------------------------------------------------------

/** H.264 at a quality that a clip can go through many times, and AAC. */
export const defaultEncoding: ReadonlyArray<string> = [
  "-c:v",
  "libx264",
  "-preset",
  "medium",
  "-crf",
  "17",
  "-pix_fmt",
  "yuv420p",
  "-c:a",
  "aac",
  "-b:a",
  "192k"
]

/** What of a film is in the result. */
interface Part {
  readonly film: Film
  /** When it begins in the film. */
  readonly from: number
  /** Pictures that are left out before it. */
  readonly skipped: number
  /** Its length in the result. */
  readonly frames: number
  /** The filter that changes its colours. */
  readonly levels?: string | undefined
}

const startOf = ({ first, framesPerSecond, last, second }: Film, skipped: number): number =>
  skipped === 0 ? first : skipped === 1 ? (second ?? last) : Math.min(last, first + skipped / framesPerSecond)

const partOf = (film: Film, skipped: number, rate: number): Part => {
  const from = startOf(film, skipped) - film.lead
  const end = film.first + film.seconds
  // The last picture is shown, however short it is.
  const frames = Math.max(Math.round((end - from) * rate), Math.round((film.last - from) * rate) + 1)
  return { film, from, skipped, frames }
}

/** How films are joined. */
export interface Joining {
  readonly encoding: ReadonlyArray<string>
  readonly seam?: Seam | undefined
  /** Seconds of a film's end that the next one may repeat. Default: its last picture alone. */
  readonly window?: number | undefined
}

interface Joint {
  readonly parts: Arr.NonEmptyReadonlyArray<Part>
  readonly hasSound: boolean
  /** Its frames per second are those of the result: no picture of any film is lost. */
  readonly rate: Film
  /** For how many frames each part fades into the next. */
  readonly fades: ReadonlyArray<number>
}

/** Each segment begins with the frame that it was made from, which the film before it has shown already. */
const jointOf = (
  films: Arr.NonEmptyReadonlyArray<Film>,
  changes: ReadonlyArray<Pick<Part, "levels" | "skipped">>,
  seam: Seam
): Joint => {
  const rate = films.reduce((most, film) => (film.framesPerSecond > most.framesPerSecond ? film : most))
  const { framesPerSecond } = rate
  const parts = Arr.map(films, (film, index): Part => {
    const { levels, skipped = 0 } = changes[index] ?? {}
    return { ...partOf(film, skipped, framesPerSecond), levels }
  })
  const hasSound = films.some(({ sound }) => sound !== null)
  return { parts, hasSound, rate, fades: fadesOf(seam, parts, framesPerSecond) }
}

/** Rounded: `setpts` truncates, and a track's unit of time may be as long as a picture. */
const since = (from: number): string => `round(PTS-(${seconds(from)})/TB)`

const tagged = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"

const picturesOf = ({ film, frames, from, levels, skipped }: Part, index: number, size: Size, rate: Film): string => {
  const { height, width } = size
  const filters = [
    ...(skipped === 0 ? [] : [`trim=start_frame=${skipped}`]),
    `setpts=${since(from)}`,
    // The picture is cut to the source's: if it was made larger, the bars of the reference go.
    ...shown(film, sizeIn(film, size, true)),
    `crop=${width}:${height}`,
    "format=yuv420p",
    ...(levels === undefined ? [] : [levels]),
    // At its own rate each picture has a frame; the higher rate then repeats some and loses none.
    `fps=${film.rate}:start_time=0`,
    ...(film.rate === rate.rate ? [] : [`fps=${rate.rate}:start_time=0`]),
    "tpad=stop=-1:stop_mode=clone",
    `trim=end_frame=${frames}`,
    tagged
  ]
  return `[${index}:${film.pictures}]${filters.join(",")}[v${index}]`
}

const hertz = 48_000

const soundFormat = "aformat=sample_fmts=fltp:channel_layouts=stereo"

/** The sound of a part for exactly as long as its pictures last, in step with them; silence if it has none. */
const soundOf = ({ film, frames, from }: Part, index: number, rate: Film): string => {
  const length = frames / rate.framesPerSecond
  const whole = `atrim=end_sample=${Math.round(length * hertz)}`
  if (film.sound === null) return `anullsrc=r=${hertz}:cl=stereo,${soundFormat},${whole}[a${index}]`
  const filters = [
    `asetpts=${since(from)}`,
    // Before the gaps are filled: a broken timestamp would make hours of silence, all of it in memory.
    `atrim=start=0:end=${seconds(length)}`,
    // Silence before a track that begins late, and in its gaps.
    `aresample=${hertz}:async=1:first_pts=0`,
    soundFormat,
    "apad",
    whole
  ]
  return `[${index}:${film.sound}]${filters.join(",")}[a${index}]`
}

const lengthOf = ({ fades, parts, rate }: Joint): number =>
  fades.reduce(
    (sum, frames) => sum - frames,
    parts.reduce((sum, { frames }) => sum + frames, 0)
  ) / rate.framesPerSecond

const joinArguments = (joint: Joint, encoding: ReadonlyArray<string>, to: string): ReadonlyArray<string> => {
  const { fades, hasSound, parts, rate } = joint
  const [{ film: size }] = parts
  const sounds = hasSound ? parts.map((part, index) => soundOf(part, index, rate)) : []
  const graph = [
    ...parts.map((part, index) => picturesOf(part, index, size, rate)),
    ...sounds,
    ...meeting(parts, fades, rate.framesPerSecond, hasSound, hertz)
  ]
  const length = lengthOf(joint)
  // More than any encoder makes of it: pixels of 48 bits.
  const mostBytes = Math.ceil(length * rate.framesPerSecond * size.width * size.height * 6 + 2 ** 26)
  return [
    ...common,
    ...parts.flatMap(({ film }) => input(film.path)),
    "-filter_complex",
    graph.join(";"),
    ...["-map", "[v]", ...(hasSound ? ["-map", "[a]"] : [])],
    // The chapters and the time code are the source's alone.
    ...["-map_chapters", "-1", "-write_tmcd", "0"],
    ...["-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"],
    ...encoding,
    // So that a player can begin before it has the whole.
    ...["-movflags", "+faststart"],
    ...["-t", seconds(length + 0.5), "-fs", String(mostBytes), "-f", "mp4", to]
  ]
}

const make = (
  { ffmpeg }: Programs,
  joint: Joint,
  encoding: ReadonlyArray<string>,
  to: string,
  job: VideoResource | null
): Run<void> => {
  const [{ film }] = joint.parts
  const pixels = joint.parts.reduce(
    (sum, part) => sum + part.frames * film.width * film.height + pixelsOf(part.film),
    0
  )
  const stage: Stage = { step: "join", film: "result", segment: job }
  return run(ffmpeg, joinArguments(joint, encoding, to), stage, timeToMake(pixels), Stream.runDrain)
}

/** The last picture of a film, after its own filter, and the first pictures of the next, as bytes of one format. */
const compared = (
  { ffmpeg }: Programs,
  [before, levelsBefore]: readonly [Film, string | undefined],
  film: Film,
  [count, format]: readonly [count: number, format: "yuv444p" | "gray"],
  size: Size,
  stage: Stage
): Run<Uint8Array> => {
  const picture = (of: Film, index: number, trim: string, levels: string | undefined) => {
    const filters = [
      trim,
      ...shown(of, sizeIn(of, size, true)),
      `crop=${size.width}:${size.height}`,
      "format=yuv420p",
      ...(levels === undefined ? [] : [levels]),
      `scale=${comparedSide}:${comparedSide}`,
      ...[`format=${format}`, "settb=1/25", "setpts=N"]
    ]
    return `[${index}:${of.pictures}]${filters.join(",")}[p${index}]`
  }
  const graph = [
    picture(before, 0, `trim=start=${seconds(before.last - 0.001)}`, levelsBefore),
    picture(film, 1, `trim=end_frame=${count}`, undefined),
    "[p0][p1]concat=n=2:v=1:a=0[v]"
  ]
  const inputs = [...input(before.path), ...input(film.path)]
  const output = ["-map", "[v]", "-vsync", "passthrough", "-f", "rawvideo", "pipe:1"]
  const args = [...common, ...inputs, "-filter_complex", graph.join(";"), ...output]
  const limit = timeToMake(pixelsOf(before) + pixelsOf(film))
  return run(ffmpeg, args, stage, limit, (bytes) =>
    Effect.map(Stream.runCollect(bytes), (chunks) => concatBytes([...chunks]))
  )
}

/**
 * Writes the source and then the segments, each without its first frame, as one MP4 of the source's size, and returns the
 * length in seconds that it should have. `job` is that of the last segment.
 */
export const join = (
  programs: Programs,
  films: Arr.NonEmptyReadonlyArray<Film>,
  { encoding, seam = {}, window = 0 }: Joining,
  to: string,
  job: VideoResource | null
): Run<number> =>
  Effect.gen(function* () {
    const stageOf = (index: number): Stage => ({
      step: "join",
      film: index === 0 ? "source" : "segment",
      segment: job
    })
    yield* checkColors(programs, films, stageOf)
    const changes: Array<Pick<Part, "levels" | "skipped">> = []
    for (const [index, film] of films.entries()) {
      const of = stageOf(index)
      if (index > 0 && film.second === null) {
        return yield* failed(
          of,
          "it has one picture, which repeats the source's last: there is nothing to put after it"
        )
      }
      const before = films[index - 1]
      if (before === undefined) {
        changes.push({ skipped: 0 })
        continue
      }
      const pair = [before, changes[index - 1]?.levels] as const
      const levels =
        seam.matchColour === true
          ? levelsBetween(yield* compared(programs, pair, film, [1, "yuv444p"], films[0], of))
          : undefined
      if (levels === null) {
        yield* Effect.logWarning("the colours of two films cannot be compared, and are left as they are")
      }
      const most = Math.min(film.count - 1, Math.round(window * film.framesPerSecond) + 1)
      const skipped =
        window === 0 || most < 2 ? 1 : repeatedIn(yield* compared(programs, pair, film, [most, "gray"], films[0], of))
      changes.push({ levels: levels ?? undefined, skipped })
    }
    const joint = jointOf(films, changes, seam)
    yield* make(programs, joint, encoding, to, job)
    return lengthOf(joint)
  })

/**
 * Makes a joined file of a few of the source's pictures, its sound and silence, as the whole will be made: what this FFmpeg
 * cannot do, it cannot do now.
 */
export const rehearse = (programs: Programs, source: Film, { encoding, seam = {} }: Joining, to: string): Run<void> => {
  const part: Part = { ...partOf(source, 0, source.framesPerSecond), frames: 2 }
  const levels = seam.matchColour === true ? "lutyuv" : undefined
  const parts = Arr.make(part, { ...part, film: { ...source, sound: null }, levels })
  const fades = fadesOf(seam, parts, source.framesPerSecond)
  return make(programs, { parts, hasSound: true, rate: source, fades }, encoding, to, null)
}
