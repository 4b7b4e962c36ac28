/** The options that commands share, and the kinds of value that they take. Each refusal names its option. */
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import { type Query, readBaseUrl, readQuery, secretShape } from "effect-videos/internal/config/validateConfig"
import type { PresetName, presets } from "effect-videos/Presets"
import type { Json, VideoSeconds } from "effect-videos/Schema"

// -----------------------------------------------------------------------------
// kinds of value
// -----------------------------------------------------------------------------

const refuse = (name: string, wanted: string, given: string) =>
  ValidationError.invalidValue(HelpDoc.p(`\`--${name}\` must be ${wanted}; received ${JSON.stringify(given)}.`))

/** A text that has to be read. `type` is what the help calls it. */
const read = <A>(name: string, type: string, wanted: string, parse: (text: string) => A | undefined) =>
  Options.text(name).pipe(
    Options.withPseudoName(type),
    Options.mapEffect((text) => {
      const value = parse(text)
      return value === undefined ? Effect.fail(refuse(name, wanted, text)) : Effect.succeed(value)
    })
  )

export const integer = (name: string, least: number, most: number): Options.Options<number> =>
  read(name, "number", `a whole number from ${least} to ${most}`, (text) => {
    const value = Number(text)
    return /^\d+$/.test(text) && value >= least && value <= most ? value : undefined
  })

const units: { readonly [unit: string]: number } = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

export const duration = (name: string): Options.Options<Duration.Duration> =>
  read(name, "duration", "a number with a unit, such as `90s`, `15m` or `2h`", (text) => {
    const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
    const millis = Number(amount) * (units[unit] ?? Number.NaN)
    return Number.isFinite(millis) ? Duration.millis(millis) : undefined
  })

/**
 * What each option with a fixed set of values takes. `@effect/cli` refuses another value without the option's name; this
 * table gives it back (see `report.ts`).
 */
export const choices = {
  progress: ["bar", "plain", "json"],
  preset: ["openai", "azure", "litellm", "vllm-omni", "sglang", "new-api", "dynamo"],
  seconds: ["4", "8", "12", "16", "20"],
  order: ["asc", "desc"],
  variant: ["video", "thumbnail", "spritesheet"]
} as const satisfies { readonly [name: string]: ReadonlyArray<string> } & { readonly preset: ReadonlyArray<PresetName> }

// A preset that is added without being offered here does not compile.
choices.preset satisfies ReadonlyArray<keyof typeof presets>

export const choice = <Name extends keyof typeof choices>(
  name: Name
): Options.Options<(typeof choices)[Name][number]> => Options.choice(name, choices[name])

// -----------------------------------------------------------------------------
// where the server is
// -----------------------------------------------------------------------------

export const apiKeyFd = integer("api-key-fd", 0, 1023).pipe(
  Options.withDescription(
    "Reads the API key from this file descriptor, as in `--api-key-fd 3 3<key.txt`. Without it, OPENAI_API_KEY is the key."
  ),
  Options.optional
)

const baseUrl = Options.text("base-url").pipe(
  Options.withPseudoName("url"),
  Options.mapEffect((text) => {
    const base = readBaseUrl(text)
    return "url" in base
      ? Effect.succeed(base)
      : Effect.fail(ValidationError.invalidValue(HelpDoc.p(`\`--base-url\` ${base.problem}.`)))
  }),
  Options.withDescription("The server, up to and including the version. Without it, OPENAI_BASE_URL is."),
  Options.optional
)

/** `--query api-version=preview`: what is behind the first `=` is sent as it is. */
const query = Options.text("query").pipe(
  Options.withPseudoName("name=value"),
  Options.withDescription(
    "Adds a query parameter to every request, such as `--query api-version=preview`. It may be given several times. VIDEOS_QUERY has the others; a secret belongs there."
  ),
  Options.repeated,
  Options.mapEffect((parameters) => {
    const invalid = (problem: string) => Effect.fail(ValidationError.invalidValue(HelpDoc.p(`\`--query\` ${problem}.`)))
    const pairs = parameters.map((parameter) => {
      const at = parameter.indexOf("=")
      return [parameter.slice(0, Math.max(at, 0)), parameter.slice(at + 1)] as const
    })
    const unnamed = parameters.find((_, index) => pairs[index]?.[0] === "")
    if (unnamed !== undefined) return invalid(`must be written as \`name=value\`; received ${secretShape(unnamed)}`)
    const read = readQuery(pairs)
    return "problem" in read ? invalid(read.problem) : Effect.succeed(read.query)
  })
)

