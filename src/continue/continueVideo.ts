/** `continueVideo`: which way, and what of it is paid for when. */
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { SubmitOptions } from "../Http.js"
import { exclusively, type ReservedFile } from "../internal/download/reserveFile.js"
import { writeError } from "../internal/download/targetFile.js"
import type * as Errors from "../internal/errors/errors.js"
import { ofJob } from "../internal/errors/ofJob.js"
import { spanOf, withSpan } from "../internal/http/spans.js"
import type { Dialect } from "../internal/protocol/dialect.js"
import type { CreateVideoRequest, ExtendVideoRequest } from "../internal/protocol/requestSchemas.js"
import { createRequest, extendRequest } from "../internal/protocol/submissionRequests.js"
import { invalid } from "../internal/protocol/validateRequest.js"
import * as VideoFile from "../internal/protocol/videoFile.js"
import type { VideoResource } from "../internal/protocol/videoSchemas.js"
import { dialectOf } from "../internal/watch/watchHub.js"
import { completed } from "../internal/watch/watchStream.js"
import {
  type CreateAndWatchError,
  createAndWatch,
  type ExtendAndWatchError,
  extendAndWatch,
  type SubmitAndWatchOptions
} from "../Stream.js"
import { downloadVideoToFile } from "../Transfer.js"
import { Videos } from "../Videos.js"
import type { Film } from "./film.js"
import { lastFrame, lastWindow, type Size } from "./graph.js"
import {
  checkJoin,
  checkWaits,
  enter,
  finish,
  type JobOrFile,
  type JoinVideosError,
  type JoinVideosOptions,
  type Options,
  place,
  sourceOf,
  type Work,
  working
} from "./joinVideos.js"

/**
 * A longer clip: as for `extendVideo`, and what a clip of its own would be made with where the server extends nothing.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContinueVideoRequest extends ExtendVideoRequest {
  /** The completed job to continue, by id, reference or snapshot; or a file. */
  readonly video: JobOrFile
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
export interface ContinueVideoOptions<E = never, R = never> extends JoinVideosOptions<E, R> {
  /**
   * `"auto"` (default): the server is asked for an extension, and where it serves none (`OperationUnsupportedError`, nothing
   * was made), it is done by hand. `"never"`: by hand at once.
   */
  readonly extension?: "auto" | "never" | undefined
  readonly submit?: SubmitOptions | undefined
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
  /** Length of the file: as the server says it, or as measured. `null` where the server says nothing. */
  readonly seconds: number | null
  /** `extended`: the server made the whole. `joined`: it made a segment, which was joined to the source here. */
  readonly way: "extended" | "joined"
  /** The job that was made: the extension, or the segment. */
  readonly video: VideoResource
}

/**
 * What it may fail with: what an extension, a new clip, their watches and downloads may, and FFmpeg.
 *
 * @since 0.1.0
 * @category errors
 */
export type ContinueVideoError = ExtendAndWatchError | CreateAndWatchError | JoinVideosError

/**
 * A clip and `seconds` more of it, in a file at `path`: by `POST /videos/extensions`, or, where the server does not serve that,
 * by a segment of its own (`POST /videos` with the source's last frame as `input_reference`) that is joined to the source as
 * `joinVideos` does it.
 *
 * - Before anything is submitted, it fails with `InvalidRequestError`, `FileError` (if its `reason` is `busy`,
 *   another call, in this process or another, writes to the path; or one that was
 *   killed had submitted a job for it, which the error names), `FfmpegUnavailableError`, `MediaError` (a source that cannot be
 *   read, or what this FFmpeg cannot do) or, for the source, as a download does. Every later error names the job, as `videoId`, `video` or `segment`.
 * - `onUpdate` runs with the job from the response of its submission on. After an interruption, a timeout or a join that failed
 *   (`MediaError`, whose `segment` it is), `joinVideos` goes on with it; nothing is paid for twice.
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
    const dialect = dialectOf(yield* Videos)
    // Both requests are checked before either is sent.
    if (dialect.paths.extendVideo !== null) yield* extendRequest(dialect, extension, options.submit)
    yield* createRequest(dialect, { prompt, seconds, model, size, extraBody }, options.submit)
    yield* checkWaits(options, options.submit)
    yield* checkWindow(dialect, options.window)
    const target = yield* place(path, options)
    const byHand = (reserved: ReservedFile) =>
      working(target, options, (work) =>
        Effect.gen(function* () {
          yield* enter("prepare", options)
          const source = yield* sourceOf(work, request.video)
          const reference = yield* referenceOf(work, dialect, source, request)
          yield* enter("create", options)
          const made = last(segmentOf(request, source, reference, options), reserved, options)
          const video = yield* Effect.map(made, Option.getOrThrow)
          yield* enter("join", options)
          const { bytes, path, seconds } = yield* finish(work, target, source, video, video)
          return { path, bytes, seconds, way: "joined", video } satisfies ContinuedVideo
        })
      )
    // Either way, the path is this call's alone, and can be written to, before anything is submitted.
    return yield* exclusively(yield* FileSystem.FileSystem, target, null, (reserved) =>
      Effect.gen(function* () {
        if (options.extension !== "never") {
          yield* enter("extend", options)
          const extended = yield* extend(extension, reserved, options)
          if (Option.isSome(extended)) return yield* save(extended.value, path, options)
          yield* Effect.logDebug("the server extends nothing; the clip is continued by a segment of its own")
        }
        return yield* byHand(reserved)
      })
    )
  }).pipe((self) => withSpan(self, "Videos.continue", () => spanOf("continue_video", {})))

// internal

/** Runs `onUpdate` with each snapshot and returns the last one. The path's lock file names the job before that. */
const last = <E, R, E2, R2>(
  updates: Stream.Stream<VideoResource, E, R>,
  { submitted }: ReservedFile,
  { onUpdate }: ContinueVideoOptions<E2, R2>
): Effect.Effect<Option.Option<VideoResource>, E | E2 | Errors.VideoFailedError, R | R2> => {
  const noted = Stream.tap(updates, ({ id }) => submitted(id))
  const observed: Stream.Stream<VideoResource, E | E2, R | R2> =
    onUpdate === undefined ? noted : Stream.tap(noted, onUpdate)
  return Effect.flatMap(Stream.runLast(observed), Effect.transposeMapOption(completed))
}

