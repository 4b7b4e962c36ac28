/** Time for intervals: a clock that is set back does not change it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds of the monotonic clock. */
export const currentMonotonicMillis = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / BigInt(1_000_000)))
