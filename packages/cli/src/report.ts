/** Errors as people and programs are told them: on standard error, in one form, with what to do next. */
import { stripVTControlCharacters } from "node:util"
import * as HelpDoc from "@effect/cli/HelpDoc"
import { isValidationError, type ValidationError } from "@effect/cli/ValidationError"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { SubmissionUncertainError } from "effect-videos/Errors"
import type { FileError } from "effect-videos/Transfer"
import { proxiesFromEnvironment, proxyOf } from "effect-videos/undici/proxy"
import { type CommandNode, commandAt } from "./commandHelp.js"
import { exitCodes, kindOfCause } from "./exitCodes.js"
import { choices } from "./options.js"
import { Screen, styles } from "./screen.js"
import { Session } from "./session.js"
import { clean, quote, wrap } from "./text.js"

/** The command line that went wrong, for messages about it. */
export interface CommandLine {
  /** Its arguments. */
  readonly given: ReadonlyArray<string>
  /** Those before the first option. */
  readonly words: ReadonlyArray<string>
  readonly tree: CommandNode
  /** Errors are to be events. */
  readonly json: boolean
}

/** `@effect/cli`'s words, as a sentence that names the option. */
const usage = (error: ValidationError, { tree, words }: CommandLine): string => {
  const text = stripVTControlCharacters(HelpDoc.toAnsiText(error.error))
    .replace(/\s*\n\s*/g, " ")
    .trim()
  const { node, path } = commandAt(tree, words)
  if (error._tag === "CommandMismatch" && node.children.length > 0) {
    const known = node.children.map(({ name }) => name).join(", ")
    const wrong = words[path.length]
    return wrong === undefined ? `a command is missing: one of ${known}` : `\`${wrong}\` is none of ${known}`
  }
  const [, missing] = /^Expected to find option: '(\S+)'$/.exec(text) ?? []
  if (missing !== undefined) return `\`${missing}\` is missing`
  const [, argument] = /^Missing argument <(.+)>$/.exec(text) ?? []
  if (argument !== undefined) return `\`${argument}\` is missing`
  const [, unknown] = /^Received unknown argument: '(.+)'$/.exec(text) ?? []
  if (unknown !== undefined) {
    return unknown.startsWith("-")
      ? `\`${unknown}\` is no option of this command`
      : `\`${unknown}\` is one argument too many`
  }
  const [, listed] = /^Expected one of the following cases: (.*)$/.exec(text) ?? []
  const option = Object.entries(choices).find(([, values]) => values.join(", ") === listed)?.[0]
  return option === undefined ? text : `\`--${option}\` must be one of ${listed}.`
}

/** What is wrong, each by itself. The message of each names its variable; the error's own text says it twice. */
const problemsOf = (error: ConfigError.ConfigError): ReadonlyArray<string> =>
  error._op === "And" || error._op === "Or"
    ? [...problemsOf(error.left), ...problemsOf(error.right)]
    : [error.message.startsWith("`") ? error.message : `${error.path.join("_")}: ${error.message}`]

/** The settings that a configuration error names are the arguments' too. */
const configuration = (
  error: ConfigError.ConfigError,
  program: string,
  { words }: CommandLine
): ReadonlyArray<string> => {
  if (!ConfigError.isMissingDataOnly(error)) {
    const problems = problemsOf(error)
    return problems.length === 1 ? problems : problems.map((problem) => `${problem}.`)
  }
  return words[0] === "serve"
    ? ["no API key: set OPENAI_API_KEY to the one that requests shall have, or leave out `--require-key`"]
    : [
        "no API key: set OPENAI_API_KEY, or OPENAI_BASE_URL to a server that wants none.",
        `To try it without either, run \`${program} serve\` and do as it says.`
      ]
}

const uncertain = (error: SubmissionUncertainError, program: string): ReadonlyArray<string> => [
  ...(error.candidates.length === 0
    ? error.hasList
      ? [`Look for it with \`${program} list\` first.`]
      : []
    : [`It may be: ${error.candidates.map(({ id }) => id).join(", ")}`]),
  `To send it again without making a second job, where the server knows the header: --idempotency-key ${error.idempotencyKey}`
]

const isNotFound = (error: object): error is { readonly pathOrDescriptor: string | number } =>
  Predicate.hasProperty(error, "reason") && error.reason === "NotFound" && "pathOrDescriptor" in error

const whereServer = "Is it running? OPENAI_BASE_URL, or `--base-url`, says where the server is."

/** What a proxy may have done instead of the server. */
const mayBeTheProxys = (error: object): boolean =>
  Predicate.hasProperty(error, "_tag") &&
  (["TransportError", "UnreachableError", "RequestTimeoutError", "ResponseDecodeError", "ServerError"].includes(
    String(error._tag)
  ) ||
    (Predicate.hasProperty(error, "detail") && /^an HTML page/.test(String(error.detail))))

/** What an option was given. */
const optionOf = (given: ReadonlyArray<string>, name: string): string | undefined =>
  given.find((argument) => argument.startsWith(`${name}=`))?.slice(name.length + 1) ??
  (given.includes(name) ? given[given.indexOf(name) + 1] : undefined)

