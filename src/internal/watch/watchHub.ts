/**
 * The watches of one `Videos` layer: which jobs are watched, and when each watch is due. A watch that waits is a row in a
 * heap; one fiber sleeps until the first of them. Watches that poll alike, by the same functions with the same extra headers
 * and query, are one group, and share polls and pages; all groups share one limit of requests, the events and the end.
 */
import * as Arr from "effect/Array"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberSet from "effect/FiberSet"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { SubmissionPolicy, WatchingPolicy } from "../config/policies.js"
import { anyServer } from "../dialects/openai.js"
import { maxTimer, monotonicMillis } from "../monotonicClock.js"
import type { Dialect } from "../protocol/dialect.js"
import type { BudgetSnapshot } from "../rate/budgetTypes.js"
import { type VideosService, VideosState, type Watcher, type Watchers } from "../videosTypes.js"
import * as metrics from "./metrics.js"
import { anyPages, type PageReads, Poller, type PollerHost } from "./poller.js"
import { RequestQueue } from "./requestQueue.js"
import { TimerHeap } from "./timerHeap.js"
import { Job, type Plan, type Start, Watch } from "./watch.js"

/** For how long an event is remembered for a watch that begins after it, and how many are. */
const rememberMillis = 600_000
const maxRemembered = 10_000

const interrupted = Exit.interrupt(FiberId.none)

type Requests = ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>>

export interface HubOptions {
  /** Forks requests and timers: in the layer's context, and interrupted with its scope. */
  readonly run: PollerHost["run"]
  readonly clock: Clock.Clock
  readonly watching?: WatchingPolicy | undefined
  /** For `settleSubmission`. */
  readonly submission?: SubmissionPolicy | undefined
  /** For `continueVideo`. */
  readonly dialect?: Dialect | undefined
  /** The state of the layer's budget. */
  readonly budget?: (() => BudgetSnapshot) | undefined
  /** Reads pages for watches that poll by `listPages`, the layer's own. */
  readonly pages?: PageReads | undefined
  readonly listPages?: VideosService["listPages"] | undefined
  /** Whether this `Videos` has submitted the job just now, in monotonic milliseconds. */
  readonly wasSubmitted?: ((id: string, now: number) => boolean) | undefined
}

export class WatchHub extends VideosState implements PollerHost {
  readonly run: PollerHost["run"]
  readonly queue: RequestQueue
  readonly options: HubOptions
  private readonly beganAt: number
  private readonly groups: Array<Poller> = []
  private readonly timers = new TimerHeap<Watch>()
  private alarm: Fiber.RuntimeFiber<void> | null = null
  private alarmAt = Infinity
  private isClosed = false
  private readonly onClose = new Set<() => void>()
  /** The least pauses between polls while events are pushed, in milliseconds. */
  private readonly nets: Array<number> = []
  /** Events of jobs that had no watch, by id, and when they came. */
  private readonly events = new Map<string, number>()

  constructor(options: HubOptions) {
    super()
    this.options = options
    this.run = options.run
    this.queue = new RequestQueue(options.watching?.concurrency ?? 64)
    this.beganAt = monotonicMillis(options.clock)
  }

  // ---------------------------------------------------------------------------
  // consumers
  // ---------------------------------------------------------------------------

  /** Begins a watch, which polls by `videos`: the layer's service, or a program's copy of it. `onReady` runs with each update. */
  subscribe(
    videos: VideosService,
    plan: Plan,
    start: Start,
    runtime: Runtime.Runtime<never>,
    onReady: (watch: Watch) => void
  ): Watch {
    const { id } = start
    const group = this.groupOf(videos, plan)
    let job = group.jobs.get(id)
    if (job === undefined) {
      job = new Job(id, group, this.now() - (this.events.get(id) ?? -Infinity) < rememberMillis)
      this.events.delete(id)
      group.jobs.set(id, job)
    }
    const watch = new Watch(job, plan, start, this, runtime, onReady)
    job.watches = [...job.watches, watch]
    metrics.began()
    if (this.isClosed) watch.end(interrupted)
    else watch.begin(start)
    this.settled()
    return watch
  }

