/**
 * Appends a new segment to the pictures of an existing file.
 *
 * Copies the pictures of an H.264 source bit for bit and encodes the new segment in the size of the source. Both streams share
 * the configuration of the track (see `avc.ts`). A source in another codec cannot be joined, because a track has one codec
 * and this module has no decoder. In this case drawn pictures replace those of the source.
 *
 * Drops audio: the new segment has none, and an audio track that stops half way is worse than none.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import {
  type AvcConfig,
  mergeAvcConfigs,
  type ParameterSetIds,
  parseAvcConfig,
  relength,
  renumberSample,
  serializeAvcConfig
} from "./avc.js"
import { asBytes, type EncodedClip, encodeClip } from "./encode.js"
import type { MediaError } from "./errors.js"
import { type AddPackets, copyPackets, type DecoderConfig, type OpenMp4, openMp4, writeMp4 } from "./mp4.js"

/**
 * Specification of a segment that is appended to a source. Its size is that of the source.
 *
 * @since 0.1.0
 * @category models
 */
export interface SegmentSpec {
  /** Length in seconds, rounded to whole frames. */
  readonly seconds: number
  /** Frames per second of the segment; the source keeps its own. Default: 24. */
  readonly fps?: number | undefined
  readonly prompt: string
  /** Distinguishes clips with the same prompt by their colours. */
  readonly id: string
  /** Text in the top left corner. Default: none. */
  readonly label?: string | undefined
  /** Runs after every frame with the encoded fraction, from 0 to 1. */
  readonly onProgress?: ((fraction: number) => Effect.Effect<void>) | undefined
}

/**
 * Whether the new file copies the source's pictures, or replaces them by drawn ones. It replaces them if their codec is not
 * H.264, or if their parameter sets use all numbers.
 *
 * @since 0.1.0
 * @category models
 */
export type SourcePictures = "copied" | "replaced"

/**
 * Default frames per second: those of OpenAI's models.
 *
 * @since 0.1.0
 * @category models
 */
export const DEFAULT_FPS = 24

/**
 * Writes the source's pictures and a new segment to a new file. Both files can have the same path.
 *
 * @returns Whether the source's pictures are copied or replaced, and their length in seconds: unchanged for a copy, rounded to
 *   whole frames of the new segment for a replacement.
 * @since 0.1.0
 * @category operations
 */
export const appendSegment: (
  sourcePath: string,
  segment: SegmentSpec,
  outPath: string
) => Effect.Effect<{ readonly sourcePictures: SourcePictures; readonly sourceSeconds: number }, MediaError> = Effect.fn(
  "Media.appendSegment"
)(function* (sourcePath: string, segment: SegmentSpec, outPath: string) {
  const source = yield* openMp4(sourcePath)
  const own = source.videoCodec === "avc" ? avcConfigOf(source) : undefined
  const frames = Math.max(1, Math.round(segment.seconds * (segment.fps ?? DEFAULT_FPS)))
  if (own !== undefined) {
    const clip = yield* encodeSegment(source, segment, frames, source.durationSeconds)
    const merged = mergeAvcConfigs(own, clip.config)
    if (merged !== undefined && source.decoder !== null) {
      yield* writeMp4(
        outPath,
        {
          decoder: { ...source.decoder, description: serializeAvcConfig(merged.config) },
          orientation: source.orientation,
          packets: source.frames + frames
        },
        (add) =>
          copyPackets(source, (packets) =>
            add(packets.map((packet) => ({ ...packet, data: relength(packet.data, own.lengthSize) })))
          ).pipe(Effect.zipRight(addClip(add, clip, source.durationSeconds, merged.ids)))
      )
      const sourceSeconds = Math.round(source.durationSeconds * 1e6) / 1e6
      return { sourcePictures: "copied", sourceSeconds } as const
    }
  }
  return yield* replaceSource(source, segment, frames, outPath)
}, Effect.scoped)

/**
 * Adds the pictures of an encoded clip from `startSecond`.
 *
 * @since 0.1.0
 * @category operations
 */
export const addClip = (
  add: AddPackets,
  clip: EncodedClip,
  startSecond: number,
  ids: ParameterSetIds = { sps: 0, pps: 0 }
): ReturnType<AddPackets> =>
  Effect.suspend(() =>
    add(
      clip.samples.map(({ data, key }, index) => ({
        data: ids.pps === 0 ? data : renumberSample(data, ids),
        key,
        timestamp: startSecond + index / clip.fps,
        duration: 1 / clip.fps
      }))
    )
  )

/**
 * Returns the decoder configuration of an encoded clip.
 *
 * @since 0.1.0
 * @category constructors
 */
export const decoderOf = (clip: EncodedClip): DecoderConfig => ({
  codec: `avc1.${[clip.config.profile, clip.config.compatibility, clip.config.level].map(hex).join("")}`,
  codedWidth: clip.width,
  codedHeight: clip.height,
  description: serializeAvcConfig(clip.config),
  colorSpace: { primaries: "bt709", transfer: "bt709", matrix: "bt709", fullRange: false }
})

// internal

const hex = (byte: number): string => byte.toString(16).padStart(2, "0")

const avcConfigOf = ({ decoder }: OpenMp4): AvcConfig | undefined =>
  decoder?.description === undefined ? undefined : parseAvcConfig(asBytes(decoder.description))

/**
 * Rounds a side up to a size that the encoder accepts: even, and at least 16 pixels.
 *
 * @since 0.1.0
 * @category constructors
 */
export const encodable = (size: number): number => Math.max(16, Math.ceil(size / 2) * 2)

const encodeSegment = (
  source: OpenMp4,
  segment: SegmentSpec,
  frames: number,
  startSecond: number,
  done = 0,
  all = 1
) => {
  const { fps = DEFAULT_FPS, id, label, onProgress, prompt } = segment
  const sideways = source.orientation.rotation % 180 !== 0
  const [width, height] = [encodable(source.codedWidth), encodable(source.codedHeight)]
  return encodeClip({
    scene: {
      width: sideways ? height : width,
      height: sideways ? width : height,
      ...{ fps, id, label, prompt, startSecond },
      totalSeconds: startSecond + frames / fps
    },
    frames,
    orientation: source.orientation,
    onFrame: onProgress === undefined ? undefined : (count) => onProgress(done + (all - done) * (count / frames))
  })
}

const replaceSource = (
  source: OpenMp4,
  segment: SegmentSpec,
  frames: number,
  outPath: string
): Effect.Effect<
  { readonly sourcePictures: SourcePictures; readonly sourceSeconds: number },
  MediaError,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const fps = segment.fps ?? DEFAULT_FPS
    const standInFrames = Math.max(1, Math.round(source.durationSeconds * fps))
    const sourceSeconds = standInFrames / fps
    const share = standInFrames / (standInFrames + frames)
    const standIn = yield* encodeSegment(
      source,
      { ...segment, prompt: `stands in for ${source.videoCodec} video`, label: "uploaded clip" },
      standInFrames,
      0,
      0,
      share
    )
    const clip = yield* encodeSegment(source, segment, frames, sourceSeconds, share)
    yield* writeMp4(
      outPath,
      { decoder: decoderOf(clip), orientation: source.orientation, packets: standInFrames + frames },
      (add) => Effect.zipRight(addClip(add, standIn, 0), addClip(add, clip, sourceSeconds))
    )
    return { sourcePictures: "replaced" as const, sourceSeconds }
  })
