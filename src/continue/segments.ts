/**
 * The parts of `extendTo`, for an engine that runs the segments itself, for example `@effect-videos/durable`: the rules that plan
 * and limit segments, and the steps that need FFmpeg. A program calls `extendTo`.
 *
 * @since 0.1.0
 */
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { writeError } from "../internal/download/targetFile.js"
import type * as Errors from "../internal/errors/errors.js"
import type { FileError } from "../internal/errors/fileErrors.js"
import { dialectOf } from "../internal/watch/watchHub.js"
import { Videos } from "../Videos.js"
import { type Reference, referenceOf } from "./continueVideo.js"
import type { FfmpegUnavailableError, MediaError } from "./errors.js"
import { checkOrder } from "./extendTo.js"
import type { ExtendToOptions } from "./extendToTypes.js"
import { checkPrograms, type Programs } from "./ffmpeg.js"
import { probe } from "./film.js"
import { type JoinVideosOptions, joined, type Options, place, programsOf, working } from "./joinVideos.js"
import { isLongEnough, type PlannedSegment, planSegment, reasonAgainst, type SegmentedClip } from "./segmentPlan.js"

export { isNotExtended, lengthOf, limitOf, type PlannedSegment, type SegmentedClip } from "./segmentPlan.js"
export type { Reference }

const currentDialect = Effect.map(Videos, dialectOf)

// -----------------------------------------------------------------------------
// rules
// -----------------------------------------------------------------------------

/**
 * Options of `next`.
 *
 * @since 0.1.0
 * @category models
 */
export interface NextOptions extends Pick<ExtendToOptions, "segmentSeconds" | "extension" | "model"> {
  /** Why the server extends nothing, if it has said so (`isNotExtended`). Default: `null`. */
  readonly refusal?: string | null | undefined
}

/**
 * The segment to submit next.
 *
 * @since 0.1.0
 * @category models
 */
export interface NextSegment extends PlannedSegment {
  /** Why it is a clip of its own; `null` if it is not, or if the options say so. */
  readonly reason: string | null
  /** The model of a clip of its own. */
  readonly model: string | undefined
}

/**
 * Checks what `extendTo` checks before it sends anything.
 *
 * @example
 * import { Segments } from "effect-videos/continue"
 *
 * const program = Segments.check(60, ["rain sets in"], { segmentSeconds: 8 })
 *
 * @since 0.1.0
 * @category rules
 */
export const check = (
  totalSeconds: number,
  prompts: ReadonlyArray<string>,
  options: ExtendToOptions
): Effect.Effect<void, Errors.InvalidRequestError, Videos> =>
  Effect.flatMap(currentDialect, (dialect) => checkOrder({ totalSeconds, prompts, options }, dialect))

/**
 * Plans the segment after those that are complete; `null` if the clip is long enough.
 *
 * @example
 * import { Segments } from "effect-videos/continue"
 *
 * const order = { totalSeconds: 12, prompts: ["rain sets in"], overlap: 0 } as const
 * const program = Segments.next({ order, clips: [{ seconds: 4 }], segments: 0, submissions: 0, costs: [] }, {})
 *
 * @since 0.1.0
 * @category rules
 */
export const next = (
  clip: SegmentedClip,
  { extension, model, refusal = null, segmentSeconds = 8 }: NextOptions
): Effect.Effect<NextSegment | null, never, Videos> =>
  Effect.map(currentDialect, (dialect) => {
    if (isLongEnough(clip)) return null
    const against = extension === "never" ? null : (refusal ?? reasonAgainst(dialect, Arr.lastNonEmpty(clip.clips)))
    const way = extension === "never" || against !== null ? "joined" : "extended"
    const derived = dialect.derivedModel === "ofSource" ? undefined : dialect.derivedModel
    return { ...planSegment(clip, dialect, segmentSeconds, way), reason: against, model: model ?? derived }
  })

/**
 * Whether the clip of an extension is always the whole. Otherwise it may be the new part alone, and its length decides.
 *
 * @example
 * import { Effect } from "effect"
 * import { Segments } from "effect-videos/continue"
 *
 * const program = Effect.if(Segments.isWhole, {
 *   onTrue: () => Effect.log("the clip is the whole"),
 *   onFalse: () => Effect.log("the clip has to be measured")
 * })
 *
 * @since 0.1.0
 * @category rules
 */
