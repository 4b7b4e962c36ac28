/** What options may be: rules that say what would be accepted. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"

/** Returns what would be accepted, or `null` where the value is. An option that is left out is fine. */
export type Rule = (value: unknown) => string | null

const rule =
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

/** `null` where it is no duration. */
const millisOf = (value: unknown): number | null =>
  isNegative(value) ? null : Option.getOrNull(Option.map(Duration.decodeUnknown(value), Duration.toMillis))

/** A time after which something ends: of no length it would end everything. */
export const timeout: Rule = rule("a duration longer than 0, such as `30 seconds`", (value) => {
  const millis = millisOf(value)
  return millis !== null && millis > 0
})

/** A time that may be none. */
export const duration: Rule = rule("a duration of 0 or more, such as `30 seconds`", (value) => millisOf(value) !== null)

/** A timer has to be set to it. */
export const finiteTimeout: Rule = rule("a finite duration longer than 0, such as `30 seconds`", (value) => {
  const millis = millisOf(value)
  return millis !== null && millis > 0 && Number.isFinite(millis)
})

/** How many; `Infinity` for any number. */
export const count: Rule = rule(
  "a positive integer, or Infinity",
  (value) => value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && Number(value) > 0)
)

/** How many, where there is a limit to it. */
export const finiteCount: Rule = rule(
  "a positive integer",
  (value) => Number.isSafeInteger(value) && Number(value) > 0
)

export const schedule: Rule = rule("a Schedule", Schedule.isSchedule)

export const boolean: Rule = rule("true or false", (value) => typeof value === "boolean")

export const callback: Rule = rule("a function", (value) => typeof value === "function")

export const oneOf = (...texts: ReadonlyArray<string>): Rule =>
  rule(`one of ${texts.join(", ")}`, (value) => typeof value === "string" && texts.includes(value))

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
