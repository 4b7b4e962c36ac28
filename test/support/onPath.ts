import { existsSync } from "node:fs"
import { delimiter, resolve } from "node:path"

/** The path of a program that is installed, by its name on the `PATH` or its own path. */
export const onPath = (program: string): string | undefined =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => resolve(folder, program))
    .find((path) => existsSync(path))
