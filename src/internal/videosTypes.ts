import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type * as Errors from "./errors/errors.js"
import type { CallOptions, SubmitOptions, VideosHttpError } from "./http/httpTypes.js"
import type {
  ContentOptions,
  CreateCharacterRequest,
  CreateVideoRequest,
  EditVideoRequest,
  ExtendVideoRequest,
  ListVideosOptions,
  RemixVideoRequest
} from "./protocol/requestSchemas.js"
import type { DeletedVideo, VideoCharacter, VideoPage, VideoResource } from "./protocol/videoSchemas.js"
import type { BudgetSnapshot } from "./rate/budgetTypes.js"

// -----------------------------------------------------------------------------
// errors
// -----------------------------------------------------------------------------

/**
 * What any submission may fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type SubmitVideoError =
  | Errors.InvalidRequestError
  | Exclude<VideosHttpError, Errors.ResponseDecodeError | Errors.VideoNotFoundError>
  | Errors.SubmissionUncertainError

/**
 * @since 0.1.0
 * @category errors
 */
export type CreateVideoError = SubmitVideoError | Errors.UploadError

/**
 * @since 0.1.0
 * @category errors
 */
export type ExtendVideoError =
  | SubmitVideoError
  | Errors.ResponseDecodeError
  | Errors.VideoNotFoundError
  | Errors.VideoNotReadyError
  | Errors.VideoFailedError
  | Errors.VideoExpiredError
  | Errors.UploadError

/**
 * @since 0.1.0
 * @category errors
 */
export type EditVideoError = ExtendVideoError

/**
 * @since 0.1.0
 * @category errors
 */
export type RemixVideoError = SubmitVideoError | Errors.VideoNotFoundError

/**
 * @since 0.1.0
 * @category errors
 */
export type CreateCharacterError = SubmitVideoError | Errors.UploadError

/**
 * @since 0.1.0
 * @category errors
 */
export type RetrieveCharacterError = ListVideosError | Errors.CharacterNotFoundError

/**
 * @since 0.1.0
 * @category errors
 */
export type ListVideosError = Exclude<RetrieveVideoError, Errors.VideoNotFoundError>

/**
 * @since 0.1.0
 * @category errors
 */
export type DeleteVideoError = RetrieveVideoError

/**
 * @since 0.1.0
 * @category errors
 */
export type RetrieveVideoError = Errors.InvalidRequestError | Exclude<VideosHttpError, Errors.ModerationBlockedError>

/**
 * @since 0.1.0
 * @category errors
 */
export type DownloadVideoError =
  | RetrieveVideoError
  | Errors.VideoNotReadyError
  | Errors.VideoFailedError
  | Errors.VideoExpiredError
  | Errors.VideoContentNotFoundError

// -----------------------------------------------------------------------------
// service
// -----------------------------------------------------------------------------

/**
 * What a layer keeps for its watches and downloads. Opaque: only the library reads it.
 *
 * @since 0.1.0
 * @category models
 */
export abstract class VideosState {
  protected readonly owner = "effect-videos"
}

/**
 * @since 0.1.0
 * @category models
 */
export interface VideosService {
  /** `POST /videos`. */
  readonly create: (
    request: CreateVideoRequest,
    options?: SubmitOptions
  ) => Effect.Effect<VideoResource, CreateVideoError>
  /** `POST /videos/extensions`. */
  readonly extend: (
    request: ExtendVideoRequest,
    options?: SubmitOptions
  ) => Effect.Effect<VideoResource, ExtendVideoError>
  /** `POST /videos/edits`. */
  readonly edit: (request: EditVideoRequest, options?: SubmitOptions) => Effect.Effect<VideoResource, EditVideoError>
  /** `POST /videos/{id}/remix`. */
  readonly remix: (request: RemixVideoRequest, options?: SubmitOptions) => Effect.Effect<VideoResource, RemixVideoError>
  /** `POST /videos/characters`. */
  readonly createCharacter: (
    request: CreateCharacterRequest,
    options?: SubmitOptions
  ) => Effect.Effect<VideoCharacter, CreateCharacterError>
  /** `GET /videos/characters/{id}`. */
  readonly retrieveCharacter: (
    id: string,
    options?: CallOptions
  ) => Effect.Effect<VideoCharacter, RetrieveCharacterError>
  /** `GET /videos`, page after page. */
  readonly listPages: (options?: ListVideosOptions) => Stream.Stream<VideoPage, ListVideosError>
  /** `DELETE /videos/{id}`. */
  readonly delete: (id: string, options?: CallOptions) => Effect.Effect<DeletedVideo, DeleteVideoError>
  /** `GET /videos/{id}`. */
  readonly retrieve: (id: string, options?: CallOptions) => Effect.Effect<VideoResource, RetrieveVideoError>
  /** `GET /videos/{id}/content`. */
  readonly content: (id: string, options?: ContentOptions) => Stream.Stream<Uint8Array, DownloadVideoError>
  /**
   * The layer's watches and policies, which a copy (`{ ...videos, retrieve: traced }`) carries along. Without it, as in a
   * test's own `Videos`, each watch polls for itself.
   */
  readonly state?: VideosState | undefined
}

/**
 * One job that is being watched.
 *
 * @since 0.1.0
 * @category models
 */
export interface Watcher {
  readonly id: string
  /** The newest snapshot; `null` before the first poll. */
  readonly latest: VideoResource | null
  /** How many consumers it has. */
  readonly consumers: number
  /** The number of polls that have shown it, and the time of the last one. */
  readonly polls: number
  readonly polledAt: DateTime.Utc | null
  /** When the next poll is due; `null` while one is in flight. */
  readonly nextPollAt: DateTime.Utc | null
  /** Whether it is read by pages of the list or by itself, and why. */
  readonly readBy: "page" | "single"
  readonly reason: string
}

/**
 * What a `Videos` watches.
 *
 * @since 0.1.0
 * @category models
 */
export interface Watchers {
  readonly jobs: ReadonlyArray<Watcher>
  /** How pages of the list are used, and why they are not any more. */
  readonly list: { readonly mode: "auto" | "always" | "never"; readonly distrust: string | null }
  /** Requests of watches in flight, and those that wait for a permit of the concurrency limit. A page is one request. */
  readonly inFlight: number
  readonly waiting: number
  /** Whether events are pushed, so that polls are a safety net. */
  readonly isPushed: boolean
  /** The layer's budget; `null` for a canned `Videos`, which has none. */
  readonly budget: BudgetSnapshot | null
}