export const isWhole: Effect.Effect<boolean, never, Videos> = Effect.map(
  currentDialect,
  ({ extension }) => extension === "whole"
)

// -----------------------------------------------------------------------------
// FFmpeg
// -----------------------------------------------------------------------------

/**
 * How films are read and joined: as in `JoinVideosOptions`.
 *
 * @since 0.1.0
 * @category models
 */
export interface FilmOptions extends Pick<JoinVideosOptions, "ffmpeg" | "ffprobe" | "encoding" | "window" | "seam"> {}

/**
 * What a step that runs FFmpeg needs of the platform: `NodeContext.layer` of `@effect/platform-node`, for example.
 *
 * @since 0.1.0
 * @category models
 */
export type Tools = FileSystem.FileSystem | Path.Path | CommandExecutor.CommandExecutor

const read = (programs: Programs, path: string, film: MediaError["film"]) =>
  probe(programs, path, { film, segment: null })

const film = (options: Options, path: string, kind: MediaError["film"]) => {
  const programs = programsOf(options)
  return Effect.zipRight(checkPrograms(programs), read(programs, path, kind))
}

/**
 * What a film is, as measured.
 *
 * @since 0.1.0
 * @category models
 */
export interface Measured {
  readonly seconds: number
  /** In pixels, as players show it. */
  readonly width: number
  readonly height: number
  /** The number of its pictures: a segment of one adds nothing. */
  readonly count: number
}

/**
 * Measures a film by decoding it.
 *
 * @example
 * import { Segments } from "effect-videos/continue"
 *
 * const program = Segments.measure("clip.mp4", {})
 *
 * @since 0.1.0
 * @category FFmpeg
 */
export const measure = (
  path: string,
  options: FilmOptions
): Effect.Effect<Measured, FfmpegUnavailableError | MediaError, Tools> =>
  Effect.map(film(options, path, "segment"), ({ count, height, seconds, width }) => ({ seconds, width, height, count }))

/**
 * Makes the fields of a creation that goes on from a film: its last frame, or its last seconds (`window`). It tries first what the
 * join has to do. The file to upload is deleted with the scope.
 *
 * @example
 * import { Effect } from "effect"
 * import { createVideo } from "effect-videos"
 * import { Segments } from "effect-videos/continue"
 *
 * const program = Segments.reference("clip.mp4", {}, {}).pipe(
 *   Effect.flatMap((reference) => createVideo({ prompt: "rain sets in", seconds: 8, ...reference })),
 *   Effect.scoped
 * )
 *
 * @since 0.1.0
 * @category FFmpeg
 */
export const reference = (
  path: string,
  request: Pick<ExtendToOptions, "extraBody" | "size">,
  options: FilmOptions
): Effect.Effect<Reference, FfmpegUnavailableError | MediaError | FileError, Videos | Tools | Scope.Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const dialect = yield* currentDialect
    const source = yield* film(options, path, "source")
    const directory = yield* Effect.mapError(
      fs.makeTempDirectoryScoped({ prefix: "continue-" }),
      writeError("the directory for temporary files")
    )
    return yield* referenceOf({ programs: programsOf(options), directory, options }, dialect, source, request)
  })

/**
 * Joins two or more films to one file at `path`, as `joinVideos` joins two.
 *
 * @example
 * import { Segments } from "effect-videos/continue"
 *
 * const program = Segments.join(["a.mp4", "b.mp4", "c.mp4"], "long.mp4", {})
 *
 * @since 0.1.0
 * @category FFmpeg
 */
export const join = (
  paths: readonly [first: string, second: string, ...others: ReadonlyArray<string>],
  path: string,
  options: FilmOptions & Pick<JoinVideosOptions, "overwrite">
): Effect.Effect<
  { readonly path: string; readonly bytes: number; readonly seconds: number },
  FfmpegUnavailableError | MediaError | FileError,
  Tools
> =>
  Effect.gen(function* () {
    const target = yield* place(path, options)
    return yield* working(target, options, (work) =>
      Effect.gen(function* () {
        const [first, ...others] = paths
        const source = yield* read(work.programs, first, "source")
        const next = yield* Effect.forEach(others, (path) => read(work.programs, path, "segment"))
        return yield* joined(work, target, [source, ...next], null)
      })
    )
  })
