/**
 * Still pictures of a clip, as PNG. The painter of the clip draws them, so no decoder is needed.
 *
 * @since 0.1.0
 */
import * as fs from "node:fs/promises"
import * as Effect from "effect/Effect"
import { yieldToEventLoop } from "./encode.js"
import { MediaFileError, MediaRenderError, reasonOf, systemCodeOf } from "./errors.js"
import { loadFastPng } from "./packages.js"
import { framesOf, type Reel, reelPainter } from "./reel.js"

/**
 * Errors of rendering a still picture.
 *
 * @since 0.1.0
 * @category errors
 */
export type StillError = MediaFileError | MediaRenderError

/**
 * Writes the middle frame of the clip, in the size of the clip.
 *
 * @since 0.1.0
 * @category operations
 */
export const renderThumbnail: (reel: Reel, outPath: string) => Effect.Effect<void, StillError> = Effect.fn(
  "Media.renderThumbnail"
)(function* (reel: Reel, outPath: string) {
  const { height, width } = reel[0].scene
  const data = new Uint8Array(width * height * 3)
  shrink({ data: reelPainter(reel).paint(framesOf(reel) >> 1), width, height }, { data, width, left: 0, top: 0 }, 1)
  yield* writePng(outPath, { data, width, height })
})

/**
 * Writes the middle frame of the last shot, with at most 640 pixels on each side: of an extension, its new segment.
 *
 * @since 0.1.0
 * @category operations
 */
export const renderPoster: (reel: Reel, outPath: string) => Effect.Effect<void, StillError> = Effect.fn(
  "Media.renderPoster"
)(function* (reel: Reel, outPath: string) {
  const scene = reel[0].scene
  const factor = Math.max(1, Math.max(scene.width, scene.height) / MAX_POSTER_SIDE)
  const width = Math.max(1, Math.floor(scene.width / factor))
  const height = Math.max(1, Math.floor(scene.height / factor))
  const data = new Uint8Array(width * height * 3)
  const index = framesOf(reel) - ((reel.at(-1)?.frames ?? 0) >> 1) - 1
  const picture = { data: reelPainter(reel).paint(Math.max(0, index)), width: scene.width, height: scene.height }
  shrink(picture, { data, width, left: 0, top: 0 }, factor)
  yield* writePng(outPath, { data, width, height })
})

/**
 * Writes small frames in rows of ten, evenly spaced from the first frame. One row for every four seconds or part of them, at
 * most ten rows. Each side of a tile has at most 160 pixels.
 *
 * @since 0.1.0
 * @category operations
 */
export const renderSpritesheet: (reel: Reel, outPath: string) => Effect.Effect<void, StillError> = Effect.fn(
  "Media.renderSpritesheet"
)(function* (reel: Reel, outPath: string) {
  const { fps, height, width } = reel[0].scene
  const frames = framesOf(reel)
  const rows = Math.max(1, Math.min(MAX_ROWS, Math.ceil(frames / fps / SECONDS_PER_ROW)))
  const factor = Math.max(1, Math.max(width, height) / MAX_SIDE)
  const tile = { width: Math.max(1, Math.floor(width / factor)), height: Math.max(1, Math.floor(height / factor)) }
  const sheet = { width: tile.width * COLUMNS, height: tile.height * rows }
  const data = new Uint8Array(sheet.width * sheet.height * 3)
  const painter = reelPainter(reel)
  for (let index = 0; index < COLUMNS * rows; index++) {
    const picture = { data: painter.paint(Math.floor((index * frames) / (COLUMNS * rows))), width, height }
    const left = (index % COLUMNS) * tile.width
    const top = Math.floor(index / COLUMNS) * tile.height
    shrink(picture, { data, width: sheet.width, left, top }, factor)
    yield* yieldToEventLoop
  }
  yield* writePng(outPath, { data, ...sheet })
})

// internal

const COLUMNS = 10
const MAX_ROWS = 10
const SECONDS_PER_ROW = 4
const MAX_SIDE = 160
const MAX_POSTER_SIDE = 640

interface Picture {
  readonly data: Uint8Array
  readonly width: number
  readonly height: number
}

/** Position in a larger RGB picture for a smaller one. */
interface Position {
  readonly data: Uint8Array
  readonly width: number
  readonly left: number
  readonly top: number
}

/** Converts planar YUV 4:2:0 (BT.709, limited range) to RGB; each pixel is the average of `factor` x `factor` pixels. */
const shrink = ({ data, height, width }: Picture, to: Position, factor: number): void => {
  const pixels = width * height
  const chroma = width / 2
  for (let y = 0; y < Math.floor(height / factor); y++) {
    const top = Math.floor(y * factor)
    const bottom = Math.max(top + 1, Math.floor((y + 1) * factor))
    let at = ((to.top + y) * to.width + to.left) * 3
    for (let x = 0; x < Math.floor(width / factor); x++) {
      const left = Math.floor(x * factor)
      const right = Math.max(left + 1, Math.floor((x + 1) * factor))
      let luma = 0
      let u = 0
      let v = 0
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) {
          const half = (row >> 1) * chroma + (column >> 1)
          luma += data[row * width + column] ?? 0
          u += data[pixels + half] ?? 0
          v += data[(pixels * 5) / 4 + half] ?? 0
        }
      }
      const count = (bottom - top) * (right - left)
      const light = ((luma / count - 16) * 255) / 219
      const blue = ((u / count - 128) * 255) / 224
      const red = ((v / count - 128) * 255) / 224
      to.data[at++] = byte(light + 1.5748 * red)
      to.data[at++] = byte(light - 0.1873 * blue - 0.4681 * red)
      to.data[at++] = byte(light + 1.8556 * blue)
    }
  }
}

const byte = (value: number): number => Math.max(0, Math.min(255, Math.round(value)))

/** Writes a PNG. The file gets its name when it is complete. */
const writePng = (path: string, { data, height, width }: Picture): Effect.Effect<void, StillError> =>
  Effect.flatMap(loadFastPng, (png) =>
    Effect.uninterruptible(
      Effect.tryPromise({
        try: async () => {
          const part = `${path}.part`
          try {
            await fs.writeFile(part, png.encode({ data, width, height, channels: 3, depth: 8 }))
            await fs.rename(part, path)
          } finally {
            await fs.rm(part, { force: true })
          }
        },
        catch: (thrown) => {
          const code = systemCodeOf(thrown)
          const reason = reasonOf(thrown)
          return code === undefined
            ? new MediaRenderError({ reason: `picture: ${reason}` })
            : new MediaFileError({ path, code, reason })
        }
      })
    )
  )
