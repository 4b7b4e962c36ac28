/** Runs FFmpeg's programs. Arguments are lists, no shell is involved, and every run has a time limit. */
import * as Command from "@effect/platform/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { VideoResource } from "../internal/protocol/videoSchemas.js"
import { FfmpegUnavailableError, MediaError } from "./errors.js"

export interface Programs {
  readonly ffmpeg: string
  readonly ffprobe: string
}

/** The context of a run, for its errors. */
export interface Stage {
  readonly step: MediaError["step"]
  readonly film: MediaError["film"]
  /** The job that was paid for; `null` if none was. */
  readonly segment: VideoResource | null
}

/**
 * A file from a server may hold anything, whatever its name is: FFmpeg takes a text for a playlist, and a playlist names files of
 * this machine and addresses of its network. The formats listed hold a whole film in one file and do not refer to others
 * (https://ffmpeg.org/ffmpeg-protocols.html, `protocol_whitelist`; https://ffmpeg.org/ffmpeg-formats.html, `format_whitelist`).
 */
export const input = (path: string): ReadonlyArray<string> => [
  "-protocol_whitelist",
  "file",
  "-format_whitelist",
  "mov,matroska,webm,avi,mpegts,mpeg,ogg,flv,gif,apng",
  "-i",
  path
]

/** Characters of a program's standard error that an error shows, and that are kept in memory. */
const longestDetail = 2048

export const failed = ({ film, segment, step }: Stage, detail: string, exitCode: number | null = null) =>
  new MediaError({
    step,
    film,
    exitCode,
    detail: detail.trim().slice(-longestDetail) || "it does not say why",
    segment
  })

const unavailable = (program: string) => (cause: PlatformError) => new FfmpegUnavailableError({ program, cause })

export type Run<A, R = never> = Effect.Effect<
  A,
  FfmpegUnavailableError | MediaError,
  CommandExecutor.CommandExecutor | R
>

/** Time for starting a program and for what does not depend on the film. */
const base = Duration.minutes(2)

/** Time limit of a run that decodes a file, by its bytes: 50 kB/s is slow for any codec. */
export const timeToRead = (bytes: number): Duration.Duration => Duration.sum(base, Duration.seconds(bytes / 50_000))

/** Time limit of a run that decodes or encodes, by its pixels: one megapixel per second is slow for any codec. */
export const timeToMake = (pixels: number): Duration.Duration => Duration.sum(base, Duration.seconds(pixels / 1e6))

/**
 * Runs a program and reads its standard output. The process is killed when its fiber is interrupted, when `read` fails, and when
 * `limit` is over. FFmpeg that is stuck in a decoder ignores SIGTERM, and its output is of no use: SIGKILL.
 */
export const run = <A>(
  program: string,
  args: ReadonlyArray<string>,
  stage: Stage,
  limit: Duration.Duration,
  read: (output: Stream.Stream<Uint8Array, PlatformError>) => Effect.Effect<A, PlatformError | MediaError>
): Run<A> =>
  Effect.gen(function* () {
    const process = yield* Effect.mapError(Command.start(Command.make(program, ...args)), (cause) =>
      // `FfmpegUnavailableError` says that nothing was paid for.
      stage.segment === null ? unavailable(program)(cause) : failed(stage, `cannot start ${program}: ${cause.message}`)
    )
    yield* Effect.addFinalizer(() =>
      Effect.ignore(Effect.if(process.isRunning, { onTrue: () => process.kill("SIGKILL"), onFalse: () => Effect.void }))
    )
    const [out, err, code] = yield* Effect.all(
      [
        read(process.stdout),
        Stream.runFold(Stream.decodeText(process.stderr), "", (kept, text) => (kept + text).slice(-longestDetail)),
        process.exitCode
      ],
      { concurrency: "unbounded" }
    ).pipe(Effect.mapError((cause) => (cause._tag === "MediaError" ? cause : failed(stage, cause.message))))
    if (code !== 0) return yield* failed(stage, err, code)
    return out
  }).pipe(
    Effect.scoped,
    Effect.timeoutFail({
      duration: limit,
      onTimeout: () => failed(stage, `${program} had not ended after ${Duration.format(limit)} and was killed`)
    })
  )

/** Checks that both programs start and end well. */
export const checkPrograms = ({ ffmpeg, ffprobe }: Programs) =>
  Effect.forEach(
    [ffmpeg, ffprobe],
    (program) =>
      run(program, ["-version"], { step: "probe", film: "source", segment: null }, base, Stream.runDrain).pipe(
        // Installed, and not able to run: a shared library is missing, for example.
        Effect.catchTag("MediaError", (cause) => Effect.fail(new FfmpegUnavailableError({ program, cause })))
      ),
    { discard: true }
  )
