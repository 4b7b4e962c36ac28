/** Where clips are saved, settled before anything is sent: a job costs money, a typing error must not. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { FileExistsError } from "../Transfer.js"
import { UsageError } from "./errors.js"

export interface Output {
  readonly pathOf: (id: string) => string
  readonly overwrite: boolean
}

/** A file name for an id, whatever is in it. */
export const fileNameOf = (id: string): string => `${id.replace(/[^\w.-]/g, "_").slice(0, 100)}.mp4`

const refuse = (problem: string) => new UsageError({ field: "--output", problem })

/** `ids` are those that are known before anything is sent. */
export const planOutput = (
  given: Option.Option<string>,
  overwrite: boolean,
  ids: ReadonlyArray<string>
): Effect.Effect<Output | null, UsageError | FileExistsError, FileSystem.FileSystem | Path.Path> =>
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
    const directory = yield* isDirectory(wanted)
    if (!directory) {
      if (/[/\\]$/.test(wanted)) return yield* refuse(`must be a directory that is there: ${wanted} is not`)
      if (ids.length > 1) return yield* refuse(`must be a directory where there are several jobs: ${wanted} is none`)
      const parent = path.dirname(path.resolve(wanted))
      if (!(yield* isDirectory(parent))) return yield* refuse(`is in a directory that is not there: ${parent}`)
    }
    const pathOf = (id: string) => (directory ? path.join(wanted, fileNameOf(id)) : wanted)
    for (const name of directory ? ids.map(pathOf) : [wanted]) {
      if (!overwrite && Option.isSome(yield* typeOf(name))) {
        return yield* new FileExistsError({ operation: "downloadVideo", path: name })
      }
    }
    return { pathOf, overwrite }
  })

/** The arguments again, for the command that resumes. */
export const outputArguments = (given: Option.Option<string>, overwrite: boolean): ReadonlyArray<string> =>
  Option.match(given, { onNone: () => [], onSome: (path) => ["-o", path, ...(overwrite ? ["--overwrite"] : [])] })
