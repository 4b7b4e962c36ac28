/** Where a download's bytes go: the final name, `name.part` until they are whole, and a note of what the part is of. */
import * as PlatformError from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Hash from "effect/Hash"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { FileError } from "../errors/fileErrors.js"
import { begin, longestHeader, missing, step, type Walk } from "./containerCheck.js"

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
// the note beside a part
// -----------------------------------------------------------------------------

const Note = Schema.parseJson(
  Schema.Struct({
    videoId: Schema.String,
    variant: Schema.String,
    /** What `If-Range` takes: a strong entity tag, or a date. */
    validator: Schema.NonEmptyString,
    etag: Schema.NullOr(Schema.String),
    total: Schema.NullOr(Schema.Number),
    /** What the part was when a call ended: its length, and a checksum of its end. A process that is killed writes none. */
    saved: Schema.optionalWith(Schema.Struct({ bytes: Schema.Number, end: Schema.String }), { exact: true })
  })
)

/** What a part is a part of. Only a version that the server can name again is worth a note. */
export type Note = typeof Note.Type

/**
 * What an earlier call left, if it is of the same file, and how much of it is to be trusted. After a power cut a file may have
 * its length and not its last bytes.
 */
export const readPart = (
  fs: FileSystem.FileSystem,
  { note, part }: Target,
  wanted: Pick<Note, "videoId" | "variant">
): Effect.Effect<Option.Option<{ readonly note: Note; readonly size: number }>> =>
  Effect.gen(function* () {
    const found = yield* Effect.flatMap(fs.readFileString(note), Schema.decode(Note))
    const { nlink, size, type } = yield* fs.stat(part)
    const bytes = Number(size)
    const isOf = found.videoId === wanted.videoId && found.variant === wanted.variant
    // A process that was killed between giving a part its final name and taking away the other leaves both for one file.
    const isAlone = Option.getOrElse(nlink, () => 1) === 1
    if (!isOf || !isAlone || type !== "File" || (found.total !== null && bytes > found.total)) return Option.none()
    const isSaved = found.saved?.bytes === bytes && found.saved.end === (yield* checksumOfEnd(fs, part))
    const trusted = isSaved ? bytes : yield* beforeZeros(fs, part, Math.max(0, bytes - endLength))
    return trusted > 0 ? Option.some({ note: found, size: trusted }) : Option.none()
  }).pipe(Effect.orElseSucceed(() => Option.none()))

/** So much of a part's end is fetched again when nothing says that it is right. */
const endLength = 1024 * 1024

const readAt = (fs: FileSystem.FileSystem, path: string, from: number, length: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const file = yield* fs.open(path, { flag: "r" })
      const bytes = new Uint8Array(length)
      yield* file.seek(from, "start")
      let filled = 0
      while (filled < length) {
        const read = Number(yield* file.read(bytes.subarray(filled)))
        if (read === 0) break
        filled += read
      }
      return bytes.subarray(0, filled)
    })
  )

/** Back over what may never have reached the disk. Zeros that are the clip's own are fetched again, at no harm. */
const beforeZeros = (
  fs: FileSystem.FileSystem,
  path: string,
  end: number
): Effect.Effect<number, PlatformError.PlatformError> => {
  const from = Math.max(0, end - endLength)
  if (end === 0) return Effect.succeed(0)
  return Effect.flatMap(readAt(fs, path, from, end - from), (bytes) => {
    let last = bytes.length - 1
    while (last >= 0 && bytes[last] === 0) last--
    // Fewer than a page of them are the clip's own.
    if (bytes.length - last <= 4096) return Effect.succeed(end)
    return last < 0 ? beforeZeros(fs, path, from) : Effect.succeed(from + last + 1)
  })
}

const checksumOfEnd = (fs: FileSystem.FileSystem, path: string) =>
  Effect.gen(function* () {
    const size = Number((yield* fs.stat(path)).size)
    const from = Math.max(0, size - endLength)
    const bytes = yield* readAt(fs, path, from, size - from)
    const digest = yield* Effect.promise(() => globalThis.crypto.subtle.digest("SHA-256", bytes))
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("")
  })

/** Notes what the part is at the end of a call, so that the next one goes on from its last byte. */
export const saveNote = (
  fs: FileSystem.FileSystem,
  target: Target,
  content: Omit<Note, "saved">,
  bytes: number
): Effect.Effect<void, PlatformError.PlatformError | FileError> =>
  Effect.flatMap(checksumOfEnd(fs, target.part), (end) => writeNote(fs, target, { ...content, saved: { bytes, end } }))

/** @internal */
export const writeNote = (fs: FileSystem.FileSystem, { note }: Target, content: Note): Effect.Effect<void, FileError> =>
  Effect.mapError(fs.writeFileString(note, Schema.encodeSync(Note)(content)), writeError(note))

/** @internal */
export const removeNote = (fs: FileSystem.FileSystem, { note }: Target): Effect.Effect<void, FileError> =>
  Effect.mapError(fs.remove(note, { force: true }), writeError(note))

// -----------------------------------------------------------------------------
// the part itself
// -----------------------------------------------------------------------------

/** What is missing at the part's end, by its own account: a few small reads, whatever its length. */
export const missingIn = (fs: FileSystem.FileSystem, { part }: Target): Effect.Effect<string | null, FileError> =>
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

/**
 * Gives the part its final name; after a power cut too it is there whole or not at all. Without `overwrite`, nothing that has
 * appeared meanwhile is replaced.
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
    yield* overwrite ? Effect.mapError(fs.rename(part, path), writeError(path)) : newName(fs, target)
    // Not every system lets a directory be opened; then its own schedule decides when the new name is safe.
    yield* Effect.ignore(Effect.scoped(Effect.flatMap(fs.open(dirname(path), { flag: "r" }), (file) => file.sync)))
    yield* Effect.ignore(removeNote(fs, target))
  }).pipe(Effect.uninterruptible)

/**
 * A rename replaces what is there, and a look before it may be too early; a hard link is made only where nothing is. File
 * systems without hard links (FAT, exFAT, some network drives) get an empty file under the name, exclusively, which the part
 * then replaces.
 */
const newName = (fs: FileSystem.FileSystem, { part, path }: Target): Effect.Effect<void, FileError> => {
  const exists = () => new FileError({ operation, reason: "exists", path })
  const reserved = Effect.scoped(fs.open(path, { flag: "wx" }))
  return Effect.matchEffect(fs.link(part, path), {
    onSuccess: () => Effect.mapError(fs.remove(part), writeError(part)),
    onFailure: (error) =>
      isAlreadyThere(error)
        ? Effect.fail(exists())
        : Effect.matchEffect(reserved, {
            onFailure: (error) => Effect.fail(isAlreadyThere(error) ? exists() : writeError(path)(error)),
            onSuccess: () =>
              Effect.tapError(Effect.mapError(fs.rename(part, path), writeError(path)), () =>
                Effect.ignore(fs.remove(path, { force: true }))
              )
          })
  })
}
