/** What the next segment of `extendTo` is, and whether it may be paid for. Pure. */
import * as DateTime from "effect/DateTime"
import type { Dialect, SecondsRange } from "../internal/protocol/dialect.js"
import { describeRange, isWithin } from "../internal/protocol/requestBody.js"
import type { VideoCost } from "../internal/protocol/videoSchemas.js"
import { randomId } from "../internal/randomId.js"
import { SpendingLimitError } from "./errors.js"
import type { ExtendToOptions, SegmentWay } from "./extendToTypes.js"
import type { Clip, Manifest, Submission } from "./manifest.js"

/** The length that is nearest to what is wanted, and not shorter if there is one. */
export const lengthIn = ({ max = Number.POSITIVE_INFINITY, min, step = 1 }: SecondsRange, wanted: number): number => {
  const up = min + Math.ceil(Math.max(0, wanted - min) / step) * step
  return up <= max ? up : min + Math.floor((max - min) / step) * step
}

/** The length of the clip so far. What two films share counts once; it is at most half of either. */
export const lengthOf = ({ clips, order }: Pick<Manifest, "clips" | "order">): number =>
  clips.reduce((sum, { seconds }, index) => {
    const before = clips[index - 1]
    const overlap = before === undefined ? 0 : Math.min(order.overlap, seconds / 2, before.seconds / 2)
    return sum + seconds - overlap
  }, 0)

/** A join leaves out one frame: a clip is long enough if less than this is missing. */
const tolerance = 0.5

export const isLongEnough = (manifest: Manifest): boolean =>
  manifest.order.totalSeconds - lengthOf(manifest) < tolerance

/** The segment after those that are complete. */
export const planSegment = (
  manifest: Manifest,
  dialect: Dialect,
  segmentSeconds: number,
  way: SegmentWay
): Submission => {
  const { order, segments } = manifest
  const overlap = way === "joined" ? order.overlap : 0
  const wanted = Math.min(segmentSeconds, order.totalSeconds - lengthOf(manifest) + overlap)
  const never = DateTime.unsafeMake(0)
  return {
    segment: segments + 1,
    way,
    prompt: order.prompts[Math.min(segments, order.prompts.length - 1)] ?? order.prompts[0],
    seconds: lengthIn(dialect.seconds[way === "extended" ? "extend" : "create"], Math.ceil(wanted - 1e-6)),
    size: null,
    idempotencyKey: randomId(),
    begunAt: never,
    sentAt: never,
    baseline: null,
    job: null
  }
}

/** Why the server does not extend a clip, as far as the dialect knows. */
export const reasonAgainst = ({ name, paths, source }: Dialect, { seconds }: Clip): string | null => {
  const { extendable } = source
  if (paths.extendVideo === null) return `the dialect \`${name}\` has no extension`
  if (extendable === undefined) return null
  return isWithin(seconds, extendable)
    ? null
    : `the dialect \`${name}\` extends clips of ${describeRange(extendable)}, and this one has ${seconds.toFixed(1)} s`
}

/** What the jobs cost together; `null` if one is not known, or in another currency. */
export const spentOf = ({ costs }: Pick<Manifest, "costs">): VideoCost | null => {
  const currency = costs[0]?.currency
  if (currency === undefined || costs.some((cost) => cost?.currency !== currency)) return null
  return { currency, amount: costs.reduce((sum, cost) => sum + (cost?.amount ?? 0), 0) }
}

/** Why no job may be submitted any more; `null` if one may. */
export const limitOf = (
  manifest: Manifest,
  path: string,
  { maxCost, maxSegments = Number.POSITIVE_INFINITY }: Pick<ExtendToOptions, "maxCost" | "maxSegments">
): SpendingLimitError | null => {
  const { costs, submissions } = manifest
  const spent = spentOf(manifest)
  const stop = (limit: SpendingLimitError["limit"]) =>
    new SpendingLimitError({ limit, submissions, spent, seconds: lengthOf(manifest), manifest: path })
  if (submissions >= maxSegments) return stop("maxSegments")
  if (maxCost === undefined) return null
  if (costs.length === 0) return maxCost.amount > 0 ? null : stop("maxCost")
  if (spent === null || spent.currency !== maxCost.currency) return stop("maxCost")
  const next = Math.max(...costs.map((cost) => cost?.amount ?? 0))
  // Sums of cents are not exact in binary.
  return spent.amount + next <= maxCost.amount + 1e-9 ? null : stop("maxCost")
}
