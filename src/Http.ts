/**
 * The HTTP layer: where the server is and who asks (`VideosConfig`), and how a request becomes an answer or a
 * tagged error (`VideosHttp`). It takes whatever `HttpClient` the program has, so that it runs on Node, Bun, Deno,
 * in workers and in browsers.
 *
 * @example
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer } from "effect"
 * import { Videos, VideosConfig, VideosHttp } from "effect-videos"
 *
 * const live = Videos.layer.pipe(
 *   Layer.provide(VideosHttp.layer),
 *   Layer.provide(VideosConfig.layer({ baseUrl: "http://127.0.0.1:8091/v1" })),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * @since 0.1.0
 */
import type * as Headers from "@effect/platform/Headers"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import type * as Stream from "effect/Stream"
import type { BudgetOptions, BudgetSnapshot } from "./Budget.js"
import type * as Errors from "./Errors.js"
import { fromEnvironment, makeConfig } from "./internal/config/resolveConfig.js"
import { makeHttp } from "./internal/http/videosHttp.js"
import type { PresetName, ServerPreset } from "./Presets.js"

export { defaultReadRetry, defaultSubmitRetry } from "./internal/config/resolveConfig.js"

// -----------------------------------------------------------------------------
// configuration
// -----------------------------------------------------------------------------

/**
 * Where the server is, who asks, and how patient to be.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideosConfigService {
  /** Up to and including the version, such as `https://host/v1`; no trailing slash. */
  readonly baseUrl: string
  /**
   * Sent with every request to the server's own origin, and to no other. A `Redacted` value is kept out of all errors, spans
   * and logs.
   */
  readonly query: { readonly [name: string]: string | Redacted.Redacted }
  /** Sent as a bearer token. Self-hosted servers often want none. */
  readonly apiKey: Option.Option<Redacted.Redacted>
  /** Sent as `OpenAI-Organization`. */
  readonly organization: Option.Option<string>
  /** Sent as `OpenAI-Project`. */
  readonly project: Option.Option<string>
  /** Sent with every request to the server's own origin, and to no other. A `Redacted` value is kept out of all errors. */
  readonly headers: { readonly [name: string]: string | Redacted.Redacted }
  /** How the server wants to be spoken to. */
  readonly preset: ServerPreset
  /** For one try, from the first byte sent to the last byte of a JSON answer, or to a download's first byte. */
  readonly requestTimeout: Duration.Duration
  /** The same for a request that makes a job. Left out: `requestTimeout`. */
  readonly submitTimeout?: Duration.Duration | undefined
  /** For how long a download may bring nothing, or a file that is uploaded may not get on. */
  readonly idleTimeout: Duration.Duration
  /** For all tries of a request together, and the waits before and between them. */
  readonly totalTimeout: Duration.Duration
  /** How much of an answer is taken. */
  readonly limits: Limits
  /** When a read (`GET`) that failed with a transient error is tried again. */
  readonly readRetry: Schedule.Schedule<unknown, VideosHttpError>
  /** When a submission that certainly had no effect is sent again, under the same `Idempotency-Key`. */
  readonly submitRetry: Schedule.Schedule<unknown, VideosHttpError>
  /** A server that asks for more patience than this gets an error instead, with its delay in it. */
  readonly maxRetryAfter: Duration.Duration
  /** What becomes of a submission whose answer was lost. */
  readonly onUnknownOutcome: OnUnknownOutcome
  /** For how long after it was made a job may be missing in the server's list. */
  readonly listLag: Duration.Duration
  /** How much may be asked of the server at once and per second, by all watches and calls together. */
  readonly budget: BudgetOptions
  /** How watches read. */
  readonly watching: WatchingOptions
}

