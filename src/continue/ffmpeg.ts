/** FFmpeg's programs: what a film is, its last frame, and two films as one. Arguments are lists; no shell is asked. */
import * as Command from "@effect/platform/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { VideoResource } from "../Schema.js"
import { FfmpegUnavailableError, MediaError } from "./errors.js"

export interface Programs {
  readonly ffmpeg: string
  readonly ffprobe: string
}

/** What an error says of what was being done. */
export interface Stage {
  readonly step: MediaError["step"]
  readonly film: MediaError["film"]
  readonly segment: VideoResource | null
}

/**
 * A film from a server may be anything, whatever its name is: to FFmpeg, a text is a playlist, and a playlist names files of
 * this machine and addresses of its network. So what it may be is said, and that it may not lead elsewhere
 * (https://ffmpeg.org/ffmpeg-protocols.html, `protocol_whitelist`; https://ffmpeg.org/ffmpeg-formats.html, `format_whitelist`).
 */
const input = (path: string): ReadonlyArray<string> => [
  "-protocol_whitelist",
  "file",
  "-format_whitelist",
  "mov,matroska,webm,avi",
  "-i",
  path
]

/** What an error shows of a program's complaint. */
const longest = 2048

const failed = ({ film, segment, step }: Stage, detail: string, exitCode: number | null = null) =>
  new MediaError({ step, film, exitCode, detail: detail.trim().slice(-longest) || "it does not say why", segment })

const unavailable = (program: string) => (cause: PlatformError) => new FfmpegUnavailableError({ program, cause })

type Run<A> = Effect.Effect<A, FfmpegUnavailableError | MediaError, CommandExecutor.CommandExecutor>

/** Its standard output. An interruption ends the process. */
const run = (program: string, args: ReadonlyArray<string>, stage: Stage): Run<string> =>
  Effect.gen(function* () {
    const process = yield* Effect.mapError(Command.start(Command.make(program, ...args)), unavailable(program))
    const [out, err, code] = yield* Effect.all(
      [
        Stream.mkString(Stream.decodeText(process.stdout)),
        Stream.runFold(Stream.decodeText(process.stderr), "", (kept, text) => (kept + text).slice(-longest)),
        process.exitCode
      ],
      { concurrency: "unbounded" }
    ).pipe(Effect.mapError((cause) => failed(stage, cause.message)))
    if (code !== 0) return yield* failed(stage, err, code)
    return out
  }).pipe(Effect.scoped)

/** Whether both can be started. */
export const checkPrograms = ({ ffmpeg, ffprobe }: Programs) =>
  Effect.forEach(
    [ffmpeg, ffprobe],
    (program) => Effect.mapError(Command.exitCode(Command.make(program, "-version")), unavailable(program)),
    { discard: true }
  )

// -----------------------------------------------------------------------------
// what a film is
// -----------------------------------------------------------------------------

/** A film, as it is shown: upright, its pixels square. */
export interface Film {
  readonly path: string
  /** In pixels; even, as most encoders want it. */
  readonly width: number
  readonly height: number
  /** Frames per second, as a fraction that FFmpeg wrote. */
  readonly rate: string
  readonly framesPerSecond: number
  /** Of the pictures; a sound may be longer. */
  readonly seconds: number
  /** Which of the file's streams these are. */
  readonly pictures: number
  readonly sound: number | null
}

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

const Probed = Schema.parseJson(
  Schema.Struct({
    streams: Schema.Array(
      Schema.Struct({
        index: Schema.Number,
        codec_type: optional(Schema.String),
        width: optional(Schema.Number),
        height: optional(Schema.Number),
        sample_aspect_ratio: optional(Schema.String),
        avg_frame_rate: optional(Schema.String),
        r_frame_rate: optional(Schema.String),
        duration: optional(Schema.String),
        tags: optional(Schema.Struct({ DURATION: optional(Schema.String) })),
        disposition: optional(Schema.Struct({ attached_pic: optional(Schema.Number) })),
        side_data_list: optional(Schema.Array(Schema.Struct({ rotation: optional(Schema.Number) })))
      })
    ),
    format: optional(Schema.Struct({ duration: optional(Schema.String) }))
  })
)