  leave(watch: Watch): Requests {
    const { job } = watch
    if (!job.watches.includes(watch)) return []
    job.watches = job.watches.filter((other) => other !== watch)
    metrics.finished()
    this.timers.remove(watch)
    const group = this.groups.find((group) => group === job.poller)
    if (job.isWatched || group === undefined) return []
    const requests = group.leave(job)
    // The first group stays: it remembers how far the list can be trusted.
    if (group.jobs.size === 0 && group !== this.groups[0]) this.groups.splice(this.groups.indexOf(group), 1)
    if (this.timers.firstAt === Infinity) this.disarm()
    return requests
  }

  /** Stops watches for their consumer; when it returns, the requests for them alone are closed. */
  release(watches: Iterable<Watch>): Effect.Effect<void> {
    const requests = Array.from(watches).flatMap((watch) => watch.leave())
    return Effect.forEach(requests, Fiber.await, { discard: true })
  }

  /** Interrupts the fiber that reads the stream when the layer's scope closes. */
  untilClosed<A, E, R>(stream: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> {
    return Stream.unwrapScoped(Effect.as(Effect.acquireRelease(this.register, Effect.sync), stream))
  }

  /** Interrupts the fiber that runs the effect when the layer's scope closes. */
  whileOpen<A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(this.register, () => self, Effect.sync)
  }

  /** Returns what takes it back. */
  private readonly register = Effect.withFiberRuntime<() => void>((fiber) =>
    Effect.sync(() => {
      const end = () => fiber.unsafeInterruptAsFork(FiberId.none)
      if (this.isClosed) end()
      else this.onClose.add(end)
      return () => void this.onClose.delete(end)
    })
  )

  /** Interrupts all watches, and at once those that begin later. */
  readonly close: Effect.Effect<void> = Effect.sync(() => {
    this.isClosed = true
    const jobs = this.groups.flatMap((group) => [...group.jobs.values()])
    for (const { watches } of jobs) for (const watch of watches) watch.end(interrupted)
    for (const end of this.onClose) end()
    this.onClose.clear()
  })

  /** What is watched, for status pages and tests. */
  snapshot(): Watchers {
    const { budget, watching } = this.options
    const jobs = this.groups.flatMap((group) => Array.from(group.jobs.values(), (job) => this.watcher(group, job)))
    return {
      jobs,
      list: {
        mode: watching?.list ?? "auto",
        distrust: this.groups.find(({ trust }) => trust.distrust !== null)?.trust.distrust ?? null
      },
      inFlight: this.queue.inFlight,
      waiting: this.queue.waiting,
      isPushed: this.nets.length > 0,
      budget: budget?.() ?? null
    }
  }

  private watcher(group: Poller, job: Job): Watcher {
    const offset = this.wallNow() - this.now()
    const instant = (at: number) => (Number.isFinite(at) ? DateTime.unsafeMake(at + offset) : null)
    const dueAt = job.watches.reduce((least, watch) => (watch.waiting ? least : Math.min(least, watch.dueAt)), Infinity)
    return {
      id: job.id,
      latest: job.latest,
      consumers: job.watches.length,
      polls: job.polls,
      polledAt: instant(job.polls === 0 ? Infinity : job.polledAt),
      nextPollAt: instant(dueAt),
      ...group.readBy(job)
    }
  }

  private groupOf(videos: VideosService, { extras }: Plan): Poller {
    // A canned `Videos` may lack these functions, which fails its polls.
    const { listPages, retrieve } = videos
    const known = this.groups.find(
      ({ by }) => by.extras.key === extras.key && by.videos.retrieve === retrieve && by.videos.listPages === listPages
    )
    if (known !== undefined) return known
    const { listPages: ownPages, pages = anyPages(videos), watching } = this.options
    const by = { videos, pages: listPages === ownPages ? pages : anyPages(videos), extras }
    const { list = "auto", threshold = 10 } = watching ?? {}
    const group = new Poller(by, { mode: list, threshold }, this)
    this.groups.push(group)
    return group
  }

  // ---------------------------------------------------------------------------
  // events
  // ---------------------------------------------------------------------------

  /** While the scope is open, events say when jobs end, and polls are a safety net: one each `safetyNet` milliseconds. */
  pushed(safetyNet: number): Effect.Effect<void, never, Scope.Scope> {
    const { nets } = this
    return Effect.acquireRelease(
      Effect.sync(() => void nets.push(safetyNet)),
      () => Effect.sync(() => void nets.splice(nets.indexOf(safetyNet), 1))
    )
  }

