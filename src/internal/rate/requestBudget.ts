/** The request budget of a layer: who may send now, who next, and how fast. */
import type * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import { monotonicMillis } from "../monotonicClock.js"
import type { BudgetOptions, BudgetSnapshot, RequestKind } from "./budgetTypes.js"
import { makeFairQueue, type Place } from "./fairQueue.js"
import { makePace } from "./rateController.js"

const defaultConcurrency = 64

/** A submission waits behind no more than so many reads in a shared limiter, where it cannot go before them. */
const maxTaking = 4

/** The longest delay that `setTimeout` takes: 2^31 - 1 ms. */
const maxTimer = 2_147_483_647

/** What is wrong with the options, by name, or `null`. */
export const checkBudget = (
  options: BudgetOptions
): { readonly name: "requestsPerSecond" | "concurrency" | "limiter"; readonly problem: string } | null => {
  const { concurrency, requestsPerSecond } = options
  if (requestsPerSecond !== undefined && !(Number.isFinite(requestsPerSecond) && requestsPerSecond > 0)) {
    return { name: "requestsPerSecond", problem: `must be a positive, finite number; received ${requestsPerSecond}` }
  }
  if (concurrency !== undefined && !(Number.isSafeInteger(concurrency) && concurrency > 0)) {
    return { name: "concurrency", problem: `must be a positive integer; received ${concurrency}` }
  }
  const { limiter } = options
  if (limiter !== undefined && typeof limiter.take !== "function") {
    return { name: "limiter", problem: "must have a function `take`" }
  }
  return null
}

/**
 * How an exchange ended.
 *
 * @internal
 */
export interface Outcome {
  /** `null` where there was no answer, or one that says nothing about pace: a 429 that is a quota's. */
  readonly status: number | null
  readonly retryAfter: Duration.Duration | null
}

/**
 * Gives a part of an uninterruptible region its caller's interruptibility back.
 *
 * @internal
 */
export type Restore = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** @internal */
export interface Budget {
  /**
   * Waits for a permit. In an uninterruptible region it is exact: success holds a permit, anything else holds none, since
   * only the waiting itself is interruptible (as far as `restore` says). `key` is the job's id, `null` where there is none.
   */
  readonly acquire: (kind: RequestKind, key: string | null, restore?: Restore) => Effect.Effect<void>
  /** A permit, if one is to be had at once: what `acquire` does for most calls, with no Effect around it. */
  readonly take: (clock: Clock.Clock) => boolean
  /** Gives a permit back, once for each `acquire` that succeeded. */
  readonly release: (outcome: Outcome) => void
  readonly snapshot: () => BudgetSnapshot
}

const mostWritesInARow = 3

interface Waiter {
  readonly go: () => void
  granted: boolean
}

