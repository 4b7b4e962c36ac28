/** `continueVideo`: which way, what of it is paid for when, and what is left when it breaks off. */
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Errors from "../Errors.js"
import type { SubmitOptions } from "../Http.js"
import { createRequest, extendRequest } from "../internal/submissions.js"
import { spanOf, withSpan } from "../internal/tracing.js"
import { checkFree, exclusively, publish, resolveTarget, type Target, writeError } from "../internal/transferFile.js"
import type { CreateVideoRequest, ExtendVideoRequest } from "../Requests.js"
import { phaseOf, type VideoResource } from "../Schema.js"
import {
  type AwaitVideoError,
  type AwaitVideoOptions,
  awaitVideo,
  type CreateAndWatchError,
  createAndWatch,
  type ExtendAndWatchError,
  extendAndWatch
} from "../Stream.js"
import { type DownloadToFileError, type DownloadToFileOptions, downloadVideoToFile } from "../Transfer.js"
import * as VideoFile from "../VideoFile.js"
import type { Videos } from "../Videos.js"
import type { FfmpegUnavailableError, MediaError } from "./errors.js"
import {
  checkPrograms,
  defaultEncoding,
  type Film,
  join,
  lastFrame,
  type Programs,
  probe,
  type Size
} from "./ffmpeg.js"

/**
 * A longer clip: as for `extendVideo`, and what a clip of its own would be made with where the server extends nothing.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContinueVideoRequest extends ExtendVideoRequest, Pick<CreateVideoRequest, "model"> {
  /**
   * Size of the new segment. Default: the source's. Another one is for servers that make certain sizes only: the last frame is
   * fitted into it, with bars, and the segment is cut to the source's size again.
   */
  readonly size?: CreateVideoRequest["size"]
}

/**
 * How to go about it. Everything is optional; what `awaitVideo` takes holds for the wait.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContinueVideoOptions<E = never, R = never>
  extends AwaitVideoOptions<E, R>,
    Pick<DownloadToFileOptions, "directory" | "overwrite"> {
  /**
   * `"auto"` (default): the server is asked for an extension, and where it serves none (`OperationUnsupportedError`, nothing
   * was made), it is done by hand. `"never"`: by hand at once.
   */
  readonly extension?: "auto" | "never" | undefined
  /**
   * The job of an earlier call that broke off after it had been submitted: it is waited for, and joined to the source. No
   * other is made.
   */
  readonly segment?: string | VideoResource | undefined
  readonly submit?: SubmitOptions | undefined
  /** Of each file. */
  readonly download?: Omit<DownloadToFileOptions, "directory" | "overwrite" | "variant"> | undefined
  /** The programs, by name or path. Default: `ffmpeg` and `ffprobe` on the `PATH`. */
  readonly ffmpeg?: string | undefined
  readonly ffprobe?: string | undefined
  /** How the joined file is encoded, as arguments of `ffmpeg`. Default: `defaultEncoding`, H.264 (`libx264`) and AAC. */
  readonly encoding?: ReadonlyArray<string> | undefined
}

/**
 * A longer clip on disk.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContinuedVideo {
  /** Absolute. */
  readonly path: string
  readonly bytes: number
  /** `extended`: the server made the whole. `joined`: it made a segment, which was joined to the source here. */
  readonly way: "extended" | "joined"
  /** The job that was made: the extension, or the segment. */
  readonly video: VideoResource
  /** Length of the file: as the server says it, or as measured. `null` where the server says nothing. */
  readonly seconds: number | null
}

/**
 * What it may fail with: what an extension, a new clip, their watches and downloads may, and FFmpeg.
 *
 * @since 0.1.0
 * @category errors
 */
export type ContinueVideoError =
  | ExtendAndWatchError
  | CreateAndWatchError
  | AwaitVideoError
  | DownloadToFileError
  | FfmpegUnavailableError
  | MediaError

