/** One writer per path: in this process by a set of paths, between processes by the lock file `name.part.lock`. */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { FileError } from "../errors/fileErrors.js"
import { randomId } from "../randomId.js"
import {
  checkFree,
  isAlreadyThere,
  isMissing,
  replaceFile,
  resolveTarget,
  type Target,
  writeError
} from "./targetFile.js"

/**
 * A path that is reserved for one call.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReservedFile {
  /** Absolute. */
  readonly path: string
  /** Notes the first job submitted for the path: if this process is killed, the next call's error names it. */
  readonly submitted: (videoId: string) => Effect.Effect<void>
}

/**
 * Options of `reserveFile`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReserveFileOptions {
  /** The path must then be relative and stay inside this directory, symbolic links inside it included. */
  readonly directory?: string | undefined
  /** Whether a file that exists may be replaced. Default: `false`. */
  readonly overwrite?: boolean | undefined
  /** The job whose video is saved there. Default: none, because it has yet to be submitted. */
  readonly videoId?: string | undefined
}

/**
 * Checks that a video can be saved at a path and reserves the path while `use` runs, before a job is submitted and paid for.
 *
 * - Fails before `use` runs, with the error that `downloadVideoToFile` would fail with: the path is not one for a file, the file
 *   exists, nothing can be written there, or another call or process writes there.
 * - `downloadVideoToFile` inside of `use` writes to the reserved path.
 * - Afterwards nothing is left at the path, unless `use` has put it there.
 *
 * @example
 * import { NodeContext } from "@effect/platform-node"
 * import { Effect } from "effect"
 * import { awaitVideo, createVideo, downloadVideoToFile, reserveFile } from "effect-videos"
 *
 * const program = reserveFile("clip.mp4", ({ path, submitted }) =>
 *   Effect.gen(function*() {
 *     const job = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4 })
 *     yield* submitted(job.id)
 *     return yield* downloadVideoToFile(yield* awaitVideo(job), path)
 *   })
 * ).pipe(Effect.provide(NodeContext.layer))
 *
 * @since 0.1.0
 * @category downloads
 */
export const reserveFile = <A, E, R>(
  path: string,
  use: (file: ReservedFile) => Effect.Effect<A, E, R>,
  options: ReserveFileOptions = {}
): Effect.Effect<A, E | FileError, R | FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const target = yield* resolveTarget(fs, yield* Path.Path, path, options.directory)
    yield* checkFree(fs, target, options.overwrite ?? false)
    return yield* exclusively(fs, target, options.videoId ?? null, use)
  })

/** The paths that this process is writing to. */
const pathsInUse = new Set<string>()

/** The paths that this fiber has reserved already: a download inside of `continueVideo` does not wait for itself. */
const reservedHere = FiberRef.unsafeMake<ReadonlySet<string>>(new Set())

/**
 * Runs with the path reserved, and with an empty `name.part`, which proves that a file can be written there. `videoId`:
 * the job whose clip is to be saved, if it is submitted already. Both files are removed in the end, unless `name.part`
 * has bytes in it.
 */
export const exclusively = <A, E, R>(
  fs: FileSystem.FileSystem,
  target: Target,
  videoId: string | null,
  use: (file: ReservedFile) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | FileError, R> =>
  Effect.flatMap(FiberRef.get(reservedHere), (held) =>
    held.has(target.key)
      ? use({ path: target.path, submitted: () => Effect.void })
      : Effect.acquireUseRelease(
          Scope.make(),
          (scope) =>
            Effect.flatMap(Scope.extend(reserve(fs, target, videoId), scope), (submitted) =>
              Effect.locally(use({ path: target.path, submitted }), reservedHere, new Set([...held, target.key]))
            ),
          Scope.close
        )
  )

const reserve = (
  fs: FileSystem.FileSystem,
  target: Target,
  videoId: string | null
): Effect.Effect<ReservedFile["submitted"], FileError, Scope.Scope> =>
  Effect.gen(function* () {
    const { key, note, part, path, type } = target
    // A terminal or `/dev/null` takes what several write.
    if (type !== "CharacterDevice") {
      const add = Effect.suspend(() =>
        pathsInUse.has(key)
          ? new FileError({ operation: "downloadVideo", reason: "busy", path })
          : Effect.succeed(pathsInUse.add(key))
      )
      yield* Effect.acquireRelease(add, () => Effect.sync(() => pathsInUse.delete(key)))
    }
    if (!target.isRegular) {
      return yield* Effect.as(Effect.mapError(fs.access(path, { writable: true }), writeError(path)), () => Effect.void)
    }
    const submitted = yield* lock(fs, target, videoId)
    const removeEmpty = Effect.flatMap(fs.stat(part), ({ size }) =>
      Number(size) > 0 ? Effect.void : Effect.zipRight(fs.remove(part), fs.remove(note, { force: true }))
    )
    yield* Effect.addFinalizer(() => Effect.ignore(removeEmpty))
    // A part of an earlier call is kept, if it can be written to.
    yield* Effect.scoped(fs.open(part, { flag: "wx" })).pipe(
      Effect.catchIf(isAlreadyThere, () => Effect.scoped(fs.open(part, { flag: "r+" }))),
      Effect.mapError(writeError(part))
    )
    return submitted
  })

// -----------------------------------------------------------------------------
// the lock
// -----------------------------------------------------------------------------

const Lock = Schema.parseJson(
  Schema.Struct({
    pid: Schema.Number,
    /** When the process began, as Linux counts it: another process may get the number later. `null` on other systems. */
    started: Schema.NullOr(Schema.String),
    videoId: Schema.NullOr(Schema.String)
  })
)

/** Node, Bun and Deno have it; nothing is imported for it. */
const thisProcess = (
  globalThis as {
    readonly process?: { readonly pid?: number; readonly kill?: (pid: number, signal: number) => unknown }
  }
).process

/** The fields of `/proc/…/stat` from the third on, on Linux. The second, the name in parentheses, may hold anything. */
const processFields = (fs: FileSystem.FileSystem, pid: number) =>
  Effect.match(fs.readFileString(`/proc/${pid}/stat`), {
    onFailure: (): ReadonlyArray<string> => [],
    onSuccess: (text) => text.slice(text.lastIndexOf(")") + 2).split(" ")
  })

const isAlive = (fs: FileSystem.FileSystem, { pid, started }: typeof Lock.Type): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    // Signal 0 is not delivered. It fails with `ESRCH` if the process does not exist, and with `EPERM` if it is another user's.
    const signal = yield* Effect.flip(Effect.try(() => thisProcess?.kill?.(pid, 0))).pipe(Effect.option)
    const cause = Option.getOrNull(signal)?.error
    if (Predicate.hasProperty(cause, "code") && cause.code === "ESRCH") return false
    const [state, ...fields] = yield* processFields(fs, pid)
    if (state === undefined || started === null) return true
    return state !== "Z" && state !== "X" && fields[18] === started
  })

