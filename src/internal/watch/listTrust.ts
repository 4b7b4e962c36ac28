/**
 * Where watched jobs are in the server's list, so that one page can stand for many single looks; and whether this list is
 * to be trusted. It remembers and decides; it sends nothing.
 */
import type * as Effect from "effect/Effect"
import type { ListPage } from "../protocol/listCursor.js"
import { isTerminal, type VideoPage, type VideoResource } from "../protocol/videoSchemas.js"
import type { ListVideosError } from "../videosTypes.js"

/** How jobs are read: by pages where they pay and can be trusted, by pages at any rate, or one by one. */
export type ListMode = "auto" | "always" | "never"

/** @internal */
export interface ListOptions {
  readonly mode: ListMode
  /** From how many watched jobs on pages are read. */
  readonly threshold: number
}

/** Jobs per page: the protocol's most. */
export const pageSize = 100

/** A page that shows fewer watched jobs than this is not worth its bytes. */
export const leastMembers = 4

/** A job this young may be missing in the list of a replica that lags. */
const lagMillis = 10_000

/** Pages that fail for less than this may be bad luck. */
const patienceMillis = 5000

/** So many pages lie between two single looks that are compared with them. */
const comparisonInterval = 16

/** A stretch of the list: the page after one job, or the newest. Its jobs are the watched ones that it showed last. */
export interface Segment<Job> {
  readonly after: string | null
  members: number
  /** Those who wait for it to be read. */
  waiting: Array<Job>
  isBeingRead: boolean
  wasRead: boolean
  /** How it is read; made by the first read. */
  read: Effect.Effect<ListPage, ListVideosError> | null
}

/** @internal */
export const makeSegment = <Job>(after: string | null): Segment<Job> => ({
  after,
  members: 0,
  waiting: [],
  isBeingRead: false,
  wasRead: false,
  read: null
})

/** Whether one read of it serves enough jobs; one that was never read may serve any number. */
export const isWorthAPage = <Job>(segment: Segment<Job>): boolean => !segment.wasRead || segment.members >= leastMembers

/** How a search went that did not find the job. */
export interface Searched {
  /** From the newest to the oldest job that it has seen, in Unix milliseconds. */
  readonly newest: number
  readonly oldest: number
  /** When it ended, and how many have been made for the job. */
  readonly at: number
  readonly times: number
}

/** So many searches for one job: what is missing then is not a list that lags. */
const mostSearches = 3

/**
 * Whether to search again for a job that was not found: a list that lags shows it later, and one search for all of them
 * costs less than looking at each for good. An older one lies further back than the search went, and will again.
 */
export const isWorthASearch = (searched: Searched, latest: VideoResource | null, now: number): boolean => {
  const createdAt = latest?.createdAt?.epochMillis
  return (
    searched.times < mostSearches &&
    now - searched.at >= lagMillis &&
    createdAt !== undefined &&
    createdAt > searched.oldest &&
    createdAt > searched.newest - lagMillis
  )
}

/** What the list knows of a watched job. */
export interface Placed {
  segment: Segment<this> | null
  /** The search that did not find it. */
  searched: Searched | null
}

/** Moves a job to the stretch that showed it. */
export const place = <Job extends Placed>(job: Job, segment: Segment<Job> | null): void => {
  if (job.segment !== null) job.segment.members--
  if (segment !== null) {
    segment.members++
    job.searched = null
  }
  job.segment = segment
}

/** Fields that one source leaves out and the other has show that the two differ. */
const told = ["model", "progress", "createdAt", "prompt", "size", "seconds", "remixedFromVideoId"] as const

const tellsTheSame = (a: VideoResource, b: VideoResource): boolean => {
  if (a.status !== b.status) return true
  for (const field of told) if ((a[field] === null) !== (b[field] === null)) return false
  const keys = Object.keys(a.extra)
  return keys.length === Object.keys(b.extra).length && keys.every((key) => Object.hasOwn(b.extra, key))
}

/** What is known of a list's honesty. */
export class Trust {
  /** Why the list is not read any more. */
  distrust: string | null = null
  private readsSinceComparison = comparisonInterval
  private strikes = 0
  /** How many pages have failed since the last that came, and when the first of them did. */
  private failures = 0
  private failingSince = 0
  private singlesWork = false
  /** Jobs that a single look saw end, and when it was answered. */
  private readonly ended = new Map<string, number>()

  private readonly options: ListOptions

  constructor(options: ListOptions) {
    this.options = options
  }

  /** Whether pages are read with so many watched jobs. */
  isOn(jobs: number): boolean {
    const { mode, threshold } = this.options
    return mode === "always" || (mode === "auto" && this.distrust === null && jobs >= threshold)
  }

  /** A page that was asked for at `askedAt` has come. */
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
      if (endedAt === undefined) continue
      this.ended.delete(video.id)
      if (!isTerminal(video) && endedAt < askedAt) this.strike("it shows jobs as running that have ended")
    }
  }

  /** Whether one of a page's jobs should be looked at alone as well, to see that both say the same. */
  wantsComparison(): boolean {
    if (this.options.mode !== "auto" || this.readsSinceComparison < comparisonInterval) return false
    this.readsSinceComparison = 0
    return true
  }

  /** A single look has seen a job, of which the list has said `listed`. */
  single(video: VideoResource, listed: VideoResource | null, searched: Searched | null, now: number): void {
    this.singlesWork = true
    if (listed !== null && !tellsTheSame(listed, video)) this.give("its jobs do not say what single looks say")
    const at = video.createdAt?.epochMillis
    if (searched !== null && at !== undefined && at > searched.oldest && at < searched.newest - lagMillis) {
      this.strike("it leaves out jobs")
    }
    if (!isTerminal(video) || this.options.mode !== "auto") return
    this.ended.set(video.id, now)
    // A Map keeps its order: the oldest go first.
    if (this.ended.size > 100) for (const id of this.ended.keys()) return void this.ended.delete(id)
  }

  /** A page failed with what may pass. Where it is the pages alone that fail, time after time, they are given up. */
  failed(reason: string, now: number): void {
    if (this.failures++ === 0) this.failingSince = now
    if (this.failures >= 3 && this.singlesWork && now - this.failingSince >= patienceMillis) {
      this.give(`it fails where single looks do not: ${reason}`)
    }
  }

  /** An answer that makes no sense. */
  strike(reason: string): void {
    if (++this.strikes >= 2) this.give(reason)
  }

  give(reason: string): void {
    this.distrust ??= reason
  }
}
