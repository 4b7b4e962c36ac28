/** What the headers of a response say: its length, range and version (RFC 9110, 8.8, 13.1.5 and 14), and how long to wait. */
import * as Duration from "effect/Duration"

export type ResponseHeaders = { readonly [name: string]: string | undefined }

const count = (text: string | undefined): number | null => {
  if (text === undefined || !/^\d{1,15}$/.test(text)) return null
  return Number(text)
}

/** Length of the body as it arrives here; unknown where a client has to decode it first. */
export const lengthOf = (headers: ResponseHeaders): number | null =>
  /^(identity)?$/i.test(headers["content-encoding"] ?? "") ? count(headers["content-length"]) : null

/** `Content-Range: bytes 5-9/10`. */
export const rangeOf = (headers: ResponseHeaders): { readonly start: number; readonly total: number | null } | null => {
  const [, start, , total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/i.exec(headers["content-range"] ?? "") ?? []
  const from = count(start)
  return from === null ? null : { start: from, total: count(total) }
}

/** The length of the whole, as a 416 says it in place of a range: `bytes`, a star, and the length. */
export const unsatisfied = (headers: ResponseHeaders | undefined): number | null =>
  count(/^bytes \*\/(\d+)$/i.exec(headers?.["content-range"] ?? "")?.[1])

/**
 * What a later request can name this version by: a strong entity tag or, if the response has no tag, a date that is at least a
 * second older than the response, so that nothing can have changed since. A weak tag does not promise equal bytes, and some tags
 * cannot be sent back in a header.
 */
export const validatorOf = (headers: ResponseHeaders): string | null => {
  const { "content-encoding": encoding = "", date = "", etag, "last-modified": modified } = headers
  if (!/^(identity)?$/i.test(encoding)) return null
  if (etag !== undefined) return /^"[\x21\x23-\x7e]*"$/.test(etag) ? etag : null
  return modified !== undefined && Date.parse(date) - Date.parse(modified) >= 1000 ? modified : null
}

/**
 * Whether a part that was sent is of the version that was asked for: the server may have ignored `If-Range`. An entity tag
 * has to come again; a date need not, if the length is the same.
 */
export const sameVersion = (headers: ResponseHeaders, validator: string | null, sameLength: boolean): boolean => {
  if (validator === null) return false
  if (validator.startsWith('"')) return headers["etag"] === validator
  const modified = headers["last-modified"]
  return modified === undefined ? sameLength : modified === validator
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
export const retryAfter = (headers: ResponseHeaders, now: number): Duration.Duration | null => {
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
export const pollAfter = (headers: ResponseHeaders, now: number): Duration.Duration | null => {
  const hint = headers["openai-poll-after-ms"]
  return isNumeric(hint) ? delay(Number(hint)) : retryAfter(headers, now)
}
