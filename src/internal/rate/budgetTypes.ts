import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"

/**
 * How much a layer may ask of its server.
 *
 * @since 0.1.0
 * @category models
 */
export interface BudgetOptions {
  /**
   * Positive; `0.5` is a request each two seconds. They start evenly spaced, those of a tenth of a second together.
   * Default: any number until the server returns 429; then half of what was sent, until that has grown to twice of it.
   */
  readonly requestsPerSecond?: number | undefined
  /** Requests under way at once, and so connections; a positive integer. Default: 64. */
  readonly concurrency?: number | undefined
  /** A limit that is shared with others, asked once for each request, after this layer's own. Default: none. */
  readonly limiter?: RequestLimiter | undefined
}

/**
 * A limit that layers, or processes, share. `effect-videos/RateLimiter` makes one of `@effect/experimental`'s rate
 * limiter; one of your own is this one function.
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
   * Returns once a request of this kind may be sent, and is interrupted if its caller is. It cannot fail: whether a
   * request goes out while the limit cannot be asked is for the limiter to say. At most four wait in it at a time.
   */
  readonly take: (kind: RequestKind) => Effect.Effect<void>
}

/**
 * What a request does: look, make a job, or delete one.
 *
 * @since 0.1.0
 * @category models
 */
export type RequestKind = "read" | "submit" | "remove"

/**
 * A budget as it is now.
 *
 * @since 0.1.0
 * @category models
 */
export interface BudgetSnapshot {
  /** Requests that have been let go and are not done; with a limiter also those that wait in it. */
  readonly inFlight: number
  /** Requests that wait for this layer's own limits. */
  readonly waiting: number
  /** Requests per second that are allowed now; `null`: any. */
  readonly rate: number | null
  /** Nothing is sent before, since the server said so. */
  readonly pausedUntil: DateTime.Utc | null
}
