/** A watched job, and its place in the server's list: one page of the list observes many of them with one request. */
import type * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Runtime from "effect/Runtime"
import type * as Errors from "../errors/errors.js"
import type { CallOptions } from "../http/httpTypes.js"
import type { ListPage } from "../protocol/listCursor.js"
import { phaseOf, type VideoPhase, type VideoResource } from "../protocol/videoSchemas.js"
import type { ListVideosError, RetrieveVideoError } from "../videosTypes.js"

/** @internal */
export type WatchError = RetrieveVideoError | Errors.WatchTimeoutError

/** The result of one poll, for all watches of the job. */
export type Outcome =
  | { readonly _tag: "Seen"; readonly video: VideoResource }
  | { readonly _tag: "Failed"; readonly error: RetrieveVideoError }
  | { readonly _tag: "Died"; readonly cause: Cause.Cause<never> }

/** The headers and query of a watch's polls. */
export interface PollExtras {
  /** The same for extras that are equal by value; empty if there are none. */
  readonly key: string
  readonly options: Pick<CallOptions, "extraHeaders" | "extraQuery">
}

/** A watch, as its job's poller sees it. */
export interface Subscriber {
  /** Whether it waits for the poll that is on its way. */
  readonly waiting: boolean
  readonly dueAt: number
  readonly runtime: Runtime.Runtime<never>
  /** An observation, whichever watch asked for it. */
  see(video: VideoResource): void
  /** The result of the poll that it waited for. */
  settle(outcome: Outcome): void
  /** Polls at once, whatever the schedule says. */
  poke(): void
  end(exit: Exit.Exit<void, WatchError>): void
}

/** One watched job. Times are monotonic, in milliseconds. */
export interface Job {
  readonly id: string
  readonly watches: Set<Subscriber>
  readonly poller: { readonly poll: (job: Job) => void; readonly firstPollAt: (job: Job) => number }
  latest: VideoResource | null
  /** The newest poll's result, how many polls there were, and when the newest ended. */
  outcome: Outcome | null
  looks: number
  lookedAt: number
  /** Until when the server wants no further poll of this job. */
  hintedUntil: number
  /** An event says that the job ended, and no poll has confirmed it yet. */
  isExpected: boolean
  /** A poll is wanted, and no single poll is on its way. */
  isAsked: boolean
  single: Fiber.RuntimeFiber<unknown, unknown> | null
  /** The page that shows it; `null` if none is known. */
  segment: Segment | null
  /** The last search for it in the list that did not find it. */
  searched: Searched | null
}

const rank: { readonly [phase in VideoPhase]: number } = { waiting: 0, running: 1, succeeded: 2, failed: 2 }

/** A job never goes from running back to waiting: such a response comes from a replica that lags. */
export const isStale = (last: VideoResource | null, next: VideoResource): boolean =>
  last !== null && rank[phaseOf(next)] < rank[phaseOf(last)]

// -----------------------------------------------------------------------------
// places in the list
// -----------------------------------------------------------------------------

/** Jobs per page: the protocol's maximum. */
export const pageSize = 100

/** A page that shows fewer watched jobs than this is not worth its bytes. */
export const leastMembers = 4

/** A job this young may be missing in the list of a replica that lags. */
export const lagMillis = 10_000

/** The page after one job, which stays the same while new jobs come in front; or the newest page, if `after` is `null`. */
export interface Segment {
  readonly after: string | null
  /** The watched jobs that are read by it. */
  readonly members: Set<Job>
  isBeingRead: boolean
  wasRead: boolean
  /** Reads the page; made by the first read. */
  read: Effect.Effect<ListPage, ListVideosError> | null
}

/** @internal */
export const makeSegment = (after: string | null): Segment => ({
  after,
  members: new Set(),
  isBeingRead: false,
  wasRead: false,
  read: null
})

/** Whether one read of it observes enough jobs. */
export const isWorthAPage = ({ members }: Segment): boolean => members.size >= leastMembers

/** Moves a job to the page that shows it. */
export const place = (job: Job, segment: Segment | null): void => {
  job.segment?.members.delete(job)
  segment?.members.add(job)
  if (segment !== null) job.searched = null
  job.segment = segment
}

/** A search that did not find a job. */
export interface Searched {
  /** The creation times of the newest and the oldest job that it saw, in Unix milliseconds. */
  readonly newest: number
  readonly oldest: number
  /** When it ended, and how many there were for the job. */
  readonly at: number
  readonly times: number
}

/** After so many searches, it is not a list that lags. */
const maxSearches = 3

/**
 * Whether a search may find the job: none has been made, or the list may have lagged behind the job's creation. An older job
 * is further back in the list than the last search went.
 */
export const mayBeFound = ({ latest, searched }: Job, now: number): boolean => {
  if (searched === null) return true
  const createdAt = latest?.createdAt?.epochMillis
  return (
    searched.times < maxSearches &&
    now - searched.at >= lagMillis &&
    createdAt !== undefined &&
    createdAt > searched.oldest &&
    createdAt > searched.newest - lagMillis
  )
}

/** A job that left the page that had shown it: it is not searched for again. */
export const nowhere: Searched = {
  newest: Number.POSITIVE_INFINITY,
  oldest: Number.POSITIVE_INFINITY,
  at: Number.NEGATIVE_INFINITY,
  times: maxSearches
}
