/** Requests that only take time, under a budget. */
import { Clock, Duration, Effect, TestClock } from "effect"
import type { RequestKind } from "effect-videos/transport"
import { type Budget, type Outcome, withPermit } from "../../src/internal/rate/requestBudget.js"

export const fine: Outcome = { status: 200, retryAfter: null }

export const tooMany = (retryAfter: Duration.DurationInput | null = null): Outcome => ({
  status: 429,
  retryAfter: retryAfter === null ? null : Duration.decode(retryAfter)
})

/** Lets woken fibers run until they wait again. */
export const settle = Effect.repeatN(Effect.yieldNow(), 50)

export const adjust = (duration: Duration.DurationInput) => Effect.zipRight(TestClock.adjust(duration), settle)

export interface Started {
  readonly name: string
  readonly at: number
}

/** Runs requests under a budget, and records when each started. */
export const requests = (budget: Budget) => {
  const started: Array<Started> = []
  const request = (
    name: string,
    options: {
      readonly kind?: RequestKind
      readonly takes?: Duration.DurationInput
      readonly outcome?: Outcome
    } = {}
  ) =>
    withPermit(
      budget,
      options.kind ?? "read",
      Effect.zipRight(
        Effect.clockWith((clock) => Effect.sync(() => started.push({ name, at: clock.unsafeCurrentTimeMillis() }))),
        options.takes === undefined ? Effect.void : Effect.sleep(options.takes)
      ),
      () => options.outcome ?? fine
    )
  return { started, request }
}

/** Wraps the test clock and counts its sleepers. Only tested code gets it: `TestClock` does not find a wrapped clock. */
export const countingClock = Effect.map(TestClock.testClock(), (clock) => {
  let sleeping = 0
  const counting: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis(),
    unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
    currentTimeMillis: clock.currentTimeMillis,
    currentTimeNanos: clock.currentTimeNanos,
    sleep: (duration) =>
      Effect.acquireUseRelease(
        Effect.sync(() => void sleeping++),
        () => clock.sleep(duration),
        () => Effect.sync(() => void sleeping--)
      )
  }
  return { clock: counting, sleeping: () => sleeping }
})

/** Holds permits until it is released. */
export const hold = (budget: Budget, permits = 1) => Effect.replicateEffect(budget.acquire("read"), permits)

/** A request that the server refuses. */
export const refuse = (budget: Budget, outcome = tooMany()) =>
  Effect.andThen(budget.acquire("read"), () => budget.release(outcome))
