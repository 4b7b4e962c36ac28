/** Variables of the environment. */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Option from "effect/Option"

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
