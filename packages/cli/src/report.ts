/** Errors on standard error, for people or as events: what went wrong, then what to do next. */
import { stripVTControlCharacters } from "node:util"
import * as HelpDoc from "@effect/cli/HelpDoc"
import { isValidationError, type ValidationError } from "@effect/cli/ValidationError"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { dialects, type FileError, type ResponseDecodeError, type SubmissionUncertainError } from "effect-videos"
import { isDialectName } from "effect-videos/Dialects"
import * as VideosUndici from "effect-videos/undici"
import { exitCodes, kindOfCause } from "./exitCodes.js"
import { commandOf, leadingWords } from "./help.js"
import { choices } from "./options.js"
import { Screen, styles } from "./screen.js"
import { Session } from "./session.js"
import { clean, quote, withoutOperation, wrap } from "./text.js"

/** What a message may speak of. */
interface Context {
  readonly given: ReadonlyArray<string>
  readonly program: string
  /** As it was given or is in the environment, without its query, which may hold a key. */
  readonly baseUrl: string
  readonly hasKey: boolean
  /** Where the key is read from. */
  readonly keyVariable: string
}

/** What an option was given. */
const optionOf = (given: ReadonlyArray<string>, name: string): string | undefined =>
  given.find((argument) => argument.startsWith(`${name}=`))?.slice(name.length + 1) ??
  (given.includes(name) ? given[given.indexOf(name) + 1] : undefined)

const openaiHome = { baseUrl: "https://api.openai.com/v1", keyVariable: "OPENAI_API_KEY", baseUrlVariable: undefined }

const variable = (name: string) => Effect.orElseSucceed(Config.string(name), () => "")

