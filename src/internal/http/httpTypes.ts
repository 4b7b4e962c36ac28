/** The requests and responses of `VideosHttp`, and the options of a call. */
import type * as Headers from "@effect/platform/Headers"
import type * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { OnUnknownOutcome } from "../config/configTypes.js"
import type * as Errors from "../errors/errors.js"
import type { VideosHttpError } from "../errors/videosHttpError.js"
import type { Route } from "../protocol/dialect.js"
import type { BudgetSnapshot } from "../rate/budgetTypes.js"

export type { VideosHttpError } from "../errors/videosHttpError.js"

/**
 * Status, headers and request id of a response.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResponseMeta {
  readonly status: number
  readonly headers: Headers.Headers
  /** The server's id of the exchange, for its support. */
  readonly requestId: string | null
}

/**
 * Options of one call.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallOptions {
  /** For one attempt. Default: the configuration's `requestTimeout`. */
  readonly timeout?: Duration.DurationInput | undefined
  /**
   * The longest time without a byte of a download or an upload before it fails with `RequestTimeoutError`. For an upload, `timeout`
   * counts from the file's last byte. Default: the configuration's `idleTimeout`.
   */
  readonly idleTimeout?: Duration.DurationInput | undefined
  /**
   * For all attempts of a request and the waits before and between them (to a download's first byte); for a submission,
   * for the reads of the server's list as well. A submission fails with `RequestTimeoutError` if no request was sent or
   * each was refused, else with `SubmissionUncertainError`. Default: the configuration's `totalTimeout`, which is none.
   */
  readonly totalTimeout?: Duration.DurationInput | undefined
  /** `true` turns this layer's own retries off, for a caller with its own schedule, as a watch has. Default: `false`. */
  readonly singleAttempt?: boolean | undefined
  /**
   * Sent to the server's own origin; replaces this library's header of the same name. No error and no span shows the
   * value of one whose name is that of a secret (`authorization`, `x-api-key`).
   */
  readonly extraHeaders?: { readonly [name: string]: string } | undefined
  /**
   * Added to the URL's query; replaces the configuration's `query` of the same name. No error and no span shows a value
   * that is a secret by its name (`key`, `code`, `sig`), or as long and as mixed as a key.
   */
  readonly extraQuery?: { readonly [name: string]: string } | undefined
  /** Runs with each response of the server, errors included, before it is decoded: request ids, rate-limit headers. */
  readonly onResponse?: ((response: ResponseMeta) => Effect.Effect<void>) | undefined
}

/**
 * Options of one call that makes a job.
 *
 * @since 0.1.0
 * @category models
 */
export interface SubmitOptions extends CallOptions {
  /**
   * Default: a new random key for each call, the same for its retries. If the server refuses a key because it has it already,
   * the client searches the server's list for the key's job, as far back as a day, and sends nothing again.
   */
  readonly idempotencyKey?: string | undefined
  /** Default: the configuration's `onUnknownOutcome`, which is `"reconcile"` by default. */
  readonly onUnknownOutcome?: OnUnknownOutcome | undefined
}

/**
 * Whether the server may have acted on a submission, kept up to date by `VideosHttp`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sending {
  /** From when the transport has the request, until a response shows that it had no effect; `true` if unknown. */
  mayHaveActed: boolean
  /** The headers of a response with a 2xx status, also if its body broke off. */
  acceptedHeaders?: Headers.Headers | undefined
}

/**
 * One request as `VideosHttp` takes it.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideosCall {
  readonly operation: Errors.Operation
  /** What a retry may do: nothing (`read`), cost money (`submit`), or find that it was done before (`remove`). */
  readonly kind: "read" | "submit" | "remove"
  /** What the request is, if that is another than the operation: a poll on behalf of a download. */
  readonly route?: Route | undefined
  /** With a path relative to the base URL, for example `/videos/video_1`. */
  readonly request: HttpClientRequest.HttpClientRequest
  /** A read's URL of content, absolute or relative to the base URL: followed like a redirect, instead of `request`. */
  readonly location?: string | undefined
  /** By the protocol's own names; sent by those of the dialect. */
  readonly body?: { readonly [name: string]: unknown } | undefined
  /** The job that the request is about. */
  readonly videoId?: string | undefined
  /** Whether the JSON body of an error status is a successful response. Decided before any retry. */
  readonly acceptsErrorBody?: ((body: unknown) => boolean) | undefined
  /** Only for a submission. */
  readonly sending?: Sending | undefined
  /** Whether a 202 without a body is a response. */
  readonly acceptsEmptyBody?: boolean | undefined
  readonly options?: CallOptions | undefined
}

/**
 * The body of a request that carries a file.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideosUpload {
  readonly body: HttpBody.HttpBody
  /** Why the file could not be read; `null` if it was not the file. Transports hide the reason. */
  readonly failure: () => Errors.UploadError | null
}

/**
 * A response with its JSON parsed.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideosResponse extends ResponseMeta {
  /** Every configured secret is redacted: a server may repeat one. */
  readonly body: unknown
}

/**
 * A response whose bytes have not been read yet.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideosByteResponse extends ResponseMeta {
  /** Fails if no byte arrives for `idleTimeout`, and after `limits.downloadBytes`. */
  readonly stream: Stream.Stream<
    Uint8Array,
    Errors.TransportError | Errors.RequestTimeoutError | Errors.ResponseDecodeError
  >
  /** Redacts every configured secret in a text of this response, for an error. */
  readonly redact: (text: string) => string
  /** Method and path, for errors; with the host, if a redirect or a job's URL led to another host than the API's. */
  readonly route?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface VideosHttpService {
  /** Sends a request and reads its JSON response. Retries by the configuration's schedules, as the call's kind allows. */
  readonly execute: (call: VideosCall) => Effect.Effect<VideosResponse, VideosHttpError>
  /** `execute` for a request that carries a file. */
  readonly upload: (
    call: VideosCall,
    upload: VideosUpload
  ) => Effect.Effect<VideosResponse, VideosHttpError | Errors.UploadError>
  /** Sends a request and hands over its bytes. The request ends when the stream does. */
  readonly stream: (call: VideosCall) => Effect.Effect<VideosByteResponse, VideosHttpError>
  /** The request budget, as `Videos.watchers` shows it. */
  readonly budget?: { readonly snapshot: () => BudgetSnapshot } | undefined
}
