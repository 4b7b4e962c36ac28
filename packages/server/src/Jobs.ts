/**
 * The server's jobs. A job is a few facts; what it is at any moment follows from them and the time of the `Clock`, so that
 * ten thousand jobs cost no fiber, and a `TestClock` drives them.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { VideoFault } from "effect-videos/Schema"
import { type Refusal, refuse, type UploadedFile } from "./protocol.js"
import { drawn, extended, type Recipe, redrawn, uploaded } from "./recipe.js"
import type { Studio } from "./studio.js"

/**
 * What a job was asked for, as `outcome` sees it.
 *
 * @since 0.1.0
 * @category models
 */
export interface JobRequest {
  readonly operation: "create" | "extend" | "remix" | "edit"
  readonly prompt: string
  readonly model: string
  /** Length of what is to be made: of an extension's new segment, else of the clip. */
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
  /**
   * How long after its end a job's files can be had; `expires_at` says so from then on. Afterwards `/content` answers
   * 404, and the job can be looked at, but nothing can be made from it. Default: for as long as the server runs.
   */
  readonly expiresAfter?: Duration.DurationInput | undefined
}

/** @internal */
export interface Job {
  /** What the answer to the submission says. */
  readonly id: string
  /** What the answers to looks say: the same, but for servers that change it. */
  readonly lookId: string
  readonly operation: JobRequest["operation"]
  readonly model: string
  readonly prompt: string
  /** As it was asked for; `null` where it was not. */
  readonly size: string | null
  readonly remixedFrom: string | null
  readonly recipe: Recipe
  readonly createdAt: number
  readonly startsAt: number
  readonly endsAt: number
  /** When the files go away. */
  readonly expiresAt: number | null
  readonly fault: VideoFault | null
}

/** @internal */
export interface JobState {
  readonly phase: "queued" | "in_progress" | "completed" | "failed"
  readonly progress: number
}

/** What a job is at a moment. */
export const stateOf = (job: Job, now: number): JobState => {
  if (now < job.startsAt) return { phase: "queued", progress: 0 }
  if (now < job.endsAt) {
    const done = (now - job.startsAt) / (job.endsAt - job.startsAt)
    return { phase: "in_progress", progress: Math.min(99, Math.floor(done * 100)) }
  }
  return job.fault === null ? { phase: "completed", progress: 100 } : { phase: "failed", progress: 99 }
}

/** Whether the files of a completed job are gone. */
export const isExpired = (job: Job, now: number): boolean => job.expiresAt !== null && now >= job.expiresAt

/** @internal */
export const noSuchVideo = (id: string): Refusal =>
  refuse(404, `No video with the id '${id}'.`, { param: "video_id", code: "video_not_found" })

/** Names of a job: for the answer to its submission, and for those to looks. */
export interface JobIds {
  readonly id: string
  readonly lookId: string
}

/** @internal */
export interface JobsConfig extends JobOptions {
  readonly newIds: () => JobIds
  /** Whether a job that has not ended can be deleted, which cancels it. */
  readonly cancels: boolean
  /** Told of every job as it is made, with a way to learn whether it is still there. */
  readonly onCreated: (job: Job, isThere: Effect.Effect<boolean>) => Effect.Effect<void>
}

/** A submission that starts from a film. */
export interface DerivedRequest {
  readonly prompt: string
  /** A job by its id, or a file. */
  readonly source: string | UploadedFile
}

/** @internal */
export interface Jobs {
  readonly create: (
    request: Omit<JobRequest, "operation"> & {
      readonly width: number
      readonly height: number
      readonly size: string | null
      readonly label: string | undefined
      /** Path of the picture that it begins with. */
      readonly picture: string | undefined
    }
  ) => Effect.Effect<Job>
  readonly extend: (request: DerivedRequest & { readonly seconds: number }) => Effect.Effect<Job, Refusal>
  readonly remix: (request: { readonly prompt: string; readonly source: string }) => Effect.Effect<Job, Refusal>
  readonly edit: (request: DerivedRequest) => Effect.Effect<Job, Refusal>
  readonly get: (id: string) => Effect.Effect<Job, Refusal>
  /** Removes the job and its files, and gives it back. */
  readonly remove: (id: string) => Effect.Effect<Job, Refusal>
  /** The files of the job, if it is there, are gone from now on. */
  readonly expire: (id: string) => Effect.Effect<void>
  /** In the order in which they were made. */
  readonly all: Effect.Effect<ReadonlyArray<Job>>
}

const defaultModel = "sora-2"

/** What a derived clip says it comes from: as much of an id as finds room. */
const nameOf = (id: string): string => (id.length > 20 ? `${id.slice(0, 16)}...` : id)

