/** The request budget of a layer: how many requests at once, how fast they start, and submissions before reads. */
import type * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import { maxTimer, monotonicMillis } from "../monotonicClock.js"
import type { BudgetOptions, BudgetSnapshot, RequestKind } from "./budgetTypes.js"
import { makeRateController } from "./rateController.js"

const defaultConcurrency = 64

/** Requests that may wait in a shared limiter: a submission cannot go before them there. */
const maxInLimiter = 4

/** Submissions go first, but no more than this many in a row while a read waits: otherwise endless submissions would stop reads. */
const maxWritesInRow = 3

/** How a request ended, as far as it says something about the rate. */
export interface Outcome {
  /** `null` if there was no response, or one that says nothing about the rate: a 429 because of a quota. */
  readonly status: number | null
  readonly retryAfter: Duration.Duration | null
}

/** Restores the interruptibility of the caller inside an uninterruptible region. */
type Restore = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** @internal */
export interface Budget {
  /**
   * Waits for a permit. In an uninterruptible region only the waiting is interruptible (by `restore`): success holds a permit, any
   * other exit holds none.
   */
  readonly acquire: (kind: RequestKind, restore?: Restore) => Effect.Effect<void>
  /** Releases a permit, once for each `acquire` that succeeded. */
  readonly release: (outcome: Outcome) => void
  readonly snapshot: () => BudgetSnapshot
}

/** A request that waits for its permit. */
interface Waiting {
  grant: () => void
  isGranted: boolean
}

/**
 * Why not `Effect.makeSemaphore`: each release wakes every waiting fiber, which makes ten thousand concurrent reads quadratic, and a
 * new fiber may take the permit before one that has waited.
 */
export const makeBudget = (options: BudgetOptions = {}): Budget => {
  const { concurrency = defaultConcurrency, limiter, requestsPerSecond } = options
  const rate = makeRateController(requestsPerSecond ?? null)
  // A `Set` keeps the order of its entries, and removes any of them in O(1).
  const writes = new Set<Waiting>()
  const reads = new Set<Waiting>()
  let writesInRow = 0
  let inFlight = 0
  let inLimiter = 0
  let timer: Fiber.RuntimeFiber<void> | null = null

  // The end of a request is handled outside a fiber, by the clock of the last request.
  let clock: Clock.Clock | null = null
  let seenAt = 0
  let passed = 0
  /** Monotonic, even if two requests have two clocks. */
  const now = (): number => {
    const at = clock === null ? seenAt : monotonicMillis(clock)
    passed += Math.max(0, at - seenAt)
    seenAt = at
    return passed
  }

  const waiting = (): number => writes.size + reads.size

  const hasPermit = (): boolean => inFlight < concurrency && inLimiter < maxInLimiter

  const start = (): void => {
    inFlight++
    if (limiter !== undefined) inLimiter++
    rate.start(now())
  }

  const disarm = (): void => {
    const armed = timer
    timer = null
    armed?.unsafeInterruptAsFork(FiberId.none)
  }

  /** Starts are only ever delayed: a timer that is armed fires too early at worst, and is then armed again. */
  const arm = (millis: number): void => {
    if (timer !== null || clock === null) return
    const armed = Effect.runFork(clock.sleep(Duration.millis(Math.min(Math.ceil(millis), maxTimer))))
    timer = armed
    armed.addObserver(() => {
      if (timer !== armed) return
      timer = null
      pump()
    })
  }

  /** Grants permits as far as the limits allow. Runs after every change. */
  const pump = (): void => {
    while (hasPermit()) {
      const queue = writes.size > 0 && (reads.size === 0 || writesInRow < maxWritesInRow) ? writes : reads
      const [next] = queue
      if (next === undefined) break
      const delay = rate.delay(now())
      if (delay > 0) {
        arm(delay)
        return
      }
      queue.delete(next)
      writesInRow = queue === writes ? writesInRow + 1 : 0
      start()
      next.isGranted = true
      next.grant()
    }
    if (waiting() === 0) disarm()
  }

  const releasePermit = (): void => {
    inFlight--
    pump()
  }

  /** Waits in the queue. Runs in an uninterruptible region, so that it ends with a permit or without one. */
  const queued = (kind: RequestKind, restore: Restore): Effect.Effect<void> =>
    Effect.suspend(() => {
      const queue = kind === "read" ? reads : writes
      const entry: Waiting = { grant: () => {}, isGranted: false }
      const granted = Effect.async<void>((resume) => {
        entry.grant = () => resume(Effect.void)
        queue.add(entry)
        pump()
      })
      const leave = Effect.sync(() => {
        if (!entry.isGranted) {
          queue.delete(entry)
          pump()
          return
        }
        if (limiter !== undefined) inLimiter--
        releasePermit()
      })
      return Effect.onError(restore(granted), () => leave)
    })

  const unpaused: Effect.Effect<void> = Effect.suspend(() => {
    const left = rate.pausedUntil() - now()
    return left > 0 ? Effect.zipRight(Effect.sleep(left), unpaused) : Effect.void
  })

  /** Waits in the shared limit. The server may have asked for a pause meanwhile. */
  const limited = (kind: RequestKind, restore: Restore): Effect.Effect<void> => {
    if (limiter === undefined) return Effect.void
    const taken = Effect.suspend(() => Effect.zipRight(limiter.take(kind), unpaused))
    return Effect.onExit(restore(taken), (exit) =>
      Effect.sync(() => {
        inLimiter--
        if (exit._tag === "Failure") releasePermit()
        else pump()
      })
    )
  }

  const acquire = (kind: RequestKind, restore: Restore = Effect.interruptible): Effect.Effect<void> =>
    Effect.clockWith((current) => {
      clock = current
      if (waiting() > 0 || !hasPermit() || rate.delay(now()) > 0) {
        return Effect.zipRight(queued(kind, restore), limited(kind, restore))
      }
      start()
      return limited(kind, restore)
    })

  const release = ({ retryAfter, status }: Outcome): void => {
    if (status === 429 || (status === 503 && retryAfter !== null)) {
      rate.slowDown(now(), retryAfter === null ? null : Duration.toMillis(retryAfter))
    }
    releasePermit()
  }

  return {
    acquire,
    release,
    snapshot: () => {
      const left = rate.pausedUntil() - now()
      return {
        inFlight,
        waiting: waiting(),
        rate: rate.rate(now()),
        pausedUntil: left > 0 && clock !== null ? DateTime.unsafeMake(clock.unsafeCurrentTimeMillis() + left) : null
      }
    }
  }
}

/** Runs a request with a permit. `outcomeOf` reads what its end says about the rate. */
export const withPermit = <A, E>(
  budget: Budget,
  kind: RequestKind,
  request: Effect.Effect<A, E>,
  outcomeOf: (exit: Exit.Exit<A, E>) => Outcome
): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.zipRight(
      budget.acquire(kind, restore),
      Effect.onExit(restore(request), (exit) => Effect.sync(() => budget.release(outcomeOf(exit))))
    )
  )
