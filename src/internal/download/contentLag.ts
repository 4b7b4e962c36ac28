/** Content that is missing although its job has completed: deleted, or not there yet because of replica lag. */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { DownloadPolicy } from "../config/policies.js"
import * as Errors from "../errors/errors.js"
import type { VideosHttpError } from "../http/httpTypes.js"
import { retryDelays } from "../http/retryPolicy.js"
import { currentMonotonicMillis } from "../monotonicClock.js"
import type { ContentOptions } from "../protocol/requestSchemas.js"
import type { VideoResource } from "../protocol/videoSchemas.js"
import type { DownloadVideoError } from "../videosTypes.js"

/** A job that was made longer ago, and does not say when it ended, has not ended just now. */
const longestJob = 60 * 60_000

/** Content of a completed job that may be yet to come. */
export class Lagging extends Data.TaggedError("Lagging")<{
  /** What the server said; it may have a `Retry-After`. */
  readonly refusal: VideosHttpError
  /** The error once the wait is over: `VideoNotReadyError`, or the 403 that did not pass. */
  readonly last: Errors.VideoNotReadyError | Errors.AuthenticationError
}> {}

/** `detail`: the response of the content route and the addresses in the job, for the error. */
export const lagging = (refusal: VideosHttpError, video: VideoResource, detail: string | null = null): Lagging => {
  const isForbidden = refusal._tag === "AuthenticationError"
  const notReady = () => new Errors.VideoNotReadyError({ operation: "downloadVideo", video, detail })
  return new Lagging({ refusal, last: isForbidden ? refusal : notReady() })
}

/** The jobs that this `Videos` has seen recently in some state, and when it first did, in monotonic milliseconds. */
export class RecentJobs {
  private readonly seen = new Map<string, { readonly video: VideoResource; readonly at: number }>()
  private readonly capacity: number

  constructor(capacity: number) {
    this.capacity = capacity
  }

  add(video: VideoResource, now: number): void {
    if (this.seen.has(video.id)) return
    this.seen.set(video.id, { video, at: now })
    // A Map keeps its order: the oldest goes first.
    const [oldest = ""] = this.seen.keys()
    if (this.seen.size > this.capacity) this.seen.delete(oldest)
  }

  /** It was deleted. */
  forget(id: string): void {
    this.seen.delete(id)
  }

  /** The job, if it was first added less than `grace` milliseconds ago. */
  findRecent(id: string, grace: number, now: number): VideoResource | null {
    const seen = this.seen.get(id)
    return seen !== undefined && now - seen.at < grace ? seen.video : null
  }
}

/** For how long after a job's end its content may be missing: as long as a job may be missing in the list. */
export const graceOf = (options: ContentOptions | undefined): number =>
  Duration.toMillis(options?.contentGrace ?? "30 seconds")

/** What the content route said about a job that has completed. 409 and 425 have been retried by then. */
type Refusal = Errors.VideoNotFoundError | Errors.BadRequestError | Errors.ResponseDecodeError

const gone = /expired|deleted|no longer|\bgone\b/i
const notYet =
  /not (yet )?(been )?(ready|complete|finished|available|generated|rendered|processed)|not_(ready|complete|finished|available)|in[ _-]progress|still (being )?(process|generat|render|encod|upload|prepar|running|queued|pending)|(is|are) (being )?(process|generat|render|encod|upload|prepar)(ed|ing)|(please|try again) (later|wait)/i
/** The server has the clip, and not this variant of it. */
const otherVariant = /variant|not supported|unsupported|no (such )?(thumbnail|spritesheet)/i

const wordsOf = (refusal: Refusal): string => `${"code" in refusal ? refusal.code : ""} ${refusal.detail}`

/** Whether the server says that the content has been there. */
export const isGone = (refusal: Refusal): boolean => refusal.status === 410 || gone.test(wordsOf(refusal))

/**
 * Whether the content of a completed job may be yet to come. A job's end counts by the server's clock; if the job does
 * not say when it was, or says what cannot be, from when this program first saw it.
 */
export const isReplicaLag = (
  video: VideoResource,
  refusal: Refusal,
  { grace, now, serverNow }: { readonly now: number; readonly serverNow: number; readonly grace: number },
  endedJobs: RecentJobs
): boolean => {
  const words = wordsOf(refusal)
  const mayCome = notYet.test(words) || (refusal.status === 404 && !gone.test(words) && !otherVariant.test(words))
  if (!mayCome || (video.expiresAt !== null && video.expiresAt.epochMillis <= serverNow)) return false
  // A second for what both times leave out.
  const age = video.completedAt === null ? -Infinity : serverNow - video.completedAt.epochMillis
  if (age >= -1000) return age < grace
  if (video.createdAt !== null && serverNow - video.createdAt.epochMillis > longestJob) return false
  return endedJobs.findRecent(video.id, grace, now) !== null
}

/** Retries by the read schedule during replica lag, for `totalTimeout` at most. */
export const retryWhileLagging = <A>(
  attempt: (options: ContentOptions | undefined) => Effect.Effect<A, DownloadVideoError | Lagging>,
  options: ContentOptions | undefined,
  { maxRetryAfter, readRetry, totalTimeout }: DownloadPolicy
): Effect.Effect<A, DownloadVideoError> =>
  Effect.flatMap(currentMonotonicMillis, (begunAt) => {
    const nextDelay = retryDelays<VideosHttpError>({ schedule: readRetry, maxRetryAfter })
    const run = (given: ContentOptions | undefined): Effect.Effect<A, DownloadVideoError> =>
      Effect.catchTag(attempt(given), "Lagging", ({ last, refusal }) =>
        options?.singleAttempt === true
          ? Effect.fail(last)
          : Effect.flatMap(Effect.zip(nextDelay(refusal), currentMonotonicMillis), ([millis, now]) => {
              // `attempt` has checked the option.
              const until = begunAt + Duration.toMillis(options?.totalTimeout ?? totalTimeout)
              if (millis === null || now + millis >= until) return Effect.fail(last)
              const left = until - now - millis
              return Effect.delay(run(left === Infinity ? given : { ...given, totalTimeout: left }), millis)
            })
      )
    return run(options)
  })
