/** A watched job, and its watches: when each wants a poll, what it makes of the result, when it ends. Nothing here sends a request. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as Intervals from "effect/ScheduleIntervals"
import * as Errors from "../errors/errors.js"
import type { CallOptions } from "../http/httpTypes.js"
import { retryDelays, type Stepper } from "../http/retryPolicy.js"
import { isSameSnapshot, isTerminal, phaseOf, type VideoPhase, type VideoResource } from "../protocol/videoSchemas.js"
import type { RetrieveVideoError } from "../videosTypes.js"
import * as metrics from "./metrics.js"
import { pagedPollSchedule } from "./pollSchedules.js"
import type { Row } from "./timerHeap.js"

export type WatchError = RetrieveVideoError | Errors.WatchTimeoutError

/** The headers and query of a watch's polls. */
export interface PollExtras {
  /** The same for extras that are equal by value; empty if there are none. */
  readonly key: string
  readonly options: Pick<CallOptions, "extraHeaders" | "extraQuery">
}

/** The options of one call, which all of its watches share. Durations in milliseconds. */
export interface Plan {
  readonly extras: PollExtras
  readonly operation: "watchVideo" | "awaitVideo"
  readonly poll: Schedule.Schedule<unknown, VideoResource>
  /** Whether the server's hint may also shorten the schedule's delay. */
  readonly hintShortens: boolean
  readonly retry: Schedule.Schedule<unknown, RetrieveVideoError>
  /** How many snapshots wait for a slow consumer, one of each poll; 0: only the newest, and only if it differs. */
  readonly buffer: number
  readonly totalTimeout: number
  readonly stallTimeout: number
  readonly maxRetryAfter: number
  readonly notFoundGrace: number
}

/** What one watch begins with. */
export interface Start {
  readonly id: string
  /** What the caller has seen already: only later changes are emitted. */
  readonly snapshot: VideoResource | null
  /** The job was submitted just now: the first poll waits, and a 404 may come from a replica that lags. */
  readonly submitted: { readonly hint: Duration.Duration | null } | null
}

/** What a watch needs of the hub. */
export interface Host {
  /** Milliseconds since the hub began: a small number, which V8 keeps without an object of its own. */
  readonly now: () => number
  /** The time of day, in Unix milliseconds. */
  readonly wallNow: () => number
  /** Calls `due` at that time; `Infinity` for never. */
  readonly wakeAt: (watch: Watch, at: number) => void
  /** Removes the watch; returns the requests that no watch needs any more. */
  readonly leave: (watch: Watch) => ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>>
  /** A schedule's step that took its time has ended. */
  readonly settled: () => void
  /** The least pause between polls while events are pushed, in milliseconds; 0 if none are. */
  readonly safetyNet: () => number
  /** Whether the job was submitted by this `Videos` just now. */
  readonly wasSubmitted: (id: string) => boolean
}

/** What a job needs of its poller. */
export interface JobPoller {
  /** Asks for a poll. */
  readonly poll: (job: Job) => void
  /** Whether a page polls the job. */
  readonly isPaged: (job: Job) => boolean
  /** When a new watch polls first. */
  readonly firstPollAt: (job: Job) => number
}

/** Consecutive places of the server's list that one page shows, and the watched jobs there. */
export interface Page {
  /** The place of its oldest job. */
  readonly oldest: number
  readonly members: Set<Job>
  /** A read of it waits, or is on its way. */
  isAwaited: boolean
  /** How many of its reads have failed since the last that succeeded. */
  failures: number
  /** It fails again and again: until then its jobs are polled singly. */
  leftUntil: number
}

/** A search of the list that did not find a job. */
export interface Searched {
  /** The creation times of the newest and the oldest job that it saw, in Unix milliseconds. */
  readonly newest: number
  readonly oldest: number
  /** When it ended, and how many there were for the job. */
  readonly at: number
  readonly times: number
}

const rank: { readonly [phase in VideoPhase]: number } = { waiting: 0, running: 1, succeeded: 2, failed: 2 }

/** A job never goes from running back to waiting: such a response comes from a replica that lags. */
const isStale = (last: VideoResource | null, next: VideoResource): boolean =>
  last !== null && rank[phaseOf(next)] < rank[phaseOf(last)]

