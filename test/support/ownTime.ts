/** Time that passes when nothing else happens: turns of the event loop, and a clock that advances to the next sleep. */
import { Clock, Duration, Effect, Fiber } from "effect"

/** Waits for one turn of the event loop. */
export const turn: Effect.Effect<unknown> = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

const isWaitingForFiles = () => process.getActiveResourcesInfo().some((name) => name.startsWith("FSReq"))

/**
 * Waits until a fiber has ended, or until this many turns in a row have passed in which no request to the file system was
 * pending: then the fiber waits for the clock. Returns whether the fiber has ended.
 */
export const isEndedAfter = <A, E>(fiber: Fiber.RuntimeFiber<A, E>, turns: number): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    for (let count = 0; count < turns; count = isWaitingForFiles() ? 0 : count + 1) {
      yield* turn
      if (fiber.unsafePoll() !== null) return true
    }
    return false
  })

/**
 * Runs an effect on its own clock, which advances to the next sleep when nothing else happens. `TestClock` can do the same, but
 * takes ten milliseconds for each sleep: too long for thousands of sleeps.
 */
export const inItsOwnTime = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  start: number,
  turns = 6
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const sleeping = new Set<{ readonly until: number; readonly wake: () => void }>()
    let now = start
    const clock: Clock.Clock = {
      ...Clock.make(),
      unsafeCurrentTimeMillis: () => now,
      unsafeCurrentTimeNanos: () => BigInt(now) * 1_000_000n,
      currentTimeMillis: Effect.sync(() => now),
      currentTimeNanos: Effect.sync(() => BigInt(now) * 1_000_000n),
      sleep: (duration) =>
        Effect.async<void>((resume) => {
          const sleep = { until: now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
          sleeping.add(sleep)
          return Effect.sync(() => sleeping.delete(sleep))
        })
    }
    const fiber = yield* Effect.fork(Effect.withClock(effect, clock))
    while (!(yield* isEndedAfter(fiber, turns))) {
      if (sleeping.size > 0) now = Math.max(now, Math.min(...[...sleeping].map(({ until }) => until)))
      for (const sleep of [...sleeping].filter(({ until }) => until <= now)) {
        sleeping.delete(sleep)
        sleep.wake()
      }
    }
    return yield* Fiber.join(fiber)
  })
