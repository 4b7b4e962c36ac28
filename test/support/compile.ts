/** Type-checks programs with the repository's `tsconfig.json`, as if each were a file of the repository. */
import { spawnSync } from "node:child_process"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../..", import.meta.url))

export interface Problem {
  readonly path: string
  readonly message: string
}

/**
 * Returns the errors of the programs. The keys of the argument are paths below the repository. The programs are written to a
 * folder that `rootDirs` lays over the repository, so relative imports resolve from the given paths.
 */
export const compile = (sources: ReadonlyMap<string, string>): ReadonlyArray<Problem> => {
  const folder = `${root}node_modules/.cache/type-tests/`
  rmSync(folder, { recursive: true, force: true })
  const files = [...sources].map(([path, code]) => {
    const file = join(folder, relative(root, path))
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, code)
    return file
  })
  const config = {
    extends: `${root}tsconfig.json`,
    compilerOptions: {
      noUnusedLocals: false,
      declaration: false,
      declarationMap: false,
      rootDirs: [root, folder],
      typeRoots: [`${root}node_modules/@types`]
    },
    include: [],
    files
  }
  writeFileSync(`${folder}tsconfig.json`, JSON.stringify(config))
  const { stdout } = spawnSync(
    process.execPath,
    [`${root}node_modules/typescript/bin/tsc`, "-p", `${folder}tsconfig.json`, "--pretty", "false", "--checkers", "1"],
    { cwd: folder, encoding: "utf8" }
  )
  // Effect's own diagnostics have codes of six digits.
  return [...stdout.matchAll(/^(\S.*?)\(\d+,\d+\): error TS\d{4}: (.*(?:\n\s.*)*)/gm)].map(
    ([, file = "", message = ""]) => ({
      path: join(root, file),
      message
    })
  )
}