/** A file of this call's own beside the target, whatever the target's name is. */
const asideOf = ({ lock }: Target): string => lock.replace(/[^/\\]*$/, `.${randomId()}.lock`)

/** Holds the lock file until the scope closes; gives what notes the submitted job in it. */
const lock = (fs: FileSystem.FileSystem, target: Target, videoId: string | null) =>
  Effect.gen(function* () {
    const pid = thisProcess?.pid
    // A runtime that does not number its processes has one.
    if (pid === undefined) return () => Effect.void
    const started = (yield* processFields(fs, pid))[19] ?? null
    const encode = (id: string | null) => Schema.encodeSync(Lock)({ pid, started, videoId: id })
    let text = encode(null)
    let isNoted = false
    yield* Effect.acquireRelease(acquire(fs, target, text, videoId), () =>
      Effect.ignore(
        Effect.flatMap(fs.readFileString(target.lock), (found) =>
          found === text ? fs.remove(target.lock) : Effect.void
        )
      )
    )
    return (id: string) =>
      Effect.gen(function* () {
        if (isNoted) return
        isNoted = true
        yield* replaceFile(fs, target.lock, asideOf(target), encode(id))
        text = encode(id)
      }).pipe(
        Effect.uninterruptible,
        // The job is the caller's already; this is for the case that the process is killed.
        Effect.catchAll((error) => Effect.logDebug(`cannot write down the job ${id}`, error))
      )
  })

/** Creates the lock; or takes over that of a process which is gone. */
const acquire = (
  fs: FileSystem.FileSystem,
  target: Target,
  text: string,
  videoId: string | null
): Effect.Effect<void, FileError> => {
  const busy = (fields: { readonly pid?: number | null; readonly videoId?: string | null }) =>
    new FileError({ operation: "downloadVideo", reason: "busy", path: target.path, lock: target.lock, ...fields })
  const again = Effect.suspend(() => acquire(fs, target, text, videoId))
  const create = Effect.tapError(fs.writeFileString(target.lock, text, { flag: "wx" }), (error) =>
    isAlreadyThere(error) ? Effect.void : Effect.ignore(fs.remove(target.lock, { force: true }))
  )
  const takeOver = Effect.gen(function* () {
    const found = yield* fs.readFileString(target.lock)
    const holder = Option.getOrNull(Schema.decodeOption(Lock)(found))
    // Between its creation and its first byte a lock says nothing.
    if (holder === null) return yield* busy({})
    if (yield* isAlive(fs, holder)) return yield* busy({ pid: holder.pid, videoId: holder.videoId })
    if (holder.videoId !== null && holder.videoId !== videoId) return yield* busy({ videoId: holder.videoId })
    // Of two that take over, one moves the lock that both have read; the other finds that it has moved another's.
    const aside = asideOf(target)
    yield* fs.rename(target.lock, aside)
    if ((yield* fs.readFileString(aside)) !== found) {
      yield* fs.rename(aside, target.lock)
      return yield* busy({})
    }
    yield* Effect.ignore(fs.remove(aside))
    return yield* again
  })
  return create.pipe(
    // If it is missing, it went away in between.
    Effect.catchIf(isAlreadyThere, () => Effect.catchIf(takeOver, isMissing, () => again)),
    Effect.mapError((error: PlatformError | FileError) =>
      error._tag === "FileError" ? error : writeError(target.lock)(error)
    )
  )
}
