/**
 * A request limit that processes share: a token bucket in a `RateLimiterStore` (Redis, memory) of
 * `@effect/experimental`, an optional peer that only this module loads.
 *
 * @example
 * import { RateLimiter } from "@effect/experimental"
 * import { Effect, Layer } from "effect"
 * import type { RequestLimiter } from "effect-videos/transport"
 * import * as SharedLimit from "effect-videos/RateLimiter"
 *
 * // Instead of the store in memory, for many processes: `layerStore({ host: "redis" })` of
 * // "@effect/experimental/RateLimiter/Redis".
 * const store = RateLimiter.layerStoreMemory
 *
 * const program = Effect.gen(function* () {
 *   const limiter: RequestLimiter = yield* SharedLimit.make({ limit: 10, window: "1 second" })
 *   yield* limiter.take("read")
 * }).pipe(Effect.provide(store))
 *
 * @since 0.1.0
 */
import * as RateLimiter from "@effect/experimental/RateLimiter"
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as rules from "./internal/config/optionRules.js"
import { withTimeout } from "./internal/http/deadline.js"
import { currentMonotonicMillis } from "./internal/monotonicClock.js"
import type { RequestLimiter } from "./internal/rate/budgetTypes.js"

/**
 * Options of a shared limit.
 *
 * @since 0.1.0
 * @category models
 */
export interface SharedLimitOptions {
  /** Requests per window, of all processes with this key; a positive integer. After a quiet window, all of them may start at once. */
  readonly limit: number
  /** Default: 1 second. */
  readonly window?: Duration.DurationInput | undefined
  /** Processes with the same key in the same store share the limit. Use one for each API key. Default: `effect-videos`. */
  readonly key?: string | undefined
  /** The timeout of one request to the store. Default: 1 second. */
  readonly storeTimeout?: Duration.DurationInput | undefined
}

/** Milliseconds without a call to a store that failed, so that not every request waits for the store's timeout. */
const storePause = 10_000

const optionRules: rules.RulesOf<SharedLimitOptions> = {
  limit: rules.required(rules.finiteCount),
  window: rules.finiteTimeout,
  key: rules.anyText,
  storeTimeout: rules.finiteTimeout
}

/**
 * A limit in the store that the program provides.
 *
 * If the store fails, or does not respond within `storeTimeout`, one warning is logged, and for ten seconds the process
 * keeps the same limit by itself, in memory: many processes together may then exceed it.
 *
 * Fails with a `ConfigError` that names the option. A caller that is interrupted while it waits has used its permit up.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: SharedLimitOptions
): Effect.Effect<RequestLimiter, ConfigError.ConfigError, RateLimiter.RateLimiterStore> =>
  Effect.gen(function* () {
    yield* rules.checkConfig(options, optionRules)
    const { key = "effect-videos", limit } = options
    const window = Duration.decode(options.window ?? "1 second")
    const storeTimeout = Duration.decode(options.storeTimeout ?? "1 second")

    const shared = yield* RateLimiter.make
    const own = yield* Effect.provide(RateLimiter.make, RateLimiter.layerStoreMemory)
    const permit = { algorithm: "token-bucket", onExceeded: "delay", limit, window, key } as const
    // A store in memory does not fail.
    const fromMemory = Effect.orDie(own.consume(permit))
    let nextStoreAt = Number.NEGATIVE_INFINITY

    const warn = (error: RateLimiter.RateLimiterError) =>
      Effect.logWarning(
        `The store of the shared limit \`${key}\` failed: for ${storePause / 1000} s this process keeps to ${limit} requests per ${Duration.format(window)} by itself`,
        error
      )

    const fromStore = withTimeout(
      shared.consume(permit),
      storeTimeout,
      () => new RateLimiter.RateLimitStoreError({ message: `no response within ${Duration.format(storeTimeout)}` })
    ).pipe(
      Effect.catchAll((error) =>
        Effect.flatMap(currentMonotonicMillis, (now) => {
          // Requests that fail together log one warning.
          const isLogged = now < nextStoreAt
          nextStoreAt = now + storePause
          return isLogged ? fromMemory : Effect.zipRight(warn(error), fromMemory)
        })
      )
    )

    return {
      take: () =>
        Effect.flatMap(currentMonotonicMillis, (now) =>
          Effect.flatMap(now < nextStoreAt ? fromMemory : fromStore, ({ delay }) =>
            Duration.isZero(delay) ? Effect.void : Effect.sleep(delay)
          )
        )
    }
  })

/**
 * A limit in memory: for several layers of one process that are given the same value.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeMemory = (options: SharedLimitOptions): Effect.Effect<RequestLimiter, ConfigError.ConfigError> =>
  Effect.provide(make(options), RateLimiter.layerStoreMemory)