/** One watched job; a poll of it is for all of its watches. Ten thousands of these may live at once. Times are the hub's. */
export class Job {
  readonly id: string
  readonly poller: JobPoller
  /** In the order in which they began. Replaced with each change, so that a watch may leave while all are visited. */
  watches: ReadonlyArray<Watch> = []
  latest: VideoResource | null = null
  /** Why the newest poll failed; `null` if it succeeded. */
  failure: Cause.Cause<RetrieveVideoError> | null = null
  /** How many polls there were, and when the newest ended; -1 before the first. */
  polls = 0
  polledAt = -1
  /** Until when the server wants no further poll of this job. */
  hintedUntil = 0
  /** An event says that the job ended, and no poll has confirmed it yet. */
  isExpected: boolean
  /** A poll is wanted, and no single poll is on its way. */
  isAsked = false
  single: Fiber.RuntimeFiber<unknown, unknown> | null = null
  /** The page that polls it, its place in the list (newer jobs have higher ones), and the job before it there. */
  page: Page | null = null
  place = 0
  after: string | null = null
  searched: Searched | null = null

  constructor(id: string, poller: JobPoller, isExpected: boolean) {
    this.id = id
    this.poller = poller
    this.isExpected = isExpected
  }

  get isWatched(): boolean {
    return this.watches.length > 0
  }

  /** A poll has ended. `hint` is the server's, in milliseconds; a page has none, and says nothing about an earlier one. */
  observe(result: Exit.Exit<VideoResource, RetrieveVideoError>, host: Host, hint?: number | null): void {
    const now = host.now()
    this.isAsked = false
    this.polls++
    this.polledAt = now
    if (hint !== undefined) this.hintedUntil = hint === null ? 0 : now + hint
    metrics.observed()
    this.failure = Exit.isFailure(result) ? result.cause : this.see(result.value, host)
    for (const watch of this.watches) if (watch.waiting) watch.settle()
  }

  private see(video: VideoResource, host: Host): Cause.Cause<never> | null {
    try {
      if (isTerminal(video) && video.completedAt !== null) {
        metrics.lagged(host.wallNow() - video.completedAt.epochMillis)
      }
      const { latest } = this
      const stale = isStale(latest, video)
      // An equal snapshot is dropped for the one that is kept already.
      const news = stale || latest === null || !isSameSnapshot(latest, video) ? video : latest
      if (!stale) this.latest = news
      for (const watch of this.watches) watch.see(news)
      return null
    } catch (defect) {
      // A canned `Videos` may return what is not a job: its watches end with the defect.
      return Cause.die(defect)
    }
  }
}

/** How long before its end a watch takes its last poll, so that a response at the last moment is not a timeout. */
const lastPollMargin = 500

/** A snapshot this young may belong to a job that replicas do not know yet. */
const freshMillis = 60_000

/** One consumer's watch of one job. */
export class Watch implements Row {
  readonly job: Job
  /** The caller's, for its schedules and its span. */
  readonly runtime: Runtime.Runtime<never>
  dueAt = 0
  order = 0
  index = -1
  /** Whether it waits for a poll. */
  waiting = false
  /** Whether its consumer knows that there is something to take. */
  isReady = false
  exit: Exit.Exit<void, WatchError> | null = null
  /** The newest snapshot that this watch knows of. */
  lastSnapshot: VideoResource | null

  private readonly plan: Plan
  private readonly host: Host
  private readonly onReady: (watch: Watch) => void
  private pending: VideoResource | Array<VideoResource> | null = null
  /** How many of the job's polls have counted for the poll schedule. */
  private counted: number
  private changedAt: number
  private readonly startedAt: number
  /** Time of day minus the hub's time, as of the start: schedules may go by a calendar. */
  private readonly wallOffset: number
  private readonly graceUntil: number
  /** Whether it begins with a submission: a 403 may then come from a proxy that has not recorded the job yet (LiteLLM). */
  private readonly isSubmitted: boolean
  private pollState: unknown
  /** While polls fail. */
  private retry: Stepper<RetrieveVideoError> | null = null
  private isLastPoll = false
  /** The last poll is taken; it waits for its deadline. */
  private isClosing = false
  /** A schedule's step that takes its time. */
  private stepping: Fiber.RuntimeFiber<unknown> | null = null

