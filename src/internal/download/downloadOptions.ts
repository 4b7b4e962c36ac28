/** The options of a download to a file, and what they may be. */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import * as rules from "../config/optionRules.js"
import type * as Errors from "../errors/errors.js"
import type { CallOptions } from "../http/httpTypes.js"
import type { VideoVariant } from "../protocol/requestSchemas.js"
import { checkExtras, checkFields, type Extras, variantRule } from "../protocol/validateRequest.js"
import type { DownloadToFileError } from "./downloadToFile.js"
import type { TransferProgress } from "./transferProgress.js"

/**
 * Options of a download to a file. Those of a call apply to each of its requests.
 *
 * @since 0.1.0
 * @category models
 */
export interface DownloadToFileOptions
  extends Pick<CallOptions, "timeout" | "idleTimeout" | "extraHeaders" | "extraQuery" | "onResponse"> {
  /** Which file of the job. Default: the clip; then no `variant` is sent. */
  readonly variant?: VideoVariant | undefined
  /**
   * If given, `path` must be relative and stay inside this directory, symbolic links inside it included; otherwise the call
   * fails with `FileError`. For names from outside. The directory must exist.
   */
  readonly directory?: string | undefined
  /** Whether an existing file is replaced. Default: `false`, and a `FileError`. */
  readonly overwrite?: boolean | undefined
  /** Whether to resume from the `name.part` of an earlier call. Default: `true`. */
  readonly resume?: boolean | undefined
  /** When to retry after a break. Restarts whenever an attempt gets further than all before. Default: `defaultDownloadRetry`. */
  readonly retry?: Schedule.Schedule<unknown, DownloadToFileError> | undefined
  /** A `Retry-After` longer than this is not waited for: the download fails with the error that carries it. Default: 5 minutes. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /** For this long after a job's end, missing content counts as replica lag and is requested again. Default: 30 seconds. */
  readonly contentGrace?: Duration.DurationInput | undefined
  /**
   * Receives the progress, the newest only: the transfer does not wait for this Effect, except for the last report, which is
   * `done`. A download that fails has no last report.
   */
  readonly onProgress?: ((progress: TransferProgress) => Effect.Effect<void>) | undefined
  /** The least time between two reports. The first, the last and a start-over are always reported. Default: 100 milliseconds. */
  readonly progressInterval?: Duration.DurationInput | undefined
}

const downloadRules: rules.RulesOf<DownloadToFileOptions, Extras> = {
  variant: variantRule,
  directory: rules.anyText,
  overwrite: rules.boolean,
  resume: rules.boolean,
  retry: rules.schedule,
  maxRetryAfter: rules.duration,
  timeout: rules.timeout,
  idleTimeout: rules.timeout,
  contentGrace: rules.duration,
  onProgress: rules.callback,
  progressInterval: rules.duration,
  onResponse: rules.callback
}

/** The first option that makes no sense: a program that pays first can check the options before. */
export const checkDownload = (options: DownloadToFileOptions | undefined): Errors.InvalidRequestError | null =>
  checkFields("downloadVideo", options, downloadRules) ?? checkExtras("downloadVideo", options)
