/**
 * Draws the pictures of a clip: a ball and bars that move on every frame, the first words of the prompt, and the time
 * since the start of the file.
 *
 * Frames are planar YUV 4:2:0 (BT.709, limited range), the format of the encoder: drawing and encoding RGBA takes about twice
 * the time. A painter draws the still background once; each frame copies it and adds the moving parts.
 *
 * @example
 * import { makePainter } from "./frames.js"
 *
 * const painter = makePainter({
 *   width: 720, height: 1280, fps: 24, prompt: "A cat", id: "video_1", startSecond: 0, totalSeconds: 4
 * })
 * const picture = painter.paint(12) // half a second in; the same array on every call
 *
 * @since 0.1.0
 */
import { brightness, chromaBlue, chromaRed, luma } from "./colour.js"
import { GLYPH_GAP, GLYPH_ROWS, GLYPH_WIDTH, glyphsOf, spellable, widthOf } from "./glyphs.js"

/**
 * Content of consecutive frames.
 *
 * @since 0.1.0
 * @category models
 */
export interface Scene {
  /** Pixels, even, from 16 to 4096. */
  readonly width: number
  /** Pixels, even, from 16 to 4096. */
  readonly height: number
  /** Frames per second. */
  readonly fps: number
  /** Prompt: the picture shows its first words, and its whole text selects the colours. */
  readonly prompt: string
  /** Distinguishes clips with the same prompt; selects the colours too. */
  readonly id: string
  /** Seconds of the file before the first frame of the scene. */
  readonly startSecond: number
  /** Length of the file in seconds. */
  readonly totalSeconds: number
  /** Text in the top left corner. Default: none. */
  readonly label?: string | undefined
  /** Seed of the motion: scenes with equal seeds move alike. Default: the id and the prompt. */
  readonly motion?: string | undefined
  /** First frame, in the format of `Painter.paint`. Fades into the drawn frames within half a second. Default: none. */
  readonly opening?: Uint8Array | undefined
}

/**
 * Draws the frames of one scene into one array.
 *
 * @since 0.1.0
 * @category models
 */
export interface Painter {
  /** Draws frame `index` (from 0). Returns `width * height * 3 / 2` bytes in an array that the next call reuses. */
  readonly paint: (index: number) => Uint8Array
}

/**
 * Makes the painter of a scene. Equal scenes make equal frames.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makePainter = (scene: Scene): Painter => {
  const { fps, height, opening, startSecond, totalSeconds, width } = scene
  const hash = fnv1a(motionOf({ id: scene.id, prompt: scene.prompt }))
  const motionHash = scene.motion === undefined ? hash : fnv1a(scene.motion)
  const hue = hash % 360
  const hueOffset = (hash >>> 9) % 2 === 0 ? 150 : 210
  const colours = {
    ball: yuv(hue + hueOffset, 0.95, 0.62),
    bars: yuv(hue + 40, 0.6, 0.42),
    filled: yuv(hue + hueOffset, 0.9, 0.55)
  }
  const layout = makeLayout(scene)
  const background = surface(width, height)
  paintBackground(background, scene, layout, hue)
  const canvas = surface(width, height)

  const { stage } = layout
  const radius = Math.max(2, Math.floor(Math.min(width, stage) / 7))
  const phase = (motionHash >>> 16) / 65536
  const barCount = Math.max(3, Math.min(12, Math.floor(width / 8)))
  const barPitch = width / barCount
  const fadeFrames = opening === undefined ? 0 : Math.max(1, Math.round(fps / 2))

  return {
    paint: (index) => {
      canvas.data.set(background.data)
      const second = startSecond + index / fps
      for (let bar = 0; bar < barCount; bar++) {
        const wave = Math.sin(second * (2.1 + (bar % 5) * 0.37) + bar * 1.3 + phase * 6)
        const tall = Math.round(stage * (0.22 + 0.18 * wave))
        const left = Math.round(bar * barPitch + barPitch * 0.15)
        rectangle(canvas, left, stage - tall, Math.ceil(barPitch * 0.7), tall, colours.bars)
      }
      const x = radius + (width - 2 * radius) * triangle(second * 0.31 + phase)
      const y = radius + (stage - 2 * radius) * triangle(second * 0.47 + phase * 3)
      disc(canvas, Math.round(x), Math.round(y), radius, colours.ball)

      const { margin, scale } = layout
      const done = totalSeconds > 0 ? Math.min(1, second / totalSeconds) : 1
      rectangle(canvas, margin, layout.bar, Math.round((width - 2 * margin) * done), layout.thick, colours.filled)
      const time = layout.time(second)
      write(canvas, time, width - margin - widthOf(time) * scale, layout.clock, scale, INK)
      if (opening !== undefined && index < fadeFrames) blend(canvas.data, opening, index / fadeFrames)
      return canvas.data
    }
  }
}

/**
 * Returns the seed of the motion of a scene, for a second scene that moves alike.
 *
 * @since 0.1.0
 * @category constructors
 */
