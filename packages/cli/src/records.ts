/** What is written to standard output: for programs, one JSON object per line whose names stay as they are. */
import * as DateTime from "effect/DateTime"
import { type DownloadedFile, phaseOf, type VideoCharacter, type VideoResource } from "effect-videos"

const unix = (time: DateTime.Utc | null): number | null =>
  time === null ? null : Math.floor(DateTime.toEpochMillis(time) / 1000)

/** Where a clip was saved. */
export interface FileRecord {
  /** Absolute. */
  readonly path: string
  readonly bytes: number
  /** How many of them an earlier run had left. */
  readonly resumed_from: number
}

/**
 * A job. Always every field; the protocol's own names, times in Unix seconds, lengths in seconds; `null` where the server
 * said nothing.
 */
export interface JobRecord {
  readonly id: string
  /** The server's word. */
  readonly status: string
  /** What it means: `waiting`, `running`, `succeeded` or `failed`. */
  readonly phase: string
  readonly progress: number | null
  readonly seconds: number | null
  readonly size: string | null
  readonly model: string | null
  readonly prompt: string | null
  readonly created_at: number | null
  readonly completed_at: number | null
  readonly expires_at: number | null
  readonly remixed_from_video_id: string | null
  readonly error: { readonly code: string | null; readonly message: string } | null
  /** Everything else the server said. */
  readonly extra: { readonly [name: string]: unknown }
  /** Where the clip was saved, if it was. */
  readonly file: FileRecord | null
}

export const fileRecord = ({ bytes, path, resumedFrom }: DownloadedFile): FileRecord => ({
  path,
  bytes,
  resumed_from: resumedFrom
})

export const jobRecord = (video: VideoResource, file: DownloadedFile | null = null): JobRecord => ({
  id: video.id,
  status: video.status,
  phase: phaseOf(video),
  progress: video.progress,
  seconds: video.seconds,
  size: video.size,
  model: video.model,
  prompt: video.prompt,
  created_at: unix(video.createdAt),
  completed_at: unix(video.completedAt),
  expires_at: unix(video.expiresAt),
  remixed_from_video_id: video.remixedFromVideoId,
  error: video.error === null ? null : { code: video.error.code, message: video.error.message },
  extra: video.extra,
  file: file === null ? null : fileRecord(file)
})

export const characterRecord = (character: VideoCharacter) => ({
  id: character.id,
  name: character.name,
  created_at: unix(character.createdAt),
  extra: character.extra
})
