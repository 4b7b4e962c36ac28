import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import type { DialectName } from "../dialects/dialects.js"
import type { VideosHttpError } from "../errors/videosHttpError.js"
import type { Dialect } from "../protocol/dialect.js"
import type { BudgetOptions } from "../rate/budgetTypes.js"

/**
 * The server's URL, the caller's identity, timeouts and retries.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideosConfigService {
  /** Up to and including the version, such as `https://host/v1`; no trailing slash. */
  readonly baseUrl: string
  /** Sent with every request to the server's own origin, and to no other. A `Redacted` value is kept out of all errors. */
  readonly query: { readonly [name: string]: string | Redacted.Redacted }
  /** Sent as a bearer token. Self-hosted servers often want none. */
  readonly apiKey: Option.Option<Redacted.Redacted>
  /** Sent as `OpenAI-Organization`. */
  readonly organization: Option.Option<string>
  /** Sent as `OpenAI-Project`. */
  readonly project: Option.Option<string>
  /** Sent with every request to the server's own origin, and to no other. A `Redacted` value is kept out of all errors. */
  readonly headers: { readonly [name: string]: string | Redacted.Redacted }
  /** How the server speaks the protocol. */
  readonly dialect: Dialect
  /** For one attempt, from the first byte sent to the last byte of a JSON response, or to a download's first byte. */
  readonly requestTimeout: Duration.Duration
  /** The same for a request that makes a job. Left out: `requestTimeout`. */
  readonly submitTimeout?: Duration.Duration | undefined
  /** The longest time without a byte of a download or an upload. */
  readonly idleTimeout: Duration.Duration
  /** For all attempts of a request together, and the waits before and between them. */
  readonly totalTimeout: Duration.Duration
  /** How much of a response is read. */
  readonly limits: Limits
  /** When a read (`GET`) that failed with a transient error is retried. */
  readonly readRetry: Schedule.Schedule<unknown, VideosHttpError>
  /** When a submission that certainly had no effect is sent again, under the same `Idempotency-Key`. */
  readonly submitRetry: Schedule.Schedule<unknown, VideosHttpError>
  /** A longer `Retry-After` is not waited for: the call fails with the error that carries it. */
  readonly maxRetryAfter: Duration.Duration
  /** How a submission whose response was lost is settled. */
  readonly onUnknownOutcome: OnUnknownOutcome
  /** For how long after it was made a job may be missing in the server's list. */
  readonly listLag: Duration.Duration
  /** How much may be asked of the server at once and per second, by all watches and calls together. */
  readonly budget: BudgetOptions
  /** How watches read. */
  readonly watching: WatchingOptions
}

/**
 * How to settle a submission whose outcome is unknown: its connection broke after it was sent, no response came in time, or
 * the response leaves open if a job was made (500, 502, 503 without `Retry-After`, 504 and similar; a body that cannot be
 * decoded; a job that another submission of this program has under another `Idempotency-Key`). If the server refuses the
 * `Idempotency-Key` because it has it already, nothing is sent again in any mode.
 *
 * - `"reconcile"`: the server's list is read. The job that the submission made is adopted: the call succeeds with it. If there
 *   certainly is none, the submission is sent again, under the same `Idempotency-Key`. Otherwise, and in a dialect without a
 *   list, the call fails with `SubmissionUncertainError`, which has the jobs that it may have made.
 * - `"fail"`: `SubmissionUncertainError`, at once.
 * - `"resend"`: sent again up to twice, unseen. It pays twice, unless the server honours `Idempotency-Key`.
 *
 * @since 0.1.0
 * @category models
 */
export type OnUnknownOutcome = "reconcile" | "fail" | "resend"

/**
 * Limits on responses, so that none fills the memory, the stack or the disk. A response beyond `jsonBytes`, `listItems` or
 * `downloadBytes` is a `ResponseDecodeError` that is not retried, and its connection is closed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** Bytes of a JSON response, decompressed; at most 256 MiB. Default: 32 MiB, about 100 jobs with the longest prompts. */
  readonly jsonBytes: number
  /** Bytes of an error's body; the rest is not read. At most 256 MiB. Default: 64 KiB. */
  readonly errorBytes: number
  /** Objects and lists inside one another, at most 1,000: what is nested deeper is `null`. Default: 128. */
  readonly jsonDepth: number
  /** Items on one page. Default: 100,000: some servers return all their jobs at once. */
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
   * Whether pages of `GET /videos` replace single polls. `"auto"`: from `threshold` jobs on, until the server's list leaves out
   * jobs, has another order, or differs from a single poll. Default: `"auto"`, and `"never"` if the dialect does not trust the
   * list.
   */
  readonly list?: "auto" | "always" | "never" | undefined
  /** From how many watched jobs on pages are read; a positive integer. Default: 10. */
  readonly threshold?: number | undefined
}

/**
 * `VideosConfigService` with everything optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideosConfigOptions {
  /** Default: the dialect's `home`, or else `https://api.openai.com/v1`, whose hosted service ended on 2026-09-24. */
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
  /** A dialect by name, or a value: `{ ...dialects.sglang, encoding: "form" }`. Default: `openai`. */
  readonly dialect?: DialectName | Dialect | undefined
  /** Default: 60 seconds, and for submissions the dialect's `submitTimeout`. */
  readonly requestTimeout?: Duration.DurationInput | undefined
  /** Default: 60 seconds. */
  readonly idleTimeout?: Duration.DurationInput | undefined
  /** Default: none; `readRetry` and `submitRetry` limit the attempts. */
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
  /** Before this, a submission whose response was lost is not sent again. Default: 30 seconds. */
  readonly listLag?: Duration.DurationInput | undefined
  /** Default: 64 at once, and as many per second as the server takes. */
  readonly budget?: BudgetOptions | undefined
  /** Default: by pages from 10 jobs on, where the server's list is to be trusted. */
  readonly watching?: WatchingOptions | undefined
}
