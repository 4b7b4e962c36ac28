import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"

/**
 * Limits on the requests of a layer.
 *
 * @since 0.1.0
 * @category models
 */
export interface BudgetOptions {
  /**
   * Positive; `0.5` is one request every two seconds. Requests are spaced evenly, in groups of a tenth of a second. Default: no limit
   * until a 429; then half of the rate at that time, which doubles every ten seconds until it is twice that rate.
   */
  readonly requestsPerSecond?: number | undefined
  /** Requests in flight at the same time, and so connections; a positive integer. Default: 64. */
  readonly concurrency?: number | undefined
  /** A limit that is shared with other layers or processes, applied after this layer's own. Default: none. */
  readonly limiter?: RequestLimiter | undefined
}

/**
 * A limit that layers or processes share: one of `effect-videos/RateLimiter`, or your own.
 *
 * @example
 * import { Effect } from "effect"
 * import type { RequestLimiter } from "effect-videos/transport"
 *
 * // Ten requests a second, for all layers with this value.
 * const limiter: Effect.Effect<RequestLimiter> = Effect.map(Effect.makeSemaphore(10), (semaphore) => ({
 *   take: () =>
 *     Effect.zipRight(
 *       semaphore.take(1),
 *       Effect.asVoid(Effect.forkDaemon(Effect.delay(semaphore.release(1), "1 second")))
 *     )
 * }))
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestLimiter {
  /**
   * Succeeds once a request of this kind may be sent; interrupted with its caller. The limiter decides whether requests
   * are sent while its store is unavailable. At most four requests wait in it at a time.
   */
  readonly take: (kind: RequestKind) => Effect.Effect<void>
}

/**
 * The kind of a request: it reads, makes a job, or deletes one.
 *
 * @since 0.1.0
 * @category models
 */
export type RequestKind = "read" | "submit" | "remove"

/**
 * The state of a budget.
 *
 * @since 0.1.0
 * @category models
 */
export interface BudgetSnapshot {
  /** Requests that have a permit; with a limiter, also those that wait in it. */
  readonly inFlight: number
  /** Requests that wait for a permit. */
  readonly waiting: number
  /** The rate in requests per second; `null`: no limit. */
  readonly rate: number | null
  /** Until when no request is sent, because the server asked for a pause; `null`: no pause. */
  readonly pausedUntil: DateTime.Utc | null
}
