/** The polls of one group of jobs, as requests: one page of the list polls every watched job on it; the others are polled singly. */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRefs from "effect/FiberRefs"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { pollAfter } from "../http/responseHeaders.js"
import { ListCursor, type ListPage } from "../protocol/listCursor.js"
import type { VideoResource } from "../protocol/videoSchemas.js"
import type { ListVideosError, VideosService } from "../videosTypes.js"
import { type ListOptions, ListTrust, lagMillis } from "./listTrust.js"
import * as metrics from "./metrics.js"
import { leastMembers, PagePlan, type Part, pageSize } from "./pagePlan.js"
import type { RequestQueue } from "./requestQueue.js"
import type { Host, Job, JobPoller, Page, PollExtras, Searched } from "./watch.js"

/** Reads one page. `known` returns what was seen of a job before. */
export type PageReads = (
  options: NonNullable<Parameters<VideosService["listPages"]>[0]>,
  known: (id: string) => VideoResource | null
) => Effect.Effect<ListPage, ListVideosError>

/** What a group polls by. */
export interface PollBy {
  readonly videos: VideosService
  readonly pages: PageReads
  readonly extras: PollExtras
}

/** What a poller needs of the hub. */
export interface PollerHost extends Host {
  /** Forks a request in the layer's context. */
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Fiber.RuntimeFiber<A, E>
  readonly queue: RequestQueue
}

/** After three searches in a row that found nothing, a search needs several jobs. */
const maxVainSearches = 3

/** After three searches for a job, it is not a list that lags. */
const maxSearches = 3

/** A page that fails twice in a row is not read for this long. */
const maxPageFailures = 2
const leftMillis = 15_000

/** The least time between two reads of the newest page for first polls, in milliseconds. */
const firstPollGap = 2000

const isStillAsked = (job: Job): boolean => job.isAsked && job.isWatched

/** A job that left the page that had shown it: it is not searched for again. */
const left: Searched = { newest: Infinity, oldest: Infinity, at: 0, times: maxSearches }

/**
 * Whether a search may find the job: none has been made, or the list may have lagged behind the job's creation. An older job
 * is further back in the list than the last search went.
 */
const mayBeFound = ({ latest, searched }: Job, now: number): boolean => {
  if (searched === null) return true
  const createdAt = latest?.createdAt?.epochMillis ?? -Infinity
  const isYoung = createdAt > Math.max(searched.oldest, searched.newest - lagMillis)
  return isYoung && searched.times < maxSearches && now - searched.at >= lagMillis
}

/** The creation times of the newest and the oldest job that a search saw, in Unix milliseconds. */
type Range = Pick<Searched, "newest" | "oldest">

/** Pages of any `Videos`, for example a canned one. */
export const anyPages =
  (videos: VideosService): PageReads =>
  (options) =>
    Effect.suspend(() =>
      Effect.map(Stream.runHead(videos.listPages(options)), (page) => ({
        ...Option.getOrElse(page, () => ({ videos: [], hasMore: false })),
        lastId: null
      }))
    )

/** A request of a watch has the watch's span as its parent; all else is the layer's context. */
const underSpanOf = <A, E>({ watches: [watch] }: Job, self: Effect.Effect<A, E>): Effect.Effect<A, E> => {
  if (watch === undefined) return self
  const span = Context.getOption(watch.runtime.context, Tracer.ParentSpan)
  if (Option.isNone(span)) return self
  const services = FiberRefs.getOrDefault(watch.runtime.fiberRefs, DefaultServices.currentServices)
  return self.pipe(Effect.withParentSpan(span.value), Effect.withTracer(Context.get(services, Tracer.Tracer)))
}

export class Poller implements JobPoller {
  readonly jobs = new Map<string, Job>()
  readonly trust: ListTrust
  readonly by: PollBy
  private readonly host: PollerHost
  private readonly plan = new PagePlan()
  /** Jobs that are due. */
  private readonly asked = new Set<Job>()
  private newestReadAt = -firstPollGap
  /** Which page a search waits for. One search at a time: the places of two would overlap. */
  private searching: "newest page" | "older pages" | null = null
  private vainSearches = 0
  private readonly pageReads = new Set<Fiber.RuntimeFiber<unknown, unknown>>()

