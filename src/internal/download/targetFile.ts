/** The path that a download is saved under: checked before the request, given to the file when it is complete. */
import * as PlatformError from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Hash from "effect/Hash"
import * as Option from "effect/Option"
import { FileError } from "../errors/fileErrors.js"

const operation = "downloadVideo"

/** The names of one download, all in one directory, so that a rename is atomic. */
export interface Target {
  /** Where the bytes go: what a symbolic link names, if the path is one. */
  readonly path: string
  readonly part: string
  readonly note: string
  readonly lock: string
  /** A file beside it. */
  readonly directoryOf: (name: string) => string
  /** The same for every spelling of the path. */
  readonly key: string
  /** What is there; `null` for nothing. */
  readonly type: FileSystem.File.Type | null
  /** Whether there is a file or nothing. Bytes go straight into anything else: a device or a named pipe is not replaced. */
  readonly isRegular: boolean
}

/** @internal */
export const writeError =
  (path: string) =>
  (cause: PlatformError.PlatformError): FileError =>
    new FileError({ operation, reason: "write", path, cause })

/** @internal */
export const isMissing = (error: PlatformError.PlatformError): boolean =>
  error._tag === "SystemError" && error.reason === "NotFound"

/** @internal */
export const isAlreadyThere = (error: PlatformError.PlatformError): boolean =>
  error._tag === "SystemError" && error.reason === "AlreadyExists"

// -----------------------------------------------------------------------------
// paths
// -----------------------------------------------------------------------------

const special: ReadonlySet<string> = new Set(["CharacterDevice", "BlockDevice", "FIFO", "Socket"])

/** More links in a row than this are a loop, as on Linux. */
const mostLinks = 40

/** What a symbolic link names, which need not be there. */
const followed = (
  fs: FileSystem.FileSystem,
  path: Pick<Path.Path, "dirname" | "resolve">,
  name: string,
  left = mostLinks
): Effect.Effect<string, PlatformError.PlatformError> =>
  Effect.matchEffect(fs.readLink(name), {
    // It is no link, or nothing; whether it can be written is found out later.
    onFailure: () => Effect.succeed(name),
    onSuccess: (to) =>
      left === 0
        ? Effect.fail(bad(name, `${name} leads to itself`))
        : Effect.flatMap(fs.realPath(path.dirname(name)), (parent) =>
            followed(fs, path, path.resolve(parent, to), left - 1)
          )
  })

/** The names, or why none are written to. A `directory` is not left: not by `..`, nor through a link inside it. */
export const resolveTarget = (
  fs: FileSystem.FileSystem,
  { dirname, isAbsolute, join, basename, relative, resolve, sep }: Path.Path,
  path: string,
  directory: string | undefined
): Effect.Effect<Target, FileError> =>
  Effect.gen(function* () {
    const refuse = (problem: FileError["problem"], named = path) =>
      new FileError({ operation, reason: "invalidPath", path: named, directory: directory ?? null, problem })
    const leaves = (from: string, to: string): boolean => {
      const way = relative(from, to)
      return way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way)
    }
    if (path === "" || `${path}${directory ?? ""}`.includes("\u0000")) return yield* refuse("characters")
    if (directory !== undefined && isAbsolute(path)) return yield* refuse("absolute")
    const base = resolve(directory ?? "")
    const named = resolve(base, path)
    if (directory !== undefined && leaves(base, named)) return yield* refuse("outside")
    if (/[/\\]$/.test(path) || /^\.{0,2}$/.test(basename(path)) || named === base) return yield* refuse("directory")
    const type = Option.getOrNull(
      yield* Effect.map(fs.stat(named), (info) => Option.some(info.type)).pipe(
        Effect.catchIf(isMissing, () => Effect.succeedNone),
        Effect.mapError(writeError(named))
      )
    )
    if (type === "Socket") return yield* refuse("socket")
    const isRegular = type === null || !special.has(type)
    // `/dev/stdout` is a link to what has no name; a given directory is not left, whatever a link leads to.
    const final =
      isRegular || directory !== undefined
        ? yield* Effect.mapError(followed(fs, { dirname, resolve }, named), writeError(named))
        : named
    const parent = yield* Effect.mapError(fs.realPath(dirname(final)), writeError(final))
    if (directory !== undefined) {
      const home = yield* Effect.mapError(fs.realPath(base), writeError(final))
      if (leaves(home, parent)) return yield* refuse("outside")
    }
    const info = yield* Effect.mapError(fs.stat(parent), writeError(final))
    if (info.type !== "Directory") return yield* writeError(final)(bad(parent, `${parent} is no directory`))
    const directoryOf = (name: string) => join(dirname(final), name)
    const part = directoryOf(`${shortened(basename(final))}.part`)
    const [note, lock] = [`${part}.json`, `${part}.lock`]
    for (const name of isRegular ? [part, note, lock] : []) {
      // Written through a link, bytes would land wherever it points.
      if (Option.isSome(yield* Effect.option(fs.readLink(name)))) {
        return yield* refuse("symlink", name)
      }
    }
    return { path: final, part, note, lock, directoryOf, key: join(parent, basename(final)), type, isRegular }
  })

