import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleInterval from "effect/ScheduleInterval"
import { finiteTimeout } from "../config/optionRules.js"
import { backoff } from "../http/retryPolicy.js"
import { checkFields } from "../protocol/validateRequest.js"
import { phaseOf, type VideoPhase, type VideoResource } from "../protocol/videoSchemas.js"

// -----------------------------------------------------------------------------
// models
// -----------------------------------------------------------------------------

/**
 * The bounds of a poll schedule, finite and longer than 0: others throw an `InvalidRequestError` where the schedule is made.
 * Each delay is between them, ±10 % at random: at the cap too, so that many watches do not fall in step.
 *
 * @since 0.1.0
 * @category models
 */
export interface PollOptions {
  /** Never faster than this. Default: 1.5 seconds. */
  readonly floor?: Duration.DurationInput | undefined
  /** Never slower than this; a cap below the floor counts as the floor. Default: 10 seconds. */
  readonly cap?: Duration.DurationInput | undefined
}

// -----------------------------------------------------------------------------
// what the polls of one watch have shown
// -----------------------------------------------------------------------------

/** All that a schedule keeps of a job: ten thousand of these may live at once. Times in milliseconds of the `Clock`. */
interface Seen {
  readonly phase: VideoPhase
  /** When the phase began, as far as polls have shown it. */
  readonly since: number
  readonly progress: number
  /** When `progress` last moved; the last poll, while it is 0. */
  readonly at: number
  /** Percent per millisecond, between polls that saw it move; 0 while unknown. */
  readonly rate: number
  /** Whether no poll has seen it move yet: the rate is the mean since the job's creation, a wait in a queue included. */
  readonly isGuess: boolean
}

/** A creation time further back than this is not a job that takes long, but a clock or a unit that is wrong. */
const oldest = 24 * 60 * 60 * 1000

const see = (seen: Seen | null, now: number, video: VideoResource): Seen => {
  const phase = phaseOf(video)
  const said = video.progress
  const progress = said !== null && said > 0 && said <= 100 ? said : 0
  if (seen === null) {
    const age = video.createdAt === null ? 0 : now - video.createdAt.epochMillis
    const known = age > 0 && age <= oldest ? age : 0
    return { phase, since: now - known, progress, at: now, rate: known === 0 ? 0 : progress / known, isGuess: true }
  }
  const since = phase === seen.phase ? seen.since : seen.at
  if (progress > seen.progress && now > seen.at) {
    const rate = (progress - seen.progress) / (now - seen.at)
    // Neither the mean of the whole run, which follows a change of pace too late, nor the last move alone, which is rounded.
    return { phase, since, progress, at: now, rate: seen.rate === 0 ? rate : (seen.rate + rate) / 2, isGuess: false }
  }
  if (progress > 0 && progress === seen.progress) {
    return phase === seen.phase ? seen : { ...seen, phase, since }
  }
  // Still at 0, or lower than before: no estimate until it moves again.
  return { phase, since, progress, at: now, rate: 0, isGuess: true }
}

/** The delay in milliseconds, before bounds and jitter; `null` without an estimate. */
type Wish = (seen: Seen, now: number, floor: number) => number | null

const byAge = (seen: Seen, now: number, floor: number): number => floor + (now - seen.since) / 6

const byProgress: Wish = ({ at, progress, rate }, now, floor) => {
  if (progress < 100 && rate === 0) return null
  // Some servers say 100 while a job runs.
  const left = (progress < 100 ? (100 - progress) / rate : 0) - (now - at)
  return left > 0 ? left * 0.4 : floor - left / 24
}

const byAll = (seen: Seen, now: number, floor: number): number => {
  const wanted = byProgress(seen, now, floor)
  if (wanted !== null && !seen.isGuess) return wanted
  return Math.min(wanted ?? Number.POSITIVE_INFINITY, byAge(seen, now, floor))
}

