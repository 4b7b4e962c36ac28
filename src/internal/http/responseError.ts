/** From an HTTP answer that says no to the error that tells why: one pure function, one table of tests. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Errors from "../errors/errors.js"
import { clip, type ErrorBody, readErrorBody } from "./errorBody.js"
import type { VideosHttpError } from "./httpTypes.js"

/** What was asked, as far as an error speaks of it. */
export interface Asked {
  readonly operation: Errors.Operation
  /** Method and path, such as `POST /videos/extensions`. */
  readonly route: string
  /** Scheme, host and port of the server. */
  readonly origin: string
  /** Whether that is another host than the API's: a redirect, or the URL in a job, led there. */
  readonly isForeign: boolean
  /** The job that the request is about, where there is one. */
  readonly videoId: string | null
  /** Takes every configured secret out of a text. */
  readonly scrub: (text: string) => string
}

/** The answer, its body as text. */
export interface Answer {
  readonly status: number
  readonly headers: { readonly [name: string]: string | undefined }
  readonly body: string
}

/** What an HTTP status and its body come to; the rest of `VideosHttpError` is no answer at all. */
export type StatusError = Exclude<
  VideosHttpError,
  Errors.TransportError | Errors.RequestTimeoutError | Errors.RedirectError | Errors.ResponseDecodeError
>

/** The server's name for the exchange; what a header says is no more to be trusted than a body. */
export const requestIdOf = (headers: Answer["headers"], scrub: (text: string) => string): string | null => {
  const id = headers["x-request-id"] ?? headers["request-id"] ?? headers["x-oneapi-request-id"] ?? headers["cf-ray"]
  return id === undefined ? null : scrub(id)
}

/** Longer than any server means; keeps a hostile header from becoming an infinite or overflowing duration. */
const maxDelayMillis = 366 * 24 * 60 * 60 * 1000

const delay = (millis: number): Duration.Duration | null =>
  Number.isFinite(millis) ? Duration.millis(Math.min(maxDelayMillis, Math.max(0, millis))) : null

const isNumeric = (value: string | undefined): value is string =>
  value !== undefined && /^\s*\d+(\.\d+)?\s*$/.test(value)

/**
 * `retry-after-ms` (milliseconds, as the protocol's own clients read it), or `Retry-After` as seconds or as an HTTP-date
 * (RFC 9110, 10.2.3) relative to the response's `Date`, or else to `now`. A date that has passed is a delay of zero.
 */
export const retryAfter = (headers: Answer["headers"], now: number): Duration.Duration | null => {
  const millis = headers["retry-after-ms"]
  if (isNumeric(millis)) return delay(Number(millis))
  const value = headers["retry-after"]
  if (isNumeric(value)) return delay(Number(value) * 1000)
  if (value === undefined) return null
  // By the server's own clock, where it says what that shows: the clock of this machine may be wrong, or have been set.
  const sentAt = Date.parse(headers["date"] ?? "")
  return delay(Date.parse(value) - (Number.isNaN(sentAt) ? now : sentAt))
}

/**
 * When to look again, on an answer that is no error: `openai-poll-after-ms` (milliseconds; openai-python's poll helper
 * reads it), or any form of `Retry-After`.
 */
export const pollAfter = (headers: Answer["headers"], now: number): Duration.Duration | null => {
  const hint = headers["openai-poll-after-ms"]
  return isNumeric(hint) ? delay(Number(hint)) : retryAfter(headers, now)
}

const quota =
  /insufficient[_ ](user_)?(quota|balance|credits?|funds)|quota_exceeded|budget_exceeded|billing_|payment_required/i
const quotaMessage =
  /exceeded your current quota|insufficient (user )?(quota|balance|credits?|funds)|budget has been exceeded/i
const moderation = /moderation|content_policy|content_filter|sentinel_block|safety_|input_blocked/i
const missingJob = /^(task_not_exist|task_not_found|video_not_found|video_not_exist)$/i

// OpenAI and new-api: `Invalid URL (POST /v1/videos/extensions)`. Starlette: `Not Found` or `Method Not Allowed` and
// nothing else. LiteLLM's providers raise NotImplementedError.
const missingRoute =
  /invalid url|unknown (url|route|path|endpoint)|no route|route not found|cannot (get|post|delete) \//i
