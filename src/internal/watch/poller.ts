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
import { pollAfter } from "../http/retryAfter.js"
import { ListCursor, type ListPage } from "../protocol/listCursor.js"
import type { VideoResource } from "../protocol/videoSchemas.js"
import type { ListVideosError, VideosService } from "../videosTypes.js"
import { type ListOptions, ListTrust, lagMillis } from "./listTrust.js"
import * as metrics from "./metrics.js"
import { leastMembers, PagePlan, pageSize } from "./pagePlan.js"
import type { RequestQueue } from "./requestQueue.js"
import type { Host, Job, JobPoller, Page, PollExtras, Searched } from "./watch.js"

/** Reads one page. `known` returns what was seen of a job before. */
export type PageReads = (
  options: NonNullable<Parameters<VideosService["listPages"]>[0]>,
  known: (id: string) => VideoResource | null
) => Effect.Effect<ListPage, ListVideosError>

/** What a group polls by. */
export interface PollBy extends Pick<VideosService, "retrieve" | "listPages"> {
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

/** A page that fails twice in a row is left alone until the jobs are grouped anew. */
const maxPageFailures = 2

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
const underSpanOf = <A, E>({ firstWatch: watch }: Job, self: Effect.Effect<A, E>): Effect.Effect<A, E> => {
  const span = watch === null ? Option.none() : Context.getOption(watch.runtime.context, Tracer.ParentSpan)
  if (watch === null || Option.isNone(span)) return self
  const services = FiberRefs.getOrDefault(watch.runtime.fiberRefs, DefaultServices.currentServices)
  return self.pipe(Effect.withParentSpan(span.value), Effect.withTracer(Context.get(services, Tracer.Tracer)))
}

/** @internal */
export class Poller implements JobPoller {
  readonly jobs = new Map<string, Job>()
  readonly trust: ListTrust
  readonly by: PollBy
  private readonly host: PollerHost
  private readonly plan = new PagePlan()
  /** Jobs that are due. */
  private readonly asked = new Set<Job>()
  private newestReadAt = -firstPollGap
  private isSearching = false
  private vainSearches = 0
  private readonly pageReads = new Set<Fiber.RuntimeFiber<void, ListVideosError>>()

  constructor(by: PollBy, options: ListOptions, host: PollerHost) {
    this.by = by
    this.host = host
    this.trust = new ListTrust(options)
  }

  /** How many jobs wait for a request to be sent. */
  get waiting(): number {
    let count = 0
    for (const { isAsked } of this.jobs.values()) if (isAsked) count++
    return count
  }

  /** How the job is polled, and why. */
  readBy({ page, searched }: Job): { readonly readBy: "page" | "single"; readonly reason: string } {
    const whyNot = this.trust.whyNot(this.jobs.size)
    if (whyNot !== null) return { readBy: "single", reason: whyNot }
    if (page !== null) {
      const count = `its page shows ${page.members.size} watched jobs`
      const reason = page.failures < maxPageFailures ? count : "its page cannot be read"
      return { readBy: this.isWorthReading(page) ? "page" : "single", reason }
    }
    const reason = searched === null ? "its page is not known yet" : "the pages that were read do not show it"
    return { readBy: "single", reason }
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
    const jobs = [...this.asked].filter(isStillAsked).sort((a, b) => a.place - b.place)
    this.asked.clear()
    if (isOn) this.plan.regroup()
    const [placed, lost] = Arr.partition(jobs, (job) => isOn && job.page === null && mayBeFound(job, now))
    if (!this.isSearching) this.find(lost)
    else {
      // New jobs wait for the search that is on its way; others have been polled before, and are due.
      for (const job of lost) {
        if (job.polls === 0) this.asked.add(job)
        else this.pollSingly(job)
      }
    }
    for (const job of placed) {
      const { page } = job
      if (!isOn || page === null || !this.isWorthReading(page)) this.pollSingly(job)
      else if (page.isAwaited) continue
      else if (this.trust.wantsComparison()) this.pollSingly(job)
      // The search begins with the newest page, which may show the job.
      else if (this.isSearching && this.plan.isNewest(page)) this.asked.add(job)
      else this.pollByPage(page)
    }
    this.host.queue.send()
  }

  // internal

  private isWorthReading({ failures, members }: Page): boolean {
    return this.trust.options.mode === "always" || (members.size >= leastMembers && failures < maxPageFailures)
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

  private pollByPage(page: Page): void {
    page.isAwaited = true
    const missing = () => [...page.members].filter(isStillAsked)
    this.readPages(
      missing,
      Effect.suspend(() => {
        const { after, place } = this.plan.startOf(page)
        return Effect.map(this.read(after), ({ videos }) => {
          this.plan.take(videos, this.jobs, after, place)
          for (const job of missing()) {
            this.plan.remove(job)
            job.searched = left
          }
        })
      }),
      (isGone, error) => {
        page.isAwaited = false
        page.failures = error === null ? 0 : page.failures + 1
        // The job after which the page begins may have been deleted.
        if (isGone) for (const job of [...page.members]) this.plan.remove(job)
      }
    )
  }

  /** Searches the list for jobs whose places are not known, from the newest job on. */
  private find(lost: ReadonlyArray<Job>): void {
    const isForced = this.trust.options.mode === "always"
    if (lost.length === 0) return
    if (!isForced && this.vainSearches >= maxVainSearches && lost.length < leastMembers) {
      for (const job of lost) this.pollSingly(job)
      return
    }
    this.isSearching = true
    // A search that finds fewer jobs per page costs more than single polls.
    const maxPages = isForced ? Infinity : Math.ceil(lost.length / leastMembers)
    const cursor = new ListCursor()
    let newest = -Infinity
    let oldest = Infinity
    const found: Array<VideoResource> = []
    const isFound = new Set<string>()
    const readFrom = (after: string | null, count: number): Effect.Effect<void, ListVideosError> =>
      Effect.flatMap(this.read(after), (page) => {
        const { hasMore, videos } = page
        const isRepeated = videos.some(({ id }) => cursor.hasSeen(id))
        const { fresh, next } = cursor.take(page)
        for (const video of fresh) {
          found.push(video)
          isFound.add(video.id)
          newest = Math.max(newest, video.createdAt?.epochMillis ?? newest)
          oldest = Math.min(oldest, video.createdAt?.epochMillis ?? oldest)
        }
        if (isRepeated) this.trust.give("it repeats jobs: the server ignores `after`")
        const isEnd = next._tag === "End" || (hasMore === null && videos.length !== pageSize)
        if (isEnd) oldest = -Infinity
        const isOver = isEnd || next._tag === "Stuck" || isRepeated || count >= maxPages
        return isOver || lost.every(({ id, isWatched }) => isFound.has(id) || !isWatched)
          ? Effect.void
          : readFrom(next.cursor, count + 1)
      })
    const search = Effect.map(
      Effect.suspend(() => readFrom(null, 1)),
      () => {
        this.plan.take(found, this.jobs, null, null)
        const unfound = lost.filter(({ id, isWatched }) => isWatched && !isFound.has(id))
        this.vainSearches = unfound.length < lost.length ? 0 : this.vainSearches + 1
        const at = this.host.now()
        for (const job of unfound) job.searched = { newest, oldest, at, times: (job.searched?.times ?? 0) + 1 }
      }
    )
    this.readPages(
      () => lost.filter(isStillAsked),
      search,
      (isGone, error) => {
        this.isSearching = false
        if (isGone && error !== null) this.trust.give(error.message)
      }
    )
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

  /** Sends reads of pages for the jobs that `missing` returns, unless they have left by then. */
  private readPages(
    missing: () => ReadonlyArray<Job>,
    reads: Effect.Effect<void, ListVideosError>,
    done: (isGone: boolean, error: ListVideosError | null) => void
  ): void {
    this.host.queue.add(() => {
      if (missing().length === 0) {
        done(false, null)
        return null
      }
      const { distrust } = this.trust
      const fiber = this.host.run(reads)
      this.pageReads.add(fiber)
      fiber.addObserver((exit) => {
        this.pageReads.delete(fiber)
        const failed = Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause)
        const error = failed ? this.failed(exit.cause, missing()) : null
        done(error !== null && !error.isTransient && error._tag !== "ResponseDecodeError", error)
        // After a transient error, no job waits for a page any more.
        if (error?.isTransient !== true) for (const job of missing()) this.asked.add(job)
        if (distrust === null && this.trust.distrust !== null) {
          this.host.run(Effect.logDebug(`the server's list is not read any more: ${this.trust.distrust}`))
        }
        this.send()
        this.host.settled()
      })
      return fiber
    }, true)
  }

  /** A page failed: what this means for the list, and for the jobs that waited for it. */
  private failed(cause: Cause.Cause<ListVideosError>, missing: ReadonlyArray<Job>): ListVideosError | null {
    const error = Option.getOrNull(Cause.failureOption(cause))
    const observe = (jobs: ReadonlyArray<Job>) => {
      for (const job of jobs) job.observe(Exit.failCause(cause), this.host)
    }
    if (this.trust.options.mode === "always") {
      observe(missing)
    } else if (error === null) {
      this.trust.give(`reading it died: ${Cause.pretty(cause)}`)
    } else if (error.isTransient) {
      this.trust.failed(error.message, this.host.now())
      // One of them finds out whether single polls fail as well.
      const [canary, ...others] = missing
      observe(others)
      if (canary !== undefined) this.pollSingly(canary)
    } else if (error._tag === "ResponseDecodeError") {
      this.trust.strike(error.message)
    }
    return error
  }
}
