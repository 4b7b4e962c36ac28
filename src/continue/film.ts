/** What a film is: its tracks, and the times of its pictures as they are decoded. What a file says of itself is not relied on. */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { failed, input, type Programs, type Run, run, type Stage, timeToRead } from "./ffmpeg.js"

/** A film as it is shown: upright, with square pixels. Times are in seconds, as its container has them. */
export interface Film {
  readonly path: string
  /** In pixels; even, as most encoders want it. */
  readonly width: number
  readonly height: number
  /** Frames per second at which each picture has a frame of its own: a fraction, and its value. */
  readonly rate: string
  readonly framesPerSecond: number
  readonly count: number
  /** When the first picture appears, the second (`null` if there is one picture), and the last. */
  readonly first: number
  readonly second: number | null
  readonly last: number
  /** From the first picture to the end of the last. A sound may be longer. */
  readonly seconds: number
  /** How long the sound plays before the first picture; 0 if that is too short to notice. */
  readonly lead: number
  /** The indices of the tracks in the file. */
  readonly pictures: number
  readonly sound: number | null
  readonly colors: Colors
  readonly isInterlaced: boolean
  readonly hasAlpha: boolean
}

/** How the pictures' numbers are colours, in FFmpeg's words; `unknown` if the file does not say it. */
export interface Colors {
  readonly isRgb: boolean
  readonly matrix: string
  readonly range: "tv" | "pc"
  readonly primaries: string
  readonly transfer: string
}

// -----------------------------------------------------------------------------
// what is decoded
// -----------------------------------------------------------------------------

/** A field of a line of `ffprobe`'s: `frame|media_type=video|stream_index=0|…`. `unknown` and `N/A` are no values. */
const field = (line: string, name: string): string | undefined => {
  const [, value] = new RegExp(`\\|${name}=([^|]*)`).exec(line) ?? []
  return value === undefined || value === "unknown" || value === "reserved" || value === "N/A" ? undefined : value
}

const numberIn = (line: string, name: string): number => Number(field(line, name) ?? Number.NaN)

/** A track, as `ffprobe` describes it, and what of it could be decoded. */
interface Track {
  /** When each picture appears, ascending. Of a sound, the first alone. */
  readonly times: Array<number>
  /** How long the latest is shown; 0 if the file does not say it. */
  hold: number
  description: string
}

/** Pictures that are measured at most: more than nine hours at 30 per second. */
const mostPictures = 1_000_000

const mostTracks = 1000

const entries = [
  // How long a picture is shown has the first name before FFmpeg 6, and the second from then on.
  "frame=media_type,stream_index,best_effort_timestamp_time,pkt_duration_time,duration_time",
  "stream=index,codec_type,codec_name,codec_tag_string,width,height,sample_aspect_ratio,avg_frame_rate,r_frame_rate",
  "stream=pix_fmt,field_order,color_range,color_space,color_transfer,color_primaries",
  // Which fields of side data can be named differs between versions.
  "stream_disposition=attached_pic:stream_side_data"
].join(":")

/**
 * Decodes the whole file and keeps the times of what comes out. Containers have durations that are missing, averages, or end
 * times; packets that are not shown; and tracks without a decoder.
 */
const readTracks = (
  { ffprobe }: Programs,
  path: string,
  stage: Stage,
  bytes: number
): Run<ReadonlyMap<number, Track>> => {
  const tracks = new Map<number, Track>()
  const trackOf = (line: string, name: string): Track => {
    const index = numberIn(line, name)
    const track = tracks.get(index) ?? { times: [], hold: 0, description: "" }
    tracks.set(index, track)
    return track
  }
  const readLine = (line: string) => {
    if (line.startsWith("stream|")) trackOf(line, "index").description = line
    if (!line.startsWith("frame|"))
      return tracks.size > mostTracks ? failed(stage, "it has too many tracks") : Effect.void
    const track = trackOf(line, "stream_index")
    const time = numberIn(line, "best_effort_timestamp_time")
    const isNext = line.includes("|media_type=video|")
      ? time > (track.times.at(-1) ?? Number.NEGATIVE_INFINITY)
      : !Number.isNaN(time) && track.times.length === 0
    if (isNext) {
      track.times.push(time)
      track.hold = numberIn(line, "pkt_duration_time") || numberIn(line, "duration_time") || 0
    }
    return track.times.length > mostPictures ? failed(stage, `it has more than ${mostPictures} pictures`) : Effect.void
  }
  const args = ["-v", "error", "-threads", "0", "-print_format", "compact", "-show_entries", entries, ...input(path)]
  const read = (output: Stream.Stream<Uint8Array, PlatformError>) =>
    Stream.runForEach(Stream.splitLines(Stream.decodeText(output)), readLine)
  return Effect.as(run(ffprobe, args, stage, timeToRead(bytes), read), tracks)
}

