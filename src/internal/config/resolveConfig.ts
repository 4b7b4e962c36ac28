/** The configuration from its options or the environment: defaults filled in, and what is wrong named. */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { dialects, isDialectName } from "../dialects/dialects.js"
import { openaiHome } from "../dialects/openai.js"
import { backoff } from "../http/retryPolicy.js"
import type { Dialect } from "../protocol/dialect.js"
import * as wire from "../protocol/jsonReaders.js"
import type { BudgetOptions } from "../rate/budgetTypes.js"
import type { Limits, VideosConfigOptions, VideosConfigService, WatchingOptions } from "./configTypes.js"
import { duration, number, oneOf, type Read, variable } from "./environment.js"
import * as rules from "./optionRules.js"
import {
  checkHeader,
  checkHeaderValue,
  isSecretParameter,
  readBaseUrl,
  readQueryText,
  revealed,
  secretShape
} from "./validateConfig.js"

/**
 * Four retries of a read, after 0 to 0.5 s, 0 to 1 s, 0 to 2 s and 0 to 4 s.
 *
 * @since 0.1.0
 * @category schedules
 */
export const defaultReadRetry: Schedule.Schedule<unknown> = Schedule.intersect(
  backoff({ base: "500 millis", cap: "8 seconds" }),
  Schedule.recurs(4)
)

/**
 * Three retries of a submission that certainly had no effect, after 0 to 0.5 s, 0 to 1 s and 0 to 2 s.
 *
 * @since 0.1.0
 * @category schedules
 */
export const defaultSubmitRetry: Schedule.Schedule<unknown> = Schedule.intersect(
  backoff({ base: "500 millis", cap: "8 seconds" }),
  Schedule.recurs(3)
)

// -----------------------------------------------------------------------------
// rules
// -----------------------------------------------------------------------------

const defaultLimits: Limits = {
  jsonBytes: 32 * 1024 * 1024,
  errorBytes: 64 * 1024,
  jsonDepth: 128,
  listItems: 100_000,
  downloadBytes: 4 * 1024 ** 3
}

/** The most that each limit may be. */
const highestLimits: Limits = {
  // A body of more bytes is longer than any string can be (V8: 2^29 characters).
  jsonBytes: 256 * 1024 * 1024,
  errorBytes: 256 * 1024 * 1024,
  // Deeper than this, code that recurses through a response, as `JSON.stringify` does, may run out of stack.
  jsonDepth: 1000,
  listItems: Number.MAX_SAFE_INTEGER,
  downloadBytes: Number.POSITIVE_INFINITY
}

const limitRules = Record.map({ ...highestLimits }, (most) =>
  rules.rule(
    `a positive integer${most < Number.MAX_SAFE_INTEGER ? ` up to ${most}` : ""}`,
    (value) => value === most || (Number.isSafeInteger(value) && Number(value) > 0 && Number(value) <= most)
  )
)

