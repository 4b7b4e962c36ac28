/** A `Videos` with its jobs in memory: what a job is follows from the time of the `Clock`. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { anyServer } from "../internal/dialects/openai.js"
import * as Errors from "../internal/errors/errors.js"
import * as routes from "../internal/protocol/readRequests.js"
import type { VideoSource, VideoVariant } from "../internal/protocol/requestSchemas.js"
import * as submissions from "../internal/protocol/submissionRequests.js"
import { isVideoFile } from "../internal/protocol/videoFile.js"
import {
  isTerminal,
  phaseOf,
  type VideoCharacter,
  type VideoFault,
  VideoId,
  type VideoResource
} from "../internal/protocol/videoSchemas.js"
import type { VideosService } from "../Videos.js"
import { fieldsOf, makeCharacter, makeVideo, type VideoFields } from "./snapshots.js"

/**
 * How jobs in memory behave.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemoryOptions {
  /** How long a job waits before it runs. Default: 500 milliseconds. */
  readonly queueTime?: Duration.DurationInput | undefined
  /** How long a job runs. Default: 3 seconds. */
  readonly runTime?: Duration.DurationInput | undefined
  /** Why a job, as it was queued, is to fail at the end of its run; `null` lets it succeed. Default: all succeed. */
  readonly outcome?: ((job: VideoResource) => VideoFault | null) | undefined
  /** Jobs that are there from the start, oldest first. They stay as they are. Default: none. */
  readonly videos?: ReadonlyArray<VideoResource> | undefined
  /** The content of a completed job. Default: a few bytes of text, which name the variant and the job. */
  readonly content?: ((video: VideoResource, variant: VideoVariant) => Uint8Array) | undefined
}

/** A job at a moment. */
type Job = (now: number) => VideoResource

/** A time as a response has it: a `TestClock` begins at 0. */
const timeOf = (millis: number): DateTime.Utc | null => (millis > 0 ? DateTime.unsafeMake(millis) : null)

const defaultContent = (video: VideoResource, variant: VideoVariant): Uint8Array =>
  new TextEncoder().encode(`${variant} of ${video.id}`)

const missing = (operation: Errors.Operation, videoId: string) =>
  new Errors.VideoNotFoundError({ operation, status: 404, code: "video_not_found", detail: "", videoId })

