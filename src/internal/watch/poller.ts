/** The looks that watches ask for, as requests: which are answered by one page of the list, and which singly. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { pollAfter } from "../http/responseError.js"
import { ListCursor, type ListPage } from "../protocol/listCursor.js"
import type { VideoPage, VideoResource } from "../protocol/videoSchemas.js"
import type { ListVideosError, RetrieveVideoError, VideosService } from "../videosTypes.js"
import {
  isWorthAPage,
  isWorthASearch,
  type ListOptions,
  leastMembers,
  makeSegment,
  pageSize,
  place,
  type Searched,
  type Segment,
  Trust
} from "./listTrust.js"
import * as metrics from "./metrics.js"
import type { Outcome, Polled } from "./watch.js"
import type { Job } from "./watchHub.js"

/** @internal */
export interface ReadOptions extends ListOptions {
  /** How many looks, single ones and pages, are in flight at once. */
  readonly concurrency: number
}

/** Makes the reading of one page, which may be run many times. `known` gives what was seen of a job before. */
export type PageReads = (
  options: NonNullable<Parameters<VideosService["listPages"]>[0]>,
  known: (id: string) => VideoResource | null
) => Effect.Effect<ListPage, ListVideosError>

/** What reads need of the hub. */
export interface Host {
  readonly jobs: ReadonlyMap<string, Job>
  /** Monotonic, in milliseconds. */
  readonly now: () => number
  /** The time of day, in Unix milliseconds. */
  readonly wallNow: () => number
  /** A poll, single or by a page, has ended so; gives what the watches were told. */
  readonly looked: (job: Job, outcome: Outcome, hint: number | null) => Outcome
  /** Some looks have come in: whoever is due next is to be woken. */
  readonly settled: () => void
}

/** Of pages whose cursors are known, so many are read at once; a search reads one after the other. */
const pagesAtOnce = 8

/** A search that finds fewer jobs per page than this on the average costs more than single looks. */
const searchYield = 4

const outcomeOf = (cause: Cause.Cause<RetrieveVideoError>): Outcome => {
  const error = Option.getOrNull(Cause.failureOption(cause))
  return error === null ? { _tag: "Died", cause: cause as Cause.Cause<never> } : { _tag: "Failed", error }
}

/** Those whose look has not come. */
const stillAsked = (jobs: ReadonlyArray<Job>): ReadonlyArray<Job> =>
  jobs.filter((job) => job.isAsked && job.watches.size > 0)

/** Watched, and on no page that was read. */
const isUnplaced = ({ segment, watches }: Job): boolean => segment === null && watches.size > 0

/** Whether the list may show it: no search has been in vain, or another is worth its requests. */
const mayBeFound = ({ latest, searched }: Job, now: number): boolean =>
  searched === null || isWorthASearch(searched, latest, now)

const emptyPage: ListPage = { videos: [], hasMore: false, lastId: null }

/** Pages of any `Videos`, a canned one among them. */
export const anyPages =
  (videos: VideosService): PageReads =>
  (options) =>
    Effect.suspend(() =>
      Effect.map(Stream.runHead(videos.listPages(options)), (page) => ({
        ...Option.getOrElse(page, () => emptyPage),
        lastId: null
      }))
    )

/** Searched for in no stretch of time: nothing follows from its not being found, and it is not searched for again. */
const nowhere: Searched = {
  newest: Number.POSITIVE_INFINITY,
  oldest: Number.POSITIVE_INFINITY,
  at: Number.NEGATIVE_INFINITY,
  times: 1
}

/** The requests of all groups of watches, which have one limit together. */
export class Flights {
  inFlight = 0
  /** Those who have more to send than the limit allows, in turn. */
  private readonly starved = new Set<Reads>()

  /** There was no room for all of it. */
  starve(reads: Reads): void {
    this.starved.add(reads)
  }

  leave(reads: Reads): void {
    this.starved.delete(reads)
  }

  /** A request of this group has ended: those before it in the queue may send first. */
  landed(reads: Reads): void {
    this.starved.add(reads)
    for (const next of this.starved) {
      if (!next.hasRoom) return
      this.starved.delete(next)
      next.send()
    }
  }
}

