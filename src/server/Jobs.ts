/**
 * The server's jobs. A job is a few facts; what it is at any moment follows from them and the time of the `Clock`, so that
 * ten thousand jobs cost no fiber, and a `TestClock` drives them. Its file is made when somebody first asks for it.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomId } from "../internal/randomId.js"
import type { VideoFault } from "../Schema.js"
import { extendClip, inspect, type MediaError, renderClip } from "./media/Media.js"
import { type Refusal, refuse, type UploadedFile } from "./protocol.js"

/**
 * What a job was asked for, as `outcome` sees it.
 *
 * @since 0.1.0
 * @category models
 */
export interface JobRequest {
  readonly operation: "create" | "extend"
  readonly prompt: string
  readonly model: string
  /** Length of the segment to make. */
  readonly seconds: number
}

/**
 * How the server's jobs behave.
 *
 * @since 0.1.0
 * @category models
 */
export interface JobOptions {
  /** How long a job waits before it runs. Default: 500 milliseconds. */
  readonly queueTime?: Duration.DurationInput | undefined
  /** How long a job runs. Default: 3 seconds. */
  readonly runTime?: Duration.DurationInput | undefined
  /** Why a job is to fail at the end of its run, or `null` to let it succeed. Default: all succeed. */
  readonly outcome?: ((request: JobRequest) => VideoFault | null) | undefined
}

type Source =
  | { readonly _tag: "Prompt" }
  | { readonly _tag: "Job"; readonly id: string }
  | { readonly _tag: "File"; readonly path: string }

/** @internal */
export interface Job {
  readonly id: string
  readonly model: string
  readonly prompt: string
  readonly width: number
  readonly height: number
  /** Of the part that this job makes. */
  readonly segmentSeconds: number
  /** Of the whole file. */
  readonly totalSeconds: number
  readonly source: Source
  readonly createdAt: number
  readonly startsAt: number
  readonly endsAt: number
  readonly fault: VideoFault | null
}

/** @internal */
export type Jobs = Effect.Effect.Success<ReturnType<typeof makeJobs>>

/** What a job is at a moment. */
export const stateOf = (job: Job, now: number): { readonly status: string; readonly progress: number } => {
  if (now < job.startsAt) return { status: "queued", progress: 0 }
  if (now < job.endsAt) {
    const done = (now - job.startsAt) / (job.endsAt - job.startsAt)
    return { status: "in_progress", progress: Math.min(99, Math.floor(done * 100)) }
  }
  return job.fault === null ? { status: "completed", progress: 100 } : { status: "failed", progress: 99 }
}

const unix = (millis: number): number => Math.floor(millis / 1000)

/** The job as the protocol's `VideoResource`. */
export const resourceOf = (job: Job, now: number) => {
  const { progress, status } = stateOf(job, now)
  return {
    id: job.id,
    object: "video",
    model: job.model,
    status,
    progress,
    created_at: unix(job.createdAt),
    completed_at: status === "completed" ? unix(job.endsAt) : null,
    expires_at: null,
    prompt: job.prompt,
    size: `${job.width}x${job.height}`,
    // A file's length may be any; milliseconds are finer than any frame.
    seconds: String(Math.round(job.totalSeconds * 1000) / 1000),
    remixed_from_video_id: null,
    error: status === "failed" ? job.fault : null
  } as const
}

const notMp4 = (reason: string): Refusal =>
  refuse(400, `Invalid file for 'video': it is not an MP4 video (${reason}).`, { param: "video", code: "invalid_file" })

/** Jobs and their files, which live in a temporary folder for as long as the scope does. */
export const makeJobs = (
  options: JobOptions
): Effect.Effect<
  {
    readonly create: (
      request: Omit<JobRequest, "operation"> & { readonly width: number; readonly height: number }
    ) => Effect.Effect<Job>
    readonly extend: (request: {
      readonly prompt: string
      readonly seconds: number
      readonly source: string | UploadedFile
    }) => Effect.Effect<Job, Refusal>
    readonly get: (id: string) => Effect.Effect<Job, Refusal>
    readonly all: Effect.Effect<ReadonlyArray<Job>>
    /** The path of the job's finished file. */
    readonly content: (job: Job) => Effect.Effect<string, Refusal>
  },
  never,
  FileSystem.FileSystem | Scope.Scope
> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* Effect.orDie(fs.makeTempDirectoryScoped({ prefix: "effect-videos-" }))
    const jobs = new Map<string, Job>()
    // One clip is made at a time: encoding is work for the processor, and two at once are only slower.
    const studio = yield* Effect.makeSemaphore(1)
    const queueTime = Duration.toMillis(options.queueTime ?? "500 millis")
    const runTime = Duration.toMillis(options.runTime ?? "3 seconds")

    const add = (
      operation: JobRequest["operation"],
      facts: Omit<Job, "id" | "createdAt" | "startsAt" | "endsAt" | "fault">,
      id = newId()
    ): Effect.Effect<Job> =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const { model, prompt, segmentSeconds } = facts
        const fault = options.outcome?.({ operation, model, prompt, seconds: segmentSeconds }) ?? null
        const startsAt = now + queueTime
        const job = { ...facts, id, createdAt: now, startsAt, endsAt: startsAt + runTime, fault }
        jobs.set(id, job)
        return job
      })

    const newId = () => `video_${randomId()}`

    const get = (id: string): Effect.Effect<Job, Refusal> => {
      const job = jobs.get(id)
      return job === undefined
        ? Effect.fail(refuse(404, `No video with the id '${id}'.`, { param: "video_id", code: "video_not_found" }))
        : Effect.succeed(job)
    }

    const completed = (id: string): Effect.Effect<Job, Refusal> =>
      Effect.flatMap(Effect.zip(get(id), Clock.currentTimeMillis), ([job, now]) => {
        const { status } = stateOf(job, now)
        return status === "completed"
          ? Effect.succeed(job)
          : Effect.fail(
              refuse(400, `Video '${id}' is ${status}; only a completed video can be extended.`, {
                param: "video",
                code: "video_not_completed"
              })
            )
      })

    const keep = (file: UploadedFile, id: string) =>
      Effect.gen(function* () {
        const facts = yield* Effect.catchAll(inspect(file.path), (error) =>
          error._tag === "NotMp4Error" ? Effect.fail(notMp4(error.reason)) : brokenStudio(error)
        )
        // The upload's own copy goes away with its request.
        const path = `${folder}/${id}.source.mp4`
        yield* Effect.orElse(fs.rename(file.path, path), () => fs.copyFile(file.path, path)).pipe(Effect.orDie)
        return { path, facts }
      })

    const fileOf = (job: Job): string => `${folder}/${job.id}.mp4`

    const produce = (job: Job): Effect.Effect<string, Refusal> =>
      Effect.gen(function* (): Effect.fn.Return<string, Refusal> {
        const path = fileOf(job)
        if (yield* Effect.orDie(fs.exists(path))) return path
        const { height, id, prompt, segmentSeconds: seconds, source, width } = job
        if (source._tag === "Prompt") {
          yield* Effect.catchAll(renderClip({ id, prompt, seconds, width, height }, path), brokenStudio)
        } else {
          const from = source._tag === "File" ? source.path : yield* Effect.flatMap(get(source.id), produce)
          yield* Effect.catchAll(extendClip(from, { id, prompt, seconds }, path), brokenStudio)
        }
        return path
      })

    return {
      create: ({ height, model, prompt, seconds, width }) =>
        add("create", {
          model,
          prompt,
          width,
          height,
          segmentSeconds: seconds,
          totalSeconds: seconds,
          source: { _tag: "Prompt" }
        }),
      extend: ({ prompt, seconds, source }) =>
        Effect.gen(function* () {
          if (typeof source === "string") {
            const { height, id, model, totalSeconds, width } = yield* completed(source)
            return yield* add("extend", {
              model,
              prompt,
              width,
              height,
              segmentSeconds: seconds,
              totalSeconds: totalSeconds + seconds,
              source: { _tag: "Job", id }
            })
          }
          const id = newId()
          const { facts, path } = yield* keep(source, id)
          return yield* add(
            "extend",
            {
              model: "sora-2",
              prompt,
              width: facts.width,
              height: facts.height,
              segmentSeconds: seconds,
              totalSeconds: facts.durationSeconds + seconds,
              source: { _tag: "File", path }
            },
            id
          )
        }),
      get,
      all: Effect.sync(() => [...jobs.values()]),
      content: (job) => studio.withPermits(1)(produce(job))
    }
  })

/** The clip cannot be made: an optional package is missing, or the disk is full. Said in words, as a server would. */
const brokenStudio = (error: MediaError): Effect.Effect<never, Refusal> => Effect.fail(refuse(500, error.message))
