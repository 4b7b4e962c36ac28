/** The path that a clip is saved at: checked before the request, given to the file once it is complete. */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Hash from "effect/Hash"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { FileError } from "../errors/fileErrors.js"

const operation = "downloadVideo"

/** The names of one download, all in one directory, so that a rename is atomic. */
export interface Target {
  /** Where the bytes go: what a symbolic link names, if the path is one. */
  readonly path: string
  readonly part: string
  readonly note: string
  readonly lock: string
  /** The same for every spelling of the path. */
  readonly key: string
  /** What is there; `null` for nothing. */
  readonly type: FileSystem.File.Type | null
  /** `false` for a device or a named pipe, which is written to and not replaced. */
  readonly isRegular: boolean
}

/** @internal */
export const writeError =
  (path: string) =>
  (cause: PlatformError): FileError =>
    new FileError({ operation, reason: "write", path, cause })

/**
 * Replaces the text of a small file by a rename of `aside`, in the same directory: a reader finds the old text or the new one, also
 * after a power cut.
 */
export const replaceFile = (
  fs: FileSystem.FileSystem,
  path: string,
  aside: string,
  text: string
): Effect.Effect<void, PlatformError> =>
  Effect.scoped(
    Effect.flatMap(fs.open(aside, { flag: "wx" }), (file) =>
      Effect.zipRight(file.writeAll(new TextEncoder().encode(text)), file.sync)
    )
  ).pipe(
    Effect.zipRight(fs.rename(aside, path)),
    Effect.tapError(() => Effect.ignore(fs.remove(aside, { force: true }))),
    Effect.uninterruptible
  )

const hasReason =
  (reason: "NotFound" | "AlreadyExists") =>
  (error: PlatformError | FileError): boolean =>
    error._tag === "SystemError" && error.reason === reason

export const isMissing = hasReason("NotFound")
export const isAlreadyThere = hasReason("AlreadyExists")

/** What a symbolic link names, which need not be there. A loop of links has failed before. */
const followLinks = (fs: FileSystem.FileSystem, path: Path.Path, name: string): Effect.Effect<string, PlatformError> =>
  Effect.matchEffect(fs.readLink(name), {
    onFailure: () => Effect.succeed(name),
    onSuccess: (to) =>
      Effect.flatMap(fs.realPath(path.dirname(name)), (parent) => followLinks(fs, path, path.resolve(parent, to)))
  })

/** Resolves the path, or says why no file is written there. A `directory` is not left: not by `..`, nor through a link in it. */
export const resolveTarget = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  name: string,
  directory: string | undefined
): Effect.Effect<Target, FileError> =>
  Effect.gen(function* () {
    const refuse = (problem: FileError["problem"], refused = name) =>
      new FileError({ operation, reason: "invalidPath", path: refused, directory: directory ?? null, problem })
    const leaves = (from: string, to: string): boolean => {
      const way = path.relative(from, to)
      return way === ".." || way.startsWith(`..${path.sep}`) || path.isAbsolute(way)
    }
    if (name === "" || `${name}${directory ?? ""}`.includes("\u0000")) return yield* refuse("characters")
    if (directory !== undefined && path.isAbsolute(name)) return yield* refuse("absolute")
    const base = path.resolve(directory ?? "")
    const named = path.resolve(base, name)
    if (directory !== undefined && leaves(base, named)) return yield* refuse("outside")
    if (/[/\\]$/.test(name) || /^\.{0,2}$/.test(path.basename(name)) || named === base)
      return yield* refuse("directory")
    const type = yield* Effect.map(fs.stat(named), (info) => info.type).pipe(
      Effect.catchIf(isMissing, () => Effect.succeed(null)),
      Effect.mapError(writeError(named))
    )
    if (type === "Socket") return yield* refuse("socket")
    const isRegular = type !== "CharacterDevice" && type !== "BlockDevice" && type !== "FIFO"
    // `/dev/stdout` is a link to what has no name; a given directory is not left, whatever a link leads to.
    const final =
      isRegular || directory !== undefined
        ? yield* Effect.mapError(followLinks(fs, path, named), writeError(named))
        : named
    const parent = yield* Effect.mapError(fs.realPath(path.dirname(final)), writeError(final))
    if (directory !== undefined) {
      const home = yield* Effect.mapError(fs.realPath(base), writeError(final))
      if (leaves(home, parent)) return yield* refuse("outside")
    }
    const part = path.join(path.dirname(final), `${shortened(path.basename(final))}.part`)
    const [note, lock] = [`${part}.json`, `${part}.lock`]
    for (const beside of isRegular ? [part, note, lock] : []) {
      // Written through a link, bytes would land wherever it points.
      if (yield* Effect.isSuccess(fs.readLink(beside))) return yield* refuse("symlink", beside)
    }
    return { path: final, part, note, lock, key: path.join(parent, path.basename(final)), type, isRegular }
  })

