/** Timeouts and deadlines. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"

const liveClock = Context.get(DefaultServices.liveServices, Clock.Clock)

/** The longest delay that `setTimeout` takes: 2^31 - 1 ms. */
const maxTimer = 2_147_483_647

/** Runs `onEnd` after a duration by the clock; returns what cancels it. */
const startTimer = (clock: Clock.Clock, duration: Duration.Duration, onEnd: () => void): (() => void) => {
  const millis = Duration.toMillis(duration)
  if (clock === liveClock && millis <= maxTimer) {
    const timer = setTimeout(onEnd, millis)
    return () => clearTimeout(timer)
  }
  const sleeping = Effect.runFork(Effect.zipRight(clock.sleep(duration), Effect.sync(onEnd)))
  return () => sleeping.unsafeInterruptAsFork(FiberId.none)
}

/**
 * Fails with `onTimeout` once `duration` has passed by the `Clock`, and interrupts `self`. Ends after that interruption, so that
 * the request of `self` is closed by then.
 *
 * Why not `Effect.timeoutFail`: its two fibers and their race cost a `retrieveVideo` 33 µs, this fiber and timer 12 µs. What a
 * call may cost beside bare `fetch` is a measured promise (`npm run bench -- retrieve`).
 */
export const withDeadline = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  duration: Duration.Duration,
  onTimeout: () => E2
): Effect.Effect<A, E | E2, R> =>
  Duration.isFinite(duration)
    ? Effect.clockWith((clock) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(Effect.forkDaemon(restore(self)), (fiber) =>
            restore(
              Effect.async<A, E | E2>((resume) => {
                let isExpired = false
                const cancel = startTimer(clock, duration, () => {
                  isExpired = true
                  fiber.unsafeInterruptAsFork(fiber.id())
                })
                fiber.addObserver((exit) => {
                  cancel()
                  resume(isExpired && Exit.isInterrupted(exit) ? Effect.fail(onTimeout()) : exit)
                })
                return Effect.zipRight(Effect.sync(cancel), Fiber.interrupt(fiber))
              })
            )
          )
        )
      )
    : self

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
