/** Where a download's bytes go: the final name, `name.part` until they are whole, and a note of what the part is of. */
import * as PlatformError from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { begin, longestHeader, missing, step, type Walk } from "./container.js"
import { FileExistsError, FileWriteError, InvalidPathError, TransferInProgressError } from "./transferErrors.js"

const operation = "downloadVideo"

/** The names of one download, all in one directory, so that a rename is atomic. */
export interface Target {
  readonly path: string
  readonly part: string
  readonly note: string
  /** The same for every spelling of the path. */
  readonly key: string
}

/** @internal */
export const writeError =
  (path: string) =>
  (cause: PlatformError.PlatformError): FileWriteError =>
    new FileWriteError({ operation, path, cause })

const isMissing = (error: PlatformError.PlatformError): boolean =>
  error._tag === "SystemError" && error.reason === "NotFound"

// -----------------------------------------------------------------------------
// paths
// -----------------------------------------------------------------------------

/** The names, or why none are written to. A `directory` is not left: not by `..`, nor through a link inside it. */
export const resolveTarget = (
  fs: FileSystem.FileSystem,
  { dirname, isAbsolute, join, basename, relative, resolve, sep }: Path.Path,
  path: string,
  directory: string | undefined
): Effect.Effect<Target, InvalidPathError | FileWriteError> =>
  Effect.gen(function* () {
    const refuse = (reason: InvalidPathError["reason"]) =>
      new InvalidPathError({ operation, path, directory: directory ?? null, reason })
    const leaves = (from: string, to: string): boolean => {
      const way = relative(from, to)
      return way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way)
    }
    if (path === "" || `${path}${directory ?? ""}`.includes("\u0000")) return yield* refuse("characters")
    if (directory !== undefined && isAbsolute(path)) return yield* refuse("absolute")
    const base = resolve(directory ?? "")
    const final = resolve(base, path)
    if (directory !== undefined && leaves(base, final)) return yield* refuse("outside")
    if (/[/\\]$/.test(path) || /^\.{0,2}$/.test(basename(path)) || final === base) return yield* refuse("directory")
    const parent = yield* Effect.mapError(fs.realPath(dirname(final)), writeError(final))
    if (directory !== undefined) {
      const home = yield* Effect.mapError(fs.realPath(base), writeError(final))
      if (leaves(home, parent)) return yield* refuse("outside")
    }
    const info = yield* Effect.mapError(fs.stat(parent), writeError(final))
    if (info.type !== "Directory") return yield* writeError(final)(noDirectory(parent))
    const part = `${final}.part`
    const note = `${part}.json`
    for (const name of [part, note]) {
      // Written through a link, bytes would land wherever it points.
      if (Option.isSome(yield* Effect.option(fs.readLink(name)))) {
        return yield* new InvalidPathError({ operation, path: name, directory: directory ?? null, reason: "symlink" })
      }
    }
    return { path: final, part, note, key: join(parent, basename(final)) }
  })

const noDirectory = (path: string) =>
  new PlatformError.SystemError({
    reason: "BadResource",
    module: "FileSystem",
    method: "open",
    pathOrDescriptor: path,
    description: `${path} is no directory`
  })

/** Whether the final name is free, or may be replaced. */
export const checkFree = (
  fs: FileSystem.FileSystem,
  { path }: Target,
  overwrite: boolean
): Effect.Effect<void, InvalidPathError | FileExistsError | FileWriteError> =>
  Effect.matchEffect(fs.stat(path), {
    onFailure: (error) => (isMissing(error) ? Effect.void : Effect.fail(writeError(path)(error))),
    onSuccess: ({ type }): Effect.Effect<void, InvalidPathError | FileExistsError> =>
      type === "Directory"
        ? Effect.fail(new InvalidPathError({ operation, path, reason: "directory" }))
        : overwrite
          ? Effect.void
          : Effect.fail(new FileExistsError({ operation, path }))
  })

/** The paths that downloads of this process are writing to. */
class Busy extends Context.Reference<Busy>()("effect-videos/Transfer/Busy", {
  defaultValue: () => new Set<string>()
}) {}

