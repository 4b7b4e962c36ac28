/**
 * Faults on demand: failures between a program and a video server, as values. Faults, and the rules that select their
 * requests, are plain JSON. Set rules with the option `faults`, with `server.faults` while the server runs, or over HTTP at
 * `/_faults` with the option `faultControl`.
 *
 * All faults work on a socket and in-process. Delays use the server's `Clock`. In-process, without a connection:
 *
 * - A reset rejects the `fetch` as undici does (`TypeError` with `cause.code` `ECONNRESET`).
 * - A broken body is a stream that fails (`TypeError: terminated`).
 * - A compressed body arrives decoded, a redirect is not followed, and no header is too long.
 *
 * @example
 * import { Fault, VideosServer } from "@effect-videos/server"
 *
 * // The second extension makes a job, but its response is lost. A fifth of all reads return a stale response.
 * const server = VideosServer.layerTest({
 *   faults: [
 *     { on: ["extend"], when: Fault.nth(2), fault: Fault.reset("after-commit") },
 *     { on: ["retrieve", "list"], when: Fault.chance(0.2, 7), fault: Fault.stale("5 seconds") }
 *   ]
 * })
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import type * as model from "./faults/model.js"
import type { Json } from "./json.js"

export { Fault, LogEntry, RetryAfter, Rule, When } from "./faults/model.js"

const millis = (duration: Duration.DurationInput): number => Duration.toMillis(duration)

// -----------------------------------------------------------------------------
// when
// -----------------------------------------------------------------------------

/**
 * Selects every request.
 *
 * @since 0.1.0
 * @category selection
 */
export const always: model.When = { _tag: "Always" }

/**
 * Selects the nth request that matches the rule, counted from 1, or several of them.
 *
 * @since 0.1.0
 * @category selection
 */
export const nth = (n: number, ...more: ReadonlyArray<number>): model.When => ({ _tag: "Nth", n: [n, ...more] })

/**
 * Selects every nth request: n, 2n, 3n ...
 *
 * @since 0.1.0
 * @category selection
 */
export const every = (n: number): model.When => ({ _tag: "Every", n })

/**
 * Selects the first n requests.
 *
 * @since 0.1.0
 * @category selection
 */
export const first = (n: number): model.When => ({ _tag: "First", n })

/**
 * Selects each request with a probability from 0 to 1. The same seed always selects the same requests.
 *
 * @since 0.1.0
 * @category selection
 */
export const chance = (probability: number, seed: number): model.When => ({ _tag: "Chance", probability, seed })

// -----------------------------------------------------------------------------
// another response, or none
// -----------------------------------------------------------------------------

/**
 * Makes a `retry-after-ms` header, which the official clients prefer to `Retry-After`.
 *
 * @since 0.1.0
 * @category retry-after
 */
export const retryAfterMillis = (delay: Duration.DurationInput): model.RetryAfter => ({
  form: "millis",
  afterMillis: millis(delay)
})

/**
 * Makes a `Retry-After` header with an HTTP-date by the server's clock, rounded up to a second.
 *
 * @since 0.1.0
 * @category retry-after
 */
export const retryAfterDate = (delay: Duration.DurationInput): model.RetryAfter => ({
  form: "date",
  afterMillis: millis(delay)
})

/**
 * Makes a `Retry-After` header with an HTTP-date in the past.
 *
 * @since 0.1.0
 * @category retry-after
 */
export const retryAfterPast = (ago: Duration.DurationInput): model.RetryAfter => ({
  form: "date",
  afterMillis: -millis(ago)
})

/**
 * Options of `Fault.status`.
 *
 * @since 0.1.0
 * @category models
 */
