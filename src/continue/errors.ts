/** What can go wrong between two clips and one, beside what can go wrong with any job. */
import * as Schema from "effect/Schema"
import { jobOf, nullable, submitted } from "../internal/answered.js"
import { VideoResource } from "../Schema.js"

/**
 * `ffmpeg` or `ffprobe` cannot be started: it is not installed, not on the `PATH`, or may not be run. Known before a segment is
 * submitted: nothing was paid for, unless the program goes away meanwhile. Then `videoId` is the segment, and `joinVideos` goes on
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
  videoId: submitted
}) {
  readonly isTransient = false
  override get message() {
    const paid = this.videoId === null ? ". Nothing was submitted." : `${jobOf(this)}.`
    return `cannot start ${this.program}; install FFmpeg, or say where it is by the options \`ffmpeg\` and \`ffprobe\`${paid}`
  }
}

/**
 * A film that FFmpeg cannot read, or cannot make into another. `probe` and `frame` of the source come before anything is
 * submitted. Later, `segment` is the job that was paid for: `joinVideos` goes on with it.
 *
 * @since 0.1.0
 * @category errors
 */
export class MediaError extends Schema.TaggedError<MediaError>("effect-videos/MediaError")("MediaError", {
  /** Reading what a film is, taking its last frame, or joining two. */
  step: Schema.Literal("probe", "frame", "join"),
  /** Which film. */
  film: Schema.Literal("source", "segment", "result"),
  /** How the program ended; `null` where it was ended by a signal, or where it ended well and its result is of no use. */
  exitCode: nullable(Schema.Number),
  /** The end of what the program wrote to its standard error. */
  detail: Schema.String,
  segment: nullable(VideoResource)
}) {
  readonly isTransient = false
  override get message() {
    const next =
      this.segment === null
        ? ""
        : ` The segment is ${this.segment.id}: \`joinVideos\` goes on with it, and makes no other.`
    const code = this.exitCode === null ? "" : ` (exit code ${this.exitCode})`
    return `cannot ${steps[this.step]} the ${this.film}${code}: ${this.detail}.${next}`
  }
}

const steps = { probe: "read", frame: "take the last frame of", join: "make" } as const