const notImplemented =
  /not ?_?implemented|NotImplementedError|(is|are) not supported (by|for) (this )?(provider|model|backend)/i

/** Whether a 404 may mean either: the route is missing, or the job. A look at the job settles it. */
export const leavesOpen = (error: Errors.VideoNotFoundError): boolean =>
  error.status === 404 &&
  !missingJob.test(error.code ?? "") &&
  !error.detail.includes(error.videoId) &&
  !/(video|task|job)\b.*(not found|not exist|unknown)|no such (video|task|job)/i.test(error.detail)

const isMissingRoute = (asked: Asked, status: number, body: ErrorBody): boolean => {
  if (status === 405 || status === 501) return true
  if (status >= 500) return notImplemented.test(`${body.code} ${body.type} ${body.message}`)
  if (status !== 404) return false
  if (missingRoute.test(body.message)) return true
  // A 404 to a request that names no job can only mean the route, unless it names something else that is missing.
  return (
    asked.videoId === null &&
    (body.message === "" ||
      /^(404 )?(page )?not found\.?$/i.test(body.message) ||
      body.message.startsWith("an HTML page"))
  )
}

/** @internal */
export const toError = (asked: Asked, answer: Answer, now: number): StatusError => {
  const { status, headers } = answer
  const body = readErrorBody(answer.body)
  const shouldRetry = headers["x-should-retry"]
  const fields = {
    operation: asked.operation,
    origin: asked.origin,
    isForeign: asked.isForeign,
    status,
    requestId: requestIdOf(headers, asked.scrub),
    code: asked.scrub(keyCode(body) ?? body.code ?? body.type ?? "") || null,
    // Cleaned after it was read, whatever its spelling, and before it is cut, so that no half of a secret stays.
    detail: clip(asked.scrub(body.message)),
    retryAfter: retryAfter(headers, now),
    shouldRetry: shouldRetry === "true" ? true : shouldRetry === "false" ? false : null
  }
  const words = `${body.code ?? ""} ${body.type ?? ""}`
  if (isMissingRoute(asked, status, body)) {
    return new Errors.OperationUnsupportedError({ ...fields, route: asked.route })
  }
  if (status < 500) {
    if (status === 402 || quota.test(words) || (status === 429 && quotaMessage.test(body.message))) {
      return new Errors.QuotaExceededError(fields)
    }
    if (moderation.test(words)) return new Errors.ModerationBlockedError(fields)
    if (asked.videoId !== null && (status === 404 || status === 410 || missingJob.test(body.code ?? ""))) {
      return new Errors.VideoNotFoundError({ ...fields, videoId: asked.videoId })
    }
  }
  switch (status) {
    case 401:
      return new Errors.AuthenticationError({ ...fields, reason: "unauthenticated" })
    case 403:
      return new Errors.AuthenticationError({ ...fields, reason: "forbidden" })
    case 409:
      return new Errors.ConflictError(fields)
    case 429:
      return new Errors.RateLimitedError(fields)
    case 408:
    case 425:
      return new Errors.ServerError(fields)
    default:
      return status >= 500
        ? new Errors.ServerError(fields)
        : new Errors.BadRequestError({ ...fields, param: body.param === null ? null : asked.scrub(body.param) })
  }
}

// Answers of a proxy that never reached the server behind it: Cloudflare's 521 (refused), 522 (no connection), 523
// (unreachable), 525 and 526 (TLS), https://developers.cloudflare.com/support/troubleshooting/http-status-codes/
const neverReached: ReadonlySet<number> = new Set([408, 425, 521, 522, 523, 525, 526])

/**
 * Whether a submission that failed so may have made a job all the same. A connection that was never made sent nothing; a
 * 503 with `Retry-After` is an invitation to come back; everything else that broke after the request was sent is unknown.
 * (Refusals, 4xx, made none; a time-out or an unreadable answer is always unknown.)
 */
