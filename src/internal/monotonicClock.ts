/**
 * Time for waits, deadlines and ages: whole milliseconds by the clock's nanoseconds, which are monotonic. The clock's
 * milliseconds are the system's time of day: a program, an operator or NTP may set it back or forward at any moment.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** The longest delay that `setTimeout` takes: 2^31 - 1 ms. */
export const maxTimer = 2_147_483_647

const nanosPerMilli = BigInt(1_000_000)

/** Only differences between two of these mean anything: compare none with a server's time, nor keep one across processes. */
export const monotonicMillis = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos() / nanosPerMilli)

export const currentMonotonicMillis: Effect.Effect<number> = Effect.clockWith((clock) =>
  Effect.sync(() => monotonicMillis(clock))
)
