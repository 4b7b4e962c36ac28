/** A secret as a program gives it: plain or wrapped. */
import * as Redacted from "effect/Redacted"

export const revealed = (secret: string | Redacted.Redacted): string =>
  typeof secret === "string" ? secret : Redacted.value(secret)
