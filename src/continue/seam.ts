/** How two films meet: a crossfade, and the levels that give the second one the colours of the first. */
import * as Duration from "effect/Duration"
import * as rules from "../internal/config/optionRules.js"
import { checkFields } from "../internal/protocol/validateRequest.js"

/**
 * How two clips meet. Default: one after the other, as they are.
 *
 * @since 0.1.0
 * @category models
 */
export interface Seam {
  /**
   * For this long, the end of the first clip fades into the beginning of the second, pictures and sound. The result is shorter
   * by it. At most half of either clip. Default: none.
   */
  readonly crossfade?: Duration.DurationInput | undefined
  /**
   * Whether the second clip's colours are shifted so that its first picture has the mean and the contrast of the first clip's
   * last one. The whole clip is shifted. Default: `false`.
   */
  readonly matchColour?: boolean | undefined
}

const seamRules: rules.RulesOf<Seam> = { crossfade: rules.finiteDuration, matchColour: rules.boolean }

/** What is wrong with a seam or a window; `null` if nothing is. */
export const checkSeam = (seam: Seam | undefined, window: Duration.DurationInput | undefined) =>
  checkFields("extendVideo", seam, seamRules) ?? checkFields("extendVideo", { window }, { window: rules.finiteTimeout })

/** For how many frames each part fades into the next. */
export const fadesOf = (
  { crossfade = 0 }: Seam,
  parts: ReadonlyArray<{ readonly frames: number }>,
  framesPerSecond: number
): ReadonlyArray<number> => {
  const wanted = Math.round(Duration.toSeconds(crossfade) * framesPerSecond)
  return parts.slice(1).map((part, index) => {
    const shorter = Math.min(part.frames, parts[index]?.frames ?? 0)
    return Math.min(wanted, Math.floor(shorter / 2))
  })
}

/** Fades the end of one stream of pictures into the beginning of another. `xfade` is a frame off in some versions of FFmpeg. */
const fadePictures = (
  before: string,
  next: string,
  to: string,
  from: number,
  frames: number
): ReadonlyArray<string> => {
  const cut = (name: string, trim: string) => `[${to}_${name}0]trim=${trim},setpts=PTS-STARTPTS[${to}_${name}]`
  return [
    `[${before}]split[${to}_first0][${to}_out0]`,
    `[${next}]split[${to}_in0][${to}_last0]`,
    cut("first", `end_frame=${from}`),
    cut("out", `start_frame=${from}`),
    cut("in", `end_frame=${frames}`),
    cut("last", `start_frame=${frames}`),
    `[${to}_out][${to}_in]blend=all_expr='A+(B-A)*(N+1)/${frames + 1}'[${to}_mixed]`,
    `[${to}_first][${to}_mixed][${to}_last]concat=n=3:v=1:a=0[${to}]`
  ]
}

/** The filters that make `[v]` and `[a]` of `[v0]`, `[a0]`, `[v1]` and so on. */
export const meeting = (
  parts: ReadonlyArray<{ readonly frames: number }>,
  fades: ReadonlyArray<number>,
  framesPerSecond: number,
  hasSound: boolean,
  hertz: number
): ReadonlyArray<string> => {
  if (fades.every((frames) => frames === 0)) {
    const inputs = parts.map((_, index) => `[v${index}]${hasSound ? `[a${index}]` : ""}`).join("")
    return [`${inputs}concat=n=${parts.length}:v=1${hasSound ? ":a=1[v][a]" : ":a=0[v]"}`]
  }
  let length = parts[0]?.frames ?? 0
  return fades.flatMap((frames, index) => {
    const before = index === 0 ? "0" : `_${index}`
    const to = index === fades.length - 1 ? "" : `_${index + 1}`
    const from = length - frames
    length = from + (parts[index + 1]?.frames ?? 0)
    const samples = Math.round((frames / framesPerSecond) * hertz)
    const sound = frames === 0 ? "concat=n=2:v=0:a=1" : `acrossfade=ns=${samples}`
    return [
      ...(frames === 0
        ? [`[v${before}][v${index + 1}]concat=n=2:v=1:a=0[v${to}]`]
        : fadePictures(`v${before}`, `v${index + 1}`, `v${to}`, from, frames)),
      ...(hasSound ? [`[a${before}][a${index + 1}]${sound}[a${to}]`] : [])
    ]
  })
}

/**
 * How many pictures at a segment's beginning repeat the film before it: up to the last one that looks like that film's last.
 * `pictures`: that last one and then the segment's, in grey. At least 1: the picture that the segment was made from.
 */
export const repeatedIn = (pictures: Uint8Array): number => {
  const size = comparedSide ** 2
  const wanted = pictures.subarray(0, size)
  const distances = Array.from({ length: Math.floor(pictures.length / size) - 1 }, (_, index) => {
    const picture = pictures.subarray((index + 1) * size, (index + 2) * size)
    return picture.reduce((sum, value, at) => sum + Math.abs(value - (wanted[at] ?? 0)), 0) / size
  })
  const nearest = Math.min(...distances)
  const alike = distances.flatMap((distance, index) => (distance <= nearest * 1.1 + 0.25 ? [index] : []))
  return 1 + (alike.at(-1) ?? 0)
}

/** Side of the pictures that are compared, in pixels. */
export const comparedSide = 64

const statistics = (plane: Uint8Array): { readonly mean: number; readonly deviation: number } => {
  const mean = plane.reduce((sum, value) => sum + value, 0) / plane.length
  const variance = plane.reduce((sum, value) => sum + (value - mean) ** 2, 0) / plane.length
  return { mean, deviation: Math.sqrt(variance) }
}

const least = 0.5
const most = 2

/**
 * The filter that gives the second of two pictures the mean and the deviation of the first, plane by plane. `pictures`: both in
 * `yuv444p`, one after the other; `null` if they are not whole.
 */
export const levelsBetween = (pictures: Uint8Array): string | null => {
  const size = comparedSide ** 2
  if (pictures.length !== 6 * size) return null
  const planes = ["y", "u", "v"].map((name, index) => {
    const at = (picture: number) => statistics(pictures.subarray((3 * picture + index) * size).subarray(0, size))
    const [wanted, found] = [at(0), at(1)]
    const gain = found.deviation < 1 ? 1 : Math.min(most, Math.max(least, wanted.deviation / found.deviation))
    const offset = wanted.mean - gain * found.mean
    return `${name}='clip(val*${gain.toFixed(4)}+${offset.toFixed(3)},16,${name === "y" ? 235 : 240})'`
  })
  return `lutyuv=${planes.join(":")}`
}
