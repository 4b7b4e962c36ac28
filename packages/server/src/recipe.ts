/**
 * Recipes: how to make a clip, back to its first prompt or upload. A recipe can make the clip again, so derived clips need
 * neither the source job nor its file. Only an uploaded file has to stay on disk.
 */

import type { Scene } from "./media/frames.js"
import { motionOf } from "./media/frames.js"
import { type ClipFacts, DEFAULT_FPS, encodable, type Reel, type Shot } from "./media/Media.js"
import { randomId } from "./randomId.js"

/** @internal */
export interface Recipe {
  /** Name of the files of the clip, and seed of its colours. */
  readonly key: string
  /** Pixels on the screen. */
  readonly width: number
  readonly height: number
  /** Length of the clip, with its sources. */
  readonly seconds: number
  readonly made:
    | {
        readonly _tag: "Drawn"
        readonly prompt: string
        readonly label: string | undefined
        /** Path of the picture that becomes the first frame. */
        readonly picture: string | undefined
      }
    | { readonly _tag: "Uploaded"; readonly path: string; readonly codec: string }
    | { readonly _tag: "Extended"; readonly source: Recipe; readonly prompt: string; readonly seconds: number }
    | { readonly _tag: "Redrawn"; readonly source: Recipe; readonly prompt: string; readonly label: string }
}

/** Makes the recipe of a clip from a prompt. The label appears in the corner. */
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

/** Makes the recipe of an uploaded file, which stays at the path until no job needs it. */
export const uploaded = (path: string, { durationSeconds, height, videoCodec, width }: ClipFacts): Recipe => ({
  key: randomId(),
  width,
  height,
  seconds: durationSeconds,
  made: { _tag: "Uploaded", path, codec: videoCodec }
})

/** Makes the recipe of an extension: the frames of the source, then a new segment. */
export const extended = (source: Recipe, prompt: string, seconds: number): Recipe => ({
  key: randomId(),
  width: source.width,
  height: source.height,
  seconds: source.seconds + seconds,
  made: { _tag: "Extended", source, prompt, seconds }
})

/** Makes the recipe of a remix or an edit: length and motion of the source, with other colours, prompt and label. */
export const redrawn = (source: Recipe, prompt: string, label: string): Recipe => ({
  key: randomId(),
  width: encodable(source.width),
  height: encodable(source.height),
  seconds: reelOf(source).reduce((sum, { frames }) => sum + frames, 0) / DEFAULT_FPS,
  made: { _tag: "Redrawn", source, prompt, label }
})

/** Returns the shots of a clip. The server cannot decode an upload, so drawn frames replace its own. */
export const reelOf = (recipe: Recipe): Reel => {
  const { key: id, made, seconds: totalSeconds } = recipe
  const clip = { width: encodable(recipe.width), height: encodable(recipe.height), fps: DEFAULT_FPS, totalSeconds }
  const shot = (scene: Omit<Scene, keyof typeof clip>, seconds: number): Shot => ({
    scene: { ...clip, ...scene },
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

/** Returns the path of the upload that the recipe needs: a video or a picture. `null` if the server draws all frames. */
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
