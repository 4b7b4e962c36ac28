/**
 * Shots one after the other: all the pictures of a clip as they were drawn, so that a still picture needs no decoder and
 * a clip can be drawn again in other colours.
 *
 * @since 0.1.0
 */
import { makePainter, type Painter, type Scene } from "./frames.js"

/**
 * A run of frames of one scene.
 *
 * @since 0.1.0
 * @category models
 */
export interface Shot {
  readonly scene: Scene
  /** Number of frames, at least 1. */
  readonly frames: number
  /** Path of a picture that the shot begins with, to be read before it is drawn. */
  readonly picture?: string | undefined
}

/**
 * The shots of a clip, all of one size.
 *
 * @since 0.1.0
 * @category models
 */
export type Reel = readonly [Shot, ...ReadonlyArray<Shot>]

/**
 * Number of frames.
 *
 * @since 0.1.0
 * @category constructors
 */
export const framesOf = (reel: Reel): number => reel.reduce((sum, { frames }) => sum + frames, 0)

/**
 * Draws the frames of a reel, counted from its start. Only one shot's still parts are in memory at a time, so frames are
 * best asked for in order.
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
