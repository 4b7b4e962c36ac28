/** Variables of the environment. */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as rules from "./optionRules.js"

/** The value of a text, or what is wrong with it. */
export type Read<A> = (text: string) => { readonly value: A } | { readonly problem: string }

/** One variable. One that is empty, or has white space alone, is not set: `undefined`. */
export const variable = <A>(name: string, read: Read<A>): Config.Config<A | undefined> =>
  Config.option(Config.string(name)).pipe(
    Config.mapOrFail((found): Either.Either<A | undefined, ConfigError.ConfigError> => {
      if (Option.isNone(found) || found.value.trim() === "") return Either.right(undefined)
      const result = read(found.value)
      return "problem" in result ? Either.left(rules.configError(name, result.problem)) : Either.right(result.value)
    })
  )

/** A variable by the rule of its option, which says that the value is an `A`. */
const checked = <A>(name: string, rule: rules.Rule, parse: (text: string) => unknown) =>
  variable(name, (text) => {
    const value = parse(text.trim())
    const accepted = rule(value)
    return accepted === null
      ? { value: value as A }
      : { problem: `must be ${accepted}; received ${rules.shapeOf(value)}` }
  })

/** A duration, such as `30 seconds`. */
export const duration = (name: string, rule: rules.Rule) => checked<Duration.DurationInput>(name, rule, (text) => text)

/** A decimal number. What is longer than any number that makes sense may be a secret: an error does not show it. */
export const number = (name: string, rule: rules.Rule) =>
  checked<number>(name, rule, (text) =>
    text.length <= 24 && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text
  )

export const oneOf = <A extends string>(name: string, ...accepted: ReadonlyArray<A>) =>
  checked<A>(name, rules.oneOf(...accepted), (text) => text)
