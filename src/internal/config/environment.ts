/** Variables of the environment. */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { duration as anyDuration, type Rule, shapeOf } from "./optionRules.js"

/** The value of a text, or what is wrong with it. */
export type Read<A> = (text: string) => { readonly value: A } | { readonly problem: string }

/** One variable. One that is empty, or has white space alone, is not set: `undefined`. */
export const variable = <A>(name: string, read: Read<A>): Config.Config<A | undefined> =>
  Config.option(Config.string(name)).pipe(
    Config.mapOrFail((found): Either.Either<A | undefined, ConfigError.ConfigError> => {
      if (Option.isNone(found) || found.value.trim() === "") return Either.right(undefined)
      const result = read(found.value)
      // The name is in the message as well as in the path: `ConfigError`'s `message` leaves the path out.
      return "problem" in result
        ? Either.left(ConfigError.InvalidData([name], `\`${name}\` ${result.problem}`))
        : Either.right(result.value)
    })
  )

/** A duration, such as `30 seconds`. */
export const duration = (name: string, rule: Rule = anyDuration) =>
  variable(name, (text) => {
    const accepted = rule(text.trim())
    const value = Option.getOrNull(Duration.decodeUnknown(text.trim()))
    return value === null || accepted !== null
      ? { problem: `must be ${accepted ?? "a duration"}; received ${shapeOf(text)}` }
      : { value }
  })

/** A decimal number. */
export const number = (name: string, wanted: string, isAccepted: (value: number) => boolean) =>
  variable(name, (text) => {
    const written = text.trim()
    const isNumber = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(written)
    const value = Number(written)
    return isNumber && isAccepted(value)
      ? { value }
      : { problem: `must be ${wanted}; received ${isNumber && written.length <= 24 ? written : shapeOf(text)}` }
  })

export const positiveInteger = (name: string) =>
  number(name, "a positive integer", (value) => Number.isSafeInteger(value) && value > 0)
