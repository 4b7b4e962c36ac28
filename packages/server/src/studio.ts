/**
 * The files of the server's clips, in a temporary folder for as long as the scope lives. A file is made when somebody
 * first asks for it.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import {
  type ClipFacts,
  extendClip,
  inspect,
  type MediaError,
  renderReel,
  renderSpritesheet,
  renderThumbnail,
  withOpenings
} from "./media/Media.js"
import { type Refusal, refuse, type UploadedFile } from "./protocol.js"
import { randomId } from "./randomId.js"
import { type Recipe, reelOf, uploaded, uploadOf } from "./recipe.js"

/** What can be had of a clip: the film, and still pictures of it. */
export const variants = {
  video: { suffix: ".mp4", contentType: "video/mp4" },
  thumbnail: { suffix: ".thumbnail.png", contentType: "image/png" },
  spritesheet: { suffix: ".spritesheet.png", contentType: "image/png" }
} as const

/** @internal */
export type Variant = keyof typeof variants

const names = Object.keys(variants) as ReadonlyArray<Variant>

/** @internal */
export interface Studio {
  /** What an uploaded film holds; refuses what is none. */
  readonly examine: (file: UploadedFile) => Effect.Effect<ClipFacts, Refusal>
  /** Keeps an uploaded film, whose own copy goes away with its request. */
  readonly keep: (file: UploadedFile) => Effect.Effect<Recipe, Refusal>
  /** Keeps an uploaded picture likewise; its path. */
  readonly keepPicture: (file: UploadedFile) => Effect.Effect<string>
  /** A job has this clip: its files may be made, and an upload in it stays. */
  readonly retain: (recipe: Recipe) => void
  /** The job is gone, and with it its files, and the upload if no other job has it. */
  readonly release: (recipe: Recipe) => Effect.Effect<void>
  /** The clip's files go; they can be made again. */
  readonly clear: (recipe: Recipe) => Effect.Effect<void>
  /** The path of a file of the clip, complete. */
  readonly file: (recipe: Recipe, variant: Variant) => Effect.Effect<string, Refusal>
}

const notMp4 = (reason: string): Refusal =>
  refuse(400, `Invalid file for 'video': it is not an MP4 video (${reason}).`, { param: "video", code: "invalid_file" })

/** The clip cannot be made: an optional package is missing, or the disk is full. Said in words, as a server would. */
const brokenStudio = (error: MediaError): Effect.Effect<never, Refusal> => Effect.fail(refuse(500, error.message))

/** @internal */
export const makeStudio: Effect.Effect<Studio, never, FileSystem.FileSystem | Scope.Scope> = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* Effect.orDie(fs.makeTempDirectoryScoped({ prefix: "effect-videos-" }))
  // One file is made at a time: encoding is work for the processor, and two at once are only slower.
  const permit = yield* Effect.makeSemaphore(1)
  const retained = new Set<string>()
  const uploads = new Map<string, number>()

  const pathOf = ({ key }: Recipe, variant: Variant): string => `${folder}/${key}${variants[variant].suffix}`

  const remove = (path: string): Effect.Effect<void> => Effect.orDie(fs.remove(path, { force: true }))

  const clear = (recipe: Recipe): Effect.Effect<void> =>
    Effect.forEach(names, (variant) => remove(pathOf(recipe, variant)), { discard: true })

  const examine = (file: UploadedFile): Effect.Effect<ClipFacts, Refusal> =>
    Effect.catchAll(inspect(file.path), (error) =>
      error._tag === "NotMp4Error" ? Effect.fail(notMp4(error.reason)) : brokenStudio(error)
    )

  const reel = (recipe: Recipe) => withOpenings(reelOf(recipe))

  const film = (recipe: Recipe): Effect.Effect<string, Refusal> =>
    Effect.gen(function* (): Effect.fn.Return<string, Refusal> {
      const { key: id, made } = recipe
      if (made._tag === "Uploaded") return made.path
      const path = pathOf(recipe, "video")
      if (yield* Effect.orDie(fs.exists(path))) return path
      if (made._tag !== "Extended") {
        yield* Effect.catchAll(renderReel(yield* reel(recipe), path), brokenStudio)
        return path
      }
      const { prompt, seconds, source } = made
      // A source whose job was deleted is made for this once.
      const tidy = Effect.suspend(() => (retained.has(source.key) ? Effect.void : clear(source)))
      yield* Effect.flatMap(film(source), (from) =>
        Effect.catchAll(extendClip(from, { id, prompt, seconds }, path), brokenStudio)
      ).pipe(Effect.ensuring(tidy))
      return path
    })

  const make = (recipe: Recipe, variant: Variant): Effect.Effect<string, Refusal> => {
    if (variant === "video") return film(recipe)
    const path = pathOf(recipe, variant)
    const render = variant === "thumbnail" ? renderThumbnail : renderSpritesheet
    return Effect.orDie(fs.exists(path)).pipe(
      Effect.flatMap((done) =>
        done
          ? Effect.void
          : Effect.catchAll(
              Effect.flatMap(reel(recipe), (shots) => render(shots, path)),
              brokenStudio
            )
      ),
      Effect.as(path)
    )
  }

  const kept = (file: UploadedFile, ending: string): Effect.Effect<string> => {
    const path = `${folder}/${randomId()}${ending}`
    // Not moved: a submission that a fault carries out twice has its file twice.
    return Effect.orElse(fs.link(file.path, path), () => fs.copyFile(file.path, path)).pipe(
      Effect.orDie,
      Effect.as(path)
    )
  }

  return {
    examine,
    keep: (file) =>
      Effect.flatMap(examine(file), (facts) => Effect.map(kept(file, ".source.mp4"), (path) => uploaded(path, facts))),
    keepPicture: (file) => kept(file, ".picture"),
    retain: (recipe) => {
      retained.add(recipe.key)
      const upload = uploadOf(recipe)
      if (upload !== null) uploads.set(upload, (uploads.get(upload) ?? 0) + 1)
    },
    release: (recipe) =>
      Effect.suspend(() => {
        retained.delete(recipe.key)
        const upload = uploadOf(recipe)
        if (upload === null) return clear(recipe)
        const others = (uploads.get(upload) ?? 1) - 1
        if (others > 0) {
          uploads.set(upload, others)
          return clear(recipe)
        }
        uploads.delete(upload)
        return Effect.zipRight(clear(recipe), remove(upload))
      }),
    clear,
    file: (recipe, variant) =>
      Effect.gen(function* () {
        const path = pathOf(recipe, variant)
        // A file that is there waits for no other that is being made.
        if (yield* Effect.orDie(fs.exists(path))) return path
        yield* permit.withPermits(1)(make(recipe, variant))
        if (retained.has(recipe.key)) return path
        yield* clear(recipe)
        return yield* refuse(404, "The video was deleted.", { param: "video_id", code: "video_not_found" })
      })
  }
})
