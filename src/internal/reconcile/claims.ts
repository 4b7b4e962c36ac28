/** The submissions in progress of one `Videos`, the jobs that they have made, and the jobs that existed before them. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Hash from "effect/Hash"
import type { Submission } from "../protocol/submissionRequests.js"
import type { VideoResource } from "../protocol/videoSchemas.js"
import { criteriaOf, type JobCriteria, mayBecome } from "./matchJob.js"
import { tolerance } from "./readNewestJobs.js"

/**
 * `sent`: waits for its response. `unknown`: reconciliation reads the list for its job. `interrupted`: its caller is gone, but it
 * may have made a job. `given up`: it failed with an error that says that it may have made one.
 */
export type State = "sent" | "unknown" | "interrupted" | "given up"

/** One submission. It is kept after its call has ended if its outcome is unknown. */
export interface Entry {
  readonly submission: Submission
  readonly criteria: JobCriteria
  /** Monotonic milliseconds. */
  readonly begunAt: number
  /** The number of the event that began it. */
  readonly begun: number
  state: State
  /** The number of the event that ended it. */
  ended: number
  /** The job that it has made, once that is known. */
  job: string | null
  /** Completed when the response has come, or certainly will not. */
  responded: Deferred.Deferred<void>
}

/** The submission that made a job. */
interface Held {
  /** When the submission was found to have made it, in monotonic milliseconds. */
  readonly at: number
  /** Hash of the submission's `Idempotency-Key`: shorter, because many are remembered. */
  readonly key: number
  /** `created_at` and `expires_at` of the job, in Unix milliseconds. */
  readonly createdAt: number | null
  readonly expiresAt: number | null
}

/** What this process knows of a job. */
interface Known {
  /** The job existed when this event happened, and at this time in monotonic milliseconds. */
  since: number
  at: number
  /** `created_at`, in Unix milliseconds. */
  createdAt: number | null
  /** Whether it was deleted, here or by the server: a list may leave it out. */
  isGone: boolean
  /** Set once a submission of this `Videos` is found to have made it; then no other submission can have. */
  held: Held | null
  /** Whether an error has named it as a candidate. */
  named: boolean
}

const keyMark = ({ submission }: Entry): number => Hash.string(submission.idempotencyKey)

/** More jobs than are made during one reconciliation. */
const maxKnown = 10_000

/**
 * For how long a list has to show a job that was made here, if it is complete. A reconciliation takes minutes, so that a day has
 * more than enough jobs to tell a list that leaves out some; what is older, a server may have archived.
 */
const maxDueAge = 24 * 60 * 60_000

const millis = (time: VideoResource["createdAt"]): number | null => time?.epochMillis ?? null
const maxEnded = 1000

export class Claims {
  // Events are put in order by counting: two of one millisecond have no order by the clock.
  private events = 0
  private readonly known = new Map<string, Known>()
  private readonly active = new Set<Entry>()
  /** Submissions that were interrupted or given up while others were active. */
  private ended: Array<Entry> = []

  begin(submission: Submission, now: number): Entry {
    const criteria = criteriaOf(submission)
    if (criteria.source !== null) this.record(criteria.source, now)
    const entry: Entry = {
      submission,
      criteria,
      begunAt: now,
      begun: ++this.events,
      state: "sent",
      ended: Infinity,
      job: null,
      responded: Deferred.unsafeMake(FiberId.none)
    }
    this.active.add(entry)
    return entry
  }

  now(): number {
    return this.events
  }

  /** The submission was sent again: it waits for another response. */
  markSent(entry: Entry): void {
    entry.state = "sent"
    entry.responded = Deferred.unsafeMake(FiberId.none)
  }

  markUnknown(entry: Entry): void {
    entry.state = "unknown"
    Deferred.unsafeDone(entry.responded, Effect.void)
  }

  /** The submission has made this job. */
  hold(entry: Entry, { createdAt, expiresAt, id }: VideoResource, now: number): void {
    entry.job = id
    const known = this.record(id, now)
    if (known.held !== null && known.held.createdAt === millis(createdAt)) return
    known.held = { at: now, key: keyMark(entry), createdAt: millis(createdAt), expiresAt: millis(expiresAt) }
    known.isGone = false
  }

  /**
   * Whether a response names a job that another submission holds. A submission with the same `Idempotency-Key` is not another
   * one. A job with the same id and another time is not the same job: a server that keeps its jobs in memory may reuse ids
   * after a restart.
   */
  isOfAnother(entry: Entry, { createdAt, id }: VideoResource): boolean {
    const held = this.known.get(id)?.held
    if (held == null || entry.job === id || held.key === keyMark(entry)) return false
    return held.createdAt === null || createdAt === null || held.createdAt === createdAt.epochMillis
  }

