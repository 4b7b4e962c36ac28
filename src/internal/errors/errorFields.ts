/** The fields and phrases that several errors share. */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/**
 * The operations, by the name of the function that starts them. Errors, spans and logs use these names.
 *
 * @since 0.1.0
 * @category models
 */
export const Operation = Schema.Literal(
  "createVideo",
  "extendVideo",
  "editVideo",
  "remixVideo",
  "retrieveVideo",
  "listVideos",
  "deleteVideo",
  "createCharacter",
  "retrieveCharacter",
  "downloadVideo",
  "watchVideo",
  "awaitVideo"
)

/**
 * @since 0.1.0
 * @category models
 */
export type Operation = typeof Operation.Type

/** A field that may be left out when an error is constructed. */
export const nullable = <A, I>(schema: Schema.Schema<A, I>) =>
  Schema.NullOr(schema).pipe(
    Schema.propertySignature,
    Schema.withConstructorDefault(() => null)
  )

export const submittedJob = nullable(Schema.String)

/** The fields of every error of an operation. */
export const operationFields = {
  operation: Operation,
  /** The job that was submitted before the error came; `null` for an error of a single request. */
  videoId: submittedJob
}

export const jobSuffix = ({ videoId }: { readonly videoId: string | null }): string =>
  videoId === null ? "" : `; the job is ${videoId}`

/** The fields of an error that is a response of the server. */
export const responseFields = {
  ...operationFields,
  /** Scheme, host and port of the server that sent the response. */
  origin: nullable(Schema.String),
  /** Whether that is another host than the API's: a redirect, or the URL in a job, led there. */
  isForeign: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  /** The HTTP status; 0 if nothing was sent. */
  status: Schema.Number,
  /** The server's id of the exchange (`x-request-id`), for its support. */
  requestId: nullable(Schema.String),
  /** The server's own error code, as text. */
  code: nullable(Schema.String),
  /** The server's message; at most 2 KiB, secrets redacted. */
  detail: Schema.String,
  /** How long the server asked to wait (`retry-after-ms`, or `Retry-After` in seconds or as a date). */
  retryAfter: nullable(Schema.DurationFromMillis),
  /** The server's `x-should-retry`; wins over the status in both directions. */
  shouldRetry: nullable(Schema.Boolean)
}

type ResponseFields = Schema.Struct.Type<typeof responseFields>

const responseOf = ({ isForeign, origin, requestId, status }: ResponseFields): string =>
  status === 0
    ? "nothing was sent"
    : `HTTP ${status}${isForeign ? ` from ${origin}` : ""}${requestId === null ? "" : `, request ${requestId}`}`

export const messageOf = (error: ResponseFields, what: string): string => {
  const job = error.videoId !== null && what.includes(error.videoId) ? "" : jobSuffix(error)
  return `${error.operation}: ${what} (${responseOf(error)})${error.detail === "" ? "" : `: ${error.detail}`}${job}`
}

export const seconds = (duration: Duration.Duration): string => `${Duration.toMillis(duration) / 1000} s`
