/** What submissions, downloads and watches take from the configuration. */
import type * as Duration from "effect/Duration"
import type { Dialect } from "../protocol/dialect.js"
import type { VideosConfigService, WatchingOptions } from "./configTypes.js"

/** How a submission is sent, and what happens if its outcome is unknown. `totalTimeout` is for all of its requests together. */
export interface SubmissionPolicy extends Pick<VideosConfigService, "listLag" | "onUnknownOutcome" | "totalTimeout"> {
  /** Whether the server's list has every job, so that a job that is not on it was not made. */
  readonly listTrusted: boolean
  /** Whether the server has a list. */
  readonly listServed: boolean
  /** For one attempt. */
  readonly submitTimeout: Duration.Duration
  /** Scheme, host and port of the server, for errors. */
  readonly origin: string
  /** The response header that names the job of a submission, at the dialect's own home alone: a gateway has ids of its own. */
  readonly idHeader: string | null
}

/** How long a download may take, and when it is retried. */
export type DownloadPolicy = Pick<VideosConfigService, "dialect" | "maxRetryAfter" | "readRetry" | "totalTimeout">

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

export const policiesOf = (config: VideosConfigService): Policies => {
  const { dialect } = config
  return {
    dialect,
    submission: {
      onUnknownOutcome: config.onUnknownOutcome,
      listLag: config.listLag,
      listTrusted: dialect.listTrusted,
      listServed: dialect.paths.listVideos !== null,
      totalTimeout: config.totalTimeout,
      submitTimeout: config.submitTimeout ?? config.requestTimeout,
      origin: new URL(config.baseUrl).origin,
      idHeader: isHome(config) ? (dialect.response?.idHeader ?? null) : null
    },
    download: config,
    watching: {
      ...(dialect.listTrusted ? {} : { list: "never" }),
      ...config.watching,
      concurrency: config.budget.concurrency
    }
  }
}