/** Two writers would make one file of two halves: the second fails. */
export const exclusively = <A, E, R>(
  { key, path }: Target,
  use: Effect.Effect<A, E, R>
): Effect.Effect<A, E | TransferInProgressError, R> =>
  Effect.flatMap(Busy, (busy) =>
    Effect.acquireUseRelease(
      Effect.suspend(() =>
        busy.has(key) ? Effect.fail(new TransferInProgressError({ operation, path })) : Effect.succeed(busy.add(key))
      ),
      () => use,
      () => Effect.sync(() => busy.delete(key))
    )
  )

// -----------------------------------------------------------------------------
// the note beside a part
// -----------------------------------------------------------------------------

const Note = Schema.parseJson(
  Schema.Struct({
    videoId: Schema.String,
    variant: Schema.String,
    /** What `If-Range` takes: a strong entity tag, or a date. */
    validator: Schema.NonEmptyString,
    etag: Schema.NullOr(Schema.String),
    total: Schema.NullOr(Schema.Number)
  })
)

/** What a part is a part of. Only a version that the server can name again is worth a note. */
export type Note = typeof Note.Type

/** What an earlier call left, if it is of the same file. */
export const readPart = (
  fs: FileSystem.FileSystem,
  { note, part }: Target,
  wanted: Pick<Note, "videoId" | "variant">
): Effect.Effect<Option.Option<{ readonly note: Note; readonly size: number }>> =>
  Effect.gen(function* () {
    const found = yield* Effect.flatMap(fs.readFileString(note), Schema.decode(Note))
    const { size, type } = yield* fs.stat(part)
    const bytes = Number(size)
    const isOf = found.videoId === wanted.videoId && found.variant === wanted.variant
    return isOf && type === "File" && bytes > 0 && (found.total === null || bytes <= found.total)
      ? Option.some({ note: found, size: bytes })
      : Option.none()
  }).pipe(Effect.orElseSucceed(() => Option.none()))

/** @internal */
export const writeNote = (
  fs: FileSystem.FileSystem,
  { note }: Target,
  content: Note
): Effect.Effect<void, FileWriteError> =>
  Effect.mapError(fs.writeFileString(note, Schema.encodeSync(Note)(content)), writeError(note))

/** @internal */
export const removeNote = (fs: FileSystem.FileSystem, { note }: Target): Effect.Effect<void, FileWriteError> =>
  Effect.mapError(fs.remove(note, { force: true }), writeError(note))

// -----------------------------------------------------------------------------
// the part itself
// -----------------------------------------------------------------------------

/** What is missing at the part's end, by its own account: a few small reads, whatever its length. */
export const missingIn = (fs: FileSystem.FileSystem, { part }: Target): Effect.Effect<string | null, FileWriteError> =>
  Effect.gen(function* () {
    const file = yield* fs.open(part, { flag: "r" })
    const length = Number((yield* file.stat).size)
    const header = new Uint8Array(longestHeader)
    let walk: Walk | null = begin
    while (walk !== null && walk.at + walk.need <= length) {
      yield* file.seek(walk.at, "start")
      let filled = 0
      while (filled < walk.need) {
        const read = Number(yield* file.read(header.subarray(filled, walk.need)))
        // Shorter than a moment ago: that is found out when it is settled.
        if (read === 0) return null
        filled += read
      }
      walk = step(walk, header.subarray(0, filled))
    }
    return walk === null ? null : missing(walk, length)
  }).pipe(Effect.scoped, Effect.mapError(writeError(part)))

// -----------------------------------------------------------------------------
// the end
// -----------------------------------------------------------------------------

/** Gives the part its final name; after a power cut too it is there whole or not at all. */
export const publish = (
  fs: FileSystem.FileSystem,
  { dirname }: Path.Path,
  target: Target,
  overwrite: boolean
): Effect.Effect<void, InvalidPathError | FileExistsError | FileWriteError> =>
  Effect.gen(function* () {
    yield* checkFree(fs, target, overwrite)
    yield* Effect.mapError(fs.rename(target.part, target.path), writeError(target.path))
    // Not every system lets a directory be opened; then its own schedule decides when the new name is safe.
    yield* Effect.ignore(
      Effect.scoped(Effect.flatMap(fs.open(dirname(target.path), { flag: "r" }), (file) => file.sync))
    )
    yield* Effect.ignore(removeNote(fs, target))
  }).pipe(Effect.uninterruptible)
