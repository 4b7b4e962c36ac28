/** A `Videos` with any number of jobs that follow the `TestClock`. Counts single reads and pages; each can fail. */
import { Chunk, Clock, Effect, Stream } from "effect"
import {
  type ListVideosError,
  type RetrieveVideoError,
  ServerError,
  VideoNotFoundError,
  type VideoPage,
  type VideoResource
} from "effect-videos"
import { snapshot } from "./script.js"
import { sharing } from "./sharing.js"

/** One virtual job; times in milliseconds of the clock. */
export interface Job {
  readonly id: string
  readonly createdAt: number
  readonly queue: number
  readonly run: number
  readonly fails?: boolean
}

export interface FleetOptions {
  /** Changes the list that the server returns. */
  readonly list?: (page: VideoPage, now: number) => VideoPage
  /** Returns an error for a read, or `null`. The first argument is an id, or `null` for a page. */
  readonly fault?: (id: string | null, count: number, now: number) => RetrieveVideoError | null
  /** Returns the latency of a response; the argument is an id, or `null` for a page. Default: 0. */
  readonly latency?: number | ((id: string | null) => number)
}

export const broken = new ServerError({ operation: "retrieveVideo", status: 500, detail: "" })

export const missing = (id: string) =>
  new VideoNotFoundError({ operation: "retrieveVideo", status: 404, detail: "", videoId: id })

const stateOf = (job: Job, now: number) => {
  const { createdAt, fails, queue, run } = job
  const age = now - createdAt - queue
  if (age < 0) return { status: "queued", progress: 0 }
  if (age < run) return { status: "in_progress", progress: Math.floor((100 * age) / run) }
  return fails === true
    ? { status: "failed", error: { code: "x", message: "y" } }
    : { status: "completed", progress: 100, completed_at: endOf(job) / 1000 }
}

export const at = (job: Job, now: number): VideoResource => {
  const { status, ...fields } = stateOf(job, now)
  return snapshot(status, { id: job.id, created_at: job.createdAt / 1000, ...fields })
}

/** Returns the time at which the job ends. */
export const endOf = ({ createdAt, queue, run }: Job): number => createdAt + queue + run

export const makeFleet = (jobs: ReadonlyArray<Job>, options: FleetOptions = {}) => {
  const byId = new Map(jobs.map((job) => [job.id, job]))
  const newestFirst = [...jobs].sort((a, b) => b.createdAt - a.createdAt)
  /** Single reads, in order. */
  const polls: Array<{ readonly id: string; readonly at: number }> = []
  /** Pages, as the cursors of their requests. */
  const pages: Array<{ readonly after: string | null; readonly at: number }> = []
  /** All snapshots of reads and pages, in order. */
  const responses: Array<VideoResource> = []
  let inFlight = 0
  let most = 0

  const { latency = 0 } = options
  const respond = <A, E>(id: string | null, body: (now: number) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        most = Math.max(most, ++inFlight)
      }),
      () =>
        Effect.zipRight(
          Effect.sleep(typeof latency === "number" ? latency : latency(id)),
          Effect.flatMap(Clock.currentTimeMillis, body)
        ),
      () => Effect.sync(() => inFlight--)
    )

  const layer = sharing({
    /** A submission returns the first job. */
    extend: () => Effect.map(Clock.currentTimeMillis, (now) => at(jobs[0] as Job, now)),
    retrieve: (id) =>
      Effect.flatMap(Clock.currentTimeMillis, (asked) => {
        const count = polls.push({ id, at: asked })
        const fault = options.fault?.(id, count, asked) ?? null
        return respond(id, (now): Effect.Effect<VideoResource, RetrieveVideoError> => {
          const job = byId.get(id)
          if (fault !== null) return Effect.fail(fault)
          if (job === undefined || job.createdAt > now) return Effect.fail(missing(id))
          const video = at(job, now)
          responses.push(video)
          return Effect.succeed(video)
        })
      }),
    listPages: (query) =>
      Stream.fromEffect(
        Effect.flatMap(Clock.currentTimeMillis, (asked) => {
          const count = pages.push({ after: query?.after ?? null, at: asked })
          const fault = options.fault?.(null, count, asked) ?? null
          return respond(null, (now): Effect.Effect<VideoPage, ListVideosError> => {
            if (fault !== null && fault._tag !== "VideoNotFoundError") return Effect.fail(fault)
            const all = newestFirst.filter(({ createdAt }) => createdAt <= now)
            const from = query?.after === undefined ? 0 : all.findIndex(({ id }) => id === query.after) + 1
            const limit = query?.limit ?? 20
            const truth = {
              videos: all.slice(from, from + limit).map((job) => at(job, now)),
              hasMore: from + limit < all.length
            }
            const page = options.list?.(truth, now) ?? truth
            responses.push(...page.videos)
            return Effect.succeed(page)
          })
        })
      )
  })

  return {
    layer,
    polls,
    pages,
    responses,
    /** Number of reads and pages. */
    requests: () => polls.length + pages.length,
    inFlight: () => inFlight,
    most: () => most
  }
}

/** Makes jobs that are created a few milliseconds apart. */
export const jobsOf = (count: number, fields: Partial<Job> = {}): ReadonlyArray<Job> =>
  Chunk.toReadonlyArray(
    Chunk.makeBy(count, (index) => ({
      id: `video_${index}`,
      createdAt: index * 5,
      queue: 0,
      run: 20_000,
      ...fields
    }))
  )
