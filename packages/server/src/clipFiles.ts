/**
 * Files of the server's clips, in a temporary folder that the scope removes. The first request for a file renders it.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import {
  type ClipFacts,
  extendClip,
  inspect,
  type MediaError,
  renderPoster,
  renderReel,
  renderSpritesheet,
  renderThumbnail,
  withOpenings
} from "./media/Media.js"
import { type Refusal, refuse, type UploadedFile } from "./protocol.js"
import { randomId } from "./randomId.js"
import { type Recipe, reelOf, uploaded, uploadOf } from "./recipe.js"

/** Files of a clip: the video, and still pictures of it. The poster is for the live page alone. */
export const variants = {
  video: { suffix: ".mp4", contentType: "video/mp4" },
  thumbnail: { suffix: ".thumbnail.png", contentType: "image/png" },
  spritesheet: { suffix: ".spritesheet.png", contentType: "image/png" },
  poster: { suffix: ".poster.png", contentType: "image/png" }
} as const

/** @internal */
export type Variant = keyof typeof variants

const names = Object.keys(variants) as ReadonlyArray<Variant>

/** @internal */
export interface ClipFiles {
  /** Returns the size and length of an uploaded video; refuses a file that is not an MP4 video. */
  readonly inspect: (file: UploadedFile) => Effect.Effect<ClipFacts, Refusal>
  /** Copies an uploaded video, because its file is deleted with the request. */
  readonly storeVideo: (file: UploadedFile) => Effect.Effect<Recipe, Refusal>
  /** Copies an uploaded picture, and returns the path of the copy. */
  readonly storePicture: (file: UploadedFile) => Effect.Effect<string>
  /** Allows files of this clip, and keeps its upload: a job has the clip. */
  readonly retain: (recipe: Recipe) => void
  /** Deletes the files after the job was deleted, and the upload if no other job needs it. */
  readonly release: (recipe: Recipe) => Effect.Effect<void>
  /** Deletes the files of the clip. A later request can render them again. */
  readonly deleteFiles: (recipe: Recipe) => Effect.Effect<void>
  /** Returns the path of a complete file of the clip; renders the file if it does not exist. */
  readonly file: (recipe: Recipe, variant: Variant) => Effect.Effect<string, Refusal>
  /** Returns the size of the video in bytes; `null` if it is not rendered. */
  readonly bytesOf: (recipe: Recipe) => number | null
}

const pictures = { thumbnail: renderThumbnail, spritesheet: renderSpritesheet, poster: renderPoster }

const notMp4 = (reason: string): Refusal =>
  refuse(400, `Invalid file for 'video': it is not an MP4 video (${reason}).`, { param: "video", code: "invalid_file" })

/** Refuses with 500 if the clip cannot be rendered, for example because the disk is full. */
const renderFailure = (error: MediaError): Effect.Effect<never, Refusal> => Effect.fail(refuse(500, error.message))

