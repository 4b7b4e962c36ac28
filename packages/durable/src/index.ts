/**
 * Video jobs that outlive their process: durable workflows on SQLite, or on Postgres (`@effect-videos/durable/Postgres`).
 *
 * @since 0.1.0
 */
export {
  DurableVideos,
  type DurableVideosService,
  type RunOptions,
  type SqliteOptions,
  type StartError,
  type StartOptions
} from "./DurableVideos.js"
export * from "./errors.js"
export * from "./Runs.js"
export { type StoredVideo, type UploadOptions, VideoStore, type VideoStoreService } from "./VideoStore.js"
export * from "./Workflows.js"
