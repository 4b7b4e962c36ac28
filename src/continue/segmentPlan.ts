/** What the next segment of `extendTo` is, and whether it may be paid for. Pure. */
import type * as Arr from "effect/Array"
import type * as Errors from "../internal/errors/errors.js"
import type { Dialect, SecondsRange } from "../internal/protocol/dialect.js"
import { describeRange, isWithin } from "../internal/protocol/requestBody.js"
import type { VideoCost } from "../internal/protocol/videoSchemas.js"
import type { ExtendToOptions, SegmentWay } from "./extendToTypes.js"

/**
 * A clip on its way to a length: what decides about its next segment.
 *
 * @since 0.1.0
 * @category models
 */
export interface SegmentedClip {
  readonly order: {
    /** The length to reach, in seconds. */
    readonly totalSeconds: number
    /** One for each segment; the last one for all that follow. */
    readonly prompts: Arr.NonEmptyReadonlyArray<string>
    /** Seconds of a film that show the film before it: a crossfade, or a window that it begins with. */
    readonly overlap: number
  }
  /** The films of the result in order, the source first. An extension that is the whole takes the place of its source. */
  readonly clips: Arr.NonEmptyReadonlyArray<{ readonly seconds: number }>
  /** Segments that are complete. */
  readonly segments: number
  /** Jobs that were submitted, failed ones included. */
  readonly submissions: number
  /** What each of them that has ended costs; `null` if the server does not say it. */
  readonly costs: ReadonlyArray<VideoCost | null>
}

/**
 * A segment that is not submitted yet.
 *
 * @since 0.1.0
 * @category models
 */
export interface PlannedSegment {
  /** From 1. */
  readonly segment: number
  readonly way: SegmentWay
  readonly prompt: string
  /** A length that the server takes. */
  readonly seconds: number
}

/** The length that is nearest to what is wanted, and not shorter if there is one. */
export const lengthIn = ({ max = Number.POSITIVE_INFINITY, min, step = 1 }: SecondsRange, wanted: number): number => {
  const up = min + Math.ceil(Math.max(0, wanted - min) / step) * step
  return up <= max ? up : min + Math.floor((max - min) / step) * step
}

/**
 * Returns the length of the clip so far, in seconds. What two films share counts once; it is at most half of either.
 *
 * @example
 * import { Segments } from "effect-videos/continue"
 *
 * const order = { totalSeconds: 60, prompts: ["rain sets in"], overlap: 0.5 } as const
 * // 15.5: the two share half a second.
 * const seconds = Segments.lengthOf({ order, clips: [{ seconds: 8 }, { seconds: 8 }] })
 *
 * @since 0.1.0
 * @category rules
 */
export const lengthOf = ({ clips, order }: Pick<SegmentedClip, "clips" | "order">): number =>
  clips.reduce((sum, { seconds }, index) => {
    const before = clips[index - 1]
    const overlap = before === undefined ? 0 : Math.min(order.overlap, seconds / 2, before.seconds / 2)
    return sum + seconds - overlap
  }, 0)

/** A join leaves out one frame: a clip is long enough if less than this is missing. */
const tolerance = 0.5

export const isLongEnough = (clip: SegmentedClip): boolean => clip.order.totalSeconds - lengthOf(clip) < tolerance

/** The segment after those that are complete. */
export const planSegment = (
  clip: SegmentedClip,
  dialect: Dialect,
  segmentSeconds: number,
  way: SegmentWay
): PlannedSegment => {
  const { order, segments } = clip
  const overlap = way === "joined" ? order.overlap : 0
  const wanted = Math.min(segmentSeconds, order.totalSeconds - lengthOf(clip) + overlap)
  return {
    segment: segments + 1,
    way,
    prompt: order.prompts[Math.min(segments, order.prompts.length - 1)] ?? order.prompts[0],
    seconds: lengthIn(dialect.seconds[way === "extended" ? "extend" : "create"], Math.ceil(wanted - 1e-6))
  }
}

/** Why the server does not extend a clip, as far as the dialect knows. */
export const reasonAgainst = (
  { name, paths, source }: Dialect,
  { seconds }: { readonly seconds: number }
): string | null => {
  const { extendable } = source
  if (paths.extendVideo === null) return `the dialect \`${name}\` has no extension`
  if (extendable === undefined) return null
  return isWithin(seconds, extendable)
    ? null
    : `the dialect \`${name}\` extends clips of ${describeRange(extendable)}, and this one has ${seconds.toFixed(1)} s`
}

/**
 * Whether an extension was refused because the server, or its dialect, does not extend this clip. Nothing was paid for: a clip of
 * its own can take its place.
 *
 * @example
 * import { Effect } from "effect"
 * import { extendVideo } from "effect-videos"
 * import { Segments } from "effect-videos/continue"
 *
 * const program = extendVideo({ video: "video_1", prompt: "rain sets in", seconds: 8 }).pipe(
 *   Effect.catchIf(Segments.isNotExtended, ({ message }) => Effect.log(message))
 * )
 *
 * @since 0.1.0
 * @category rules
 */
export const isNotExtended = (error: {
  readonly _tag: string
}): error is Errors.OperationUnsupportedError | Errors.InvalidRequestError =>
  (error._tag === "OperationUnsupportedError" && "operation" in error && error.operation === "extendVideo") ||
  (error._tag === "InvalidRequestError" && "field" in error && error.field === "video")

/** What the jobs cost together; `null` if one is not known, or in another currency. */
export const spentOf = ({ costs }: Pick<SegmentedClip, "costs">): VideoCost | null => {
  const currency = costs[0]?.currency
  if (currency === undefined || costs.some((cost) => cost?.currency !== currency)) return null
  return { currency, amount: costs.reduce((sum, cost) => sum + (cost?.amount ?? 0), 0) }
}

/**
 * Returns the limit that allows no further job; `null` if one may be submitted. The next job is taken to cost as much as the
 * dearest so far.
 *
 * @example
 * import { Segments } from "effect-videos/continue"
 *
 * const costs = [{ amount: 0.8, currency: "USD" }]
 * // "maxCost": two jobs would cost 1.6 USD.
 * const limit = Segments.limitOf({ costs, submissions: 1 }, { maxCost: { amount: 1, currency: "USD" } })
 *
 * @since 0.1.0
 * @category rules
 */
export const limitOf = (
  { costs, submissions }: Pick<SegmentedClip, "costs" | "submissions">,
  { maxCost, maxSegments = Number.POSITIVE_INFINITY }: Pick<ExtendToOptions, "maxCost" | "maxSegments">
): "maxSegments" | "maxCost" | null => {
  if (submissions >= maxSegments) return "maxSegments"
  if (maxCost === undefined) return null
  if (costs.length === 0) return maxCost.amount > 0 ? null : "maxCost"
  const spent = spentOf({ costs })
  if (spent === null || spent.currency !== maxCost.currency) return "maxCost"
  const next = Math.max(...costs.map((cost) => cost?.amount ?? 0))
  // Sums of cents are not exact in binary.
  return spent.amount + next <= maxCost.amount + 1e-9 ? null : "maxCost"
}
