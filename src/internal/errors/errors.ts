import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { VideoResource } from "../protocol/videoSchemas.js"
import { jobSuffix, messageOf, nullable, Operation, operationFields, responseFields, seconds } from "./errorFields.js"

export * from "./jobErrors.js"
export { Operation }

/**
 * A request that the protocol does not allow. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidRequestError extends Schema.TaggedError<InvalidRequestError>("effect-videos/InvalidRequestError")(
  "InvalidRequestError",
  {
    ...operationFields,
    /** Path of the field, such as `video.id`. */
    field: Schema.String,
    /** The shape of the given value: `a text of 0 characters`, `5`; never a text itself. */
    received: Schema.String,
    accepted: Schema.String
  }
) {
  readonly isTransient = false
  override get message() {
    return `${this.operation}: \`${this.field}\` must be ${this.accepted}; received ${this.received}. Nothing was sent${jobSuffix(this)}.`
  }
}

/**
 * The file to upload could not be read, or its length was not the declared one. The server made no job.
 *
 * @since 0.1.0
 * @category errors
 */
export class UploadError extends Schema.TaggedError<UploadError>("effect-videos/UploadError")("UploadError", {
  operation: Operation,
  /** The file's name as the server would see it. */
  file: Schema.String,
  detail: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  readonly isTransient = false
  override get message() {
    return `${this.operation}: cannot upload ${this.file}: ${this.detail}`
  }
}

/**
 * The connection failed. `connect`: no connection was made, so nothing was sent. `exchange`: the connection was lost, so the
 * server may have acted on the request.
 *
 * @since 0.1.0
 * @category errors
 */
export class TransportError extends Schema.TaggedError<TransportError>("effect-videos/TransportError")(
  "TransportError",
  {
    ...operationFields,
    reason: Schema.Literal("connect", "exchange"),
    /** Scheme, host and port. */
    origin: Schema.String,
    detail: Schema.String,
    cause: Schema.optional(Schema.Defect)
  }
) {
  readonly isTransient = true
  override get message() {
    const what = this.reason === "connect" ? `no connection to ${this.origin}` : `connection to ${this.origin} lost`
    return `${this.operation}: ${what}: ${this.detail}${jobSuffix(this)}`
  }
}

/**
 * A timeout ended the request: that of one attempt (`requestTimeout`), of a download or an upload without a byte
 * (`idleTimeout`), or of all attempts together (`totalTimeout`). The request was aborted, and its connection closed.
 *
 * @since 0.1.0
 * @category errors
 */
export class RequestTimeoutError extends Schema.TaggedError<RequestTimeoutError>("effect-videos/RequestTimeoutError")(
  "RequestTimeoutError",
  {
    ...operationFields,
    timeout: Schema.DurationFromMillis,
    origin: Schema.String,
    /** The option that gave the timeout. */
    option: Schema.Literal("requestTimeout", "idleTimeout", "totalTimeout").pipe(
      Schema.propertySignature,
      Schema.withConstructorDefault(() => "requestTimeout" as const)
    ),
    /** `false`: no request was sent, or the server refused each one, so a submission made no job. */
    mayHaveActed: Schema.Boolean.pipe(
      Schema.propertySignature,
      Schema.withConstructorDefault(() => true)
    )
  }
) {
  readonly isTransient = true
  override get message() {
    const what = {
      requestTimeout: `no response from ${this.origin} within`,
      idleTimeout: `no byte was sent to or received from ${this.origin} for`,
      totalTimeout: `no result from ${this.origin} in all attempts within`
    }[this.option]
    const noJob = this.mayHaveActed ? "" : "; no job was made"
    return `${this.operation}: ${what} ${seconds(this.timeout)}${noJob}${jobSuffix(this)}`
  }
}

/**
 * A redirect that is not followed: of a request that would make a job, away from `https`, to another scheme than
 * `http(s)`, or the sixth in a row. Usually the base URL is wrong.
 *
 * @since 0.1.0
 * @category errors
 */
export class RedirectError extends Schema.TaggedError<RedirectError>("effect-videos/RedirectError")("RedirectError", {
  ...operationFields,
  status: Schema.Number,
  /** Its location, without query and fragment (they may be signed). */
  location: Schema.String,
  reason: Schema.Literal("submission", "downgrade", "scheme", "loop", "opaque")
}) {
  readonly isTransient = false
  override get message() {
    return `${this.operation}: redirect to ${this.location} (HTTP ${this.status}) not followed: ${redirects[this.reason]}${jobSuffix(this)}`
  }
}

const redirects = {
  submission: "a request that makes a job is sent to the base URL alone",
  downgrade: "it leaves https",
  scheme: "it leads to neither http nor https",
  loop: "more than five in a row",
  opaque: "this runtime hides where it leads"
} as const

/**
 * A response that is not what the protocol promises: not JSON (`syntax`), or JSON that is not such a resource (`shape`).
 *
 * @since 0.1.0
 * @category errors
 */
export class ResponseDecodeError extends Schema.TaggedError<ResponseDecodeError>("effect-videos/ResponseDecodeError")(
  "ResponseDecodeError",
  {
    ...operationFields,
    /** Method and path, such as `GET /videos/video_1`. */
    route: Schema.String,
    status: Schema.Number,
    requestId: nullable(Schema.String),
    reason: Schema.Literal("syntax", "shape"),
    detail: Schema.String,
    /** The first 2 KiB of the body, secrets removed. */
    body: Schema.String
  }
) {
  /** A body that is not JSON is often truncated, or a proxy's page: a read may be retried. */
  get isTransient(): boolean {
    return this.reason === "syntax"
  }
  override get message() {
    const id = this.requestId === null ? "" : `, request ${this.requestId}`
    return `${this.operation}: cannot read the response to ${this.route} (HTTP ${this.status}${id}): ${this.detail}${jobSuffix(this)}`
  }
}

/**
 * A submission whose outcome is unknown, and that the server's list did not settle (`detail`). Sending it again may pay twice.
 * `OnUnknownOutcome` lists the reasons.
 *
 * To recover by hand: if one of `candidates` is the job, go on with it (`watchVideo(candidate)`). If none is, read the
 * server's list once more later, and submit again when the job is not there.
 *
 * @example
 * import { Effect } from "effect"
 * import { awaitVideo, createVideo } from "effect-videos"
 *
 * const program = createVideo({ prompt: "a lighthouse at dusk" }, { idempotencyKey: "order-17" }).pipe(
 *   Effect.catchTag("SubmissionUncertainError", (error) => {
 *     const [candidate] = error.candidates
 *     return error.candidates.length === 1 && candidate !== undefined ? Effect.succeed(candidate) : Effect.fail(error)
 *   }),
 *   Effect.flatMap((job) => awaitVideo(job))
 * )
 *
 * @since 0.1.0
 * @category errors
 */
export class SubmissionUncertainError extends Schema.TaggedError<SubmissionUncertainError>(
  "effect-videos/SubmissionUncertainError"
)("SubmissionUncertainError", {
  operation: Operation,
  /** The submission's key. A server that supports the header does not make a second job for it. */
  idempotencyKey: Schema.String,
  /** The error that left the outcome unknown. */
  reason: Schema.suspend(() =>
    Schema.Union(TransportError, RequestTimeoutError, ServerError, ResponseDecodeError, BadRequestError, ConflictError)
  ),
  /** Jobs that this submission may have made, the likeliest first. */
  candidates: Schema.Array(VideoResource),
  /** Why the server's list did not settle it; `null` if it was not read. */
  detail: nullable(Schema.String),
  /** Whether the server has a list of jobs. */
  hasList: Schema.optionalWith(Schema.Boolean, { default: () => true })
}) {
  readonly isTransient = false
  override get message() {
    const ids = this.candidates.slice(0, 5).map(({ id }) => id)
    const more = this.candidates.length > ids.length ? ` and ${this.candidates.length - ids.length} more` : ""
    const listed = this.detail === null ? "" : ` ${this.hasList ? "The list was read: " : ""}${this.detail}.`
    const next =
      ids.length === 0
        ? ""
        : ` It may be ${ids.join(", ")}${more}: if so, go on with that job; send it again only if none of them is it.`
    const what =
      this.reason._tag === "BadRequestError" || this.reason._tag === "ConflictError"
        ? "the server has this `Idempotency-Key` already, so that it made a job or is making one; do not send it under another key"
        : `it is unknown whether the server made a job; ${this.hasList ? "read the list before you send it again" : "a second submission may pay twice"}`
    return `${this.operation}: ${what}. ${this.reason.message}.${bodyIn(this.reason)}${listed}${next}`
  }
}

/** A response without a readable id may still show the id to a person. */
const bodyIn = (reason: SubmissionUncertainError["reason"]): string => {
  if (reason._tag !== "ResponseDecodeError" || reason.body === "") return ""
  const shown = reason.body
    .replace(/("[^"]*prompt"\s*:\s*)"(?:[^"\\]|\\.)*"?/gi, '$1"(omitted)"')
    .replace(/\p{Cc}+/gu, " ")
  return ` The response: ${shown.length > 500 ? `${shown.slice(0, 500)}…` : shown}`
}

/**
 * The credentials do not suffice. `unauthenticated` (401): the API key is missing or not accepted. `forbidden` (403): the key
 * is accepted, but has no permission for this request.
 *
 * @since 0.1.0
 * @category errors
 */
export class AuthenticationError extends Schema.TaggedError<AuthenticationError>("effect-videos/AuthenticationError")(
  "AuthenticationError",
  { ...responseFields, reason: Schema.Literal("unauthenticated", "forbidden") }
) {
  get isTransient(): boolean {
    return this.shouldRetry ?? false
  }
  override get message() {
    if (this.reason === "forbidden") return messageOf(this, "not permitted")
    return messageOf(
      this,
      this.isForeign
        ? "another host than the API's asks for credentials, and gets none"
        : "the server does not accept the API key, or requires one"
    )
  }
}

/**
 * Too many requests (429). A later attempt may succeed.
 *
 * @since 0.1.0
 * @category errors
 */
export class RateLimitedError extends Schema.TaggedError<RateLimitedError>("effect-videos/RateLimitedError")(
  "RateLimitedError",
  responseFields
) {
  get isTransient(): boolean {
    return this.shouldRetry ?? true
  }
  override get message() {
    return messageOf(this, `rate limited${this.retryAfter === null ? "" : `, wait ${seconds(this.retryAfter)}`}`)
  }
}

/**
 * The account has no quota, balance or budget left (402, or 429 `insufficient_quota` and similar). A later attempt does not help.
 *
 * @since 0.1.0
 * @category errors
 */
export class QuotaExceededError extends Schema.TaggedError<QuotaExceededError>("effect-videos/QuotaExceededError")(
  "QuotaExceededError",
  responseFields
) {
  readonly isTransient = false
  override get message() {
    return messageOf(this, "the account's quota is used up")
  }
}

/**
 * The server's moderation refused the prompt or the input. The same request will be refused again.
 *
 * @since 0.1.0
 * @category errors
 */
export class ModerationBlockedError extends Schema.TaggedError<ModerationBlockedError>(
  "effect-videos/ModerationBlockedError"
)("ModerationBlockedError", responseFields) {
  readonly isTransient = false
  override get message() {
    return messageOf(this, "refused by moderation")
  }
}

/**
 * The server does not accept the request as it is (400, 413, 415, 422 and other 4xx).
 *
 * @since 0.1.0
 * @category errors
 */
export class BadRequestError extends Schema.TaggedError<BadRequestError>("effect-videos/BadRequestError")(
  "BadRequestError",
  {
    ...responseFields,
    /** The field that the server names; `null` if it names none. */
    param: nullable(Schema.String)
  }
) {
  get isTransient(): boolean {
    return this.shouldRetry ?? false
  }
  override get message() {
    return messageOf(this, this.param === null ? "request not accepted" : `\`${this.param}\` not accepted`)
  }
}

/**
 * The job's state, or a lock, conflicts with the request (409). The protocol's own clients retry it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConflictError extends Schema.TaggedError<ConflictError>("effect-videos/ConflictError")(
  "ConflictError",
  responseFields
) {
  get isTransient(): boolean {
    return this.shouldRetry ?? true
  }
  override get message() {
    return messageOf(this, "conflict")
  }
}

/**
 * The server, or a proxy before it, cannot serve the request now (5xx, 408, 425).
 *
 * @since 0.1.0
 * @category errors
 */
export class ServerError extends Schema.TaggedError<ServerError>("effect-videos/ServerError")(
  "ServerError",
  responseFields
) {
  get isTransient(): boolean {
    return this.shouldRetry ?? true
  }
  override get message() {
    return messageOf(this, "the server failed")
  }
}

/**
 * The server does not serve this operation, or its dialect does not have it (`status` 0: nothing was sent). Many servers have no
 * `POST /videos/extensions`; `continueVideo` (`effect-videos/continue`) extends a clip without it.
 *
 * @since 0.1.0
 * @category errors
 */
export class OperationUnsupportedError extends Schema.TaggedError<OperationUnsupportedError>(
  "effect-videos/OperationUnsupportedError"
)("OperationUnsupportedError", {
  ...responseFields,
  /** Method and path, such as `POST /videos/extensions`. */
  route: Schema.String
}) {
  readonly isTransient = false
  override get message() {
    const without =
      this.operation === "extendVideo" ? " `continueVideo` (effect-videos/continue) extends a clip without it." : ""
    return `${messageOf(this, `${this.origin ?? "the server"} does not serve ${this.route}`)}. Check the base URL, or use a server that has this operation.${without}`
  }
}

/**
 * Whether a later retry of the same call may succeed and does no harm. A submission whose outcome is unknown is not transient:
 * a retry may pay twice.
 *
 * @example
 * import * as Effect from "effect/Effect"
 * import { isTransient, retrieveVideo } from "effect-videos"
 *
 * const program = retrieveVideo("video_1").pipe(Effect.retry({ times: 3, while: isTransient }))
 *
 * @since 0.1.0
 * @category predicates
 */
export const isTransient = (error: unknown): boolean =>
  Predicate.hasProperty(error, "isTransient") && error.isTransient === true

/**
 * The delay before the next attempt that the server asked for; `null` if the error has none.
 *
 * @since 0.1.0
 * @category predicates
 */
export const retryAfterOf = (error: unknown): Duration.Duration | null =>
  Predicate.hasProperty(error, "retryAfter") && Duration.isDuration(error.retryAfter) ? error.retryAfter : null
