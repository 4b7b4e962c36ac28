/**
 * When a request is sent again: from its kind and its error to "again after this delay" or "no". A delay is that of a
 * schedule, or the server's `Retry-After` if that is longer; a server that asks for more than `maxRetryAfter` gets no retry.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as Intervals from "effect/ScheduleIntervals"
import type { VideosConfigService } from "../config/configTypes.js"
import * as Errors from "../errors/errors.js"
import type { VideosHttpError } from "../errors/videosHttpError.js"
import { monotonicMillis } from "../monotonicClock.js"
import { hadNoEffect } from "./responseError.js"

/** Exponential growth with a cap and full jitter, so that clients that failed together do not come back together. */
export const backoff = (options: {
  readonly base: Duration.DurationInput
  readonly cap: Duration.DurationInput
}): Schedule.Schedule<unknown> =>
  Schedule.exponential(options.base, 2).pipe(
    Schedule.union(Schedule.spaced(options.cap)),
    Schedule.jitteredWith({ min: 0, max: 1 })
  )

/** What a retry goes by. */
export interface RetryPolicy<E> {
  readonly schedule: Schedule.Schedule<unknown, E>
  readonly maxRetryAfter: Duration.Duration
  /** Whether another attempt may succeed and does no harm. Default: every error. */
  readonly mayRetry?: ((error: E) => boolean) | undefined
  /** Whether the failed attempt got further than all before it: then the schedule restarts. Default: never. */
  readonly hasProgress?: (() => boolean) | undefined
}

/**
 * The policy of a call: a read or a deletion is sent again after a transient error, a submission only if it certainly had no
 * effect.
 */
export const policyOf = (
  config: VideosConfigService,
  kind: "read" | "submit" | "remove"
): RetryPolicy<VideosHttpError> =>
  kind === "submit"
    ? { schedule: config.submitRetry, maxRetryAfter: config.maxRetryAfter, mayRetry: maySubmitAgain }
    : { schedule: config.readRetry, maxRetryAfter: config.maxRetryAfter, mayRetry: Errors.isTransient }

/** Only what certainly had no effect. A 409 may say that the server has the first attempt already. */
const maySubmitAgain = (error: VideosHttpError): boolean => {
  switch (error._tag) {
    case "TransportError":
    case "ServerError":
    case "RateLimitedError":
      return error.isTransient && hadNoEffect(error)
    case "RequestTimeoutError":
      return !error.mayHaveActed
    default:
      return false
  }
}

/** The policy as a schedule, once `mayRetry` has said yes. */
const retrySchedule = <E>({ maxRetryAfter, schedule }: RetryPolicy<E>): Schedule.Schedule<E, E> =>
  Schedule.passthrough(schedule).pipe(
    Schedule.whileInput((error: E) => {
      const floor = Errors.retryAfterOf(error)
      return floor === null || Duration.lessThanOrEqualTo(floor, maxRetryAfter)
    }),
    Schedule.modifyDelay((error, delay) => Duration.max(delay, Errors.retryAfterOf(error) ?? Duration.zero))
  )

/** Runs `attempt` until it succeeds or the policy says no; fails with the last error. */
export const retrying = <A, E, R>(attempt: Effect.Effect<A, E, R>, policy: RetryPolicy<E>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let next: Stepper<E> | null = null
    const run: Effect.Effect<A, E, R> = Effect.catchAll(attempt, (error) => {
      const isFurther = policy.hasProgress?.() === true
      if (next === null || isFurther) next = retryDelays(policy)
      return Effect.flatMap(next(error), (millis) =>
        millis === null ? Effect.fail(error) : Effect.zipRight(Effect.sleep(millis), run)
      )
    })
    return run
  })

/** The policy one step at a time, for a loop that keeps state between attempts: milliseconds to wait, or `null`. */
export const retryDelays = <E>(policy: RetryPolicy<E>): Stepper<E> => {
  const step = stepper(retrySchedule(policy))
  // A schedule may have effects: it is asked only about an error that may be retried.
  return (error) => (policy.mayRetry?.(error) === false ? Effect.succeed(null) : step(error))
}

/** A running schedule: each call gives the milliseconds to wait, or `null` once the schedule has ended. */
export type Stepper<In> = (input: In) => Effect.Effect<number | null>

/**
 * Why not `Schedule.driver`: it reads the time of day, and a clock that is set back or forward would end or stretch a
 * schedule that counts elapsed time.
 */
export const stepper = <In>(schedule: Schedule.Schedule<unknown, In>): Stepper<In> => {
  let state = schedule.initial
  let offset: number | null = null
  return (input) =>
    Effect.clockWith((clock) => {
      const passed = monotonicMillis(clock)
      // The time of day at the first step, for schedules that go by a calendar; from there on the monotonic clock counts.
      offset ??= clock.unsafeCurrentTimeMillis() - passed
      const now = passed + offset
      return Effect.map(schedule.step(now, input, state), ([next, , decision]) => {
        state = next
        return ScheduleDecision.isDone(decision)
          ? null
          : Math.max(0, Math.round(Intervals.start(decision.intervals) - now))
      })
    })
}
