/** How far a job is, as this command has seen it: what a bar, a line or an event is made of. No effects, no terminal. */
import { phaseOf, type TransferProgress, type VideoResource } from "effect-videos"

/** A measurement of something that goes from 0 to `total`. */
interface Sample {
  readonly at: number
  readonly done: number
}

interface Course {
  readonly first: Sample
  readonly last: Sample
  readonly total: number | null
}

/** Why a request failed: a sentence, and two or three words for a narrow terminal. */
export interface Reason {
  readonly full: string
  readonly short: string
}

export interface Progress {
  /** What it is called before there is an id. */
  readonly label: string
  /** The prompt of the command; the server's own comes before it. */
  readonly prompt: string | null
  /** What goes on before anything is known. */
  readonly first: string
  /** What the command itself does now, if it does anything but wait. */
  readonly step: string | null
  readonly startedAt: number
  readonly video: VideoResource | null
  /** Of the job's own run; only from where it runs, because a queue says nothing about the run's pace. */
  readonly run: Course | null
  readonly upload: Course | null
  readonly download: Course | null
  /** Why the last request failed, and when the next is sent. */
  readonly trouble: { readonly reason: Reason; readonly until: number } | null
  /** What it came to. */
  readonly end: { readonly at: number; readonly ok: boolean; readonly text: string } | null
}

export const start = (label: string, first: string, now: number, prompt: string | null = null): Progress => ({
  label,
  prompt,
  first,
  step: null,
  startedAt: now,
  video: null,
  run: null,
  upload: null,
  download: null,
  trouble: null,
  end: null
})

const sampled = (course: Course | null, at: number, done: number, total: number | null): Course => {
  const sample = { at, done }
  // What starts over has a new pace.
  return course === null || done < course.last.done
    ? { first: sample, last: sample, total }
    : { first: course.first, last: sample, total }
}

export const sawJob = (progress: Progress, video: VideoResource, now: number): Progress => ({
  ...progress,
  video,
  step: null,
  trouble: null,
  run: phaseOf(video) === "running" && video.progress !== null ? sampled(progress.run, now, video.progress, 100) : null
})

export const sawStep = (progress: Progress, step: string | null): Progress => ({ ...progress, step })

export const sawUpload = (progress: Progress, { total, transferred }: TransferProgress, now: number): Progress => ({
  ...progress,
  upload: sampled(progress.upload, now, transferred, total)
})

export const sawDownload = (progress: Progress, { total, transferred }: TransferProgress, now: number): Progress => ({
  ...progress,
  download: sampled(progress.download, now, transferred, total)
})

export const sawTrouble = (progress: Progress, reason: Reason, delay: number, now: number): Progress => ({
  ...progress,
  trouble: { reason, until: now + delay }
})

export const ended = (progress: Progress, ok: boolean, text: string, now: number): Progress => ({
  ...progress,
  end: { at: now, ok, text }
})

const courseOf = ({ download, run, upload, video }: Progress): Course | null => {
  if (download !== null) return download
  return video === null ? upload : run
}

/** In milliseconds since this command first had to do with it. */
export const elapsedOf = (progress: Progress, now: number): number => (progress.end?.at ?? now) - progress.startedAt

/** Remaining milliseconds at the average speed; `null` before any progress. */
export const timeLeftOf = (progress: Progress, now: number): number | null => {
  const course = progress.end === null ? courseOf(progress) : null
  if (course === null || course.total === null) return null
  const { first, last, total } = course
  const done = last.done - first.done
  if (done <= 0 || last.done >= total) return null
  const left = ((total - last.done) * (last.at - first.at)) / done
  return Math.max(0, left - (now - last.at))
}

/** How long the next request may take, before the reason is of no use. */
const troublePasses = 10_000

/** Why the last request failed; `null` after a success. */
export const troubleOf = ({ end, trouble }: Progress, now: number): Reason | null =>
  end === null && trouble !== null && now < trouble.until + troublePasses ? trouble.reason : null

/** The same with the seconds until the next request. */
export const retryText = (progress: Progress, now: number, form: keyof Reason = "full"): string | null => {
  const reason = troubleOf(progress, now)
  const seconds = Math.ceil(((progress.trouble?.until ?? now) - now) / 1000)
  return reason === null ? null : retrying(reason[form], seconds)
}

/** `retrying in 3 s: reason`. */
export const retrying = (reason: string, seconds: number): string =>
  seconds > 0 ? `retrying in ${seconds} s: ${reason}` : `retrying: ${reason}`

/** Of what goes on now: the upload, the job or the download. */
export const percentOf = (progress: Progress): number | null => {
  const { download, upload, video } = progress
  const course = download ?? (video === null ? upload : null)
  if (course !== null)
    return course.total === null || course.total === 0 ? null : (course.last.done / course.total) * 100
  if (video === null) return null
  // A server that never says how far it is has got there all the same.
  return phaseOf(video) === "succeeded" ? 100 : video.progress
}

/** One word or two for what goes on now. */
export const stateOf = ({ download, end, first, step, upload, video }: Progress): string => {
  if (end !== null) return video?.status ?? (end.ok ? "done" : "failed")
  if (step !== null) return step
  if (download !== null) return "saving"
  return video?.status ?? (upload === null ? first : "uploading")
}
