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

/** How many places the newest page moves up if it shows no job that is known. */
const gap = 10 * pageSize

const makePage = (oldest: number): Page => ({ oldest, members: new Set(), isAwaited: false, failures: 0 })

const join = (job: Job, page: Page): void => {
  page.members.add(job)
  job.page = page
}

/** @internal */
export class PagePlan {
  /** Oldest first, without overlaps. */
  private pages: Array<Page> = []
  /** Jobs that were found between or before these pages. */
  private loose: Array<Job> = []
  private readsSinceGrouped = 0
  /** The newest job of the list when it was last read, and its place. */
  private newestId = ""
  private newestPlace = 0

  /** Puts a job at its place in the list, behind the job `after`. */
  private put(job: Job, place: number, after: string): void {
    job.after = after
    if (job.page !== null) return
    job.searched = null
    job.place = place
    const last = this.pages.at(-1)
    if (last === undefined || place >= last.oldest) this.append(job)
    else {
      join(job, makePage(place))
      this.loose.push(job)
    }
  }

  private append(job: Job): void {
    let last = this.pages.at(-1)
    if (last === undefined || job.place >= last.oldest + pageSize) {
      last = makePage(job.place)
      this.pages.push(last)
    }
    join(job, last)
  }

  remove(job: Job): void {
    job.page?.members.delete(job)
    job.page = null
  }

  /**
   * Takes the places of the watched jobs from a part of the list. `after` is the job before its first one, `null` if it begins
   * with the newest; `expected` is the place of that first job, as far as it is known.
   */
  take(
    videos: ReadonlyArray<VideoResource>,
    jobs: ReadonlyMap<string, Job>,
    after: string | null,
    expected: number | null
  ): void {
    const known = videos.findIndex(({ id }) => id === this.newestId || (jobs.get(id)?.page ?? null) !== null)
    const id = videos[known]?.id
    const knownPlace = id === this.newestId ? this.newestPlace : (jobs.get(id ?? "")?.place ?? 0)
    const first = id === undefined ? (expected ?? this.newestPlace + gap) : knownPlace + known
    // Oldest first, so that jobs that have just come fill the newest group.
    for (let index = videos.length - 1; index >= 0; index--) {
      const job = jobs.get(videos[index]?.id ?? "")
      const before = videos[index - 1]?.id ?? after
      // No cursor leads to the newest job of all. The strings of watched ids are kept once.
      if (job !== undefined && before !== null) this.put(job, first - index, jobs.get(before)?.id ?? before)
    }
    if (after === null && videos[0] !== undefined) {
      this.newestId = videos[0].id
      this.newestPlace = first
    }
  }

  /** Groups the jobs anew, from the oldest on, once some have ended: after as many reads as there are pages. */
  regroup(): void {
    if (this.loose.length === 0 && this.readsSinceGrouped < this.pages.length) return
    this.readsSinceGrouped = 0
    const jobs = [
      ...this.pages.flatMap(({ members }) => [...members]),
      ...this.loose.filter(({ page }) => page !== null)
    ]
    jobs.sort((a, b) => a.place - b.place)
    this.pages = []
    this.loose = []
    for (const job of jobs) this.append(job)
  }

  /** Whether a read of the newest page may show the page, too. */
  isNewest({ oldest }: Page): boolean {
    return oldest > this.newestPlace - pageSize
  }

  /** The cursor of the read that shows the page, and the place of its first job. */
  startOf({ members }: Page): { readonly after: string | null; readonly place: number } {
    this.readsSinceGrouped++
    let newest: Job | null = null
    for (const job of members) if (newest === null || job.place > newest.place) newest = job
    return { after: newest?.after ?? null, place: newest?.place ?? 0 }
  }
}
