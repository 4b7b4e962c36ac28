/** Reads and sets the rules over HTTP at `/_faults`, for the live page or a test in another process. */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { keyCheck } from "../keys.js"
import { type Refusal, refuse } from "../protocol.js"
import { protocolError } from "../shapes.js"
import { LogEntry } from "./model.js"
import { type Faults, Rules } from "./rules.js"

const State = Schema.Struct({ rules: Rules, log: Schema.Array(LogEntry) })

const decodeRules = Schema.decodeUnknown(Schema.Struct({ rules: Rules }), { onExcessProperty: "error" })

/** Path outside the base paths of all dialects. */
const controlPath = "/_faults"

/** Whether a request is for `/_faults`, not for the protocol. */
export const isControl = (url: string): boolean => url.replace(/[?#].*$/s, "") === controlPath

/** @internal */
export const faultControl = (faults: Faults, authorize: ReturnType<typeof keyCheck>): HttpApp.Default =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    authorize(request).pipe(
      Effect.zipRight(changeRules(faults, request)),
      Effect.zipRight(Effect.zipWith(faults.rules, faults.log, (rules, log) => ({ rules, log }))),
      Effect.flatMap((state) => Effect.orDie(Schema.encode(State)(state))),
      Effect.map((state) => HttpServerResponse.unsafeJson(state)),
      Effect.catchAll((refusal) =>
        Effect.succeed(
          HttpServerResponse.unsafeJson(protocolError(refusal), {
            status: refusal.status,
            headers: refusal.headers ?? {}
          })
        )
      )
    )
  )

const changeRules = (faults: Faults, request: HttpServerRequest.HttpServerRequest): Effect.Effect<void, Refusal> => {
  switch (request.method) {
    case "GET":
    case "HEAD":
      return Effect.void
    case "DELETE":
      return faults.clear
    case "PUT":
      return request.json.pipe(
        Effect.mapError(() => refuse(400, "The body could not be read as JSON.", { code: "invalid_body" })),
        Effect.flatMap((body) =>
          Effect.mapError(decodeRules(body), (error) =>
            refuse(400, ParseResult.TreeFormatter.formatErrorSync(error), { param: "rules", code: "invalid_value" })
          )
        ),
        Effect.flatMap(({ rules }) => faults.set(rules))
      )
    default:
      return Effect.fail(
        refuse(405, `${request.method} is not allowed here.`, {
          code: "method_not_allowed",
          headers: { allow: "GET, PUT, DELETE" }
        })
      )
  }
}
