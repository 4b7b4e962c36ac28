/**
 * How fast requests may start: additive increase, multiplicative decrease; once the rate that was too much is reached again
 * and is no longer too much, the increase goes by what has grown since. Plain numbers that change only when they are asked
 * for: no timer, no fiber. Instants are milliseconds of one clock that never goes back.
 */

const second = 1000

/** A server's wish beyond this is between it and the job that was told: the job's own error carries it. */
const maxPause = 30 * second

/** Refusals this close to the last one that counted belong to the same burst. */
const burst = second

/** From a standstill to the whole rate, so that a rate that was halved is back after half of it. */
const recovery = 20

/**
 * From then on it doubles in as many seconds as the halved rate took to be back. By additions alone, a rate that a storm of
 * refusals has halved ten times would need hours for what ten doublings do in two minutes.
 */
const doubling = recovery / 2

/** Nobody is slowed down to less than a request each five seconds. */
const minRate = 0.2

/** A limit that nobody set is lifted at so many times the rate that was too much, and that is in use. */
const margin = 2

/** Or at so many times these, where somebody waits all the same: then for something else. */
const wideMargin = 16

/** Above 10 requests per second a timer is too coarse to space them: what falls into this many milliseconds may start at once. */
const grain = 100

/** @internal */
export interface Pace {
  /** Milliseconds until the next request may start. `idle`: nobody waits. */
  readonly delay: (now: number, idle: boolean) => number
  /** A request starts. */
  readonly start: (now: number) => void
  /** The server asked for less, and perhaps for a pause of so many milliseconds. */
  readonly slowDown: (now: number, retryAfter: number | null) => void
  /** Requests per second that are allowed; `null`: any. */
  readonly rate: (now: number, idle: boolean) => number | null
  /** Nothing starts before. */
  readonly pausedUntil: () => number
}

/** @internal */
export const makePace = (configured: number | null): Pace => {
  let nextAt = Number.NEGATIVE_INFINITY
  let pausedUntil = Number.NEGATIVE_INFINITY
  /** The last refusal that counted: when, what was allowed then, what since; `null` once that is overcome. */
  let cut: { readonly at: number; readonly from: number; readonly to: number } | null = null
  let cutAt = Number.NEGATIVE_INFINITY

  // Starts in this second and in the one before it.
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

  /** Starts within the last second, taking those of the second before as spread evenly. */
  const observed = (now: number): number => {
    roll(now)
    return starts + startsBefore * (1 - (now - secondBegan) / second)
  }

  const rate = (now: number, idle: boolean): number | null => {
    if (cut === null) return configured
    const seconds = Math.max(0, now - Math.max(cut.at, pausedUntil)) / second
    const grown = Math.max(cut.to + ((configured ?? cut.from) / recovery) * seconds, cut.to * 2 ** (seconds / doubling))
    const overcome = grown >= (configured ?? (idle ? margin : wideMargin) * Math.max(cut.from, observed(now)))
    if (!overcome) return grown
    cut = null
    return configured
  }

  return {
    rate,
    pausedUntil: () => pausedUntil,
    delay: (now, idle) => (rate(now, idle) === null ? 0 : Math.max(0, nextAt - now)),
    start: (now) => {
      roll(now)
      starts++
      const allowed = rate(now, false)
      if (allowed === null) return
      const interval = second / allowed
      const credit = Math.max(0, grain - interval)
      // A start that is a little late does not delay those after it, or timers would make every rate a lower one.
      if (now - nextAt > Math.max(credit, interval / 10)) nextAt = now - credit
      nextAt += interval
    },
    slowDown: (now, retryAfter) => {
      // While it is paused nothing is sent: what is refused then was sent before.
      if (now >= Math.max(cutAt + burst, pausedUntil)) {
        const from = rate(now, false) ?? Math.max(1, observed(now))
        cut = { at: now, from, to: Math.max(from / 2, Math.min(from, minRate)) }
        cutAt = now
      }
      if (retryAfter !== null) pausedUntil = Math.max(pausedUntil, now + Math.min(retryAfter, maxPause))
      nextAt = Math.max(nextAt, now, pausedUntil)
    }
  }
}
