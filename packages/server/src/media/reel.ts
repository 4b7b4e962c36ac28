/**
 * Reels: the consecutive shots of a clip. A reel can draw every frame of the clip, so a still picture needs no decoder, and a
 * clip can be drawn again in other colours.
 *
 * @since 0.1.0
 */
import { makePainter, type Painter, type Scene } from "./frames.js"

/**
 * Consecutive frames of one scene.
 *
 * @since 0.1.0
 * @category models
 */
export interface Shot {
  readonly scene: Scene
  /** Number of frames, at least 1. */
  readonly frames: number
  /** Path of a picture that `withOpenings` reads as the first frame. Default: none. */
  readonly picture?: string | undefined
}

/**
 * Consecutive shots of a clip, all of the same size.
 *
 * @since 0.1.0
 * @category models
 */
export type Reel = readonly [Shot, ...ReadonlyArray<Shot>]

/**
 * Returns the number of frames of a reel.
 *
 * @since 0.1.0
 * @category constructors
 */
export const framesOf = (reel: Reel): number => reel.reduce((sum, { frames }) => sum + frames, 0)

/**
 * Makes the painter of a reel; frame 0 is the first of the reel. Draw the frames in order: the painter keeps the background of
 * only one shot in memory.
 *
 * @since 0.1.0
 * @category constructors
 */
export const reelPainter = (reel: Reel): Painter => {
  let current: { readonly shot: Shot; readonly painter: Painter } | undefined
  return {
    paint: (index) => {
      let first = 0
      let shot: Shot = reel[0]
      for (const next of reel.slice(1)) {
        if (index < first + shot.frames) break
        first += shot.frames
        shot = next
      }
      if (current?.shot !== shot) current = { shot, painter: makePainter(shot.scene) }
      return current.painter.paint(index - first)
    }
  }
}
