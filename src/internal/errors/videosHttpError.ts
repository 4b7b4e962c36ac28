import type * as Errors from "./errors.js"

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
  | Errors.RateLimitedError
  | Errors.QuotaExceededError
  | Errors.ModerationBlockedError
  | Errors.BadRequestError
  | Errors.ConflictError
  | Errors.ServerError
  | Errors.OperationUnsupportedError
  | Errors.VideoNotFoundError