/** The proxy that the request went through, where what failed may be its doing: only its origin is shown. */
const proxyLines = (failure: unknown, given: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const error = Predicate.isTagged(failure, "SubmissionUncertainError")
      ? (failure as SubmissionUncertainError).reason
      : failure
    if (!Predicate.isObject(error) || !mayBeTheProxys(error)) return []
    const configured = yield* Effect.option(Config.string("OPENAI_BASE_URL"))
    const at =
      "origin" in error
        ? error.origin
        : (optionOf(given, "--base-url") ?? Option.getOrElse(configured, () => "https://api.openai.com/v1"))
    const proxies = yield* Effect.orElseSucceed(proxiesFromEnvironment, () => null)
    if (typeof at !== "string" || !URL.canParse(at)) return []
    const target = new URL(at)
    const proxy = proxyOf(proxies, target)
    return proxy === null
      ? []
      : [
          `Requests to ${target.origin} go through the proxy ${proxy.origin}, as ${proxy.source} says. NO_PROXY=${target.hostname} leaves it out.`
        ]
  })

/** The message, and what to do next. */
const linesOf = (error: unknown, program: string, line: CommandLine): ReadonlyArray<string> => {
  if (isValidationError(error)) {
    const { path } = commandAt(line.tree, line.words)
    return [usage(error, line), `See \`${[program, ...path].join(" ")} --help\`.`]
  }
  if (ConfigError.isConfigError(error)) return configuration(error, program, line)
  if (!Predicate.hasProperty(error, "_tag")) return [String(error)]
  const message = Predicate.hasProperty(error, "message") ? String(error.message) : String(error._tag)
  switch (error._tag) {
    case "FileError": {
      const { path, pid, reason, videoId } = error as FileError
      if (reason === "exists") return [`${path} exists; \`--overwrite\` replaces it`]
      if (reason !== "busy" || pid !== null || videoId === null) return [message]
      return [
        message,
        `\`${program} watch ${videoId} -o ${quote(path)}\` saves it there; a segment is joined to its source by \`${program} join SOURCE ${videoId} -o ${quote(path)}\`.`
      ]
    }
    case "WatchTimeoutError":
      // The library says how a program goes on; the command that does is said below.
      return [message.replace(/ The job goes on; watch it again from .*$/, "")]
    case "SubmissionUncertainError":
      return [message, ...uncertain(error as SubmissionUncertainError, program)]
    case "TransportError":
      return Predicate.hasProperty(error, "reason") && error.reason === "connect" ? [message, whereServer] : [message]
    case "UnreachableError":
      return [message, whereServer]
    case "AuthenticationError":
      if (Predicate.hasProperty(error, "isForeign") && error.isForeign === true) return [message]
      if (Predicate.hasProperty(error, "reason") && error.reason === "forbidden") return [message]
      return [message, "OPENAI_API_KEY is the key, or what `--api-key-fd` reads."]
    case "OperationUnsupportedError":
      return [
        message.replace(/ `continueVideo` .*$/, ""),
        ...(message.includes("`continueVideo`")
          ? ["`extend --join` does it by FFmpeg where the server does not."]
          : []),
        `\`${program} doctor\` shows what this server serves.`
      ]
    case "FfmpegUnavailableError":
      return [`cannot start ${Predicate.hasProperty(error, "program") ? error.program : "FFmpeg"}`, "Install FFmpeg."]
    case "MediaError":
      // The library says how a program goes on; the command that does is said below.
      return [message.replace(/ The segment is .*$/, "")]
    case "SystemError":
      return isNotFound(error) ? [`there is no file ${error.pathOrDescriptor}`] : [message]
    case "ServeError": {
      const cause = Predicate.hasProperty(error, "cause") ? error.cause : undefined
      return [
        `the server cannot listen: ${cause instanceof Error ? cause.message : String(cause)}`,
        "`--port` says where it listens, and 0 is any free port."
      ]
    }
    default:
      return [message]
  }
}

/** Tells why the command ended, if that is worth telling. */
export const report = (cause: Cause.Cause<unknown>, line: CommandLine): Effect.Effect<void, never, Screen | Session> =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const session = yield* Session
    const kind = kindOfCause(cause)
    const resume = yield* session.howToResume
    // A server that was stopped, or a reader that went away.
    if (kind === "ok" || (kind === "interrupted" && resume.length === 0)) return
    const failure = Option.orElse(Cause.failureOption(cause), () => Cause.dieOption(cause))
    const proxied = yield* proxyLines(Option.getOrUndefined(failure), line.given)
    const lines =
      kind === "interrupted"
        ? ["Stopped."]
        : kind === "unexpected"
          ? [`unexpected: ${Cause.pretty(cause)}`]
          : [
              ...linesOf(Option.getOrUndefined(failure), session.program, line)
                // With a proxy in between, whether the server runs is not the first question.
                .filter((text) => proxied.length === 0 || text !== whereServer),
              ...proxied
            ].map(clean)
    const exitCode = exitCodes[kind].code
    if (line.json) {
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
    // What is to be copied is not broken: the commands that resume, the words of a log.
    const columns = screen.terminal.err ? screen.size().columns : Number.POSITIVE_INFINITY
    const [first = "", ...rest] = lines
    const head = kind === "interrupted" ? [first] : wrap(`error: ${first}`, columns)
    const told = [...head, ...rest.flatMap((line) => wrap(line, columns))].join("\n")
    yield* screen.err(`${[told.replace(/^error:/, style.red("error:")), ...resume].join("\n")}\n`)
  })