  constructor(by: PollBy, options: ListOptions, host: PollerHost) {
    this.by = by
    this.host = host
    this.trust = new ListTrust(options)
  }

  /** How the job is polled, and why. */
  readBy({ page, searched }: Job): { readonly readBy: "page" | "single"; readonly reason: string } {
    const whyNot = this.trust.whyNot(this.jobs.size)
    if (whyNot !== null) return { readBy: "single", reason: whyNot }
    if (page !== null) {
      const count = `its page shows ${page.members.size} watched jobs`
      const reason = page.leftUntil <= this.host.now() ? count : "its page cannot be read"
      return { readBy: this.isWorthReading(page) ? "page" : "single", reason }
    }
    const reason = searched === null ? "its page is not known yet" : "the pages that were read do not show it"
    return { readBy: "single", reason }
  }

  isPaged({ page }: Job): boolean {
    return page !== null && this.trust.whyNot(this.jobs.size) === null && this.isWorthReading(page)
  }

  /** Asks for a poll of the job; `send` sends it. */
  poll(job: Job): void {
    if (job.isAsked || job.single !== null) return
    job.isAsked = true
    this.asked.add(job)
  }

  /** A new job is on the newest page, which one read in two seconds shows to all watches that begin meanwhile. */
  firstPollAt({ page, searched }: Job): number {
    const now = this.host.now()
    const mayWait = this.trust.whyNot(this.jobs.size) === null && page === null && searched === null
    return mayWait ? Math.max(now, this.newestReadAt + firstPollGap) : now
  }

  /** No watch of the job is left. Returns the requests that no watch needs any more. */
  leave(job: Job): ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>> {
    this.jobs.delete(job.id)
    this.plan.remove(job)
    this.asked.delete(job)
    const requests: Array<Fiber.RuntimeFiber<unknown, unknown>> = job.single === null ? [] : [job.single]
    if (this.jobs.size === 0) {
      this.trust.restart()
      requests.push(...this.pageReads)
    }
    for (const fiber of requests) fiber.unsafeInterruptAsFork(fiber.id())
    return requests
  }

  /** Decides by which request each job that is due is polled, and sends what the limit allows. */
  send(): void {
    const now = this.host.now()
    const isOn = this.trust.whyNot(this.jobs.size) === null
    // The oldest first: it is compared with the list, since the page shows it for as long as newer jobs need the page.
    const due = [...this.asked].filter(isStillAsked).sort((a, b) => a.place - b.place)
    this.asked.clear()
    if (isOn) this.plan.regroup()
    const sought: Array<Job> = []
    for (const job of due) {
      const { page } = job
      if (isOn && page === null && mayBeFound(job, now)) sought.push(job)
      else if (!isOn || page === null || !this.isWorthReading(page)) this.pollSingly(job)
      else if (page.isAwaited) continue
      else if (this.trust.wantsComparison()) this.pollSingly(job)
      // The newest page of the list shows the jobs whose places are not known yet, too.
      else if (this.searching !== "older pages" && this.plan.isNewest(page, this.jobs.size - this.plan.size - 1)) {
        sought.push(job)
      } else this.readList(page, page.members, 1)
    }
    this.search(sought)
    this.host.queue.send()
  }

  // internal

  private isWorthReading({ leftUntil, members }: Page): boolean {
    return this.trust.options.mode === "always" || (members.size >= leastMembers && leftUntil <= this.host.now())
  }

