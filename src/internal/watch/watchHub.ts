/**
 * One per group of watches that poll alike: which jobs are watched, which watches get what is seen of them, and when one is
 * due. A job that waits is a row in a heap; one fiber sleeps until the first of them.
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import { monotonicMillis } from "../monotonicClock.js"
import { isSameSnapshot, isTerminal, type VideoResource } from "../protocol/videoSchemas.js"
import type { VideosService, Watcher } from "../videosTypes.js"
import { type Placed, place } from "./listTrust.js"
import * as metrics from "./metrics.js"
import { Flights, type PageReads, type ReadOptions, Reads, type Host as ReadsHost } from "./poller.js"
import { Steps } from "./scheduleSteps.js"
import { Audience } from "./subscribers.js"
import { Timers } from "./timerHeap.js"
import type { Feed } from "./updateQueue.js"
import { died, type Host, isStale, type Outcome, type Plan, type Polled, type Start, Watch } from "./watch.js"

/** One job that somebody watches. */
export interface Job extends Placed {
  readonly id: string
  readonly watches: Audience<Watch>
  latest: VideoResource | null
  /** What the newest look came to, how many there were, and when it was. */
  outcome: Outcome | null
  looks: number
  lookedAt: number
  /** For how long after it the server wants no further look, in milliseconds. */
  hint: number | null
  /** An event has said that the job ended, and no look has confirmed it yet. */
  isExpected: boolean
  /** A look is wanted, and not on its way singly. */
  isAsked: boolean
  single: Fiber.RuntimeFiber<unknown, unknown> | null
}

/** For how long an event is remembered for a watch that begins after it, and how many are. */
const rememberMillis = 600_000
const rememberMost = 10_000

/** Thousands of jobs are due at as many moments: the more there are, the more of them are woken together. In milliseconds. */
const maxGap = 32
const jobsPerGap = 128

/** The longest delay that `setTimeout` takes: 2^31 - 1 ms. */
const maxTimer = 2_147_483_647

const interrupted = Exit.interrupt(FiberId.none)

/** What the groups of one `Videos` have in common. Times are monotonic. */
export class Shared extends Flights {
  isClosed = false
  /** The least pauses between polls while events are pushed, in milliseconds. */
  readonly nets: Array<number> = []
  /** Whether this `Videos` has submitted the job just now. */
  readonly wasSubmitted: (id: string, now: number) => boolean
  private readonly events = new Map<string, number>()

  constructor(wasSubmitted: (id: string, now: number) => boolean) {
    super()
    this.wasSubmitted = wasSubmitted
  }

  /** An event has come for a job that has no watch. */
  remember(id: string, now: number): void {
    this.events.delete(id)
    this.events.set(id, now)
    // A Map keeps its order: the oldest go first.
    for (const [old, at] of this.events) {
      if (this.events.size <= rememberMost && now - at < rememberMillis) return
      this.events.delete(old)
    }
  }

  wasAnnounced(id: string, now: number): boolean {
    const at = this.events.get(id)
    return at !== undefined && this.events.delete(id) && now - at < rememberMillis
  }
}

/** @internal */
export class Hub implements Host, ReadsHost {
  readonly jobs = new Map<string, Job>()
  readonly reads: Reads
  private readonly timers = new Timers<Watch>()
  private readonly steps = new Steps(() => this.settled())
  private alarm: Fiber.RuntimeFiber<void> | null = null
  private alarmAt = Number.POSITIVE_INFINITY
  private tickedAt = Number.NEGATIVE_INFINITY
  private runtime: Runtime.Runtime<never> = Runtime.defaultRuntime
  private clock: Clock.Clock = Clock.make()
  private readonly videos: VideosService
  readonly polled: Polled
  private readonly shared: Shared
  private readonly onEmpty: () => void

  /** `onEmpty` is called when the last watch has left. */
  constructor(
    videos: VideosService,
    pages: PageReads,
    polled: Polled,
    options: ReadOptions,
    shared: Shared,
    onEmpty: () => void
  ) {
    this.videos = videos
    this.polled = polled
    this.shared = shared
    this.onEmpty = onEmpty
    this.reads = new Reads(videos, pages, polled, options, shared, this)
  }

