/**
 * A file to upload: a path, a stream or bytes, with the name and type that the server is told. A file is opened
 * when it is sent, and anew for each try; it is never read whole into memory.
 *
 * @example
 * import * as Effect from "effect/Effect"
 * import { extendVideo, VideoFile } from "effect-videos"
 *
 * const program = Effect.gen(function*() {
 *   const video = yield* VideoFile.fromPath("clip.mp4")
 *   return yield* extendVideo({ video, prompt: "the camera pulls back", seconds: 8 })
 * })
 *
 * @since 0.1.0
 */
import * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Stream from "effect/Stream"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("effect-videos/VideoFile")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * A file to upload.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoFile {
  readonly [TypeId]: TypeId
  /** The file name that the server is told, without a path. */
  readonly name: string
  /** Media type, such as `video/mp4`. */
  readonly contentType: string
  /** Length in bytes where it is known; the request then carries a `Content-Length`. */
  readonly size: number | null
  /** The bytes, or a stream that is run once per try. */
  readonly content: Uint8Array | Stream.Stream<Uint8Array, unknown>
}

/**
 * What the server is told about a file.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default: the last part of the path, or `video.mp4`. */
  readonly name?: string | undefined
  /** Default: by the name's ending, else `video/mp4`. */
  readonly contentType?: string | undefined
}

/**
 * @since 0.1.0
 * @category predicates
 */
export const isVideoFile = (value: unknown): value is VideoFile => Predicate.hasProperty(value, TypeId)

// The types of https://www.iana.org/assignments/media-types that video servers write.
const types: { readonly [ending: string]: string } = {
  mp4: "video/mp4",
  m4v: "video/mp4",
  mov: "video/quicktime",
  webm: "video/webm",
  mkv: "video/matroska",
  avi: "video/vnd.avi"
}

const make = (
  content: VideoFile["content"],
  size: number | null,
  options: Options | undefined,
  defaultName: string
): VideoFile => {
  const name = options?.name ?? defaultName
  const ending = name.slice(name.lastIndexOf(".") + 1).toLowerCase()
  return { [TypeId]: TypeId, name, contentType: options?.contentType ?? types[ending] ?? "video/mp4", size, content }
}

/**
 * A file on disk, streamed in chunks of 256 KiB. Fails with a `PlatformError` if there is no such file, it cannot be
 * read, or it is a directory.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromPath = (
  path: string,
  options?: Options
): Effect.Effect<VideoFile, PlatformError.PlatformError, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.flatMap(fs.stat(path), (info) =>
      info.type === "File"
        ? Effect.succeed(
            make(fs.stream(path, { chunkSize: 256 * 1024 }), Number(info.size), options, path.replace(/^.*[\\/]/, ""))
          )
        : Effect.fail(
            new PlatformError.BadArgument({
              module: "FileSystem",
              method: "stream",
              description: `${path} is no file (${info.type})`
            })
          )
    )
  )

/**
 * A stream of bytes. It is run once per try, so it must be able to start over; a `size` that turns out wrong fails the
 * upload with `UploadError`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromStream = <E>(
  stream: Stream.Stream<Uint8Array, E>,
  options?: Options & { readonly size?: number | undefined }
): VideoFile => make(stream, options?.size ?? null, options, "video.mp4")

/**
 * Bytes that are in memory already.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromBytes = (bytes: Uint8Array, options?: Options): VideoFile =>
  make(bytes, bytes.byteLength, options, "video.mp4")
