/** Settles a submission of an earlier process, whose outcome is unknown, by the server's list. Sends nothing but reads. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as Errors from "../errors/errors.js"
import type { SubmitOptions } from "../http/httpTypes.js"
import { currentMonotonicMillis } from "../monotonicClock.js"
import type { Dialect } from "../protocol/dialect.js"
import type { CreateVideoRequest, ExtendVideoRequest } from "../protocol/requestSchemas.js"
import { createRequest, extendRequest } from "../protocol/submissionRequests.js"
import type { VideoPage, VideoResource } from "../protocol/videoSchemas.js"
import type { ListVideosError, VideosService } from "../videosTypes.js"
import { dialectOf, hubOf } from "../watch/watchHub.js"
import { judgeByBaseline, type NewestJobs, newestOfBaseline, type SettledSubmission } from "./judgeByBaseline.js"
import { margin, Reading, tolerance } from "./readNewestJobs.js"

/**
 * What is known of a submission whose process ended before its response was recorded.
 *
 * @since 0.1.0
 * @category models
 */
export interface SettleOptions<E = never, R = never> {
  /** When its intent was recorded, before `baseline` was read. */
  readonly begunAt: DateTime.Utc
  /** When it was sent last. */
  readonly sentAt: DateTime.Utc
  /**
   * The newest jobs of the server before it was first sent, newest first: twenty are enough. Empty if the server had none; `null`
   * if the list could not be read.
   */
  readonly baseline: ReadonlyArray<string> | null
  /** Returns those of the ids that other submissions have. Runs after each read of the list. */
  readonly heldElsewhere: (ids: ReadonlyArray<string>) => Effect.Effect<Iterable<string>, E, R>
  /** Other submissions whose outcome is unknown as well, or that are on their way. Runs after each read. Default: none. */
  readonly openElsewhere?: Effect.Effect<ReadonlyArray<CreateVideoRequest | ExtendVideoRequest>, E, R> | undefined
  /** The headers and the query that the submission was sent with, where the list needs them too. */
  readonly options?: Pick<SubmitOptions, "extraHeaders" | "extraQuery"> | undefined
}

/** Without a baseline on the list, jobs that are older than this were made before the submission, in any time zone. */
const longestBack = 48 * 60 * 60_000

/** The pause after the first read; it doubles after each, up to the lag. */
const firstPause = 1000

const readSince = (
  videos: VideosService,
  ids: ReadonlySet<string> | null,
  begunAt: number,
  options: SettleOptions["options"]
): Effect.Effect<NewestJobs, ListVideosError> =>
  Effect.suspend(() => {
    const reading = new Reading()
    const newestKnown = () => (ids === null ? undefined : newestOfBaseline(reading.videos, ids))
    const reachesBack = (page: VideoPage): boolean => {
      reading.add(page)
      const newest = newestKnown()
      if (newest === undefined) return reading.last < begunAt - (ids === null ? margin : longestBack)
      return reading.last < (newest.createdAt?.epochMillis ?? Number.POSITIVE_INFINITY) - tolerance
    }
    return videos.listPages({ ...options, limit: 100, order: "desc" }).pipe(
      Stream.takeUntil(reachesBack),
      Stream.runDrain,
      Effect.map((): NewestJobs => {
        const isGone = ids !== null && ids.size > 0 && newestKnown() === undefined
        const gap = reading.gap ?? (isGone ? "the list leaves out the jobs that it had before" : null)
        return { videos: reading.videos, gap }
      })
    )
  })

const submissionOf = (dialect: Dialect, request: CreateVideoRequest | ExtendVideoRequest) =>
  "video" in request ? extendRequest(dialect, request, undefined) : createRequest(dialect, request, undefined)

/** Of a canned `Videos`, which has no configuration. */
const defaults = {
  listLag: Duration.seconds(30),
  submitTimeout: Duration.seconds(60),
  listTrusted: true,
  listServed: true
}

export const settle = <E, R>(
  videos: VideosService,
  request: CreateVideoRequest | ExtendVideoRequest,
  options: SettleOptions<E, R>
): Effect.Effect<SettledSubmission, Errors.InvalidRequestError | ListVideosError | E, R> =>
  Effect.gen(function* () {
    const dialect = dialectOf(videos)
    const { listLag, listServed, listTrusted, submitTimeout } = hubOf(videos)?.options.submission ?? defaults
    const own = yield* submissionOf(dialect, request)
    if (!listServed) return { _tag: "Unclear", candidates: [], detail: "This server has no list of jobs" } as const
    const lag = Duration.toMillis(listLag)
    const ids = options.baseline === null ? null : new Set(options.baseline)
    const begunAt = DateTime.toEpochMillis(options.begunAt)
    const since = Math.max(0, (yield* Clock.currentTimeMillis) - DateTime.toEpochMillis(options.sentAt))
    // A server that had not responded by the client's timeout may take as long again. An outage adds nothing to that.
    const atMost = Duration.toMillis(submitTimeout)
    const until = (yield* currentMonotonicMillis) + Math.max(0, Math.min(since, 2 * atMost - since)) + lag
    const seen = new Map<string, VideoResource>()
    for (let reads = 1, pause = firstPause; ; reads++, pause = Math.min(pause * 2, Math.max(lag, firstPause))) {
      const list = yield* readSince(videos, ids, begunAt, options.options)
      // In this order: a job that is recorded in between is held, and its submission is still among the open ones.
      const open = yield* Effect.flatMap(options.openElsewhere ?? Effect.succeed([]), (requests) =>
        Effect.forEach(requests, (each) => submissionOf(dialect, each))
      )
      const held = new Set(yield* options.heldElsewhere(list.videos.map(({ id }) => id)))
      const verdict = judgeByBaseline(own, { begunAt, ids }, list, held, open, listTrusted)
      if (verdict._tag === "Made") return verdict
      if (verdict._tag === "Unclear") for (const video of verdict.candidates) seen.set(video.id, video)
      const left = until - (yield* currentMonotonicMillis)
      if (left <= 0 && reads >= 2) {
        if (verdict._tag === "Unclear") return verdict
        // A failed job may be gone from the list although it was made.
        const listed = new Set<string>(list.videos.map(({ id }) => id))
        const gone = [...seen.values()].filter(({ id }) => !held.has(id) && !listed.has(id))
        if (gone.length === 0) return verdict
        const detail = "a job that may be its own was on the list, and is there no more"
        return { _tag: "Unclear", candidates: gone, detail } as const
      }
      yield* Effect.sleep(Math.min(pause, Math.max(left, 0)))
    }
  })
