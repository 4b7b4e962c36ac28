/** `name.part`, the file of a download that is not complete, and `name.part.json`, the note of what it is a part of. */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { FileError } from "../errors/fileErrors.js"
import { longestHeader, makeTruncationCheck } from "./containerCheck.js"
import { type Target, writeError } from "./targetFile.js"

const Note = Schema.parseJson(
  Schema.Struct({
    videoId: Schema.String,
    variant: Schema.String,
    /** The value of `If-Range`: a strong entity tag, or a date. */
    validator: Schema.NonEmptyString,
    etag: Schema.NullOr(Schema.String),
    total: Schema.NullOr(Schema.Number),
    /** The length of the file and a checksum of its end when the call ended. A process that is killed writes none. */
    saved: Schema.optionalWith(Schema.Struct({ bytes: Schema.Number, end: Schema.String }), { exact: true })
  })
)

/** The version of the content that a partial file is of. */
export type Note = typeof Note.Type

/** This much of the end is requested again if the note does not vouch for it: after a power cut it may not be on disk. */
const endLength = 1024 * 1024

/** The note of an earlier call's partial file, if it is of the same content, and how many of its bytes can be used. */
export const readPart = (
  fs: FileSystem.FileSystem,
  { note, part }: Target,
  wanted: Pick<Note, "videoId" | "variant">
): Effect.Effect<{ readonly note: Note; readonly bytes: number } | null> =>
  Effect.gen(function* () {
    const found = yield* Effect.flatMap(fs.readFileString(note), Schema.decode(Note))
    const { nlink, size, type } = yield* fs.stat(part)
    const bytes = Number(size)
    const isSame = found.videoId === wanted.videoId && found.variant === wanted.variant
    // A process that was killed between the link to the final name and the removal of `name.part` leaves two names of one file.
    const isOnlyName = Option.getOrElse(nlink, () => 1) === 1
    if (!isSame || !isOnlyName || type !== "File" || (found.total !== null && bytes > found.total)) return null
    const isSaved = found.saved?.bytes === bytes && found.saved.end === (yield* checksumOfEnd(fs, part))
    const usable = isSaved ? bytes : bytes - endLength
    return usable > 0 ? { note: found, bytes: usable } : null
  }).pipe(Effect.orElseSucceed(() => null))

const readAt = (file: FileSystem.File, from: number, length: number): Effect.Effect<Uint8Array, PlatformError> =>
  Effect.zipRight(
    file.seek(from, "start"),
    Effect.map(
      file.readAlloc(length),
      Option.getOrElse(() => new Uint8Array())
    )
  )

export const checksumOfEnd = (fs: FileSystem.FileSystem, path: string): Effect.Effect<string, PlatformError> =>
  Effect.gen(function* () {
    const file = yield* fs.open(path, { flag: "r" })
    const bytes = yield* readAt(file, Math.max(0, Number((yield* file.stat).size) - endLength), endLength)
    const digest = yield* Effect.promise(() => globalThis.crypto.subtle.digest("SHA-256", new Uint8Array(bytes)))
    return Encoding.encodeHex(new Uint8Array(digest))
  }).pipe(Effect.scoped)

/** @internal */
export const writeNote = (fs: FileSystem.FileSystem, { note }: Target, content: Note): Effect.Effect<void, FileError> =>
  Effect.mapError(fs.writeFileString(note, Schema.encodeSync(Note)(content)), writeError(note))

/** Cuts off what a failed write has left, and vouches for the rest, so that the next call resumes at the last byte. */
export const savePart = (
  fs: FileSystem.FileSystem,
  target: Target,
  content: Note | null,
  bytes: number
): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* fs.truncate(target.part, bytes)
    if (content === null) return
    const end = yield* checksumOfEnd(fs, target.part)
    yield* writeNote(fs, target, { ...content, saved: { bytes, end } })
  }).pipe(Effect.ignore)

/** @internal */
export const removeNote = (fs: FileSystem.FileSystem, { note }: Target): Effect.Effect<void, FileError> =>
  Effect.mapError(fs.remove(note, { force: true }), writeError(note))

/**
 * Opens the partial file to append from `position` on; what is behind it is cut off. From 0 on it is a new file: an earlier
 * one may be another name of a file that is in use.
 */
export const openPart = (
  fs: FileSystem.FileSystem,
  { part }: Target,
  position: number
): Effect.Effect<FileSystem.File, FileError, Scope.Scope> =>
  Effect.gen(function* () {
    if (position === 0) yield* fs.remove(part, { force: true })
    const file = yield* fs.open(part, { flag: position === 0 ? "wx+" : "r+" })
    yield* file.truncate(position)
    yield* file.seek(position, "start")
    return file
  }).pipe(Effect.mapError(writeError(part)))

/** What the clip's container says is missing at the end of the file: a few small reads, whatever its length. */
export const missingIn = (fs: FileSystem.FileSystem, { part }: Target): Effect.Effect<string | null, FileError> =>
  Effect.gen(function* () {
    const file = yield* fs.open(part, { flag: "r" })
    const length = Number((yield* file.stat).size)
    const check = makeTruncationCheck()
    for (let at = check.next(); at !== null && at < length; at = check.next()) {
      const header = yield* readAt(file, at, longestHeader)
      if (header.length === 0) return null
      check.take(header, at)
    }
    return check.missing(length)
  }).pipe(Effect.scoped, Effect.mapError(writeError(part)))
