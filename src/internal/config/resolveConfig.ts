/** The configuration from its options or the environment: defaults filled in, and what is wrong named. */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { Operation } from "../errors/errors.js"
import { backoff } from "../http/retryPolicy.js"
import { checkBudget } from "../rate/requestBudget.js"
import type { VideosConfigOptions, VideosConfigService } from "./configTypes.js"
import { duration, number, positiveInteger, variable } from "./environment.js"
import { defaultLimits } from "./limits.js"
import * as rules from "./optionRules.js"
import { problemIn, shapeOf } from "./optionRules.js"
import { isPresetName, presets } from "./presets.js"
import {
  checkHeader,
  checkHeaderValue,
  checkLimits,
  isSecretParameter,
  readBaseUrl,
  readQuery,
  readQueryText,
  secretShape
} from "./validateConfig.js"

/**
 * Four more tries of a read, after 0 to 0.5 s, 0 to 1 s, 0 to 2 s and 0 to 4 s.
 *
 * @since 0.1.0
 * @category schedules
 */
export const defaultReadRetry: Schedule.Schedule<unknown> = Schedule.intersect(
  backoff({ base: "500 millis", cap: "8 seconds" }),
  Schedule.recurs(4)
)

/**
 * Three more tries of a submission that certainly had no effect, after 0 to 0.5 s, 0 to 1 s and 0 to 2 s.
 *
 * @since 0.1.0
 * @category schedules
 */
export const defaultSubmitRetry: Schedule.Schedule<unknown> = Schedule.intersect(
  backoff({ base: "500 millis", cap: "8 seconds" }),
  Schedule.recurs(3)
)

const home = "https://api.openai.com/v1"

// The name is in the message as well as in the path: `ConfigError`'s `message` leaves the path out, its `toString` has both.
const invalid = (name: string, problem: string) =>
  Either.left(ConfigError.InvalidData([name], `\`${name}\` ${problem}`))

const wantedPreset = `must be one of ${Object.keys(presets).join(", ")}`

const configRules = {
  requestTimeout: rules.timeout,
  idleTimeout: rules.timeout,
  totalTimeout: rules.timeout,
  readRetry: rules.schedule,
  submitRetry: rules.schedule,
  maxRetryAfter: rules.duration,
  onUnknownOutcome: rules.oneOf("reconcile", "fail", "resend"),
  listLag: rules.duration
}

const watchingRules = { list: rules.oneOf("auto", "always", "never"), threshold: rules.finiteCount }

const presetRules = {
  name: rules.required(rules.text),
  encoding: rules.required(rules.oneOf("json", "form")),
  authHeader: rules.required(rules.oneOf("authorization", "api-key")),
  operations: rules.required(rules.listOf(...Operation.literals)),
  imageReference: rules.required(rules.oneOf("object", "url", "image_reference")),
  listTrusted: rules.required(rules.boolean)
}

/** @internal */
export const makeConfig = (
  options: VideosConfigOptions
): Either.Either<VideosConfigService, ConfigError.ConfigError> => {
  const base = readBaseUrl(options.baseUrl ?? home)
  if ("problem" in base) return invalid("baseUrl", base.problem)
  const query = queryOf(base.query, options.query)
  if ("problem" in query) return invalid("query", query.problem)
  for (const name of ["apiKey", "organization", "project"] as const) {
    const given: unknown = options[name]
    if (given === undefined) continue
    const value = revealed(given)
    const problem =
      typeof value === "string"
        ? checkHeaderValue(value)
        : `must be a text${name === "apiKey" ? " or a `Redacted` of one" : ""}; received ${secretShape(value)}`
    if (problem !== null) return invalid(name, problem)
  }
  const { apiKey } = options
  const preset = options.preset ?? "openai"
  if (typeof preset === "string" && !isPresetName(preset)) return invalid("preset", wantedPreset)
  if (typeof preset !== "string") {
    const unfit = problemIn(preset, presetRules)
    if (unfit !== null) return invalid(`preset.${unfit.name}`, unfit.problem)
  }
  const headers = options.headers ?? {}
  for (const [name, given] of Object.entries(headers)) {
    const problem = checkHeader(name, typeof given === "string" ? given : Redacted.value(given))
    if (problem !== null) return invalid(`headers.${name}`, problem)
  }
  const unfit = problemIn(options, configRules)
  if (unfit !== null) return invalid(unfit.name, unfit.problem)
  const limits = { ...defaultLimits, ...definedOf(options.limits) }
  const unlimited = checkLimits(limits)
  if (unlimited !== null) return invalid(`limits.${unlimited.name}`, unlimited.problem)
  const budget = options.budget ?? {}
  const overdrawn = checkBudget(budget)
  if (overdrawn !== null) return invalid(`budget.${overdrawn.name}`, overdrawn.problem)
  const unwatchable = problemIn(options.watching, watchingRules)
  if (unwatchable !== null) return invalid(`watching.${unwatchable.name}`, unwatchable.problem)
  const server = typeof preset === "string" ? presets[preset] : preset
  return Either.right({
    baseUrl: base.url,
    query: query.query,
    apiKey: Option.map(Option.fromNullable(apiKey), (key) => (typeof key === "string" ? Redacted.make(key) : key)),
    organization: Option.fromNullable(options.organization),
    project: Option.fromNullable(options.project),
    headers,
    preset: server,
    requestTimeout: Duration.decode(options.requestTimeout ?? "60 seconds"),
    submitTimeout:
      server.submitTimeout === undefined || options.requestTimeout !== undefined
        ? undefined
        : Duration.decode(server.submitTimeout),
    idleTimeout: Duration.decode(options.idleTimeout ?? "60 seconds"),
    totalTimeout: Duration.decode(options.totalTimeout ?? Duration.infinity),
    limits,
    readRetry: options.readRetry ?? defaultReadRetry,
    submitRetry: options.submitRetry ?? defaultSubmitRetry,
    maxRetryAfter: Duration.decode(options.maxRetryAfter ?? "60 seconds"),
    onUnknownOutcome: options.onUnknownOutcome ?? "reconcile",
    listLag: Duration.decode(options.listLag ?? "30 seconds"),
    budget,
    watching: options.watching ?? {}
  })
}