  constructor(
    job: Job,
    plan: Plan,
    { id, snapshot, submitted }: Start,
    host: Host,
    runtime: Runtime.Runtime<never>,
    onReady: (watch: Watch) => void
  ) {
    const now = host.now()
    const wallNow = host.wallNow()
    const createdAt = snapshot?.createdAt ?? null
    const fresh = submitted !== null || createdAt === null || wallNow - createdAt.epochMillis < freshMillis
    this.job = job
    this.plan = plan
    this.host = host
    this.runtime = runtime
    this.onReady = onReady
    this.counted = job.polls
    this.lastSnapshot = snapshot
    this.changedAt = now
    this.startedAt = now
    this.wallOffset = wallNow - now
    this.graceUntil = fresh ? now + plan.notFoundGrace : now
    this.isSubmitted = fresh && (submitted !== null || snapshot !== null || host.wasSubmitted(id))
    this.pollState = plan.poll.initial
  }

  /** Plans the first poll: at once, or, for a job that was submitted just now, when the schedule and the server say. */
  begin({ snapshot, submitted }: Start): void {
    const { isExpected, latest, poller } = this.job
    if (snapshot !== null && submitted === null && isTerminal(snapshot)) {
      this.push(snapshot)
      this.end(Exit.void)
    } else if (latest !== null) {
      this.see(latest)
      if (this.exit === null) this.planPoll(latest, this.job.polledAt, this.job.hintedUntil)
    } else if (snapshot === null || submitted === null || isExpected) {
      this.pollAt(isExpected ? this.startedAt : poller.firstPollAt(this.job))
    } else {
      const { hint } = submitted
      this.planPoll(snapshot, this.startedAt, hint === null ? 0 : this.startedAt + Duration.toMillis(hint))
    }
  }

  /** Takes what the consumer has not taken yet. */
  drain(): ReadonlyArray<VideoResource> {
    const { pending } = this
    this.pending = null
    return pending === null ? [] : Array.isArray(pending) ? pending : [pending]
  }

  /** An observation, whichever watch asked for it. */
  see(video: VideoResource): void {
    const { lastSnapshot } = this
    if (isStale(lastSnapshot, video)) return
    this.retry = null
    const changed = lastSnapshot === null || (lastSnapshot !== video && !isSameSnapshot(lastSnapshot, video))
    if (changed) {
      this.lastSnapshot = video
      this.changedAt = this.host.now()
    }
    const ended = isTerminal(video)
    if (ended || changed || this.plan.buffer > 0) this.push(video)
    if (ended) this.end(Exit.void)
  }

  /** Plans the next poll by the result of the newest one, or ends. */
  settle(): void {
    const { failure, hintedUntil, latest, polledAt } = this.job
    this.waiting = false
    this.counted = this.job.polls
    if (failure === null) {
      this.retry = null
      const unchangedFor = this.host.now() - this.changedAt
      if (this.lastSnapshot !== null && unchangedFor >= this.plan.stallTimeout) this.expire(unchangedFor)
      else if (this.isLastPoll) this.close()
      else if (latest !== null) this.planPoll(latest, polledAt, hintedUntil)
    } else {
      const error = Option.getOrNull(Cause.failureOption(failure))
      if (error === null) this.end(Exit.failCause(failure as Cause.Cause<never>))
      else this.recover(error)
    }
  }

  /** Whether a poll is due, and none has come since the last that counted. */
  get needsPoll(): boolean {
    return !(this.waiting || this.isClosing) && (this.isLastPoll || this.job.polls === this.counted)
  }

  /** The time that `wakeAt` named has come. */
  due(): void {
    const { isAsked, single } = this.job
    if (this.waiting || this.isClosing || this.stepping !== null) this.expire()
    // A poll that is on its way is newer than the last one.
    else if (this.needsPoll || isAsked || single !== null) this.poll()
    else this.settle()
  }

  /** Polls at once, whatever the schedule says. The last poll before the deadline is still to come, unless it has been taken. */
  poke(): void {
    if (this.waiting || this.isClosing) return
    this.isLastPoll = false
    this.poll()
  }

  end(exit: Exit.Exit<void, WatchError>): void {
    this.exit = exit
    this.leave()
    this.onReady(this)
  }

  /** Stops it; returns the requests that no watch needs any more. */
  leave(): ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>> {
    this.stepping?.unsafeInterruptAsFork(this.stepping.id())
    this.stepping = null
    return this.host.leave(this)
  }

  // internal

  private get deadline(): number {
    return this.startedAt + this.plan.totalTimeout
  }

  private get margin(): number {
    return Math.min(lastPollMargin, this.plan.totalTimeout / 10)
  }

  private poll(): void {
    this.waiting = true
    // A poll that begins late has some time all the same.
    this.host.wakeAt(this, Math.max(this.deadline, this.host.now() + this.margin))
    this.job.poller.poll(this.job)
  }

