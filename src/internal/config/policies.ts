/** What submissions, downloads and watches take from the configuration. */
import type * as Duration from "effect/Duration"
import type * as Schedule from "effect/Schedule"
import type { VideosHttpError } from "../errors/videosHttpError.js"
import type { Dialect } from "../protocol/dialect.js"
import type { OnUnknownOutcome, VideosConfigService, WatchingOptions } from "./configTypes.js"

/** How a submission is sent, and what happens if its outcome is unknown. */
export interface SubmissionPolicy {
  readonly onUnknownOutcome: OnUnknownOutcome
  /** For this long after it was made, a job may be missing from the server's list. */
  readonly listLag: Duration.Duration
  /** Whether the server's list has every job, so that a job that is not on it was not made. */
  readonly listTrusted: boolean
  /** Whether the server has a list. */
  readonly listServed: boolean
  /** For a whole submission: queue, attempts, reads of the list, and attempts after those. */
  readonly totalTimeout: Duration.Duration
  /** For one attempt. */
  readonly submitTimeout: Duration.Duration
  /** Scheme, host and port of the server, for errors. */
  readonly origin: string
  /** The response header that names the job of a submission, at the dialect's own home alone: a gateway has ids of its own. */
  readonly idHeader: string | null
}

/** How long a download may take, and when it is retried. */
export interface DownloadPolicy {
  /** For this long a download may receive no bytes. */
  readonly idleTimeout: Duration.Duration
  /** For all attempts together, to the first byte. */
  readonly totalTimeout: Duration.Duration
  /** When content that a completed job does not have yet is requested again. */
  readonly retry: Schedule.Schedule<unknown, VideosHttpError>
  readonly maxRetryAfter: Duration.Duration
  readonly dialect: Dialect
}

/** How watches read their jobs. */
export interface WatchingPolicy extends WatchingOptions {
  /** Requests of all watches at once. */
  readonly concurrency?: number | undefined
}

/** The policies of a `Videos`. */
export interface Policies {
  readonly dialect: Dialect
  readonly submission: SubmissionPolicy
  readonly download: DownloadPolicy
  readonly watching: WatchingPolicy
}

const isHome = ({ baseUrl, dialect }: VideosConfigService): boolean =>
  dialect.home !== null && new URL(baseUrl).host === new URL(dialect.home.baseUrl).host

/** @internal */
export const policiesOf = (config: VideosConfigService): Policies => {
  const { idleTimeout, maxRetryAfter, dialect, totalTimeout } = config
  return {
    dialect,
    submission: {
      onUnknownOutcome: config.onUnknownOutcome,
      listLag: config.listLag,
      listTrusted: dialect.listTrusted,
      listServed: dialect.paths.listVideos !== null,
      totalTimeout,
      submitTimeout: config.submitTimeout ?? config.requestTimeout,
      origin: new URL(config.baseUrl).origin,
      idHeader: isHome(config) ? (dialect.response?.idHeader ?? null) : null
    },
    download: {
      idleTimeout,
      totalTimeout,
      retry: config.readRetry,
      maxRetryAfter,
      dialect
    },
    watching: {
      ...(dialect.listTrusted ? {} : { list: "never" }),
      ...config.watching,
      concurrency: config.budget.concurrency
    }
  }
}
