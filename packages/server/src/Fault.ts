/**
 * Faults on demand: what can go wrong between a program and a video server, as values. A fault is plain JSON, and so is the
 * rule that says which requests it befalls. The server takes rules as its option `faults`, through `server.faults` while it
 * runs, and over HTTP at `/_faults` where the option `faultControl` is on.
 *
 * All faults work on the socket and in-process. In-process there is no wire: a reset is a `fetch` that rejects as undici's
 * does (`TypeError`, `cause.code` is `ECONNRESET`), a body that breaks is a stream that fails (`TypeError: terminated`), a
 * compressed body comes decoded, a redirect is not followed, and no header is too long. What takes time takes it by
 * the server's `Clock`.
 *
 * @example
 * import { Fault, VideosServer } from "@effect-videos/server"
 *
 * // The second extension is made, and its answer is lost; a fifth of all looks are answered by a replica that lags.
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
 * Every request.
 *
 * @since 0.1.0
 * @category selection
 */
export const always: model.When = { _tag: "Always" }

/**
 * The nth request that the rule is about, counted from 1; or several.
 *
 * @since 0.1.0
 * @category selection
 */
export const nth = (n: number, ...more: ReadonlyArray<number>): model.When => ({ _tag: "Nth", n: [n, ...more] })

/**
 * One request in n: the nth, the 2nth ...
 *
 * @since 0.1.0
 * @category selection
 */
export const every = (n: number): model.When => ({ _tag: "Every", n })

/**
 * The first n requests.
 *
 * @since 0.1.0
 * @category selection
 */
export const first = (n: number): model.When => ({ _tag: "First", n })

/**
 * Each request with a probability of 0 to 1. The draws follow from the seed: the nth request is always drawn the same.
 *
 * @since 0.1.0
 * @category selection
 */
export const chance = (probability: number, seed: number): model.When => ({ _tag: "Chance", probability, seed })

// -----------------------------------------------------------------------------
// answers instead of the answer
// -----------------------------------------------------------------------------

/**
 * `retry-after-ms`, which the protocol's own clients read before `Retry-After`.
 *
 * @since 0.1.0
 * @category retry-after
 */
export const retryAfterMillis = (delay: Duration.DurationInput): model.RetryAfter => ({
  form: "millis",
  afterMillis: millis(delay)
})

/**
 * `Retry-After` as an HTTP-date, by the server's clock. It has whole seconds, rounded up.
 *
 * @since 0.1.0
 * @category retry-after
 */
export const retryAfterDate = (delay: Duration.DurationInput): model.RetryAfter => ({
  form: "date",
  afterMillis: millis(delay)
})

/**
 * `Retry-After` as an HTTP-date that has passed.
 *
 * @since 0.1.0
 * @category retry-after
 */
export const retryAfterPast = (ago: Duration.DurationInput): model.RetryAfter => ({
  form: "date",
  afterMillis: -millis(ago)
})

/**
 * How an answer of `Fault.status` is made up.
 *
 * @since 0.1.0
 * @category models
 */
export interface StatusOptions {
  /** 200 to 599. */
  readonly status: number
  /** A duration is `Retry-After` in seconds. Default: nothing is said. */
  readonly retryAfter?: Duration.DurationInput | model.RetryAfter | undefined
  /** Default: the server's own error as JSON; for 524, which only a proxy says, HTML. */
  readonly body?: "json" | "html" | "empty" | undefined
  /** The error's code, such as `insufficient_quota`. Default: `rate_limit_exceeded` for 429, else none. */
  readonly code?: string | undefined
  readonly message?: string | undefined
  /** Whether the request is carried out before it is answered so: a job is made, and nobody is told. Default: `false`. */
  readonly committed?: boolean | undefined
}

/**
 * An HTTP status instead of the answer: 429, 500, 502, 503, 504, 524 ...
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
 * A page for people, with status 200, as a captive portal or a proxy's sign-in has it. Nothing is carried out.
 *
 * @since 0.1.0
 * @category constructors
 */
export const html = (): model.Fault => status({ status: 200, body: "html" })

/**
 * The connection is reset (RST): `before-headers`, with nothing done; `after-commit`, the request carried out and the answer
 * lost; or `mid-body`, after the headers and the first half of the body.
 *
 * @since 0.1.0
 * @category constructors
 */
export const reset = (at: "before-headers" | "after-commit" | "mid-body"): model.Fault => ({ _tag: "Reset", at })

/**
 * No answer, and the connection stays. With `committed` the request is carried out. In-process the `fetch` is pending until
 * its signal is aborted.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hang = (options?: { readonly committed?: boolean | undefined }): model.Fault => ({
  _tag: "Hang",
  committed: options?.committed ?? false
})

/**
 * A redirect (default: 307) with nothing carried out. To an origin: the same path and query there. To any other URL: there.
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
// the answer, broken
// -----------------------------------------------------------------------------

/**
 * The first half of the JSON, framed as if it were all.
 *
 * @since 0.1.0
 * @category constructors
 */
