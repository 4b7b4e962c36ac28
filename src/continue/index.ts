/**
 * More of a clip, wherever it is: by the server's extension where it serves one, and else by hand. The source's last frame
 * becomes the picture that a new clip starts from, and the two are joined into one file. Needs FFmpeg (`ffmpeg` and
 * `ffprobe`) for the second way, run through `@effect/platform`'s `CommandExecutor`.
 *
 * @example
 * import { NodeContext } from "@effect/platform-node"
 * import { Console, Effect } from "effect"
 * import { continueVideo } from "effect-videos/continue"
 *
 * const program = continueVideo({ video: "video_1", prompt: "the light comes on", seconds: 8 }, "longer.mp4").pipe(
 *   Effect.flatMap(({ path, way }) => Console.log(path, way)),
 *   Effect.provide(NodeContext.layer)
 * )
 *
 * @since 0.1.0
 */
export {
  type ContinuedVideo,
  type ContinueVideoError,
  type ContinueVideoOptions,
  type ContinueVideoRequest,
  continueVideo
} from "./continueVideo.js"
export {
  FfmpegUnavailableError,
  ManifestError,
  MediaError,
  SegmentUncertainError,
  SpendingLimitError
} from "./errors.js"
export { extendTo } from "./extendTo.js"
export { type ExtendToError, type ExtendToOptions, ExtendToPhase, type SegmentWay } from "./extendToTypes.js"
export { defaultEncoding } from "./graph.js"
export {
  type ContinuePhase,
  type JobOrFile,
  type JoinedVideo,
  type JoinVideosError,
  type JoinVideosOptions,
  joinVideos
} from "./joinVideos.js"
export type { Seam } from "./seam.js"
export * as Segments from "./segments.js"
