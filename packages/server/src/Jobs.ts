/**
 * Jobs of the server. A job is a record of times; its state follows from these times and the `Clock`. So a job costs no
 * fiber, and a `TestClock` drives all jobs.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import type { VideoFault } from "effect-videos/Schema"
import type { ClipFiles } from "./clipFiles.js"
import { missingEncoder } from "./media/packages.js"
import { type Refusal, refuse, type UploadedFile } from "./protocol.js"
import { drawn, extended, type Recipe, redrawn, uploaded } from "./recipe.js"

/**
 * Request of a job, as `outcome` receives it.
 *
 * @since 0.1.0
 * @category models
 */
export interface JobRequest {
  readonly operation: "create" | "extend" | "remix" | "edit"
  readonly prompt: string
  readonly model: string
  /** Seconds to make: of the new segment for an extension, else of the clip. */
  readonly seconds: number
}

/**
 * Options of the server's jobs.
 *
 * @since 0.1.0
 * @category models
 */
export interface JobOptions {
  /** How long a job is `queued`. Default: 500 milliseconds. */
  readonly queueTime?: Duration.DurationInput | undefined
  /** How long a job is `in_progress`. Default: 3 seconds. */
  readonly runTime?: Duration.DurationInput | undefined
  /** Returns the error with which the job fails at its end, or `null` to let it complete. Default: all jobs complete. */
  readonly outcome?: ((request: JobRequest) => VideoFault | null) | undefined
  /**
   * How long a completed job keeps its files; a completed job has `expires_at`. After that `/content` returns 404. The job
   * stays readable, but it cannot be extended, edited or remixed. Default: until the server stops.
   */
  readonly expiresAfter?: Duration.DurationInput | undefined
}

/** @internal */
export interface Job {
  /** Id in the response to the submission. */
  readonly id: string
  /** Id in the responses of `GET /videos/{id}`: equal to `id`, except for dialects that change it. */
  readonly retrieveId: string
  readonly operation: JobRequest["operation"]
  readonly model: string
  readonly prompt: string
  /** The size of the request; `null` if it named none. */
  readonly size: string | null
  readonly remixedFrom: string | null
  readonly recipe: Recipe
  readonly createdAt: number
  readonly startsAt: number
  readonly endsAt: number
  /** When the server deletes the files, in Unix milliseconds; `null` if never. */
  readonly expiresAt: number | null
  readonly fault: VideoFault | null
}

/** @internal */
export interface JobState {
  readonly phase: "queued" | "in_progress" | "completed" | "failed"
  readonly progress: number
}

/** Returns the state of a job at a time in Unix milliseconds. */
export const stateOf = (job: Job, now: number): JobState => {
  if (now < job.startsAt) return { phase: "queued", progress: 0 }
  if (now < job.endsAt) {
    const done = (now - job.startsAt) / (job.endsAt - job.startsAt)
    return { phase: "in_progress", progress: Math.min(99, Math.floor(done * 100)) }
  }
  return job.fault === null ? { phase: "completed", progress: 100 } : { phase: "failed", progress: 99 }
}

/** Whether the files of the job have expired. */
export const isExpired = (job: Job, now: number): boolean => job.expiresAt !== null && now >= job.expiresAt

/** @internal */
export const noSuchVideo = (id: string): Refusal =>
  refuse(404, `No video with the id '${id}'.`, { param: "video_id", code: "video_not_found" })

/** Ids of a job: in the response to its submission, and in the responses of `GET /videos/{id}`. */
export interface JobIds {
  readonly id: string
  readonly retrieveId: string
}

/** @internal */
export interface JobsConfig extends JobOptions {
  readonly newIds: () => JobIds
  /** Whether `remove` cancels a job that has not ended. Otherwise it refuses. */
  readonly cancels: boolean
  /** Runs for each new job. `exists` returns whether the job still exists. */
  readonly onCreated: (job: Job, exists: Effect.Effect<boolean>) => Effect.Effect<void>
}

/** A submission that starts from a video. */
export interface DerivedRequest {
  readonly prompt: string
  /** The id of a job, or an uploaded file. */
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
      /** Path of the picture that becomes the first frame. */
      readonly picture: string | undefined
      /** Why the job fails at its end, whatever `outcome` returns. */
      readonly fault?: VideoFault | undefined
    }
  ) => Effect.Effect<Job>
  readonly extend: (
    request: DerivedRequest & {
      readonly seconds: number
      /** Whether `seconds` counts the source. Default: the new part alone. */
      readonly countsSource?: boolean | undefined
    }
  ) => Effect.Effect<Job, Refusal>
  readonly remix: (request: { readonly prompt: string; readonly source: string }) => Effect.Effect<Job, Refusal>
  readonly edit: (request: DerivedRequest) => Effect.Effect<Job, Refusal>
  readonly get: (id: string) => Effect.Effect<Job, Refusal>
  /** Deletes the job and its files, and returns the job. */
  readonly remove: (id: string) => Effect.Effect<Job, Refusal>
  /** Lets the files of the job expire now. Does nothing for an unknown id. */
  readonly expire: (id: string) => Effect.Effect<void>
  /** Oldest first. */
  readonly all: Effect.Effect<ReadonlyArray<Job>>
}

