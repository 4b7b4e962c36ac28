/**
 * Errors of making, reading and joining video files.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A file is not an MP4 with a readable video track: another format, truncated, empty, encrypted, or audio only.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotMp4Error extends Schema.TaggedError<NotMp4Error>("effect-videos/NotMp4Error")("NotMp4Error", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.path} is not an MP4 video: ${this.reason}`
  }
}

/**
 * A file operation failed: no such file, no such directory, no space, or no permission.
 *
 * @since 0.1.0
 * @category errors
 */
export class MediaFileError extends Schema.TaggedError<MediaFileError>("effect-videos/MediaFileError")(
  "MediaFileError",
  {
    path: Schema.String,
    /** Error code of the system, for example `ENOENT` or `ENOSPC`. */
    code: Schema.String,
    reason: Schema.String
  }
) {
  override get message() {
    return `${this.path}: ${this.reason}`
  }
}

/**
 * The frames could not be encoded or joined: an impossible size or length, or an error of the encoder.
 *
 * @since 0.1.0
 * @category errors
 */
export class MediaRenderError extends Schema.TaggedError<MediaRenderError>("effect-videos/MediaRenderError")(
  "MediaRenderError",
  { reason: Schema.String }
) {
  override get message() {
    return `the clip could not be made: ${this.reason}`
  }
}

/**
 * All errors of the functions that make or read video files.
 *
 * @since 0.1.0
 * @category errors
 */
export type MediaError = NotMp4Error | MediaFileError | MediaRenderError

/**
 * Returns the message of any thrown value.
 *
 * @since 0.1.0
 * @category constructors
 */
export const reasonOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

/**
 * Returns the system's error code of a thrown file error, or `undefined` for other errors.
 *
 * @since 0.1.0
 * @category predicates
 */
export const systemCodeOf = (thrown: unknown): string | undefined =>
  thrown instanceof Error && "syscall" in thrown && "code" in thrown && typeof thrown.code === "string"
    ? thrown.code
    : undefined
