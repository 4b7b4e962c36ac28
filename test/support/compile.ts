/** Type-checks programs in memory, with the repository's `tsconfig.json`. */
import { fileURLToPath } from "node:url"
import ts from "typescript"

export const root = fileURLToPath(new URL("../..", import.meta.url))

export interface Problem {
  readonly path: string
  readonly message: string
}

/** Returns the diagnostics of the programs. The keys of the argument are paths. */
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
