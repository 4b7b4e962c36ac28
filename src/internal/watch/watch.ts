/** One consumer's watch of one job: when it wants a look, what it makes of what is seen, when it ends. Sends nothing. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Runtime from "effect/Runtime"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as Intervals from "effect/ScheduleIntervals"
import * as Errors from "../errors/errors.js"
import type { CallOptions } from "../http/httpTypes.js"
import { isSameSnapshot, isTerminal, phaseOf, type VideoPhase, type VideoResource } from "../protocol/videoSchemas.js"
import type { RetrieveVideoError } from "../videosTypes.js"
import * as metrics from "./metrics.js"
import type { Draw, Rule } from "./scheduleRule.js"
import type { Step, Stepped } from "./scheduleSteps.js"
import type { Row, Slot } from "./timerHeap.js"
import type { Feed } from "./updateQueue.js"
import type { Job } from "./watchHub.js"

/** What the requests of a watch carry beside what they all do. */
export interface Polled {
  /** The same for options that are equal by value; empty where there are none. */
  readonly key: string
  readonly options: Pick<CallOptions, "extraHeaders" | "extraQuery">
}

/** What watches have in common that were begun by one call. */
export interface Plan {
  readonly polled: Polled
  readonly operation: "watchVideo" | "awaitVideo"
  readonly poll: Schedule.Schedule<unknown, VideoResource>
  /** What `poll` does, where that is known: its steps are plain calls then. */
  readonly rule: Rule<unknown> | null
  /** Whether the server's hint may also shorten the schedule's delay. */
  readonly hintShortens: boolean
  readonly retry: Schedule.Schedule<unknown, RetrieveVideoError>
  /** How many snapshots wait for a slow consumer, every look's among them; 0: the newest, and only where it differs. */
  readonly buffer: number
  readonly totalTimeout: number
  readonly stallTimeout: number
  readonly maxRetryAfter: number
  readonly notFoundGrace: number
}

/** What one watch begins with. */
export interface Start {
  readonly id: string
  /** What the caller has seen already: changes are told from here on, and it is not emitted again. */
  readonly snapshot: VideoResource | null
  /** The submission was answered just now: the first look waits, and a 404 may be a replica that lags. */
  readonly submitted: { readonly hint: Duration.Duration | null } | null
}

/** @internal */
export type WatchError = RetrieveVideoError | Errors.WatchTimeoutError

/** What one look came to, for all who watch the job. */
export type Outcome =
  | { readonly _tag: "Seen"; readonly video: VideoResource }
  | { readonly _tag: "Failed"; readonly error: RetrieveVideoError }
  | { readonly _tag: "Died"; readonly cause: Cause.Cause<never> }

/** @internal */
export const died = (defect: unknown): Outcome => ({ _tag: "Died", cause: Cause.die(defect) })

/** What a watch needs of the hub. */
export interface Host {
  /** Monotonic, in milliseconds. */
  readonly now: () => number
  /** The time of day, in Unix milliseconds. */
  readonly wallNow: () => number
  /** Runs the step of a schedule, before the hub rests again. */
  readonly step: (step: Step) => void
  /** Calls `due` at that time; `Infinity` for never. */
  readonly wakeAt: (watch: Watch, at: number) => void
  /** Gives the watch the job's next look. */
  readonly look: (watch: Watch) => void
  /** Gives the requests that no watch needs any more. */
  readonly leave: (watch: Watch) => ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>>
  /** The least pause between looks while events are pushed, in milliseconds; 0 where none are. */
  readonly safetyNet: (job: Job) => number
  /** Whether the job was submitted here just now. */
  readonly wasSubmitted: (id: string) => boolean
}

/** How long before its end a watch takes its last look, so that an answer at the last moment is not a time-out. */
const lastLookMargin = 500

/** A snapshot this young may belong to a job that replicas have not heard of. */
const freshMillis = 60_000

const rank: { readonly [phase in VideoPhase]: number } = { waiting: 0, running: 1, succeeded: 2, failed: 2 }

/** A job never goes from running back to waiting: such an answer comes from a replica that lags. */
export const isStale = (last: VideoResource | null, next: VideoResource): boolean =>
  last !== null && rank[phaseOf(next)] < rank[phaseOf(last)]

const isOnItsWay = (job: Job): boolean => job.isAsked || job.single !== null

