/** What options may be: rules that say what would be accepted. */
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"

/** The shape of a value, in words that give nothing of a text away. */
export const shapeOf = (value: unknown): string => {
  if (typeof value === "string") return `a text of ${value.length} characters`
  if (typeof value === "number" || typeof value === "boolean") return String(value)
  if (value === null || value === undefined) return "nothing"
  if (Array.isArray(value)) return `a list of ${value.length} items`
  if (typeof value === "object")
    return `an object with the fields ${Object.keys(value).slice(0, 8).join(", ") || "none"}`
  return `a ${typeof value}`
}

/** Returns what would be accepted, or `null` if the value is. An option that is left out is fine. */
export type Rule = (value: unknown) => string | null

/** A rule for each field of some options: a field that is renamed or added does not compile without one. */
export type RulesOf<Options, Unchecked extends keyof Options = never> = {
  readonly [name in Exclude<keyof Options, Unchecked>]-?: Rule
}

export const rule =
  (accepted: string, isFine: (value: unknown) => boolean): Rule =>
  (value) =>
    value === undefined || isFine(value) ? null : accepted

/** `Duration.decode` takes a negative number, and one that is none, for 0. */
const isNegative = (value: unknown): boolean => {
  if (typeof value === "number") return Number.isNaN(value) || value < 0
  if (typeof value === "bigint") return value < BigInt(0)
  if (typeof value === "string") return value.trim().startsWith("-")
  return Array.isArray(value) && value.some(isNegative)
}

/** Not a number if it is not a duration. */
const millisOf = (value: unknown): number =>
  isNegative(value)
    ? Number.NaN
    : Option.match(Duration.decodeUnknown(value), { onNone: () => Number.NaN, onSome: Duration.toMillis })

const durationRule = (kind: string, isFine: (millis: number) => boolean): Rule =>
  rule(`a ${kind}, such as \`30 seconds\``, (value) => isFine(millisOf(value)))

/** A time after which something ends: of no length it would end everything. */
export const timeout = durationRule("duration longer than 0", (millis) => millis > 0)

export const duration = durationRule("duration of 0 or more", (millis) => millis >= 0)

export const finiteDuration = durationRule("finite duration of 0 or more", Number.isFinite)

/** A timer has to be set to it. */
export const finiteTimeout = durationRule(
  "finite duration longer than 0",
  (millis) => millis > 0 && Number.isFinite(millis)
)

/** How many; `Infinity` for any number. */
export const count: Rule = rule(
  "a positive integer, or Infinity",
  (value) => value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && Number(value) > 0)
)

export const finiteCount: Rule = rule("a positive integer", (value) => Number.isSafeInteger(value) && Number(value) > 0)

export const schedule: Rule = rule("a Schedule", Schedule.isSchedule)

export const boolean: Rule = rule("true or false", (value) => typeof value === "boolean")

export const callback: Rule = rule("a function", (value) => typeof value === "function")

export const anyText: Rule = rule("a text", (value) => typeof value === "string")

export const text: Rule = rule("a text that is not empty", (value) => typeof value === "string" && value !== "")

/** The same, and it may not be left out. */
export const required =
  (accepts: Rule): Rule =>
  (value) =>
    value === undefined ? (accepts(null) ?? "given") : accepts(value)

export const oneOf = (...texts: ReadonlyArray<string>): Rule =>
  rule(`one of ${texts.join(", ")}`, (value) => typeof value === "string" && texts.includes(value))

/** What is wrong with an option, in a configuration's words. */
export interface Problem {
  readonly name: string
  readonly problem: string
}

export const problemIn = (options: object | undefined, rules: { readonly [name: string]: Rule }): Problem | null => {
  const first = firstProblem(options, rules)
  return first && { name: first.field, problem: `must be ${first.accepted}; received ${shapeOf(first.value)}` }
}

/** The name is in the message as well as in the path: `ConfigError`'s `message` leaves the path out, its `toString` has both. */
export const configError = (name: string, problem: string): ConfigError.ConfigError =>
  ConfigError.InvalidData([name], `\`${name}\` ${problem}`)

/** Fails with a `ConfigError` for the first option that its rule does not accept. */
export const checkConfig = (
  options: object | undefined,
  rules: { readonly [name: string]: Rule }
): Effect.Effect<void, ConfigError.ConfigError> =>
  Effect.suspend(() => {
    const first = problemIn(options, rules)
    return first === null ? Effect.void : Effect.fail(configError(first.name, first.problem))
  })

/** The first field that its rule does not accept, and what the rule would. */
export const firstProblem = (
  options: object | undefined,
  rules: { readonly [name: string]: Rule }
): { readonly field: string; readonly value: unknown; readonly accepted: string } | null => {
  if (options === undefined) return null
  for (const [field, accepts] of Object.entries(rules)) {
    const value: unknown = Reflect.get(options, field)
    const accepted = accepts(value)
    if (accepted !== null) return { field, value, accepted }
  }
  return null
}