const pace = (
  options: PollOptions | undefined,
  wish: Wish,
  isPaged = false
): Schedule.Schedule<Duration.Duration, VideoResource> => {
  const problem = checkFields("watchVideo", options, { floor: finiteTimeout, cap: finiteTimeout })
  // A schedule cannot fail, so its options are checked here, before any request.
  if (problem !== null) throw problem
  const floor = Duration.toMillis(options?.floor ?? "1500 millis")
  const cap = Math.max(floor, Duration.toMillis(options?.cap ?? "10 seconds"))
  const step = (last: Seen | null, now: number, video: VideoResource, jitter: number) => {
    const seen = see(last, now, video)
    const millis = Math.min(cap, Math.max(floor, wish(seen, now, floor) ?? cap)) * jitter
    return [seen, Duration.millis(millis), ScheduleDecision.continueWith(ScheduleInterval.after(now + millis))] as const
  }
  return Schedule.makeWithState<Seen | null, VideoResource, Duration.Duration>(null, (now, video, last) =>
    isPaged
      ? Effect.succeed(step(last, now, video, 1.1))
      : Effect.map(Random.next, (random) => step(last, now, video, 0.9 + 0.2 * random))
  )
}

// -----------------------------------------------------------------------------
// poll schedules
// -----------------------------------------------------------------------------

/**
 * The floor, plus a sixth of the time that the job has been in its phase: a job that has run long is expected to run longer.
 * The age is the job's own if `createdAt` is plausible, else it counts from the first poll. It starts again when a queued job
 * begins to run, because the time in a queue says nothing about the run.
 *
 * @example
 * import { Schedule } from "effect"
 * import { pollByAge, watchVideo } from "effect-videos"
 *
 * const updates = watchVideo("video_1", { poll: pollByAge({ cap: "1 minute" }).pipe(Schedule.upTo("2 hours")) })
 *
 * @since 0.1.0
 * @category schedules
 */
export const pollByAge = (options?: PollOptions): Schedule.Schedule<Duration.Duration, VideoResource> =>
  pace(options, byAge)

/**
 * Two fifths of the remaining time, estimated from how fast `progress` moved between polls, so that polls concentrate near the
 * end; once a job is overdue, the floor and a twenty-fourth of its delay. While nothing is known, which with servers that say
 * only 0 and 100 is always, it asks for the cap: a piece to combine, by `Schedule.union`, with one that needs no progress.
 *
 * @example
 * import { Schedule } from "effect"
 * import { pollByProgress, watchVideo } from "effect-videos"
 *
 * const updates = watchVideo("video_1", { poll: Schedule.union(Schedule.spaced("5 seconds"), pollByProgress()) })
 *
 * @since 0.1.0
 * @category schedules
 */
export const pollByProgress = (options?: PollOptions): Schedule.Schedule<Duration.Duration, VideoResource> =>
  pace(options, byProgress)

/**
 * Follows the job: `pollByProgress` once its progress has moved, and `pollByAge` if it has no progress. After the first poll with
 * progress, the shorter of both delays, because the job may have waited before it began. `docs/watching.md` compares its cost
 * with fixed intervals.
 *
 * @example
 * import { Schedule } from "effect"
 * import { adaptivePoll, watchVideo } from "effect-videos"
 *
 * // At most every two seconds, and for an hour at most; then the watch fails with `WatchTimeoutError`.
 * const updates = watchVideo("video_1", { poll: adaptivePoll({ floor: "2 seconds" }).pipe(Schedule.upTo("1 hour")) })
 *
 * @since 0.1.0
 * @category schedules
 */
export const adaptivePoll = (options?: PollOptions): Schedule.Schedule<Duration.Duration, VideoResource> =>
  pace(options, byAll)

/**
 * `adaptivePoll()`: 1.5 to 10 seconds.
 *
 * @since 0.1.0
 * @category schedules
 */
export const defaultPollSchedule: Schedule.Schedule<Duration.Duration, VideoResource> = adaptivePoll()

/**
 * `defaultPollSchedule` for jobs that a page polls, always with the longest delay that its jitter allows: the first of the jobs
 * decides for all. Their states are the same, so that a watch may go from one to the other.
 *
 * @internal
 */
export const pagedPollSchedule: typeof defaultPollSchedule = pace(undefined, byAll, true)

/**
 * Exponential from 1 second to 30, with full jitter, until polls have failed for 10 minutes without a success.
 *
 * @since 0.1.0
 * @category schedules
 */
export const defaultRetrySchedule: Schedule.Schedule<unknown> = backoff({ base: "1 second", cap: "30 seconds" }).pipe(
  Schedule.upTo("10 minutes")
)
