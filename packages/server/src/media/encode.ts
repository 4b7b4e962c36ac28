/**
 * Encodes drawn frames to H.264, in the thread of the caller and without holding it up: between two frames the event
 * loop turns once, so a server in the same process goes on answering.
 *
 * @since 0.1.0
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { H264MP4Encoder } from "h264-mp4-encoder"
import { type AvcConfig, parseAvcConfig } from "./avc.js"
import { MediaRenderError, reasonOf } from "./errors.js"
import { makePainter, type Painter, type Scene } from "./frames.js"
import { loadEncoder, loadMediabunny } from "./packages.js"

/**
 * Turns of the picture between the encoded frame and the screen, as an MP4 track has them: clockwise degrees, then an
 * optional flip left to right.
 *
 * @since 0.1.0
 * @category models
 */
export interface Orientation {
  readonly rotation: 0 | 90 | 180 | 270
  readonly flip: boolean
}

/**
 * A clip to encode.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClipPlan {
  /** Width and height as seen on the screen. */
  readonly scene: Scene
  /** Draws the frames; default: one of the scene. */
  readonly painter?: Painter | undefined
  /** Number of frames, at least 1. */
  readonly frames: number
  /** The turn that the file's track will make; frames are encoded turned the other way. */
  readonly orientation?: Orientation | undefined
  /** Told the number of frames done, after each. */
  readonly onFrame?: ((done: number) => Effect.Effect<void>) | undefined
}

/**
 * One frame: NAL units with four-byte lengths.
 *
 * @since 0.1.0
 * @category models
 */
export interface EncodedSample {
  readonly data: Uint8Array
  /** Whether decoding can start here. At least one frame in every second is a key frame. */
  readonly key: boolean
}

/**
 * An encoded clip, in memory: a few hundred kilobytes for some seconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface EncodedClip {
  readonly config: AvcConfig
  /** Pixels as encoded, before the track's orientation. */
  readonly width: number
  readonly height: number
  readonly fps: number
  /** In decoding order, which is also the order on the screen. */
  readonly samples: ReadonlyArray<EncodedSample>
}

/**
 * Draws and encodes a clip. Equal plans give equal bytes.
 *
 * - Costs about 10 ms per frame at 720 x 1280; frames of clips that are encoded at the same time take turns.
 * - Interruption takes effect before the next frame and frees the encoder.
 * - Fails with: `MediaRenderError` (sizes that are odd, under 16 or over 4096, no frames, a fault of the encoder).
 *
 * @since 0.1.0
 * @category operations
 */
export const encodeClip: (plan: ClipPlan) => Effect.Effect<EncodedClip, MediaRenderError> = Effect.fn(
  "Media.encodeClip"
)(function* (plan: ClipPlan) {
  const { fps, height, width } = plan.scene
  if (![width, height].every((size) => Number.isInteger(size) && size >= 16 && size <= LARGEST && size % 2 === 0)) {
    const reason = `${width} x ${height} is not a pair of even sizes from 16 to ${LARGEST}`
    return yield* new MediaRenderError({ reason })
  }
  if (!Number.isInteger(plan.frames) || plan.frames < 1 || !(fps > 0)) {
    return yield* new MediaRenderError({ reason: `${plan.frames} frames at ${fps} frames per second are no clip` })
  }
  const file = yield* Effect.scoped(encodeFile(plan))
  return yield* unpack(file, plan)
})

/**
 * Lets the event loop turn once. Real time, not the `Clock` of the program: a test clock does not stop it.
 *
 * @since 0.1.0
 * @category operations
 */
export const breathe: Effect.Effect<void> = Effect.async((resume) => {
  const handle = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(handle))
})

// internal

// Text stays sharp, and 4 s at 720 x 1280 take about 200 KB.
const QUANTIZATION = 27
const FASTEST = 10
// The encoder aborts the whole module on much larger pictures.
const LARGEST = 4096

const attempt = <A>(run: () => A): Effect.Effect<A, MediaRenderError> =>
  Effect.try({ try: run, catch: (thrown) => new MediaRenderError({ reason: `encoder: ${reasonOf(thrown)}` }) })

/** The encoder's own MP4. Only its frames are used: it is dated, and lacks the table of key frames that seeking needs. */
const encodeFile = (plan: ClipPlan): Effect.Effect<Uint8Array, MediaRenderError, Scope.Scope> =>
  Effect.gen(function* () {
    const { scene } = plan
    const orientation = plan.orientation ?? { rotation: 0, flip: false }
    const sideways = orientation.rotation % 180 !== 0
    const { encoder, state } = yield* acquireEncoder
    yield* attempt(() => {
      encoder.width = sideways ? scene.height : scene.width
      encoder.height = sideways ? scene.width : scene.height
      encoder.frameRate = scene.fps
      encoder.speed = FASTEST
      encoder.quantizationParameter = QUANTIZATION
      encoder.groupOfPictures = Math.max(1, Math.floor(scene.fps))
      encoder.initialize()
      state.open = true
    })
    const painter = plan.painter ?? makePainter(scene)
    const turn = turner(scene.width, scene.height, orientation)
    for (let index = 0; index < plan.frames; index++) {
      yield* attempt(() => encoder.addFrameYuv(turn(painter.paint(index))))
      if (plan.onFrame !== undefined) yield* plan.onFrame(index + 1)
      yield* breathe
    }
    return yield* attempt(() => {
      state.open = false
      encoder.finalize()
      return encoder.FS.readFile(encoder.outputFilename)
    })
  })