const wanted =
  "stream=index,codec_type,width,height,sample_aspect_ratio,avg_frame_rate,r_frame_rate,duration:stream_tags=DURATION:stream_disposition=attached_pic:stream_side_data=rotation:format=duration"

const decodeProbed = Schema.decodeEither(Probed)

/** A fraction such as `24/1`, with its value; nothing where it has none. */
const fraction = (text: string | undefined, separator: "/" | ":"): { text: string; value: number } | undefined => {
  const [over = "", under = "", ...rest] = text?.split(separator) ?? []
  if (!/^\d+$/.test(over) || !/^\d+$/.test(under) || rest.length > 0) return undefined
  const value = Number(over) / Number(under)
  return Number.isFinite(value) && value > 0 ? { text: `${over}/${under}`, value } : undefined
}

const even = (pixels: number): number => Math.max(2, 2 * Math.round(pixels / 2))

/** Matroska's way to say it: `00:00:04.000000000`. */
const clock = (text: string | undefined): string | undefined => {
  const [, hours, minutes, seconds] = /^(\d+):(\d\d):(\d\d(?:\.\d+)?)$/.exec(text ?? "") ?? []
  return seconds === undefined ? undefined : String(Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))
}

const positive = (text: string | undefined): number | undefined => {
  const value = Number(text)
  return Number.isFinite(value) && value > 0 ? value : undefined
}

const filmOf = (path: string, probed: typeof Probed.Type): Film | string => {
  // The cover of an album is a stream of pictures, too.
  const pictures = probed.streams.find(
    ({ codec_type, disposition }) => codec_type === "video" && disposition?.attached_pic !== 1
  )
  if (pictures === undefined) return "there are no pictures in it"
  const { height = 0, width = 0 } = pictures
  const rate = fraction(pictures.avg_frame_rate, "/") ?? fraction(pictures.r_frame_rate, "/")
  // That of the whole may be its sound's.
  const seconds =
    positive(pictures.duration) ?? positive(clock(pictures.tags?.DURATION)) ?? positive(probed.format?.duration)
  if (width === 0 || height === 0 || rate === undefined || seconds === undefined) {
    return "it does not say its size, its length or its frames per second"
  }
  const wide = width * (fraction(pictures.sample_aspect_ratio, ":")?.value ?? 1)
  // FFmpeg turns what it decodes.
  const isTurned = (pictures.side_data_list ?? []).some(({ rotation = 0 }) => Math.abs(rotation) % 180 === 90)
  return {
    path,
    width: even(isTurned ? height : wide),
    height: even(isTurned ? wide : height),
    rate: rate.text,
    framesPerSecond: rate.value,
    seconds,
    pictures: pictures.index,
    sound: probed.streams.find(({ codec_type }) => codec_type === "audio")?.index ?? null
  }
}

/** @internal */
export const probe = ({ ffprobe }: Programs, path: string, of: Omit<Stage, "step">): Run<Film> => {
  const stage: Stage = { step: "probe", ...of }
  return Effect.flatMap(
    run(ffprobe, ["-v", "error", "-print_format", "json", "-show_entries", wanted, ...input(path)], stage),
    (json) => {
      const probed = decodeProbed(json)
      if (Either.isLeft(probed)) return failed(stage, `${ffprobe} wrote what cannot be read: ${probed.left.message}`)
      const film = filmOf(path, probed.right)
      return typeof film === "string" ? failed(stage, film) : Effect.succeed(film)
    }
  )
}

// -----------------------------------------------------------------------------
// the last frame
// -----------------------------------------------------------------------------

export interface Size {
  readonly width: number
  readonly height: number
}

const quiet = ["-nostdin", "-v", "error", "-y"]

/**
 * Each frame overwrites the one before, so that the last is left, however long it was announced to be. At times of their own
 * making: at a constant rate, FFmpeg leaves out what comes too close to its neighbour.
 */
