/** Where videos are saved: checked before anything is sent, because a job costs money. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { FileError, reserveFile } from "effect-videos"
import { UsageError } from "./errors.js"
import { Screen } from "./screen.js"

export interface Output {
  readonly pathOf: (id: string) => string
  readonly overwrite: boolean
  /** The path, if it does not depend on the id. */
  readonly file: string | null
  /** Whether the video is written to standard output, which then has no record. */
  readonly isStandardOutput: boolean
  /** The arguments again, for the command that resumes. */
  readonly options: ReadonlyArray<string>
}

/** Other names of standard output. It may be a socket, which cannot be opened by name. */
export const isStandardOutput = (path: string): boolean => /^\/(dev\/stdout|dev\/fd\/1|proc\/self\/fd\/1)$/.test(path)

/** A video is not text: a terminal does not show it. */
export const checkNoTerminal = (name: string) =>
  Effect.flatMap(Screen, ({ terminal }) =>
    terminal.out ? refuse(`is \`${name}\`, and standard output is a terminal`) : Effect.void
  )

/** A file name for an id, whatever is in it. Long ids begin alike, with what a gateway knows, and end with the job. */
export const fileNameOf = (id: string): string => {
  const name = id.replace(/[^\w.-]/g, "_")
  return `${name.length > 100 ? `${name.slice(0, 50)}${name.slice(-50)}` : name}.mp4`
}

const refuse = (problem: string) => new UsageError({ field: "--output", problem })

/** `ids` are those that are known before anything is sent. */
export const planOutput = (given: Option.Option<string>, overwrite: boolean, ids: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    if (Option.isNone(given)) {
      return overwrite ? yield* new UsageError({ field: "--overwrite", problem: "needs `--output`" }) : null
    }
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const wanted = given.value
    const options = ["-o", wanted, ...(overwrite ? ["--overwrite"] : [])]
    const typeOf = (name: string) =>
      Effect.map(Effect.option(fs.stat(name)), Option.match({ onNone: () => null, onSome: ({ type }) => type }))
    const makeDirectory = (name: string) =>
      Effect.mapError(fs.makeDirectory(name, { recursive: true }), ({ message }) =>
        refuse(`is in a directory that cannot be made: ${name} (${message})`)
      )
    if (wanted === "" || wanted === "-") {
      return yield* refuse("must be a path; only `download` writes to standard output (`-`)")
    }
    if (isStandardOutput(wanted)) {
      yield* checkNoTerminal(wanted)
      if (ids.length > 1) return yield* refuse("must be a directory if there are several videos")
      return { pathOf: () => wanted, overwrite, file: null, isStandardOutput: true, options } satisfies Output
    }
    const type = yield* typeOf(wanted)
    const isDirectory = type === "Directory" || (type === null && (ids.length > 1 || /[/\\]$/.test(wanted)))
    if (isDirectory) {
      yield* makeDirectory(wanted)
      const pathOf = (id: string) => path.join(wanted, fileNameOf(id))
      for (const name of ids.map(pathOf)) {
        if (!overwrite && (yield* typeOf(name)) !== null) {
          return yield* new FileError({ operation: "downloadVideo", reason: "exists", path: name })
        }
      }
      // Whether a file can be made there.
      yield* Effect.mapError(
        Effect.scoped(fs.makeTempFileScoped({ directory: wanted })),
        (cause) => new FileError({ operation: "downloadVideo", reason: "write", path: wanted, cause })
      )
      return { pathOf, overwrite, file: null, isStandardOutput: false, options } satisfies Output
    }
    if (ids.length > 1) return yield* refuse(`must be a directory if there are several videos: ${wanted} is none`)
    yield* makeDirectory(path.dirname(path.resolve(wanted)))
    // A submission reserves it again, for as long as it takes.
    yield* reserveFile(wanted, () => Effect.void, { overwrite, videoId: ids[0] })
    return { pathOf: () => wanted, overwrite, file: wanted, isStandardOutput: false, options } satisfies Output
  })

/** Where to save it after the given path has failed: under its id, in the working directory. */
export const elsewhere = (output: Output, id: string): Effect.Effect<ReadonlyArray<string>, never, Path.Path> =>
  Effect.map(Path.Path, ({ resolve }) => {
    const name = fileNameOf(id)
    return ["-o", resolve(output.pathOf(id)) === resolve(name) ? `again-${name}` : name]
  })