export const motionOf = (scene: Pick<Scene, "id" | "prompt" | "motion">): string =>
  scene.motion ?? `${scene.id}\n${scene.prompt}`

// internal

type Yuv = readonly [y: number, u: number, v: number]

interface Surface {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
  readonly luma: Uint8Array
  readonly u: Uint8Array
  readonly v: Uint8Array
}

interface Layout {
  readonly scale: number
  readonly margin: number
  /** Height of the moving picture, from the top. */
  readonly stage: number
  readonly lines: ReadonlyArray<string>
  /** Top rows of the text, the clock and the progress bar. */
  readonly text: number
  readonly clock: number
  readonly bar: number
  /** Height of the progress bar. */
  readonly thick: number
  readonly time: (second: number) => string
}

const INK = 232
const PANEL: Yuv = [28, 128, 128]
const TRACK: Yuv = [70, 128, 128]
const ADVANCE = GLYPH_WIDTH + GLYPH_GAP
const LINE = GLYPH_ROWS + 2

const makeLayout = (scene: Scene): Layout => {
  const { height, totalSeconds, width } = scene
  // Fits about 24 letters into the width, and three lines of text into a fifth of the height.
  const scale = Math.max(1, Math.floor(Math.min(width / (24 * ADVANCE), height / (15 * LINE))))
  const margin = Math.max(1, Math.min(4 * scale, Math.floor(width / 24)))
  const textWidth = width - 2 * margin
  const times = [
    (second: number) => `${clock(second, true)} / ${clock(totalSeconds, !Number.isInteger(totalSeconds))}`,
    (second: number) => clock(second, true),
    (second: number) => second.toFixed(1)
  ]
  const fits = (time: (second: number) => string) => widthOf(time(totalSeconds)) * scale <= textWidth
  const time = times.find(fits) ?? (() => "")
  const lineHeight = LINE * scale
  // The bar starts on an even row and has at least two rows, because chroma has half the rows of luma.
  const thick = Math.max(2, scale)
  const bar = Math.floor((height - margin - thick) / 2) * 2
  const clockTop = bar - lineHeight
  // The moving picture keeps at least 40 % of the height.
  const lineCount = Math.max(0, Math.min(3, Math.floor((clockTop - margin - height * 0.4) / lineHeight)))
  const lines = wrap(scene.prompt, Math.floor(textWidth / scale), lineCount)
  const text = clockTop - lines.length * lineHeight - (lines.length > 0 ? scale : 0)
  return { scale, margin, stage: Math.max(4, text - margin), lines, text, clock: clockTop, bar, thick, time }
}

const paintBackground = (target: Surface, scene: Scene, layout: Layout, hue: number): void => {
  const { height, width } = target
  const { margin, scale, stage } = layout
  const top = yuv(hue, 0.55, 0.34)
  const bottom = yuv(hue + 25, 0.6, 0.2)
  for (let row = 0; row < stage; row += 2) {
    const mix = row / stage
    const at = (plane: 0 | 1 | 2) => Math.round(top[plane] * (1 - mix) + bottom[plane] * mix)
    rectangle(target, 0, row, width, 2, [at(0), at(1), at(2)])
  }
  rectangle(target, 0, stage, width, height - stage, PANEL)
  rectangle(target, margin, layout.bar, width - 2 * margin, layout.thick, TRACK)
  for (const [index, line] of layout.lines.entries()) {
    write(target, line, margin, layout.text + index * LINE * scale, scale, INK)
  }
  const [label] = wrap(scene.label ?? "", Math.floor((width - 2 * margin) / scale) - 4, 1)
  if (label !== undefined && stage >= (LINE + 2) * scale + 2 * margin) {
    rectangle(target, margin, margin, (widthOf(label) + 4) * scale, (LINE + 1) * scale, PANEL)
    write(target, label, margin + 2 * scale, margin + 2 * scale, scale, INK)
  }
}

/** Wraps a text into at most `count` lines of at most `maxWidth` pixels at scale 1. Truncated text ends in dots. */
const wrap = (text: string, maxWidth: number, count: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  const fits = (candidate: string) => widthOf(candidate) <= maxWidth
  // No picture shows more than 400 characters.
  const words = Array.from(spellable(text))
    .slice(0, 400)
    .join("")
    .split(" ")
    .filter((word) => word !== "")
  for (const word of words) {
    const longer = line === "" ? word : `${line} ${word}`
    if (fits(longer)) {
      line = longer
      continue
    }
    if (line !== "") lines.push(line)
    line = ""
    for (const char of word) {
      if (!fits(line + char)) {
        if (line !== "") lines.push(line)
        line = ""
      }
      line = fits(char) ? line + char : line
    }
    if (lines.length > count) break
  }
  if (line !== "") lines.push(line)
  if (lines.length <= count) return lines
  const shown = lines.slice(0, count)
  const last = Array.from(shown[count - 1] ?? "")
  while (last.length > 0 && !fits(`${last.join("")}...`)) last.pop()
  return [...shown.slice(0, -1), ...(count > 0 && fits("...") ? [`${last.join("").trimEnd()}...`] : shown.slice(-1))]
}

