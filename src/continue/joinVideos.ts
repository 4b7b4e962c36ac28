/** `joinVideos`, and what `continueVideo` shares with it: a place to work in, films to work on, and the end of the work. */
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import type * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { SubmitOptions } from "../Http.js"
import { anyServer } from "../internal/dialects/openai.js"
import { checkDownload } from "../internal/download/downloadToFile.js"
import { exclusively } from "../internal/download/reserveFile.js"
import {
  checkFree,
  publish,
  resolveTarget,
  syncFile,
  type Target,
  writeError,
  writeInPlace
} from "../internal/download/targetFile.js"
import * as Errors from "../internal/errors/errors.js"
import { ofJob } from "../internal/errors/ofJob.js"
import { spanOf, withSpan } from "../internal/http/spans.js"
import { pathOf } from "../internal/protocol/validateRequest.js"
import * as VideoFile from "../internal/protocol/videoFile.js"
import type { VideoResource } from "../internal/protocol/videoSchemas.js"
import { planOf } from "../internal/watch/watchOptions.js"
import { type AwaitVideoError, type AwaitVideoOptions, awaitVideo } from "../Stream.js"
import { type DownloadToFileError, type DownloadToFileOptions, downloadVideoToFile } from "../Transfer.js"
import type { Videos } from "../Videos.js"
import { type FfmpegUnavailableError, MediaError } from "./errors.js"
import { checkPrograms, failed, type Programs } from "./ffmpeg.js"
import { type Film, probe } from "./film.js"
import { defaultEncoding, type Joining, join, rehearse } from "./graph.js"
import { checkSeam, type Seam } from "./seam.js"

/**
 * A completed job, by id, reference or snapshot; or a file.
 *
 * @since 0.1.0
 * @category models
 */
export type JobOrFile = string | { readonly id: string } | VideoFile.VideoFile

/**
 * How to go about a join. Everything is optional; what `awaitVideo` takes holds for the wait.
 *
 * @since 0.1.0
 * @category models
 */
export interface JoinVideosOptions<E = never, R = never>
  extends AwaitVideoOptions<E, R>,
    Pick<DownloadToFileOptions, "directory" | "overwrite"> {
  /** Of each file. */
  readonly download?: Omit<DownloadToFileOptions, "directory" | "overwrite" | "variant"> | undefined
  /** The programs, by name or path. Default: `ffmpeg` and `ffprobe` on the `PATH`. */
  readonly ffmpeg?: string | undefined
  readonly ffprobe?: string | undefined
  /** How the file is encoded, as arguments of `ffmpeg`. Default: `defaultEncoding`, H.264 (`libx264`) and AAC. */
  readonly encoding?: ReadonlyArray<string> | undefined
  /**
   * How much of the source's end goes along instead of its last frame, for a server that goes on from a clip (vLLM-Omni, with a
   * model that takes one), because one frame carries no motion. The segment then begins with it: what repeats the source is
   * found by comparing pictures, and left out. `seconds` counts it too. Default: none.
   */
  readonly window?: Duration.DurationInput | undefined
  /** How the clips meet. Default: one after the other, as they are. */
  readonly seam?: Seam | undefined
  /** Run when a phase begins; the call waits for it. */
  readonly onPhase?: ((phase: ContinuePhase) => Effect.Effect<unknown, E, R>) | undefined
}

/**
 * A part of the work of `continueVideo` and `joinVideos`. Their jobs are what `onUpdate` is for, their downloads
 * `download.onProgress`.
 *
 * - `extend`: the server is asked for an extension. `continueVideo` alone.
 * - `prepare`: the source is fetched and read, and, for `continueVideo`, its last frame is taken and the join is tried.
 * - `create`: the segment is submitted. `continueVideo` alone.
 * - `join`: the segment is fetched and joined to the source.
 *
 * @since 0.1.0
 * @category models
 */
export type ContinuePhase = "extend" | "prepare" | "create" | "join"

/**
 * Two clips as one on disk.
 *
 * @since 0.1.0
 * @category models
 */
export interface JoinedVideo {
  /** Absolute. */
  readonly path: string
  readonly bytes: number
  /** Its length, as measured. */
  readonly seconds: number
  /** The segment's job; `null` for a file. */
  readonly segment: VideoResource | null
}

/**
 * What a join may fail with: what a wait for the segment and the downloads may, and FFmpeg.
 *
 * @since 0.1.0
 * @category errors
 */
export type JoinVideosError =
  | Errors.UploadError
  | AwaitVideoError
  | DownloadToFileError
  | FfmpegUnavailableError
  | MediaError