/** The extension's job, completed; nothing if the server serves no extensions. A read of a job may be refused so, too. */
const extend = <E, R>(request: ExtendVideoRequest, reserved: ReservedFile, options: ContinueVideoOptions<E, R>) => {
  const extension = Stream.catchSome(extendAndWatch(request, options), (error) =>
    error._tag === "OperationUnsupportedError" && error.operation === "extendVideo"
      ? Option.some(Stream.empty)
      : Option.none()
  )
  return last(extension, reserved, options)
}

const save = (video: VideoResource, path: string, { directory, download, overwrite }: Options) =>
  Effect.map(
    downloadVideoToFile(video, path, { ...download, directory, overwrite }),
    (file): ContinuedVideo => ({ path: file.path, bytes: file.bytes, seconds: video.seconds, way: "extended", video })
  ).pipe(Effect.mapError(ofJob(video.id)))

const sizeOf = (source: Film, size: string | undefined): Size => {
  const [, width, height] = /^([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(size ?? "") ?? []
  return { width: Number(width ?? source.width), height: Number(height ?? source.height) }
}

/** What a segment is made from, as fields of its request. */
export type Reference = Pick<CreateVideoRequest, "inputReference" | "extraBody">

/** The source's last frame as a file to upload, or its last seconds, after what FFmpeg has to do later has been tried. */
export const referenceOf = (
  work: Work,
  dialect: Dialect,
  source: Film,
  { extraBody, size }: Pick<ContinueVideoRequest, "extraBody" | "size">
) =>
  Effect.gen(function* () {
    const { directory, options, programs } = work
    const fs = yield* FileSystem.FileSystem
    const { join } = yield* Path.Path
    const { videoReference } = dialect
    if (options.window !== undefined && videoReference !== undefined) {
      const path = join(directory, "window.mp4")
      yield* lastWindow(programs, source, Duration.toSeconds(options.window), sizeOf(source, size), path)
      yield* checkJoin(work, source)
      const bytes = yield* Effect.mapError(fs.readFile(path), writeError(path))
      const url = `data:video/mp4;base64,${Encoding.encodeBase64(bytes)}`
      return { extraBody: { ...extraBody, [videoReference]: JSON.stringify({ video_url: url }) } } satisfies Reference
    }
    const path = join(directory, "frame.png")
    const isThere = Effect.orElseSucceed(fs.exists(path), () => false)
    yield* lastFrame(programs, source, sizeOf(source, size), path, isThere)
    yield* checkJoin(work, source)
    const inputReference = yield* Effect.mapError(VideoFile.fromPath(path), writeError(path))
    return { inputReference, extraBody } satisfies Reference
  })

/** Fails if the dialect takes no clip. */
export const checkWindow = ({ name, videoReference }: Dialect, window: unknown) =>
  window === undefined || videoReference !== undefined
    ? Effect.void
    : Effect.fail(invalid("createVideo", "window", window, `left out: the dialect \`${name}\` goes on from no clip`))

/** The segment, from its submission on. */
const segmentOf = (
  { model, prompt, seconds, size }: ContinueVideoRequest,
  source: Film,
  reference: Reference,
  options: SubmitAndWatchOptions
) => {
  const key = options.submit?.idempotencyKey
  return createAndWatch(
    {
      prompt,
      seconds,
      model,
      size: size ?? `${source.width}x${source.height}`,
      ...reference
    },
    // The extension that was refused had the same key, and was another request.
    { ...options, submit: { ...options.submit, idempotencyKey: key === undefined ? undefined : `${key}-segment` } }
  )
}