/** @internal */
export class Reads {
  readonly trust: Trust
  private readonly videos: VideosService
  private readonly pages: PageReads
  private readonly polled: Polled
  readonly options: ReadOptions
  private readonly flights: Flights
  private readonly host: Host
  private asked: Array<Job> = []
  private singles: Array<Job> = []
  private lost: Array<Job> = []
  /** Those that the last search has not found. */
  private unfound: ReadonlyArray<Job> = []
  private readonly wanted = new Set<Segment<Job>>()
  private pagesInFlight = 0
  private isSearching = false
  private isSending = false
  private runtime: Runtime.Runtime<never> = Runtime.defaultRuntime
  private readonly fibers = new Set<Fiber.RuntimeFiber<void, ListVideosError>>()

  constructor(
    videos: VideosService,
    pages: PageReads,
    polled: Polled,
    options: ReadOptions,
    flights: Flights,
    host: Host
  ) {
    this.videos = videos
    this.pages = pages
    this.polled = polled
    this.options = options
    this.flights = flights
    this.host = host
    this.trust = new Trust(options)
  }

  /** How many jobs wait for room. */
  get waiting(): number {
    return this.asked.length + this.singles.length + this.lost.length
  }

  /** What pages are read with: the context of whoever came first, whose span they are no part of. */
  useRuntime(runtime: Runtime.Runtime<never>): void {
    const context = Context.omit(Tracer.ParentSpan)(runtime.context as Context.Context<Tracer.ParentSpan>)
    this.runtime = Runtime.make({ ...runtime, context })
  }

  /** The job is to be looked at; `send` does it. */
  ask(job: Job): void {
    if (job.isAsked || job.single !== null) return
    job.isAsked = true
    this.asked.push(job)
  }

  /** Nobody watches any more: what is in flight is closed. */
  stop(): ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>> {
    this.asked = []
    this.singles = []
    this.lost = []
    this.unfound = []
    this.wanted.clear()
    this.flights.leave(this)
    const fibers = [...this.fibers]
    for (const fiber of fibers) fiber.unsafeInterruptAsFork(fiber.id())
    return fibers
  }

  /** Sends what is asked for, as far as there is room. */
  send(): void {
    // What is answered at once comes back here; the loop goes on for it.
    if (this.isSending) return
    this.isSending = true
    do {
      this.sort()
      for (const segment of this.wanted) {
        if (!this.hasRoom || this.pagesInFlight >= pagesAtOnce) break
        this.wanted.delete(segment)
        // Whoever waits for it now waits for it again when it has been read.
        if (segment.isBeingRead) continue
        this.readSegment(segment)
      }
      let sent = 0
      for (; sent < this.singles.length && this.hasRoom; sent++) this.lookSingly(this.singles[sent] as Job)
      this.singles = this.singles.slice(sent)
    } while (this.asked.length > 0 || this.maySend)
    this.isSending = false
    if (!this.hasRoom && this.singles.length + this.wanted.size > 0) this.flights.starve(this)
  }

  /** Requests that end at once leave room for others. */
  private get maySend(): boolean {
    return this.hasRoom && (this.singles.length > 0 || (this.wanted.size > 0 && this.pagesInFlight < pagesAtOnce))
  }

  get hasRoom(): boolean {
    return this.flights.inFlight < this.options.concurrency
  }

  /** Who gets its look by which page, who by a search through the list, and who alone. */
  private sort(): void {
    const jobs = this.asked
    this.asked = []
    const isOn = this.trust.isOn(this.host.jobs.size)
    const always = this.options.mode === "always"
    const now = this.host.now()
    if (!isOn) {
      for (const segment of this.wanted) jobs.push(...segment.waiting.splice(0))
      this.wanted.clear()
      jobs.push(...this.lost.splice(0))
    }
    for (const job of jobs) {
      const { segment } = job
      if (!isOn || !mayBeFound(job, now)) this.singles.push(job)
      else if (segment === null) this.lost.push(job)
      else if (!always && !isWorthAPage(segment)) this.singles.push(job)
      else {
        segment.waiting.push(job)
        this.wanted.add(segment)
      }
    }
    if (this.lost.length === 0 || this.isSearching) return
    const lost = this.lost
    this.lost = []
    // Those that are not due now would be found as well.
    const hoped = this.unfound.filter(
      (job) => isUnplaced(job) && !job.isAsked && job.searched !== null && mayBeFound(job, now)
    )
    if (always || lost.length + hoped.length >= leastMembers) this.search(lost, hoped)
    else this.singles.push(...lost)
  }

