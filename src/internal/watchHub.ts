/**
 * One per `Videos`: which jobs are watched, who is told what is seen of them, and when somebody is due. A job that waits is
 * a row in a heap; one fiber sleeps until the first of them.
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { BudgetSnapshot } from "../Budget.js"
import type { VideosHttpService } from "../Http.js"
import { isSameSnapshot, isTerminal, type VideoResource } from "../Schema.js"
import type { VideosService, Watchers } from "../Videos.js"
import { wasSubmitted } from "./recentSubmissions.js"
import { type Host, isStale, type Outcome, type Plan, type Start, Watch } from "./watch.js"
import { Audience } from "./watchAudience.js"
import type { Feed } from "./watchFeed.js"
import * as metrics from "./watchMetrics.js"
import { type Placed, place } from "./watchPages.js"
import { anyPages, type PageReads, type ReadOptions, Reads, type Host as ReadsHost } from "./watchReads.js"
import { Steps } from "./watchSteps.js"
import { Timers } from "./watchTimers.js"

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

const instant = (millis: number): DateTime.Utc | null => (Number.isFinite(millis) ? DateTime.unsafeMake(millis) : null)

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
  private readonly nets: Array<number> = []
  private readonly events = new Map<string, number>()

  private readonly videos: VideosService
  private readonly budget: (() => BudgetSnapshot) | null

  constructor(videos: VideosService, pages: PageReads, options: ReadOptions, budget: (() => BudgetSnapshot) | null) {
    this.videos = videos
    this.reads = new Reads(videos, pages, options, this)
    this.budget = budget
  }

  /** What goes on, for whoever wants to see it. */
  snapshot(): Watchers {
    const { inFlight, options, trust, waiting } = this.reads
    return {
      jobs: Array.from(this.jobs.values(), (job) => {
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
      }),
      list: { mode: options.mode, distrust: trust.distrust },
      inFlight,
      waiting,
      isPushed: this.nets.length > 0,
      budget: this.budget?.() ?? null
    }
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
        isExpected: this.wasAnnounced(start.id),
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
    watch.begin(start)
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
    }
    return stopped
  }

  /** `leave` for a consumer: what it had in flight is closed when this returns. */
  release(watches: Iterable<Watch>): Effect.Effect<void> {
    const stopped: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
    for (const watch of watches) stopped.push(...this.leave(watch))
    return stopped.length === 0 ? Effect.void : Effect.forEach(stopped, Fiber.await, { discard: true })
  }

  // ---------------------------------------------------------------------------
  // events
  // ---------------------------------------------------------------------------

  /** While the scope is open, events tell when jobs end, and looks are a safety net, so many milliseconds apart. */
  pushed(safetyNet: number): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => void this.nets.push(safetyNet)),
      () => Effect.sync(() => void this.nets.splice(this.nets.indexOf(safetyNet), 1))
    )
  }

  /** An event says that the job has ended: one look confirms it. For a job that nobody watches it is kept for a while. */
  announce(id: string, now: number): void {
    const job = this.jobs.get(id)
    if (job === undefined) {
      this.remember(id, now)
      return
    }
    job.isExpected = true
    job.watches.each((watch) => watch.poke())
    this.reads.send()
    this.settled()
  }

  private remember(id: string, now: number): void {
    this.events.delete(id)
    this.events.set(id, now)
    // A Map keeps its order: the oldest go first.
    for (const [old, at] of this.events) {
      if (this.events.size <= rememberMost && now - at < rememberMillis) return
      this.events.delete(old)
    }
  }

  private wasAnnounced(id: string): boolean {
    const at = this.events.get(id)
    return at !== undefined && this.events.delete(id) && this.now() - at < rememberMillis
  }

  // ---------------------------------------------------------------------------
  // what watches ask for
  // ---------------------------------------------------------------------------

  readonly now = (): number => this.clock.unsafeCurrentTimeMillis()

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
    this.nets.length === 0 || job.isExpected ? 0 : Math.min(...this.nets)

  readonly wasSubmitted: Host["wasSubmitted"] = (id) => wasSubmitted(this.videos, id, this.now())

  // ---------------------------------------------------------------------------
  // what looks come to
  // ---------------------------------------------------------------------------

  readonly looked = (job: Job, outcome: Outcome, hint: number | null): void => {
    job.isAsked = false
    job.looks++
    job.lookedAt = this.now()
    job.outcome = outcome
    job.hint = hint
    metrics.looked()
    if (outcome._tag === "Seen") this.seen(job, outcome.video)
    job.watches.each((watch) => {
      if (watch.waiting) watch.settle(outcome)
    })
  }

  private seen(job: Job, video: VideoResource): void {
    if (isTerminal(video) && video.completedAt !== null) metrics.lagged(job.lookedAt - video.completedAt.epochMillis)
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
    // A clock that is set back does not put everything off.
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
    const pause = at <= now ? Effect.yieldNow() : Effect.sleep(at - now)
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

const hubs = new WeakMap<VideosService, Hub>()

/** The hub of a `Videos`, a canned one among them. The options count when it is made, which is with its `Videos`. */
export const hubOf = (videos: VideosService, options?: VideosHttpService["watching"], pages?: PageReads): Hub => {
  let hub = hubs.get(videos)
  if (hub === undefined) {
    const { budget, concurrency = 64, list = "auto", threshold = 20 } = options ?? {}
    hub = new Hub(videos, pages ?? anyPages(videos), { mode: list, threshold, concurrency }, budget ?? null)
    hubs.set(videos, hub)
  }
  return hub
}