/** @internal */
export const makeJobs = (config: JobsConfig, studio: Studio): Jobs => {
  const jobs = new Map<string, Job>()
  const otherIds = new Map<string, string>()
  const queueTime = Duration.toMillis(config.queueTime ?? "500 millis")
  const runTime = Duration.toMillis(config.runTime ?? "3 seconds")
  const keepTime = config.expiresAfter === undefined ? null : Duration.toMillis(config.expiresAfter)

  const add = (
    facts: Pick<Job, "operation" | "model" | "prompt" | "recipe"> & Partial<Pick<Job, "size" | "remixedFrom">>,
    seconds: number
  ): Effect.Effect<Job> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { model, operation, prompt } = facts
      const fault = config.outcome?.({ operation, model, prompt, seconds }) ?? null
      const ids = config.newIds()
      const startsAt = now + queueTime
      const endsAt = startsAt + runTime
      const job: Job = {
        size: null,
        remixedFrom: null,
        ...facts,
        ...ids,
        createdAt: now,
        startsAt,
        endsAt,
        expiresAt: fault === null && keepTime !== null && Number.isFinite(keepTime) ? endsAt + keepTime : null,
        fault
      }
      studio.retain(job.recipe)
      jobs.set(job.id, job)
      if (ids.lookId !== ids.id) otherIds.set(ids.lookId, ids.id)
      const isThere = Effect.sync(() => jobs.has(job.id))
      return Effect.as(config.onCreated(job, isThere), job)
    })

  const get = (id: string): Effect.Effect<Job, Refusal> =>
    Effect.suspend(() => {
      const job = jobs.get(otherIds.get(id) ?? id)
      return job === undefined ? Effect.fail(noSuchVideo(id)) : Effect.succeed(job)
    })

  /** A job that something can be made from. */
  const completed = (id: string, verb: string): Effect.Effect<Job, Refusal> =>
    Effect.flatMap(Effect.zip(get(id), Clock.currentTimeMillis), ([job, now]) => {
      const { phase } = stateOf(job, now)
      if (phase !== "completed") {
        const message = `Video '${id}' is ${phase}; only a completed video can be ${verb}.`
        return Effect.fail(refuse(400, message, { param: "video", code: "video_not_completed", phase }))
      }
      return isExpired(job, now)
        ? Effect.fail(
            refuse(400, `The files of video '${id}' have expired; it cannot be ${verb}.`, {
              param: "video",
              code: "video_expired"
            })
          )
        : Effect.succeed(job)
    })

  return {
    create: ({ height, label, model, picture, prompt, seconds, size, width }) =>
      add(
        { operation: "create", model, prompt, size, recipe: drawn({ width, height, seconds, prompt, label, picture }) },
        seconds
      ),
    extend: ({ prompt, seconds, source }) =>
      Effect.gen(function* () {
        const { model, recipe } =
          typeof source === "string"
            ? yield* completed(source, "extended")
            : { model: defaultModel, recipe: yield* studio.keep(source) }
        return yield* add({ operation: "extend", model, prompt, recipe: extended(recipe, prompt, seconds) }, seconds)
      }),
    remix: ({ prompt, source }) =>
      Effect.gen(function* () {
        const { id, model, recipe: original } = yield* completed(source, "remixed")
        const recipe = redrawn(original, prompt, `remix of ${nameOf(id)}`)
        return yield* add({ operation: "remix", model, prompt, recipe, remixedFrom: id }, recipe.seconds)
      }),
    edit: ({ prompt, source }) =>
      Effect.gen(function* () {
        if (typeof source === "string") {
          const { id, model, recipe: original } = yield* completed(source, "edited")
          const recipe = redrawn(original, prompt, `edit of ${nameOf(id)}`)
          return yield* add({ operation: "edit", model, prompt, recipe }, recipe.seconds)
        }
        // Drawn all over again, so that the file need not be kept.
        const original = uploaded(source.path, yield* studio.examine(source))
        const recipe = redrawn(original, prompt, "edit of an uploaded clip")
        return yield* add({ operation: "edit", model: defaultModel, prompt, recipe }, recipe.seconds)
      }),
    get,
    remove: (id) =>
      Effect.gen(function* () {
        const job = yield* get(id)
        const { phase } = stateOf(job, yield* Clock.currentTimeMillis)
        if (!config.cancels && (phase === "queued" || phase === "in_progress")) {
          return yield* refuse(409, `Video '${id}' is ${phase}; only a completed or failed video can be deleted.`, {
            param: "video_id",
            code: "video_not_finished"
          })
        }
        // Of two requests at once, one finds it gone.
        if (!jobs.delete(job.id)) return yield* get(id)
        otherIds.delete(job.lookId)
        yield* studio.release(job.recipe)
        return job
      }).pipe(Effect.uninterruptible),
    expire: (id) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const job = jobs.get(otherIds.get(id) ?? id)
        if (job !== undefined) jobs.set(job.id, { ...job, expiresAt: now })
      }),
    all: Effect.sync(() => [...jobs.values()])
  }
}
