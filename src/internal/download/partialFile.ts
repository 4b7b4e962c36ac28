/** `name.part`, the file of a download that is not complete, and `name.part.json`, the note of what it is a part of. */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { FileError } from "../errors/fileErrors.js"
import { begin, longestHeader, missing, step, type Walk } from "./containerCheck.js"
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

/** The partial file of an earlier call, if it is of the same content, and how many of its bytes can be used. */
export const readPart = (
  fs: FileSystem.FileSystem,
  { note, part }: Target,
  wanted: { readonly videoId: string; readonly variant: string }
): Effect.Effect<Option.Option<{ readonly note: Note; readonly size: number }>> =>
  Effect.gen(function* () {
    const found = yield* Effect.flatMap(fs.readFileString(note), Schema.decode(Note))
    const { nlink, size, type } = yield* fs.stat(part)
    const bytes = Number(size)
    const isSame = found.videoId === wanted.videoId && found.variant === wanted.variant
    // A process that was killed between the link to the final name and the removal of `name.part` leaves two names of one file.
    const isOnlyName = Option.getOrElse(nlink, () => 1) === 1
    if (!isSame || !isOnlyName || type !== "File" || (found.total !== null && bytes > found.total)) return Option.none()
    const isSaved = found.saved?.bytes === bytes && found.saved.end === (yield* checksumOfEnd(fs, part))
    const usable = isSaved ? bytes : bytes - endLength
    return usable > 0 ? Option.some({ note: found, size: usable }) : Option.none()
  }).pipe(Effect.orElseSucceed(() => Option.none()))

/** Fills `buffer` from `from` on; returns what there was. */
const readAt = (file: FileSystem.File, buffer: Uint8Array, from: number): Effect.Effect<Uint8Array, PlatformError> =>
  Effect.gen(function* () {
    yield* file.seek(from, "start")
    let filled = 0
    while (filled < buffer.length) {
      const read = Number(yield* file.read(buffer.subarray(filled)))
      if (read === 0) break
      filled += read
    }
    return buffer.subarray(0, filled)
  })

const checksumOfEnd = (fs: FileSystem.FileSystem, path: string): Effect.Effect<string, PlatformError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const file = yield* fs.open(path, { flag: "r" })
      const size = Number((yield* file.stat).size)
      const length = Math.min(size, endLength)
      const bytes = yield* readAt(file, new Uint8Array(length), size - length)
      const digest = yield* Effect.promise(() => globalThis.crypto.subtle.digest("SHA-256", new Uint8Array(bytes)))
      return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("")
    })
  )

/** @internal */
export const writeNote = (fs: FileSystem.FileSystem, { note }: Target, content: Note): Effect.Effect<void, FileError> =>
  Effect.mapError(fs.writeFileString(note, Schema.encodeSync(Note)(content)), writeError(note))

/** Writes the note at the end of a call, so that the next one resumes at the last byte. */
export const saveNote = (
  fs: FileSystem.FileSystem,
  target: Target,
  content: Omit<Note, "saved">,
  bytes: number
): Effect.Effect<void, PlatformError | FileError> =>
  // A write that failed may have written some of its bytes.
  Effect.zipRight(fs.truncate(target.part, bytes), checksumOfEnd(fs, target.part)).pipe(
    Effect.flatMap((end) => writeNote(fs, target, { ...content, saved: { bytes, end } }))
  )

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
    if (position === 0) {
      yield* fs.remove(part, { force: true })
      return yield* fs.open(part, { flag: "wx+" })
    }
    const file = yield* fs.open(part, { flag: "r+" })
    yield* file.truncate(position)
    yield* file.seek(position, "start")
    return file
  }).pipe(Effect.mapError(writeError(part)))

/** Syncs a file to disk; returns its length. */
export const syncFile = (fs: FileSystem.FileSystem, path: string): Effect.Effect<number, FileError> =>
  Effect.gen(function* () {
    const file = yield* fs.open(path, { flag: "r+" })
    yield* file.sync
    return Number((yield* file.stat).size)
  }).pipe(Effect.scoped, Effect.mapError(writeError(path)))

/** What the clip's container says is missing at the end of the file: a few small reads, whatever its length. */
export const missingIn = (fs: FileSystem.FileSystem, { part }: Target): Effect.Effect<string | null, FileError> =>
  Effect.gen(function* () {
    const file = yield* fs.open(part, { flag: "r" })
    const length = Number((yield* file.stat).size)
    const header = new Uint8Array(longestHeader)
    let walk: Walk | null = begin
    while (walk !== null && walk.at + walk.need <= length) {
      const read: Uint8Array = yield* readAt(file, header.subarray(0, walk.need), walk.at)
      if (read.length < walk.need) return null
      walk = step(walk, read)
    }
    return walk === null ? null : missing(walk, length)
  }).pipe(Effect.scoped, Effect.mapError(writeError(part)))
