/** The fields of a request's body, from JSON or from a form. */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Multipart from "@effect/platform/Multipart"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Fields, type Refusal, refuse, UploadedFile } from "./protocol.js"

/**
 * Which bodies are taken: JSON and forms; forms alone, anything else being read as an empty form; JSON alone; or both,
 * text that is no JSON being read as an empty object.
 */
export type BodyRule = "any" | "form" | "json" | "lenient"

const badBody = (message: string) => refuse(400, message, { code: "invalid_body" })

/** Of several values with one name, the first. A `null` prototype: a field may have any name. */
const readForm = (form: Multipart.Persisted): Fields =>
  Object.assign(
    Object.create(null),
    Object.fromEntries(
      Object.entries(form).map(([name, value]) => {
        const first = typeof value === "string" ? value : value[0]
        return [
          name,
          Multipart.isPersistedFile(first) ? new UploadedFile(first.path, first.name, first.contentType) : first
        ]
      })
    )
  )

/** Whether a request's body is a form. */
export const isForm = (request: HttpServerRequest.HttpServerRequest): boolean =>
  (request.headers["content-type"] ?? "").toLowerCase().startsWith("multipart/form-data")

/** @internal */
export const readBody = (
  rule: BodyRule
): Effect.Effect<
  Fields,
  Refusal,
  HttpServerRequest.HttpServerRequest | Scope.Scope | FileSystem.FileSystem | Path.Path
> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const type = (request.headers["content-type"] ?? "").toLowerCase()
    if (isForm(request)) {
      if (rule === "json") return Effect.fail(badBody("Expected a body of type 'application/json'."))
      return Effect.mapBoth(request.multipart, {
        onFailure: (error) => badBody(`The form could not be read: ${error.reason}.`),
        onSuccess: readForm
      })
    }
    if (rule === "form") return Effect.succeed({})
    if (!type.startsWith("application/json")) {
      return Effect.fail(
        refuse(415, "Expected a body of type 'application/json' or 'multipart/form-data'.", {
          code: "unsupported_media_type"
        })
      )
    }
    const json = Effect.mapError(request.json, () => badBody("The body could not be read as JSON."))
    return Effect.flatMap(rule === "lenient" ? Effect.orElseSucceed(json, () => ({})) : json, (body) =>
      typeof body === "object" && body !== null && !Array.isArray(body)
        ? Effect.succeed(body as Fields)
        : Effect.fail(badBody("Expected a JSON object as the body."))
    )
  })