/**
 * What becomes of a submission whose outcome is unknown: its connection broke after it was sent, no answer came in time, or
 * one that does not say whether a job was made (500, 502, 503 without `Retry-After`, 504 and their kin; what cannot be read;
 * what names a job that another submission of this program was told is its own, under another `Idempotency-Key`). If the
 * server refuses the `Idempotency-Key` because it has it already, nothing is sent again, whatever is chosen.
 *
 * - `"reconcile"`: the server's list is read. The job that the submission made is adopted: the call succeeds with it. If there
 *   certainly is none, the submission is sent again, under the same `Idempotency-Key`. Whatever leaves that open fails with
 *   `SubmissionUncertainError`, with the jobs that it may have made.
 * - `"fail"`: `SubmissionUncertainError`, at once.
 * - `"resend"`: sent again up to twice, unseen. It pays twice, unless the server honours `Idempotency-Key`.
 *
 * @since 0.1.0
 * @category models
 */
export type OnUnknownOutcome = "reconcile" | "fail" | "resend"

/**
 * How much is taken of what a server sends, so that no answer fills the memory, the stack or the disk. What goes beyond
 * `jsonBytes`, `listItems` or `downloadBytes` is a `ResponseDecodeError` that is not tried again, and its connection is closed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** Bytes of a JSON answer, decompressed; at most 256 MiB. Default: 32 MiB, some 100 jobs with the longest of prompts. */
  readonly jsonBytes: number
  /** Bytes of the body of a refusal; what comes after them is not read. At most 256 MiB. Default: 64 KiB. */
  readonly errorBytes: number
  /** Objects and lists inside one another, at most 1,000: what is nested deeper is `null`. Default: 128. */
  readonly jsonDepth: number
  /** Items on one page. Default: 100,000: some servers answer all their jobs at once. */
  readonly listItems: number
  /** Bytes of a download, decompressed, those before a resumed part included. Default: 4 GiB. May be `Infinity`. */
  readonly downloadBytes: number
}

/**
 * How the watches of a layer read their jobs.
 *
 * @since 0.1.0
 * @category models
 */
export interface WatchingOptions {
  /**
   * Whether pages of `GET /videos` stand for single looks. `"auto"`: from `threshold` jobs on, until the server's list turns
   * out to leave out jobs, to be in another order, or to say other things than a single look does. Default: `"auto"`, and
   * `"never"` where the preset says that the list is not to be trusted.
   */
  readonly list?: "auto" | "always" | "never" | undefined
  /** From how many watched jobs on pages are read; a positive integer. Default: 20. */
  readonly threshold?: number | undefined
}

/**
 * `VideosConfigService` with everything optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideosConfigOptions {
  /** Default: `https://api.openai.com/v1`, the protocol's home, whose hosted service ended on 2026-09-24. */
  readonly baseUrl?: string | undefined
  /**
   * Query parameters of every request to the server's own origin, such as Azure's `{ "api-version": "preview" }`. They win over
   * those in `baseUrl`; a request's own and a call's `extraQuery` win over them. A text that is a secret by its name (`key`,
   * `token`, `code`, `sig` and their like) or as long and as mixed as a key becomes `Redacted`. Default: none.
   */
  readonly query?: { readonly [name: string]: string | Redacted.Redacted } | undefined
  /** As plain text, or wrapped: it is kept wrapped, and out of all errors and logs. */
  readonly apiKey?: string | Redacted.Redacted | undefined
  readonly organization?: string | undefined
  readonly project?: string | undefined
  readonly headers?: { readonly [name: string]: string | Redacted.Redacted } | undefined
  /** One of the presets by name, or a value: `{ ...presets.sglang, encoding: "form" }`. Default: `openai`. */
  readonly preset?: PresetName | ServerPreset | undefined
  /** Default: 60 seconds, and for submissions the preset's `submitTimeout`, where it has one. */
  readonly requestTimeout?: Duration.DurationInput | undefined
  /** Default: 60 seconds. */
  readonly idleTimeout?: Duration.DurationInput | undefined
  /** Default: none; the tries are bounded by `readRetry` and `submitRetry`. */
  readonly totalTimeout?: Duration.DurationInput | undefined
  /** Default: each limit's own. */
  readonly limits?: Partial<Limits> | undefined
  /** Default: `defaultReadRetry`. */
  readonly readRetry?: Schedule.Schedule<unknown, VideosHttpError> | undefined
  /** Default: `defaultSubmitRetry`. */
  readonly submitRetry?: Schedule.Schedule<unknown, VideosHttpError> | undefined
  /** Default: 60 seconds. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /** Default: `"reconcile"`. */
  readonly onUnknownOutcome?: OnUnknownOutcome | undefined
  /**
   * For how long after it was made a job may be missing in the server's list: before that, a submission whose answer was lost
   * is not sent again. Default: 30 seconds.
   */
  readonly listLag?: Duration.DurationInput | undefined
  /** Default: 64 at once, and as many per second as the server takes. */
  readonly budget?: BudgetOptions | undefined
  /** Default: by pages from 20 jobs on, where the server's list is to be trusted. */
  readonly watching?: WatchingOptions | undefined
}

