/** What is under way, so that a Ctrl-C or a time-out can say how to go on. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { quote } from "./text.js"

/** The command that goes on with a job from here. */
export interface Resume {
  readonly id: string
  readonly command: "watch" | "download" | "join"
  /** What comes before the id. */
  readonly before?: ReadonlyArray<string>
  readonly options: ReadonlyArray<string>
  /** Whether the server is still at it. */
  readonly running: boolean
}

export interface SessionService {
  /** How this command is called. */
  readonly program: string
  /** A submission goes out, and may make a job that nobody has heard of yet. */
  readonly submitting: (operation: string, connection: ReadonlyArray<string>) => Effect.Effect<void>
  /** The submission was refused, or its error says what is known of it. */
  readonly notSubmitting: Effect.Effect<void>
  /** There is a job, or news of it; `key` stands for it here. */
  readonly started: (key: string, resume: Resume) => Effect.Effect<void>
  /** There is nothing left to do about it. */
  readonly finished: (key: string) => Effect.Effect<void>
  /** What to tell somebody who stops now: a sentence, and a command. Empty where nothing is left to do. */
  readonly howToResume: Effect.Effect<ReadonlyArray<string>>
}

export class Session extends Context.Tag("effect-videos/cli/Session")<Session, SessionService>() {
  /** `program` is how this command was started. */
  static readonly layer = (program: string): Layer.Layer<Session> => Layer.sync(Session, () => make(program))
}

const make = (program: string): SessionService => {
  let submission: { readonly operation: string; readonly connection: ReadonlyArray<string> } | null = null
  const jobs = new Map<string, Resume>()
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
    howToResume: Effect.sync(() => {
      if (submission !== null) {
        const { connection, operation } = submission
        return [
          `It is not known whether the server has got the ${operation}. To look for its job:`,
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
            ? "The job goes on. To resume:"
            : `${running} jobs go on. To resume:`
      const { before = [], command, options } = first
      const named = [...before, ...left.map(({ id }) => id)]
      // What begins with a dash is an option anywhere but behind `--`.
      const words = named.some((word) => word.startsWith("-")) ? [...options, "--", ...named] : [...named, ...options]
      return [sentence, commandLine([command, ...words])]
    })
  }
}

/** How this program is called where somebody has to call it again. */
export const programName = (env: { readonly [name: string]: string | undefined }): string =>
  env.npm_command === "exec" ? "npx @effect-videos/cli" : "effect-videos"
