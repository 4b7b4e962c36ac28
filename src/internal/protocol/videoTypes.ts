import type * as DateTime from "effect/DateTime"
import type { VideoId } from "./videoId.js"

/**
 * Any JSON value.
 *
 * @since 0.1.0
 * @category models
 */
export type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [key: string]: Json }

/**
 * The word that the server used for a job's state: the four of the protocol, and others. `phaseOf` says what a word means.
 *
 * @since 0.1.0
 * @category models
 */
export type VideoStatus = "queued" | "in_progress" | "completed" | "failed" | (string & {})

/**
 * Why a job failed, in the server's words: its `error`, or what servers send in its place, such as `fail_reason`,
 * `error_message` or `metadata.error`.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoFault {
  /** The server's own code, for example `moderation_blocked`; an open set. vLLM-Omni writes an HTTP status here. */
  readonly code: string | null
  /** For people. Servers may leave it empty. */
  readonly message: string
  /** Whether the server bills the failed job; absent if the response does not say. */
  readonly billed?: boolean
}

/**
 * What a job costs, for example `{ amount: 0.42, currency: "USD" }`.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoCost {
  readonly amount: number
  readonly currency: string
}

/**
 * One snapshot of a job: the protocol's `VideoResource`, with times as `DateTime` and lengths as numbers.
 *
 * What a server leaves out, or writes in a way that cannot be read, is `null`. Only `phaseOf(video)` says if a job has ended:
 * servers set `completedAt` while a job runs (new-api) and `progress` to 100 when it fails.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoResource {
  readonly id: VideoId
  /** `"video"`, unless the server says something else. */
  readonly object: string
  readonly model: string | null
  /**
   * As the server sent it, or the protocol's word if the dialect's has another meaning; see `phaseOf`. `"unknown"` if the
   * server sent none.
   */
  readonly status: VideoStatus
  /** Percent, 0 to 100. For display: it may stand still, jump, or go backwards. */
  readonly progress: number | null
  readonly createdAt: DateTime.Utc | null
  readonly completedAt: DateTime.Utc | null
  /** When the server removes the files, if it says so. */
  readonly expiresAt: DateTime.Utc | null
  readonly prompt: string | null
  /** Width x height, such as `1280x720`; SGLang may say `720p`. */
  readonly size: string | null
  /** Length of the clip in seconds; for an extension, of the stitched whole. */
  readonly seconds: number | null
  readonly remixedFromVideoId: string | null
  readonly error: VideoFault | null
  /** What the job costs; absent if the server does not say. Its own figures are in `extra`. */
  readonly cost?: VideoCost
  /**
   * Everything else the server said, under its own names: `url`, `usage`, `inference_time_s` and the like, and any
   * field of the protocol whose value could not be read.
   */
  readonly extra: { readonly [key: string]: unknown }
}

/**
 * A `VideoResource` as it is written in JSON: the protocol's names, and whatever else a server adds.
 *
 * @since 0.1.0
 * @category models
 */
export type VideoResourceEncoded = { readonly [key: string]: unknown }

/**
 * A character: a person or thing taken out of a clip, to be named in later prompts. What the server leaves out is
 * `null`.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoCharacter {
  readonly id: string | null
  readonly name: string | null
  readonly createdAt: DateTime.Utc | null
  /** Everything else the server said, under its own names. */
  readonly extra: { readonly [key: string]: unknown }
}

/**
 * One page of a list.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoPage {
  readonly videos: ReadonlyArray<VideoResource>
  /** What the server says; `null` where it says nothing (SGLang). It may be wrong (TeleFuser). */
  readonly hasMore: boolean | null
}

/**
 * The result of a deletion.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeletedVideo {
  readonly id: VideoId
  /** Whether the job is gone. */
  readonly deleted: boolean
  /** The job as it was last, from a server that returns it (SGLang, TeleFuser). */
  readonly video: VideoResource | null
}
