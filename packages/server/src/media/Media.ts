/**
 * Makes and inspects video files: H.264 in MP4, drawn and encoded without a GPU or a system package.
 *
 * All functions work on paths. Each writes to a temporary name first, so an existing file is complete. The packages
 * `h264-mp4-encoder` and `mediabunny` load with the first clip, and `fast-png` with the first still picture.
 *
 * The work runs in the thread of the caller, one frame per clip and turn of the event loop. The caller limits how many clips
 * it makes at the same time.
 *
 * @example
 * import * as Effect from "effect/Effect"
 * import { extendClip, renderClip } from "./Media.js"
 *
 * const program = Effect.gen(function*() {
 *   const id = "video_1"
 *   yield* renderClip({ width: 720, height: 1280, seconds: 4, prompt: "A cat on a roof", id }, "first.mp4")
 *   const facts = yield* extendClip("first.mp4", { seconds: 8, prompt: "It jumps", id: "video_2" }, "both.mp4")
 *   yield* Effect.log(facts.durationSeconds) // 12
 * })
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { encodeClip } from "./encode.js"
import type { MediaError, MediaFileError, MediaRenderError, NotMp4Error } from "./errors.js"
import { openMp4, writeMp4 } from "./mp4.js"
import { framesOf, type Reel, reelPainter } from "./reel.js"
import { addClip, appendSegment, DEFAULT_FPS, decoderOf, type SegmentSpec, type SourcePictures } from "./stitch.js"

export { type MediaError, MediaFileError, MediaRenderError, NotMp4Error } from "./errors.js"
export { withOpenings } from "./opening.js"
export type { Reel, Shot } from "./reel.js"
export { renderPoster, renderSpritesheet, renderThumbnail } from "./still.js"
export { DEFAULT_FPS, encodable, type SegmentSpec, type SourcePictures } from "./stitch.js"

/**
 * Specification of a clip without a source.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClipSpec extends SegmentSpec {
  /** Pixels, even, from 16 to 4096. */
  readonly width: number
  /** Pixels, even, from 16 to 4096. */
  readonly height: number
}

/**
 * Properties of a video file.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClipFacts {
  /** Seconds from the first picture to the end of the last. Longer audio does not count. */
  readonly durationSeconds: number
  /** Pixels on the screen: after rotation, before the correction of non-square pixels. */
  readonly width: number
  readonly height: number
  /** Frames per second, on average. */
  readonly fps: number
  /** Pictures in the video track. */
  readonly frames: number
  /** Size of the file in bytes. */
  readonly bytes: number
  /** `avc` (H.264), `hevc`, `vp9`, `av1` and so on; the MP4 name, such as `mp4v`, for a codec without one. */
  readonly videoCodec: string
  readonly hasAudio: boolean
}

/**
 * Properties of an extended video file.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExtensionFacts extends ClipFacts {
  /** `replaced`: the source is not H.264, so pictures with the label "uploaded clip" replace its own. */
  readonly sourcePictures: SourcePictures
  /** Where the new segment starts, in seconds. */
  readonly sourceSeconds: number
  /** Whether the source had audio; the new file has none. */
  readonly audioDropped: boolean
}

/**
 * Makes a clip of exactly `round(seconds * fps)` frames.
 *
 * - Equal specifications make equal files.
 * - Fails with: `MediaRenderError` (an impossible size or length), `MediaFileError`.
 * - Interruption takes effect before the next frame and leaves no file.
 *
 * @since 0.1.0
 * @category operations
 */
export const renderClip: (
  spec: ClipSpec,
  outPath: string
) => Effect.Effect<ClipFacts, MediaRenderError | MediaFileError | NotMp4Error> = Effect.fn("Media.renderClip")(
  function* (spec: ClipSpec, outPath: string) {
    const { fps = DEFAULT_FPS, height, id, label, onProgress, prompt, width } = spec
    const frames = Math.round(spec.seconds * fps)
    const scene = { width, height, fps, prompt, id, label, startSecond: 0, totalSeconds: frames / fps }
    return yield* renderReel([{ scene, frames }], outPath, onProgress)
  }
)

/**
 * Makes a clip of consecutive shots. All shots have the same size and frame rate. Errors and interruption: see `renderClip`.
 *
 * @since 0.1.0
 * @category operations
 */
export const renderReel: (
  reel: Reel,
  outPath: string,
  onProgress?: SegmentSpec["onProgress"]
) => Effect.Effect<ClipFacts, MediaRenderError | MediaFileError | NotMp4Error> = Effect.fn("Media.renderReel")(
  function* (reel: Reel, outPath: string, onProgress?: SegmentSpec["onProgress"]) {
    const frames = framesOf(reel)
    const clip = yield* encodeClip({
      scene: reel[0].scene,
      painter: reelPainter(reel),
      frames,
      onFrame: onProgress === undefined ? undefined : (done) => onProgress(done / frames)
    })
    const plan = { decoder: decoderOf(clip), orientation: { rotation: 0, flip: false }, packets: frames } as const
    yield* writeMp4(outPath, plan, (add) => addClip(add, clip, 0))
    return yield* inspect(outPath)
  }
)

/**
 * Makes a file of the source's pictures and a new segment after them; its length is the sum of the two.
 *
 * - Copies the pictures of an H.264 source from any encoder without loss, in constant memory. Replaces the pictures of
 *   other codecs: see `ExtensionFacts.sourcePictures`. Drops audio.
 * - The new segment has the size and orientation of the source, and its clock continues that of the source.
 * - Fails with: `NotMp4Error` (the source cannot be read), and the errors of `renderClip`.
 * - Interruption takes effect before the next frame and leaves no file.
 *
 * @since 0.1.0
 * @category operations
 */
export const extendClip: (
  sourcePath: string,
  segment: SegmentSpec,
  outPath: string
) => Effect.Effect<ExtensionFacts, MediaError> = Effect.fn("Media.extendClip")(function* (
  sourcePath: string,
  segment: SegmentSpec,
  outPath: string
) {
  const { hasAudio } = yield* inspect(sourcePath)
  const joined = yield* appendSegment(sourcePath, segment, outPath)
  return { ...(yield* inspect(outPath)), ...joined, audioDropped: hasAudio }
})

/**
 * Returns the properties of a video file. Reads its tables and one picture, not the whole file.
 *
 * - Fails with: `NotMp4Error` (another format, no video track, truncated, empty, encrypted), `MediaFileError` (no such
 *   file).
 *
 * @since 0.1.0
 * @category operations
 */
export const inspect: (path: string) => Effect.Effect<ClipFacts, NotMp4Error | MediaFileError> = Effect.fn(
  "Media.inspect"
)(function* (path: string) {
  const { bytes, codedHeight, codedWidth, durationSeconds, fps, frames, hasAudio, orientation, videoCodec } =
    yield* openMp4(path)
  const sideways = orientation.rotation % 180 !== 0
  return {
    // Rounds sums of binary fractions to microseconds: 1.001, not 1.0010000000000001.
    durationSeconds: Math.round(durationSeconds * 1e6) / 1e6,
    width: sideways ? codedHeight : codedWidth,
    height: sideways ? codedWidth : codedHeight,
    fps,
    frames,
    bytes,
    videoCodec,
    hasAudio
  }
}, Effect.scoped)
