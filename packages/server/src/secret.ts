/** Reads a secret that is a plain string or `Redacted`. */
import * as Redacted from "effect/Redacted"

export const revealed = (secret: string | Redacted.Redacted): string =>
  typeof secret === "string" ? secret : Redacted.value(secret)