const clock = (second: number, tenths: boolean): string => {
  // The small addition corrects the rounding of sums such as 0.1 + 0.2, so the clock skips no tenth.
  const allTenths = Math.floor(second * 10 + 1e-6)
  const minutes = String(Math.floor(allTenths / 600)).padStart(2, "0")
  const seconds = String(Math.floor(allTenths / 10) % 60).padStart(2, "0")
  return tenths ? `${minutes}:${seconds}.${allTenths % 10}` : `${minutes}:${seconds}`
}

/** Mixes another picture into `data`; `share` (0 to 1) is the weight of `data`. */
const blend = (data: Uint8Array, other: Uint8Array, share: number): void => {
  for (let at = 0; at < data.length; at++) {
    const from = other[at] ?? 0
    data[at] = Math.round(from + ((data[at] ?? 0) - from) * share)
  }
}

const surface = (width: number, height: number): Surface => {
  const pixels = width * height
  const data = new Uint8Array((pixels * 3) / 2)
  return {
    width,
    height,
    data,
    luma: data.subarray(0, pixels),
    u: data.subarray(pixels, (pixels * 5) / 4),
    v: data.subarray((pixels * 5) / 4)
  }
}

const rectangle = (target: Surface, x: number, y: number, width: number, height: number, [luma, u, v]: Yuv): void => {
  const left = Math.max(0, x)
  const right = Math.min(target.width, x + width)
  const bottom = Math.min(target.height, y + height)
  if (right <= left) return
  for (let row = Math.max(0, y); row < bottom; row++) {
    target.luma.fill(luma, row * target.width + left, row * target.width + right)
    if (row % 2 === 0) {
      const start = (row / 2) * (target.width / 2)
      target.u.fill(u, start + (left >> 1), start + ((right + 1) >> 1))
      target.v.fill(v, start + (left >> 1), start + ((right + 1) >> 1))
    }
  }
}

const disc = (target: Surface, x: number, y: number, radius: number, colour: Yuv): void => {
  for (let row = -radius; row <= radius; row++) {
    // r * (r + 1) instead of r * r rounds the poles; otherwise they are spikes on a small disc.
    const half = Math.floor(Math.sqrt(radius * (radius + 1) - row * row))
    rectangle(target, x - half, y + row, 2 * half + 1, 1, colour)
  }
}

/** Draws text in luma only, so it needs a grey background. */
const write = (target: Surface, text: string, x: number, y: number, scale: number, luma: number): void => {
  let left = x
  for (const glyph of glyphsOf(text)) {
    glyph.rows.forEach((bits, row) => {
      for (let column = 0; column < glyph.width; column++) {
        // Division instead of a shift, because a glyph is not limited to 32 pixels.
        if (Math.floor(bits / 2 ** (glyph.width - 1 - column)) % 2 === 0) continue
        const from = Math.max(0, left + column * scale)
        const to = Math.min(target.width, left + (column + 1) * scale)
        for (let line = y + row * scale; line < Math.min(target.height, y + (row + 1) * scale); line++) {
          if (line >= 0 && to > from) target.luma.fill(luma, line * target.width + from, line * target.width + to)
        }
      }
    })
    left += (glyph.width + GLYPH_GAP) * scale
  }
}

/** Triangle wave from 0 to 1 and back, with period 2. */
const triangle = (value: number): number => {
  const part = ((value % 2) + 2) % 2
  return part < 1 ? part : 2 - part
}

const fnv1a = (text: string): number => {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  // The low bits of FNV change little between similar texts; this mix gives similar ids different hues.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0
  return (hash ^ (hash >>> 13)) >>> 0
}

/** Converts HSL: hue in degrees, saturation and lightness from 0 to 1. */
const yuv = (hue: number, saturation: number, lightness: number): Yuv => {
  const channel = (offset: number): number => {
    const k = (offset + (((hue % 360) + 360) % 360) / 30) % 12
    return lightness - saturation * Math.min(lightness, 1 - lightness) * Math.max(-1, Math.min(k - 3, 9 - k, 1))
  }
  const [r, g, b] = [channel(0), channel(8), channel(4)]
  const light = brightness(r, g, b)
  return [luma(light), chromaBlue(b - light), chromaRed(r - light)]
}