export interface StatusOptions {
  /** 200 to 599. */
  readonly status: number
  /** A duration makes a `Retry-After` in seconds. Default: no header. */
  readonly retryAfter?: Duration.DurationInput | model.RetryAfter | undefined
  /** Default: `json`, the error body of the server; for 524, which only a proxy sends, `html`. */
  readonly body?: "json" | "html" | "empty" | undefined
  /** Code of the error, for example `insufficient_quota`. Default: `rate_limit_exceeded` for 429, else none. */
  readonly code?: string | undefined
  readonly message?: string | undefined
  /** Whether the server runs the operation first, so a job exists although the response is an error. Default: `false`. */
  readonly committed?: boolean | undefined
}

/**
 * Returns another HTTP status instead of the response: 429, 500, 502, 503, 504, 524 ...
 *
 * @since 0.1.0
 * @category constructors
 */
export const status = (options: StatusOptions): model.Fault => {
  const { body, code, committed = false, message, retryAfter, status } = options
  return {
    _tag: "Status",
    status,
    body: body ?? (status === 524 ? "html" : "json"),
    committed,
    ...(code === undefined ? {} : { code }),
    ...(message === undefined ? {} : { message }),
    ...(retryAfter === undefined ? {} : { retryAfter: asRetryAfter(retryAfter) })
  }
}

const asRetryAfter = (given: Duration.DurationInput | model.RetryAfter): model.RetryAfter =>
  Predicate.hasProperty(given, "form")
    ? (given as model.RetryAfter)
    : { form: "seconds", afterMillis: millis(given as Duration.DurationInput) }

/**
 * Returns an HTML page with status 200, as a captive portal or the login page of a proxy does. The operation does not run.
 *
 * @since 0.1.0
 * @category constructors
 */
export const html = (): model.Fault => status({ status: 200, body: "html" })

/**
 * Resets the connection (RST).
 *
 * - `before-headers`: the operation does not run.
 * - `after-commit`: the operation runs, and its response is lost.
 * - `mid-body`: after the headers and the first half of the body.
 *
 * @since 0.1.0
 * @category constructors
 */
export const reset = (at: "before-headers" | "after-commit" | "mid-body"): model.Fault => ({ _tag: "Reset", at })

/**
 * Sends no response and keeps the connection open. With `committed` the operation runs. In-process the `fetch` stays
 * pending until its signal aborts.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hang = (options?: { readonly committed?: boolean | undefined }): model.Fault => ({
  _tag: "Hang",
  committed: options?.committed ?? false
})

/**
 * Redirects the request; the operation does not run. If `to` is an origin, the path and the query stay. Default status: 307.
 *
 * @since 0.1.0
 * @category constructors
 */
export const redirect = (to: string, status: 301 | 302 | 303 | 307 | 308 = 307): model.Fault => ({
  _tag: "Redirect",
  to,
  status
})

// -----------------------------------------------------------------------------
// a broken response
// -----------------------------------------------------------------------------

/**
 * Sends the first half of the JSON body, with a matching `Content-Length`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const cutJson = (): model.Fault => ({ _tag: "CutJson" })

/**
 * Sends the body in small pieces with a delay before each. Default: one byte per second.
 *
 * @since 0.1.0
 * @category constructors
 */
export const slow = (options?: {
  readonly bytes?: number | undefined
  readonly every?: Duration.DurationInput | undefined
}): model.Fault => ({
  _tag: "Slow",
  bytes: options?.bytes ?? 1,
  everyMillis: millis(options?.every ?? "1 second")
})

/**
 * Sends a wrong `Content-Length`, by `off` bytes.
 *
 * - Above 0: the header promises more bytes than the body has, and the server closes the connection after the body.
 * - Below 0: a client reads too few bytes, and finds the rest at the start of the next response (in-process there is no
 *   rest).
 *
 * @since 0.1.0
 * @category constructors
 */
export const contentLength = (off: number): model.Fault => ({ _tag: "ContentLength", off })

/**
 * Resets a download half way and lets the files of the job expire. A request for the rest returns 404.
 *
 * @since 0.1.0
 * @category constructors
 */
export const expire = (): model.Fault => ({ _tag: "Expire" })

// -----------------------------------------------------------------------------
// a wrong response
// -----------------------------------------------------------------------------

