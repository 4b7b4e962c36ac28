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

/** For how long after a job's end its content may be missing: as long as a job may be missing in the list. */
const defaultGrace: Duration.DurationInput = "30 seconds"

/** A job that was made longer ago, and does not say when it ended, has not ended just now. */
const longestJob = 60 * 60_000

/** More jobs than end while one download waits. */
const maxJobs = 256

/** An error for the content of a completed job that may pass: replica lag. */
export class Lagging extends Data.TaggedError("Lagging")<{
  readonly error: VideosHttpError
  readonly video: VideoResource
  /** The response of the content route and the addresses in the job, for the error. */
  readonly detail: string | null
}> {}

/** The jobs that this `Videos` has seen recently in some state, and when it first did, in monotonic milliseconds. */
export class RecentJobs {
  private readonly seen = new Map<string, { readonly video: VideoResource; readonly at: number }>()

  add(video: VideoResource, now: number): void {
    if (this.seen.has(video.id)) return
    this.seen.set(video.id, { video, at: now })
    // A Map keeps its order: the oldest goes first.
    if (this.seen.size > maxJobs) {
      const [oldest] = this.seen.keys()
      if (oldest !== undefined) this.seen.delete(oldest)
    }
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

/** @internal */
export const graceOf = (options: ContentOptions | undefined): number =>
  Duration.toMillis(options?.contentGrace ?? defaultGrace)

/** 409 and 425 have been tried again by then. */
type Refusal = Errors.VideoNotFoundError | Errors.BadRequestError | Errors.ResponseDecodeError

const gone = /expired|deleted|no longer|\bgone\b/i
const notYet =
  /not (yet )?(been )?(ready|complete|finished|available|generated|rendered|processed)|not_(ready|complete|finished|available)|in[ _-]progress|still (being )?(process|generat|render|encod|upload|prepar|running|queued|pending)|(is|are) (being )?(process|generat|render|encod|upload|prepar)(ed|ing)|(please|try again) (later|wait)/i
/** The server has the clip, and not this variant of it. */
const isOther = /variant|not supported|unsupported|no (such )?(thumbnail|spritesheet)/i

const wordsOf = (refusal: Refusal): string => `${"code" in refusal ? refusal.code : ""} ${refusal.detail}`

/** Whether the server says that the content has been there. */
export const isGone = (refusal: Refusal): boolean => refusal.status === 410 || gone.test(wordsOf(refusal))

/** Whether the server's words leave open that the content is yet to come. */
const mayCome = (refusal: Refusal): boolean => {
  const words = wordsOf(refusal)
  return notYet.test(words) || (refusal.status === 404 && !gone.test(words) && !isOther.test(words))
}

/**
 * Whether the content of a completed job may be yet to come. A job's end counts by the server's clock, or, where the job does
 * not say when it was, or says what cannot be, from when this program first saw it.
 */
export const isReplicaLag = (
  video: VideoResource,
  error: Refusal,
  times: { readonly now: number; readonly serverNow: number; readonly grace: number },
  endedJobs: RecentJobs
): boolean => {
  const { grace, now, serverNow } = times
  if (!mayCome(error) || (video.expiresAt !== null && video.expiresAt.epochMillis <= serverNow)) return false
  // A second for what both times leave out.
  const age = video.completedAt === null ? -Infinity : serverNow - video.completedAt.epochMillis
  if (age >= -1000) return age < grace
  if (video.createdAt !== null && serverNow - video.createdAt.epochMillis > longestJob) return false
  return endedJobs.findRecent(video.id, grace, now) !== null
}

/** The error once the wait is over: `VideoNotReadyError`, or the 403 that did not pass. */
export const failNotReady = ({
  detail,
  error,
  video
}: Lagging): Effect.Effect<never, Errors.VideoNotReadyError | Errors.AuthenticationError> =>
  Effect.fail(
    error._tag === "AuthenticationError"
      ? error
      : new Errors.VideoNotReadyError({ operation: "downloadVideo", video, detail })
  )

/** Tries again by the read schedule during replica lag, for `totalTimeout` at most; then fails with `VideoNotReadyError`. */
export const retryWhileLagging = <A>(
  attempt: (options: ContentOptions | undefined) => Effect.Effect<A, DownloadVideoError | Lagging>,
  options: ContentOptions | undefined,
  policy: DownloadPolicy
): Effect.Effect<A, DownloadVideoError> => {
  if (options?.retry === false) return Effect.catchTag(attempt(options), "Lagging", failNotReady)
  const { maxRetryAfter, retry, totalTimeout } = policy
  return Effect.flatMap(currentMonotonicMillis, (begunAt) => {
    const nextDelay = retryDelays<VideosHttpError>({ schedule: retry, maxRetryAfter })
    const until = begunAt + Duration.toMillis(options?.totalTimeout ?? totalTimeout)
    const run = (given: ContentOptions | undefined): Effect.Effect<A, DownloadVideoError> =>
      Effect.catchTag(attempt(given), "Lagging", (lagging) =>
        Effect.flatMap(Effect.zip(nextDelay(lagging.error), currentMonotonicMillis), ([millis, now]) => {
          if (millis === null || now + millis >= until) return failNotReady(lagging)
          const left = until - now - millis
          return Effect.delay(run(left === Infinity ? given : { ...given, totalTimeout: left }), millis)
        })
      )
    return run(options)
  })
}