export const cutJson = (): model.Fault => ({ _tag: "CutJson" })

/**
 * The body in small pieces, each after a wait. Default: one byte per second.
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
 * A `Content-Length` that is off by so many bytes. Above 0, the header says more than is sent, and the connection is closed
 * after the body. Below 0, it says less: a client takes so many, and finds the rest where the next answer should
 * begin (in-process, there is no rest).
 *
 * @since 0.1.0
 * @category constructors
 */
export const contentLength = (off: number): model.Fault => ({ _tag: "ContentLength", off })

/**
 * A download breaks in the middle, and the job's files have expired: whoever comes back for the rest is answered 404.
 *
 * @since 0.1.0
 * @category constructors
 */
export const expire = (): model.Fault => ({ _tag: "Expire" })

// -----------------------------------------------------------------------------
// the answer, untrue
// -----------------------------------------------------------------------------

/**
 * The answer of a replica that lags: jobs as they were so long ago, and 404 for (and no place in the list to) those that
 * were made since. On some requests of many (`every`, `chance`) a job's status and progress go backwards. A job that was
 * deleted is gone at once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const stale = (by: Duration.DurationInput): model.Fault => ({ _tag: "Stale", byMillis: millis(by) })

/**
 * The server's clock is fast (`ahead`) or slow (`behind`): the `Date` header, and the times in the job.
 *
 * @since 0.1.0
 * @category constructors
 */
export const skew = (
  by: { readonly ahead: Duration.DurationInput } | { readonly behind: Duration.DurationInput }
): model.Fault => ({ _tag: "Skew", aheadMillis: "ahead" in by ? millis(by.ahead) : -millis(by.behind) })

/**
 * Fields of the job, or of every job in a list, have these values instead.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fields = (values: { readonly [name: string]: Json }): model.Fault => ({ _tag: "Fields", fields: values })

/**
 * A status that is not in the protocol.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unknownStatus = (status: string): model.Fault => fields({ status })

/**
 * Numbers and dates that make no sense: negative, past the end of `Date`, past the end of integers.
 *
 * @since 0.1.0
 * @category constructors
 */
export const absurd = (): model.Fault =>
  fields({ progress: -1e308, seconds: "-9007199254740993", size: "0x-1", created_at: 1e300, completed_at: -1 })

/**
 * An id that leaves its path segment, where a client does not escape it, and its folder, where it names a file by it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const pathTricks = (): model.Fault => fields({ id: "../../files/..%2f..\\secret?key=1#" })

/**
 * A submission that happens twice. `job`: it is carried out twice, as by a proxy that tries again, and the caller is told
 * of the second job alone. `answer`: nothing is made, and the answer names the newest job that was there (where there is
 * one), as out of a cache.
 *
 * @since 0.1.0
 * @category constructors
 */
export const duplicate = (of: "job" | "answer"): model.Fault => ({ _tag: "Duplicate", of })

/**
 * A page of the list that is wrong. `doubled`: every job is on it twice. `empty`: none is, and there is more. `first`: it is
 * the first page whatever the cursor, and there is more, for ever.
 *
 * @since 0.1.0
 * @category constructors
 */
export const page = (is: "doubled" | "empty" | "first"): model.Fault => ({ _tag: "Page", is })

// -----------------------------------------------------------------------------
// hostile
// -----------------------------------------------------------------------------

/**
 * A list of so many jobs on one page, streamed. Default: a billion, some 70 GB.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hugeList = (items = 1_000_000_000): model.Fault => ({ _tag: "HugeList", items })

/**
 * The answer, and after it blanks (in a file: zeros) without end.
 *
 * @since 0.1.0
 * @category constructors
 */
export const endless = (): model.Fault => ({ _tag: "Endless" })

/**
 * The answer, and after it so many bytes of blanks (in a file: zeros) that are nearly nothing in gzip. Default: 1 GiB,
 * which is 1 MiB on the wire.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bomb = (bytes = 1024 ** 3): model.Fault => ({ _tag: "Bomb", bytes })

/**
 * The answer with one more field, of arrays in arrays. Default: 100,000 deep.
 *
 * @since 0.1.0
 * @category constructors
 */
export const deepJson = (depth = 100_000): model.Fault => ({ _tag: "Deep", depth })

/**
 * The answer with the keys `__proto__` and `constructor` in it, for whoever copies fields without looking.
 *
 * @since 0.1.0
 * @category constructors
 */
export const poison = (): model.Fault => ({ _tag: "Poison" })

/**
 * The answer with one more header of so many bytes. Default: 1 MiB; Node's clients take 16 KiB in all.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hugeHeaders = (bytes = 1024 ** 2): model.Fault => ({ _tag: "Headers", bytes })