/**
 * A clip and `seconds` more of it, in a file at `path`: by `POST /videos/extensions`, or, where the server does not serve that,
 * by a segment of its own (`POST /videos` with the source's last frame as `input_reference`) that is joined to the source.
 *
 * - The joined file is an MP4 of the source's size and frame rate, encoded anew; the segment's first frame, which repeats the
 *   source's last, is left out, so that it is one frame shorter than the two. Where one of them has no sound, its part is silent.
 * - `onUpdate` is told of the job from the answer of its submission on. That id is what goes on after an interruption, a
 *   time-out or a `MediaError`: `segment: id` waits for it and joins it.
 * - Before anything is submitted, it fails with `InvalidRequestError`, `InvalidPathError`, `FileExistsError`,
 *   `FileWriteError`, `FfmpegUnavailableError`, `MediaError` (a source that cannot be read) or, for the source, as a download does.
 * - The file is under its name whole or not at all. What is needed on the way is in a directory beside it, which goes away.
 * - Films are read as MP4, QuickTime, Matroska, WebM or AVI alone, and from their own file alone: what a server sends cannot
 *   make FFmpeg open anything else.
 *
 * @example
 * import { NodeContext } from "@effect/platform-node"
 * import { Effect } from "effect"
 * import { VideoFile } from "effect-videos"
 * import { continueVideo } from "effect-videos/continue"
 *
 * const program = Effect.gen(function*() {
 *   const video = yield* VideoFile.fromPath("clip.mp4")
 *   return yield* continueVideo({ video, prompt: "a boat passes", seconds: 4 }, "longer.mp4", {
 *     onUpdate: ({ id, progress }) => Effect.log(id, progress)
 *   })
 * }).pipe(Effect.provide(NodeContext.layer))
 *
 * @since 0.1.0
 * @category operations
 */
export const continueVideo = <E = never, R = never>(
  request: ContinueVideoRequest,
  path: string,
  options: ContinueVideoOptions<E, R> = {}
): Effect.Effect<
  ContinuedVideo,
  ContinueVideoError | E,
  R | Videos | FileSystem.FileSystem | Path.Path | CommandExecutor.CommandExecutor
> =>
  Effect.gen(function* () {
    const { model, size, ...extension } = request
    const { extraBody, prompt, seconds } = extension
    // What either way would refuse is refused before anything of the first has happened.
    yield* extendRequest(extension, options.submit)
    yield* createRequest({ prompt, seconds, model, size, extraBody }, options.submit)
    const fs = yield* FileSystem.FileSystem
    const target = yield* resolveTarget(fs, yield* Path.Path, path, options.directory)
    yield* checkFree(fs, target, options.overwrite ?? false)
    if (options.extension !== "never" && options.segment === undefined) {
      const extended = yield* extend(extension, options)
      if (Option.isSome(extended)) return yield* save(extended.value, path, options)
      yield* Effect.logDebug("the server extends nothing; the clip is continued by a segment of its own")
    }
    return yield* exclusively(target, byHand(request, target, options))
  }).pipe((self) => withSpan(self, "Videos.continue", () => spanOf("continue_video", {})))

// internal

type Options = ContinueVideoOptions<unknown, unknown>

/** Tells of each, and gives the last where the job completed. */
const last = <E, R, E2, R2>(
  updates: Stream.Stream<VideoResource, E, R>,
  { onUpdate }: ContinueVideoOptions<E2, R2>
): Effect.Effect<Option.Option<VideoResource>, E | E2 | Errors.VideoFailedError, R | R2> => {
  const told: Stream.Stream<VideoResource, E | E2, R | R2> =
    onUpdate === undefined ? updates : Stream.tap(updates, onUpdate)
  return Effect.filterOrFail(
    Stream.runLast(told),
    Option.match({ onNone: () => true, onSome: (video) => phaseOf(video) !== "failed" }),
    (video) => new Errors.VideoFailedError({ operation: "awaitVideo", video: Option.getOrThrow(video) })
  )
}

/** The extension's job, completed; nothing where the server serves none. */
const extend = <E, R>(request: ExtendVideoRequest, options: ContinueVideoOptions<E, R>) =>
  last(
    Stream.catchSome(extendAndWatch(request, options), (error) =>
      // Not one of a look at a job that was made.
      error._tag === "OperationUnsupportedError" && error.operation === "extendVideo"
        ? Option.some(Stream.empty)
        : Option.none()
    ),
    options
  )

const save = (video: VideoResource, path: string, { directory, download, overwrite }: Options) =>
  Effect.map(
    downloadVideoToFile(video.id, path, { ...download, directory, overwrite }),
    (file): ContinuedVideo => ({
      path: file.path,
      bytes: file.bytes,
      way: "extended",
      video,
      seconds: video.seconds
    })
  )