interface Acquired {
  readonly encoder: H264MP4Encoder
  /** Whether the encoder was initialised and not finalised: it leaks, noisily, when it is deleted in between. */
  readonly state: { open: boolean }
}

const acquireEncoder: Effect.Effect<Acquired, MediaRenderError, Scope.Scope> = Effect.acquireRelease(
  Effect.flatMap(loadEncoder, (module) =>
    Effect.tryPromise({
      try: async () => {
        const encoder = await module.createH264MP4Encoder()
        // All encoders of the process share one file system in memory.
        encoder.outputFilename = `${randomUUID()}.mp4`
        return { encoder, state: { open: false } }
      },
      catch: (thrown) => new MediaRenderError({ reason: `encoder: ${reasonOf(thrown)}` })
    })
  ),
  ({ encoder, state }) =>
    attempt(() => {
      const name = encoder.outputFilename
      if (state.open) encoder.finalize()
      encoder.delete()
      if (encoder.FS.readdir("/").includes(name)) encoder.FS.unlink(name)
    }).pipe(Effect.ignore)
)

const unpack = (file: Uint8Array, plan: ClipPlan): Effect.Effect<EncodedClip, MediaRenderError> =>
  Effect.flatMap(loadMediabunny, (media) =>
    Effect.tryPromise({
      try: async () => {
        const input = new media.Input({ source: new media.BufferSource(file), formats: [media.MP4] })
        try {
          const track = await input.getPrimaryVideoTrack()
          const decoder = await track?.getDecoderConfig()
          const config = decoder?.description === undefined ? undefined : parseAvcConfig(asBytes(decoder.description))
          if (track === null || config === undefined) throw new Error("no H.264 track in the encoder's output")
          const samples: Array<EncodedSample> = []
          const sink = new media.EncodedPacketSink(track)
          // The encoder's file has no table of key frames, so they are told by their bits.
          for await (const packet of sink.packets(undefined, undefined, { verifyKeyPackets: true })) {
            samples.push({ data: packet.data.slice(), key: packet.type === "key" })
          }
          if (samples.length !== plan.frames) throw new Error(`${samples.length} of ${plan.frames} frames came out`)
          const [width, height] = [await track.getCodedWidth(), await track.getCodedHeight()]
          return { config: constrained(config), width, height, fps: plan.scene.fps, samples }
        } finally {
          input.dispose()
        }
      },
      catch: (thrown) => new MediaRenderError({ reason: `encoder: ${reasonOf(thrown)}` })
    })
  )

/**
 * Declares the stream as Constrained Baseline. The encoder says only Baseline, though it uses none of the features
 * that the constrained profile lacks, and hardware decoders turn plain Baseline down.
 */
const constrained = (config: AvcConfig): AvcConfig => {
  const flags = config.compatibility | 0xc0
  const sps = config.sps.map((unit) => Uint8Array.from(unit, (byte, index) => (index === 2 ? flags : byte)))
  return { ...config, compatibility: flags, sps }
}

/**
 * The bytes of a decoder description, without a copy.
 *
 * @since 0.1.0
 * @category constructors
 */
export const asBytes = (source: ArrayBufferLike | ArrayBufferView): Uint8Array =>
  ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source)

/** Turns a picture from the screen back to how it is encoded. Returns its argument where there is nothing to turn. */
const turner = (
  width: number,
  height: number,
  { flip, rotation }: Orientation
): ((picture: Uint8Array) => Uint8Array) => {
  if (rotation === 0 && !flip) return (picture) => picture
  const turned = new Uint8Array((width * height * 3) / 2)
  const plane = (from: Uint8Array, to: Uint8Array, across: number, down: number): void => {
    let at = 0
    for (let row = 0; row < down; row++) {
      for (let column = 0; column < across; column++) {
        const x = flip ? across - 1 - column : column
        // Where the pixel seen at (x, row) after the clockwise turn was before it.
        if (rotation === 0) at = row * across + x
        else if (rotation === 90) at = (across - 1 - x) * down + row
        else if (rotation === 180) at = (down - 1 - row) * across + across - 1 - x
        else at = x * down + down - 1 - row
        to[at] = from[row * across + column] ?? 0
      }
    }
  }
  const pixels = width * height
  const parts = [
    [0, pixels, 1],
    [pixels, (pixels * 5) / 4, 2],
    [(pixels * 5) / 4, (pixels * 3) / 2, 2]
  ] as const
  return (picture) => {
    for (const [start, end, half] of parts) {
      plane(picture.subarray(start, end), turned.subarray(start, end), width / half, height / half)
    }
    return turned
  }
}
