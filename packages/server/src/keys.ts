/** Checks the API key of a request. */
import { createHash, timingSafeEqual } from "node:crypto"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import { type Refusal, refuse } from "./protocol.js"
import { revealed } from "./secret.js"

// All hashes have the same length, so the time of a comparison reveals neither a key nor its length.
const hash = (key: string): Buffer => createHash("sha256").update(key).digest()

/**
 * Makes a check that refuses a request without a known key with 401. The key is in `Authorization: Bearer`, or alone in one
 * of the other headers. If `keys` is `undefined`, every request passes.
 */
export const keyCheck = (
  keys: ReadonlyArray<string | Redacted.Redacted> | undefined,
  otherHeaders: ReadonlyArray<string>
): ((request: HttpServerRequest.HttpServerRequest) => Effect.Effect<void, Refusal>) => {
  if (keys === undefined) return () => Effect.void
  const known = keys.map((key) => hash(revealed(key)))
  const refused = (message: string) =>
    Effect.fail(refuse(401, message, { code: "invalid_api_key", headers: { "www-authenticate": "Bearer" } }))
  return ({ headers }) => {
    const bearer = /^Bearer +(.*\S)\s*$/i.exec(headers.authorization ?? "")?.[1]
    const given = [bearer, ...otherHeaders.map((name) => headers[name])].filter(
      (key) => key !== undefined && key !== ""
    )
    if (given.length === 0) return refused("No API key was given. Send one as 'Authorization: Bearer KEY'.")
    const matches = given.some((key) => {
      const hashed = hash(key ?? "")
      return known.some((other) => timingSafeEqual(other, hashed))
    })
    return matches ? Effect.void : refused("The API key is not one that this server knows.")
  }
}
