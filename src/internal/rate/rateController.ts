/**
 * The rate at which requests may start. A refusal (429) pauses all of them for `Retry-After` and halves the rate; the rate then doubles
 * every ten seconds until it is restored. Instants are milliseconds of a monotonic clock.
 */

const second = 1000

/** A longer `Retry-After` is about the one request that was refused: its error carries it, and the others go on. */
const maxPause = 30 * second

/** Refusals this close to the last one that counted belong to the same burst. */
const burst = second

/** After a refusal, the rate doubles in this many seconds. */
const doubling = 10

/** The lowest rate: one request every five seconds. */
const minRate = 0.2

/** If no rate is configured, the limit ends at this multiple of the rate that was refused. */
const margin = 2

/** Above 10 requests per second a timer is too coarse to space them: those of this many milliseconds may start together. */
const grain = 100

/** @internal */
export const makeRateController = (configured: number | null) => {
  let nextAt = Number.NEGATIVE_INFINITY
  let pausedUntil = Number.NEGATIVE_INFINITY
  /** The last refusal that counted, the rate before it and the rate since. */
  let refusal: { readonly at: number; readonly from: number; readonly to: number } | null = null
  let refusedAt = Number.NEGATIVE_INFINITY

  // Requests that started in this second and in the one before it.
  let secondBegan = Number.NEGATIVE_INFINITY
  let starts = 0
  let startsBefore = 0

  const roll = (now: number): void => {
    const passed = now - secondBegan
    if (passed < second) return
    const adjoins = passed < 2 * second
    startsBefore = adjoins ? starts : 0
    starts = 0
    secondBegan = adjoins ? secondBegan + second : now
  }

  /** Starts within the last second, if those of the second before were spread evenly. */
  const observed = (now: number): number => {
    roll(now)
    return starts + startsBefore * (1 - (now - secondBegan) / second)
  }

  /** Requests per second; `null`: no limit. */
  const rate = (now: number): number | null => {
    if (refusal === null) return configured
    const { at, from, to } = refusal
    const grown = to * 2 ** (Math.max(0, now - Math.max(at, pausedUntil)) / second / doubling)
    if (grown < (configured ?? margin * from)) return grown
    refusal = null
    return configured
  }

  return {
    rate,
    /** No request starts before this instant. */
    pausedUntil: (): number => pausedUntil,
    /** Milliseconds until the next request may start. */
    delay: (now: number): number => Math.max(0, (rate(now) === null ? pausedUntil : nextAt) - now),
    /** A request starts. */
    start: (now: number): void => {
      roll(now)
      starts++
      const allowed = rate(now)
      if (allowed === null) return
      const interval = second / allowed
      const credit = Math.max(0, grain - interval)
      // A start that is a little late does not delay those after it, or timers would make every rate a lower one.
      if (now - nextAt > Math.max(credit, interval / 10)) nextAt = now - credit
      nextAt += interval
    },
    /** The server refused a request, and perhaps asked for a pause of this many milliseconds. */
    slowDown: (now: number, retryAfter: number | null): void => {
      // During a pause no request is sent: one that is refused then was sent before it.
      if (now >= Math.max(refusedAt + burst, pausedUntil)) {
        const from = rate(now) ?? Math.max(1, observed(now))
        refusal = { at: now, from, to: Math.max(from / 2, Math.min(from, minRate)) }
        refusedAt = now
      }
      if (retryAfter !== null) pausedUntil = Math.max(pausedUntil, now + Math.min(retryAfter, maxPause))
      nextAt = Math.max(nextAt, now, pausedUntil)
    }
  }
}
