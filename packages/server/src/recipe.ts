/**
 * How a clip is made, down to the prompt or the upload that it started from. A recipe holds all that is needed to make the
 * clip again, so that a job's descendants do not need the job, nor its file: only an uploaded file must be kept.
 */

import type { Scene } from "./media/frames.js"
import { motionOf } from "./media/frames.js"
import { type ClipFacts, DEFAULT_FPS, encodable, type Reel, type Shot } from "./media/Media.js"
import { randomId } from "./randomId.js"

/** @internal */
export interface Recipe {
  /** Names the clip's files, and goes into its colours. */
  readonly key: string
  /** As seen on the screen. */
  readonly width: number
  readonly height: number
  /** Of the whole clip. */
  readonly seconds: number
  readonly made:
    | {
        readonly _tag: "Drawn"
        readonly prompt: string
        readonly label: string | undefined
        /** Path of the picture that it begins with. */
        readonly picture: string | undefined
      }
    | { readonly _tag: "Uploaded"; readonly path: string; readonly codec: string }
    | { readonly _tag: "Extended"; readonly source: Recipe; readonly prompt: string; readonly seconds: number }
    | { readonly _tag: "Redrawn"; readonly source: Recipe; readonly prompt: string; readonly label: string }
}

/** A clip from a prompt; the label is a few words for its corner. */
export const drawn = (clip: {
  readonly width: number
  readonly height: number
  readonly seconds: number
  readonly prompt: string
  readonly label?: string | undefined
  readonly picture?: string | undefined
}): Recipe => {
  const { height, label, picture, prompt, seconds, width } = clip
  return { key: randomId(), width, height, seconds, made: { _tag: "Drawn", prompt, label, picture } }
}

/** A file that somebody sent, kept at the path for as long as a clip that goes on from it may be asked for. */
export const uploaded = (path: string, { durationSeconds, height, videoCodec, width }: ClipFacts): Recipe => ({
  key: randomId(),
  width,
  height,
  seconds: durationSeconds,
  made: { _tag: "Uploaded", path, codec: videoCodec }
})

/** The source's pictures, and a new segment after them. */
export const extended = (source: Recipe, prompt: string, seconds: number): Recipe => ({
  key: randomId(),
  width: source.width,
  height: source.height,
  seconds: source.seconds + seconds,
  made: { _tag: "Extended", source, prompt, seconds }
})

/** As many pictures as the source has, moving alike, in other colours, with another prompt and a label on them. */
export const redrawn = (source: Recipe, prompt: string, label: string): Recipe => ({
  key: randomId(),
  width: encodable(source.width),
  height: encodable(source.height),
  seconds: reelOf(source).reduce((sum, { frames }) => sum + frames, 0) / DEFAULT_FPS,
  made: { _tag: "Redrawn", source, prompt, label }
})

/** The pictures of a clip as they are drawn; those of an upload cannot be decoded, and have a stand-in. */
export const reelOf = (recipe: Recipe): Reel => {
  const { key: id, made, seconds: totalSeconds } = recipe
  const whole = { width: encodable(recipe.width), height: encodable(recipe.height), fps: DEFAULT_FPS, totalSeconds }
  const shot = (scene: Omit<Scene, keyof typeof whole>, seconds: number): Shot => ({
    scene: { ...whole, ...scene },
    frames: Math.max(1, Math.round(seconds * DEFAULT_FPS))
  })
  switch (made._tag) {
    case "Drawn":
      return [
        {
          ...shot({ id, prompt: made.prompt, label: made.label, startSecond: 0 }, totalSeconds),
          picture: made.picture
        }
      ]
    case "Uploaded": {
      const prompt = `stands in for ${made.codec} video`
      return [shot({ id, prompt, label: "uploaded clip", startSecond: 0 }, totalSeconds)]
    }
    case "Extended": {
      const [first, ...others] = reelOf(made.source)
      const startSecond = made.source.seconds
      return [first, ...others, shot({ id, prompt: made.prompt, startSecond }, made.seconds)]
    }
    case "Redrawn": {
      const { label, prompt } = made
      const recolour = ({ frames, scene }: Shot): Shot => ({
        scene: { ...scene, id, prompt, label, motion: motionOf(scene) },
        frames
      })
      const [first, ...others] = reelOf(made.source)
      return [recolour(first), ...others.map(recolour)]
    }
  }
}

/** The uploaded film or picture that is needed to make the clip; `null` where all of it is drawn. */
export const uploadOf = ({ made }: Recipe): string | null => {
  switch (made._tag) {
    case "Uploaded":
      return made.path
    case "Extended":
      return uploadOf(made.source)
    case "Drawn":
      return made.picture ?? null
    case "Redrawn":
      return null
  }
}