export const makeMemory = (options: MemoryOptions): VideosService => {
  const queueTime = Duration.toMillis(options.queueTime ?? "500 millis")
  const runTime = Duration.toMillis(options.runTime ?? "3 seconds")
  const content = options.content ?? defaultContent
  const jobs = new Map<string, Job>(options.videos?.map((video) => [video.id, () => video]))
  const characters = new Map<string, VideoCharacter>()
  let made = 0

  const newId = (): string => {
    const id = `video_${++made}`
    return jobs.has(id) ? newId() : id
  }

  const add = (fields: VideoFields): Effect.Effect<VideoResource> =>
    Effect.map(Clock.currentTimeMillis, (created) => {
      const queued = makeVideo({ ...fields, id: newId(), createdAt: timeOf(created) })
      const fault = options.outcome?.(queued) ?? null
      const startsAt = created + queueTime
      const endsAt = startsAt + runTime
      const job: Job = (now) => {
        if (now < startsAt) return queued
        if (now < endsAt) {
          return { ...queued, status: "in_progress", progress: Math.floor((100 * (now - startsAt)) / runTime) }
        }
        return fault === null
          ? { ...queued, status: "completed", progress: 100, completedAt: timeOf(endsAt) }
          : { ...queued, status: "failed", error: fault }
      }
      jobs.set(queued.id, job)
      return job(created)
    })

  const find = (operation: Errors.Operation, id: string): Effect.Effect<VideoResource, Errors.VideoNotFoundError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const job = jobs.get(id)
      return job === undefined ? missing(operation, id) : Effect.succeed(job(now))
    })

  /** The completed job that a clip is made from; `null` for a file, which is not opened. */
  const source = (operation: Errors.Operation, video: VideoSource) => {
    if (isVideoFile(video) || (typeof video === "object" && !("id" in video))) return Effect.succeed(null)
    const id = typeof video === "string" ? video : video.id
    return Effect.filterOrFail(
      find(operation, id),
      (job) => phaseOf(job) === "succeeded",
      ({ status }) =>
        new Errors.BadRequestError({
          operation,
          status: 400,
          code: "video_not_completed",
          param: "video",
          detail: `Video '${id}' is ${status}; something can be made from a completed video alone.`
        })
    )
  }

  /** What a derived clip has of its source; of a file, nothing is known. */
  const derived = (job: VideoResource | null): VideoFields =>
    job === null ? { size: null, seconds: null } : { model: job.model, size: job.size, seconds: job.seconds }

  const create: VideosService["create"] = (request, submit) =>
    Effect.flatMap(submissions.createRequest(anyServer, request, submit), ({ call }) => add(fieldsOf(call.body)))

  const extend: VideosService["extend"] = (request, submit) =>
    Effect.gen(function* () {
      const { call } = yield* submissions.extendRequest(anyServer, request, submit)
      const job = yield* source("extendVideo", request.video)
      const whole = job?.seconds == null ? null : job.seconds + request.seconds
      return yield* add({ ...fieldsOf(call.body), ...derived(job), seconds: whole })
    })

  const edit: VideosService["edit"] = (request, submit) =>
    Effect.gen(function* () {
      const { call } = yield* submissions.editRequest(anyServer, request, submit)
      return yield* add({ ...fieldsOf(call.body), ...derived(yield* source("editVideo", request.video)) })
    })

  const remix: VideosService["remix"] = (request, submit) =>
    Effect.gen(function* () {
      const { call } = yield* submissions.remixRequest(anyServer, request, submit)
      const job = yield* source("remixVideo", request.video)
      return yield* add({ ...fieldsOf(call.body), ...derived(job), remixedFromVideoId: job?.id ?? null })
    })

  const createCharacter: VideosService["createCharacter"] = (request, submit) =>
    Effect.gen(function* () {
      yield* submissions.characterRequest(anyServer, request, submit)
      const now = yield* Clock.currentTimeMillis
      const id = `char_${characters.size + 1}`
      const character = makeCharacter({ id, name: request.name, createdAt: timeOf(now) })
      characters.set(id, character)
      return character
    })

  const retrieveCharacter: VideosService["retrieveCharacter"] = (id, call) =>
    Effect.flatMap(routes.characterRequest(anyServer, "retrieveCharacter", id, call), () => {
      const character = characters.get(id)
      return character === undefined
        ? new Errors.CharacterNotFoundError({
            operation: "retrieveCharacter",
            status: 404,
            code: "character_not_found",
            detail: "",
            characterId: id
          })
        : Effect.succeed(character)
    })

  const retrieve: VideosService["retrieve"] = (id, call) =>
    Effect.zipRight(routes.retrieveRequest(anyServer, "retrieveVideo", id, call), find("retrieveVideo", id))

  const remove: VideosService["delete"] = (id, call) =>
    Effect.gen(function* () {
      yield* routes.deleteRequest(anyServer, "deleteVideo", id, call)
      const job = yield* find("deleteVideo", id)
      if (!isTerminal(job)) {
        const detail = `Video '${id}' is ${job.status}; only a completed or failed video can be deleted.`
        const fields = { operation: "deleteVideo", status: 409, code: "video_not_finished", detail } as const
        return yield* new Errors.ConflictError(fields)
      }
      jobs.delete(id)
      return { id: VideoId.make(id), deleted: true, video: null }
    })

  const listPages: VideosService["listPages"] = (query) =>
    Stream.paginateEffect(query?.after, (after) =>
      Effect.gen(function* () {
        yield* routes.listRequest(anyServer, { ...query, after }, query)
        const now = yield* Clock.currentTimeMillis
        const all = Array.from(jobs.values(), (job) => job(now))
        const ordered = query?.order === "asc" ? all : all.reverse()
        const at = after === undefined ? -1 : ordered.findIndex(({ id }) => id === after)
        if (after !== undefined && at === -1) {
          const detail = `Invalid 'after': no video with the id '${after}'.`
          return yield* new Errors.BadRequestError({ operation: "listVideos", status: 400, param: "after", detail })
        }
        const videos = ordered.slice(at + 1, at + 1 + (query?.limit ?? 20))
        const hasMore = at + 1 + videos.length < ordered.length
        return [{ videos, hasMore }, Option.fromNullable(hasMore ? videos.at(-1)?.id : undefined)] as const
      })
    ).pipe(Stream.filter(({ videos }) => videos.length > 0))

  const download: VideosService["content"] = (id, options) =>
    Stream.fromEffect(
      Effect.gen(function* () {
        yield* routes.contentRequest(anyServer, id, options)
        const video = yield* find("downloadVideo", id)
        const fields = { operation: "downloadVideo", video } as const
        switch (phaseOf(video)) {
          case "succeeded":
            return content(video, options?.variant ?? "video")
          case "failed":
            return yield* new Errors.VideoFailedError(fields)
          default:
            return yield* new Errors.VideoNotReadyError(fields)
        }
      })
    )

  return {
    create,
    extend,
    edit,
    remix,
    createCharacter,
    retrieveCharacter,
    listPages,
    delete: remove,
    retrieve,
    content: download
  }
}
