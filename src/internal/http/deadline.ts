/** Time-outs cheaper than `Effect.timeoutFail`, with its two fibers and a race: a bare timer, and one fiber where it takes one. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"

// Only the live clock's sleep is `setTimeout`; any other clock (a test's) has to be asked.
const liveClock = Context.get(DefaultServices.liveServices, Clock.Clock)

/** The longest delay that `setTimeout` takes: 2^31 - 1 ms. */
const maxTimer = 2_147_483_647

/** The milliseconds of a bare timer that does what a sleep of the fiber's clock would; `null` where none does. */
export const timerOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>, duration: Duration.Duration): number | null => {
  const millis = Duration.toMillis(duration)
  return millis <= maxTimer && Context.get(fiber.currentDefaultServices, Clock.Clock) === liveClock ? millis : null
}

/** So many milliseconds for several waits in turn, from the moment at which the first of them begins. */
export class Countdown {
  private end: number | null = null
  private readonly millis: number

  constructor(millis: number) {
    this.millis = millis
  }

  left(): number {
    const now = performance.now()
    this.end ??= now + this.millis
    return Math.max(0, this.end - now)
  }
}

/** The end of something that takes several steps. */
export interface Deadline {
  readonly duration: Duration.Duration
  /** The time until then: what a step that begins now may take. */
  readonly left: Effect.Effect<Duration.Duration>
}

/** A deadline `duration` from now. A clock that is set back does not move it. */
export const startDeadline = (duration: Duration.Duration): Effect.Effect<Deadline> =>
  Effect.map(Clock.currentTimeNanos, (start) => ({
    duration,
    left: Duration.isFinite(duration)
      ? Effect.map(Clock.currentTimeNanos, (now) => Duration.subtract(duration, Duration.nanos(now - start)))
      : Effect.succeed(duration)
  }))

/**
 * Fails with `onTimeout` once `duration` has passed by the `Clock`, interrupting `self`; waits for that interruption, so that
 * the request it carries is closed by then.
 */
export const withDeadline = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  duration: Duration.Duration,
  onTimeout: () => E2
): Effect.Effect<A, E | E2, R> => {
  if (!Duration.isFinite(duration)) return self
  return Effect.withFiberRuntime((current) => {
    const millis = timerOf(current, duration)
    if (millis === null) return Effect.timeoutFail(self, { duration, onTimeout })
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkDaemon(restore(self)), (fiber) => {
        let expired = false
        return restore(
          Effect.async<A, E | E2>((resume) => {
            const timer = setTimeout(() => {
              expired = true
              fiber.unsafeInterruptAsFork(fiber.id())
            }, millis)
            fiber.addObserver((exit) => {
              clearTimeout(timer)
              resume(expired && Exit.isInterrupted(exit) ? Effect.fail(onTimeout()) : exit)
            })
            return Effect.zipRight(
              Effect.sync(() => clearTimeout(timer)),
              Fiber.interrupt(fiber)
            )
          })
        )
      })
    )
  })
}
