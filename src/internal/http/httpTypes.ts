/** What a request and a response are to `VideosHttp`. */
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
 * What an answer said beside its body.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResponseMeta {
  readonly status: number
  readonly headers: Headers.Headers
  /** The server's name for the exchange, for its support. */
  readonly requestId: string | null
}

/**
 * Options of one call.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallOptions {
  /** For one try. Default: the configuration's `requestTimeout`. */
  readonly timeout?: Duration.DurationInput | undefined
  /**
   * For how long a download may bring nothing, or a file that is uploaded may not get on, before it is a
   * `RequestTimeoutError`; `timeout` counts from a file's last byte. Default: the configuration's `idleTimeout`.
   */
  readonly idleTimeout?: Duration.DurationInput | undefined
  /**
   * For all tries of a request, and the waits before and between them (to a download's first byte). For a submission, the
   * reads of the server's list count too. It ends as `RequestTimeoutError` if no request was sent or each was refused, else as
   * `SubmissionUncertainError`. Default: the configuration's `totalTimeout`, which is none.
   */
  readonly totalTimeout?: Duration.DurationInput | undefined
  /** `false` turns this layer's own retries off, for a caller that has a schedule of its own, as a watch has. */
  readonly retry?: boolean | undefined
  /** Sent beside this library's own, and instead of them where the name is the same; to the server's own origin alone. */
  readonly extraHeaders?: { readonly [name: string]: string } | undefined
  /** Added to the URL's query, and instead of the configuration's `query` where the name is the same. */
  readonly extraQuery?: { readonly [name: string]: string } | undefined
  /** Run with every answer of the server, errors included, before it is decoded: request ids, rate-limit headers. */
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
   * Default: a new random key for each call, the same over its retries. If the server refuses a key because it has it already,
   * the job that was made under it is looked for on the server's list, as far back as a day, and nothing is sent again.
   */
  readonly idempotencyKey?: string | undefined
  /** Default: the configuration's, which is `"reconcile"` unless it says otherwise. */
  readonly onUnknownOutcome?: OnUnknownOutcome | undefined
}

/**
 * Whether the server may have acted on a submission. `VideosHttp` keeps it up to date while it sends the submission.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sending {
  /**
   * `true` from when a request is handed to the transport, until the response shows that it had no effect. A layer that does
   * not keep it up to date leaves it `true`.
   */
  mayHaveActed: boolean
}

/**
 * One request as `VideosHttp` takes it.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideosCall {
  readonly operation: Errors.Operation
  /** What trying again may do: nothing (`read`), cost money (`submit`), or find that it was done before (`remove`). */
  readonly kind: "read" | "submit" | "remove"
  /** What the request is, if that is another than the operation: a poll on behalf of a download. */
  readonly route?: Route | undefined
  /** With a path relative to the base URL, such as `/videos/video_1`. */
  readonly request: HttpClientRequest.HttpClientRequest
  /**
   * Where a job says that its bytes are, absolute or relative to the base URL: followed instead, like a redirect; a read alone
   * may.
   */
  readonly location?: string | undefined
  /** The body's fields, in the protocol's own words; sent in the dialect's. */
  readonly body?: { readonly [name: string]: unknown } | undefined
  /** The job that the request is about. */
  readonly videoId?: string | undefined
  /** Whether a JSON body that came with a failing status is the answer all the same. Decided before any retry. */
  readonly isAnswer?: ((body: unknown) => boolean) | undefined
  /** Of a submission. */
  readonly sending?: Sending | undefined
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
  /** Why the file could not be read, once that has happened: transports hide the reason. */
  readonly failure: () => Errors.UploadError | null
}

/**
 * An answer, its JSON parsed.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideosResponse extends ResponseMeta {
  /** Every configured secret has been taken out, should the server have repeated one. */
  readonly body: unknown
}

/**
 * An answer whose bytes have yet to be read.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideosByteResponse extends ResponseMeta {
  /** Fails where nothing comes for `idleTimeout`, and beyond `limits.downloadBytes`. */
  readonly stream: Stream.Stream<
    Uint8Array,
    Errors.TransportError | Errors.RequestTimeoutError | Errors.ResponseDecodeError
  >
  /** Takes every configured secret out of a text of this answer, should it go into an error. */
  readonly scrub: (text: string) => string
  /** Method and path, as errors name them; with the host where a redirect or a job's URL led to another than the API's. */
  readonly route?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface VideosHttpService {
  /** Sends a request and reads its JSON answer. Retries by the configuration's schedules, as the call's kind allows. */
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
