/** Errors as people and programs are told them: on standard error, in one form, with what to do next. */
import { stripVTControlCharacters } from "node:util"
import * as HelpDoc from "@effect/cli/HelpDoc"
import { isValidationError, type ValidationError } from "@effect/cli/ValidationError"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { SubmissionUncertainError } from "../Errors.js"
import { exitCodes, kindOfCause } from "./exitCodes.js"
import { choices } from "./options.js"
import { Screen, styles } from "./screen.js"
import { Session } from "./session.js"
import { clean } from "./text.js"

/** `@effect/cli`'s words, with the option's name where it leaves that out. */
const usage = (error: ValidationError): string => {
  const text = stripVTControlCharacters(HelpDoc.toAnsiText(error.error))
    .replace(/\s*\n\s*/g, " ")
    .trim()
  const [, listed] = /^Expected one of the following cases: (.*)$/.exec(text) ?? []
  const option = Object.entries(choices).find(([, values]) => values.join(", ") === listed)?.[0]
  return option === undefined ? text : `\`--${option}\` must be one of ${listed}.`
}

/** The settings that a configuration error names are the arguments' too. */
const configuration = (error: ConfigError.ConfigError, program: string): ReadonlyArray<string> =>
  ConfigError.isMissingDataOnly(error)
    ? [
        "no API key: set OPENAI_API_KEY, or OPENAI_BASE_URL to a server that wants none.",
        `To try it without either, run \`${program} serve\` and do as it says.`
      ]
    : [error.toString().replace(/^\(|\)$/g, "")]

const uncertain = (error: SubmissionUncertainError, program: string): ReadonlyArray<string> => [
  ...(error.candidates.length === 0
    ? [`Look for it with \`${program} list\` first.`]
    : [`It may be: ${error.candidates.map(({ id }) => id).join(", ")}`]),
  `To send it again without making a second job, where the server knows the header: --idempotency-key ${error.idempotencyKey}`
]

/** The message, and what to do next. */
const linesOf = (error: unknown, program: string): ReadonlyArray<string> => {
  if (isValidationError(error)) return [usage(error), `See \`${program} --help\`, or --help after a command.`]
  if (ConfigError.isConfigError(error)) return configuration(error, program)
  if (!Predicate.hasProperty(error, "_tag")) return [String(error)]
  const message = Predicate.hasProperty(error, "message") ? String(error.message) : String(error._tag)
  switch (error._tag) {
    case "FileExistsError":
      return [`${Predicate.hasProperty(error, "path") ? error.path : "the file"} exists; \`--overwrite\` replaces it`]
    case "WatchTimeoutError":
    case "VideoStalledError":
      // The library says how a program goes on; the command that does is said below.
      return [message.replace(/ The job goes on; watch it again from .*$/, "")]
    case "SubmissionUncertainError":
      return [message, ...uncertain(error as SubmissionUncertainError, program)]
    case "OperationUnsupportedError":
      return [message, `\`${program} doctor\` shows what this server serves.`]
    case "ServeError": {
      const cause = Predicate.hasProperty(error, "cause") ? error.cause : undefined
      return [`the server cannot listen: ${cause instanceof Error ? cause.message : String(cause)}`]
    }
    default:
      return [message]
  }
}

/** Tells why the command ended, if that is worth telling. `json`: as an event. */
export const report = (cause: Cause.Cause<unknown>, json: boolean): Effect.Effect<void, never, Screen | Session> =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const session = yield* Session
    const kind = kindOfCause(cause)
    const resume = yield* session.howToResume
    // A server that was stopped, or a reader that went away.
    if (kind === "ok" || (kind === "interrupted" && resume.length === 0)) return
    const failure = Option.orElse(Cause.failureOption(cause), () => Cause.dieOption(cause))
    const lines =
      kind === "interrupted"
        ? ["Stopped."]
        : kind === "unexpected"
          ? [`unexpected: ${Cause.pretty(cause)}`]
          : linesOf(Option.getOrUndefined(failure), session.program).map(clean)
    const exitCode = exitCodes[kind].code
    if (json) {
      const tag = Option.match(failure, {
        onNone: () => null,
        onSome: (error) => (Predicate.hasProperty(error, "_tag") ? String(error._tag) : null)
      })
      const event = {
        event: "error",
        kind,
        tag,
        message: lines.join(" "),
        exit_code: exitCode,
        resume: resume.at(1)?.trim() ?? null
      }
      return yield* screen.err(`${JSON.stringify(event)}\n`)
    }
    const style = styles(screen).err
    const [first = "", ...rest] = lines
    const head = kind === "interrupted" ? first : `${style.red("error:")} ${first}`
    yield* screen.err(`${[head, ...rest, ...resume].join("\n")}\n`)
  })
