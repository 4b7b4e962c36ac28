/** The run of `extendTo`: each segment is recorded before it is sent, when its job is known, and when its clip is complete. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Arr from "effect/Array"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { isSnapshot } from "../internal/download/contentSource.js"
import { checksumOfEnd } from "../internal/download/partialFile.js"
import { type Target, writeError } from "../internal/download/targetFile.js"
import { ofJob } from "../internal/errors/ofJob.js"
import type { Dialect } from "../internal/protocol/dialect.js"
import type { CreateVideoRequest } from "../internal/protocol/requestSchemas.js"
import * as VideoFile from "../internal/protocol/videoFile.js"
import type { VideoResource } from "../internal/protocol/videoSchemas.js"
import { randomId } from "../internal/randomId.js"
import { hubOf } from "../internal/watch/watchHub.js"
import { completed } from "../internal/watch/watchStream.js"
import { awaitVideo, watchVideo } from "../Stream.js"
import { downloadVideoToFile } from "../Transfer.js"
import { settleSubmission, Videos } from "../Videos.js"
import { referenceOf } from "./continueVideo.js"
import { ManifestError, SegmentUncertainError, SpendingLimitError } from "./errors.js"
import { type ExtendToOptions, ExtendToPhase } from "./extendToTypes.js"
import { checkPrograms, failed } from "./ffmpeg.js"
import { type Film, probe } from "./film.js"
import { fetched, inDirectory, type JobOrFile, joined, programsOf, type Work } from "./joinVideos.js"
import { type Clip, differences, type Manifest, type ManifestFile, type Submission } from "./manifest.js"
import { isLongEnough, isNotExtended, lengthOf, limitOf, planSegment, reasonAgainst, spentOf } from "./segmentPlan.js"

/** The arguments of `extendTo`, and where its phases go. */
export interface Call {
  readonly source: JobOrFile
  readonly totalSeconds: number
  readonly prompts: Arr.NonEmptyReadonlyArray<string>
  readonly path: string
  readonly options: ExtendToOptions
  readonly emit: (phase: ExtendToPhase) => Effect.Effect<void>
}

/** A segment whose job is recorded. */
interface Submitted {
  readonly manifest: Manifest
  readonly submission: Submission
  readonly job: VideoResource
}

const isUncertain = Predicate.isTagged("SubmissionUncertainError")

const unsent = {
  size: null,
  begunAt: DateTime.unsafeMake(0),
  sentAt: DateTime.unsafeMake(0),
  baseline: null,
  job: null
} as const

/** Without a submission that made no job. */
const withoutPending = (manifest: Manifest): Manifest => ({
  ...manifest,
  pending: null,
  submissions: manifest.submissions - 1
})

