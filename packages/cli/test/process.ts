/** The bundled command as processes of their own, in a folder with nothing else in it. */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Effect } from "effect"
import { afterAll, beforeAll } from "vitest"

const run = promisify(execFile)

/** The bundled command: the first file of a run that needs it makes it, for all the others. Threads of one run share the pid. */
const bundle = async (): Promise<string> => {
  const folder = join(tmpdir(), `effect-videos-command-${process.pid}`)
  const [made, part] = [join(folder, "cli.mjs"), join(folder, "part.mjs")]
  try {
    fs.mkdirSync(folder)
  } catch {
    // Another file makes it.
    while (!fs.existsSync(made)) await new Promise((resolve) => setTimeout(resolve, 50))
    return made
  }
  // Not `spawnSync`: while that waits, no time-out of the runner can fire, and a bundler that hangs would hang the run.
  await run(process.execPath, [fileURLToPath(new URL("../../../scripts/bundle.mjs", import.meta.url)), part])
  fs.renameSync(part, made)
  return made
}

export interface Process {
  readonly child: ChildProcess
  readonly written: { out: string; err: string }
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
}

/** The command in a folder with nothing else in it, which is there while the tests of the calling file run. */
export const useCommand = () => {
  let folder = ""

  /** A file of that folder. */
  const inFolder = (name: string): string => join(folder, name)

  beforeAll(async () => {
    folder = fs.mkdtempSync(join(tmpdir(), "cli-process-"))
    fs.copyFileSync(await bundle(), inFolder("cli.mjs"))
  })

  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

  /** A process that ends with the test, if not before. */
  const command = (
    args: ReadonlyArray<string>,
    env: { readonly [name: string]: string },
    input?: { readonly fd: number; readonly text: string },
    output: "pipe" | number = "pipe"
  ) =>
    Effect.acquireRelease(
      Effect.sync((): Process => {
        const { HOME = "", PATH = "" } = process.env
        const stdio = ["ignore", output, "pipe", ...(input === undefined ? [] : ["pipe" as const])] as const
        const child = spawn(process.execPath, [inFolder("cli.mjs"), ...args], {
          cwd: folder,
          env: { HOME, PATH, ...env },
          stdio: [...stdio]
        })
        const written = { out: "", err: "" }
        child.stdout?.on("data", (data) => {
          written.out += data
        })
        child.stderr?.on("data", (data) => {
          written.err += data
        })
        const pipe = input === undefined ? null : child.stdio[input.fd]
        if (pipe !== null && pipe !== undefined && "write" in pipe) pipe.end(input?.text)
        const ended = new Promise<{ readonly code: number | null; readonly signal: string | null }>((resolve) => {
          child.on("close", (code, signal) => resolve({ code, signal }))
        })
        return { child, written, ended }
      }),
      ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
    )

  return { command, inFolder }
}

export const finished = ({ ended, written }: Process) =>
  Effect.map(
    Effect.promise(() => ended),
    (end) => ({ ...end, ...written })
  )

/** Until it has written so. */
export const saying = ({ child, written }: Process, stream: "out" | "err", words: RegExp) =>
  Effect.async<void>((resume) => {
    const look = () => {
      if (words.test(written[stream])) resume(Effect.void)
    }
    child[stream === "out" ? "stdout" : "stderr"]?.on("data", look)
    look()
  })
