/** Which submissions of one `Videos` are on their way, which jobs they hold, and which jobs were there before them. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Hash from "effect/Hash"
import type { VideoResource } from "../Schema.js"
import { isSameRequest, promptMark, type Sought, soughtOf } from "./reconcileMatch.js"
import type { Submission } from "./submissions.js"

/**
 * `sent`: its answer is waited for. `unknown`: its outcome is looked for. `interrupted`: nobody waits for it any more, but it
 * may have made a job. `given up`: its caller was told that it may have made one.
 */
export type State = "sent" | "unknown" | "interrupted" | "given up"

/** One submission, from its call to its end, and beyond where its outcome stays unknown. */
export interface Entry {
  readonly submission: Submission
  readonly sought: Sought
  /** Unix milliseconds of the `Clock`. */
  readonly begunAt: number
  /** The place of its beginning in the order of events. */
  readonly begun: number
  state: State
  /** The place of its end. */
  ended: number
  /** The job that it has made, once that is known. */
  job: string | null
  /** Completed when the answer that is waited for has come, or certainly will not. */
  answered: Deferred.Deferred<void>
}

/** Whose a job is. */
interface Held {
  /** When that was found out. */
  readonly at: number
  /** Stand for the submission's prompt and its `Idempotency-Key`: many are remembered. */
  readonly mark: number | null
  readonly key: number
  /** When the server says that it was made. */
  readonly createdAt: number | null
}

/** A job as it was first heard of. */
interface Known {
  readonly since: number
  /** The submission of this `Videos` that was found to have made it; it is nobody else's then. */
  held: Held | null
  /** Whether a caller was told that it may be the one. */
  named: boolean
}

const keyMark = ({ submission }: Entry): number => Hash.string(submission.idempotencyKey)

/** More jobs than are made while one submission is looked for. */
const maxKnown = 10_000
const maxEnded = 1000

/** @internal */
export class Claims {
  // Events are put in order by counting: two of one millisecond have no order by the clock.
  private events = 0
  private readonly known = new Map<string, Known>()
  private readonly active = new Set<Entry>()
  /** Those that were interrupted or given up while others were active. */
  private ended: Array<Entry> = []

  begin(submission: Submission, now: number): Entry {
    const sought = soughtOf(submission)
    if (sought.source !== null) this.knownAs(sought.source)
    const entry: Entry = {
      submission,
      sought,
      begunAt: now,
      begun: ++this.events,
      state: "sent",
      ended: Infinity,
      job: null,
      answered: Deferred.unsafeMake(FiberId.none)
    }
    this.active.add(entry)
    return entry
  }

  /** The place of what happens now. */
  now(): number {
    return this.events
  }

  /** Its answer is waited for again. */
  sendAgain(entry: Entry): void {
    entry.state = "sent"
    entry.answered = Deferred.unsafeMake(FiberId.none)
  }

  lost(entry: Entry): void {
    entry.state = "unknown"
    Deferred.unsafeDone(entry.answered, Effect.void)
  }

  /** The submission has made this job. */
  hold(entry: Entry, { createdAt, id }: VideoResource, now: number): void {
    entry.job = id
    const known = this.knownAs(id)
    if (known.held !== null && known.held.createdAt === (createdAt?.epochMillis ?? null)) return
    known.held = {
      at: now,
      mark: promptMark(entry.sought.prompt),
      key: keyMark(entry),
      createdAt: createdAt?.epochMillis ?? null
    }
  }

  /**
   * Whether an answer names a job that another submission holds. Under the same `Idempotency-Key` that is no other: the
   * server has known it again. Nor is it the same job where it was made at another time: a server that keeps its jobs in
   * memory may count anew once it is started again.
   */
  isOthers(entry: Entry, { createdAt, id }: VideoResource): boolean {
    const held = this.known.get(id)?.held
    if (held == null || entry.job === id || held.key === keyMark(entry)) return false
    return held.createdAt === null || createdAt === null || held.createdAt === createdAt.epochMillis
  }

  end(entry: Entry, as: "settled" | "interrupted" | "given up"): void {
    this.active.delete(entry)
    entry.ended = ++this.events
    Deferred.unsafeDone(entry.answered, Effect.void)
    if (this.active.size === 0) this.ended = []
    else if (as !== "settled") {
      entry.state = as
      this.ended.push(entry)
      if (this.ended.length > maxEnded) this.ended.shift()
    }
  }

  /** A list has shown it. */
  saw(id: string): void {
    this.knownAs(id)
  }

  name(id: string): void {
    this.knownAs(id).named = true
  }

  /** It was deleted: no list has to show it. */
  forget(id: string): void {
    const known = this.known.get(id)
    if (known?.held != null) known.held = { ...known.held, at: Infinity, mark: null }
  }

  isHeld(id: string): boolean {
    return this.known.get(id)?.held != null
  }

  /** Whether a submission with the same `Idempotency-Key` has made it. */
  isUnderKey(entry: Entry, id: string): boolean {
    return this.known.get(id)?.held?.key === keyMark(entry)
  }

  isNamed(id: string): boolean {
    return this.known.get(id)?.named === true
  }

  /** Whether it was there before the submission began. */
  wasBefore(id: string, entry: Entry): boolean {
    return (this.known.get(id)?.since ?? Infinity) < entry.begun
  }

  /** What the prompt of the job was when it was sent; `null` where that is not known. */
  markOf(id: string): number | null {
    return this.known.get(id)?.held?.mark ?? null
  }

  /** The jobs that have been held since before a time. */
  heldBefore(time: number): ReadonlyArray<string> {
    return [...this.known].flatMap(([id, { held }]) => (held !== null && held.at < time ? [id] : []))
  }

  /** The others whose job could be taken for the entry's: those with its prompt that were on their way at the same time. */
  rivals(entry: Entry): ReadonlyArray<Entry> {
    return [...this.active, ...this.ended].filter(
      (other) => other !== entry && other.sought.prompt === entry.sought.prompt && other.ended > entry.begun
    )
  }

  /** Whether another submission has this prompt. */
  isAskedFor(prompt: string, entry: Entry): boolean {
    for (const other of [...this.active, ...this.ended]) {
      if (other !== entry && other.sought.prompt === prompt) return true
    }
    return false
  }

  isTwin(a: Entry, b: Entry): boolean {
    return isSameRequest(a.submission, b.submission)
  }

  private knownAs(id: string): Known {
    const before = this.known.get(id)
    if (before !== undefined) return before
    const known: Known = { since: ++this.events, held: null, named: false }
    this.known.set(id, known)
    // A Map keeps its order: the oldest goes first.
    if (this.known.size > maxKnown) for (const oldest of this.known.keys()) return this.drop(oldest, known)
    return known
  }

  private drop(id: string, known: Known): Known {
    this.known.delete(id)
    return known
  }
}