/** @internal */
export const makeBudget = (options: BudgetOptions = {}): Budget => {
  const concurrency = options.concurrency ?? defaultConcurrency
  const limiter = options.limiter ?? null
  const pace = makePace(options.requestsPerSecond ?? null)
  const writes = makeFairQueue<Waiter>()
  const reads = makeFairQueue<Waiter>()
  let writesInARow = 0
  let inFlight = 0
  /** Those of them that are in the limiter. */
  let taking = 0
  let timer: Fiber.RuntimeFiber<void> | null = null

  // `release` has no fiber to ask for the clock: it is the last caller's.
  let clock: Clock.Clock | null = null
  let seenAt = 0
  let now = 0

  /** Brings `now` up to date. The callers' clocks may differ: one that is behind stands still here. */
  const tick = (): void => {
    if (clock === null) return
    const at = monotonicMillis(clock)
    if (at > seenAt) now += at - seenAt
    seenAt = at
  }

  const waiting = (): number => writes.size() + reads.size()

  const hasRoom = (): boolean => inFlight < concurrency && taking < maxTaking

  const start = (): void => {
    inFlight++
    if (limiter !== null) taking++
    pace.start(now)
  }

  const disarm = (): void => {
    const armed = timer
    timer = null
    armed?.unsafeInterruptAsFork(FiberId.none)
  }

  /** The next start is only ever put off: a timer that is set already rings early at worst, and is set anew then. */
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

  /** Submissions and deletions first; but one in four is a read, or whoever submits without end would see no job end. */
  const shift = (): Waiter | null => {
    const isWrite = writes.size() > 0 && (reads.size() === 0 || writesInARow < mostWritesInARow)
    writesInARow = isWrite ? writesInARow + 1 : 0
    return isWrite ? writes.shift() : reads.shift()
  }

  /** Lets go whoever may. Runs after every change; without room, the next release runs it. */
  const pump = (): void => {
    if (waiting() > 0) tick()
    while (waiting() > 0) {
      if (!hasRoom()) return
      const delay = pace.delay(now, false)
      if (delay > 0) {
        arm(delay)
        return
      }
      const next = shift()
      if (next === null) return
      start()
      next.granted = true
      next.go()
    }
    disarm()
  }

  const giveBack = (): void => {
    inFlight--
    pump()
  }

  const unpaused: Effect.Effect<void> = Effect.suspend(() => {
    tick()
    const left = pace.pausedUntil() - now
    return left > 0 ? Effect.zipRight(Effect.sleep(left), unpaused) : Effect.void
  })

  /** The part of the limit that others share; the server may have asked for a pause meanwhile. */
  const share = (kind: RequestKind, restore: Restore): Effect.Effect<void> => {
    if (limiter === null) return Effect.void
    const taken = Effect.suspend(() => Effect.zipRight(limiter.take(kind), unpaused))
    return Effect.uninterruptible(
      Effect.matchCauseEffect(restore(taken), {
        onFailure: (cause) => {
          taking--
          giveBack()
          return Effect.failCause(cause)
        },
        onSuccess: () => {
          taking--
          pump()
          return Effect.void
        }
      })
    )
  }

  const wait = (kind: RequestKind, key: string | null, restore: Restore): Effect.Effect<void> =>
    Effect.suspend(() => {
      const queue = kind === "read" ? reads : writes
      let place: Place<Waiter> | null = null
      const turn = Effect.async<void>((resume) => {
        place = queue.push(key, { go: () => resume(Effect.void), granted: false })
        pump()
      })
      return Effect.uninterruptible(
        Effect.matchCauseEffect(restore(turn), {
          onFailure: (cause) => {
            if (place?.value.granted === true) {
              if (limiter !== null) taking--
              giveBack()
            } else if (place !== null) {
              queue.remove(place)
              pump()
            }
            return Effect.failCause(cause)
          },
          onSuccess: () => share(kind, restore)
        })
      )
    })

  const isFree = (current: Clock.Clock): boolean => {
    clock = current
    tick()
    return waiting() === 0 && hasRoom() && pace.delay(now, true) <= 0
  }

  return {
    acquire: (kind, key, restore = Effect.interruptible) =>
      Effect.clockWith((current) => {
        if (!isFree(current)) return wait(kind, key, restore)
        start()
        return share(kind, restore)
      }),
    take: (current) => {
      if (limiter !== null || !isFree(current)) return false
      start()
      return true
    },
    release: ({ retryAfter, status }) => {
      if (status === 429 || (status === 503 && retryAfter !== null)) {
        tick()
        pace.slowDown(now, retryAfter === null ? null : Duration.toMillis(retryAfter))
      }
      giveBack()
    },
    snapshot: () => {
      tick()
      const left = pace.pausedUntil() - now
      return {
        inFlight,
        waiting: waiting(),
        rate: pace.rate(now, waiting() === 0),
        pausedUntil: left > 0 && clock !== null ? DateTime.unsafeMake(clock.unsafeCurrentTimeMillis() + left) : null
      }
    }
  }
}

/**
 * Runs one exchange under the budget. `outcome` is asked once it has ended, however it did.
 *
 * @internal
 */
export const withPermit = <A, E, R>(
  budget: Budget,
  call: { readonly kind: RequestKind; readonly key: string | null },
  exchange: Effect.Effect<A, E, R>,
  outcome: () => Outcome
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.zipRight(
      budget.acquire(call.kind, call.key, restore),
      Effect.matchCauseEffect(restore(exchange), {
        onFailure: (cause) => {
          budget.release(outcome())
          return Effect.failCause(cause)
        },
        onSuccess: (value) => {
          budget.release(outcome())
          return Effect.succeed(value)
        }
      })
    )
  )