  private lookSingly(job: Job): void {
    job.isAsked = false
    const asking = job.watches.first
    if (asking === null || job.single !== null) return
    this.flights.inFlight++
    metrics.polled()
    let hint: number | null = null
    const fiber = Runtime.runFork(
      asking.runtime,
      // A canned `Videos` may throw, or lack the function.
      Effect.suspend(() =>
        this.videos.retrieve(job.id, {
          ...this.polled.options,
          retry: false,
          onResponse: ({ headers, status }) =>
            Effect.sync(() => {
              const after = status < 300 ? pollAfter(headers, this.host.wallNow()) : null
              hint = after === null ? null : Duration.toMillis(after)
            })
        })
      )
    )
    job.single = fiber
    fiber.addObserver((exit) => {
      this.flights.inFlight--
      job.single = null
      // Of a job that everybody has left, nobody wants to know.
      if (this.host.jobs.get(job.id) === job) {
        const listed = job.segment === null ? null : job.latest
        const { searched } = job
        const outcome: Outcome = Exit.isSuccess(exit) ? { _tag: "Seen", video: exit.value } : outcomeOf(exit.cause)
        const known = this.host.looked(job, outcome, hint)
        if (known._tag === "Seen") this.trust.single(known.video, listed, searched, this.host.now())
      }
      this.flights.landed(this)
      this.host.settled()
    })
  }

  /** Reads on from the newest job, for jobs whose places are not known. */
  private search(wanted: ReadonlyArray<Job>, hoped: ReadonlyArray<Job>): void {
    this.isSearching = true
    const jobs = wanted.length + hoped.length
    const limit = this.options.mode === "always" ? Number.POSITIVE_INFINITY : Math.ceil(jobs / searchYield)
    const cursor = new ListCursor()
    let newest = Number.NEGATIVE_INFINITY
    let oldest = Number.POSITIVE_INFINITY
    const missing = () => stillAsked(wanted)
    const unfound = () => [...missing(), ...hoped.filter(isUnplaced)]
    const readFrom = (after: string | null, count: number): Effect.Effect<void, ListVideosError> =>
      Effect.flatMap(this.page(makeSegment(after)), (page) => {
        const { hasMore, videos } = page
        const isRepeated = videos.some(({ id }) => cursor.hasSeen(id))
        const { next } = cursor.take(page)
        for (const { createdAt } of videos) {
          newest = Math.max(newest, createdAt?.epochMillis ?? newest)
          oldest = Math.min(oldest, createdAt?.epochMillis ?? oldest)
        }
        if (isRepeated) this.trust.give("it answers the same jobs again: the server ignores `after`")
        const isEnd = next._tag === "End" || (hasMore === null && videos.length !== pageSize)
        if (isEnd) oldest = Number.NEGATIVE_INFINITY
        return isEnd || next._tag === "Stuck" || isRepeated || count >= limit || unfound().length === 0
          ? Effect.void
          : readFrom(next.cursor, count + 1)
      })
    this.fork(readFrom(null, 1), null, missing, () => {
      this.isSearching = false
      const at = this.host.now()
      this.unfound = unfound()
      for (const job of this.unfound) job.searched = { newest, oldest, at, times: (job.searched?.times ?? 0) + 1 }
    })
  }