  /** Whether watches by this service poll by the same functions. */
  isFor(videos: VideosService): boolean {
    return (
      videos === this.videos || (videos.retrieve === this.videos.retrieve && videos.listPages === this.videos.listPages)
    )
  }

  /** The watched jobs, for status pages and tests. */
  watchers(): ReadonlyArray<Watcher> {
    const offset = this.wallNow() - this.now()
    const instant = (at: number): DateTime.Utc | null => (Number.isFinite(at) ? DateTime.unsafeMake(at + offset) : null)
    return Array.from(this.jobs.values(), (job) => {
      let due = Number.POSITIVE_INFINITY
      job.watches.each(({ dueAt, waiting }) => {
        if (!waiting) due = Math.min(due, dueAt)
      })
      return {
        id: job.id,
        latest: job.latest,
        consumers: job.watches.size,
        looks: job.looks,
        lookedAt: instant(job.lookedAt),
        nextLookAt: instant(due),
        readBy: job.segment === null ? "single" : "page"
      }
    })
  }

  // ---------------------------------------------------------------------------
  // consumers
  // ---------------------------------------------------------------------------

  /** Begins a watch; what it sees is told to the feed. */
  subscribe(plan: Plan, start: Start, feed: Feed, runtime: Runtime.Runtime<never>, clock: Clock.Clock): Watch {
    if (this.jobs.size === 0) {
      this.runtime = runtime
      this.clock = clock
      this.reads.useRuntime(runtime)
    }
    let job = this.jobs.get(start.id)
    if (job === undefined) {
      job = {
        id: start.id,
        watches: new Audience(),
        latest: null,
        outcome: null,
        looks: 0,
        lookedAt: Number.NEGATIVE_INFINITY,
        hint: null,
        isExpected: this.shared.wasAnnounced(start.id, this.now()),
        isAsked: false,
        single: null,
        segment: null,
        searched: null
      }
      this.jobs.set(start.id, job)
    }
    const watch = new Watch(job, plan, start, this, feed, runtime)
    job.watches.add(watch)
    metrics.began()
    if (this.shared.isClosed) watch.end(interrupted)
    else watch.begin(start)
    this.settled()
    return watch
  }

  /** Ends a watch; gives the requests that nobody needs any more, which were told to stop. */
  leave(watch: Watch): ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>> {
    const { job } = watch
    if (!job.watches.delete(watch)) return []
    metrics.finished()
    this.timers.remove(watch)
    this.steps.stop(watch)
    if (job.watches.size > 0) return []
    this.jobs.delete(job.id)
    place(job, null)
    job.single?.unsafeInterruptAsFork(job.single.id())
    const stopped: Array<Fiber.RuntimeFiber<unknown, unknown>> = job.single === null ? [] : [job.single]
    if (this.jobs.size === 0) {
      this.disarm()
      stopped.push(...this.reads.stop())
      this.onEmpty()
    }
    return stopped
  }

  /** Ends every watch by interruption; gives the requests that were told to stop. */
  close(): ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>> {
    const stopped = [...this.reads.stop()]
    for (const { single, watches } of this.jobs.values()) {
      if (single !== null) stopped.push(single)
      watches.each((watch) => watch.end(interrupted))
    }
    return stopped
  }

  // ---------------------------------------------------------------------------
  // events
  // ---------------------------------------------------------------------------

  /** An event says that the job has ended: one poll confirms it. */
  announce(id: string): void {
    const job = this.jobs.get(id)
    if (job === undefined) return
    job.isExpected = true
    job.watches.each((watch) => watch.poke())
    this.reads.send()
    this.settled()
  }

  // ---------------------------------------------------------------------------
  // what watches ask for
  // ---------------------------------------------------------------------------

  readonly now = (): number => monotonicMillis(this.clock)

  readonly wallNow = (): number => this.clock.unsafeCurrentTimeMillis()

  readonly step: Host["step"] = (step) => this.steps.add(step)