/**
 * The configuration as a service.
 *
 * @since 0.1.0
 * @category services
 */
export class VideosConfig extends Context.Tag("effect-videos/VideosConfig")<VideosConfig, VideosConfigService>() {
  /**
   * From values. A query in the base URL is moved to `query`. A base URL that is not an http(s) URL, or carries credentials or
   * a fragment, a key that no header can carry, a duration, schedule or number that makes no sense, and a preset that lacks a
   * field fail with a `ConfigError` that names the option and shows no secret.
   *
   * @example
   * import { VideosConfig } from "effect-videos"
   *
   * const azure = VideosConfig.layer({
   *   baseUrl: "https://films.openai.azure.com/openai/v1",
   *   query: { "api-version": "preview" },
   *   preset: "azure",
   *   apiKey: "the key"
   * })
   */
  static readonly layer = (options: VideosConfigOptions = {}): Layer.Layer<VideosConfig, ConfigError.ConfigError> =>
    Layer.effect(
      VideosConfig,
      Effect.suspend(() => makeConfig(options))
    )

  /**
   * From the environment (any `ConfigProvider`): `OPENAI_BASE_URL`, `OPENAI_API_KEY`, `OPENAI_ORG_ID`,
   * `OPENAI_PROJECT_ID`, `VIDEOS_QUERY` (such as `api-version=preview&x=y`), `VIDEOS_PRESET`, `VIDEOS_ON_UNKNOWN_OUTCOME`,
   * `VIDEOS_REQUEST_TIMEOUT`, `VIDEOS_IDLE_TIMEOUT`, `VIDEOS_TOTAL_TIMEOUT`, `VIDEOS_LIST_LAG` and `VIDEOS_MAX_RETRY_AFTER` (such as `30 seconds`),
   * `VIDEOS_REQUESTS_PER_SECOND`, `VIDEOS_CONCURRENCY`, `VIDEOS_WATCH_LIST` (`auto`, `always`, `never`) and
   * `VIDEOS_WATCH_THRESHOLD`. The key may be missing only where the base URL is not the protocol's home. A variable that is
   * empty, or has white space alone, is not set.
   */
  static readonly layerConfig: Layer.Layer<VideosConfig, ConfigError.ConfigError> = Layer.effect(
    VideosConfig,
    Effect.flatMap(fromEnvironment, makeConfig)
  )
}

// -----------------------------------------------------------------------------
// calls
// -----------------------------------------------------------------------------

/**
 * Everything that `VideosHttp` itself fails with.
 *
 * @since 0.1.0
 * @category errors
 */
export type VideosHttpError =
  | Errors.TransportError
  | Errors.RequestTimeoutError
  | Errors.RedirectError
  | Errors.ResponseDecodeError
  | Errors.AuthenticationError
  | Errors.PermissionDeniedError
  | Errors.RateLimitedError
  | Errors.QuotaExceededError
  | Errors.ModerationBlockedError
  | Errors.BadRequestError
  | Errors.ConflictError
  | Errors.ServerError
  | Errors.OperationUnsupportedError
  | Errors.VideoNotFoundError

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
 * What submissions over a layer go by.
 *
 * @since 0.1.0
 * @category models
 */