  private readSegment(segment: Segment<Job>): void {
    const waiting = segment.waiting
    segment.waiting = []
    segment.isBeingRead = true
    const missing = () => stillAsked(waiting)
    this.fork(
      Effect.map(this.page(segment), (page) => {
        // Newer jobs push older ones off the newest page, and on to the one after it.
        const last = segment.after === null ? (page.lastId ?? page.videos.at(-1)?.id) : undefined
        const next = last === undefined ? null : makeSegment<Job>(last)
        for (const job of missing()) {
          place(job, next)
          if (next === null) job.searched = nowhere
        }
      }),
      segment,
      missing,
      () => {
        segment.isBeingRead = false
        if (segment.waiting.length > 0) this.wanted.add(segment)
      }
    )
  }

  private readonly known = (id: string): VideoResource | null => this.host.jobs.get(id)?.latest ?? null

  /** One page, and every watched job on it seen. */
  private page(segment: Segment<Job>): Effect.Effect<ListPage, ListVideosError> {
    return Effect.suspend(() => {
      const askedAt = this.host.now()
      this.flights.inFlight++
      this.pagesInFlight++
      metrics.listPolled()
      const read = Effect.suspend(
        () =>
          (segment.read ??= this.pages(
            { ...this.polled.options, after: segment.after ?? undefined, limit: pageSize, order: "desc", retry: false },
            this.known
          ))
      )
      return read.pipe(
        Effect.ensuring(
          Effect.sync(() => {
            this.flights.inFlight--
            this.pagesInFlight--
          })
        ),
        Effect.map((page) => {
          this.take(page, segment, askedAt)
          return page
        })
      )
    })
  }

  private take(page: VideoPage, segment: Segment<Job>, askedAt: number): void {
    segment.wasRead = true
    this.trust.read(page, askedAt)
    let shown: Job | null = null
    for (const video of page.videos) {
      const job = this.host.jobs.get(video.id)
      if (job === undefined) continue
      place(job, segment)
      // A look that was answered while the page was on its way knows better.
      if (job.isAsked || job.lookedAt <= askedAt) this.host.looked(job, { _tag: "Seen", video }, null)
      if (job.watches.size > 0) shown = job
    }
    if (shown !== null && this.trust.wantsComparison()) this.singles.push(shown)
  }

  private fork(
    effect: Effect.Effect<void, ListVideosError>,
    segment: Segment<Job> | null,
    missing: () => ReadonlyArray<Job>,
    done: () => void
  ): void {
    const { distrust } = this.trust
    const fiber = Runtime.runFork(this.runtime, effect)
    this.fibers.add(fiber)
    fiber.addObserver((exit) => {
      this.fibers.delete(fiber)
      if (Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause)) this.failed(exit.cause, segment, missing())
      done()
      this.asked.push(...missing())
      if (distrust === null && this.trust.distrust !== null) {
        const why = `the server's list is not read any more: ${this.trust.distrust}`
        Runtime.runFork(this.runtime, Effect.logDebug(why))
      }
      this.flights.landed(this)
      this.host.settled()
    })
  }

  /** A page that did not come: what it means for the list, and for those who waited for it. */
  private failed(cause: Cause.Cause<ListVideosError>, segment: Segment<Job> | null, missing: ReadonlyArray<Job>): void {
    const outcome = outcomeOf(cause)
    const tell = (jobs: ReadonlyArray<Job>) => {
      for (const job of jobs) this.host.looked(job, outcome, null)
    }
    if (this.options.mode === "always") {
      tell(missing)
    } else if (outcome._tag !== "Failed") {
      this.trust.give(`reading it died: ${Cause.pretty(cause)}`)
    } else if (outcome.error.isTransient) {
      this.trust.failed(outcome.error.message, this.host.now())
      // One of them finds out whether single looks fail as well.
      const [canary, ...others] = missing
      if (canary !== undefined) this.lookSingly(canary)
      tell(others)
    } else if (outcome.error._tag === "ResponseDecodeError") {
      this.trust.strike(outcome.error.message)
    } else if (segment === null || segment.after === null) {
      this.trust.give(outcome.error.message)
    } else {
      // The job after which the stretch begins may have been deleted: only the newest page tells that there is no list.
      for (const job of missing) place(job, null)
    }
  }
}
