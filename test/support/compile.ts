/** Type-checks programs that are nowhere on disk, as the repository's own `tsconfig.json` would. */
import { fileURLToPath } from "node:url"
import ts from "typescript"

export const root = fileURLToPath(new URL("../..", import.meta.url))

export interface Problem {
  readonly path: string
  readonly message: string
}

/** What is wrong with the programs, given by path. */
export const compile = (sources: ReadonlyMap<string, string>): ReadonlyArray<Problem> => {
  const config = ts.getParsedCommandLineOfConfigFile(
    `${root}tsconfig.json`,
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
        throw new Error(ts.flattenDiagnosticMessageText(messageText, "\n"))
      }
    }
  )
  const options = { ...config?.options, noUnusedLocals: false, noEmit: true, declaration: false, declarationMap: false }
  const host = ts.createCompilerHost(options)
  const { fileExists, getSourceFile } = host
  host.fileExists = (path) => sources.has(path) || fileExists(path)
  host.getSourceFile = (path, version, ...rest) => {
    const code = sources.get(path)
    return code === undefined
      ? getSourceFile.call(host, path, version, ...rest)
      : ts.createSourceFile(path, code, version)
  }
  const program = ts.createProgram([...sources.keys()], options, host)
  // Of the programs alone: `tsc` checks what they import.
  return [...sources.keys()]
    .flatMap((path) => ts.getPreEmitDiagnostics(program, program.getSourceFile(path)))
    .map(({ file, messageText }) => ({
      path: file?.fileName ?? "",
      message: ts.flattenDiagnosticMessageText(messageText, "\n")
    }))
}