/**
 * A clip and a segment that was made from its last frame, as one file at `path`: the last step of `continueVideo`, for programs that
 * made the segment another way, or earlier. Either is a job (a segment that has not ended is waited for) or a file.
 *
 * - An MP4 of the source's size, encoded anew. The segment's first frame, which repeats the source's last, is left out, so that
 *   the file is one frame shorter than the two. If one of them has no sound that can be decoded, its part is silent.
 * - Frames per second: the higher of both, at most 120, so that no picture is lost.
 * - Colours: BT.709, whatever the two are in. HDR is tone-mapped, which needs FFmpeg's filters `zscale` and `tonemap`.
 * - The file is under its name whole or not at all. Temporary files are in a directory beside it (`.continue-…`), which is
 *   removed unless the process is killed. If the join fails, the file of a segment that is a job is kept, and the `MediaError`
 *   names it.
 * - Films are read as MP4, QuickTime, Matroska, WebM, AVI, MPEG-TS, MPEG-PS, Ogg, FLV, GIF or APNG, and from their own file
 *   alone: what a server sends cannot make FFmpeg open anything else.
 *
 * @example
 * import { NodeContext } from "@effect/platform-node"
 * import { Effect } from "effect"
 * import { joinVideos } from "effect-videos/continue"
 *
 * const program = joinVideos("video_1", "video_2", "longer.mp4").pipe(
 *   Effect.flatMap(({ path, seconds }) => Effect.log(path, seconds)),
 *   Effect.provide(NodeContext.layer)
 * )
 *
 * @since 0.1.0
 * @category operations
 */
export const joinVideos = <E = never, R = never>(
  source: JobOrFile,
  segment: string | VideoResource | VideoFile.VideoFile,
  path: string,
  options: JoinVideosOptions<E, R> = {}
): Effect.Effect<
  JoinedVideo,
  JoinVideosError | E,
  R | Videos | FileSystem.FileSystem | Path.Path | CommandExecutor.CommandExecutor
> =>
  Effect.gen(function* () {
    for (const [field, video] of Object.entries({ source, segment })) {
      if (!VideoFile.isVideoFile(video)) yield* pathOf(anyServer, "downloadVideo", field, idOf(video))
    }
    yield* checkWaits(options)
    const target = yield* place(path, options)
    const id = VideoFile.isVideoFile(segment) ? null : idOf(segment)
    const joined = working(target, options, (work) =>
      Effect.gen(function* () {
        yield* enter("prepare", options)
        const first = yield* sourceOf(work, source)
        const job = VideoFile.isVideoFile(segment)
          ? null
          : yield* Effect.mapError(awaitVideo(segment, options), ofJob(idOf(segment)))
        yield* enter("join", options)
        return yield* finish(work, target, first, job ?? segment, job)
      })
    )
    return yield* exclusively(yield* FileSystem.FileSystem, target, id, () => joined)
  }).pipe((self) => withSpan(self, "Videos.join", () => spanOf("join_videos", {})))

// -----------------------------------------------------------------------------
// where the work is done
// -----------------------------------------------------------------------------

export type Options = Omit<JoinVideosOptions<unknown, unknown>, keyof AwaitVideoOptions | "onPhase">

export const enter = <E, R>(
  phase: ContinuePhase,
  { onPhase }: Pick<JoinVideosOptions<E, R>, "onPhase">
): Effect.Effect<unknown, E, R> => (onPhase === undefined ? Effect.void : onPhase(phase))

/** What the watch and the downloads would refuse is refused before anything has happened. */
export const checkWaits = (
  options: JoinVideosOptions<unknown, unknown>,
  submission?: SubmitOptions
): Effect.Effect<void, Errors.InvalidRequestError> =>
  Effect.flatMap(planOf("awaitVideo", options, submission), () => {
    const problem = checkDownload(options.download) ?? checkSeam(options.seam, options.window)
    return problem === null ? Effect.void : Effect.fail(problem)
  })

/** Where the file shall be, found to be free. */
export const place = (path: string, { directory, overwrite }: Options) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const target = yield* resolveTarget(fs, yield* Path.Path, path, directory)
    yield* checkFree(fs, target, overwrite ?? false)
    return target
  })

export interface Work {
  readonly programs: Programs
  /** Beside the target, so that what is made there gets its name by a rename. */
  readonly directory: string
  readonly options: Options
}

const joiningOf = ({ encoding = defaultEncoding, seam, window = 0 }: Options): Joining => ({
  encoding,
  seam,
  window: Duration.toSeconds(window)
})

export const programsOf = ({ ffmpeg = "ffmpeg", ffprobe = "ffprobe" }: Options): Programs => ({ ffmpeg, ffprobe })

/** Runs with both programs found, and a directory that is removed at its end. */
export const working = <A, E, R>(
  target: Pick<Target, "path" | "isRegular">,
  options: Options,
  use: (work: Work) => Effect.Effect<A, E, R>
) => Effect.zipRight(checkPrograms(programsOf(options)), inDirectory(target, options, use))