  readonly wakeAt: Host["wakeAt"] = (watch, at) => {
    if (at === Number.POSITIVE_INFINITY) this.timers.remove(watch)
    else {
      // Whoever is woken together is one moment in the heap, too.
      const step = Math.max(1, this.gap)
      this.timers.set(watch, Math.ceil(at / step) * step)
    }
  }

  readonly look: Host["look"] = ({ job }) => this.reads.ask(job)

  readonly safetyNet: Host["safetyNet"] = (job) =>
    this.shared.nets.length === 0 || job.isExpected ? 0 : Math.min(...this.shared.nets)

  readonly wasSubmitted: Host["wasSubmitted"] = (id) => this.shared.wasSubmitted(id, this.now())

  // ---------------------------------------------------------------------------
  // what looks come to
  // ---------------------------------------------------------------------------

  readonly looked = (job: Job, outcome: Outcome, hint: number | null): Outcome => {
    job.isAsked = false
    job.looks++
    job.lookedAt = this.now()
    job.outcome = outcome
    job.hint = hint
    metrics.looked()
    const known = outcome._tag === "Seen" ? this.seenSafely(job, outcome) : outcome
    job.watches.each((watch) => {
      if (watch.waiting) watch.settle(known)
    })
    return known
  }

  /** A canned `Videos` may return what is no job: its watches end with the defect, and wait for nothing. */
  private seenSafely(job: Job, outcome: Outcome & { readonly _tag: "Seen" }): Outcome {
    try {
      this.seen(job, outcome.video)
      return outcome
    } catch (defect) {
      job.outcome = died(defect)
      return job.outcome
    }
  }

  private seen(job: Job, video: VideoResource): void {
    if (isTerminal(video) && video.completedAt !== null) metrics.lagged(this.wallNow() - video.completedAt.epochMillis)
    // An equal snapshot is dropped for the one that is kept already.
    const stale = isStale(job.latest, video)
    if (!stale && (job.latest === null || !(job.latest === video || isSameSnapshot(job.latest, video))))
      job.latest = video
    const news = stale || job.latest === null ? video : job.latest
    job.watches.each((watch) => watch.see(news))
  }

  // ---------------------------------------------------------------------------
  // time
  // ---------------------------------------------------------------------------

  private get gap(): number {
    return Math.min(maxGap, Math.floor(this.jobs.size / jobsPerGap))
  }

  /** Lets schedules say what follows, and sets the alarm for whoever is due first. */
  readonly settled = (): void => {
    this.steps.flush()
    const now = this.now()
    // After a pause, the watches may have come with another clock.
    const at = Math.max(this.timers.firstAt, Math.min(this.tickedAt, now) + this.gap)
    if (at >= this.alarmAt) return
    this.disarm()
    this.alarmAt = at
    const wake = Effect.sync(() => {
      this.alarm = null
      this.alarmAt = Number.POSITIVE_INFINITY
      this.tick()
    })
    // Whoever is due now waits for those who begin in the same moment: they may share a page.
    const pause = at <= now ? Effect.yieldNow() : Effect.sleep(Math.min(at - now, maxTimer))
    this.alarm = Runtime.runFork(this.runtime, Effect.zipRight(pause, wake))
  }

  private disarm(): void {
    this.alarm?.unsafeInterruptAsFork(this.alarm.id())
    this.alarm = null
    this.alarmAt = Number.POSITIVE_INFINITY
  }

  private tick(): void {
    const now = this.now()
    this.tickedAt = now
    // First those who ask, so that the others get what is asked for.
    const [others, asking] = Arr.partition(this.takeDue(now), ({ needsLook }) => needsLook)
    for (const watch of asking) if (watch.exit === null) watch.due()
    for (const watch of others) if (watch.exit === null) watch.due()
    this.steps.flush()
    // Whose newest look is older than the pace is due again, and joins what is about to be sent. Whoever is due once more
    // after that waits for the next tick, so that looks that cost nothing cannot hold the process.
    for (const watch of this.takeDue(now)) if (watch.exit === null) watch.due()
    this.reads.send()
    this.settled()
  }

  private takeDue(now: number): Array<Watch> {
    const due: Array<Watch> = []
    while (this.timers.firstAt <= now) this.timers.takeFirst(due)
    return due
  }
}
