/** The plan of a run of `extendTo`: the films of the result, the segments, and the one that is being made. */
import * as Schema from "effect/Schema"
import { Segments } from "effect-videos/continue"
import type { ExtendToRequest, RunSegment } from "../Runs.js"

/** One film of the result. */
const Film = Schema.Struct({
  /** In the store, should it have to be there. */
  name: Schema.String,
  jobId: Schema.String,
  seconds: Schema.Number
})

const way = Schema.Literal("extended", "joined")

/** A segment that is complete. */
const Done = Schema.Struct({
  segment: Schema.Number,
  way,
  execution: Schema.String,
  jobId: Schema.String,
  seconds: Schema.Number
})

/** A segment whose run is about to be recorded, or was. */
const Pending = Schema.Struct({
  segment: Schema.Number,
  way,
  seconds: Schema.Number,
  /** Of its run. */
  execution: Schema.String,
  attempt: Schema.Number,
  request: Schema.String,
  /** Whether the cost of a job that failed is among the costs. */
  isCounted: Schema.Boolean
})

export type Pending = typeof Pending.Type

/** Stored before a segment is started and after it has ended. A new attempt continues it. */
export const Plan = Schema.Struct({
  /** The length of the source. */
  from: Schema.Number,
  films: Schema.NonEmptyArray(Film),
  done: Schema.Array(Done),
  pending: Schema.NullOr(Pending),
  /** Jobs that were submitted, and what each of them that has ended costs. */
  submissions: Schema.Number,
  costs: Schema.Array(Schema.NullOr(Schema.Struct({ amount: Schema.Number, currency: Schema.String }))),
  /** Why the server does not extend: of one segment, or of all (`null`). */
  refusal: Schema.NullOr(Schema.Struct({ problem: Schema.String, segment: Schema.NullOr(Schema.Number) }))
})

export type Plan = typeof Plan.Type

export const encodePlan = Schema.encodeSync(Schema.parseJson(Plan))

type Order = Pick<ExtendToRequest, "totalSeconds" | "prompts" | "seam" | "windowSeconds">

/** The plan as the rules of `effect-videos/continue` want it. */
export const segmentedClip = ({ costs, done, films, submissions }: Plan, order: Order): Segments.SegmentedClip => ({
  order: {
    totalSeconds: order.totalSeconds,
    prompts: order.prompts,
    overlap: (order.seam?.crossfadeSeconds ?? 0) + (order.windowSeconds ?? 0)
  },
  clips: films,
  segments: done.length,
  submissions,
  costs
})

export const reachedOf = (plan: Plan, order: Order): number => Segments.lengthOf(segmentedClip(plan, order))

/** How much of the added length is there, in percent. */
export const progressOf = (plan: Plan, order: Order, open: RunSegment | null): number => {
  const { from } = plan
  const added = reachedOf(plan, order) - from + (open === null ? 0 : ((open.progress ?? 0) / 100) * open.seconds)
  const percent = (100 * added) / (order.totalSeconds - from)
  return order.totalSeconds <= from ? 100 : Math.min(100, Math.max(0, Math.round(percent)))
}
