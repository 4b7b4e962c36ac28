/** Runs programs of `test/support/programs` in separate processes. */
import { type ChildProcess, spawn } from "node:child_process"
import { Effect, type Scope } from "effect"
import { programAt, root } from "./bundle.js"

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly out: string
  readonly err: string
}

export interface Running {
  readonly child: ChildProcess
  /** Waits until the process has ended. */
  readonly ended: Effect.Effect<Ended>
}

/** Starts a program; the scope ends it. */
export const start = (
  name: Parameters<typeof programAt>[0],
  env: { readonly [name: string]: string },
  flags: ReadonlyArray<string> = []
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.map(
      Effect.promise(() => programAt(name)),
      (program) => {
        const { HOME = "", PATH = "" } = process.env
        const child = spawn(process.execPath, [...flags, program], {
          cwd: root,
          env: { HOME, PATH, ...env },
          stdio: ["ignore", "pipe", "pipe"]
        })
        let out = ""
        let err = ""
        child.stdout.on("data", (data) => (out += data))
        child.stderr.on("data", (data) => (err += data))
        const closed = new Promise<Ended>((resolve) => {
          child.on("close", (code, signal) => resolve({ code, signal, out, err }))
        })
        return { child, ended: Effect.promise(() => closed) }
      }
    ),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )
