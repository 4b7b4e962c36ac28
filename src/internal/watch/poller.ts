/** The polls of one group of jobs, as requests: one page of the list polls every watched job on it; the others are polled singly. */
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
import type { VideoPage, VideoResource } from "../protocol/videoSchemas.js"
import type { ListVideosError, RetrieveVideoError, VideosService } from "../videosTypes.js"
import { type ListOptions, Trust } from "./listTrust.js"
import * as metrics from "./metrics.js"
import {
  isWorthAPage,
  type Job,
  leastMembers,
  makeSegment,
  mayBeFound,
  nowhere,
  type Outcome,
  type PollExtras,
  pageSize,
  place,
  type Segment
} from "./watchedJob.js"

/** Makes the reading of one page, which may be run many times. `known` returns what was seen of a job before. */
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
export interface PollerHost {
  /** Monotonic, in milliseconds. */
  readonly now: () => number
  /** The time of day, in Unix milliseconds. */
  readonly wallNow: () => number
  /** Forks a request in the layer's context. */
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Fiber.RuntimeFiber<A, E>
  /** The result of a poll; `hint` is the server's, after a single poll. Returns what the watches got. */
  readonly observed: (job: Job, outcome: Outcome, hint?: number | null) => Outcome
  /** Requests have ended: plans the next alarm. */
  readonly settled: () => void
}

/** How many pages are read at once, if their cursors are known. A search reads one after the other. */
const pagesAtOnce = 8

/** A search that finds fewer jobs per page than this costs more than single polls. */
const searchYield = 4

/** After so many searches in a row that found nothing, a search needs several jobs. */
const maxVainSearches = 3

/** The least time between two reads of the newest page for first polls, in milliseconds. */
const firstPollGap = 2000

const outcomeOf = (cause: Cause.Cause<RetrieveVideoError>): Outcome => {
  const error = Option.getOrNull(Cause.failureOption(cause))
  return error === null ? { _tag: "Died", cause: cause as Cause.Cause<never> } : { _tag: "Failed", error }
}

const isStillAsked = (job: Job): boolean => job.isAsked && job.watches.size > 0

/** Watched, and on no page that was read. */
const isUnplaced = ({ segment, watches }: Job): boolean => segment === null && watches.size > 0

const emptyPage: ListPage = { videos: [], hasMore: false, lastId: null }

/** Pages of any `Videos`, for example a canned one. */
export const anyPages =
  (videos: VideosService): PageReads =>
  (options) =>
    Effect.suspend(() =>
      Effect.map(Stream.runHead(videos.listPages(options)), (page) => ({
        ...Option.getOrElse(page, () => emptyPage),
        lastId: null
      }))
    )

/** A request of a watch has the watch's span as its parent; all else is the layer's context. */
const underSpanOf = <A, E>(job: Job, self: Effect.Effect<A, E>): Effect.Effect<A, E> => {
  const [watch] = job.watches
  const span = watch === undefined ? Option.none() : Context.getOption(watch.runtime.context, Tracer.ParentSpan)
  if (watch === undefined || Option.isNone(span)) return self
  const services = FiberRefs.getOrDefault(watch.runtime.fiberRefs, DefaultServices.currentServices)
  return self.pipe(Effect.withParentSpan(span.value), Effect.withTracer(Context.get(services, Tracer.Tracer)))
}

/** Limits the requests of all groups together; groups that have more to send take turns. */
export class Flights {
  inFlight = 0
  private readonly starved = new Set<Poller>()
  private readonly concurrency: number

  constructor(concurrency: number) {
    this.concurrency = concurrency
  }

  get hasRoom(): boolean {
    return this.inFlight < this.concurrency
  }

  /** There was no room for everything that it has to send. */
  starve(poller: Poller): void {
    this.starved.add(poller)
  }

  leave(poller: Poller): void {
    this.starved.delete(poller)
  }

  /** A request of this group has ended: groups that waited longer send first. */
  landed(poller: Poller): void {
    this.starved.add(poller)
    for (const next of this.starved) {
      if (!this.hasRoom) return
      this.starved.delete(next)
      next.send()
    }
  }
}

/** @internal */
export class Poller {
  readonly jobs = new Map<string, Job>()
  readonly trust: Trust
  readonly by: PollBy
  private readonly flights: Flights
  private readonly host: PollerHost
  private asked: Array<Job> = []
  private singles: Array<Job> = []
  /** Jobs that wait for a search. */
  private lost = new Set<Job>()
  private wanted = new Set<Segment>()
  private readonly newest = makeSegment(null)
  private newestReadAt = Number.NEGATIVE_INFINITY
  /** The first job of the newest page when it was last read. */
  private newestFirst: string | null = null
  private vainSearches = 0
  private pagesInFlight = 0
  private isSearching = false
  private isSending = false
  private readonly fibers = new Set<Fiber.RuntimeFiber<void, ListVideosError>>()

  constructor(by: PollBy, options: ListOptions, flights: Flights, host: PollerHost) {
    this.by = by
    this.flights = flights
    this.host = host
    this.trust = new Trust(options)
  }

  /** How many jobs wait for a request to be sent. */
  get waiting(): number {
    return this.asked.length + this.singles.length + this.lost.size
  }

  /** How the job is polled, and why. */
  readBy({ searched, segment }: Job): { readonly readBy: "page" | "single"; readonly reason: string } {
    const whyNot = this.trust.whyNot(this.jobs.size)
    if (whyNot !== null) return { readBy: "single", reason: whyNot }
    if (segment === null) {
      const reason = searched === null ? "its page is not known yet" : "the pages that were read do not show it"
      return { readBy: "single", reason }
    }
    const reason = `its page shows ${segment.members.size} watched jobs`
    return { readBy: this.isWorthReading(segment) ? "page" : "single", reason }
  }

  /** Asks for a poll of the job; `send` sends it. */
  readonly poll = (job: Job): void => {
    if (job.isAsked || job.single !== null) return
    job.isAsked = true
    this.asked.push(job)
  }

  /**
   * When a new watch polls first. A new job is on the newest page, which one read in two seconds shows to all watches that
   * begin meanwhile.
   */
  readonly firstPollAt = (job: Job): number => {
    const now = this.host.now()
    const mayWait = this.trust.whyNot(this.jobs.size) === null && job.segment === null && job.searched === null
    return mayWait ? Math.max(now, this.newestReadAt + firstPollGap) : now
  }

  /** No watch is left: interrupts what is in flight. */
  stop(): ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>> {
    this.asked = []
    this.singles = []
    this.lost.clear()
    this.wanted.clear()
    this.flights.leave(this)
    this.trust.restart()
    const fibers = [...this.fibers]
    for (const fiber of fibers) fiber.unsafeInterruptAsFork(fiber.id())
    return fibers
  }

  /** Sends what is asked for, as far as there is room. */
  send(): void {
    // A request that ends at once comes back here; the loop sends what follows from it.
    if (this.isSending) return
    this.isSending = true
    let hasSent = true
    while (hasSent) {
      this.sort()
      hasSent = this.sendPages() || this.asked.length > 0
      let sent = 0
      for (; sent < this.singles.length && this.flights.hasRoom; sent++) this.pollSingly(this.singles[sent] as Job)
      this.singles = this.singles.slice(sent)
      hasSent ||= sent > 0
    }
    this.isSending = false
    if (!this.flights.hasRoom && this.singles.length + this.wanted.size > 0) this.flights.starve(this)
  }

  // internal

  private sendPages(): boolean {
    let hasSent = false
    for (const segment of this.wanted) {
      // The read that is on its way may show the jobs that wait for this one.
      if (segment.isBeingRead) continue
      if (!this.flights.hasRoom || this.pagesInFlight >= pagesAtOnce) break
      this.wanted.delete(segment)
      if (![...segment.members].some(isStillAsked)) continue
      this.readSegment(segment)
      hasSent = true
    }
    return hasSent
  }

  private isWorthReading(segment: Segment): boolean {
    return this.trust.options.mode === "always" || isWorthAPage(segment)
  }

  /** Decides which jobs are polled by their page, which by a search through the list, and which singly. */
  private sort(): void {
    const jobs = this.asked
    this.asked = []
    const isOn = this.trust.whyNot(this.jobs.size) === null
    if (!isOn) {
      for (const { members } of this.wanted) for (const job of members) if (job.isAsked) jobs.push(job)
      jobs.push(...this.lost)
      this.wanted.clear()
      this.lost.clear()
    }
    const now = this.host.now()
    for (const job of jobs) {
      const { segment } = job
      if (!isStillAsked(job)) continue
      if (!isOn) this.singles.push(job)
      else if (segment !== null && this.isWorthReading(segment)) {
        if (this.trust.wantsComparison()) this.singles.push(job)
        else this.wanted.add(segment)
      } else if (segment !== null || !mayBeFound(job, now) || (this.isSearching && job.looks > 0))
        this.singles.push(job)
      else this.lost.add(job)
    }
    if (this.lost.size === 0 || this.isSearching || this.newest.isBeingRead) return
    const lost = [...this.lost].filter((job) => isStillAsked(job) && isUnplaced(job))
    this.lost.clear()
    // A search also places the jobs that are due later.
    const others = [...this.jobs.values()].filter((job) => isUnplaced(job) && !job.isAsked && mayBeFound(job, now))
    const isPromising = this.vainSearches < maxVainSearches || lost.length + others.length >= leastMembers
    if (lost.length === 0) return
    if (this.trust.options.mode === "always" || isPromising) this.search(lost, others)
    else this.singles.push(...lost)
  }

