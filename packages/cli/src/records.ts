/** The records of standard output: one JSON object per line. Their names are stable. */
import type { Run } from "@effect-videos/durable"
import * as DateTime from "effect/DateTime"
import { type DownloadedFile, phaseOf, type VideoCharacter, type VideoResource } from "effect-videos"

const unix = (time: DateTime.Utc | null): number | null =>
  time === null ? null : Math.floor(DateTime.toEpochMillis(time) / 1000)

/** Where a video was saved; `resumed_from` bytes of it by an earlier run. */
export const fileRecord = ({ bytes, path, resumedFrom }: DownloadedFile) => ({
  path,
  bytes,
  resumed_from: resumedFrom
})

/**
 * Always every field: the protocol's own names, times in Unix seconds, lengths in seconds, `null` for what the server left out.
 * `status` is the server's own, `phase` what it means: `waiting`, `running`, `succeeded` or `failed`.
 */
export const jobRecord = (video: VideoResource, file: DownloadedFile | null = null) => ({
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

/** A durable run. Times in Unix seconds, as everywhere. */
export const runRecord = (run: Run) => ({
  execution: run.execution,
  kind: run.kind,
  key: run.key,
  attempt: run.attempt,
  state: run.state,
  job_id: run.jobId,
  status: run.status,
  progress: run.progress,
  seconds: run.seconds,
  segments: run.segments.map(({ execution, jobId, progress, seconds, segment, state, way }) => ({
    segment,
    way,
    execution,
    state,
    job_id: jobId,
    progress,
    seconds
  })),
  sends: run.sends,
  candidates: run.candidates.map(({ createdAt, id, status }) => ({ id, status, created_at: unix(createdAt) })),
  problem: run.problem,
  location: run.location,
  bytes: run.bytes,
  cancel: run.cancel,
  wake_at: unix(run.wakeAt),
  created_at: unix(run.createdAt),
  updated_at: unix(run.updatedAt),
  ended_at: unix(run.endedAt),
  request: run.request
})

export const characterRecord = (character: VideoCharacter) => ({
  id: character.id,
  name: character.name,
  created_at: unix(character.createdAt),
  extra: character.extra
})