export const mayHaveMadeAJob = (error: Errors.TransportError | Errors.ServerError): boolean => {
  if (error._tag === "TransportError") return error.reason === "exchange"
  const { retryAfter, shouldRetry, status } = error
  return shouldRetry !== true && !neverReached.has(status) && !(status === 503 && retryAfter !== null)
}

// A key that was seen before (Comfy, HeyGen, Stripe, the IETF's draft), and what else is wrong with keys.
const seenBefore =
  /re-?us|\bused\b|(^|_)used|in[_ ]use|in[_ ]progress|being processed|processing|conflict|duplicate|already|exists|mismatch|different|same (key|param|payload|body|request)|concurrent|pending|outstanding|replay/i
const badKey = /missing|required|invalid|malformed|too[_ ]long|too[_ ]short|length|format|support|allowed/i
const repeatedRequest =
  /^(request_(is_)?(already_)?in_progress|request_already_\w+|(request_)?already_(submitted|processed)|duplicate[d]?_(request|submission|task|job)(_id)?|request_duplicated?)$/
const repeatedMessage = /duplicate request|request (with \w+ \w+ )?(is |was |has )?(been )?already /i

/** `IdempotencyKeyReused`, `idempotency-key-reused` and `idempotency_key_reused` are one code. */
const snake = (code: string): string =>
  code
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/[^a-zA-Z0-9]+/g, "_")
    .toLowerCase()

const isKeyCode = (code: string): boolean => {
  const words = snake(code)
  if (repeatedRequest.test(words)) return true
  return words.includes("idempoten") && (seenBefore.test(words) || !badKey.test(words))
}

const rejectsKey = (code: string | null, message: string): boolean => {
  const isBad = badKey.test(message) && !seenBefore.test(message)
  if (code !== null && isKeyCode(code)) return seenBefore.test(snake(code)) || !isBad
  return /idempoten/i.test(message) ? seenBefore.test(message) : repeatedMessage.test(message)
}

/** What a submission may fail with that says that the server has its `Idempotency-Key`, or the request itself, already. */
type KeyRejection = Exclude<
  Errors.SubmissionUncertainError["reason"],
  Errors.RequestTimeoutError | Errors.TransportError
>

const isAnswerError = (error: { readonly _tag: string }): error is KeyRejection =>
  ["BadRequestError", "ConflictError", "ServerError", "ResponseDecodeError"].includes(error._tag)

const wordsOf = (error: KeyRejection): Pick<ErrorBody, "code" | "message"> => {
  if (error._tag !== "ResponseDecodeError") return { code: error.code, message: error.detail }
  const body = readErrorBody(error.body)
  return { code: keyCode(body) ?? body.code, message: body.code === null && body.type === null ? "" : body.message }
}

/** The code or type of an error that is about the key. */
const keyCode = ({ code, type }: ErrorBody): string | null =>
  [code, type].find((word) => word !== null && isKeyCode(word)) ?? null

/** Whether a server refused a submission because it has its `Idempotency-Key` already: it made a job, or is making one. */
export const isKeyRejection = (error: { readonly _tag: string }): boolean => {
  if (!isAnswerError(error)) return false
  const { code, message } = wordsOf(error)
  return rejectsKey(code, message)
}

/** Whether such a refusal says that the key was used with another request. */
export const isOfOtherRequest = (error: { readonly _tag: string }): boolean => {
  if (!isAnswerError(error)) return false
  const { code, message } = wordsOf(error)
  return /mismatch|different|other (request|param|payload|body)|same (param|payload|body|request)|not match/i.test(
    `${code} ${message}`
  )
}

/** Whether a submission that failed so made no job. */
export const hadNoEffect = (error: VideosHttpError): boolean => {
  if (isKeyRejection(error)) return false
  switch (error._tag) {
    case "TransportError":
    case "ServerError":
      return !mayHaveMadeAJob(error)
    case "RequestTimeoutError":
      return !error.mayHaveActed
    case "ResponseDecodeError":
      return false
    default:
      return true
  }
}

/** Tags that a route cannot mean: a gateway in between said so, and it is a refusal like any other. */
export const asBadRequest = (error: Errors.VideoNotFoundError | Errors.ModerationBlockedError) =>
  Effect.fail(new Errors.BadRequestError({ ...error }))