/** Id of the job that the current request made, for the log. */
export const madeVideo = FiberRef.unsafeMake<string | null>(null)

const defaultModel = "sora-2"

/** Shortens an id for the label of a derived clip. */
const shortId = (id: string): string => (id.length > 20 ? `${id.slice(0, 16)}...` : id)

/** @internal */
export const makeJobs = (config: JobsConfig, clipFiles: ClipFiles): Jobs => {
  const jobs = new Map<string, Job>()
  const idsByRetrieveId = new Map<string, string>()
  const queueTime = Duration.toMillis(config.queueTime ?? "500 millis")
  const runTime = Duration.toMillis(config.runTime ?? "3 seconds")
  const reason = missingEncoder()
  // A job that can never have a file fails at once, and not with each of its downloads.
  const missing: VideoFault | null = reason === null ? null : { code: "encoder_missing", message: reason }
  const keepTime = config.expiresAfter === undefined ? null : Duration.toMillis(config.expiresAfter)

  const add = (
    facts: Pick<Job, "operation" | "model" | "prompt" | "recipe"> & Partial<Pick<Job, "size" | "remixedFrom">>,
    seconds: number,
    given?: VideoFault
  ): Effect.Effect<Job> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { model, operation, prompt } = facts
      const fault = missing ?? given ?? config.outcome?.({ operation, model, prompt, seconds }) ?? null
      const ids = config.newIds()
      const startsAt = missing === null ? now + queueTime : now
      const endsAt = missing === null ? startsAt + runTime : now
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
      clipFiles.retain(job.recipe)
      jobs.set(job.id, job)
      if (ids.retrieveId !== ids.id) idsByRetrieveId.set(ids.retrieveId, ids.id)
      const exists = Effect.sync(() => jobs.has(job.id))
      return Effect.as(Effect.zipRight(FiberRef.set(madeVideo, job.id), config.onCreated(job, exists)), job)
    })

  const get = (id: string): Effect.Effect<Job, Refusal> =>
    Effect.suspend(() => {
      const job = jobs.get(idsByRetrieveId.get(id) ?? id)
      return job === undefined ? Effect.fail(noSuchVideo(id)) : Effect.succeed(job)
    })

  /** Returns a job that can be a source. Refuses a job that has not completed or whose files have expired. */
  const getSource = (id: string, verb: string): Effect.Effect<Job, Refusal> =>
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
    create: ({ fault, height, label, model, picture, prompt, seconds, size, width }) =>
      add(
        { operation: "create", model, prompt, size, recipe: drawn({ width, height, seconds, prompt, label, picture }) },
        seconds,
        fault
      ),
    extend: ({ countsSource = false, prompt, seconds: length, source }) =>
      Effect.gen(function* () {
        const { model, recipe } =
          typeof source === "string"
            ? yield* getSource(source, "extended")
            : { model: defaultModel, recipe: yield* clipFiles.storeVideo(source) }
        const seconds = countsSource ? Math.max(0, length - recipe.seconds) : length
        return yield* add({ operation: "extend", model, prompt, recipe: extended(recipe, prompt, seconds) }, seconds)
      }),
    remix: ({ prompt, source }) =>
      Effect.gen(function* () {
        const { id, model, recipe: original } = yield* getSource(source, "remixed")
        const recipe = redrawn(original, prompt, `remix of ${shortId(id)}`)
        return yield* add({ operation: "remix", model, prompt, recipe, remixedFrom: id }, recipe.seconds)
      }),
    edit: ({ prompt, source }) =>
      Effect.gen(function* () {
        if (typeof source === "string") {
          const { id, model, recipe: original } = yield* getSource(source, "edited")
          const recipe = redrawn(original, prompt, `edit of ${shortId(id)}`)
          return yield* add({ operation: "edit", model, prompt, recipe }, recipe.seconds)
        }
        // An edit redraws all frames, so the uploaded file is not stored.
        const original = uploaded(source.path, yield* clipFiles.inspect(source))
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
        // A concurrent request can delete the job first; then `get` fails with 404.
        if (!jobs.delete(job.id)) return yield* get(id)
        idsByRetrieveId.delete(job.retrieveId)
        yield* clipFiles.release(job.recipe)
        return job
      }).pipe(Effect.uninterruptible),
    expire: (id) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const job = jobs.get(idsByRetrieveId.get(id) ?? id)
        if (job !== undefined) jobs.set(job.id, { ...job, expiresAt: now })
      }),
    all: Effect.sync(() => [...jobs.values()])
  }
}
