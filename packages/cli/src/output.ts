/** Where clips are saved, settled before anything is sent: a job costs money, a typing error must not. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { exclusively } from "effect-videos/internal/download/pathLock"
import { checkFree, resolveTarget, type Target, writeError } from "effect-videos/internal/download/targetFile"
import { randomId } from "effect-videos/internal/randomId"
import { FileError } from "effect-videos/Transfer"
import { UsageError } from "./errors.js"
import { Screen } from "./screen.js"

export interface Output {
  readonly pathOf: (id: string) => string
  readonly overwrite: boolean
  /** The file, if it is one whatever the id is. */
  readonly target: Target | null
  /** Whether the clip is written to standard output, which then has no record. */
  readonly isStandardOutput: boolean
}

/** Other names of standard output. It may be a socket, which cannot be opened by name. */
export const isStandardOutput = (path: string): boolean => /^\/(dev\/stdout|dev\/fd\/1|proc\/self\/fd\/1)$/.test(path)

/** A clip is no text: a terminal does not show it. */
export const checkNoTerminal = (name: string) =>
  Effect.flatMap(Screen, ({ terminal }) =>
    terminal.out ? refuse(`is \`${name}\`, and standard output is a terminal`) : Effect.void
  )

/** A file name for an id, whatever is in it. */
export const fileNameOf = (id: string): string => `${id.replace(/[^\w.-]/g, "_").slice(0, 100)}.mp4`

const refuse = (problem: string) => new UsageError({ field: "--output", problem })

/** `ids` are those that are known before anything is sent. */
export const planOutput = (
  given: Option.Option<string>,
  overwrite: boolean,
  ids: ReadonlyArray<string>
): Effect.Effect<Output | null, UsageError | FileError, FileSystem.FileSystem | Path.Path | Screen> =>
  Effect.gen(function* () {
    if (Option.isNone(given)) {
      return overwrite ? yield* new UsageError({ field: "--overwrite", problem: "needs `--output`" }) : null
    }
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const typeOf = (name: string) =>
      Effect.map(
        Effect.option(fs.stat(name)),
        Option.map(({ type }) => type)
      )
    const isDirectory = (name: string) =>
      Effect.map(
        typeOf(name),
        Option.exists((type) => type === "Directory")
      )
    const wanted = given.value
    if (wanted === "" || wanted === "-") {
      return yield* refuse("must be a path; only `download` writes to standard output (`-`)")
    }
    if (isStandardOutput(wanted)) {
      yield* checkNoTerminal(wanted)
      if (ids.length > 1) return yield* refuse("must be a directory where there are several jobs")
      return { pathOf: () => wanted, overwrite, target: null, isStandardOutput: true }
    }
    const directory = yield* isDirectory(wanted)
    if (!directory) {
      if (/[/\\]$/.test(wanted)) return yield* refuse(`must be a directory that is there: ${wanted} is not`)
      if (ids.length > 1) return yield* refuse(`must be a directory where there are several jobs: ${wanted} is none`)
      const parent = path.dirname(path.resolve(wanted))
      if (!(yield* isDirectory(parent))) return yield* refuse(`is in a directory that is not there: ${parent}`)
    }
    const pathOf = (id: string) => (directory ? path.join(wanted, fileNameOf(id)) : wanted)
    if (directory) {
      for (const name of ids.map(pathOf)) {
        if (!overwrite && Option.isSome(yield* typeOf(name))) {
          return yield* new FileError({ operation: "downloadVideo", reason: "exists", path: name })
        }
      }
      yield* checkWritable(fs, path.join(wanted, `.${randomId()}.part`), wanted)
      return { pathOf, overwrite, target: null, isStandardOutput: false }
    }
    const target = yield* resolveTarget(fs, path, wanted, undefined)
    yield* checkFree(fs, target, overwrite)
    // A submission reserves it again, for as long as it takes.
    yield* exclusively(fs, target, ids[0] ?? null, () => Effect.void)
    return { pathOf, overwrite, target, isStandardOutput: false }
  })

/** Whether a file can be made in a directory: one is, and taken away. */
const checkWritable = (fs: FileSystem.FileSystem, file: string, directory: string) =>
  Effect.mapError(Effect.zipRight(Effect.scoped(fs.open(file, { flag: "wx" })), fs.remove(file)), writeError(directory))

/** Where to save it after the given path has failed: under its id, in the directory of the caller. */
export const elsewhere = (output: Output, id: string): Effect.Effect<ReadonlyArray<string>, never, Path.Path> =>
  Effect.map(Path.Path, ({ resolve }) => {
    const name = fileNameOf(id)
    return ["-o", resolve(output.pathOf(id)) === resolve(name) ? `again-${name}` : name]
  })

/** The arguments again, for the command that resumes. */
export const outputArguments = (given: Option.Option<string>, overwrite: boolean): ReadonlyArray<string> =>
  Option.match(given, { onNone: () => [], onSome: (path) => ["-o", path, ...(overwrite ? ["--overwrite"] : [])] })
