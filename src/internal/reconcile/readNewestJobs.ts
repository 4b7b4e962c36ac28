/** Reads the newest pages of a server's list, back to before a submission began. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ResponseMeta, SubmitOptions } from "../http/httpTypes.js"
import { monotonicMillis } from "../monotonicClock.js"
import { ListCursor } from "../protocol/listCursor.js"
import type { ListVideosOptions } from "../protocol/requestSchemas.js"
import type { VideoPage, VideoResource } from "../protocol/videoSchemas.js"
import type { ListVideosError } from "../videosTypes.js"
import { senderOf } from "../watch/watchOptions.js"

/** The newest jobs of a server, back to the time before the submission at least, unless there is a gap. */
export interface ListRead {
  /** Each once, in the list's order. */
  readonly videos: ReadonlyArray<VideoResource>
  /** The time of the response: in monotonic milliseconds, and in Unix milliseconds by the server's clock. */
  readonly at: number
  readonly serverNow: number
  /** Whether the response had a `Date`; without it, the server's clock is taken for the own. */
  readonly isDated: boolean
  /** Whether these are all of the server's jobs. */
  readonly isWhole: boolean
  /** Why a job may be missing in it. */
  readonly gap: string | null
}

/** Error of times in whole seconds (`created_at`, `Date`), and of the clocks of one installation, in milliseconds. */
export const tolerance = 2000

/** Jobs per page: the protocol's most. */
const pageSize = 100

/** Most pages per read: enough for several hundred jobs that were made since the submission began. */
const maxPages = 5

/** Longest difference of unsynchronised clocks of one installation: a job that is older by more was made before. */
export const margin = 5 * 60_000

/**
 * Reads one page, less the jobs that were seen before, and returns where the next one begins: nowhere, if the list ends or if
 * it has more and does not say where.
 */
export type ReadPage = (
  after: string | undefined,
  cursor: ListCursor,
  options: ListVideosOptions
) => Effect.Effect<readonly [VideoPage, Option.Option<string>], ListVideosError>

/** The jobs of the pages that have been read so far, and what their times say of the list. */
export class Reading {
  private readonly jobs = new Map<string, VideoResource>()
  /** Why a job may be missing, as far as order and times show it. */
  gap: string | null = null
  /** When the last job on the list was made. */
  last = Number.POSITIVE_INFINITY

  /** Each once, in the list's order. */
  get videos(): ReadonlyArray<VideoResource> {
    return [...this.jobs.values()]
  }

  add(page: VideoPage): void {
    for (const video of page.videos) {
      if (this.jobs.has(video.id)) continue
      this.jobs.set(video.id, video)
      const created = video.createdAt?.epochMillis
      if (created === undefined) this.gap ??= "the list does not say when its jobs were made"
      else {
        if (created > this.last + tolerance) this.gap ??= "the list is not ordered by time, newest first"
        this.last = created
      }
    }
  }
}

export const readNewest = (
  readPage: ReadPage,
  begunAt: number,
  options: SubmitOptions | undefined
): Effect.Effect<ListRead, ListVideosError> =>
  Effect.gen(function* () {
    const cursor = new ListCursor()
    const reading = new Reading()
    let date = Number.NaN
    const asked: ListVideosOptions = {
      limit: pageSize,
      order: "desc",
      // A proxy may need the headers of the submission to find the account or the provider.
      ...senderOf(options),
      onResponse: ({ headers }: ResponseMeta) =>
        Effect.sync(() => {
          date = Date.parse(headers["date"] ?? "")
        })
    }
    let [page, rest] = yield* readPage(undefined, cursor, asked)
    const clock = yield* Effect.clock
    const isDated = !Number.isNaN(date)
    const at = monotonicMillis(clock)
    const serverNow = isDated ? date : clock.unsafeCurrentTimeMillis()
    // A server may end the list at a limit of its own: only the order shows that these are the newest.
    const done = (isWhole: boolean, gap: string | null): ListRead => ({
      videos: reading.videos,
      at,
      serverNow,
      isDated,
      isWhole,
      gap: reading.gap ?? (isWhole ? null : gap)
    })
    for (let count = 1; ; count++) {
      reading.add(page)
      if (Option.isNone(rest)) {
        const isWhole = page.hasMore !== true
        return done(isWhole, "the list has an empty page, or one without new jobs, and says that there is more")
      }
      if (reading.last < serverNow - (at - begunAt) - margin) return done(false, null)
      if (count === maxPages) {
        return done(false, `the newest ${reading.videos.length} jobs do not go back to when it began`)
      }
      ;[page, rest] = yield* readPage(rest.value, cursor, asked)
    }
  })
