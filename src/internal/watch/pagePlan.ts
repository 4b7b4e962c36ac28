/**
 * Which page of the list polls which watched jobs. The list is ordered by time, and new jobs come in front of the others: so
 * the distance of two jobs in it is known once pages have shown both. Jobs are grouped from the oldest on, each group as long
 * as one page: fewer pages cannot show them all.
 */
import type { VideoResource } from "../protocol/videoSchemas.js"
import type { Job, Page } from "./watch.js"

/** Jobs per page: the protocol's maximum. */
export const pageSize = 100

/** A page that shows fewer watched jobs than this is not worth its bytes. */
export const leastMembers = 4

/** How many places new jobs are ahead of the others if no page shows a job that is known: more than there can be. */
const gap = 1_000_000

/** Where a part of the list begins: the job before its first one, `null` for the newest; and the place of that first job, if known. */
export interface Part {
  readonly after: string | null
  readonly place: number | null
}

export class PagePlan {
  /** How many jobs have a page. */
  size = 0
  /** Oldest first, without overlaps. */
  private pages: Array<Page> = []
  /** Jobs that were found between or before these pages. */
  private loose: Array<Job> = []
  private readsSinceGrouped = 0
  /** The newest job of the list when it was last read, and its place. */
  private newestId = ""
  private newestPlace = 0

  remove(job: Job): void {
    if (job.page?.members.delete(job) === true) this.size--
    job.page = null
  }

  /** Takes the places of the watched jobs from a part of the list. Returns the part behind it. */
  take(videos: ReadonlyArray<VideoResource>, jobs: ReadonlyMap<string, Job>, { after, place }: Part): Part {
    const known = videos.findIndex(({ id }) => this.isKnown(id, jobs))
    const id = videos[known]?.id
    const knownPlace = id === this.newestId ? this.newestPlace : (jobs.get(id ?? "")?.place ?? 0)
    const first = id === undefined ? (place ?? this.newestPlace + gap) : knownPlace + known
    // Oldest first, so that jobs that have just come fill the newest group.
    for (let index = videos.length - 1; index >= 0; index--) {
      const job = jobs.get(videos[index]?.id ?? "")
      const before = videos[index - 1]?.id ?? after
      // No cursor leads to the newest job of all.
      if (job === undefined || before === null) continue
      // The strings of watched ids are kept once.
      job.after = jobs.get(before)?.id ?? before
      if (job.page === null) this.put(job, first - index)
    }
    if (after === null && videos[0] !== undefined) {
      this.newestId = videos[0].id
      this.newestPlace = first
    }
    return { after: videos.at(-1)?.id ?? after, place: first - videos.length }
  }

  /** Whether the positions of a part of the list are known: it shows a job with a known position, or there is none yet. */
  connects(videos: ReadonlyArray<VideoResource>, jobs: ReadonlyMap<string, Job>): boolean {
    return this.newestId === "" || videos.some(({ id }) => this.isKnown(id, jobs))
  }

  /** Groups the jobs anew, from the oldest on, if that saves a page: it changes when pages are due. */
  regroup(): void {
    if (this.loose.length === 0 && this.readsSinceGrouped < this.pages.length) return
    this.readsSinceGrouped = 0
    const jobs = [...this.pages.flatMap(({ members }) => [...members]), ...this.loose]
      .filter(({ page }) => page !== null)
      .sort((a, b) => a.place - b.place)
    let fewest = 0
    let end = -Infinity
    for (const { place } of jobs) {
      if (place < end) continue
      fewest++
      end = place + pageSize
    }
    this.pages = this.pages.filter(({ members }) => members.size > 0)
    if (this.loose.length === 0 && fewest >= this.pages.length) return
    this.pages = []
    this.loose = []
    this.size = 0
    for (const job of jobs) this.append(job)
  }

  /** Whether the newest page of the list shows the page too, once this number of newer jobs has come. */
  isNewest({ oldest }: Page, newer: number): boolean {
    return oldest > this.newestPlace + newer - pageSize
  }

  /** The part of the list that shows the page. */
  startOf({ members }: Page): Part {
    this.readsSinceGrouped++
    let newest: Job | null = null
    for (const job of members) if (newest === null || job.place > newest.place) newest = job
    return { after: newest?.after ?? null, place: newest?.place ?? null }
  }

  // internal

  private isKnown(id: string, jobs: ReadonlyMap<string, Job>): boolean {
    return id === this.newestId || (jobs.get(id)?.page ?? null) !== null
  }

  private put(job: Job, place: number): void {
    job.searched = null
    job.place = place
    const last = this.pages.at(-1)
    if (last === undefined || place >= last.oldest) this.append(job)
    else {
      this.join(job, null)
      this.loose.push(job)
    }
  }

  private append(job: Job): void {
    const last = this.pages.at(-1)
    if (last !== undefined && job.place < last.oldest + pageSize) this.join(job, last)
    else this.pages.push(this.join(job, null))
  }

  /** Puts a job on a page; `null`: on a new one that begins with it. */
  private join(job: Job, page: Page | null): Page {
    job.page = page ?? { oldest: job.place, members: new Set(), isAwaited: false, failures: 0, leftUntil: 0 }
    job.page.members.add(job)
    this.size++
    return job.page
  }
}
