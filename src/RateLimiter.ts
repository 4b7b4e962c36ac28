/**
 * A request limit that processes share, on the rate limiter of `@effect/experimental` (an optional peer that nothing else
 * of this library loads): a token bucket in that module's own Redis store, or in any other `RateLimiterStore`; in memory
 * where one process is all there is.
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
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { withTimeout } from "./internal/http/deadline.js"
import { currentMonotonicMillis } from "./internal/monotonicClock.js"
import type { RequestLimiter } from "./internal/rate/budgetTypes.js"

/**
 * What is shared, and with whom.
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
  /** How long the store may take to answer. Default: 1 second. */
  readonly storeTimeout?: Duration.DurationInput | undefined
}

/** Milliseconds without a call to a store that failed, so that not every request waits for the store's timeout. */
const leaveAlone = 10_000

const readDuration = (name: "window" | "storeTimeout", input: Duration.DurationInput) =>
  Option.match(
    Option.filter(Duration.decodeUnknown(input), (given) => Duration.isFinite(given) && !Duration.isZero(given)),
    {
      onNone: () => Effect.fail(ConfigError.InvalidData([name], `\`${name}\` must be a positive, finite duration`)),
      onSome: Effect.succeed
    }
  )

/**
 * A limit in the store that the program provides.
 *
 * A store that fails, or does not answer in time, stops nothing: one warning is logged, and for ten seconds the process
 * keeps the same limit by itself, in memory; then the store is asked again. Many processes may send more than the limit
 * together in that time, and the budget's answer to a 429 is what slows them down.
 *
 * Fails with a `ConfigError` that names the option. A caller that is interrupted while it waits has used its turn up.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: SharedLimitOptions
): Effect.Effect<RequestLimiter, ConfigError.ConfigError, RateLimiter.RateLimiterStore> =>
  Effect.gen(function* () {
    const { key = "effect-videos", limit } = options
    if (!(Number.isSafeInteger(limit) && limit > 0)) {
      return yield* Effect.fail(
        ConfigError.InvalidData(["limit"], `\`limit\` must be a positive integer; received ${limit}`)
      )
    }
    const window = yield* readDuration("window", options.window ?? "1 second")
    const storeTimeout = yield* readDuration("storeTimeout", options.storeTimeout ?? "1 second")

    const shared = yield* RateLimiter.make
    const own = yield* Effect.provide(RateLimiter.make, RateLimiter.layerStoreMemory)
    const turn = { algorithm: "token-bucket", onExceeded: "delay", limit, window, key } as const
    // In memory there is nothing that could fail.
    const alone = Effect.orDie(own.consume(turn))
    let askAgainAt = Number.NEGATIVE_INFINITY

    const ask = withTimeout(
      shared.consume(turn),
      storeTimeout,
      () => new RateLimiter.RateLimitStoreError({ message: `no response within ${Duration.format(storeTimeout)}` })
    ).pipe(
      Effect.catchAll((error) =>
        Effect.flatMap(currentMonotonicMillis, (now) => {
          // Of requests that fail together, one says so.
          const known = now < askAgainAt
          askAgainAt = now + leaveAlone
          return known
            ? alone
            : Effect.zipRight(
                Effect.logWarning(
                  `The shared limit \`${key}\` cannot be asked: this process keeps to ${limit} requests per ${Duration.format(window)} by itself`,
                  error
                ),
                alone
              )
        })
      )
    )

    return {
      take: () =>
        Effect.flatMap(currentMonotonicMillis, (now) =>
          Effect.flatMap(now < askAgainAt ? alone : ask, ({ delay }) =>
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