  end(entry: Entry, as: "settled" | "interrupted" | "given up"): void {
    this.active.delete(entry)
    entry.ended = ++this.events
    Deferred.unsafeDone(entry.responded, Effect.void)
    if (this.active.size === 0) this.ended = []
    else if (as !== "settled") {
      entry.state = as
      this.ended.push(entry)
      if (this.ended.length > maxEnded) this.ended.shift()
    }
  }

  /** Records a job that a list has shown at this time. `before`: a submission that certainly began after the job was made. */
  recordSeen({ createdAt, id }: VideoResource, at: number, before: Entry | null): void {
    const known = this.record(id, at)
    known.createdAt ??= millis(createdAt)
    if (before === null || known.since < before.begun) return
    known.since = before.begun - 0.5
    known.at = Math.min(known.at, before.begunAt)
  }

  /** Records a new job that has the id of an earlier one. */
  recordReused({ createdAt, id }: VideoResource, at: number): void {
    Object.assign(this.record(id, at), { since: ++this.events, at, createdAt: millis(createdAt) })
  }

  name(id: string, now: number): void {
    this.record(id, now).named = true
  }

  /** Marks a job that was deleted or has failed: a list may leave it out. */
  forget(id: string): void {
    const known = this.known.get(id)
    if (known !== undefined) known.isGone = true
  }

  isHeld(id: string): boolean {
    return this.known.get(id)?.held != null
  }

  /** Whether a submission with the same `Idempotency-Key` has made the job. */
  isUnderKey(entry: Entry, id: string): boolean {
    return this.known.get(id)?.held?.key === keyMark(entry)
  }

  /** Whether another submission has made the job, or the job existed before this submission began. */
  isKnown(video: VideoResource, entry: Entry): boolean {
    return (this.isHeld(video.id) && !this.isLater(video)) || this.existedBefore(video.id, entry)
  }

  isCandidate(id: string): boolean {
    return this.known.get(id)?.named === true
  }

  existedBefore(id: string, entry: Entry): boolean {
    return (this.known.get(id)?.since ?? Infinity) < entry.begun
  }

  /** Whether this is a new job with a known id: a server that keeps its jobs in memory reuses ids after a restart. */
  isLater({ createdAt, id }: VideoResource): boolean {
    const known = this.known.get(id)
    const before = known?.held?.createdAt ?? known?.createdAt
    return before != null && createdAt !== null && createdAt.epochMillis > before + tolerance
  }

  /** For how many milliseconds the job had been known when the submission began. */
  knownFor(id: string, entry: Entry): number {
    return Math.max(0, entry.begunAt - (this.known.get(id)?.at ?? entry.begunAt))
  }

  /** The jobs that a complete list has to show, with their `createdAt`: made at least `lag` before `at`, and not gone. */
  due(at: number, lag: number, serverNow: number): ReadonlyArray<readonly [id: string, createdAt: number | null]> {
    const due: Array<readonly [string, number | null]> = []
    for (const [id, { held, isGone }] of this.known) {
      if (held === null || isGone || (held.expiresAt !== null && held.expiresAt <= serverNow)) continue
      if (held.at < at - lag && held.at >= at - maxDueAge) due.push([id, held.createdAt])
    }
    return due
  }

  isGone(id: string): boolean {
    return this.known.get(id)?.isGone === true
  }

  /** The other submissions in progress at the same time, if their prompt could make their job look like the entry's. */
  rivals(entry: Entry): ReadonlyArray<Entry> {
    const { prompt } = entry.criteria
    return this.others(entry).filter(
      ({ ended, criteria }) =>
        ended > entry.begun &&
        (criteria.prompt === prompt ||
          (criteria.prompt !== null && prompt !== null && mayBecome(criteria.prompt, prompt)))
    )
  }

  /** All other submissions whose job is not known. */
  others(entry: Entry): ReadonlyArray<Entry> {
    return [...this.active, ...this.ended].filter((other) => other !== entry)
  }

  private record(id: string, at: number): Known {
    const before = this.known.get(id)
    if (before !== undefined) return before
    const known: Known = { since: ++this.events, at, createdAt: null, isGone: false, held: null, named: false }
    this.known.set(id, known)
    const [oldest] = this.known.keys()
    if (this.known.size > maxKnown && oldest !== undefined) this.known.delete(oldest)
    return known
  }
}
