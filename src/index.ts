/**
 * Video jobs for Effect: submit, extend, watch and download over the Videos protocol.
 *
 * @since 0.1.0
 */

export { type Dialect, type DialectName, dialects } from "./Dialects.js"
export * from "./Errors.js"
export * as VideosFetch from "./Fetch.js"
export type { BudgetOptions, BudgetSnapshot } from "./Http.js"
export {
  type CallOptions,
  defaultReadRetry,
  defaultSubmitRetry,
  type Limits,
  type OnUnknownOutcome,
  type ResponseMeta,
  type SubmitOptions,
  VideosConfig,
  type VideosConfigOptions,
  type VideosConfigService,
  type VideosHttpError,
  type WatchingOptions
} from "./Http.js"
export * from "./Polling.js"
export {
  type Callback,
  type ContentOptions,
  type CreateCharacterRequest,
  type CreateVideoRequest,
  type DeletedVideo,
  type EditVideoRequest,
  type ExtendVideoRequest,
  type ImageReference,
  isSameSnapshot,
  isTerminal,
  type Json,
  type ListVideosOptions,
  phaseOf,
  type RemixVideoRequest,
  VideoCharacter,
  type VideoCost,
  type VideoFault,
  VideoId,
  type VideoPage,
  type VideoPhase,
  VideoResource,
  type VideoResourceEncoded,
  VideoSeconds,
  type VideoSize,
  type VideoSource,
  type VideoStatus,
  type VideoVariant
} from "./Schema.js"
export * from "./Stream.js"
export * from "./Transfer.js"
export * as VideoFile from "./VideoFile.js"
export {
  type CreateCharacterError,
  type CreateVideoError,
  createCharacter,
  createVideo,
  type DeleteVideoError,
  type DownloadVideoError,
  deleteVideo,
  downloadVideo,
  type EditVideoError,
  type ExtendVideoError,
  editVideo,
  extendVideo,
  type ListVideosError,
  listPages,
  listVideos,
  type RemixVideoError,
  type RetrieveCharacterError,
  type RetrieveVideoError,
  remixVideo,
  retrieveCharacter,
  retrieveVideo,
  type SettledSubmission,
  type SettleOptions,
  type SubmitVideoError,
  settleSubmission,
  Videos,
  type VideosService,
  type Watcher,
  type Watchers
} from "./Videos.js"
export * from "./Webhook.js"
