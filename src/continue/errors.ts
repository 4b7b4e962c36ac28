/** What can go wrong between two clips and one, beside what can go wrong with any job. */
import * as Schema from "effect/Schema"
import { jobSuffix, nullable, submittedJob } from "../internal/errors/errorFields.js"
import { VideoResource } from "../internal/protocol/videoSchemas.js"

/**
 * `ffmpeg` or `ffprobe` cannot be started: it is not installed, not on the `PATH`, or may not be run. Known before a segment is
 * submitted: nothing was paid for, unless the program is removed meanwhile. Then `videoId` is the segment, and `joinVideos` goes on
 * with it.
 *
 * @since 0.1.0
 * @category errors
 */
export class FfmpegUnavailableError extends Schema.TaggedError<FfmpegUnavailableError>(
  "effect-videos/FfmpegUnavailableError"
)("FfmpegUnavailableError", {
  /** The name or path that was tried. */
  program: Schema.String,
  cause: Schema.optional(Schema.Defect),
  videoId: submittedJob
}) {
  readonly isTransient = false
  override get message() {
    const paid = this.videoId === null ? ". Nothing was submitted." : `${jobSuffix(this)}.`
    return `cannot start ${this.program}; install FFmpeg, or name its path with the options \`ffmpeg\` and \`ffprobe\`${paid}`
  }
}

/**
 * A film that FFmpeg cannot read, or cannot make into another. If `segment` is `null`, nothing was submitted: the source, the
 * programs and the encoding are tried before. Otherwise `segment` is the job that was paid for: `joinVideos` goes on with it, or
 * with its file at `segmentPath`.
 *
 * @example
 * import { Effect, Option } from "effect"
 * import { VideoFile } from "effect-videos"
 * import { joinVideos, type MediaError } from "effect-videos/continue"
 *
 * const goOn = ({ segment, segmentPath }: MediaError) =>
 *   segmentPath === null
 *     ? Option.map(Option.fromNullable(segment), (job) => joinVideos("video_1", job, "longer.mp4"))
 *     : Option.some(
 *         Effect.flatMap(VideoFile.fromPath(segmentPath), (file) => joinVideos("video_1", file, "longer.mp4"))
 *       )
 *
 * @since 0.1.0
 * @category errors
 */
export class MediaError extends Schema.TaggedError<MediaError>("effect-videos/MediaError")("MediaError", {
  /** Reading what a film is, taking its last frame, or joining two. */
  step: Schema.Literal("probe", "frame", "join"),
  /** Which film. */
  film: Schema.Literal("source", "segment", "result"),
  /** The exit code; `null` if a signal ended the program, or if it succeeded and its result cannot be used. */
  exitCode: nullable(Schema.Number),
  /** The end of what the program wrote to its standard error. */
  detail: Schema.String,
  /** The job that was paid for; `null` if none was. */
  segment: nullable(VideoResource),
  /** Absolute path of the segment's file, which is kept beside the result's place; `null` if it was not downloaded. */
  segmentPath: nullable(Schema.String)
}) {
  readonly isTransient = false
  override get message() {
    const next =
      this.segment === null
        ? ""
        : ` The segment is ${this.segment.id}: \`joinVideos\` goes on with it, and makes no other.`
    const kept = this.segmentPath === null ? "" : ` The segment's file is kept: ${this.segmentPath}.`
    const code = this.exitCode === null ? "" : ` (exit code ${this.exitCode})`
    return `cannot ${steps[this.step]} the ${this.film}${code}: ${this.detail}.${kept}${next}`
  }
}

const steps = { probe: "read", frame: "take the last frame of", join: "make" } as const

/**
 * The manifest of an earlier `extendTo` for the same path is of another order (`other`), or cannot be read (`unreadable`).
 * Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class ManifestError extends Schema.TaggedError<ManifestError>("effect-videos/ManifestError")("ManifestError", {
  reason: Schema.Literal("other", "unreadable"),
  /** Absolute path of the manifest. */
  path: Schema.String,
  /** `other`: what is not the same as in the earlier call, for example `prompts`. */
  differs: Schema.Array(Schema.String),
  cause: Schema.optional(Schema.Defect)
}) {
  readonly isTransient = false
  override get message() {
    const directory = this.path.replace(/[\\/][^\\/]*$/, "")
    const next = `Nothing was sent. Delete ${directory} to begin anew; segments that were paid for are listed in it.`
    return this.reason === "unreadable"
      ? `extendTo: cannot read the manifest ${this.path}. ${next}`
      : `extendTo: ${this.path} belongs to an earlier call with another ${this.differs.join(", another ")}. Call it as before to go on, or save to another path. ${next}`
  }
}

/**
 * It is not known whether the submission of a segment made a job: its response was lost, or the process was killed before it was
 * recorded. Nothing is sent again by itself. The option `unsettled` of `extendTo` says how to go on: with one of the candidates,
 * or by sending the segment again.
 *
 * @since 0.1.0
 * @category errors
 */
export class SegmentUncertainError extends Schema.TaggedError<SegmentUncertainError>(
  "effect-videos/SegmentUncertainError"
)("SegmentUncertainError", {
  /** Which segment, from 1. */
  segment: Schema.Number,
  idempotencyKey: Schema.String,
  /** Jobs that the submission may have made, the most likely first. */
  candidates: Schema.Array(VideoResource),
  detail: Schema.String,
  /** Absolute path of the manifest. */
  manifest: Schema.String
}) {
  readonly isTransient = false
  override get message() {
    const ids = this.candidates.map(({ id }) => id)
    const may = ids.length === 0 ? "" : ` It may be ${ids.join(", ")}.`
    return `extendTo: it is unknown whether the server made segment ${this.segment}: ${this.detail}.${may} The option \`unsettled\` takes the job's id (\`{ id }\`), or \`"resend"\`, which may pay twice. The manifest is ${this.manifest}.`
  }
}

/**
 * The next segment would exceed `maxSegments` or `maxCost`. The manifest keeps what is done: the same call with a higher limit goes
 * on.
 *
 * @since 0.1.0
 * @category errors
 */
export class SpendingLimitError extends Schema.TaggedError<SpendingLimitError>("effect-videos/SpendingLimitError")(
  "SpendingLimitError",
  {
    limit: Schema.Literal("maxSegments", "maxCost"),
    /** Jobs that were submitted, in all runs. */
    submissions: Schema.Number,
    /** What they cost; `null` if the server does not say it of each. */
    spent: nullable(Schema.Struct({ amount: Schema.Number, currency: Schema.String })),
    /** The length that is reached. */
    seconds: Schema.Number,
    /** Absolute path of the manifest. */
    manifest: Schema.String
  }
) {
  readonly isTransient = false
  override get message() {
    const { spent, submissions } = this
    const so = `${submissions} ${submissions === 1 ? "job was" : "jobs were"} submitted`
    const cost =
      spent !== null
        ? `, for ${spent.amount} ${spent.currency}`
        : this.limit === "maxCost" && submissions > 0
          ? ", and the server does not say what each costs"
          : ""
    return `extendTo: stopped at ${this.seconds.toFixed(1)} s by \`${this.limit}\`: ${so}${cost}. The same call with a higher limit goes on from ${this.manifest}.`
  }
}