/** @internal */
export class Watch implements Row<Watch> {
  readonly job: Job
  readonly runtime: Runtime.Runtime<never>
  dueAt = 0
  slot: Slot<Watch> | null = null
  before: Watch | null = null
  after: Watch | null = null
  /** How many of the job's looks have counted for the poll schedule: one that came since is not asked for again. */
  counted: number
  waiting = false
  /** Whether the feed knows that there is something to take. */
  isReady = false
  exit: Exit.Exit<void, WatchError> | null = null

  private readonly plan: Plan
  private readonly host: Host
  private readonly feed: Feed
  private pending: VideoResource | Array<VideoResource> | null = null
  private last: VideoResource | null
  private changedAt: number
  private readonly startedAt: number
  /** Between the monotonic time and the time of day, as of the start: schedules that go by a calendar get what they expect. */
  private readonly wallOffset: number
  private readonly graceUntil: number
  /** Whether it begins with a submission: a 403 is then a server that has not recorded yet whose job it is (LiteLLM). */
  private readonly isSubmitted: boolean
  private pollState: unknown
  private retryState: unknown = null
  private retrying = false
  private isLastLook = false
  private isClosing = false
  /** A step of a schedule takes its time. */
  private isStepping = false

  constructor(job: Job, plan: Plan, start: Start, host: Host, feed: Feed, runtime: Runtime.Runtime<never>) {
    this.job = job
    this.plan = plan
    this.host = host
    this.feed = feed
    this.runtime = runtime
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

  /** The first look: at once, or, for a job that was submitted just now, when the schedule and the server say. */
  begin({ snapshot, submitted }: Start): void {
    const { latest } = this.job
    if (snapshot !== null && submitted === null && isTerminal(snapshot)) {
      this.push(snapshot)
      this.end(Exit.void)
    } else if (latest !== null) {
      this.see(latest)
      if (this.exit === null) this.plot(latest, this.job.lookedAt, this.job.hint)
    } else if (snapshot === null || submitted === null || this.job.isExpected) {
      this.lookAt(this.startedAt)
    } else {
      this.plot(snapshot, this.startedAt, submitted.hint === null ? null : Duration.toMillis(submitted.hint))
    }
  }

  /** What the consumer has not taken. */
  drain(): ReadonlyArray<VideoResource> {
    const { pending } = this
    this.pending = null
    return pending === null ? [] : Array.isArray(pending) ? pending : [pending]
  }

  /** A look at the job, whoever asked for it. */
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

  /** The look that this watch waited for, or one since its last. */
  settle(outcome: Outcome): void {
    this.waiting = false
    this.counted = this.job.looks
    if (outcome._tag === "Died") this.end(Exit.failCause(outcome.cause))
    else if (outcome._tag === "Failed") this.recover(outcome.error)
    else this.goOn(outcome.video)
  }

  /** Whether a look is due that nobody has taken since this watch's last. */
  get needsLook(): boolean {
    return !(this.waiting || this.isClosing) && (this.isLastLook || this.job.looks === this.counted)
  }

  /** The time that `wakeAt` named has come. */
  due(): void {
    const { outcome } = this.job
    if (this.waiting || this.isClosing || this.isStepping) this.expire()
    // A look that is on its way is newer than one that has come.
    else if (this.needsLook || outcome === null || isOnItsWay(this.job)) this.look()
    else this.settle(outcome)
  }

  /** Something happened to the job elsewhere: look now, whatever the schedule says. */
  poke(): void {
    if (!this.waiting && !this.isLastLook) this.look()
  }

  end(exit: Exit.Exit<void, WatchError>): void {
    this.exit = exit
    this.host.leave(this)
    this.feed.notify(this)
  }

  /** Its consumer has left; gives the requests that no watch needs any more. */
  leave(): ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>> {
    return this.host.leave(this)
  }

  /** One step of the poll schedule as a plain call, where that can be. */
  reckon(step: Step, draw: Draw): boolean {
    const { rule } = this.plan
    if (rule === null || step.video === null) return false
    if (this.exit !== null) return true
    const random = draw.for(this.runtime)
    if (random === null) return false
    const now = step.now + this.wallOffset
    const seen = rule.see(this.pollState, now, step.video)
    this.planLook(step, seen, rule.delay(seen, now, random))
    return true
  }

  /** One step of a schedule; a user's may take its time, or break. */
  step({ error, now, video }: Step): Effect.Effect<Stepped> {
    return video === null
      ? this.plan.retry.step(now + this.wallOffset, error, this.retryState)
      : this.plan.poll.step(now + this.wallOffset, video, this.pollState)
  }

  /** The step takes its time; the watch's own is not longer for it. */
  stepsSlowly(): void {
    this.isStepping = true
    this.host.wakeAt(this, this.deadline)
  }

  /** A step that broke: a bug of the program, or its wish. */
  broke(exit: Exit.Exit<void, never>): void {
    if (this.exit === null) this.end(exit)
  }

  /** What a step came to. */
  stepped(step: Step, [state, , decision]: Stepped): void {
    this.isStepping = false
    if (this.exit !== null) return
    const planned = ScheduleDecision.isDone(decision)
      ? null
      : Math.max(0, Intervals.start(decision.intervals) - step.now - this.wallOffset)
    if (Number.isNaN(planned)) this.end(Exit.die(new TypeError("a schedule gave a delay that is not a number")))
    else if (step.video === null) this.planRetry(step.error, state, planned)
    else this.planLook(step, state, planned)
  }

  // internal

  private get deadline(): number {
    return this.startedAt + this.plan.totalTimeout
  }

  private get margin(): number {
    return Math.min(lastLookMargin, this.plan.totalTimeout / 10)
  }

  private look(): void {
    this.waiting = true
    this.isStepping = false
    // A look that begins late has some time all the same.
    this.host.wakeAt(this, Math.max(this.deadline, this.host.now() + this.margin))
    this.host.look(this)
  }

  /** The last look is taken; what is left is to wait for the deadline. */
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
    this.feed.notify(this)
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

  private lookAt(at: number): void {
    const lastLookAt = this.deadline - this.margin
    this.isLastLook = Math.max(this.host.now(), at) >= lastLookAt
    this.host.wakeAt(this, this.isLastLook ? lastLookAt : at)
  }

  /** After a look that succeeded and did not end the watch. */
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
    } else if (this.isLastLook) this.close()
    else this.plot(video, this.job.lookedAt, this.job.hint)
  }

  /**
   * Asks the poll schedule, once a look has succeeded: as of that look, which others may have asked for some time ago. What
   * has changed between two looks has changed between them, and not until a watch's turn came. A schedule's own time begins
   * with the watch, though: one that lasts for a minute lasts for a minute.
   */
  private plot(video: VideoResource, lookedAt: number, hint: number | null): void {
    this.host.step({ watch: this, now: Math.max(lookedAt, this.startedAt), video, error: null, lookedAt, hint })
  }

  /**
   * Sets the time of the next look after one that succeeded, or ends the watch with its schedule. All is reckoned from that
   * look, whoever asked for it: so those who share looks come to ask at the same moments.
   */
  private planLook({ hint, lookedAt }: Step, state: unknown, planned: number | null): void {
    this.pollState = state
    if (planned === null) {
      this.expire()
      return
    }
    const floor = hint === null ? 0 : Math.min(hint, this.plan.maxRetryAfter)
    const wanted = hint !== null && this.plan.hintShortens ? floor : Math.max(planned, floor)
    const delay = Math.max(wanted, this.host.safetyNet(this.job))
    const stalledAt = Math.max(this.host.now(), this.changedAt + this.plan.stallTimeout)
    this.lookAt(Math.max(lookedAt + floor, Math.min(lookedAt + delay, stalledAt)))
  }

  /** Sets the time of the next look after one that failed, or gives up. */
  private recover(error: RetrieveVideoError): void {
    const isUnknown =
      error._tag === "VideoNotFoundError" ||
      (error._tag === "AuthenticationError" && error.reason === "forbidden" && this.isSubmitted)
    const lagging = isUnknown && this.host.now() < this.graceUntil
    if (!error.isTransient && !lagging) this.fail(error)
    else if (this.isLastLook) this.close()
    else this.retry(error)
  }

  private retry(error: RetrieveVideoError): void {
    if (!this.retrying) this.retryState = this.plan.retry.initial
    this.retrying = true
    this.host.step({ watch: this, now: this.host.now(), video: null, error, lookedAt: this.job.lookedAt, hint: null })
  }

  private planRetry(error: RetrieveVideoError, state: unknown, planned: number | null): void {
    this.retryState = state
    const retryAfter = Errors.retryAfterOf(error)
    const floor = retryAfter === null ? 0 : Duration.toMillis(retryAfter)
    if (planned === null || floor > this.plan.maxRetryAfter) {
      this.fail(error)
    } else {
      metrics.retried()
      this.lookAt(this.job.lookedAt + Math.max(planned, floor))
    }
  }
}