// -----------------------------------------------------------------------------
// frames per second
// -----------------------------------------------------------------------------

interface Rate {
  readonly text: string
  readonly value: number
}

/** A fraction such as `24/1`, with its value; nothing if it has none. */
const fraction = (text: string | undefined, separator: "/" | ":"): Rate | undefined => {
  const [over = "", under = "", ...rest] = text?.split(separator) ?? []
  if (!/^\d+$/.test(over) || !/^\d+$/.test(under) || rest.length > 0) return undefined
  const value = Number(over) / Number(under)
  return Number.isFinite(value) && value > 0 ? { text: `${over}/${under}`, value } : undefined
}

/**
 * The highest rate of a joined file. A screen recording with two pictures one millisecond apart is not worth a thousand frames
 * per second, and H.264 has no level for that.
 */
const mostFramesPerSecond = 120

const usualRates: ReadonlyArray<Rate> = ["24000/1001", "24/1", "25/1", "30000/1001", "30/1"]
  .concat(["48/1", "50/1", "60000/1001", "60/1", "90/1", "100/1", `${mostFramesPerSecond}/1`])
  .flatMap((text) => fraction(text, "/") ?? [])

const highestRate: Rate = { text: `${mostFramesPerSecond}/1`, value: mostFramesPerSecond }

/**
 * The rate at which no picture is lost. The average is far too low if one picture is held; the file's own base rate is tried
 * first, as it is exact, but may be any multiple; the smallest distance of two pictures decides.
 */
const rateOf = ({ description, times }: Track): Rate => {
  const named = ["r_frame_rate", "avg_frame_rate"].flatMap((name) => fraction(field(description, name), "/") ?? [])
  if (times.length < 2) return named.find(({ value }) => value <= mostFramesPerSecond) ?? { text: "24/1", value: 24 }
  const [first = 0, ...more] = times
  const smallest = more.reduce((least, time, index) => Math.min(least, time - (times[index] ?? 0)), Number.MAX_VALUE)
  const slots = (value: number) => new Set(times.map((time) => Math.round((time - first) * value))).size
  // Matroska rounds times to milliseconds: 24 pictures per second are 41 or 42 ms apart.
  const fits = ({ value }: Rate) =>
    value <= mostFramesPerSecond && value * smallest >= 0.85 && slots(value) === times.length
  return named.find((rate) => fits(rate) && rate.value * smallest <= 1.5) ?? usualRates.find(fits) ?? highestRate
}

// -----------------------------------------------------------------------------
// a film
// -----------------------------------------------------------------------------

const even = (pixels: number): number => Math.max(2, 2 * Math.round(pixels / 2))

/** Seconds that a picture may be held. A longer gap is a broken timestamp, and the result would be hours of one picture. */
const longestHold = 600

/** Seconds that a sound may begin before the picture without being noticed: an encoder's priming, and reordered pictures. */
const shortestLead = 0.2

/** Matrices that say the same. */
const matrices: Readonly<Record<string, string>> = { smpte170m: "bt601", bt470bg: "bt601", bt2020nc: "bt2020" }

