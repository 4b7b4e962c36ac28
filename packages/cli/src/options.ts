/** The options that commands share, and the kinds of value that they take. Each refusal names its option. */
import * as Args from "@effect/cli/Args"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DialectName, dialects, Json } from "effect-videos"
import { UsageError } from "./errors.js"

// -----------------------------------------------------------------------------
// kinds of value
// -----------------------------------------------------------------------------

const invalid = (name: string, problem: string) => ValidationError.invalidValue(HelpDoc.p(`\`--${name}\` ${problem}.`))

const parsed = <A>(name: string, wanted: string, parse: (text: string) => A | undefined) =>
  Options.mapEffect(Options.text(name), (text) => {
    const value = parse(text)
    return value === undefined
      ? Effect.fail(invalid(name, `must be ${wanted}; received ${JSON.stringify(text)}`))
      : Effect.succeed(value)
  })

export const integer = (name: string, least: number, most: number): Options.Options<number> =>
  parsed(name, `a whole number from ${least} to ${most}`, (text) => {
    const value = Number(text)
    return /^\d+$/.test(text) && value >= least && value <= most ? value : undefined
  })

const units: { readonly [unit: string]: number } = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

export const duration = (name: string): Options.Options<Duration.Duration> =>
  parsed(name, "a number with a unit, such as `90s`, `15m` or `2h`", (text) => {
    const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
    const millis = Number(amount) * (units[unit] ?? Number.NaN)
    return Number.isFinite(millis) ? Duration.millis(millis) : undefined
  })

/** An amount of money, such as `2.5`. */
export const amount = (name: string): Options.Options<number> =>
  parsed(name, "an amount, such as `2.5`", (text) => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined))

/** What each option with a fixed set of values takes. `@effect/cli` refuses others without the option's name (see `report.ts`). */
export const choices = {
  progress: ["bar", "plain", "json"],
  dialect: [
    "openai",
    "azure",
    "litellm",
    "xai",
    "aiproxy",
    "openrouter",
    "llmgateway",
    "vllm-omni",
    "sglang",
    "new-api",
    "dynamo"
  ],
  order: ["asc", "desc"],
  variant: ["video", "thumbnail", "spritesheet"]
} as const satisfies { readonly [name: string]: ReadonlyArray<string> } & {
  readonly dialect: ReadonlyArray<DialectName>
}

// A dialect that is added without being offered here does not compile.
choices.dialect satisfies ReadonlyArray<keyof typeof dialects>

export const choice = <Name extends keyof typeof choices>(
  name: Name
): Options.Options<(typeof choices)[Name][number]> => Options.choice(name, choices[name])

export const parseJson = (text: string): Json => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** An option that may be given several times. A refusal shows its length alone: a query may hold a key. */
const pairs = (name: string) =>
  Options.repeated(Options.text(name)).pipe(
    Options.mapEffect((given) => {
      const entries = given.map((text) => [text.split("=", 1)[0] ?? "", text] as const)
      const unnamed = given.find((text) => text.indexOf("=") < 1)
      const twice = entries.find(([name], index) => entries.findIndex(([other]) => other === name) < index)
      if (unnamed !== undefined) {
        const problem = `must be written as \`name=value\`; received a text of ${unnamed.length} characters`
        return Effect.fail(invalid(name, problem))
      }
      if (twice !== undefined) {
        return Effect.fail(invalid(name, `must name each parameter once; received \`${twice[0]}\` twice`))
      }
      return Effect.succeed(Object.fromEntries(entries.map(([name, text]) => [name, text.slice(name.length + 1)])))
    })
  )

// -----------------------------------------------------------------------------
// the server
// -----------------------------------------------------------------------------

export const apiKeyFd = Options.optional(integer("api-key-fd", 0, 1023))

export const connection = {
  baseUrl: Options.optional(Options.text("base-url")),
  query: pairs("query"),
  dialect: Options.optional(choice("dialect")),
  apiKeyFd
}

export interface Connection {
  readonly baseUrl: Option.Option<string>
  readonly query: { readonly [name: string]: string }
  readonly dialect: Option.Option<DialectName>
  readonly apiKeyFd: Option.Option<number>
}

// -----------------------------------------------------------------------------
// output and waiting
// -----------------------------------------------------------------------------

export const format = { json: Options.boolean("json"), table: Options.boolean("table") }

export interface Shown {
  readonly json: boolean
  readonly table: boolean
  readonly progress?: Option.Option<"bar" | "plain" | "json">
}

export const shown = { ...format, progress: Options.optional(choice("progress")) }

export const output = Options.text("output").pipe(Options.withAlias("o"), Options.optional)

export const overwrite = Options.boolean("overwrite")

export const following = {
  output,
  overwrite,
  timeout: Options.optional(duration("timeout")),
  stallTimeout: Options.optional(duration("stall-timeout"))
}

export interface Following {
  readonly timeout: Option.Option<Duration.Duration>
  readonly stallTimeout: Option.Option<Duration.Duration>
  readonly output: Option.Option<string>
  readonly overwrite: boolean
}

// -----------------------------------------------------------------------------
// submissions
// -----------------------------------------------------------------------------

/** As an argument, or as an option for a prompt that begins with a dash. */
export const prompt = {
  promptArgument: Args.optional(Args.text({ name: "PROMPT" })),
  promptOption: Options.text("prompt").pipe(Options.withAlias("p"), Options.optional)
}

export const promptOf = (given: {
  readonly promptArgument: Option.Option<string>
  readonly promptOption: Option.Option<string>
}): Effect.Effect<string, UsageError> =>
  Option.isSome(given.promptArgument) && Option.isSome(given.promptOption)
    ? new UsageError({ field: given.promptArgument.value, problem: "is one argument too many" })
    : Effect.mapError(
        Option.orElse(given.promptArgument, () => given.promptOption),
        () => new UsageError({ field: "PROMPT", problem: "is missing: what the video shows" })
      )

/** The dialect has the range. */
export const seconds = integer("seconds", 1, 3600)

/** What every submission takes. A value of `--set` is a number, a boolean or JSON if it reads as such, else a text. */
export const submission = {
  ...prompt,
  watch: Options.boolean("watch").pipe(Options.withAlias("w")),
  ...following,
  extraBody: Options.map(pairs("set"), (given): { readonly [name: string]: Json } =>
    Object.fromEntries(Object.entries(given).map(([name, text]) => [name, parseJson(text)]))
  ),
  idempotencyKey: Options.optional(Options.text("idempotency-key")),
  ...shown,
  ...connection
}

export interface Submission extends Following, Connection, Shown {
  readonly promptArgument: Option.Option<string>
  readonly promptOption: Option.Option<string>
  readonly watch: boolean
  readonly extraBody: { readonly [name: string]: Json }
  readonly idempotencyKey: Option.Option<string>
}
