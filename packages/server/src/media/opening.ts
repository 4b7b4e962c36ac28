/**
 * Converts the uploaded PNG of a clip to its first frame. Other formats, PNGs with a palette and PNGs with fewer than eight bits
 * per channel are ignored; the label of the clip still names the upload.
 *
 * @since 0.1.0
 */
import * as fs from "node:fs/promises"
import * as Effect from "effect/Effect"
import type { DecodedPng } from "fast-png"
import { brightness, chromaBlue, chromaRed, luma } from "./colour.js"
import { loadFastPng } from "./packages.js"
import type { Reel, Shot } from "./reel.js"

/**
 * Reads the pictures of a reel. Each picture fills its frame; a picture of another aspect ratio is cropped.
 *
 * @since 0.1.0
 * @category operations
 */
export const withOpenings = (reel: Reel): Effect.Effect<Reel> =>
  Effect.forEach(reel, (shot) =>
    shot.picture === undefined
      ? Effect.succeed(shot)
      : Effect.map(readPng(shot.picture), (png) => withOpening(shot, png))
  )

// internal

/** Decodes a PNG. Returns `null` if the file does not exist or cannot be decoded: the clip can be drawn without it. */
const readPng = (path: string): Effect.Effect<DecodedPng | null> =>
  Effect.flatMap(loadFastPng, (png) => Effect.tryPromise(async () => png.decode(await fs.readFile(path)))).pipe(
    Effect.orElseSucceed(() => null)
  )

const withOpening = (shot: Shot, png: DecodedPng | null): Shot =>
  png === null || png.palette !== undefined || png.depth < 8 || png.width === 0 || png.height === 0
    ? shot
    : { ...shot, scene: { ...shot.scene, opening: toPlanarYuv(png, shot.scene.width, shot.scene.height) } }

/** Converts a PNG to the format of the painter: planar YUV, BT.709, limited range. */
const toPlanarYuv = (
  { channels, data, depth, height, width }: DecodedPng,
  toWidth: number,
  toHeight: number
): Uint8Array => {
  const pixels = toWidth * toHeight
  const picture = new Uint8Array((pixels * 3) / 2)
  const scale = Math.max(toWidth / width, toHeight / height)
  const maxValue = 2 ** depth - 1
  const hasColour = channels > 2
  const at = (to: number, toSide: number, side: number) =>
    Math.max(0, Math.min(side - 1, Math.floor((to + 0.5 - toSide / 2) / scale + side / 2)))
  const blues = new Float32Array(pixels / 4)
  const reds = new Float32Array(pixels / 4)
  for (let y = 0; y < toHeight; y++) {
    const row = at(y, toHeight, height) * width
    for (let x = 0; x < toWidth; x++) {
      const from = (row + at(x, toWidth, width)) * channels
      const red = (data[from] ?? 0) / maxValue
      const green = hasColour ? (data[from + 1] ?? 0) / maxValue : red
      const blue = hasColour ? (data[from + 2] ?? 0) / maxValue : red
      const light = brightness(red, green, blue)
      picture[y * toWidth + x] = luma(light)
      const half = (y >> 1) * (toWidth / 2) + (x >> 1)
      // Chroma is the average of four pixels.
      blues[half] = (blues[half] ?? 0) + (blue - light) / 4
      reds[half] = (reds[half] ?? 0) + (red - light) / 4
    }
  }
  for (let half = 0; half < pixels / 4; half++) {
    picture[pixels + half] = chromaBlue(blues[half] ?? 0)
    picture[(pixels * 5) / 4 + half] = chromaRed(reds[half] ?? 0)
  }
  return picture
}
