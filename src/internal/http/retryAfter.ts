/** The delay that a response's headers ask for. */
import * as Duration from "effect/Duration"

interface HeaderValues {
  readonly [name: string]: string | undefined
}

/** A year: keeps a hostile header from becoming an infinite or overflowing duration. */
const maxDelayMillis = 366 * 24 * 60 * 60 * 1000

const delay = (millis: number): Duration.Duration | null =>
  Number.isFinite(millis) ? Duration.millis(Math.min(maxDelayMillis, Math.max(0, millis))) : null

const isNumeric = (value: string | undefined): value is string =>
  value !== undefined && /^\s*\d+(\.\d+)?\s*$/.test(value)

/**
 * `retry-after-ms` (milliseconds, as the protocol's own clients read it), or `Retry-After` as seconds or as an HTTP-date
 * (RFC 9110, 10.2.3) relative to the response's `Date`, or else to `now`. A date that has passed is a delay of zero.
 */
export const retryAfter = (headers: HeaderValues, now: number): Duration.Duration | null => {
  const millis = headers["retry-after-ms"]
  if (isNumeric(millis)) return delay(Number(millis))
  const value = headers["retry-after"]
  if (isNumeric(value)) return delay(Number(value) * 1000)
  if (value === undefined) return null
  // Relative to the server's own clock if the response has a `Date`: the clock of this machine may be wrong.
  const sentAt = Date.parse(headers["date"] ?? "")
  return delay(Date.parse(value) - (Number.isNaN(sentAt) ? now : sentAt))
}

/**
 * The delay before the next poll, from a response with a success status: `openai-poll-after-ms` (milliseconds; openai-python's
 * poll helper reads it), or any form of `Retry-After`.
 */
export const pollAfter = (headers: HeaderValues, now: number): Duration.Duration | null => {
  const hint = headers["openai-poll-after-ms"]
  return isNumeric(hint) ? delay(Number(hint)) : retryAfter(headers, now)
}
