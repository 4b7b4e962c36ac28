/**
 * What can go wrong when the embedded server makes, reads or joins video files.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A file is not an MP4 with a readable video track: another format, cut short, empty, encrypted, audio only.
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
 * The file system refused: no such file, no such directory, no space, no permission.
 *
 * @since 0.1.0
 * @category errors
 */
export class MediaFileError extends Schema.TaggedError<MediaFileError>("effect-videos/MediaFileError")(
  "MediaFileError",
  {
    path: Schema.String,
    /** The system's code, for example `ENOENT` or `ENOSPC`. */
    code: Schema.String,
    reason: Schema.String
  }
) {
  override get message() {
    return `${this.path}: ${this.reason}`
  }
}

/**
 * The frames could not be encoded or put together: a size or length that is not possible, or a fault of the encoder.
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
 * Everything the functions of this folder fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type MediaError = NotMp4Error | MediaFileError | MediaRenderError

/**
 * The text of anything that was thrown.
 *
 * @since 0.1.0
 * @category constructors
 */
export const reasonOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

/**
 * The system's code of a thrown file system error.
 *
 * @since 0.1.0
 * @category predicates
 */
export const systemCodeOf = (thrown: unknown): string | undefined =>
  thrown instanceof Error && "syscall" in thrown && "code" in thrown && typeof thrown.code === "string"
    ? thrown.code
    : undefined
