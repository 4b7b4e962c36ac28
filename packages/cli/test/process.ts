/** The command as processes of their own. */
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, beforeAll } from "vitest"
import { programAt } from "../../../test/support/bundle.js"

export interface Process {
  readonly child: ChildProcess
  readonly written: { out: string; err: string }
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
}

/** The command in a folder with nothing else in it, which is there while the tests of the calling file run. */
export const useCommand = () => {
  let folder = ""
  let main = ""

  /** A file of that folder. */
  const inFolder = (name: string): string => join(folder, name)

  beforeAll(async () => {
    main = await programAt("command")
    folder = fs.mkdtempSync(join(tmpdir(), "cli-process-"))
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
        const child = spawn(process.execPath, [main, ...args], {
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
    const poll = () => {
      if (words.test(written[stream])) resume(Effect.void)
    }
    child[stream === "out" ? "stdout" : "stderr"]?.on("data", poll)
    poll()
  })
