/** The exit codes: one number for each thing that a script would do differently. */
import { isValidationError } from "@effect/cli/ValidationError"
import type { PlatformError } from "@effect/platform/Error"
import type { ServeError } from "@effect/platform/HttpServerError"
import type { QuitException } from "@effect/platform/Terminal"
import type {
  DatabaseError,
  RunNotFoundError,
  RunState,
  RunStateError,
  StartError,
  VideoStoreError
} from "@effect-videos/durable"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { AwaitVideoError, DownloadToFileError, ExtendVideoError, RetrieveCharacterError } from "effect-videos"
import type { ExtendToError, JoinVideosError } from "effect-videos/continue"
import { RunNotDoneError, type UnreachableError, type UsageError } from "./errors.js"
import type { OutputError } from "./screen.js"

/** Stable: a script may rely on them. `help/effect-videos.txt` says when each is used. */
export const exitCodes = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  auth: 3,
  notFound: 4,
  quota: 5,
  refused: 6,
  jobFailed: 7,
  notInTime: 8,
  server: 9,
  uncertain: 10,
  file: 11,
  unsupported: 12,
  interrupted: 130
} as const

export type ExitKind = keyof typeof exitCodes

/** Every tag that a command may fail with: one that the library adds does not compile until it has a code. */
type Tag = (
  | ExtendVideoError
  | RetrieveCharacterError
  | AwaitVideoError
  | DownloadToFileError
  | PlatformError
  | ServeError
  | QuitException
  | JoinVideosError
  | DatabaseError
  | StartError
  | RunNotFoundError
  | RunStateError
  | VideoStoreError
  | ExtendToError
  | UsageError
  | UnreachableError
  | OutputError
)["_tag"]

const byTag: { readonly [tag in Tag]: ExitKind } = {
  UsageError: "usage",
  InvalidRequestError: "usage",
  InvalidRunError: "usage",
  IdempotencyConflictError: "usage",
  RunStateError: "usage",
  RunNotFoundError: "notFound",
  DatabaseInUseError: "file",
  DatabaseUnavailableError: "file",
  DatabaseVersionError: "file",
  VideoStoreError: "file",
  AuthenticationError: "auth",
  VideoNotFoundError: "notFound",
  CharacterNotFoundError: "notFound",
  VideoExpiredError: "notFound",
  VideoContentNotFoundError: "notFound",
  RateLimitedError: "quota",
  QuotaExceededError: "quota",
  ModerationBlockedError: "refused",
  BadRequestError: "refused",
  ConflictError: "refused",
  VideoFailedError: "jobFailed",
  WatchTimeoutError: "notInTime",
  VideoNotReadyError: "notInTime",
  TransportError: "server",
  RequestTimeoutError: "server",
  RedirectError: "server",
  ResponseDecodeError: "server",
  ServerError: "server",
  IncompleteDownloadError: "server",
  UnreachableError: "server",
  ServeError: "server",
  SubmissionUncertainError: "uncertain",
  SegmentUncertainError: "uncertain",
  SpendingLimitError: "quota",
  FfmpegUnavailableError: "usage",
  MediaError: "file",
  ManifestError: "file",
  UploadError: "file",
  FileError: "file",
  BadArgument: "file",
  SystemError: "file",
  OutputFailedError: "file",
  OperationUnsupportedError: "unsupported",
  // A reader that closes the pipe is not a failure.
  OutputClosedError: "ok",
  QuitException: "interrupted"
}

const byState: { readonly [state in RunState]?: ExitKind } = {
  failed: "jobFailed",
  cancelled: "jobFailed",
  abandoned: "jobFailed",
  refused: "refused",
  lost: "notFound",
  uncertain: "uncertain"
}

const isTag = (tag: unknown): tag is Tag => typeof tag === "string" && Object.hasOwn(byTag, tag)

export const kindOf = (error: unknown): ExitKind => {
  if (isValidationError(error)) return "usage"
  // The key is the one setting that may be missing.
  if (ConfigError.isConfigError(error)) return ConfigError.isMissingDataOnly(error) ? "auth" : "usage"
  if (error instanceof RunNotDoneError) return byState[error.state] ?? "notInTime"
  return Predicate.hasProperty(error, "_tag") && isTag(error._tag) ? byTag[error._tag] : "unexpected"
}

export const kindOfCause = (cause: Cause.Cause<unknown>): ExitKind => {
  const failure = Cause.failureOption(cause)
  if (Option.isSome(failure)) return kindOf(failure.value)
  if (Cause.isInterruptedOnly(cause)) return "interrupted"
  // The prompts of `@effect/cli` die of a Ctrl-C.
  return Option.match(Cause.dieOption(cause), { onNone: () => "unexpected", onSome: kindOf })
}

const passing: ReadonlySet<ExitKind> = new Set(["notInTime", "server", "quota"])

/** Whether a watch or a download that failed with this error can be resumed. */
export const mayGoOn = (error: unknown): boolean => passing.has(kindOf(error))

/** Whether another path would do. */
export const isPathError = Predicate.isTagged("FileError")
