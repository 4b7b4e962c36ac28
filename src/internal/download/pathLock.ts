/**
 * One writer per path: in this process by a set of paths, and between processes by `name.part.lock`, which is created
 * exclusively and names the process and, once it is known, the job that was submitted for the path.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { FileError } from "../errors/fileErrors.js"
import { randomId } from "../randomId.js"
import { isAlreadyThere, isMissing, type Target, writeError } from "./targetFile.js"

const operation = "downloadVideo"

/** A path that no other call can write to. */
export interface Reserved {
  /** Writes the job that was submitted for the path to the lock file; the first call alone. Other processes find it there. */
  readonly submitted: (videoId: string) => Effect.Effect<void>
}

/** The paths that this process is writing to. */
class Busy extends Context.Reference<Busy>()("effect-videos/Transfer/Busy", {
  defaultValue: () => new Set<string>()
}) {}

/** The paths that this fiber has reserved already: a download inside of `continueVideo` does not wait for itself. */
const reservedHere = FiberRef.unsafeMake<ReadonlySet<string>>(new Set())

/**
 * Runs with the path reserved, and with an empty `name.part`, which proves that a file can be written there: call it before
 * anything is paid for. `videoId` is the job whose clip is to be saved; `null` if none is submitted yet. Both files are removed
 * in the end, a `name.part` with bytes in it excepted.
 */
