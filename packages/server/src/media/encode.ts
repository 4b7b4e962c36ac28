/**
 * Encodes drawn frames to H.264 in the thread of the caller. The event loop turns once between two frames, so a server in the
 * same process keeps responding.
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
 * Rotation from the encoded frame to the screen, as in an MP4 track: clockwise degrees, then an optional horizontal flip.
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
  /** Scene with width and height on the screen. */
  readonly scene: Scene
  /** Draws the frames. Default: a painter of the scene. */
  readonly painter?: Painter | undefined
  /** Number of frames, at least 1. */
  readonly frames: number
  /** Rotation of the track of the file; the encoder gets frames that are rotated the other way. Default: none. */
  readonly orientation?: Orientation | undefined
  /** Runs after each frame with the number of encoded frames. */
  readonly onFrame?: ((done: number) => Effect.Effect<void>) | undefined
}

/**
 * One encoded frame: NAL units with four-byte lengths.
 *
 * @since 0.1.0
 * @category models
 */
export interface EncodedSample {
  readonly data: Uint8Array
  /** Whether the frame is a key frame. Each second has at least one. */
  readonly key: boolean
}

/**
 * Encoded clip in memory: about 50 KB per second at 720 x 1280.
 *
 * @since 0.1.0
 * @category models
 */
export interface EncodedClip {
  readonly config: AvcConfig
  /** Encoded pixels, before the orientation of the track. */
  readonly width: number
  readonly height: number
  readonly fps: number
  /** Frames in decoding order, which is also the display order. */
  readonly samples: ReadonlyArray<EncodedSample>
}

/**
 * Draws and encodes a clip. Equal plans make equal bytes.
 *
 * - Costs about 10 ms per frame at 720 x 1280. Concurrent encodings alternate frame by frame.
 * - Interruption takes effect before the next frame and frees the encoder.
 * - Fails with: `MediaRenderError` (a size that is odd, below 16 or above 4096; no frames; an error of the encoder).
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
    return yield* new MediaRenderError({ reason: `${plan.frames} frames at ${fps} frames per second are not a clip` })
  }
  const file = yield* Effect.scoped(encodeFile(plan))
  return yield* unpack(file, plan)
})

/**
 * Waits for one turn of the event loop. Does not use the `Clock`, so a test clock does not stop it.
 *
 * @since 0.1.0
 * @category operations
 */
export const yieldToEventLoop: Effect.Effect<void> = Effect.async((resume) => {
  const handle = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(handle))
})

// internal

// With this value text stays sharp, and 4 s at 720 x 1280 are about 200 KB.
const QUANTIZATION = 27
const FASTEST = 10
// Much larger pictures make the encoder abort its WebAssembly module.
const LARGEST = 4096

const attempt = <A>(run: () => A): Effect.Effect<A, MediaRenderError> =>
  Effect.try({ try: run, catch: (thrown) => new MediaRenderError({ reason: `encoder: ${reasonOf(thrown)}` }) })

/** Encodes to the MP4 of the encoder. Only its frames are used: it contains dates, and no table of key frames for seeking. */
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
    const rotate = makeRotator(scene.width, scene.height, orientation)
    for (let index = 0; index < plan.frames; index++) {
      yield* attempt(() => encoder.addFrameYuv(rotate(painter.paint(index))))
      if (plan.onFrame !== undefined) yield* plan.onFrame(index + 1)
      yield* yieldToEventLoop
    }
    return yield* attempt(() => {
      state.open = false
      encoder.finalize()
      return encoder.FS.readFile(encoder.outputFilename)
    })
  })

interface Acquired {
  readonly encoder: H264MP4Encoder
  /** Whether the encoder is initialised but not finalised. Deleting it in this state leaks memory and logs warnings. */
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
          // The file has no table of key frames, so the library detects them by their bits.
          for await (const packet of sink.packets(undefined, undefined, { verifyKeyPackets: true })) {
            samples.push({ data: packet.data.slice(), key: packet.type === "key" })
          }
          if (samples.length !== plan.frames) throw new Error(`${samples.length} of ${plan.frames} frames were encoded`)
          const [width, height] = [await track.getCodedWidth(), await track.getCodedHeight()]
          return { config: withConstrainedProfile(config), width, height, fps: plan.scene.fps, samples }
        } finally {
          input.dispose()
        }
      },
      catch: (thrown) => new MediaRenderError({ reason: `encoder: ${reasonOf(thrown)}` })
    })
  )

/**
 * Declares the stream as Constrained Baseline. The encoder declares only Baseline, which hardware decoders refuse, although
 * it uses no feature outside the constrained profile.
 */
const withConstrainedProfile = (config: AvcConfig): AvcConfig => {
  const flags = config.compatibility | 0xc0
  const sps = config.sps.map((unit) => Uint8Array.from(unit, (byte, index) => (index === 2 ? flags : byte)))
  return { ...config, compatibility: flags, sps }
}

/**
 * Returns a view of the bytes of a decoder description, without a copy.
 *
 * @since 0.1.0
 * @category constructors
 */
export const asBytes = (source: ArrayBufferLike | ArrayBufferView): Uint8Array =>
  ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source)

/** Makes a function that rotates a picture from the screen to its encoded orientation. */
const makeRotator = (
  width: number,
  height: number,
  { flip, rotation }: Orientation
): ((picture: Uint8Array) => Uint8Array) => {
  if (rotation === 0 && !flip) return (picture) => picture
  const rotated = new Uint8Array((width * height * 3) / 2)
  const plane = (from: Uint8Array, to: Uint8Array, across: number, down: number): void => {
    let at = 0
    for (let row = 0; row < down; row++) {
      for (let column = 0; column < across; column++) {
        const x = flip ? across - 1 - column : column
        // Position before the clockwise rotation of the pixel that is at (x, row) after it.
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
      plane(picture.subarray(start, end), rotated.subarray(start, end), width / half, height / half)
    }
    return rotated
  }
}