const preset = choice("preset").pipe(
  Options.withDescription(
    "How this kind of server wants to be spoken to. Without it, VIDEOS_PRESET says, or else `openai`."
  ),
  Options.optional
)

/** Where the server is and who asks. */
export const connection = { baseUrl, query, preset, apiKeyFd }

export interface Connection {
  readonly baseUrl: Option.Option<{ readonly url: string; readonly query: Query }>
  readonly query: Query
  readonly preset: Option.Option<PresetName>
  readonly apiKeyFd: Option.Option<number>
}

// -----------------------------------------------------------------------------
// what is shown
// -----------------------------------------------------------------------------

/** For every command with output. */
export const format = {
  json: Options.boolean("json").pipe(
    Options.withDescription(
      "Writes one JSON object per line to standard output. It is what is written anyway where that is no terminal."
    )
  ),
  table: Options.boolean("table").pipe(
    Options.withDescription("Writes text for people, also where standard output is no terminal.")
  )
}

const progress = choice("progress").pipe(
  Options.withDescription(
    "How progress is told on standard error: a bar per job, a line per change, or one JSON object per change. Without it, bars on a terminal that can draw them, and lines anywhere else, such as with TERM=dumb or CI."
  ),
  Options.optional
)

export interface Shown {
  readonly json: boolean
  readonly table: boolean
  readonly progress?: Option.Option<"bar" | "plain" | "json">
}

/** For commands that go on for a while. */
export const shown = { ...format, progress }

// -----------------------------------------------------------------------------
// what is waited for
// -----------------------------------------------------------------------------

export const output = Options.text("output").pipe(
  Options.withAlias("o"),
  Options.withPseudoName("path"),
  Options.withDescription("Saves the clip here once the job is done: a file, or a directory that is there already."),
  Options.optional
)

export const overwrite = Options.boolean("overwrite").pipe(
  Options.withDescription("Replaces a file that is there already.")
)

export const following = {
  output,
  overwrite,
  timeout: duration("timeout").pipe(
    Options.withDescription("Stops watching after this time, such as `15m`. The job itself goes on."),
    Options.optional
  ),
  stallTimeout: duration("stall-timeout").pipe(
    Options.withDescription("Stops watching a job in which nothing has changed for this time, such as `3m`."),
    Options.optional
  )
}

export interface Following {
  readonly timeout: Option.Option<Duration.Duration>
  readonly stallTimeout: Option.Option<Duration.Duration>
  readonly output: Option.Option<string>
  readonly overwrite: boolean
}

// -----------------------------------------------------------------------------
// what is asked for
// -----------------------------------------------------------------------------

export const prompt = Options.text("prompt").pipe(Options.withAlias("p"), Options.withPseudoName("text"))

export const seconds: Options.Options<VideoSeconds> = choice("seconds").pipe(
  Options.map((text) => Number(text) as VideoSeconds)
)

const parseJson = (text: string): Json => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** `--set seed=7`: a number, a boolean or any JSON where it reads as such, else a text. */
export const extraBody = Options.text("set").pipe(
  Options.withPseudoName("name=value"),
  Options.withDescription(
    "Adds a parameter of the server's own to the request, such as `--set seed=7`. It may be given several times."
  ),
  Options.repeated,
  Options.mapEffect((settings) =>
    Effect.map(
      Effect.forEach(settings, (setting) => {
        const at = setting.indexOf("=")
        return at > 0
          ? Effect.succeed([setting.slice(0, at), parseJson(setting.slice(at + 1))] as const)
          : Effect.fail(refuse("set", "written as `name=value`", setting))
      }),
      (entries): { readonly [name: string]: Json } => Object.fromEntries(entries)
    )
  )
)

export const watch = Options.boolean("watch").pipe(
  Options.withAlias("w"),
  Options.withDescription("Follows the job until it ends. `--output` implies it.")
)

export const idempotencyKey = Options.text("idempotency-key").pipe(
  Options.withPseudoName("key"),
  Options.withDescription(
    "Sends this key with the submission, so that a server that knows the header makes no second job for it."
  ),
  Options.optional
)
