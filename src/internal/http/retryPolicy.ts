/** Schedules, one step at a time: the delay is computed here and slept elsewhere, so that a server's wish can change it. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as Intervals from "effect/ScheduleIntervals"
import * as Errors from "../errors/errors.js"
import { monotonicMillis } from "../monotonicClock.js"

/** A running schedule: each call gives the milliseconds to wait, or `null` once the schedule has ended. */
export type Stepper<In> = (input: In) => Effect.Effect<number | null>

/** @internal */
export const stepper = <In>(schedule: Schedule.Schedule<unknown, In>): Stepper<In> => {
  let state = schedule.initial
  let offset: number | null = null
  return (input) =>
    Effect.clockWith((clock) => {
      const passed = monotonicMillis(clock)
      // The time of day as of the first step, for schedules that go by a calendar; from there on no clock that is set counts.
      offset ??= clock.unsafeCurrentTimeMillis() - passed
      const now = passed + offset
      return Effect.map(schedule.step(now, input, state), ([next, , decision]) => {
        state = next
        return ScheduleDecision.isDone(decision) ? null : Math.max(0, Intervals.start(decision.intervals) - now)
      })
    })
}

/** Exponential growth with a cap and full jitter, so that clients that failed together do not come back together. */
export const backoff = (options: {
  readonly base: Duration.DurationInput
  readonly cap: Duration.DurationInput
}): Schedule.Schedule<unknown> =>
  Schedule.exponential(options.base, 2).pipe(
    Schedule.union(Schedule.spaced(options.cap)),
    Schedule.jitteredWith({ min: 0, max: 1 })
  )

/**
 * The wait before the next try: the schedule's, or the server's `Retry-After` where that is longer. `null` means
 * give up: the schedule has ended, or the server wants more patience than `maxRetryAfter` allows.
 */
export const nextDelay = <E>(
  step: Stepper<E>,
  error: E,
  maxRetryAfter: Duration.Duration
): Effect.Effect<number | null> =>
  Effect.map(step(error), (millis) => {
    const floor = Errors.retryAfterOf(error)
    if (millis === null || floor === null) return millis
    return Duration.greaterThan(floor, maxRetryAfter) ? null : Math.max(millis, Duration.toMillis(floor))
  })

/**
 * Runs `attempt` until it succeeds, fails for good, or the schedule ends; the last error is the result. Nothing is set up
 * until the first failure, so that a call that succeeds pays nothing.
 */
export const retrying = <A, E, R>(
  attempt: Effect.Effect<A, E, R>,
  options: {
    readonly schedule: Schedule.Schedule<unknown, E>
    readonly while: (error: E) => boolean
    readonly maxRetryAfter: Duration.Duration
  }
): Effect.Effect<A, E, R> =>
  Effect.catchIf(attempt, options.while, (first) => {
    const step = stepper(options.schedule)
    const again = (error: E): Effect.Effect<A, E, R> =>
      Effect.flatMap(nextDelay(step, error, options.maxRetryAfter), (millis) =>
        millis === null
          ? Effect.fail(error)
          : Effect.zipRight(Effect.sleep(millis), Effect.catchIf(attempt, options.while, again))
      )
    return again(first)
  })
