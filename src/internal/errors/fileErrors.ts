/** The errors of a download to a file, beside those of every download. */
import { PlatformError } from "@effect/platform/Error"
import * as Schema from "effect/Schema"
import { jobSuffix, nullable, Operation, operationFields } from "./errorFields.js"

/**
 * A file cannot be written, or must not be. Nothing is under the final name that was not there before.
 *
 * - `invalidPath`: no file is written to such a path; `problem` says why. Nothing was sent.
 * - `exists`: the file is there already. Nothing was sent, unless it appeared during the transfer: then `name.part` has the
 *   whole clip.
 * - `busy`: another call writes to the path: one of this process, one of another process (`pid`), or one that was killed after it
 *   had submitted the job `videoId` for this path. Nothing was sent. A job that was submitted is saved by
 *   `downloadVideoToFile(videoId, path)`, or by `joinVideos` if it is a segment; both take the path over.
 * - `write`: the file system refused (`cause`): the disk is full, the directory is missing or not writable. `name.part` keeps what
 *   was written, and the same call goes on from there.
 *
 * @since 0.1.0
 * @category errors
 */
export class FileError extends Schema.TaggedError<FileError>("effect-videos/FileError")("FileError", {
  ...operationFields,
  reason: Schema.Literal("invalidPath", "exists", "busy", "write"),
  path: Schema.String,
  /** The directory that the path must stay inside. */
  directory: nullable(Schema.String),
  /**
   * What is wrong with the path. `outside`: it leaves `directory`, by `..` or through a symbolic link. `absolute`: it would ignore
   * `directory`. `directory`, `socket`: it names one. `symlink`: `name.part`, its note or its lock is a symbolic link.
   * `characters`: it is empty or holds a NUL.
   */
  problem: nullable(Schema.Literal("outside", "absolute", "directory", "socket", "symlink", "characters")),
  /** `busy`: the lock file. Delete it if it is wrong. `null` for a call of this process. */
  lock: nullable(Schema.String),
  /** `busy`: the process that is writing; `null` for this one, and for one that is gone. */
  pid: nullable(Schema.Number),
  /** `write`: the error of the file system. */
  cause: Schema.optional(PlatformError)
}) {
  readonly isTransient = false
  override get message() {
    const { directory, lock, operation, path, pid, problem, videoId } = this
    if (this.reason === "invalidPath") {
      const inside = directory === null ? "" : ` (inside ${JSON.stringify(directory)})`
      const why = problem === null ? "" : `: ${problems[problem]}`
      return `${operation}: no file is written to ${JSON.stringify(path)}${inside}${why}${jobSuffix(this)}`
    }
    if (this.reason === "exists")
      return `${operation}: ${path} exists; \`overwrite: true\` replaces it${jobSuffix(this)}`
    if (this.reason === "busy") {
      if (lock === null) return `${operation}: another call is writing to ${path}`
      if (pid === null && videoId !== null) {
        return `${operation}: ${path} is reserved for video ${videoId}, which was submitted by a process that has been killed. Save that video there, or delete ${lock} to give it up.`
      }
      const writer = pid === null ? "another process" : `process ${pid}`
      return `${operation}: ${writer} is writing to ${path}${videoId === null ? "" : ` (video ${videoId})`}. If it is not, delete ${lock}.`
    }
    const why = this.cause === undefined ? "" : `: ${this.cause.description ?? this.cause.message}`
    return `${operation}: cannot write ${path}${why}${jobSuffix(this)}`
  }
}

const problems = {
  outside: "it leads out of that directory",
  absolute: "it must be relative to that directory",
  directory: "it is a directory",
  socket: "it is a socket",
  symlink: "it is a symbolic link",
  characters: "it is empty or holds a NUL"
} as const

/**
 * The transfer broke, or ended short of `Content-Length` or of the length in the clip's container, and the schedule's retries
 * are used up.
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
  /** The last error, if a request failed. */
  cause: Schema.optional(Schema.Defect)
}) {
  readonly isTransient = true
  override get message() {
    const of = this.total === null ? "" : ` of ${this.total}`
    return `${this.operation}: video ${this.videoId} is incomplete, ${this.received}${of} bytes in ${this.part}: ${this.detail}`
  }
}
