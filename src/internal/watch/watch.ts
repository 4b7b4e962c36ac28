/** One consumer's watch of one job: when it wants a poll, what it makes of the result, when it ends. It sends nothing. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as Intervals from "effect/ScheduleIntervals"
import * as Errors from "../errors/errors.js"
import { isSameSnapshot, isTerminal, type VideoResource } from "../protocol/videoSchemas.js"
import type { RetrieveVideoError } from "../videosTypes.js"
import * as metrics from "./metrics.js"
import type { Row } from "./timerHeap.js"
import { isStale, type Job, type Outcome, type PollExtras, type Subscriber, type WatchError } from "./watchedJob.js"

/** The options of one call, which all of its watches share. */
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
  /** Monotonic, in milliseconds. */
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
  readonly safetyNet: (job: Job) => number
  /** Whether the job was submitted by this `Videos` just now. */
  readonly wasSubmitted: (id: string) => boolean
}

/** How long before its end a watch takes its last poll, so that a response at the last moment is not a timeout. */
const lastPollMargin = 500

/** A snapshot this young may belong to a job that replicas do not know yet. */
const freshMillis = 60_000

/** @internal */
export class Watch implements Row, Subscriber {
  readonly job: Job
  readonly runtime: Runtime.Runtime<never>
  dueAt = 0
  order = 0
  index = -1
  waiting = false
  /** Whether its consumer knows that there is something to take. */
  isReady = false
  exit: Exit.Exit<void, WatchError> | null = null

  private readonly plan: Plan
  private readonly host: Host
  private readonly onReady: (watch: Watch) => void
  private pending: VideoResource | Array<VideoResource> | null = null
  private last: VideoResource | null
  /** How many of the job's polls have counted for the poll schedule: a newer one is not sent again. */
  private counted: number
  private changedAt: number
  private readonly startedAt: number
  /** Time of day minus monotonic time, as of the start: schedules may go by a calendar. */
  private readonly wallOffset: number
  private readonly graceUntil: number
  /** Whether it begins with a submission: a 403 may then come from a proxy that has not recorded the job yet (LiteLLM). */
  private readonly isSubmitted: boolean
  private pollState: unknown
  private retryState: unknown = null
  private retrying = false
  private isLastPoll = false
  private isClosing = false
  /** A schedule's step that takes its time. */
  private stepping: Fiber.RuntimeFiber<unknown> | null = null

  constructor(
    job: Job,
    plan: Plan,
    start: Start,
    host: Host,
    runtime: Runtime.Runtime<never>,
    onReady: (watch: Watch) => void
  ) {
    this.job = job
    this.plan = plan
    this.host = host
    this.runtime = runtime
    this.onReady = onReady
    const now = host.now()
    const wallNow = host.wallNow()
    const { snapshot, submitted } = start
    const fresh =
      submitted !== null ||
      snapshot === null ||
      snapshot.createdAt === null ||
      wallNow - snapshot.createdAt.epochMillis < freshMillis
    this.counted = job.looks
    this.last = snapshot
    this.changedAt = now
    this.startedAt = now
    this.wallOffset = wallNow - now
    this.graceUntil = fresh ? now + plan.notFoundGrace : now
    this.isSubmitted = fresh && (submitted !== null || snapshot !== null || host.wasSubmitted(start.id))
    this.pollState = plan.poll.initial
  }

  /** The newest snapshot that this watch knows of. */
  get lastSnapshot(): VideoResource | null {
    return this.last
  }

  /** Plans the first poll: at once, or, for a job that was submitted just now, when the schedule and the server say. */
  begin({ snapshot, submitted }: Start): void {
    const { latest } = this.job
    if (snapshot !== null && submitted === null && isTerminal(snapshot)) {
      this.push(snapshot)
      this.end(Exit.void)
    } else if (latest !== null) {
      this.see(latest)
      if (this.exit === null) this.planPoll(latest, this.job.lookedAt, this.job.hintedUntil)
    } else if (snapshot === null || submitted === null || this.job.isExpected) {
      this.pollAt(this.job.isExpected ? this.startedAt : this.job.poller.firstPollAt(this.job))
    } else {
      const { hint } = submitted
      const hintedUntil = hint === null ? Number.NEGATIVE_INFINITY : this.startedAt + Duration.toMillis(hint)
      this.planPoll(snapshot, this.startedAt, hintedUntil)
    }
  }

  /** Takes what the consumer has not taken yet. */
  drain(): ReadonlyArray<VideoResource> {
    const { pending } = this
    this.pending = null
    return pending === null ? [] : Array.isArray(pending) ? pending : [pending]
  }

  see(video: VideoResource): void {
    if (isStale(this.last, video)) return
    this.retrying = false
    const changed = this.last === null || (this.last !== video && !isSameSnapshot(this.last, video))
    if (changed) {
      this.last = video
      this.changedAt = this.host.now()
    }
    if (isTerminal(video)) {
      this.push(video)
      this.end(Exit.void)
    } else if (changed || this.plan.buffer > 0) this.push(video)
  }

  settle(outcome: Outcome): void {
    this.waiting = false
    this.counted = this.job.looks
    if (outcome._tag === "Died") this.end(Exit.failCause(outcome.cause))
    else if (outcome._tag === "Failed") this.recover(outcome.error)
    else this.goOn(outcome.video)
  }