/** As players do it: a file that does not say its matrix is BT.709 if it is larger than PAL, and BT.601 if it is not. */
const colorsOf = (description: string): Colors => {
  const format = field(description, "pix_fmt") ?? ""
  const named = field(description, "color_space")
  const isLarge = numberIn(description, "width") >= 1280 || numberIn(description, "height") > 576
  return {
    isRgb: /^(gb|rgb|bgr|argb|abgr|0rgb|0bgr|pal8|x2)/.test(format),
    matrix: named === undefined || named === "gbr" ? (isLarge ? "bt709" : "bt601") : (matrices[named] ?? named),
    range: field(description, "color_range") === "pc" || format.startsWith("yuvj") ? "pc" : "tv",
    primaries: field(description, "color_primaries") ?? "unknown",
    transfer: field(description, "color_transfer") ?? "unknown"
  }
}

const filmOf = (path: string, tracks: ReadonlyMap<number, Track>): Film | string => {
  const of = (type: string) =>
    Array.from(tracks)
      .filter(([, { description }]) => field(description, "codec_type") === type)
      .sort(([one], [other]) => one - other)
  const isDecoded = ([, { times }]: [number, Track]) => times.length > 0
  // The cover of an album is a stream of pictures, too.
  const pictures = of("video").filter(([, { description }]) => field(description, "disposition:attached_pic") !== "1")
  const [announced] = pictures
  if (announced === undefined) return "there are no pictures in it"
  const [index, track] = pictures.find(isDecoded) ?? announced
  const { description, hold, times } = track
  const [first, second = null] = times
  const last = times.at(-1)
  const width = numberIn(description, "width")
  const height = numberIn(description, "height")
  if (first === undefined || last === undefined || !(width > 0 && height > 0)) {
    const codec = field(description, "codec_name") ?? field(description, "codec_tag_string") ?? "unknown"
    return `none of its pictures can be decoded (codec ${codec})`
  }
  // Without its own processing, such a film is green and purple.
  if (field(description, "dv_profile") === "5" && field(description, "dv_bl_signal_compatibility_id") === "0") {
    return "it is Dolby Vision of profile 5, which FFmpeg cannot convert"
  }
  const longest = times.reduce((most, time, at) => Math.max(most, time - (times[at - 1] ?? time)), 0)
  if (longest > longestHold) {
    return `one of its pictures is shown for ${longest.toFixed(0)} s, which is a broken timestamp`
  }
  // A picture every millisecond: a file that says that it lasts no time.
  if (times.length > 2 && (last - first) / (times.length - 1) < 0.001) {
    return `its ${times.length} pictures last ${(last - first).toFixed(6)} s; their timestamps are broken`
  }
  const rate = rateOf(track)
  const [
    sound,
    {
      times: [soundFirst = first]
    } = track
  ] = of("audio").find(isDecoded) ?? [null, undefined]
  const lead = first - soundFirst
  const wide = width * (fraction(field(description, "sample_aspect_ratio"), ":")?.value ?? 1)
  // FFmpeg turns what it decodes.
  const isTurned = Math.abs(numberIn(description, "rotation")) % 180 === 90
  return {
    path,
    width: even(isTurned ? height : wide),
    height: even(isTurned ? wide : height),
    rate: rate.text,
    framesPerSecond: rate.value,
    count: times.length,
    first,
    second,
    last,
    seconds: last - first + (hold > 0 && hold <= longestHold ? hold : 1 / rate.value),
    lead: lead > shortestLead && lead <= longestHold ? lead : 0,
    pictures: index,
    sound,
    colors: colorsOf(description),
    isInterlaced: /^(tt|bb|tb|bt)$/.test(field(description, "field_order") ?? ""),
    hasAlpha: /^(yuva|gbrap|rgba|bgra|argb|abgr|ya|pal8)/.test(field(description, "pix_fmt") ?? "")
  }
}

/** Decodes a film once to find out what it is. */
export const probe = (programs: Programs, path: string, of: Omit<Stage, "step">): Run<Film, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const stage: Stage = { step: "probe", ...of }
    const fs = yield* FileSystem.FileSystem
    const { size } = yield* Effect.mapError(fs.stat(path), ({ message }) => failed(stage, message))
    const bytes = Number(size)
    if (bytes === 0) return yield* failed(stage, "the file is empty")
    const film = filmOf(path, yield* readTracks(programs, path, stage, bytes))
    return typeof film === "string" ? yield* failed(stage, film) : film
  })