const contextOf = (given: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { program } = yield* Session
    const dialect = optionOf(given, "--dialect") ?? (yield* variable("VIDEOS_DIALECT")).trim()
    const home = (isDialectName(dialect) ? dialects[dialect].home : null) ?? openaiHome
    const named = optionOf(given, "--base-url") || (yield* variable("OPENAI_BASE_URL"))
    const ofHome = home.baseUrlVariable === undefined ? "" : yield* variable(home.baseUrlVariable)
    const baseUrl = (named || ofHome || home.baseUrl).replace(/[?#].*$/s, "")
    const isHome = named === "" || (URL.canParse(named) && new URL(named).host === new URL(home.baseUrl).host)
    const keyVariable = isHome ? home.keyVariable : "OPENAI_API_KEY"
    const hasKey = optionOf(given, "--api-key-fd") !== undefined || (yield* variable(keyVariable)).trim() !== ""
    return { given, program, baseUrl, hasKey, keyVariable } satisfies Context
  })

// -----------------------------------------------------------------------------
// arguments and settings
// -----------------------------------------------------------------------------

/** The message of `@effect/cli`, as a sentence that names the option. */
const usage = (error: ValidationError): string => {
  const text = stripVTControlCharacters(HelpDoc.toAnsiText(error.error))
    .replace(/\s*\n\s*/g, " ")
    .trim()
  const [, missing] = /^(?:Expected to find option: '|Missing argument <)(.+?)['>]$/.exec(text) ?? []
  if (missing !== undefined) return `\`${missing}\` is missing`
  const [, unknown] = /^Received unknown argument: '(.+)'$/.exec(text) ?? []
  if (unknown !== undefined) return `\`${unknown}\` is one argument too many`
  const [, listed] = /^Expected one of the following cases: (.*)$/.exec(text) ?? []
  const option = Object.entries(choices).find(([, values]) => values.join(", ") === listed)?.[0]
  return option === undefined ? text : `\`--${option}\` must be one of ${listed}.`
}

/** Each problem by itself, under the name of the option if that is where the setting came from. */
const problemsOf = (error: ConfigError.ConfigError, given: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (error._op === "And" || error._op === "Or")
    return [error.left, error.right].flatMap((one) => problemsOf(one, given))
  const message = error.message.startsWith("`") ? error.message : `${error.path.join("_")}: ${error.message}`
  return [optionOf(given, "--base-url") === undefined ? message : message.replace("`OPENAI_BASE_URL`", "`--base-url`")]
}

const configuration = (
  error: ConfigError.ConfigError,
  { given, keyVariable, program }: Context
): ReadonlyArray<string> => {
  if (!ConfigError.isMissingDataOnly(error)) {
    const problems = problemsOf(error, given)
    return problems.length === 1 ? problems : problems.map((problem) => `${problem}.`)
  }
  return given[0] === "serve"
    ? ["no API key: set OPENAI_API_KEY to the one that requests shall have, or leave out `--require-key`"]
    : [
        `no API key: set ${keyVariable}, or OPENAI_BASE_URL to a server that wants none.`,
        `To try it without either, run \`${program} serve\` and do as it says.`
      ]
}

// -----------------------------------------------------------------------------
// the server
// -----------------------------------------------------------------------------

const whereServer = "Is it running? OPENAI_BASE_URL, or `--base-url`, says where the server is."

/** The base URL that was probably meant: most servers have the protocol below `/v1`. */
const versionHint = ({ baseUrl }: Context): ReadonlyArray<string> => {
  if (!URL.canParse(baseUrl) || /\/v\d+\w*\/*$/.test(new URL(baseUrl).pathname)) return []
  return [`The base URL has no version. Did you mean ${baseUrl.replace(/\/+$/, "")}/v1?`]
}

/** A page of a proxy, of a login, or of a server whose API is elsewhere. */
const htmlSentence = (error: unknown): string | null => {
  if (!Predicate.isTagged(error, "ResponseDecodeError")) return null
  const { detail, route, status } = error as ResponseDecodeError
  return /HTML/.test(detail) ? `the server sent an HTML page instead of JSON (${route}, HTTP ${status})` : null
}

const htmlHint = (context: Context): ReadonlyArray<string> => {
  const version = versionHint(context)
  return version.length > 0 ? version : [`Check the base URL, ${context.baseUrl}.`]
}

/** The library's message repeats the candidates and the response; here each is a line, or omitted. */
const uncertainHead = (error: SubmissionUncertainError, context: Context): ReadonlyArray<string> => {
  const { detail, hasList, reason } = error
  if (reason._tag === "BadRequestError" || reason._tag === "ConflictError") return [withoutOperation(error.message)]
  const html = htmlSentence(reason)
  return [
    `it is not known whether the server made a video: ${html ?? withoutOperation(reason.message)}`,
    ...(html === null ? [] : htmlHint(context)),
    ...(detail === null ? [] : [`${hasList ? "Looked for: " : ""}${detail}.`])
  ]
}

const uncertain = (error: SubmissionUncertainError, { program }: Context): ReadonlyArray<string> => [
  ...(error.candidates.length === 0
    ? error.hasList
      ? [`Look for it with \`${program} list\` first.`]
      : []
    : [`It may be: ${error.candidates.map(({ id }) => id).join(", ")}`]),
  `To send it again without making a second video, if the server knows the header: --idempotency-key ${error.idempotencyKey}`
]

/** Whether the server did not read the body: it misses the prompt, which was sent, or wants another type. */
const isUnread = (detail: string, status: unknown): boolean =>
  status === 415 ||
  /(missing|required)\b.*\bprompt|\bprompt\b.*(missing|required)/i.test(detail) ||
  (status === 422 && /field required/i.test(detail))

/** What a proxy may have done instead of the server. */
const mayBeTheProxys = (error: object): boolean =>
  (Predicate.hasProperty(error, "_tag") &&
    ["TransportError", "UnreachableError", "RequestTimeoutError", "ResponseDecodeError", "ServerError"].includes(
      String(error._tag)
    )) ||
  (Predicate.hasProperty(error, "detail") && /HTML/.test(String(error.detail)))

/** The proxy that the request went through, if it may be the cause. */
const proxyLines = (failure: unknown, { baseUrl }: Context): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const error = Predicate.isTagged(failure, "SubmissionUncertainError")
      ? (failure as SubmissionUncertainError).reason
      : failure
    if (!Predicate.isObject(error) || !mayBeTheProxys(error)) return []
    const at = "origin" in error ? String(error.origin) : baseUrl
    if (!URL.canParse(at)) return []
    const target = new URL(at)
    const proxy = yield* Effect.orElseSucceed(VideosUndici.proxyConfigFor(target), () => null)
    return proxy === null
      ? []
      : [
          `Requests to ${target.origin} go through the proxy ${proxy.origin}, as ${proxy.source} says. NO_PROXY=${target.hostname} leaves it out.`
        ]
  })

/** The message, and what to do next. */
const linesOf = (error: unknown, context: Context): ReadonlyArray<string> => {
  const { given, hasKey, keyVariable, program } = context
  const help = `See \`${[program, ...commandOf(leadingWords(given)).split(" ")].filter((word) => word !== "").join(" ")} --help\`.`
  if (isValidationError(error)) return [usage(error), help]
  if (ConfigError.isConfigError(error)) return configuration(error, context)
  if (!Predicate.hasProperty(error, "_tag")) return [String(error)]
  const message = Predicate.hasProperty(error, "message") ? withoutOperation(String(error.message)) : String(error._tag)
  const fields = error as { readonly [name: string]: unknown }
  const has = (name: string, value: unknown) => fields[name] === value
  const { status } = fields
  const detail = String(fields.detail ?? "")
  const said = detail === "" ? `HTTP ${status}` : `HTTP ${status}: ${detail}`
  switch (error._tag) {
    case "UsageError":
      return [message, help]
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
      // The library says how a program resumes; the command that does is printed below.
      return [message.replace(/ The job goes on; watch it again from .*$/, "")]
    case "SubmissionUncertainError":
      return [
        ...uncertainHead(error as SubmissionUncertainError, context),
        ...uncertain(error as SubmissionUncertainError, context)
      ]
    case "SegmentUncertainError":
      return [
        message.replace(/ The option `unsettled` .*$/, ""),
        "`--unsettled ID` takes that video for the segment; `--unsettled resend` sends the segment again, which may pay twice."
      ]
    case "SpendingLimitError":
      return [message.replace(/ The same call .*$/, ""), "The same command with a higher limit goes on."]
    case "TransportError":
      return has("reason", "connect") ? [message, whereServer] : [message]
    case "UnreachableError":
      return [message, whereServer]
    case "AuthenticationError":
      if (has("isForeign", true) || has("reason", "forbidden")) return [message]
      return hasKey
        ? [`the API key was refused (${said})`, `${keyVariable} is the key, or what \`--api-key-fd\` reads.`]
        : [`no API key is set, and the server wants one (${said})`, `Set ${keyVariable}, or use \`--api-key-fd\`.`]
    case "BadRequestError":
      return isUnread(detail, status)
        ? [`the server did not read the body (${said})`, `\`${program} doctor\` names the dialect that fits.`]
        : [message]
    case "ResponseDecodeError": {
      const html = htmlSentence(error)
      return html === null ? [message, ...versionHint(context)] : [html, ...htmlHint(context)]
    }
    case "VideoNotFoundError":
    case "RedirectError":
      return [message, ...versionHint(context)]
    case "OperationUnsupportedError":
      if (versionHint(context).length > 0) return [message, ...versionHint(context)]
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
      // The library says how a program goes on; the command that does is printed below.
      return [message.replace(/ The segment is .*$/, "")]
    case "SystemError":
      return has("reason", "NotFound") && "pathOrDescriptor" in error
        ? [`the file ${error.pathOrDescriptor} does not exist`]
        : [message]
    case "ServeError": {
      const cause = Predicate.hasProperty(error, "cause") ? error.cause : undefined
      const port = optionOf(given, "--port") ?? "8787"
      return Predicate.hasProperty(cause, "code") && cause.code === "EADDRINUSE"
        ? [`port ${port} is in use, maybe by another \`${program} serve\`. \`--port 0\` takes a free one.`]
        : [`the server cannot listen: ${cause instanceof Error ? cause.message : String(cause)}`]
    }
    default:
      return [message]
  }
}

/** Reports why the command ended, unless there is nothing to report. */
export const report = (
  cause: Cause.Cause<unknown>,
  given: ReadonlyArray<string>
): Effect.Effect<void, never, Screen | Session> =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const session = yield* Session
    const kind = kindOfCause(cause)
    const resume = yield* session.howToResume
    // A server that was stopped, or a reader that went away.
    if (kind === "ok" || (kind === "interrupted" && resume.length === 0)) return
    const context = yield* contextOf(given)
    const failure = Option.getOrUndefined(Option.orElse(Cause.failureOption(cause), () => Cause.dieOption(cause)))
    const proxied = yield* proxyLines(failure, context)
    const lines =
      kind === "interrupted"
        ? ["Stopped."]
        : kind === "unexpected"
          ? [`unexpected: ${Cause.pretty(cause)}`]
          : [
              // With a proxy in between, whether the server runs is not the first question.
              ...linesOf(failure, context).filter((text) => proxied.length === 0 || text !== whereServer),
              ...proxied
            ].map(clean)
    if (optionOf(given, "--progress") === "json") {
      const event = {
        event: "error",
        kind,
        tag: Predicate.hasProperty(failure, "_tag") ? String(failure._tag) : null,
        message: lines.join(" "),
        exit_code: exitCodes[kind],
        resume: resume.at(1)?.trim() ?? null
      }
      return yield* screen.err(`${JSON.stringify(event)}\n`)
    }
    const style = styles(screen).err
    // What is to be copied is not broken: the commands that resume, the words of a log.
    const columns = screen.terminal.err ? screen.size().columns : Number.POSITIVE_INFINITY
    const [first = "", ...rest] = lines
    const head = kind === "interrupted" ? [first] : wrap(`error: ${first}`, columns)
    const text = [...head, ...rest.flatMap((line) => wrap(line, columns))].join("\n")
    yield* screen.err(`${[text.replace(/^error:/, style.red("error:")), ...resume].join("\n")}\n`)
  })
