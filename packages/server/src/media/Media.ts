/**
 * The video files of the embedded server: real H.264 in MP4, drawn and encoded without a GPU or a system package.
 *
 * Paths in, paths out. Every function writes to a temporary name first, so a file that exists is complete. The two
 * packages that do the work, `h264-mp4-encoder` and `mediabunny`, are optional and loaded with the first clip; so is
 * `fast-png`, with the first still picture.
 *
 * Work is done in the caller's thread, one frame per turn of the event loop and per clip. How many clips are made at
 * once is for the caller to limit.
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
export { renderSpritesheet, renderThumbnail } from "./still.js"
export { DEFAULT_FPS, encodable, type SegmentSpec, type SourcePictures } from "./stitch.js"

/**
 * A clip to make from nothing.
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
 * What a file holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClipFacts {
  /** Seconds from the first picture to the end of the last; sound that goes on longer does not count. */
  readonly durationSeconds: number
  /** Pixels as seen on the screen: after rotation, before any stretching of pixels that are not square. */
  readonly width: number
  readonly height: number
  /** Frames per second, on average. */
  readonly fps: number
  /** Pictures in the video track. */
  readonly frames: number
  /** Size of the file. */
  readonly bytes: number
  /** `avc` (H.264), `hevc`, `vp9`, `av1` and so on; the MP4 name, such as `mp4v`, for a codec without one. */
  readonly videoCodec: string
  readonly hasAudio: boolean
}

/**
 * What a file that was extended holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExtensionFacts extends ClipFacts {
  /** `replaced`: the source is not H.264, and drawn pictures labelled "uploaded clip" stand in for its own. */
  readonly sourcePictures: SourcePictures
  /** Where the new segment starts, in seconds. */
  readonly sourceSeconds: number
  /** The source had sound, which the new file has not. */
  readonly audioDropped: boolean
}

/**
 * Makes a clip of `round(seconds * fps)` frames, and of exactly that length.
 *
 * - Equal specifications give equal files.
 * - Fails with: `MediaRenderError` (a size or length that is not possible),
 *   `MediaFileError`.
 * - Interruption stops before the next frame and leaves no file.
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
 * Makes a clip of shots, one after the other, all of one size and of one number of frames per second. As `renderClip`.
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
 * - The pictures of an H.264 source are copied without loss, whoever encoded them, and not held in memory. Other
 *   codecs are replaced: see `ExtensionFacts.sourcePictures`. Sound is dropped.
 * - The new segment has the source's size and orientation, and its clock goes on from the source's.
 * - Fails with: `NotMp4Error` (the source cannot be read), and as `renderClip`.
 * - Interruption stops before the next frame and leaves no file.
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
 * Tells what a file holds. Reads its tables and one picture, not the whole file.
 *
 * - Fails with: `NotMp4Error` (another format, no video track, cut short, empty, encrypted), `MediaFileError` (no such
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
    // Sums of binary fractions, to the microsecond: 1.001, not 1.0010000000000001.
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