  /** An event says that the job has ended: one poll confirms it. An event of a job that has no watch is kept for a while. */
  announce(id: string): void {
    const jobs = this.groups.flatMap((group) => group.jobs.get(id) ?? [])
    if (jobs.length === 0) this.remember(id)
    for (const job of jobs) {
      job.isExpected = true
      for (const watch of job.watches) watch.poke()
    }
    this.send()
  }

  private remember(id: string): void {
    const now = this.now()
    this.events.delete(id)
    this.events.set(id, now)
    // A Map keeps its order: the oldest go first.
    for (const [old, at] of this.events) {
      if (this.events.size <= maxRemembered && now - at < rememberMillis) return
      this.events.delete(old)
    }
  }

  safetyNet(): number {
    return this.nets.length === 0 ? 0 : Math.min(...this.nets)
  }

  wasSubmitted(id: string): boolean {
    return this.options.wasSubmitted?.(id, monotonicMillis(this.options.clock)) === true
  }

  // ---------------------------------------------------------------------------
  // time
  // ---------------------------------------------------------------------------

  now(): number {
    return monotonicMillis(this.options.clock) - this.beganAt
  }

  wallNow(): number {
    return this.options.clock.unsafeCurrentTimeMillis()
  }

  wakeAt(watch: Watch, at: number): void {
    if (at === Infinity) this.timers.remove(watch)
    // Timers fire at whole milliseconds.
    else this.timers.set(watch, Math.ceil(at))
  }

  /** Sets the alarm for the watch that is due first. */
  settled(): void {
    const at = this.timers.firstAt
    if (at >= this.alarmAt) return
    this.disarm()
    this.alarmAt = at
    const now = this.now()
    const wake = Effect.sync(() => {
      this.alarm = null
      this.alarmAt = Infinity
      const now = this.now()
      // First those that need a poll, so that the other watches of a job get the one that is asked for.
      const [others, asking] = Arr.partition(this.timers.takeDue(now), ({ needsPoll }) => needsPoll)
      for (const watch of [...asking, ...others]) if (watch.exit === null) watch.due()
      // A watch whose last observation is older than its delay is due again, and joins what is sent now. One that is due once
      // more waits for the next alarm, so that polls that cost nothing cannot hold the process.
      for (const watch of this.timers.takeDue(now)) if (watch.exit === null) watch.due()
      this.send()
    })
    // Watches that begin in the same moment may share a page.
    const pause = at <= now ? Effect.yieldNow() : Effect.sleep(Math.min(at - now, maxTimer))
    this.alarm = this.run(Effect.zipRight(pause, wake))
  }

  private disarm(): void {
    this.alarm?.unsafeInterruptAsFork(this.alarm.id())
    this.alarm = null
    this.alarmAt = Infinity
  }

  private send(): void {
    for (const group of [...this.groups]) group.send()
    this.settled()
  }
}

// -----------------------------------------------------------------------------
// the hub of a service
// -----------------------------------------------------------------------------

/** The hub of a layer. When the scope closes, its watches and requests are interrupted. */
export const makeHub = (options: Omit<HubOptions, "run" | "clock">): Effect.Effect<WatchHub, never, Scope.Scope> =>
  Effect.gen(function* () {
    // Requests are interruptible, and no part of the span in which the layer is built.
    const run = yield* FiberSet.makeRuntime<never>().pipe(
      Effect.mapInputContext((context: Context.Context<Scope.Scope>) =>
        Context.omit(Tracer.ParentSpan)(context as Context.Context<Scope.Scope | Tracer.ParentSpan>)
      ),
      Effect.interruptible
    )
    const clock = yield* Effect.clock
    return yield* Effect.acquireRelease(
      Effect.sync(() => new WatchHub({ ...options, run, clock })),
      (hub) => hub.close
    )
  })

/** The hub of a live service or of a program's copy of it; `null` for a canned `Videos`. */
export const hubOf = ({ state }: VideosService): WatchHub | null => (state instanceof WatchHub ? state : null)

/** The dialect of a live service; that of any server for a canned `Videos`. */
export const dialectOf = (videos: VideosService): Dialect => hubOf(videos)?.options.dialect ?? anyServer

/** A hub for one call with a canned `Videos`, in the caller's context. */
export const cannedHub = (runtime: Runtime.Runtime<never>, clock: Clock.Clock): WatchHub =>
  new WatchHub({ run: Runtime.runFork(runtime), clock })