const dialectRules = Record.map(
  {
    name: rules.text,
    authHeader: rules.oneOf("authorization", "api-key"),
    home: rules.rule(
      "null, or { baseUrl, keyVariable } with an http(s) URL",
      (value) =>
        value === null ||
        (wire.isObject(value) && typeof value.keyVariable === "string" && !("problem" in readBaseUrl(value.baseUrl)))
    ),
    paths: rules.rule(
      "a path, or null, for each operation",
      (value) =>
        wire.isObject(value) &&
        Object.keys(value).length === Object.keys(dialects.openai.paths).length &&
        Object.keys(dialects.openai.paths).every((route) => value[route] === null || /^\//.test(String(value[route])))
    ),
    encoding: rules.oneOf("json", "form"),
    files: rules.oneOf("form", "dataUrl"),
    seconds: rules.rule("{ field, type, create, extend }", wire.isObject),
    size: rules.oneOf("size", "aspect_ratio"),
    image: rules.oneOf("object", "url", "image_reference", "image", "frame_images"),
    source: rules.rule("{ job, url, fileId, file }", wire.isObject),
    listTrusted: rules.boolean
  },
  rules.required
)

type CheckedElsewhere = "baseUrl" | "query" | "apiKey" | "organization" | "project" | "headers" | "dialect"
type Groups = "limits" | "budget" | "watching"

const configRules: rules.RulesOf<VideosConfigOptions, CheckedElsewhere | Groups> = {
  requestTimeout: rules.timeout,
  idleTimeout: rules.timeout,
  totalTimeout: rules.timeout,
  readRetry: rules.schedule,
  submitRetry: rules.schedule,
  maxRetryAfter: rules.duration,
  onUnknownOutcome: rules.oneOf("reconcile", "fail", "resend"),
  listLag: rules.duration
}

const budgetRules: rules.RulesOf<BudgetOptions> = {
  requestsPerSecond: rules.rule("a positive, finite number", (value) => Number.isFinite(value) && Number(value) > 0),
  concurrency: rules.finiteCount,
  limiter: rules.rule(
    "a limiter with a function `take`",
    (value) => wire.isObject(value) && typeof value.take === "function"
  )
}

const watchingRules: rules.RulesOf<WatchingOptions> = {
  list: rules.oneOf("auto", "always", "never"),
  threshold: rules.finiteCount
}

const within = (group: string, problem: rules.Problem | null): rules.Problem | null =>
  problem === null ? null : { ...problem, name: `${group}.${problem.name}` }

const credentialProblem = (options: VideosConfigOptions): rules.Problem | null => {
  for (const name of ["apiKey", "organization", "project"] as const) {
    if (options[name] === undefined) continue
    const value = revealed(options[name])
    const problem =
      typeof value === "string"
        ? checkHeaderValue(value)
        : `must be a text${name === "apiKey" ? " or a `Redacted` of one" : ""}; received ${secretShape(value)}`
    if (problem !== null) return { name, problem }
  }
  for (const [name, given] of Object.entries(options.headers ?? {})) {
    const problem = checkHeader(name, String(revealed(given)))
    if (problem !== null) return { name: `headers.${name}`, problem }
  }
  return null
}

// -----------------------------------------------------------------------------
// from values
// -----------------------------------------------------------------------------

const invalid = ({ name, problem }: rules.Problem) => Either.left(rules.configError(name, problem))

const dialectOf = (given: VideosConfigOptions["dialect"] = "openai"): Dialect | rules.Problem => {
  if (typeof given !== "string") return within("dialect", rules.problemIn(given, dialectRules)) ?? given
  return isDialectName(given)
    ? dialects[given]
    : { name: "dialect", problem: `must be one of ${Object.keys(dialects).join(", ")}` }
}

const homeOf = (dialect: Dialect | undefined): NonNullable<Dialect["home"]> => dialect?.home ?? openaiHome

export const makeConfig = (
  options: VideosConfigOptions
): Either.Either<VideosConfigService, ConfigError.ConfigError> => {
  const dialect = dialectOf(options.dialect)
  if ("problem" in dialect) return invalid(dialect)
  const base = readBaseUrl(options.baseUrl ?? homeOf(dialect).baseUrl)
  if ("problem" in base) return invalid({ name: "baseUrl", problem: base.problem })
  const query = queryOf({ ...dialect.query, ...base.query }, options.query)
  if ("problem" in query) return invalid({ name: "query", problem: query.problem })
  const { apiKey, budget = {}, headers = {}, watching = {} } = options
  const problem =
    credentialProblem(options) ??
    rules.problemIn(options, configRules) ??
    within("limits", rules.problemIn(options.limits, limitRules)) ??
    within("budget", rules.problemIn(budget, budgetRules)) ??
    within("watching", rules.problemIn(watching, watchingRules))
  if (problem !== null) return invalid(problem)
  const { submitTimeout } = dialect
  return Either.right({
    baseUrl: base.url,
    query: query.query,
    apiKey: Option.map(Option.fromNullable(apiKey), (key) => (typeof key === "string" ? Redacted.make(key) : key)),
    organization: Option.fromNullable(options.organization),
    project: Option.fromNullable(options.project),
    headers,
    dialect,
    requestTimeout: Duration.decode(options.requestTimeout ?? "60 seconds"),
    submitTimeout:
      submitTimeout === undefined || options.requestTimeout !== undefined ? undefined : Duration.decode(submitTimeout),
    idleTimeout: Duration.decode(options.idleTimeout ?? "60 seconds"),
    totalTimeout: Duration.decode(options.totalTimeout ?? Duration.infinity),
    limits: Record.map({ ...defaultLimits }, (byDefault, name) => options.limits?.[name] ?? byDefault),
    readRetry: options.readRetry ?? defaultReadRetry,
    submitRetry: options.submitRetry ?? defaultSubmitRetry,
    maxRetryAfter: Duration.decode(options.maxRetryAfter ?? "60 seconds"),
    onUnknownOutcome: options.onUnknownOutcome ?? "reconcile",
    listLag: Duration.decode(options.listLag ?? "30 seconds"),
    budget,
    watching
  })
}

/** The base URL's query and the option's, which wins; what holds a secret is `Redacted` from here on. */
const queryOf = (
  inBaseUrl: VideosConfigService["query"],
  given: VideosConfigOptions["query"] = {}
): { readonly query: VideosConfigService["query"] } | { readonly problem: string } => {
  const query: { [name: string]: string | Redacted.Redacted } = {}
  for (const [name, value] of Object.entries({ ...inBaseUrl, ...given })) {
    if (name === "") return { problem: "must name each of its parameters" }
    const text = revealed(value)
    if (typeof text !== "string") {
      return { problem: `must hold texts or \`Redacted\` texts; received ${secretShape(text)} for \`${name}\`` }
    }
    query[name] = typeof value === "string" && isSecretParameter(name, value) ? Redacted.make(value) : value
  }
  return { query }
}

// -----------------------------------------------------------------------------
// from the environment
// -----------------------------------------------------------------------------

const readHeader: Read<string> = (value) => {
  const problem = checkHeaderValue(value)
  return problem === null ? { value } : { problem }
}

const readUrl: Read<string> = (value) => {
  const base = readBaseUrl(value)
  return "problem" in base ? base : { value }
}

const hostOf = (url: string): string => new URL(url).host

/**
 * The base URL and the key that belongs to it: a key is read from the variable of the server that it goes to, so that no key
 * of one server is sent to another.
 */
const connection = (dialect: Dialect | undefined) => {
  const home = homeOf(dialect)
  const isOpenai = home.keyVariable === openaiHome.keyVariable
  return Config.all({
    baseUrl: variable("OPENAI_BASE_URL", readUrl),
    homeUrl: home.baseUrlVariable === undefined ? Config.succeed(undefined) : variable(home.baseUrlVariable, readUrl),
    openaiKey: variable("OPENAI_API_KEY", readHeader),
    homeKey: isOpenai ? Config.succeed(undefined) : variable(home.keyVariable, readHeader)
  }).pipe(
    Config.mapOrFail(({ baseUrl, homeKey, homeUrl, openaiKey }) => {
      const url = baseUrl ?? homeUrl ?? home.baseUrl
      const isHome = hostOf(url) === hostOf(home.baseUrl) || baseUrl === undefined
      const key = isHome && !isOpenai ? homeKey : openaiKey
      // Only a server of one's own can do without a key.
      if (key === undefined && hostOf(url) === hostOf(home.baseUrl)) {
        const name = home.keyVariable
        const problem = `\`${name}\` must be set, or OPENAI_BASE_URL to a server that wants no key`
        return Either.left(ConfigError.MissingData([name], problem))
      }
      return Either.right({ baseUrl: url, apiKey: key === undefined ? undefined : Redacted.make(key) })
    })
  )
}

const dialectName = oneOf("VIDEOS_DIALECT", ...Object.keys(dialects).filter(isDialectName))

const others = Config.all({
  query: variable("VIDEOS_QUERY", (text) => {
    const read = readQueryText(text)
    return "problem" in read ? read : { value: read.query }
  }),
  organization: variable("OPENAI_ORG_ID", readHeader),
  project: variable("OPENAI_PROJECT_ID", readHeader),
  dialect: dialectName,
  requestTimeout: duration("VIDEOS_REQUEST_TIMEOUT", configRules.requestTimeout),
  idleTimeout: duration("VIDEOS_IDLE_TIMEOUT", configRules.idleTimeout),
  totalTimeout: duration("VIDEOS_TOTAL_TIMEOUT", configRules.totalTimeout),
  maxRetryAfter: duration("VIDEOS_MAX_RETRY_AFTER", configRules.maxRetryAfter),
  onUnknownOutcome: oneOf("VIDEOS_ON_UNKNOWN_OUTCOME", "reconcile", "fail", "resend"),
  listLag: duration("VIDEOS_LIST_LAG", configRules.listLag),
  budget: Config.all({
    requestsPerSecond: number("VIDEOS_REQUESTS_PER_SECOND", budgetRules.requestsPerSecond),
    concurrency: number("VIDEOS_CONCURRENCY", budgetRules.concurrency)
  }),
  watching: Config.all({
    list: oneOf("VIDEOS_WATCH_LIST", "auto", "always", "never"),
    threshold: number("VIDEOS_WATCH_THRESHOLD", watchingRules.threshold)
  })
})

export const fromEnvironment: Effect.Effect<VideosConfigOptions, ConfigError.ConfigError> = Effect.flatMap(
  Effect.orElseSucceed(dialectName, () => undefined),
  (name) =>
    Config.map(
      Config.all([connection(name === undefined ? undefined : dialects[name]), others]),
      ([connected, options]) => ({ ...options, ...connected })
    )
)
