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
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { listen, type TransferProgress } from "./internal/transferProgress.js"

export type { TransferProgress }

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

// The types of https://www.iana.org/assignments/media-types that video servers write, and take for a picture.
const types: { readonly [ending: string]: string } = {
  mp4: "video/mp4",
  m4v: "video/mp4",
  mov: "video/quicktime",
  webm: "video/webm",
  mkv: "video/matroska",
  avi: "video/vnd.avi",
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp"
}

// Measured by `bench/transfer.ts`: smaller reads take longer, larger ones or more of them at once take more memory.
const reading = { chunkSize: 256 * 1024, bufferSize: 1 }

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
        ? Effect.succeed(make(fs.stream(path, reading), Number(info.size), options, path.replace(/^.*[\\/]/, "")))
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

/** Pieces in which bytes in memory are sent where their progress is told. */
const pieceSize = 256 * 1024

const pieces = (bytes: Uint8Array): Stream.Stream<Uint8Array> =>
  Stream.unfold(0, (from) =>
    from < bytes.byteLength
      ? Option.some([bytes.subarray(from, from + pieceSize), from + pieceSize] as const)
      : Option.none()
  )

/**
 * The same file, telling how much of it has been handed to the connection: per try, so that a request that is sent again
 * begins at 0 again. The handler gets the newest report and the upload does not wait for it, but for the last one, which is
 * `done`; a try that breaks off has no last one.
 *
 * @example
 * import { Console, Effect } from "effect"
 * import { extendVideo, VideoFile } from "effect-videos"
 *
 * const program = Effect.gen(function*() {
 *   const video = VideoFile.withProgress(yield* VideoFile.fromPath("clip.mp4"), ({ total, transferred }) =>
 *     Console.log(`${transferred} of ${total ?? "?"}`)
 *   )
 *   return yield* extendVideo({ video, prompt: "the camera pulls back", seconds: 8 })
 * })
 *
 * @since 0.1.0
 * @category combinators
 */
export const withProgress = (
  file: VideoFile,
  onProgress: (progress: TransferProgress) => Effect.Effect<void>,
  options?: {
    /** The least time between two reports; the first and the last are always told. Default: 100 milliseconds. */
    readonly interval?: Duration.DurationInput | undefined
  }
): VideoFile => ({
  ...file,
  content: Stream.unwrapScoped(
    Effect.map(listen(onProgress, options?.interval), ({ flush, report }) => {
      let transferred = 0
      const tell = (done: boolean) => report({ transferred, total: file.size, resumedFrom: 0, done })
      const content = file.content instanceof Uint8Array ? pieces(file.content) : file.content
      const told = Stream.mapChunks(content, (chunks) => {
        for (const { byteLength } of chunks) transferred += byteLength
        tell(false)
        return chunks
      })
      tell(false)
      const last = Stream.execute(
        Effect.suspend(() => {
          tell(true)
          return flush
        })
      )
      return Stream.concat(told, last)
    })
  )
})