/** @internal */
export const makeClipFiles: Effect.Effect<ClipFiles, never, FileSystem.FileSystem | Scope.Scope> = Effect.gen(
  function* () {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* Effect.orDie(fs.makeTempDirectoryScoped({ prefix: "effect-videos-" }))
    // Renders one file at a time: encoding is bound by the processor, so two at once would only be slower.
    const permit = yield* Effect.makeSemaphore(1)
    // A render that is interrupted ends its write first: the folder cannot be removed meanwhile.
    yield* Effect.addFinalizer(() => permit.take(1))
    const retained = new Set<string>()
    const uploads = new Map<string, number>()
    const sizes = new Map<string, number>()

    const pathOf = ({ key }: Recipe, variant: Variant): string => `${folder}/${key}${variants[variant].suffix}`

    const remove = (path: string): Effect.Effect<void> => Effect.orDie(fs.remove(path, { force: true }))

    const deleteFiles = (recipe: Recipe): Effect.Effect<void> =>
      Effect.suspend(() => {
        sizes.delete(recipe.key)
        return Effect.forEach(names, (variant) => remove(pathOf(recipe, variant)), { discard: true })
      })

    const inspectUpload = (file: UploadedFile): Effect.Effect<ClipFacts, Refusal> =>
      Effect.catchAll(inspect(file.path), (error) =>
        error._tag === "NotMp4Error" ? Effect.fail(notMp4(error.reason)) : renderFailure(error)
      )

    const reel = (recipe: Recipe) => withOpenings(reelOf(recipe))

    const renderVideo = (recipe: Recipe): Effect.Effect<string, Refusal> =>
      Effect.gen(function* (): Effect.fn.Return<string, Refusal> {
        const { key: id, made } = recipe
        if (made._tag === "Uploaded") return made.path
        const path = pathOf(recipe, "video")
        if (yield* Effect.orDie(fs.exists(path))) return path
        if (made._tag !== "Extended") {
          yield* Effect.catchAll(renderReel(yield* reel(recipe), path), renderFailure)
          return path
        }
        const { prompt, seconds, source } = made
        // If the job of the source was deleted, its files serve only this extension.
        const cleanUp = Effect.suspend(() => (retained.has(source.key) ? Effect.void : deleteFiles(source)))
        yield* Effect.flatMap(renderVideo(source), (from) =>
          Effect.catchAll(extendClip(from, { id, prompt, seconds }, path), renderFailure)
        ).pipe(Effect.ensuring(cleanUp))
        return path
      })

    const renderVariant = (recipe: Recipe, variant: Variant): Effect.Effect<string, Refusal> => {
      if (variant === "video") return renderVideo(recipe)
      const path = pathOf(recipe, variant)
      const render = pictures[variant]
      return Effect.orDie(fs.exists(path)).pipe(
        Effect.flatMap((done) =>
          done
            ? Effect.void
            : Effect.catchAll(
                Effect.flatMap(reel(recipe), (shots) => render(shots, path)),
                renderFailure
              )
        ),
        Effect.as(path)
      )
    }

    const store = (file: UploadedFile, ending: string): Effect.Effect<string> => {
      const path = `${folder}/${randomId()}${ending}`
      // A link or a copy, not a move: `Fault.duplicate` runs a submission, and reads its file, twice.
      return Effect.orElse(fs.link(file.path, path), () => fs.copyFile(file.path, path)).pipe(
        Effect.orDie,
        Effect.as(path)
      )
    }

    return {
      inspect: inspectUpload,
      storeVideo: (file) =>
        Effect.flatMap(inspectUpload(file), (facts) =>
          Effect.map(store(file, ".source.mp4"), (path) => uploaded(path, facts))
        ),
      storePicture: (file) => store(file, ".picture"),
      retain: (recipe) => {
        retained.add(recipe.key)
        const upload = uploadOf(recipe)
        if (upload !== null) uploads.set(upload, (uploads.get(upload) ?? 0) + 1)
      },
      release: (recipe) =>
        Effect.suspend(() => {
          retained.delete(recipe.key)
          const upload = uploadOf(recipe)
          if (upload === null) return deleteFiles(recipe)
          const others = (uploads.get(upload) ?? 1) - 1
          if (others > 0) {
            uploads.set(upload, others)
            return deleteFiles(recipe)
          }
          uploads.delete(upload)
          return Effect.zipRight(deleteFiles(recipe), remove(upload))
        }),
      deleteFiles,
      file: (recipe, variant) =>
        Effect.gen(function* () {
          const path = pathOf(recipe, variant)
          // An existing file needs no permit, so it does not wait for a render.
          if (yield* Effect.orDie(fs.exists(path))) return path
          yield* permit.withPermits(1)(renderVariant(recipe, variant))
          if (retained.has(recipe.key)) {
            if (variant === "video") sizes.set(recipe.key, Number((yield* Effect.orDie(fs.stat(path))).size))
            return path
          }
          yield* deleteFiles(recipe)
          return yield* refuse(404, "The video was deleted.", { param: "video_id", code: "video_not_found" })
        }),
      bytesOf: ({ key }) => sizes.get(key) ?? null
    }
  }
)