  private pollAt(at: number): void {
    const lastPollAt = this.deadline - this.margin
    this.isLastPoll = Math.max(this.host.now(), at) >= lastPollAt
    this.host.wakeAt(this, this.isLastPoll ? lastPollAt : at)
  }

  private close(): void {
    this.isClosing = true
    this.host.wakeAt(this, this.deadline)
  }

  private push(video: VideoResource): void {
    const { buffer } = this.plan
    if (buffer === 0) this.pending = video
    else {
      const queue = Array.isArray(this.pending) ? this.pending : []
      if (queue.length >= buffer) queue.shift()
      queue.push(video)
      this.pending = queue
    }
    this.onReady(this)
  }

  private expire(unchangedFor: number | null = null): void {
    const error = new Errors.WatchTimeoutError({
      operation: this.plan.operation,
      reason: unchangedFor === null ? "deadline" : "stalled",
      videoId: this.job.id,
      lastSnapshot: this.lastSnapshot,
      elapsed: Duration.millis(this.host.now() - this.startedAt),
      ...(unchangedFor === null ? {} : { unchangedFor: Duration.millis(unchangedFor) })
    })
    this.end(Exit.fail(error))
  }

  /**
   * Plans the next poll after one that succeeded, or ends the watch with its schedule. The delay counts from that poll,
   * whichever watch or page it was for: so the jobs of one page become due together. A schedule's own time begins with the
   * watch, though: one that lasts a minute lasts a minute.
   */
  private planPoll(video: VideoResource, polledAt: number, hintedUntil: number): void {
    const { hintShortens, maxRetryAfter, stallTimeout } = this.plan
    const poll = hintShortens && this.job.poller.isPaged(this.job) ? pagedPollSchedule : this.plan.poll
    const now = Math.max(polledAt, this.startedAt) + this.wallOffset
    this.step(
      () => poll.step(now, video, this.pollState),
      ([state, , decision]) => {
        this.pollState = state
        if (ScheduleDecision.isDone(decision)) {
          this.expire()
          return
        }
        const delay = Math.max(0, Intervals.start(decision.intervals) - now)
        const net = this.job.isExpected ? 0 : this.host.safetyNet()
        const hinted = Math.min(hintedUntil, polledAt + maxRetryAfter)
        const wanted = hintShortens && hinted > polledAt ? hinted : polledAt + delay
        const stalledAt = Math.max(this.host.now(), this.changedAt + stallTimeout)
        if (Number.isNaN(delay)) {
          this.end(Exit.die(new TypeError("a schedule gave a delay that is not a number")))
        } else this.pollAt(Math.max(hinted, Math.min(Math.max(wanted, polledAt + net), stalledAt)))
      }
    )
  }

  /** Plans the next poll after one that failed, or gives up. */
  private recover(error: RetrieveVideoError): void {
    const isUnknown =
      error._tag === "VideoNotFoundError" ||
      (error._tag === "AuthenticationError" && error.reason === "forbidden" && this.isSubmitted)
    const lagging = isUnknown && this.host.now() < this.graceUntil
    if (!error.isTransient && !lagging) this.end(Exit.fail(error))
    else if (this.isLastPoll) this.close()
    else this.planRetry(error)
  }

  private planRetry(error: RetrieveVideoError): void {
    const { maxRetryAfter, retry: schedule } = this.plan
    this.retry ??= retryDelays({ schedule, maxRetryAfter: Duration.millis(maxRetryAfter) })
    const { retry } = this
    this.step(
      () => retry(error),
      (delay) => {
        if (delay !== null) {
          metrics.retried()
          this.pollAt(this.job.polledAt + delay)
        } else this.end(Exit.fail(error))
      }
    )
  }

  /** Runs one step of a schedule in the caller's context. It may take its time; the deadline holds. */
  private step<A>(begin: () => Effect.Effect<A>, then: (result: A) => void): void {
    const done = (exit: Exit.Exit<A>): void => {
      if (Exit.isSuccess(exit)) then(exit.value)
      else this.end(exit)
    }
    const fiber = Runtime.runFork(this.runtime, Effect.suspend(begin))
    const exit = fiber.unsafePoll()
    if (exit !== null) {
      done(exit)
      return
    }
    this.stepping = fiber
    this.host.wakeAt(this, this.deadline)
    fiber.addObserver((exit) => {
      if (this.stepping !== fiber) return
      this.stepping = null
      done(exit)
      this.host.settled()
    })
  }
}
