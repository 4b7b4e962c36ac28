/**
 * Content that is not there although its job has completed: gone, or not there yet, where the replica that was asked lags
 * behind the one that knew of the job's end.
 */
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
const longest = 60 * 60_000

/** Jobs whose end is remembered: more than end while one download waits. */
const maxEnds = 256

/** What the server said in place of the content, a completed job's, and will perhaps not say the next time. */
export class Lagging extends Data.TaggedError("Lagging")<{
  readonly error: VideosHttpError
  readonly video: VideoResource
  /** What the content route said, and what the job has, for the error. */
  readonly detail: string | null
}> {}

/** Which jobs have completed, as this `Videos` has seen it, and when that was, in monotonic milliseconds. */
export class Ends {
  private readonly seen = new Map<string, { readonly video: VideoResource; readonly at: number }>()

  saw(video: VideoResource, now: number): void {
    if (this.seen.has(video.id)) return
    this.seen.set(video.id, { video, at: now })
    // A Map keeps its order: the oldest goes first.
    if (this.seen.size > maxEnds) {
      const [oldest] = this.seen.keys()
      if (oldest !== undefined) this.seen.delete(oldest)
    }
  }

  /** It was deleted. */
  forget(id: string): void {
    this.seen.delete(id)
  }

  /** The job, where it was first seen as completed no longer ago than that. */
  within(id: string, grace: number, now: number): VideoResource | null {
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
const isToCome =
  /not (yet )?(been )?(ready|complete|finished|available|generated|rendered|processed)|not_(ready|complete|finished|available)|in[ _-]progress|still (being )?(process|generat|render|encod|upload|prepar|running|queued|pending)|(is|are) (being )?(process|generat|render|encod|upload|prepar)(ed|ing)|(please|try again) (later|wait)/i
/** The server has the clip, and not this variant of it. */
const isOther = /variant|not supported|unsupported|no (such )?(thumbnail|spritesheet)/i

const wordsOf = (refusal: Refusal): string => `${"code" in refusal ? refusal.code : ""} ${refusal.detail}`

/** Whether the server says that the content has been there. */
export const isGone = (refusal: Refusal): boolean => refusal.status === 410 || gone.test(wordsOf(refusal))

/** Whether the server's words leave open that the content is yet to come. */
const mayCome = (refusal: Refusal): boolean => {
  const words = wordsOf(refusal)
  return isToCome.test(words) || (refusal.status === 404 && !gone.test(words) && !isOther.test(words))
}

/**
 * Whether the content of a completed job may be yet to come. A job's end counts by the server's clock, or, where the job does
 * not say when it was, or says what cannot be, from when this program first saw it.
 */
export const isToBeExpected = (
  video: VideoResource,
  error: Refusal,
  times: { readonly now: number; readonly serverNow: number; readonly grace: number },
  ends: Ends
): boolean => {
  const { grace, now, serverNow } = times
  if (!mayCome(error) || (video.expiresAt !== null && video.expiresAt.epochMillis <= serverNow)) return false
  // A second for what both times leave out.
  const age = video.completedAt === null ? -Infinity : serverNow - video.completedAt.epochMillis
  if (age >= -1000) return age < grace
  if (video.createdAt !== null && serverNow - video.createdAt.epochMillis > longest) return false
  return ends.within(video.id, grace, now) !== null
}

/** What a caller is told who waits no longer: a refusal that has not passed is one. */
export const notReady = ({
  detail,
  error,
  video
}: Lagging): Effect.Effect<never, Errors.VideoNotReadyError | Errors.AuthenticationError> =>
  Effect.fail(
    error._tag === "AuthenticationError"
      ? error
      : new Errors.VideoNotReadyError({ operation: "downloadVideo", video, detail })
  )

/**
 * Tries again by the read schedule while the content may be yet to come, and no longer than `totalTimeout`; where that is not
 * long enough, it is not ready.
 */
export const untilThere = <A>(
  attempt: (options: ContentOptions | undefined) => Effect.Effect<A, DownloadVideoError | Lagging>,
  options: ContentOptions | undefined,
  policy: DownloadPolicy
): Effect.Effect<A, DownloadVideoError> => {
  if (options?.retry === false) return Effect.catchTag(attempt(options), "Lagging", notReady)
  const { maxRetryAfter, retry, totalTimeout } = policy
  return Effect.flatMap(currentMonotonicMillis, (begunAt) => {
    const nextDelay = retryDelays<VideosHttpError>({ schedule: retry, maxRetryAfter })
    const until = begunAt + Duration.toMillis(options?.totalTimeout ?? totalTimeout)
    const go = (given: ContentOptions | undefined): Effect.Effect<A, DownloadVideoError> =>
      Effect.catchTag(attempt(given), "Lagging", (lagging) =>
        Effect.flatMap(Effect.zip(nextDelay(lagging.error), currentMonotonicMillis), ([millis, now]) => {
          if (millis === null || now + millis >= until) return notReady(lagging)
          const left = until - now - millis
          return Effect.delay(go(left === Infinity ? given : { ...given, totalTimeout: left }), millis)
        })
      )
    return go(options)
  })
}