  private pollSingly(job: Job): void {
    this.host.queue.add(() => {
      if (!isStillAsked(job)) return null
      job.isAsked = false
      metrics.polled()
      let hint: number | null = null
      const request = Effect.suspend(() =>
        // A canned `Videos` may throw, or lack the function.
        this.by.videos.retrieve(job.id, {
          ...this.by.extras.options,
          singleAttempt: true,
          onResponse: ({ headers, status }) =>
            Effect.sync(() => {
              const after = status < 300 ? pollAfter(headers, this.host.wallNow()) : null
              hint = after === null ? null : Duration.toMillis(after)
            })
        })
      )
      const fiber = this.host.run(underSpanOf(job, request))
      job.single = fiber
      fiber.addObserver((exit) => {
        job.single = null
        // All watches of the job may have left.
        if (this.jobs.get(job.id) === job) {
          const { latest, page, searched } = job
          job.observe(exit, this.host, hint)
          if (Exit.isSuccess(exit) && job.failure === null) {
            this.trust.single(exit.value, page === null ? null : latest, searched, this.host.now())
          }
        }
        this.send()
        this.host.settled()
      })
      return fiber
    }, false)
  }

  /** Polls jobs by the newest page of the list, and by the pages behind it as far as that pays. */
  private search(jobs: ReadonlyArray<Job>): void {
    const isForced = this.trust.options.mode === "always"
    const [lost, placed] = Arr.partition(jobs, ({ page }) => page !== null)
    const isVain = !isForced && this.vainSearches >= maxVainSearches && lost.length < leastMembers
    const sought = isVain ? placed : jobs
    if (isVain) for (const job of lost) this.pollSingly(job)
    if (this.searching !== null) {
      // New jobs wait for the search that is on its way; others have been polled before, and are due.
      for (const job of sought) {
        if (job.page !== null || job.polls === 0) this.asked.add(job)
        else this.pollSingly(job)
      }
      // A search that finds fewer jobs per page costs more than single polls.
    } else if (sought.length > 0)
      this.readList(null, sought, isForced ? Infinity : Math.ceil(sought.length / leastMembers))
  }

  /** Sends reads of a page, or of the list from its newest job on, until they have shown `jobs`. */
  private readList(page: Page | null, jobs: Iterable<Job>, maxPages: number): void {
    const wanted = () => [...jobs].filter(isStillAsked)
    const setAwaited = (isAwaited: boolean) => {
      if (page === null) this.searching = isAwaited ? "newest page" : null
      else page.isAwaited = isAwaited
    }
    setAwaited(true)
    this.host.queue.add(() => {
      if (wanted().length === 0) {
        setAwaited(false)
        return null
      }
      const { distrust } = this.trust
      const lost = wanted().filter((job) => job.page === null).length
      const fiber = this.host.run(this.readPages(page, wanted, maxPages))
      this.pageReads.add(fiber)
      fiber.addObserver((exit) => {
        this.pageReads.delete(fiber)
        setAwaited(false)
        if (Exit.isSuccess(exit)) this.missed(page, wanted(), lost, exit.value)
        else if (!Cause.isInterruptedOnly(exit.cause)) this.failed(page, wanted(), exit.cause)
        if (distrust === null && this.trust.distrust !== null) {
          this.host.run(Effect.logDebug(`the server's list is not read any more: ${this.trust.distrust}`))
        }
        this.send()
        this.host.settled()
      })
      return fiber
    }, true)
  }

  /** Reads pages one after the other, and takes the places of their jobs. */
  private readPages(
    page: Page | null,
    wanted: () => ReadonlyArray<Job>,
    maxPages: number
  ): Effect.Effect<Range, ListVideosError> {
    return Effect.gen(this, function* () {
      const cursor = new ListCursor()
      const total = wanted().length
      let part: Part = page === null ? { after: null, place: null } : this.plan.startOf(page)
      let from = part.after
      let found: Array<VideoResource> = []
      let newest = -Infinity
      let oldest = Infinity
      for (let count = 1; ; count++) {
        const read = yield* this.read(from)
        const { hasMore, videos } = read
        const isRepeated = videos.some(({ id }) => cursor.hasSeen(id))
        const { fresh, next } = cursor.take(read)
        found = [...found, ...fresh]
        for (const { createdAt } of fresh) {
          newest = Math.max(newest, createdAt?.epochMillis ?? newest)
          oldest = Math.min(oldest, createdAt?.epochMillis ?? oldest)
        }
        if (isRepeated) this.trust.give("it repeats jobs: the server ignores `after`")
        const isEnd = next._tag === "End" || (hasMore === null && videos.length !== pageSize)
        const isKnown = part.place !== null || this.plan.connects(fresh, this.jobs)
        // One more page may tell how far the new jobs are from the others, which then share pages with them.
        const isFound = wanted().length === 0 && (isKnown || found.length >= total + pageSize)
        const isOver = isEnd || next._tag === "Stuck" || isRepeated || count >= maxPages || isFound
        if (isOver || isKnown) {
          part = this.plan.take(found, this.jobs, part)
          found = []
        }
        if (isOver) return { newest, oldest: isEnd ? -Infinity : oldest }
        from = next.cursor
      }
    })
  }