export const runSegments = (call: Call, dialect: Dialect, target: Target, file: ManifestFile) =>
  Effect.gen(function* () {
    const { emit, options, source } = call
    const { directory, write } = file
    const videos = yield* Videos
    const fs = yield* FileSystem.FileSystem
    const { join } = yield* Path.Path

    // -------------------------------------------------------------------------
    // films
    // -------------------------------------------------------------------------

    const nameOf = (segment: number) => `segment-${segment}.mp4`

    /** The URL in a snapshot of an earlier run may have expired. */
    const newest = (job: VideoResource) => (dialect.paths.retrieveVideo === null ? job : job.id)

    /** The clip's file, which an earlier run may have downloaded. */
    const fileOf = ({ job, segment }: Clip) =>
      Effect.gen(function* () {
        const path = join(directory, nameOf(segment))
        if (job === null || (yield* Effect.orElseSucceed(fs.exists(path), () => false))) return path
        return (yield* downloadVideoToFile(newest(job), nameOf(segment), { ...options.download, directory })).path
      })

    /** A film is decoded once to find out what it is, and the programs are looked for once. */
    const films = new Map<number, Film>()
    const check = yield* Effect.cached(checkPrograms(programsOf(options)))

    const filmOf = (clip: Clip) =>
      Effect.gen(function* () {
        const known = films.get(clip.segment)
        if (known !== undefined) return known
        yield* check
        const of = { film: clip.segment === 0 ? "source" : "segment", segment: clip.job } as const
        const film = yield* probe(programsOf(options), yield* fileOf(clip), of)
        if (film.second === null && clip.segment > 0) {
          return yield* failed({ step: "join", ...of }, "it has one picture: nothing was added")
        }
        films.set(clip.segment, film)
        return film
      })

    const measured = (clip: Clip) => Effect.map(filmOf(clip), ({ seconds }): Clip => ({ ...clip, seconds }))

    const withPrograms = <A, E, R>(use: (work: Work) => Effect.Effect<A, E, R>) =>
      Effect.zipRight(check, inDirectory(target, options, use))

    // -------------------------------------------------------------------------
    // the manifest
    // -------------------------------------------------------------------------

    /** The source by a name that is the same in each run. A file is copied first. */
    const nameOfSource = Effect.gen(function* () {
      if (!VideoFile.isVideoFile(source)) return typeof source === "string" ? source : source.id
      const path = yield* fetched({ directory, options }, source, nameOf(0))
      return yield* Effect.all([fs.stat(path), checksumOfEnd(fs, path)]).pipe(
        Effect.map(([{ size }, sum]) => `file of ${size} bytes, ${sum}`),
        Effect.mapError(writeError(path))
      )
    })

    const firstClip = Effect.gen(function* () {
      if (VideoFile.isVideoFile(source)) return yield* measured({ segment: 0, job: null, seconds: 0 })
      const job = yield* awaitVideo(typeof source === "string" || isSnapshot(source) ? source : source.id, options)
      const clip: Clip = { segment: 0, job, seconds: job.seconds ?? 0 }
      return job.seconds === null ? yield* measured(clip) : clip
    })

    const begin = Effect.gen(function* () {
      const found = yield* file.read
      const { extraBody = null, model = null, size = null } = options
      const { prompts, totalSeconds } = call
      const server = hubOf(videos)?.options.submission?.origin ?? null
      const overlap = Duration.toSeconds(options.seam?.crossfade ?? 0) + Duration.toSeconds(options.window ?? 0)
      const order = { server, source: yield* nameOfSource, totalSeconds, prompts, model, size, extraBody, overlap }
      if (found === null) {
        const clips = Arr.of(yield* firstClip)
        return yield* write({ version: 1, order, clips, pending: null, segments: 0, submissions: 0, costs: [] })
      }
      const differs = differences(order, found.order)
      return differs.length === 0 ? found : yield* new ManifestError({ reason: "other", path: file.path, differs })
    })

    // -------------------------------------------------------------------------
    // submissions
    // -------------------------------------------------------------------------

    /** What the server's list shows before a submission; `null` if it cannot be read. */
    const baseline =
      dialect.paths.listVideos === null
        ? Effect.succeed(null)
        : videos.listPages({ limit: 20, order: "desc" }).pipe(
            Stream.runHead,
            Effect.map(Option.match({ onNone: () => [], onSome: (page) => page.videos.map(({ id }) => id) })),
            Effect.orElseSucceed(() => null)
          )

    const extensionOf = ({ prompt, seconds }: Submission, { job }: Clip) => ({
      video: job?.id ?? source,
      prompt,
      seconds,
      extraBody: options.extraBody
    })

    const creationOf = ({ prompt, seconds, size }: Submission): CreateVideoRequest => ({
      prompt,
      seconds,
      size: size ?? undefined,
      model: options.model ?? (dialect.derivedModel === "ofSource" ? undefined : dialect.derivedModel),
      extraBody: options.extraBody
    })

    const uncertain = (
      { idempotencyKey, segment }: Submission,
      candidates: ReadonlyArray<VideoResource>,
      detail: string
    ) => new SegmentUncertainError({ segment, idempotencyKey, candidates, detail, manifest: file.path })

    /** Records the intent, sends, and records the job or that there is none. */
    const send = <E extends { readonly _tag: string }>(
      manifest: Manifest,
      planned: Submission,
      reason: string | null,
      request: (options: { readonly idempotencyKey: string }) => Effect.Effect<VideoResource, E>
    ) =>
      Effect.gen(function* () {
        const isAgain = manifest.pending !== null
        const limit = isAgain ? null : limitOf(manifest, options)
        if (limit !== null) {
          const reached = { submissions: manifest.submissions, spent: spentOf(manifest), seconds: lengthOf(manifest) }
          return yield* new SpendingLimitError({ limit, ...reached, manifest: file.path })
        }
        const sentAt = yield* DateTime.now
        const submission = { ...planned, sentAt, ...(isAgain ? {} : { begunAt: sentAt, baseline: yield* baseline }) }
        const submissions = manifest.submissions + (isAgain ? 0 : 1)
        const sending = yield* write({ ...manifest, pending: submission, submissions })
        const { idempotencyKey, seconds, segment, way } = submission
        yield* emit(ExtendToPhase.SegmentStarted({ segment, way, seconds, reason }))
        return yield* Effect.uninterruptibleMask((restore) =>
          restore(request({ idempotencyKey })).pipe(
            // Every other error says that no job was made.
            Effect.tapError((error) => (isUncertain(error) ? Effect.void : write(withoutPending(sending)))),
            Effect.flatMap((job) => Effect.mapError(recorded(sending, submission, job), ofJob(job.id)))
          )
        )
      })

    const recorded = (manifest: Manifest, submission: Submission, job: VideoResource) =>
      Effect.map(
        write({ ...manifest, pending: { ...submission, job } }),
        (manifest): Submitted => ({ manifest, submission, job })
      )

    /** As a clip of its own, from the last frame, once what FFmpeg has to do later has been tried. */
    const submitJoined = (manifest: Manifest, planned: Submission, tip: Clip, reason: string | null) =>
      withPrograms((work) =>
        Effect.gen(function* () {
          const film = yield* filmOf(tip)
          const reference = yield* referenceOf(work, dialect, film, options)
          const sized = { ...planned, size: options.size ?? `${film.width}x${film.height}` }
          return yield* send(manifest, sized, reason, (submit) =>
            videos.create({ ...creationOf(sized), ...reference }, submit)
          )
        })
      )

    const plan = (manifest: Manifest, way: Submission["way"]): Submission => ({
      ...planSegment(manifest, dialect, options.segmentSeconds ?? 8, way),
      ...unsent,
      idempotencyKey: randomId()
    })

    /** Set once the server has said that it extends nothing. */
    let refusal: string | null = null

    /** By the server's extension; if that is refused before anything is paid for, as a clip of its own. */
    const submitExtended = (manifest: Manifest, planned: Submission, tip: Clip) =>
      Effect.catchIf(
        send(manifest, planned, null, (submit) => videos.extend(extensionOf(planned, tip), submit)),
        isNotExtended,
        (error) => {
          if (error._tag === "OperationUnsupportedError") refusal = error.message
          const free = manifest.pending === null ? manifest : withoutPending(manifest)
          return submitJoined(free, plan(free, "joined"), tip, error.message)
        }
      )

    const submit = (manifest: Manifest, tip: Clip) => {
      const reason = options.extension === "never" ? null : (refusal ?? reasonAgainst(dialect, tip))
      const way = options.extension === "never" || reason !== null ? "joined" : "extended"
      const planned = manifest.pending ?? plan(manifest, way)
      return planned.way === "extended"
        ? submitExtended(manifest, planned, tip)
        : submitJoined(manifest, planned, tip, reason)
    }

    /** The job of a submission of an earlier run; `null` if it made none. */
    const jobOf = (submission: Submission, { clips }: Manifest, tip: Clip) =>
      Effect.gen(function* () {
        if (submission.job !== null) return submission.job
        const { unsettled } = options
        const held = clips.flatMap(({ job }): ReadonlyArray<string> => (job === null ? [] : [job.id]))
        if (unsettled === "resend") return null
        if (unsettled !== undefined && !held.includes(unsettled.id)) return yield* videos.retrieve(unsettled.id)
        const request = submission.way === "extended" ? extensionOf(submission, tip) : creationOf(submission)
        const outcome = yield* settleSubmission(request, { ...submission, heldElsewhere: () => Effect.succeed(held) })
        if (outcome._tag === "Made") return outcome.video
        if (outcome._tag === "NotMade") return null
        return yield* uncertain(submission, outcome.candidates, outcome.detail)
      })

    const submitted = (manifest: Manifest, tip: Clip) =>
      Effect.gen(function* () {
        const { pending } = manifest
        const job = pending === null ? null : yield* jobOf(pending, manifest, tip)
        return pending !== null && job !== null ? yield* recorded(manifest, pending, job) : yield* submit(manifest, tip)
      })

    // -------------------------------------------------------------------------
    // one segment
    // -------------------------------------------------------------------------

    /** The clips with what the job made: in the place of the last one, if it is the whole. */
    const clipsWith = ({ clips }: Manifest, { seconds, segment, way }: Submission, job: VideoResource) =>
      Effect.gen(function* () {
        const before = Arr.initNonEmpty(clips)
        const tip = Arr.lastNonEmpty(clips)
        if (way === "extended" && dialect.extension === "whole") {
          const whole = job.seconds ?? 0
          return Arr.append(before, { segment, job, seconds: whole > tip.seconds ? whole : tip.seconds + seconds })
        }
        const clip = yield* measured({ segment, job, seconds: 0 })
        const isWhole = way === "extended" && clip.seconds > tip.seconds + seconds / 2
        return Arr.append(isWhole ? before : clips, clip)
      })

    const addSegment = (before: Manifest) =>
      Effect.gen(function* () {
        const { job, manifest, submission } = yield* submitted(before, Arr.lastNonEmpty(before.clips))
        const { segment, way } = submission
        const show = (video: VideoResource) => emit(ExtendToPhase.SegmentUpdated({ segment, video }))
        yield* show(job)
        const last = yield* Stream.runLast(Stream.tap(watchVideo(job, options), show))
        const video = Option.getOrElse(last, () => job)
        const costs = [...manifest.costs, video.cost ?? null]
        const ended = completed(video)
        if (ended._tag === "Left") {
          // What a failed job costs is counted if the server says it.
          yield* write({ ...manifest, pending: null, costs: video.cost === undefined ? manifest.costs : costs })
          return yield* ended.left
        }
        const clips = yield* Effect.mapError(clipsWith(manifest, submission, video), ofJob(video.id))
        const done = yield* write({ ...manifest, clips, pending: null, segments: segment, costs })
        yield* emit(ExtendToPhase.SegmentCompleted({ segment, way, video, seconds: lengthOf(done) }))
        return done
      })

    const save = ({ clips }: Manifest) =>
      Effect.gen(function* () {
        const [only, ...others] = clips
        yield* emit(ExtendToPhase.Saving({ films: clips.length }))
        if (others.length === 0 && only.job !== null) {
          const { directory, overwrite } = options
          const saved = yield* downloadVideoToFile(newest(only.job), call.path, {
            ...options.download,
            directory,
            overwrite
          })
          return { path: saved.path, bytes: saved.bytes, seconds: only.seconds }
        }
        return yield* withPrograms((work) =>
          Effect.gen(function* () {
            const first = yield* filmOf(only)
            const next = yield* Effect.forEach(others, filmOf)
            return yield* joined(work, target, [first, ...next], Arr.lastNonEmpty(clips).job)
          })
        )
      })

    let manifest = yield* begin
    const { order, segments } = manifest
    yield* emit(ExtendToPhase.Started({ seconds: lengthOf(manifest), totalSeconds: order.totalSeconds, segments }))
    while (manifest.pending !== null || !isLongEnough(manifest)) {
      const before: Manifest = manifest
      manifest = yield* Effect.catchTag(addSegment(before), "SubmissionUncertainError", (error) =>
        uncertain(
          { ...plan(before, "extended"), idempotencyKey: error.idempotencyKey },
          error.candidates,
          error.message.replace(/\.$/, "")
        )
      )
    }
    const saved = yield* save(manifest)
    yield* file.remove
    yield* emit(ExtendToPhase.Saved({ ...saved, segments: manifest.segments, cost: spentOf(manifest) }))
  })
