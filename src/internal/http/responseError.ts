/** From an HTTP response with an error status to a tagged error: one pure function, one table of tests. */
import type * as Headers from "@effect/platform/Headers"
import * as Effect from "effect/Effect"
import * as Errors from "../errors/errors.js"
import { clip, type ErrorBody, readErrorBody } from "./errorBody.js"
import type { VideosHttpError } from "./httpTypes.js"
import { isKeyRejection, keyCode } from "./keyRejection.js"
import { retryAfter } from "./responseHeaders.js"

/** The request of a response, as an error describes it. */
export interface RequestContext {
  readonly operation: Errors.Operation
  /** Method and path, for example `POST /videos/extensions`. */
  readonly route: string
  /** Scheme, host and port of the server that responded. */
  readonly origin: string
  /** Whether that is another host than the API's: a redirect, or the URL in a job, led there. */
  readonly isForeign: boolean
  /** The job that the request is about; `null` for a request that names no job. */
  readonly videoId: string | null
  /** Redacts every configured secret in a text. */
  readonly redact: (text: string) => string
}

/** The server's id of the exchange. Redacted, because a header may repeat a secret as a body may. */
export const requestIdOf = (headers: Headers.Headers, redact: (text: string) => string): string | null => {
  const id = headers["x-request-id"] ?? headers["request-id"] ?? headers["x-oneapi-request-id"] ?? headers["cf-ray"]
  return id === undefined ? null : redact(id)
}

const quota =
  /insufficient[_ ](user_)?(quota|balance|credits?|funds)|quota_exceeded|budget_exceeded|billing_|payment_required/i
const quotaMessage =
  /exceeded your current quota|used all available credits|monthly spending limit|insufficient (user )?(quota|balance|credits?|funds)|budget has been exceeded/i
const moderationMessage = /moderat|guardrail/i
const wrongKey = /(incorrect|invalid) api key/i

// xAI and OpenRouter: the route exists, and the model does not derive clips.
const derivations: ReadonlySet<Errors.Operation> = new Set(["extendVideo", "editVideo"])
const unsupportedByModel = /does not support previous_job_id|not supported (for|by) this model/i

/** xAI's messages name the team. */
const teamId = /\b(team )[0-9a-f]{8}-[0-9a-f-]{27}\b/gi

const moderation = /moderation|content_policy|content_filter|sentinel_block|safety_|input_blocked/i
const missingJob = /^(task_not_exist|task_not_found|video_not_found|video_not_exist)$/i

// OpenAI and new-api: `Invalid URL (POST /v1/videos/extensions)`. Starlette: `Not Found` or `Method Not Allowed` and
// nothing else. LiteLLM's providers raise NotImplementedError.
const missingRoute =
  /invalid url|unknown (url|route|path|endpoint)|no route|route not found|cannot (get|post|delete) \//i
const notImplemented =
  /not ?_?implemented|NotImplementedError|(is|are) not supported (by|for) (this )?(provider|model|backend)/i

/** Whether a 404 leaves open what is missing, the route or the job. A read of the job settles it. */
export const leavesOpen = (error: Errors.VideoNotFoundError): boolean =>
  error.status === 404 &&
  !missingJob.test(error.code ?? "") &&
  !error.detail.includes(error.videoId) &&
  !/(video|task|job)\b.*(not found|not exist|unknown)|no such (video|task|job)/i.test(error.detail)

const isMissingRoute = (context: RequestContext, status: number, body: ErrorBody): boolean => {
  if (status === 405 || status === 501) return true
  if (status >= 500) return notImplemented.test(`${body.code} ${body.type} ${body.message}`)
  if (status === 400) return derivations.has(context.operation) && unsupportedByModel.test(body.message)
  if (status !== 404) return false
  if (missingRoute.test(body.message)) return true
  // A 404 to a request that names no job can only mean the route, unless it names something else that is missing.
  return (
    context.videoId === null &&
    (body.message === "" ||
      /^(404 )?(page )?not found\.?$/i.test(body.message) ||
      body.message.startsWith("an HTML page"))
  )
}

/** @internal */
export const toError = (
  context: RequestContext,
  { headers, status, text }: { readonly status: number; readonly headers: Headers.Headers; readonly text: string },
  now: number
): VideosHttpError => {
  const body = readErrorBody(text)
  const shouldRetry = headers["x-should-retry"]
  const fields = {
    operation: context.operation,
    origin: context.origin,
    isForeign: context.isForeign,
    status,
    requestId: requestIdOf(headers, context.redact),
    code: clip(context.redact(keyCode(body) ?? body.code ?? body.type ?? "")) || null,
    // Redacted after it was decoded, because an encoding hides a secret, and before it is truncated, because half of one stays.
    detail: clip(context.redact(body.message).replace(teamId, "$1<redacted>")),
    retryAfter: retryAfter(headers, now),
    shouldRetry: shouldRetry === "true" ? true : shouldRetry === "false" ? false : null
  }
  const codes = `${body.code ?? ""} ${body.type ?? ""}`
  if (isMissingRoute(context, status, body)) {
    return new Errors.OperationUnsupportedError({ ...fields, route: context.route })
  }
  if (status < 500) {
    if (
      status === 402 ||
      quota.test(codes) ||
      ((status === 429 || status === 403) && quotaMessage.test(body.message))
    ) {
      return new Errors.QuotaExceededError(fields)
    }
    if (moderation.test(codes) || (status === 403 && moderationMessage.test(body.message)))
      return new Errors.ModerationBlockedError(fields)
    if (context.videoId !== null && (status === 404 || status === 410 || missingJob.test(body.code ?? ""))) {
      return new Errors.VideoNotFoundError({ ...fields, videoId: context.videoId })
    }
  }
  if (status === 403) return new Errors.AuthenticationError({ ...fields, reason: "forbidden" })
  // xAI sends 400 for a wrong key.
  if (status === 401 || (status === 400 && wrongKey.test(body.message))) {
    return new Errors.AuthenticationError({ ...fields, reason: "unauthenticated" })
  }
  if (status === 409) return new Errors.ConflictError(fields)
  if (status === 429) return new Errors.RateLimitedError(fields)
  if (status === 408 || status === 425 || status >= 500) return new Errors.ServerError(fields)
  return new Errors.BadRequestError({ ...fields, param: body.param && clip(context.redact(body.param)) })
}

// Responses of a proxy that never reached the server behind it: Cloudflare's 521 (refused), 522 (no connection), 523
// (unreachable), 525 and 526 (TLS), https://developers.cloudflare.com/support/troubleshooting/http-status-codes/
const neverReached: ReadonlySet<number> = new Set([408, 425, 521, 522, 523, 525, 526])

/**
 * Whether a submission that failed with this error may have made a job. Without a connection nothing was sent, and a 503 with
 * `Retry-After` asks for a retry. Everything else that failed after the request was sent has an unknown outcome.
 */
export const mayHaveMadeAJob = (error: Errors.TransportError | Errors.ServerError): boolean => {
  if (error._tag === "TransportError") return error.reason === "exchange"
  const { retryAfter, shouldRetry, status } = error
  return shouldRetry !== true && !neverReached.has(status) && !(status === 503 && retryAfter !== null)
}

/** Whether a submission that failed with this error certainly made no job. */
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

/** For a route that cannot mean these tags: a gateway sent them, so they are refusals like any other. */
export const asBadRequest = (error: Errors.VideoNotFoundError | Errors.ModerationBlockedError) =>
  Effect.fail(new Errors.BadRequestError({ ...error }))
