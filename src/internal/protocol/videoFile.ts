import * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { listen, type TransferProgress } from "../download/transferProgress.js"
import { detectMediaType, fileNameOf, signatureLength, typeOfName } from "./mediaType.js"

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
  /** The file name in the request, without a path. */
  readonly name: string
  /** Media type, such as `video/mp4`. */
  readonly contentType: string
  /** Set for a stream without a `contentType`: type and name come from its first bytes when it is sent; `name` was given. */
  readonly detect?: { readonly name: string | undefined } | undefined
  /** Length in bytes; with it the request has a `Content-Length`. `null` if it is unknown. */
  readonly size: number | null
  /** The bytes, or a stream that runs once per attempt. */
  readonly content: Uint8Array | Stream.Stream<Uint8Array, unknown>
}

/**
 * Name and type of a file in the request.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default: the last part of the path, or `video.mp4` and the like. Without an extension it gets that of the detected type. */
  readonly name?: string | undefined
  /** Default: the type that the first bytes show, whatever the name ends in; else by the name's ending; else `video/mp4`. */
  readonly contentType?: string | undefined
}

/**
 * @since 0.1.0
 * @category predicates
 */
export const isVideoFile = (value: unknown): value is VideoFile => Predicate.hasProperty(value, TypeId)

// Measured by `bench/transfer.ts`: smaller reads take longer, larger ones or more of them at once take more memory.
const reading = { chunkSize: 256 * 1024, bufferSize: 1 }

/** `start` has the first bytes; `null` for a stream, whose first bytes come when it is sent. */
const make = (
  content: VideoFile["content"],
  size: number | null,
  options: Options | undefined,
  start: Uint8Array | null,
  ownName?: string
): VideoFile => {
  const name = options?.name ?? ownName
  const byName = typeOfName(name ?? "")
  const given = options?.contentType
  const detected = given === undefined && start !== null ? detectMediaType(start, byName) : null
  const type = given ?? detected ?? byName
  return {
    [TypeId]: TypeId,
    name: name !== undefined && name !== "" && detected === null ? name : fileNameOf(name, type),
    contentType: type,
    ...(given === undefined && start === null ? { detect: { name } } : {}),
    size,
    content
  }
}

/**
 * A file on disk, streamed in chunks of 256 KiB. Its first 512 bytes are read at once, for its type. Fails with a
 * `PlatformError` if the file does not exist, cannot be read, or is a directory.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromPath = (
  path: string,
  options?: Options
): Effect.Effect<VideoFile, PlatformError.PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const info = yield* fs.stat(path)
    if (info.type !== "File") {
      return yield* new PlatformError.BadArgument({
        module: "FileSystem",
        method: "stream",
        description: `${path} is not a file (${info.type})`
      })
    }
    const start =
      options?.contentType === undefined
        ? yield* Stream.runHead(fs.stream(path, { chunkSize: signatureLength, bytesToRead: signatureLength }))
        : Option.none()
    const name = path.replace(/^.*[\\/]/, "")
    return make(
      fs.stream(path, reading),
      Number(info.size),
      options,
      Option.getOrElse(start, () => new Uint8Array()),
      name
    )
  })

/**
 * A stream of bytes. It runs once per attempt, so it must be able to start over; a `size` that turns out wrong fails the
 * upload with `UploadError`. Its type is detected while it is sent: nothing of it is read before.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromStream = <E>(
  stream: Stream.Stream<Uint8Array, E>,
  options?: Options & { readonly size?: number | undefined }
): VideoFile => make(stream, options?.size ?? null, options, null)

/**
 * Bytes that are in memory already.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromBytes = (bytes: Uint8Array, options?: Options): VideoFile =>
  make(bytes, bytes.byteLength, options, bytes)

/** The size of the chunks of bytes in memory, if their progress is reported. */
const pieceSize = 256 * 1024

const pieces = (bytes: Uint8Array): Stream.Stream<Uint8Array> =>
  Stream.unfold(0, (from) =>
    from < bytes.byteLength
      ? Option.some([bytes.subarray(from, from + pieceSize), from + pieceSize] as const)
      : Option.none()
  )

/**
 * The same file, reporting how much of it has been handed to the connection, from 0 in each attempt. The upload does not wait for
 * the handler, which gets the newest report, but for the last one, which is `done`; an attempt that breaks off has no last one.
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
    /** The least time between two reports; the first and the last are always reported. Default: 100 milliseconds. */
    readonly interval?: Duration.DurationInput | undefined
  }
): VideoFile => ({
  ...file,
  content: Stream.unwrapScoped(
    Effect.map(listen(onProgress, options?.interval), ({ flush, report }) => {
      let transferred = 0
      const reportNow = (done: boolean) => report({ transferred, total: file.size, resumedFrom: 0, done })
      const content = file.content instanceof Uint8Array ? pieces(file.content) : file.content
      const counted = Stream.mapChunks(content, (chunks) => {
        for (const { byteLength } of chunks) transferred += byteLength
        reportNow(false)
        return chunks
      })
      reportNow(false)
      return Stream.concat(
        counted,
        Stream.execute(
          Effect.zipRight(
            Effect.sync(() => reportNow(true)),
            flush
          )
        )
      )
    })
  )
})
