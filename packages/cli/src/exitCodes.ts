/** What the process says at its end: one number for each thing that a script would do differently. */
import { isValidationError } from "@effect/cli/ValidationError"
import type { PlatformError } from "@effect/platform/Error"
import type { ServeError } from "@effect/platform/HttpServerError"
import type { QuitException } from "@effect/platform/Terminal"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { JoinVideosError } from "effect-videos/continue/joinVideos"
import type { AwaitVideoError } from "effect-videos/Stream"
import type { DownloadToFileError } from "effect-videos/Transfer"
import type { ExtendVideoError, RetrieveCharacterError } from "effect-videos/Videos"
import type { UnreachableError, UsageError } from "./errors.js"
import type { OutputError } from "./screen.js"

/** The codes, in the order of their documentation. Stable: a script may rely on them. */
export const exitCodes = {
  ok: { code: 0, when: "It worked." },
  unexpected: { code: 1, when: "A defect of this program." },
  usage: { code: 2, when: "A wrong argument, setting or request. Nothing was sent." },
  auth: { code: 3, when: "The key is missing, not accepted, or not permitted to do this." },
  notFound: { code: 4, when: "No such job or character, or its content is gone." },
  quota: { code: 5, when: "Too many requests, or no quota left." },
  refused: { code: 6, when: "The server or its moderation refused the request as it is." },
  jobFailed: { code: 7, when: "The job ended as failed." },
  notInTime: { code: 8, when: "The job goes on: the time-out or the stall time-out is over, or it is not ready." },
  server: { code: 9, when: "The connection broke, or the server failed or gave an answer that cannot be read." },
  uncertain: { code: 10, when: "It is not known whether the server made a job. Look before sending it again." },
  file: { code: 11, when: "A file could not be read or written, or is there already." },
  unsupported: { code: 12, when: "The server does not serve this operation." },
  interrupted: { code: 130, when: "Ctrl-C." }
} as const satisfies { readonly [kind: string]: { readonly code: number; readonly when: string } }

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
  | UsageError
  | UnreachableError
  | OutputError
)["_tag"]

const byTag: { readonly [tag in Tag]: ExitKind } = {
  UsageError: "usage",
  InvalidRequestError: "usage",
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
  FfmpegUnavailableError: "usage",
  MediaError: "file",
  UploadError: "file",
  FileError: "file",
  BadArgument: "file",
  SystemError: "file",
  OutputFailedError: "file",
  OperationUnsupportedError: "unsupported",
  // A reader that has had enough is no failure.
  OutputClosedError: "ok",
  QuitException: "interrupted"
}

const isTag = (tag: unknown): tag is Tag => typeof tag === "string" && Object.hasOwn(byTag, tag)

export const kindOf = (error: unknown): ExitKind => {
  if (isValidationError(error)) return "usage"
  // The key is the one setting that may be missing.
  if (ConfigError.isConfigError(error)) return ConfigError.isMissingDataOnly(error) ? "auth" : "usage"
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

/** Whether a watch or a download that failed so can go on from where it was. */
export const mayGoOn = (error: unknown): boolean => passing.has(kindOf(error))