  /** Whether a poll is due, and none has come since the last that counted. */
  get needsPoll(): boolean {
    return !(this.waiting || this.isClosing) && (this.isLastPoll || this.job.looks === this.counted)
  }

  /** The time that `wakeAt` named has come. */
  due(): void {
    const { isAsked, outcome, single } = this.job
    if (this.waiting || this.isClosing || this.stepping !== null) this.expire()
    // A poll that is on its way is newer than the last one.
    else if (this.needsPoll || outcome === null || isAsked || single !== null) this.poll()
    else this.settle(outcome)
  }

  poke(): void {
    if (!this.waiting && !this.isLastPoll) this.poll()
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

  /** The last poll is taken; the watch waits for its deadline. */
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

  private fail(error: WatchError): void {
    this.end(Exit.fail(error))
  }

  private expire(): void {
    this.fail(
      new Errors.WatchTimeoutError({
        operation: this.plan.operation,
        reason: "deadline",
        videoId: this.job.id,
        lastSnapshot: this.last,
        elapsed: Duration.millis(this.host.now() - this.startedAt)
      })
    )
  }

  /** After a poll that succeeded and did not end the watch. */
  private goOn(video: VideoResource): void {
    this.retrying = false
    const { last } = this
    const unchangedFor = this.host.now() - this.changedAt
    if (last !== null && unchangedFor >= this.plan.stallTimeout) {
      this.fail(
        new Errors.WatchTimeoutError({
          operation: this.plan.operation,
          reason: "stalled",
          videoId: this.job.id,
          lastSnapshot: last,
          elapsed: Duration.millis(this.host.now() - this.startedAt),
          unchangedFor: Duration.millis(unchangedFor)
        })
      )
    } else if (this.isLastPoll) this.close()
    else this.planPoll(video, this.job.lookedAt, this.job.hintedUntil)
  }

  /**
   * Plans the next poll after one that succeeded, or ends the watch with its schedule. The delay counts from that poll,
   * whichever watch or page it was for: so the jobs of one page become due together. A schedule's own time begins with the
   * watch, though: one that lasts a minute lasts a minute.
   */
  private planPoll(video: VideoResource, lookedAt: number, hintedUntil: number): void {
    const { hintShortens, maxRetryAfter, poll, stallTimeout } = this.plan
    this.step(poll, this.pollState, video, Math.max(lookedAt, this.startedAt), (state, delay) => {
      this.pollState = state
      if (delay === null) return this.expire()
      const hinted = Math.min(hintedUntil, lookedAt + maxRetryAfter)
      const wanted = hintShortens && hinted > lookedAt ? hinted : lookedAt + delay
      const stalledAt = Math.max(this.host.now(), this.changedAt + stallTimeout)
      this.pollAt(Math.max(hinted, Math.min(Math.max(wanted, lookedAt + this.host.safetyNet(this.job)), stalledAt)))
    })
  }

  /** Plans the next poll after one that failed, or gives up. */
  private recover(error: RetrieveVideoError): void {
    const isUnknown =
      error._tag === "VideoNotFoundError" ||
      (error._tag === "AuthenticationError" && error.reason === "forbidden" && this.isSubmitted)
    const lagging = isUnknown && this.host.now() < this.graceUntil
    if (!error.isTransient && !lagging) this.fail(error)
    else if (this.isLastPoll) this.close()
    else this.planRetry(error)
  }

  private planRetry(error: RetrieveVideoError): void {
    const { maxRetryAfter, retry } = this.plan
    if (!this.retrying) this.retryState = retry.initial
    this.retrying = true
    this.step(retry, this.retryState, error, this.host.now(), (state, delay) => {
      this.retryState = state
      const retryAfter = Errors.retryAfterOf(error)
      const floor = retryAfter === null ? 0 : Duration.toMillis(retryAfter)
      if (delay === null || floor > maxRetryAfter) return this.fail(error)
      metrics.retried()
      this.pollAt(this.job.lookedAt + Math.max(delay, floor))
    })
  }

  /**
   * Runs one step of a schedule and passes its delay on, `null` once the schedule has ended. Not `Schedule.driver`, which
   * sleeps: a fiber per waiting watch costs more memory than all else. A step may take its time; the deadline holds.
   */
  private step<In>(
    schedule: Schedule.Schedule<unknown, In>,
    state: unknown,
    input: In,
    at: number,
    then: (state: unknown, delay: number | null) => void
  ): void {
    const now = at + this.wallOffset
    const fiber = Runtime.runFork(
      this.runtime,
      Effect.suspend(() => schedule.step(now, input, state))
    )
    const done = (exit: Exit.Exit<readonly [unknown, unknown, ScheduleDecision.ScheduleDecision]>) => {
      if (Exit.isFailure(exit)) return this.end(exit)
      const [next, , decision] = exit.value
      const delay = ScheduleDecision.isDone(decision) ? null : Math.max(0, Intervals.start(decision.intervals) - now)
      if (Number.isNaN(delay)) this.end(Exit.die(new TypeError("a schedule gave a delay that is not a number")))
      else then(next, delay)
    }
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