/**
 * Returns a stale response, as a replica does that lags by `by`. Newer jobs are 404 and not on the list. With `every` or
 * `chance`, the status and progress of a job go backwards. A deleted job disappears at once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const stale = (by: Duration.DurationInput): model.Fault => ({ _tag: "Stale", byMillis: millis(by) })

/**
 * Shifts the `Date` header and the times of the job, as a server does whose clock is fast (`ahead`) or slow (`behind`).
 *
 * @since 0.1.0
 * @category constructors
 */
export const skew = (
  by: { readonly ahead: Duration.DurationInput } | { readonly behind: Duration.DurationInput }
): model.Fault => ({ _tag: "Skew", aheadMillis: "ahead" in by ? millis(by.ahead) : -millis(by.behind) })

/**
 * Replaces fields of the job, or of every job on a list.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fields = (values: { readonly [name: string]: Json }): model.Fault => ({ _tag: "Fields", fields: values })

/**
 * Replaces the status of the job with one outside the protocol.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unknownStatus = (status: string): model.Fault => fields({ status })

/**
 * Replaces numbers and dates with invalid ones: negative, above the largest `Date`, above the largest safe integer.
 *
 * @since 0.1.0
 * @category constructors
 */
export const absurd = (): model.Fault =>
  fields({ progress: -1e308, seconds: "-9007199254740993", size: "0x-1", created_at: 1e300, completed_at: -1 })

/**
 * Replaces the id with one that attacks path handling. If a client does not escape it, it leaves its URL segment; if a
 * client names a file by it, it leaves the folder.
 *
 * @since 0.1.0
 * @category constructors
 */
export const pathTricks = (): model.Fault => fields({ id: "../../files/..%2f..\\secret?key=1#" })

/**
 * Duplicates a submission.
 *
 * - `job`: the submission runs twice, as with a proxy that retries. The response describes only the second job.
 * - `response`: the submission does not run. The response describes the newest existing job, as with a cache. Without any
 *   job, the submission runs as usual.
 *
 * @since 0.1.0
 * @category constructors
 */
export const duplicate = (of: "job" | "response"): model.Fault => ({ _tag: "Duplicate", of })

/**
 * Returns a wrong page of the list.
 *
 * - `doubled`: contains every job twice.
 * - `empty`: contains no job, and `has_more` is `true`.
 * - `first`: is always the first page, for every cursor, and `has_more` is `true`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const page = (is: "doubled" | "empty" | "first"): model.Fault => ({ _tag: "Page", is })

// -----------------------------------------------------------------------------
// a hostile response
// -----------------------------------------------------------------------------

/**
 * Streams a list with `items` jobs on one page. Default: a billion, about 70 GB.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hugeList = (items = 1_000_000_000): model.Fault => ({ _tag: "HugeList", items })

/**
 * Sends endless spaces after the body (zeros after a file).
 *
 * @since 0.1.0
 * @category constructors
 */
export const endless = (): model.Fault => ({ _tag: "Endless" })

/**
 * Sends a decompression bomb: after the body, `bytes` spaces (zeros after a file), compressed with gzip. Default: 1 GiB,
 * which is 1 MiB compressed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bomb = (bytes = 1024 ** 3): model.Fault => ({ _tag: "Bomb", bytes })

/**
 * Adds a field with nested arrays to the JSON. Default: 100,000 levels.
 *
 * @since 0.1.0
 * @category constructors
 */
export const deepJson = (depth = 100_000): model.Fault => ({ _tag: "Deep", depth })

/**
 * Adds the keys `__proto__` and `constructor` to the JSON, to attack a client that copies fields unchecked.
 *
 * @since 0.1.0
 * @category constructors
 */
export const poison = (): model.Fault => ({ _tag: "Poison" })

/**
 * Adds a header of `bytes` bytes. Default: 1 MiB; Node's clients accept 16 KiB of headers in total.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hugeHeaders = (bytes = 1024 ** 2): model.Fault => ({ _tag: "Headers", bytes })
