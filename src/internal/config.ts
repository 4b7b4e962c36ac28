/** The configuration from its options or the environment: defaults filled in, and what is wrong named. */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { Operation } from "../Errors.js"
import type { VideosConfigOptions, VideosConfigService } from "../Http.js"
import { isPresetName, presets } from "../Presets.js"
import { checkBudget } from "./budget.js"
import { checkHeader, checkHeaderValue, checkLimits, readBaseUrl } from "./configuration.js"
import { defaultLimits } from "./limits.js"
import * as rules from "./options.js"
import { problemIn, shapeOf } from "./options.js"
import { backoff } from "./retry.js"
import { redacted } from "./secrets.js"

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
  for (const name of ["apiKey", "organization", "project"] as const) {
    const given: unknown = options[name]
    if (given === undefined) continue
    const text = Redacted.isRedacted(given) ? Redacted.value(given) : given
    const problem = typeof text === "string" ? checkHeaderValue(text) : `must be a text; received ${shapeOf(text)}`
    if (problem !== null) return invalid(name, problem)
  }
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
  return Either.right({
    baseUrl: base.url,
    apiKey: Option.map(Option.fromNullable(options.apiKey), redacted),
    organization: Option.fromNullable(options.organization),
    project: Option.fromNullable(options.project),
    headers,
    preset: typeof preset === "string" ? presets[preset] : preset,
    requestTimeout: Duration.decode(options.requestTimeout ?? "60 seconds"),
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

const optional = <A>(config: Config.Config<A>): Config.Config<A | undefined> =>
  Config.map(Config.option(config), Option.getOrUndefined)

const header = (name: string) =>
  Config.string(name).pipe(
    Config.mapOrFail((value) => {
      const problem = checkHeaderValue(value)
      return problem === null ? Either.right(value) : invalidVariable(name, problem)
    })
  )

const duration = (name: string) =>
  Config.string(name).pipe(
    Config.mapOrFail((value) =>
      Option.match(Duration.decodeUnknown(value), {
        onNone: () => invalidVariable(name, "must be a duration, such as `30 seconds`"),
        onSome: Either.right
      })
    )
  )

// `Config` adds the path by itself.
const invalidVariable = (name: string, problem: string) =>
  Either.left(ConfigError.InvalidData([], `\`${name}\` ${problem}`))

/** @internal */
export const fromEnvironment: Config.Config<VideosConfigOptions> = Config.all({
  baseUrl: optional(
    Config.string("OPENAI_BASE_URL").pipe(
      Config.mapOrFail((value) => {
        const base = readBaseUrl(value)
        return "problem" in base ? invalidVariable("OPENAI_BASE_URL", base.problem) : Either.right(base.url)
      })
    )
  ),
  apiKey: optional(Config.map(header("OPENAI_API_KEY"), Redacted.make<string>)),
  organization: optional(header("OPENAI_ORG_ID")),
  project: optional(header("OPENAI_PROJECT_ID")),
  preset: optional(
    Config.string("VIDEOS_PRESET").pipe(
      Config.mapOrFail((name) =>
        isPresetName(name) ? Either.right(name) : invalidVariable("VIDEOS_PRESET", wantedPreset)
      )
    )
  ),
  requestTimeout: optional(duration("VIDEOS_REQUEST_TIMEOUT")),
  idleTimeout: optional(duration("VIDEOS_IDLE_TIMEOUT")),
  totalTimeout: optional(duration("VIDEOS_TOTAL_TIMEOUT")),
  maxRetryAfter: optional(duration("VIDEOS_MAX_RETRY_AFTER")),
  onUnknownOutcome: optional(Config.literal("reconcile", "fail", "resend")("VIDEOS_ON_UNKNOWN_OUTCOME")),
  listLag: optional(duration("VIDEOS_LIST_LAG")),
  budget: Config.all({
    requestsPerSecond: optional(Config.number("VIDEOS_REQUESTS_PER_SECOND")),
    concurrency: optional(Config.integer("VIDEOS_CONCURRENCY"))
  }),
  watching: Config.all({
    list: optional(Config.literal("auto", "always", "never")("VIDEOS_WATCH_LIST")),
    threshold: optional(Config.integer("VIDEOS_WATCH_THRESHOLD"))
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