const definedOf = <A extends object>(given: A | undefined): Partial<A> =>
  Object.fromEntries(Object.entries(given ?? {}).filter(([, value]) => value !== undefined)) as Partial<A>

/** What a `Redacted` holds, or the value as it is. */
const revealed = (given: unknown): unknown => (Redacted.isRedacted(given) ? Redacted.value(given) : given)

/** The base URL's query and the option's, which wins; what holds a secret is `Redacted` from here on. */
const queryOf = (
  inBaseUrl: VideosConfigService["query"],
  given: VideosConfigOptions["query"] = {}
): { readonly query: VideosConfigService["query"] } | { readonly problem: string } => {
  const named = readQuery(Object.keys(given).map((name) => [name, ""]))
  if ("problem" in named) return named
  const query: { [name: string]: string | Redacted.Redacted } = {}
  for (const [name, value] of Object.entries({ ...inBaseUrl, ...given })) {
    const text = revealed(value)
    if (typeof text !== "string") {
      return { problem: `must hold texts or \`Redacted\` texts; received ${secretShape(text)} for \`${name}\`` }
    }
    query[name] = typeof value === "string" && isSecretParameter(name, value) ? Redacted.make(value) : value
  }
  return { query }
}

const header = (name: string) =>
  variable(name, (value) => {
    const problem = checkHeaderValue(value)
    return problem === null ? { value } : { problem }
  })

const oneOf = <const A extends string>(name: string, accepted: ReadonlyArray<A>) =>
  variable(name, (text) => {
    const value = accepted.find((known) => known === text.trim())
    return value === undefined
      ? { problem: `must be one of ${accepted.join(", ")}; received ${shapeOf(text)}` }
      : { value }
  })

/** @internal */
export const fromEnvironment: Config.Config<VideosConfigOptions> = Config.all({
  baseUrl: variable("OPENAI_BASE_URL", (value) => {
    const base = readBaseUrl(value)
    return "problem" in base ? base : { value }
  }),
  query: variable("VIDEOS_QUERY", (text) => {
    const read = readQueryText(text)
    return "problem" in read ? read : { value: read.query }
  }),
  apiKey: Config.map(header("OPENAI_API_KEY"), (key) => (key === undefined ? undefined : Redacted.make(key))),
  organization: header("OPENAI_ORG_ID"),
  project: header("OPENAI_PROJECT_ID"),
  preset: oneOf("VIDEOS_PRESET", Object.keys(presets).filter(isPresetName)),
  requestTimeout: duration("VIDEOS_REQUEST_TIMEOUT", rules.timeout),
  idleTimeout: duration("VIDEOS_IDLE_TIMEOUT", rules.timeout),
  totalTimeout: duration("VIDEOS_TOTAL_TIMEOUT", rules.timeout),
  maxRetryAfter: duration("VIDEOS_MAX_RETRY_AFTER"),
  onUnknownOutcome: oneOf("VIDEOS_ON_UNKNOWN_OUTCOME", ["reconcile", "fail", "resend"]),
  listLag: duration("VIDEOS_LIST_LAG"),
  budget: Config.all({
    requestsPerSecond: number(
      "VIDEOS_REQUESTS_PER_SECOND",
      "a positive, finite number",
      (value) => Number.isFinite(value) && value > 0
    ),
    concurrency: positiveInteger("VIDEOS_CONCURRENCY")
  }),
  watching: Config.all({
    list: oneOf("VIDEOS_WATCH_LIST", ["auto", "always", "never"]),
    threshold: positiveInteger("VIDEOS_WATCH_THRESHOLD")
  })
}).pipe(
  // Only a server of one's own can do without a key.
  Config.mapOrFail((options) =>
    options.apiKey === undefined && new URL(options.baseUrl ?? home).host === new URL(home).host
      ? Either.left(
          ConfigError.MissingData(
            ["OPENAI_API_KEY"],
            "`OPENAI_API_KEY` must be set, or OPENAI_BASE_URL to a server that wants no key"
          )
        )
      : Either.right(options)
  )
)
