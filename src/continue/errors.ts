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