export interface SubmissionPolicy {
  readonly onUnknownOutcome: OnUnknownOutcome
  /** For how long after it was made a job may be missing in the server's list. */
  readonly listLag: Duration.Duration
  /** Whether the server's list has every job, so that one that is not on it was not made. */
  readonly listTrusted: boolean
  /** For a whole submission: queue, tries, reads of the list, and tries after those. Left out: none. */
  readonly totalTimeout?: Duration.Duration | undefined
  /** Scheme, host and port of the server, for errors. */
  readonly origin?: string | undefined
  /** `false`: the preset says that the server has no list. Default: `true`. */
  readonly listServed?: boolean | undefined
}

/**
 * What downloads over a layer go by.
 *
 * @since 0.1.0
 * @category models
 */
export interface DownloadPolicy {
  /** For how long a download may bring nothing. */
  readonly idleTimeout: Duration.Duration
  /** For all tries together, to the first byte. */
  readonly totalTimeout: Duration.Duration
  /** When content that a completed job does not have yet is asked for again. */
  readonly retry: Schedule.Schedule<unknown, VideosHttpError>
  readonly maxRetryAfter: Duration.Duration
  /** The preset's `contentUrlPattern`. */
  readonly contentUrlPattern?: RegExp | undefined
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
  /** With a path relative to the base URL, such as `/videos/video_1`. */
  readonly request: HttpClientRequest.HttpClientRequest
  /**
   * Where a job says that its bytes are, absolute or relative to the base URL: followed instead, like a redirect; a read alone
   * may.
   */
  readonly location?: string | undefined
  /** The body's fields, in the protocol's own words; written as the preset says. */
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
  /** What submissions over this layer go by. Left out: one whose outcome is unknown fails. */
  readonly submitting?: SubmissionPolicy | undefined
  /**
   * What downloads over this layer go by. Left out: `stream` alone decides when nothing has come for too long, and content
   * that is not there is not asked for again.
   */
  readonly downloading?: DownloadPolicy | undefined
  /** What watches over this layer go by. */
  readonly watching?:
    | (WatchingOptions & {
        readonly concurrency?: number | undefined
        /** The state of the layer's budget. */
        readonly budget?: (() => BudgetSnapshot) | undefined
      })
    | undefined
}

/**
 * The HTTP layer as a service: adds URL, key, headers and time-out, maps every failure to a tagged error, retries reads,
 * follows redirects of reads without carrying the caller's identity to another origin.
 *
 * A submission is sent again only where it certainly had no effect: no connection was made, 429, or 503 with
 * `Retry-After`; always under the same `Idempotency-Key`. One whose outcome is unknown fails here; `Videos` looks for its job.
 *
 * @since 0.1.0
 * @category services
 */
export class VideosHttp extends Context.Tag("effect-videos/VideosHttp")<VideosHttp, VideosHttpService>() {
  static readonly layer: Layer.Layer<VideosHttp, never, VideosConfig | HttpClient.HttpClient> = Layer.effect(
    this,
    Effect.zipWith(VideosConfig, HttpClient.HttpClient, (config, client) => {
      const { idleTimeout, listLag, maxRetryAfter, onUnknownOutcome, preset, readRetry, totalTimeout } = config
      const { origin } = new URL(config.baseUrl)
      const listServed = preset.operations.includes("listVideos")
      const submitting = {
        onUnknownOutcome,
        listLag,
        listTrusted: preset.listTrusted,
        listServed,
        totalTimeout,
        origin
      }
      const { contentUrlPattern } = preset
      const downloading = { idleTimeout, totalTimeout, retry: readRetry, maxRetryAfter, contentUrlPattern }
      return { ...makeHttp(config, client), submitting, downloading }
    })
  )
}
