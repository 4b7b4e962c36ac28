/** Whether the server's list can be trusted to stand for single polls. It compares and decides; it sends nothing. */
import { isTerminal, type VideoPage, type VideoResource } from "../protocol/videoSchemas.js"
import type { Searched } from "./watch.js"

export interface ListOptions {
  /** `auto`: pages where they pay and can be trusted. */
  readonly mode: "auto" | "always" | "never"
  /** From how many watched jobs on pages are read. */
  readonly threshold: number
}

/** A job this young may be missing in the list of a replica that lags. */
export const lagMillis = 10_000

/** Pages that fail for less than this may be bad luck. */
const patienceMillis = 5000

/** Of this many pages, one is replaced by a single poll, to compare it with the list. */
const comparisonInterval = 16

/** Fields that one source leaves out and the other has show that the two differ. */
const compared = ["model", "progress", "createdAt", "prompt", "size", "seconds", "remixedFromVideoId"] as const

const haveSameFields = (a: VideoResource, b: VideoResource): boolean => {
  if (a.status !== b.status) return true
  for (const field of compared) if ((a[field] === null) !== (b[field] === null)) return false
  const keys = Object.keys(a.extra)
  return keys.length === Object.keys(b.extra).length && keys.every((key) => Object.hasOwn(b.extra, key))
}

export class ListTrust {
  /** Why the list is not read any more. */
  distrust: string | null = null
  readonly options: ListOptions
  /** Whether the threshold was reached: the pages of the jobs that are left are known. */
  private hasStarted = false
  private readsSinceComparison = comparisonInterval
  private strikes = 0
  /** Pages that failed since the last that succeeded, and when the first of them did. */
  private failures = 0
  private failingSince = 0
  private singlesWork = false
  /** Jobs that a single poll saw end, and when. */
  private readonly ended = new Map<string, number>()

  constructor(options: ListOptions) {
    this.options = options
  }

  /** Why pages are not read with this number of watched jobs; `null` if they are. */
  whyNot(jobs: number): string | null {
    const { mode, threshold } = this.options
    if (mode === "always") return null
    if (mode === "never") return 'watching.list is "never"'
    if (this.distrust !== null) return this.distrust
    if (jobs >= threshold) this.hasStarted = true
    return this.hasStarted ? null : `fewer than ${threshold} jobs are watched`
  }

  /** No job is watched any more: the threshold counts anew. */
  restart(): void {
    this.hasStarted = false
  }

  /** A page that was requested at `askedAt`. */
  read(page: VideoPage, askedAt: number): void {
    this.failures = 0
    this.singlesWork = false
    this.readsSinceComparison++
    let before = Number.POSITIVE_INFINITY
    for (const video of page.videos) {
      const at = video.createdAt?.epochMillis ?? before
      if (at > before) this.give("it is not ordered by time, newest first")
      before = at
      if (this.ended.size === 0) continue
      const endedAt = this.ended.get(video.id)
      if (endedAt === undefined || endedAt >= askedAt) continue
      this.ended.delete(video.id)
      if (!isTerminal(video)) this.strike("it shows jobs as running that have ended")
    }
  }

  /** Whether the next poll should be single, to see that the list says the same. */
  wantsComparison(): boolean {
    if (this.options.mode !== "auto" || this.readsSinceComparison < comparisonInterval) return false
    this.readsSinceComparison = 0
    return true
  }

  /** A single poll of a job; `listed` is what the list said of it before. */
  single(video: VideoResource, listed: VideoResource | null, searched: Searched | null, now: number): void {
    this.singlesWork = true
    if (listed !== null && !haveSameFields(listed, video)) this.give("its jobs lack fields that single polls have")
    const at = video.createdAt?.epochMillis
    if (searched !== null && at !== undefined && at > searched.oldest && at < searched.newest - lagMillis) {
      this.strike("it leaves out jobs")
    }
    if (!isTerminal(video) || this.options.mode !== "auto") return
    this.ended.set(video.id, now)
    // A Map keeps its order: the oldest go first.
    if (this.ended.size > 100) for (const id of this.ended.keys()) return void this.ended.delete(id)
  }

  /** A page failed with a transient error. If only pages fail, again and again, they are given up. */
  failed(reason: string, now: number): void {
    if (this.failures++ === 0) this.failingSince = now
    if (this.failures >= 3 && this.singlesWork && now - this.failingSince >= patienceMillis) {
      this.give(`it fails while single polls succeed: ${reason}`)
    }
  }

  /** A response that makes no sense; the second one ends the trust. */
  strike(reason: string): void {
    if (++this.strikes >= 2) this.give(reason)
  }

  give(reason: string): void {
    this.distrust ??= reason
  }
}