const frameArguments = (source: Film, from: number, { height, width }: Size, to: string): ReadonlyArray<string> => [
  ...quiet,
  ...(from > 0 ? ["-ss", from.toFixed(3)] : []),
  ...input(source.path),
  "-filter_complex",
  // Into the frame that the server makes, if it makes another than the source's: whole, with bars beside it.
  `[0:${source.pictures}]scale=${source.width}:${source.height},setsar=1,scale=${width}:${height}:force_original_aspect_ratio=decrease,pad=${width}:${height}:-1:-1,settb=1/25,setpts=N[v]`,
  "-map",
  "[v]",
  "-r",
  "25",
  "-update",
  "1",
  to
]

/** As a PNG. From a second before the end; and from the beginning, where there turns out to be nothing. */
export const lastFrame = (
  { ffmpeg }: Programs,
  source: Film,
  size: Size,
  to: string,
  isThere: Effect.Effect<boolean>
): Run<void> => {
  const stage: Stage = { step: "frame", film: "source", segment: null }
  const take = (from: number) => Effect.zipRight(run(ffmpeg, frameArguments(source, from, size, to), stage), isThere)
  return take(source.seconds - 1).pipe(
    Effect.flatMap((found) => (found || source.seconds <= 1 ? Effect.succeed(found) : take(0))),
    Effect.flatMap((found) => (found ? Effect.void : failed(stage, "it has no frame that can be decoded")))
  )
}

// -----------------------------------------------------------------------------
// one of two
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

const soundFormat = "aresample=48000,aformat=sample_fmts=fltp:channel_layouts=stereo"

/** The sound of a part for exactly as long as its pictures last; silence where it has none. */
const soundOf = (index: number, film: Film, from: number): string => {
  const seconds = (film.seconds - from).toFixed(6)
  return film.sound === null
    ? `anullsrc=r=48000:cl=stereo,atrim=duration=${seconds},${soundFormat}[a${index}]`
    : `[${index}:${film.sound}]asetpts=PTS-STARTPTS,atrim=start=${from.toFixed(6)},asetpts=PTS-STARTPTS,${soundFormat},apad,atrim=duration=${seconds}[a${index}]`
}

const joinArguments = (
  source: Film,
  segment: Film,
  encoding: ReadonlyArray<string>,
  to: string
): ReadonlyArray<string> => {
  const { height, rate, width } = source
  const shown = `setsar=1,fps=${rate},format=yuv420p`
  // The segment begins with the frame that it was made from, which the source has shown already. Its picture is cut to the
  // source's: where it was made larger, the bars of the reference go.
  const pictures = [
    `[0:${source.pictures}]setpts=PTS-STARTPTS,scale=${width}:${height},${shown}[v0]`,
    `[1:${segment.pictures}]trim=start_frame=1,setpts=PTS-STARTPTS,scale=${width}:${height}:force_original_aspect_ratio=increase,crop=${width}:${height},${shown}[v1]`
  ]
  const hasSound = source.sound !== null || segment.sound !== null
  const sounds = hasSound ? [soundOf(0, source, 0), soundOf(1, segment, 1 / segment.framesPerSecond)] : []
  const parts = hasSound ? "[v0][a0][v1][a1]concat=n=2:v=1:a=1[v][a]" : "[v0][v1]concat=n=2:v=1:a=0[v]"
  return [
    ...quiet,
    ...input(source.path),
    ...input(segment.path),
    "-filter_complex",
    [...pictures, ...sounds, parts].join(";"),
    "-map",
    "[v]",
    ...(hasSound ? ["-map", "[a]"] : []),
    ...encoding,
    // So that a player can begin before it has the whole.
    "-movflags",
    "+faststart",
    "-f",
    "mp4",
    to
  ]
}

/** The source and then the segment, without the segment's first frame, as one MP4 of the source's size and rate. */
export const join = (
  { ffmpeg }: Programs,
  source: Film,
  segment: Film,
  encoding: ReadonlyArray<string>,
  to: string,
  job: VideoResource | null
): Run<void> =>
  Effect.asVoid(
    run(ffmpeg, joinArguments(source, segment, encoding, to), { step: "join", film: "result", segment: job })
  )