/** A name to which `.part.json` can be added: file systems take 255 bytes. */
const shortened = (name: string): string =>
  new TextEncoder().encode(`${name}.part.json`).byteLength <= 255
    ? name
    : `${Array.from(name).slice(0, 50).join("")}~${(Hash.string(name) >>> 0).toString(16)}`

/** Fails unless the path is free or its file may be replaced. A pipe or a terminal is written to without replacing anything. */
export const checkFree = (
  fs: FileSystem.FileSystem,
  { path }: Target,
  overwrite: boolean
): Effect.Effect<void, FileError> =>
  Effect.matchEffect(fs.stat(path), {
    onFailure: (error) => (isMissing(error) ? Effect.void : Effect.fail(writeError(path)(error))),
    onSuccess: ({ type }): Effect.Effect<void, FileError> => {
      if (type === "Directory") return new FileError({ operation, reason: "invalidPath", path, problem: "directory" })
      const isFree = overwrite || type === "FIFO" || type === "CharacterDevice"
      return isFree ? Effect.void : new FileError({ operation, reason: "exists", path })
    }
  })

/** Syncs a file to disk; returns its length. */
export const syncFile = (fs: FileSystem.FileSystem, path: string): Effect.Effect<number, FileError> =>
  Effect.gen(function* () {
    const file = yield* fs.open(path, { flag: "r+" })
    yield* file.sync
    return Number((yield* file.stat).size)
  }).pipe(Effect.scoped, Effect.mapError(writeError(path)))

/** Gives the partial file its final name, atomically. Without `overwrite`, a file that has appeared meanwhile is not replaced. */
export const publish = (
  fs: FileSystem.FileSystem,
  { dirname }: Path.Path,
  target: Target,
  overwrite: boolean
): Effect.Effect<void, FileError> =>
  Effect.gen(function* () {
    const { note, part, path } = target
    yield* checkFree(fs, target, overwrite)
    // A rename replaces an existing file; a hard link does not.
    const named = overwrite
      ? fs.rename(part, path)
      : Effect.zipRight(linkOrRename(fs, target), fs.remove(part, { force: true }))
    yield* Effect.mapError(named, (error) =>
      isAlreadyThere(error) ? new FileError({ operation, reason: "exists", path }) : writeError(path)(error)
    )
    // Some systems do not open directories; they sync the new name at a time of their own.
    yield* Effect.ignore(Effect.scoped(Effect.flatMap(fs.open(dirname(path), { flag: "r" }), (file) => file.sync)))
    yield* Effect.ignore(fs.remove(note, { force: true }))
  }).pipe(Effect.uninterruptible)

/**
 * On file systems without hard links (FAT, exFAT, some network drives), an empty file is created exclusively, and the rename
 * replaces that.
 */
const linkOrRename = (fs: FileSystem.FileSystem, { part, path }: Target): Effect.Effect<void, PlatformError> =>
  Effect.catchIf(
    fs.link(part, path),
    (error) => !isAlreadyThere(error),
    () =>
      Effect.zipRight(
        Effect.scoped(fs.open(path, { flag: "wx" })),
        Effect.tapError(fs.rename(part, path), () => Effect.ignore(fs.remove(path, { force: true })))
      )
  )

/**
 * Opens a device or a named pipe to append, because a pipe has no positions. Opening a pipe waits for a reader, in a thread that
 * would keep the process from ending: an interruption opens a reader for a moment.
 */
const openInPlace = (fs: FileSystem.FileSystem, { path, type }: Target) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const file = Scope.extend(fs.open(path, { flag: type === "BlockDevice" ? "r+" : "a" }), yield* Effect.scope)
      const opening = yield* Effect.forkDaemon(file)
      const reader = type === "FIFO" ? fs.open(path, { flag: "r+" }) : Effect.void
      const settled = Effect.scoped(Effect.zipRight(reader, Fiber.await(opening)))
      return yield* Effect.onInterrupt(restore(Fiber.join(opening)), () => Effect.ignore(settled))
    })
  )

/** Writes a stream to a device or a named pipe. */
export const writeInPlace = <E, R>(fs: FileSystem.FileSystem, target: Target, bytes: Stream.Stream<Uint8Array, E, R>) =>
  Effect.scoped(
    Effect.flatMap(Effect.mapError(openInPlace(fs, target), writeError(target.path)), (file) =>
      Stream.runForEach(bytes, (chunk) => Effect.mapError(file.writeAll(chunk), writeError(target.path)))
    )
  )
