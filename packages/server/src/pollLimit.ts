/** A limit of polls, as xAI has one: those of the last second are counted, whatever job they read. */
import * as Effect from "effect/Effect"
import { currentMonotonicMillis } from "./monotonicClock.js"
import { type Refusal, refuse } from "./protocol.js"

/** Counts a poll; fails with 429 if it is one too many. */
export const makePollLimit = (perSecond: number): Effect.Effect<void, Refusal> => {
  const times: Array<number> = []
  return Effect.flatMap(currentMonotonicMillis, (now) => {
    while (times[0] !== undefined && now - times[0] >= 1000) times.shift()
    if (times.length >= perSecond) {
      return Effect.fail(refuse(429, "Too many requests. Please slow down.", { code: "rate_limit_exceeded" }))
    }
    if (Number.isFinite(perSecond)) times.push(now)
    return Effect.void
  })
}
