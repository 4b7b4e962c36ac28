/** A time-out that costs a third of `Effect.timeoutFail`: one fiber and a bare timer instead of two fibers and a race. */
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
  return Effect.clockWith((clock) => {
    const millis = Duration.toMillis(duration)
    if (clock !== liveClock || millis > maxTimer) {
      return Effect.timeoutFail(self, { duration, onTimeout })
    }
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
