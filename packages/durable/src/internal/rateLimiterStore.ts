/** The request budget of all runners: one row for each key, changed by one statement, by the clock of Postgres. */
import * as RateLimiter from "@effect/experimental/RateLimiter"
import { SqlClient } from "@effect/sql"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const number = (value: unknown): number => Number(value ?? 0)

/** `left` is what the row keeps, `result` what the statement returns. */
const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const table = sql("effect_video_budget")
  const now = sql`(extract(epoch FROM clock_timestamp()) * 1000)`
  const failed = (cause: unknown) => new RateLimiter.RateLimitStoreError({ message: "Postgres cannot be used", cause })

  return RateLimiter.RateLimiterStore.of({
    tokenBucket: ({ allowOverflow, key, limit, refillRate, tokens }) => {
      const rate = Duration.toMillis(refillRate)
      const refills = sql`floor((${now} - budget.at) / ${rate}::float8)`
      const full = sql`least(${limit}::float8, budget.tokens + ${refills})`
      const left = sql`${full} - ${tokens}::float8`
      return sql<{ readonly result: unknown }>`INSERT INTO ${table} AS budget (key, tokens, result, at)
        VALUES (${key}, ${limit}::float8 - ${tokens}::float8, ${limit}::float8 - ${tokens}::float8, ${now})
        ON CONFLICT (key) DO UPDATE SET
          tokens = CASE WHEN ${allowOverflow} OR ${left} >= 0 THEN ${left} ELSE ${full} END,
          result = ${left},
          at = budget.at + ${refills} * ${rate}::float8
        RETURNING result`.pipe(
        Effect.map((rows) => number(rows[0]?.result)),
        Effect.mapError(failed)
      )
    },
    fixedWindow: ({ key, limit, refillRate, tokens }) => {
      const ttl = sql`(${Duration.toMillis(refillRate)}::float8 * ${tokens}::float8)`
      const most = limit ?? Number.MAX_SAFE_INTEGER
      const isOver = sql`budget.at <= ${now}`
      const count = sql`CASE WHEN ${isOver} THEN ${tokens}::float8 ELSE budget.tokens + ${tokens}::float8 END`
      const from = sql`CASE WHEN ${isOver} THEN ${now} ELSE budget.at END`
      return sql<{
        readonly result: unknown
        readonly ttl: unknown
      }>`INSERT INTO ${table} AS budget (key, tokens, result, at)
        VALUES (${key}, ${tokens}::float8, ${tokens}::float8, ${now} + ${ttl})
        ON CONFLICT (key) DO UPDATE SET
          tokens = CASE WHEN (${count}) > ${most}::float8 THEN budget.tokens ELSE ${count} END,
          result = ${count},
          at = CASE WHEN (${count}) > ${most}::float8 THEN budget.at ELSE (${from}) + ${ttl} END
        RETURNING result, at - ${now} AS ttl`.pipe(
        Effect.map((rows) => [number(rows[0]?.result), number(rows[0]?.ttl)] as const),
        Effect.mapError(failed)
      )
    }
  })
})

export const rateLimiterStore = Layer.effect(RateLimiter.RateLimiterStore, make)