export const exclusively = <A, E, R>(
  fs: FileSystem.FileSystem,
  target: Target,
  videoId: string | null,
  use: (reserved: Reserved) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | FileError, R> =>
  Effect.flatMap(FiberRef.get(reservedHere), (keys) => {
    const { key, path } = target
    // A terminal or `/dev/null` takes what several write.
    if (keys.has(key) || target.type === "CharacterDevice") {
      return Effect.zipRight(target.isRegular ? Effect.void : writable(fs, target), use(unwritten))
    }
    const inUse = Effect.locally(reservedHere, new Set([...keys, key]))
    return Effect.flatMap(Busy, (busy) =>
      Effect.acquireUseRelease(
        Effect.suspend(() =>
          busy.has(key)
            ? Effect.fail(new FileError({ operation, reason: "busy", path }))
            : Effect.succeed(busy.add(key))
        ),
        () =>
          target.isRegular
            ? Effect.acquireUseRelease(
                locked(fs, target, videoId),
                ({ reserved }) => Effect.zipRight(placeholder(fs, target), inUse(use(reserved))),
                ({ release }) => release
              )
            : Effect.zipRight(writable(fs, target), inUse(use(unwritten))),
        () => Effect.sync(() => busy.delete(key))
      )
    )
  })

const unwritten: Reserved = { submitted: () => Effect.void }

const writable = (fs: FileSystem.FileSystem, { path }: Target) =>
  Effect.mapError(fs.access(path, { writable: true }), writeError(path))

// -----------------------------------------------------------------------------
// the partial file
// -----------------------------------------------------------------------------

/** One that an earlier call left is kept, if it can be written to. */
const placeholder = (fs: FileSystem.FileSystem, { part }: Target): Effect.Effect<void, FileError> =>
  Effect.scoped(fs.open(part, { flag: "wx" })).pipe(
    Effect.catchIf(isAlreadyThere, () => Effect.scoped(fs.open(part, { flag: "r+" }))),
    Effect.mapError(writeError(part)),
    Effect.asVoid
  )

/** A part without a byte is of no use to anybody. */
const removeEmpty = (fs: FileSystem.FileSystem, { note, part }: Target) =>
  Effect.ignore(
    Effect.flatMap(fs.stat(part), ({ size, type }) =>
      type === "File" && Number(size) === 0
        ? Effect.zipRight(fs.remove(part, { force: true }), fs.remove(note, { force: true }))
        : Effect.void
    )
  )

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

type Lock = typeof Lock.Type

const encodeLock = Schema.encodeSync(Lock)

const decodeLock = Schema.decodeOption(Lock)

interface Locked {
  readonly reserved: Reserved
  readonly release: Effect.Effect<void>
}

const locked = (fs: FileSystem.FileSystem, target: Target, videoId: string | null): Effect.Effect<Locked, FileError> =>
  Effect.gen(function* () {
    const pid = processHere?.pid ?? null
    // A runtime that does not number its processes has one.
    if (pid === null) return { reserved: unwritten, release: removeEmpty(fs, target) }
    const started = Option.getOrElse(yield* lookUp(fs, pid), () => ({ started: null })).started
    let text = encodeLock({ pid, started, videoId: null })
    let isNoted = false
    yield* acquire(fs, target, text, videoId)
    const submitted = (id: string) => {
      if (isNoted) return Effect.void
      isNoted = true
      const next = encodeLock({ pid, started, videoId: id })
      const aside = besideOf(target)
      // By a rename, so that a reader finds the one or the other.
      return Effect.uninterruptible(
        Effect.zipRight(fs.writeFileString(aside, next, { flag: "wx" }), fs.rename(aside, target.lock)).pipe(
          Effect.tap(() => Effect.sync(() => (text = next))),
          Effect.tapError(() => Effect.ignore(fs.remove(aside, { force: true }))),
          // The job is the caller's already; this is for the case that the process is killed.
          Effect.catchAll((error) => Effect.logDebug(`cannot write down the job ${id}`, error))
        )
      )
    }
    const release = Effect.ignore(
      Effect.flatMap(fs.readFileString(target.lock), (found) =>
        found === text ? fs.remove(target.lock, { force: true }) : Effect.void
      )
    )
    return { reserved: { submitted }, release: Effect.zipRight(removeEmpty(fs, target), release) }
  })

/** A file of this call's own beside the target, whatever the target's name is. */
const besideOf = ({ directoryOf }: Target): string => directoryOf(`.${randomId()}.lock`)

/** Creates the lock; or takes over that of a process which is gone. */
const acquire = (
  fs: FileSystem.FileSystem,
  target: Target,
  text: string,
  videoId: string | null
): Effect.Effect<void, FileError> => {
  const { lock } = target
  const failed = writeError(lock)
  const again = Effect.suspend(() => acquire(fs, target, text, videoId))
  const create = fs
    .writeFileString(lock, text, { flag: "wx" })
    .pipe(
      Effect.tapError((error) =>
        isAlreadyThere(error) ? Effect.void : Effect.ignore(fs.remove(lock, { force: true }))
      )
    )
  const takeOver = Effect.gen(function* () {
    const found = yield* Effect.option(fs.readFileString(lock))
    // It went away in between, or it is no file.
    if (Option.isNone(found)) {
      return yield* Effect.matchEffect(fs.stat(lock), {
        onFailure: (error) => (isMissing(error) ? again : Effect.fail(failed(error))),
        onSuccess: () => Effect.fail(inProgress(target, null))
      })
    }
    const holder = Option.getOrNull(decodeLock(found.value))
    // Between its creation and its first byte a lock says nothing.
    if (holder === null || (yield* isAlive(fs, holder))) return yield* inProgress(target, holder)
    if (holder.videoId !== null && holder.videoId !== videoId) return yield* inProgress(target, holder, true)
    // Of two that take over, one moves the lock that both have read; the other finds that it has moved another's.
    const aside = besideOf(target)
    const moved = yield* Effect.option(Effect.zipRight(fs.rename(lock, aside), fs.readFileString(aside)))
    if (Option.isSome(moved) && moved.value !== found.value) {
      yield* Effect.mapError(fs.rename(aside, lock), failed)
      return yield* inProgress(target, null)
    }
    yield* Effect.ignore(fs.remove(aside, { force: true }))
    return yield* again
  })
  return Effect.catchAll(create, (error) => (isAlreadyThere(error) ? takeOver : Effect.fail(failed(error))))
}

const inProgress = ({ lock, path }: Target, holder: Lock | null, isGone = false) =>
  new FileError({
    operation,
    reason: "busy",
    path,
    lock,
    pid: isGone ? null : (holder?.pid ?? null),
    videoId: holder?.videoId ?? null
  })

// -----------------------------------------------------------------------------
// processes
// -----------------------------------------------------------------------------

interface Process {
  readonly pid: number
  readonly kill: (pid: number, signal: number) => unknown
}

const isProcess = (value: unknown): value is Process =>
  typeof value === "object" &&
  value !== null &&
  "pid" in value &&
  typeof value.pid === "number" &&
  "kill" in value &&
  typeof value.kill === "function"

/** Node, Bun and Deno have it; nothing is imported for it. */
const processHere: Process | null = "process" in globalThis && isProcess(globalThis.process) ? globalThis.process : null

/** When a process began, where the system has a file about it (Linux); whether that says that it has ended. */
const lookUp = (fs: FileSystem.FileSystem, pid: number) =>
  Effect.option(
    Effect.map(fs.readFileString(`/proc/${pid}/stat`), (text) => {
      // The name, in parentheses, may hold anything.
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
      return { started: fields[19] ?? null, hasEnded: fields[0] === "Z" || fields[0] === "X" }
    })
  )

const isAlive = (fs: FileSystem.FileSystem, { pid, started }: Lock): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    if (!signals(pid)) return false
    const seen = Option.getOrNull(yield* lookUp(fs, pid))
    if (seen === null || started === null) return true
    return !seen.hasEnded && seen.started === started
  })

/** Signal 0 is not delivered; it fails with `ESRCH` if there is no such process, and with `EPERM` if it is another user's. */
const signals = (pid: number): boolean => {
  try {
    processHere?.kill(pid, 0)
    return true
  } catch (error) {
    return !(typeof error === "object" && error !== null && "code" in error && error.code === "ESRCH")
  }
}
