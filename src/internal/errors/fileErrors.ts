/** What can go wrong between a job's content and a file, beside what can go wrong with any download. */
import { PlatformError } from "@effect/platform/Error"
import * as Schema from "effect/Schema"
import { jobOf, nullable, Operation, submitted } from "./errorFields.js"

/**
 * A path that no file is written to. Nothing was sent. `outside`: it leaves the given directory, by `..` or through a
 * symbolic link. `absolute`: so it would ignore the given directory. `directory`: it names one. `socket`: it is a socket.
 * `symlink`: `name.part`, its note or its lock is a symbolic link. `characters`: it is empty or holds a NUL.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidPathError extends Schema.TaggedError<InvalidPathError>("effect-videos/InvalidPathError")(
  "InvalidPathError",
  {
    operation: Operation,
    path: Schema.String,
    directory: nullable(Schema.String),
    reason: Schema.Literal("outside", "absolute", "directory", "socket", "symlink", "characters"),
    videoId: submitted
  }
) {
  readonly isTransient = false
  override get message() {
    const inside = this.directory === null ? "" : ` (inside ${JSON.stringify(this.directory)})`
    return `${this.operation}: no file is written to ${JSON.stringify(this.path)}${inside}: ${reasons[this.reason]}${jobOf(this)}`
  }
}

const reasons = {
  outside: "it leads out of that directory",
  absolute: "it must be relative to that directory",
  directory: "it is a directory",
  socket: "it is a socket",
  symlink: "it is a symbolic link",
  characters: "it is empty or holds a NUL"
} as const

/**
 * The file is there already. Nothing was sent, unless it appeared during the transfer: then `name.part` has the whole clip.
 *
 * @since 0.1.0
 * @category errors
 */
export class FileExistsError extends Schema.TaggedError<FileExistsError>("effect-videos/FileExistsError")(
  "FileExistsError",
  { operation: Operation, path: Schema.String, videoId: submitted }
) {
  readonly isTransient = false
  override get message() {
    return `${this.operation}: ${this.path} exists; \`overwrite: true\` replaces it${jobOf(this)}`
  }
}

/**
 * The path belongs to another call: one of this process, one of another process (`pid`), or one that was killed after it had
 * submitted the job `videoId` for this path. Nothing was sent. A job that was submitted is saved by
 * `downloadVideoToFile(videoId, path)`, or by `joinVideos` if it is a segment; both take the path over.
 *
 * @since 0.1.0
 * @category errors
 */
export class TransferInProgressError extends Schema.TaggedError<TransferInProgressError>(
  "effect-videos/TransferInProgressError"
)("TransferInProgressError", {
  operation: Operation,
  path: Schema.String,
  /** The file that says so; `null` for a call of this process. If it is wrong, delete it. */
  lock: nullable(Schema.String),
  /** The process that is writing; `null` for this one, and for one that is gone. */
  pid: nullable(Schema.Number),
  /** The job that was submitted for the path. */
  videoId: nullable(Schema.String)
}) {
  readonly isTransient = false
  override get message() {
    const { lock, operation, path, pid, videoId } = this
    if (lock === null) return `${operation}: another call is writing to ${path}`
    if (pid === null && videoId !== null) {
      return `${operation}: ${path} is reserved for video ${videoId}, which was submitted by a process that has been killed. Save that video there, or delete ${lock} to give it up.`
    }
    const who = pid === null ? "another process" : `process ${pid}`
    return `${operation}: ${who} is writing to ${path}${videoId === null ? "" : ` (video ${videoId})`}. If it is not, delete ${lock}.`
  }
}

/**
 * The file could not be written: the disk is full, the directory is missing or not writable. Nothing is under the final
 * name; `name.part` keeps what was written, and the same call goes on from there.
 *
 * @since 0.1.0
 * @category errors
 */
export class FileWriteError extends Schema.TaggedError<FileWriteError>("effect-videos/FileWriteError")(
  "FileWriteError",
  {
    operation: Operation,
    path: Schema.String,
    /** What the file system said: its `reason`, its `description`. */
    cause: PlatformError,
    videoId: submitted
  }
) {
  readonly isTransient = false
  override get message() {
    return `${this.operation}: cannot write ${this.path}: ${this.cause.description ?? this.cause.message}${jobOf(this)}`
  }
}

/**
 * The transfer broke off, or ended short of the length that the server gave or that the clip itself tells, and the schedule's
 * retries are used up.
 * Nothing is under the final name; `name.part` keeps what came, and the same call goes on from there, if the server can.
 *
 * @since 0.1.0
 * @category errors
 */
export class IncompleteDownloadError extends Schema.TaggedError<IncompleteDownloadError>(
  "effect-videos/IncompleteDownloadError"
)("IncompleteDownloadError", {
  operation: Operation,
  videoId: Schema.String,
  /** The unfinished file. */
  part: Schema.String,
  /** Bytes in it that are of use. */
  received: Schema.Number,
  /** Length of the whole, where the server gave it. */
  total: nullable(Schema.Number),
  detail: Schema.String,
  /** The last error, where it was one of the exchange itself. */
  cause: Schema.optional(Schema.Defect)
}) {
  readonly isTransient = true
  override get message() {
    const of = this.total === null ? "" : ` of ${this.total}`
    return `${this.operation}: video ${this.videoId} is incomplete, ${this.received}${of} bytes in ${this.part}: ${this.detail}`
  }
}
