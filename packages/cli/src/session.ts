/** The jobs of this command, so that a Ctrl-C or a timeout can print the command that resumes. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { quote } from "./text.js"

/** The command that resumes a job. */
export interface Resume {
  readonly id: string
  readonly command: "watch" | "download" | "join" | "extend"
  /** Arguments before the id. */
  readonly before?: ReadonlyArray<string>
  readonly options: ReadonlyArray<string>
  /** Whether the job still runs on the server. */
  readonly running: boolean
}

/** What the requests of this command do, between the updates of its jobs. */
export type Activity =
  | { readonly _tag: "Submitting" }
  /** The outcome of a submission is unknown, and the server's list is searched for its video. */
  | { readonly _tag: "Reconciling" }
  /** A request failed, and is sent again after the delay. */
  | { readonly _tag: "Retrying"; readonly error: unknown; readonly delayMillis: number }

export type ActivityListener = (activity: Activity) => Effect.Effect<void>

export interface SessionService {
  /** How this command was started: `effect-videos`, or through npx. */
  readonly program: string
  /** A submission is being sent: it may make a job whose id is not known yet. */
  readonly submitting: (operation: string, connection: ReadonlyArray<string>) => Effect.Effect<void>
  /** The submission has ended without a job. */
  readonly notSubmitting: Effect.Effect<void>
  /** There is a job under this key, or it has changed. */
  readonly started: (key: string, resume: Resume) => Effect.Effect<void>
  /** Nothing is left to resume. */
  readonly finished: (key: string) => Effect.Effect<void>
  /** Reports an activity to the listener. A list is read to reconcile only while a submission is sent. */
  readonly report: ActivityListener
  /** Replaces the listener until the scope closes. Default: none. */
  readonly listen: (listener: ActivityListener) => Effect.Effect<void, never, Scope.Scope>
  /** A sentence and a command, or nothing if no job is left. */
  readonly howToResume: Effect.Effect<ReadonlyArray<string>>
}

export class Session extends Context.Tag("effect-videos/cli/Session")<Session, SessionService>() {
  static readonly layer = (program: string): Layer.Layer<Session> => Layer.sync(Session, () => make(program))
}

const make = (program: string): SessionService => {
  let submission: { readonly operation: string; readonly connection: ReadonlyArray<string> } | null = null
  const jobs = new Map<string, Resume>()
  let listener: ActivityListener = () => Effect.void
  const commandLine = (words: ReadonlyArray<string>) => `  ${program} ${words.map(quote).join(" ")}`
  return {
    program,
    submitting: (operation, connection) =>
      Effect.sync(() => {
        submission = { operation, connection }
      }),
    notSubmitting: Effect.sync(() => {
      submission = null
    }),
    started: (key, resume) =>
      Effect.sync(() => {
        submission = null
        jobs.set(key, resume)
      }),
    finished: (key) => Effect.sync(() => void jobs.delete(key)),
    report: (activity) =>
      Effect.suspend(() => (activity._tag === "Reconciling" && submission === null ? Effect.void : listener(activity))),
    listen: (next) =>
      Effect.suspend(() => {
        const before = listener
        listener = next
        return Effect.addFinalizer(() =>
          Effect.sync(() => {
            listener = before
          })
        )
      }),
    howToResume: Effect.sync(() => {
      if (submission !== null) {
        const { connection, operation } = submission
        return [
          `It is not known whether the server has received the ${operation}. To look for its video:`,
          commandLine(["list", ...connection])
        ]
      }
      const left = [...jobs.values()]
      const first = left[0]
      if (first === undefined) return []
      const running = left.filter((job) => job.running).length
      const sentence =
        running === 0
          ? "To go on:"
          : running === 1
            ? "The server goes on with the video. To resume:"
            : `The server goes on with ${running} videos. To resume:`
      const { before = [], command, options } = first
      const named = [...before, ...left.map(({ id }) => id)]
      // What begins with a dash is an option anywhere but behind `--`.
      const words = named.some((word) => word.startsWith("-")) ? [...options, "--", ...named] : [...named, ...options]
      return [sentence, commandLine([command, ...words])]
    })
  }
}

/** How this command was started, for commands to copy. */
export const programName = (env: { readonly [name: string]: string | undefined }): string =>
  env.npm_command === "exec" ? "npx @effect-videos/cli" : "effect-videos"
