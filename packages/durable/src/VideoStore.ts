/**
 * Where the clips of durable runs go: a directory, or any other store by a small interface.
 *
 * @since 0.1.0
 */
import { randomUUID } from "node:crypto"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { VideoResource } from "effect-videos/Schema"
import { type DownloadToFileError, downloadVideoToFile } from "effect-videos/Transfer"
import type { Videos } from "effect-videos/Videos"
import { VideoStoreError } from "./errors.js"

/**
 * A clip in a store.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredVideo {
  /** Path or URL. */
  readonly location: string
  readonly bytes: number
}

/**
 * A store of clips. Each method may run again for the same execution after a crash, and on another machine. Runs of `extendTo`
 * that join segments use the last three: a segment has an execution of its own, and is removed once it is joined.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoStoreService {
  /** Returns the whole clip of an execution; `null` if there is none. */
  readonly find: (execution: string) => Effect.Effect<StoredVideo | null, VideoStoreError>
  /** Stores the clip of a completed job: whole or not at all. */
  readonly save: (
    execution: string,
    video: VideoResource
  ) => Effect.Effect<StoredVideo, VideoStoreError | DownloadToFileError, Videos>
  /** Stores a local file: whole or not at all. Replaces what is there. */
  readonly put: (execution: string, path: string) => Effect.Effect<StoredVideo, VideoStoreError>
  /** Returns the path of a local file with the clip, for FFmpeg. It may be deleted with the scope. Fails if there is none. */
  readonly file: (execution: string) => Effect.Effect<string, VideoStoreError, Scope.Scope>
  /** Deletes the clip, if there is one. */
  readonly remove: (execution: string) => Effect.Effect<void, VideoStoreError>
}

/**
 * Options of a store that takes whole files.
 *
 * @since 0.1.0
 * @category models
 */
export interface UploadOptions {
  /** Local directory for the clip on its way, and for partial files: a clip is checked there before it is uploaded. */
  readonly directory: string
  readonly find: VideoStoreService["find"]
  /** Puts the file into the store under a name that the execution decides. Replaces what is there. */
  readonly upload: (
    execution: string,
    file: { readonly path: string; readonly bytes: number }
  ) => Effect.Effect<StoredVideo, VideoStoreError>
  /** Copies a clip to a local path. Default: runs that join segments wait, and say that it is missing. */
  readonly download?: ((execution: string, path: string) => Effect.Effect<void, VideoStoreError>) | undefined
  /** Deletes a clip, if there is one. Default: segments are kept after they are joined. */
  readonly remove?: VideoStoreService["remove"] | undefined
}

/**
 * Store of the clips of durable runs.
 *
 * @example
 * import { Effect } from "effect"
 * import { VideoStore } from "@effect-videos/durable"
 *
 * // Files `<execution>.mp4`; the directory is made if it is missing.
 * const store = VideoStore.layerDirectory("clips")
 *
 * @since 0.1.0
 * @category services
 */
export class VideoStore extends Context.Tag("effect-videos/VideoStore")<VideoStore, VideoStoreService>() {
  /**
   * A directory, with a file `<execution>.mp4` for each run. Several machines may share it if its file system has atomic renames.
   * A partial file is resumed by the next attempt on this machine, or on any machine that shares the directory.
   */
  static readonly layerDirectory = (directory: string): Layer.Layer<VideoStore, VideoStoreError> =>
    Layer.effect(
      VideoStore,
      Effect.map(makeDirectory(directory), (store) => VideoStore.of(store))
    ).pipe(Layer.provide(platform))

  /** Any other store: a clip is downloaded to a local directory, checked, uploaded, and deleted there. */
  static readonly layerUpload = (options: UploadOptions): Layer.Layer<VideoStore, VideoStoreError> =>
    Layer.effect(
      VideoStore,
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const local = yield* makeDirectory(options.directory)
        return VideoStore.of({
          find: options.find,
          save: (execution, video) =>
            Effect.gen(function* () {
              const file = (yield* local.find(execution)) ?? (yield* local.save(execution, video))
              const stored = yield* options.upload(execution, { path: file.location, bytes: file.bytes })
              yield* Effect.ignore(fs.remove(file.location))
              return stored
            }),
          put: (execution, path) =>
            Effect.flatMap(local.sizeOf(path), (bytes) => options.upload(execution, { path, bytes })),
          file: (execution) =>
            Effect.gen(function* () {
              const { download } = options
              if (download === undefined) {
                return yield* new VideoStoreError({
                  operation: "VideoStore.file",
                  location: execution,
                  detail: "the store has no `download`"
                })
              }
              const path = yield* Effect.acquireRelease(local.temporary, (path) => Effect.ignore(fs.remove(path)))
              yield* download(execution, path)
              return path
            }),
          remove: options.remove ?? (() => Effect.void)
        })
      })
    ).pipe(Layer.provide(platform))
}

// internal

const platform = Layer.merge(NodeFileSystem.layer, NodePath.layer)

const makeDirectory = (given: string) =>
  Effect.gen(function* () {
    const context = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    // Locations are read by other processes, which run in other directories.
    const directory = path.resolve(given)
    const toError = (operation: string) => (error: { readonly message: string }) =>
      new VideoStoreError({ operation, location: directory, detail: error.message })
    const nameOf = (execution: string) => `${execution}.mp4`
    const locationOf = (execution: string) => path.join(directory, nameOf(execution))
    const find: VideoStoreService["find"] = (execution) => {
      const location = locationOf(execution)
      return fs.stat(location).pipe(
        Effect.map(({ size }): StoredVideo | null => ({ location, bytes: Number(size) })),
        Effect.catchIf(
          (error) => error._tag === "SystemError" && error.reason === "NotFound",
          () => Effect.succeed(null)
        ),
        Effect.mapError(toError("VideoStore.find"))
      )
    }
    const makeIt = fs.makeDirectory(directory, { recursive: true })
    yield* Effect.mapError(makeIt, toError("VideoStore.layerDirectory"))
    const save: VideoStoreService["save"] = (execution, video) =>
      // The directory may be gone since.
      Effect.mapError(makeIt, toError("VideoStore.save")).pipe(
        Effect.zipRight(downloadVideoToFile(video, nameOf(execution), { directory })),
        Effect.map(({ bytes, path }): StoredVideo => ({ location: path, bytes })),
        // Under its final name a file is whole: another attempt was faster.
        Effect.catchIf(
          (error) => error._tag === "FileError" && error.reason === "exists",
          (error) =>
            Effect.flatMap(find(execution), (file) => (file === null ? Effect.fail(error) : Effect.succeed(file)))
        ),
        Effect.provide(context)
      )
    const sizeOf = (file: string) =>
      Effect.mapBoth(fs.stat(file), { onFailure: toError("VideoStore.put"), onSuccess: ({ size }) => Number(size) })
    /** A path for a file on its way. */
    const temporary = Effect.sync(() => path.join(directory, `${randomUUID()}.tmp`))
    const put: VideoStoreService["put"] = (execution, file) =>
      Effect.acquireUseRelease(
        temporary,
        (part) =>
          Effect.gen(function* () {
            yield* makeIt
            yield* fs.copyFile(file, part)
            yield* Effect.scoped(Effect.flatMap(fs.open(part, { flag: "r+" }), ({ sync }) => sync))
            yield* fs.rename(part, locationOf(execution))
          }).pipe(Effect.mapError(toError("VideoStore.put"))),
        (part) => Effect.ignore(fs.remove(part))
      ).pipe(
        Effect.zipRight(sizeOf(locationOf(execution))),
        Effect.map((bytes) => ({ location: locationOf(execution), bytes }))
      )
    const file: VideoStoreService["file"] = (execution) =>
      Effect.flatMap(find(execution), (found) =>
        found === null
          ? new VideoStoreError({
              operation: "VideoStore.file",
              location: locationOf(execution),
              detail: "no such file"
            })
          : Effect.succeed(found.location)
      )
    const remove: VideoStoreService["remove"] = (execution) =>
      Effect.mapError(fs.remove(locationOf(execution), { force: true }), toError("VideoStore.remove"))
    return { find, save, put, file, remove, sizeOf, temporary }
  })
