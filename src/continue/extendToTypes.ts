/** Options, phases and errors of `extendTo`. */
import * as Data from "effect/Data"
import type * as Errors from "../internal/errors/errors.js"
import type { CreateVideoRequest, VideoSize } from "../internal/protocol/requestSchemas.js"
import type { VideoCost, VideoResource } from "../internal/protocol/videoSchemas.js"
import type { ContinueVideoError } from "./continueVideo.js"
import type { ManifestError, SegmentUncertainError, SpendingLimitError } from "./errors.js"
import type { JoinVideosOptions } from "./joinVideos.js"

/**
 * Options of `extendTo`. Everything is optional; those of the watches, the downloads and FFmpeg hold for each segment.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExtendToOptions extends Omit<JoinVideosOptions, "onPhase" | "onUpdate"> {
  /** The length of a segment. Default: 8, or the next length that the dialect takes. The last one is as short as it can be. */
  readonly segmentSeconds?: number | undefined
  /** `"never"`: every segment is a clip of its own that is joined. Default: `"auto"`, by the server's extension if it has one. */
  readonly extension?: "auto" | "never" | undefined
  /** The model and the size of segments of their own. Default: the dialect's model, and the size of the clip. */
  readonly model?: string | undefined
  readonly size?: VideoSize | undefined
  /** The server's own parameters, sent with each segment. */
  readonly extraBody?: CreateVideoRequest["extraBody"]
  /** The most jobs that are submitted, in all runs together. Default: no limit. */
  readonly maxSegments?: number | undefined
  /**
   * Stops before a job that would exceed it, if it costs as much as the dearest so far. After the first job, it also stops if
   * the server does not say what a job costs, or says it in another currency. Default: no limit.
   */
  readonly maxCost?: VideoCost | undefined
  /**
   * What to do with a segment of an earlier run whose outcome is unknown (`SegmentUncertainError`): take the job `id` for
   * it, or send it again. Default: fail.
   */
  readonly unsettled?: "resend" | { readonly id: string } | undefined
}

/**
 * How a segment is made. `extended`: by the server's extension. `joined`: as a clip of its own, from the last frame.
 *
 * @since 0.1.0
 * @category models
 */
export type SegmentWay = "extended" | "joined"

/**
 * What `extendTo` emits.
 *
 * - `Started`: the source is known. `seconds` is the length so far, with the `segments` of an earlier run.
 * - `SegmentStarted`: the submission is recorded and about to be sent. `reason` says why the server does not extend the clip
 *   itself, if it does not.
 * - `SegmentUpdated`: a snapshot of the segment's job, the response of its submission first.
 * - `SegmentCompleted`: the segment is recorded. `seconds` is the length of the clip now.
 * - `Saving`: the clip is long enough, and is downloaded, or its films are joined, if they are more than one.
 * - `Saved`: the last one. `cost` is `null` if the server does not say what each job costs.
 *
 * @since 0.1.0
 * @category models
 */
export type ExtendToPhase = Data.TaggedEnum<{
  Started: { readonly seconds: number; readonly totalSeconds: number; readonly segments: number }
  SegmentStarted: {
    readonly segment: number
    readonly way: SegmentWay
    readonly seconds: number
    readonly reason: string | null
  }
  SegmentUpdated: { readonly segment: number; readonly video: VideoResource }
  SegmentCompleted: {
    readonly segment: number
    readonly way: SegmentWay
    readonly video: VideoResource
    readonly seconds: number
  }
  Saving: { readonly films: number }
  Saved: {
    readonly path: string
    readonly bytes: number
    readonly seconds: number
    readonly segments: number
    readonly cost: VideoCost | null
  }
}>

/**
 * Makes and takes apart `ExtendToPhase`s.
 *
 * @example
 * import { Effect, Stream } from "effect"
 * import { ExtendToPhase, extendTo } from "effect-videos/continue"
 *
 * const program = extendTo("video_1", 60, ["rain sets in"], "long.mp4").pipe(
 *   Stream.filter(ExtendToPhase.$is("SegmentCompleted")),
 *   Stream.runForEach(({ seconds }) => Effect.log(`${seconds} s`))
 * )
 *
 * @since 0.1.0
 * @category models
 */
export const ExtendToPhase = Data.taggedEnum<ExtendToPhase>()

/**
 * What it may fail with: what `continueVideo` may, a limit, a manifest of another call, or a segment that may have been made.
 *
 * @since 0.1.0
 * @category errors
 */
export type ExtendToError =
  | Exclude<ContinueVideoError, Errors.SubmissionUncertainError>
  | ManifestError
  | SegmentUncertainError
  | SpendingLimitError