/** Bytes that a file's name may have on the file systems of today. */
const longestName = 255

const bytesOf = (text: string): number => new TextEncoder().encode(text).byteLength

/** A name to which `.part.json` can be added: where that would be too long, its beginning and a checksum of all of it. */
const shortened = (name: string): string => {
  if (bytesOf(`${name}.part.json`) <= longestName) return name
  let start = ""
  for (const character of name) {
    if (bytesOf(start + character) > 200) break
    start += character
  }
  return `${start}~${(Hash.string(name) >>> 0).toString(16).padStart(8, "0")}`
}

const bad = (path: string, description: string) =>
  new PlatformError.SystemError({
    reason: "BadResource",
    module: "FileSystem",
    method: "open",
    pathOrDescriptor: path,
    description
  })

/** Whether the final name is free, or may be replaced. Into a pipe or a terminal is written without replacing anything. */
export const checkFree = (
  fs: FileSystem.FileSystem,
  { path }: Target,
  overwrite: boolean
): Effect.Effect<void, FileError> =>
  Effect.matchEffect(fs.stat(path), {
    onFailure: (error) => (isMissing(error) ? Effect.void : Effect.fail(writeError(path)(error))),
    onSuccess: ({ type }): Effect.Effect<void, FileError> =>
      type === "Directory"
        ? Effect.fail(new FileError({ operation, reason: "invalidPath", path, problem: "directory" }))
        : overwrite || type === "FIFO" || type === "CharacterDevice"
          ? Effect.void
          : Effect.fail(new FileError({ operation, reason: "exists", path }))
  })

// -----------------------------------------------------------------------------
// publishing
// -----------------------------------------------------------------------------

/**
 * Gives the partial file its final name, atomically. Without `overwrite`, a file that has appeared meanwhile is not replaced.
 */
export const publish = (
  fs: FileSystem.FileSystem,
  { dirname }: Path.Path,
  target: Target,
  overwrite: boolean
): Effect.Effect<void, FileError> =>
  Effect.gen(function* () {
    const { part, path } = target
    yield* checkFree(fs, target, overwrite)
    yield* overwrite ? Effect.mapError(fs.rename(part, path), writeError(path)) : linkExclusively(fs, target)
    // Some systems do not open directories; they sync the new name at a time of their own.
    yield* Effect.ignore(Effect.scoped(Effect.flatMap(fs.open(dirname(path), { flag: "r" }), (file) => file.sync)))
    yield* Effect.ignore(fs.remove(target.note, { force: true }))
  }).pipe(Effect.uninterruptible)

/**
 * A rename replaces an existing file; a hard link does not. On file systems without hard links (FAT, exFAT, some network
 * drives), an empty file is created exclusively, and the rename replaces that.
 */
const linkExclusively = (fs: FileSystem.FileSystem, { part, path }: Target): Effect.Effect<void, FileError> => {
  const exists = () => new FileError({ operation, reason: "exists", path })
  const failed = (error: PlatformError.PlatformError) => (isAlreadyThere(error) ? exists() : writeError(path)(error))
  const renamed = Effect.scoped(fs.open(path, { flag: "wx" })).pipe(
    Effect.mapError(failed),
    Effect.zipRight(
      Effect.tapError(Effect.mapError(fs.rename(part, path), writeError(path)), () =>
        Effect.ignore(fs.remove(path, { force: true }))
      )
    )
  )
  return Effect.matchEffect(fs.link(part, path), {
    onSuccess: () => Effect.mapError(fs.remove(part), writeError(part)),
    onFailure: (error) => (isAlreadyThere(error) ? Effect.fail(exists()) : renamed)
  })
}
