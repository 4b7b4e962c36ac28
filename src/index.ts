/**
 * Video jobs for Effect: submit, extend, watch and download over the Videos protocol.
 *
 * @since 0.1.0
 */
export * from "./Errors.js"
export {
  type CallOptions,
  defaultReadRetry,
  defaultSubmitRetry,
  type ResponseMeta,
  type SubmitOptions,
  type VideosByteResponse,
  type VideosCall,
  VideosConfig,
  type VideosConfigOptions,
  type VideosConfigService,
  VideosHttp,
  type VideosHttpError,
  type VideosHttpService,
  type VideosResponse,
  type VideosUpload
} from "./Http.js"
export {
  type ImageReference,
  isSameSnapshot,
  isTerminal,
  type Json,
  phaseOf,
  type VideoFault,
  VideoId,
  type VideoPhase,
  VideoResource,
  type VideoResourceEncoded,
  VideoSeconds,
  type VideoSize,
  type VideoStatus,
  type VideoVariant
} from "./Schema.js"
export * from "./Stream.js"
export * as VideoFile from "./VideoFile.js"
export {
  type ContentOptions,
  type CreateVideoError,
  type CreateVideoRequest,
  createVideo,
  type DownloadVideoError,
  downloadVideo,
  type ExtendVideoError,
  type ExtendVideoRequest,
  extendVideo,
  type RetrieveVideoError,
  retrieveVideo,
  type SubmitVideoError,
  Videos,
  type VideosService
} from "./Videos.js"