  /** Reads one page, and observes every watched job on it. */
  private read(after: string | null): Effect.Effect<ListPage, ListVideosError> {
    return Effect.suspend(() => {
      const askedAt = this.host.now()
      if (after === null) this.newestReadAt = askedAt
      metrics.listPolled()
      const { extras, pages } = this.by
      const options = {
        ...extras.options,
        after: after ?? undefined,
        limit: pageSize,
        order: "desc",
        singleAttempt: true
      } as const
      return Effect.map(
        pages(options, (id) => this.jobs.get(id)?.latest ?? null),
        (page) => {
          if (after === null && this.searching !== null) this.searching = "older pages"
          this.trust.read(page, askedAt)
          for (const video of page.videos) {
            const job = this.jobs.get(video.id)
            // A poll that ended while the page was on its way is newer.
            if (job !== undefined && (job.isAsked || job.polledAt <= askedAt)) {
              job.observe(Exit.succeed(video), this.host)
            }
          }
          return page
        }
      )
    })
  }

  /** Reads succeeded; `jobs` are those that they did not show. `lost` is how many had no known place before. */
  private missed(page: Page | null, jobs: ReadonlyArray<Job>, lost: number, range: Range): void {
    const at = this.host.now()
    if (page !== null) page.failures = 0
    const unfound = jobs.filter((job) => job.page === null)
    if (lost > 0) this.vainSearches = unfound.length < lost ? 0 : this.vainSearches + 1
    for (const job of unfound) job.searched = { ...range, at, times: (job.searched?.times ?? 0) + 1 }
    for (const job of jobs) {
      // Newer jobs may have moved it to the second page.
      if (job.page !== null && (page !== null || this.plan.isNewest(job.page, 0))) this.lose(job)
      this.asked.add(job)
    }
  }

  /** The page that has shown the job does not show it any more. */
  private lose(job: Job): void {
    this.plan.remove(job)
    job.searched = left
  }

  /** Reads failed: what this means for the list, and for the jobs that waited for them. */
  private failed(page: Page | null, jobs: ReadonlyArray<Job>, cause: Cause.Cause<ListVideosError>): void {
    const error = Option.getOrNull(Cause.failureOption(cause))
    const observe = (jobs: ReadonlyArray<Job>) => {
      for (const job of jobs) job.observe(Exit.failCause(cause), this.host)
    }
    if (page === null) this.vainSearches++
    for (const failing of new Set(jobs.map((job) => job.page))) {
      if (failing !== null && ++failing.failures >= maxPageFailures) failing.leftUntil = this.host.now() + leftMillis
    }
    if (this.trust.options.mode === "always") observe(jobs)
    else if (error === null) this.trust.give(`reading it died: ${Cause.pretty(cause)}`)
    else if (error.isTransient) {
      this.trust.failed(error.message, this.host.now())
      // One of them finds out whether single polls fail as well.
      const [canary, ...others] = jobs
      observe(others)
      if (canary !== undefined) this.pollSingly(canary)
      return
    } else if (error._tag === "ResponseDecodeError") this.trust.strike(error.message)
    else if (page === null) this.trust.give(error.message)
    // The job after which the page begins may have been deleted.
    else for (const job of [...page.members]) this.lose(job)
    for (const job of jobs.filter(isStillAsked)) this.asked.add(job)
  }
}