/** A place of its own beside the target, so that what is made there can be given its name by a rename. */
const workshop = (fs: FileSystem.FileSystem, { dirname }: Path.Path, { path }: Target) =>
  Effect.mapError(fs.makeTempDirectoryScoped({ directory: dirname(path), prefix: ".continue-" }), writeError(path))

const byHand = <E, R>(request: ContinueVideoRequest, target: Target, options: ContinueVideoOptions<E, R>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const programs: Programs = { ffmpeg: options.ffmpeg ?? "ffmpeg", ffprobe: options.ffprobe ?? "ffprobe" }
    yield* checkPrograms(programs)
    const directory = yield* workshop(fs, path, target)
    const fetched = (video: string, name: string) =>
      Effect.map(downloadVideoToFile(video, name, { ...options.download, directory }), (file) => file.path)

    const { video } = request
    const sourcePath = VideoFile.isVideoFile(video)
      ? yield* written(fs, video, path.join(directory, "source"))
      : yield* fetched(typeof video === "string" ? video : video.id, "source")
    const source = yield* probe(programs, sourcePath, { film: "source", segment: null })

    const job = yield* options.segment === undefined
      ? Effect.flatMap(frameOf(programs, source, request.size, path.join(directory, "frame.png")), (frame) =>
          create(request, source, frame, options)
        )
      : awaitVideo(options.segment, options)

    const segment = yield* Effect.flatMap(fetched(job.id, "segment"), (file) =>
      probe(programs, file, { film: "segment", segment: job })
    )
    const part = path.join(directory, "joined.mp4")
    yield* join(programs, source, segment, options.encoding ?? defaultEncoding, part, job)
    const result = yield* probe(programs, part, { film: "result", segment: job })
    const bytes = yield* Effect.mapError(synced(fs, part), writeError(part))
    yield* publish(fs, path, { ...target, part, note: `${part}.json` }, options.overwrite ?? false)
    return { path: target.path, bytes, way: "joined", video: job, seconds: result.seconds } satisfies ContinuedVideo
  }).pipe(Effect.scoped)

/** A file to upload is any stream of bytes: FFmpeg wants to go back and forth in it. */
const written = (fs: FileSystem.FileSystem, { content, name }: VideoFile.VideoFile, path: string) =>
  (content instanceof Uint8Array ? Stream.make(content) : content).pipe(
    Stream.mapError(
      (cause) => new Errors.UploadError({ operation: "extendVideo", file: name, detail: "it cannot be read", cause })
    ),
    Stream.run(Sink.mapError(fs.sink(path), writeError(path))),
    Effect.as(path)
  )

const sizeOf = (source: Film, size: string | undefined): Size => {
  const [, width, height] = /^([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(size ?? "") ?? []
  return { width: Number(width ?? source.width), height: Number(height ?? source.height) }
}

/** The source's last frame as a file to upload. */
const frameOf = (programs: Programs, source: Film, size: string | undefined, path: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const isThere = Effect.orElseSucceed(fs.exists(path), () => false)
    yield* lastFrame(programs, source, sizeOf(source, size), path, isThere)
    return yield* Effect.mapError(VideoFile.fromPath(path), writeError(path))
  })

/** The segment's job, completed. */
const create = <E, R>(
  { extraBody, model, prompt, seconds, size }: ContinueVideoRequest,
  source: Film,
  frame: VideoFile.VideoFile,
  options: ContinueVideoOptions<E, R>
) => {
  const key = options.submit?.idempotencyKey
  const updates = createAndWatch(
    {
      prompt,
      seconds,
      model,
      size: size ?? `${source.width}x${source.height}`,
      inputReference: frame,
      extraBody
    },
    // The extension that was refused had the same key, and was another request.
    { ...options, submit: { ...options.submit, idempotencyKey: key === undefined ? undefined : `${key}-segment` } }
  )
  return Effect.map(last(updates, options), Option.getOrThrow)
}

const synced = (fs: FileSystem.FileSystem, path: string) =>
  Effect.scoped(
    Effect.flatMap(fs.open(path, { flag: "r+" }), (file) =>
      Effect.zipRight(
        file.sync,
        Effect.map(file.stat, ({ size }) => Number(size))
      )
    )
  )