/** Runs with a directory that is removed at its end. */
export const inDirectory = <A, E, R>(
  { isRegular, path }: Pick<Target, "path" | "isRegular">,
  options: Options,
  use: (work: Work) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { dirname } = yield* Path.Path
    const directory = yield* Effect.mapError(
      fs.makeTempDirectoryScoped({ ...(isRegular ? { directory: dirname(path) } : {}), prefix: ".continue-" }),
      writeError(path)
    )
    return yield* use({ programs: programsOf(options), directory, options })
  }).pipe(Effect.scoped)

// -----------------------------------------------------------------------------
// films
// -----------------------------------------------------------------------------

const idOf = (video: string | { readonly id: string }): string => (typeof video === "string" ? video : video.id)

/** The clip as a file: FFmpeg wants to go back and forth in it, and one to upload is any stream of bytes. */
export const fetched = ({ directory, options }: Pick<Work, "directory" | "options">, video: JobOrFile, name: string) =>
  Effect.gen(function* () {
    if (!VideoFile.isVideoFile(video)) {
      return (yield* downloadVideoToFile(idOf(video), name, { ...options.download, directory })).path
    }
    const fs = yield* FileSystem.FileSystem
    const path = (yield* Path.Path).join(directory, name)
    const { content } = video
    yield* (content instanceof Uint8Array ? Stream.make(content) : content).pipe(
      Stream.mapError(
        (cause) =>
          new Errors.UploadError({
            operation: "extendVideo",
            file: video.name,
            detail: cause instanceof Error ? cause.message : "it cannot be read",
            cause
          })
      ),
      Stream.run(Sink.mapError(fs.sink(path), writeError(path)))
    )
    return path
  })

export const sourceOf = (work: Work, video: JobOrFile) =>
  Effect.flatMap(fetched(work, video, "source"), (path) =>
    probe(work.programs, path, { film: "source", segment: null })
  )

/** Makes a small file as the whole will be made, before a segment is paid for. */
export const checkJoin = ({ directory, options, programs }: Work, source: Film) =>
  Effect.gen(function* () {
    const trial = (yield* Path.Path).join(directory, "trial.mp4")
    yield* rehearse(programs, source, joiningOf(options), trial)
    yield* probe(programs, trial, { film: "result", segment: null })
  })

/** Joins two, and gives the file its name. */
export const finish = (work: Work, target: Target, source: Film, segment: JobOrFile, job: VideoResource | null) =>
  Effect.gen(function* () {
    const file = yield* fetched(work, segment, "segment")
    const joining = Effect.gen(function* () {
      const second = yield* probe(work.programs, file, { film: "segment", segment: job })
      return yield* joined(work, target, [source, second], job)
    })
    const made = yield* joining.pipe(
      Effect.catchTag("MediaError", (error) => (job === null ? error : keepSegment(target, file, job, error)))
    )
    return { ...made, segment: job } satisfies JoinedVideo
  }).pipe((self) => (job === null ? self : Effect.mapError(self, ofJob(job.id))))

/** One file of several films, under the target's name. `job` is the last one's. */
export const joined = (
  { directory, options, programs }: Work,
  target: Target,
  films: Arr.NonEmptyReadonlyArray<Film>,
  job: VideoResource | null
) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const part = path.join(directory, "joined.mp4")
    const wanted = yield* join(programs, films, joiningOf(options), part, job)
    const { seconds } = yield* probe(programs, part, { film: "result", segment: job })
    // FFmpeg ends well when a limit is reached.
    if (Math.abs(seconds - wanted) > Math.max(0.5, wanted / 20)) {
      const detail = `it lasts ${seconds.toFixed(3)} s instead of ${wanted.toFixed(3)} s`
      return yield* failed({ step: "join", film: "result", segment: job }, detail)
    }
    const bytes = yield* syncFile(fs, part)
    yield* target.isRegular
      ? publish(fs, path, { ...target, part, note: `${part}.json` }, options.overwrite ?? false)
      : writeInPlace(fs, target, Stream.mapError(fs.stream(part), writeError(part)))
    return { path: target.path, bytes, seconds }
  })

/** Moves what was paid for and downloaded out of the working directory, under a name that is the job's. */
const keepSegment = (target: Target, file: string, job: VideoResource, error: MediaError) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { dirname, join } = yield* Path.Path
    const id = job.id.replace(/[^\w-]/g, "_")
    // Long ids begin alike, with what a gateway knows, and end with the job.
    const name = id.length > 128 ? `${id.slice(0, 64)}${id.slice(-64)}` : id
    const segmentPath = join(dirname(target.path), `${name}.segment.mp4`)
    // If it cannot be kept, the server has it still, and the error says which job it is.
    const kept = yield* Effect.isSuccess(fs.rename(file, segmentPath))
    const { detail, exitCode, film, step } = error
    return yield* new MediaError({ step, film, exitCode, detail, segment: job, segmentPath: kept ? segmentPath : null })
  })