  private pollSingly(job: Job): void {
    if (!isStillAsked(job)) return
    job.isAsked = false
    this.flights.inFlight++
    metrics.polled()
    let hint: number | null = null
    const request = Effect.suspend(() =>
      // A canned `Videos` may throw, or lack the function.
      this.by.videos.retrieve(job.id, {
        ...this.by.extras.options,
        retry: false,
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
      this.flights.inFlight--
      job.single = null
      // All watches of the job may have left.
      if (this.jobs.get(job.id) === job) {
        const listed = job.segment === null ? null : job.latest
        const { searched } = job
        const outcome: Outcome = Exit.isSuccess(exit) ? { _tag: "Seen", video: exit.value } : outcomeOf(exit.cause)
        const known = this.host.observed(job, outcome, hint)
        if (known._tag === "Seen") this.trust.single(known.video, listed, searched, this.host.now())
      }
      this.flights.landed(this)
      this.host.settled()
    })
  }

  /** Reads the list from the newest job on, for jobs whose pages are not known. */
  private search(wanted: ReadonlyArray<Job>, others: ReadonlyArray<Job>): void {
    this.isSearching = true
    const jobs = [...wanted, ...others]
    const isForced = this.trust.options.mode === "always"
    const limit = isForced ? Number.POSITIVE_INFINITY : Math.ceil(jobs.length / searchYield)
    const cursor = new ListCursor()
    let newest = Number.NEGATIVE_INFINITY
    let oldest = Number.POSITIVE_INFINITY
    const readFrom = (segment: Segment, count: number): Effect.Effect<void, ListVideosError> =>
      Effect.flatMap(this.page(segment), (page) => {
        const { hasMore, videos } = page
        const isRepeated = videos.some(({ id }) => cursor.hasSeen(id))
        const { next } = cursor.take(page)
        for (const { createdAt } of videos) {
          newest = Math.max(newest, createdAt?.epochMillis ?? newest)
          oldest = Math.min(oldest, createdAt?.epochMillis ?? oldest)
        }
        if (isRepeated) this.trust.give("it repeats jobs: the server ignores `after`")
        const isEnd = next._tag === "End" || (hasMore === null && videos.length !== pageSize)
        if (isEnd) oldest = Number.NEGATIVE_INFINITY
        return isEnd || next._tag === "Stuck" || isRepeated || count >= limit || !jobs.some(isUnplaced)
          ? Effect.void
          : readFrom(makeSegment(next.cursor), count + 1)
      })
    const missing = () => wanted.filter(isStillAsked)
    let isComplete = false
    const search = Effect.map(readFrom(this.newest, 1), () => {
      isComplete = true
    })
    this.fork(search, this.newest, missing, () => {
      this.isSearching = false
      if (!isComplete) return
      const at = this.host.now()
      const unfound = jobs.filter(isUnplaced)
      this.vainSearches = unfound.length < jobs.length ? 0 : this.vainSearches + 1
      for (const job of unfound) job.searched = { newest, oldest, at, times: (job.searched?.times ?? 0) + 1 }
    })
  }

  private readSegment(segment: Segment): void {
    const { wasRead } = segment
    let waiting: ReadonlyArray<Job> = []
    const missing = () => [...waiting, ...segment.members].filter(isStillAsked)
    const read = Effect.map(this.page(segment), () => {
      waiting = missing()
      for (const job of waiting) {
        place(job, null)
        if (wasRead) job.searched = nowhere
      }
    })
    this.fork(read, segment, missing, () => {})
  }

  private readonly known = (id: string): VideoResource | null => this.jobs.get(id)?.latest ?? null

  /** Reads one page, and observes every watched job on it. */
  private page(segment: Segment): Effect.Effect<ListPage, ListVideosError> {
    return Effect.suspend(() => {
      const askedAt = this.host.now()
      this.flights.inFlight++
      this.pagesInFlight++
      segment.isBeingRead = true
      if (segment === this.newest) this.newestReadAt = askedAt
      metrics.listPolled()
      const { extras, pages } = this.by
      const read = Effect.suspend(
        () =>
          (segment.read ??= pages(
            { ...extras.options, after: segment.after ?? undefined, limit: pageSize, order: "desc", retry: false },
            this.known
          ))
      )
      return read.pipe(
        Effect.ensuring(
          Effect.sync(() => {
            this.flights.inFlight--
            this.pagesInFlight--
            segment.isBeingRead = false
          })
        ),
        Effect.map((page) => {
          this.take(page, segment, askedAt)
          return page
        })
      )
    })
  }

  private take(page: VideoPage, segment: Segment, askedAt: number): void {
    segment.wasRead = true
    this.trust.read(page, askedAt)
    if (segment === this.newest) this.shift(page)
    for (const video of page.videos) {
      const job = this.jobs.get(video.id)
      if (job === undefined) continue
      // A page that shows fewer of the watched jobs than the job's own does not take it over.
      if (job.segment === null || job.segment.members.size < segment.members.size) place(job, segment)
      // A poll that ended while the page was on its way is newer.
      if (job.isAsked || job.lookedAt <= askedAt) this.host.observed(job, { _tag: "Seen", video })
    }
  }

  /**
   * New jobs push older ones off the newest page. Then all jobs that it showed before are read by the page after its former
   * first job, which shows them from now on, whatever comes in front.
   */
  private shift({ videos }: VideoPage): void {
    const shown = new Set<string>(videos.map(({ id }) => id))
    const before = [...this.newest.members]
    if (before.some(({ id }) => !shown.has(id))) {
      const after = this.newestFirst
      const segment = after === null ? null : makeSegment(after)
      for (const job of before) {
        if (job.id !== after) place(job, segment)
        else if (!shown.has(job.id)) place(job, null)
        if (job.isAsked && !shown.has(job.id)) this.asked.push(job)
      }
    }
    this.newestFirst = videos[0]?.id ?? null
  }

  private fork(
    effect: Effect.Effect<void, ListVideosError>,
    segment: Segment,
    missing: () => ReadonlyArray<Job>,
    done: () => void
  ): void {
    const { distrust } = this.trust
    const fiber = this.host.run(effect)
    this.fibers.add(fiber)
    fiber.addObserver((exit) => {
      this.fibers.delete(fiber)
      if (Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause)) this.failed(exit.cause, segment, missing())
      done()
      this.asked.push(...missing())
      if (distrust === null && this.trust.distrust !== null) {
        const why = `the server's list is not read any more: ${this.trust.distrust}`
        this.host.run(Effect.logDebug(why))
      }
      this.flights.landed(this)
      this.host.settled()
    })
  }

  /** A page failed: what this means for the list, and for the jobs that waited for it. */
  private failed(cause: Cause.Cause<ListVideosError>, segment: Segment, missing: ReadonlyArray<Job>): void {
    const outcome = outcomeOf(cause)
    const tell = (jobs: ReadonlyArray<Job>) => {
      for (const job of jobs) this.host.observed(job, outcome)
    }
    if (this.trust.options.mode === "always") {
      tell(missing)
    } else if (outcome._tag !== "Failed") {
      this.trust.give(`reading it died: ${Cause.pretty(cause)}`)
    } else if (outcome.error.isTransient) {
      this.trust.failed(outcome.error.message, this.host.now())
      // One of them finds out whether single polls fail as well.
      const [canary, ...others] = missing
      if (canary !== undefined) this.pollSingly(canary)
      tell(others)
    } else if (outcome.error._tag === "ResponseDecodeError") {
      this.trust.strike(outcome.error.message)
    } else if (segment === this.newest) {
      this.trust.give(outcome.error.message)
    } else {
      // The job after which the page begins may have been deleted.
      for (const job of [...segment.members]) place(job, null)
    }
  }
}
