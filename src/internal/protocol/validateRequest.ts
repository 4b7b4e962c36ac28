/** Strict requests: what the protocol does not allow is named before anything is sent. */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import * as rules from "../config/optionRules.js"
import { checkHeader, checkHeaderValue } from "../config/validateConfig.js"
import { openai } from "../dialects/openai.js"
import * as Errors from "../errors/errors.js"
import type { CallOptions, SubmitOptions } from "../http/httpTypes.js"
import { type Dialect, routeOf } from "./dialect.js"
import { valueAt } from "./dialectResponse.js"
import type { ContentOptions } from "./requestSchemas.js"
import { acceptedId, isId } from "./videoId.js"

export const invalid = (
  operation: Errors.Operation,
  field: string,
  value: unknown,
  accepted: string
): Errors.InvalidRequestError =>
  new Errors.InvalidRequestError({ operation, field, received: rules.shapeOf(value), accepted })

/** Encodes a request to its wire form, or names the first field that the protocol does not allow. */
export const encodeRequest = <A, I>(operation: Errors.Operation, schema: Schema.Schema<A, I>) => {
  const encode = ParseResult.encodeUnknownEither(schema, { errors: "first", onExcessProperty: "error" })
  return (request: unknown): Either.Either<I, Errors.InvalidRequestError> =>
    Either.mapLeft(encode(request), (issue) => {
      const first = ParseResult.ArrayFormatter.formatIssueSync(issue)[0]
      const field = first?.path.map(String).join(".") ?? ""
      const accepted =
        first?._tag === "Missing"
          ? "given"
          : first?._tag === "Unexpected"
            ? "left out: the protocol does not have this field"
            : first?.message
      const value = field === "" ? request : valueAt(request, field)
      return invalid(operation, field === "" ? "request" : field, value, accepted ?? "another value")
    })
}

/** The path of an operation: the dialect's, or the protocol's if the dialect has none, for the error that says so. */
export const pathOf = (
  dialect: Dialect,
  operation: Errors.Operation,
  field = "",
  id?: unknown,
  namedOperation = operation
): Either.Either<string, Errors.InvalidRequestError> => {
  const path = dialect.paths[routeOf(operation)] ?? openai.paths[routeOf(operation)] ?? ""
  if (!path.includes("{id}")) return Either.right(path)
  return isId(id)
    ? Either.right(path.replace("{id}", () => encodeURIComponent(id)))
    : Either.left(invalid(namedOperation, field, id, acceptedId))
}

/** The first option that its rule does not accept, as an error. */
export const checkFields = (
  operation: Errors.Operation,
  options: object | undefined,
  fields: { readonly [name: string]: rules.Rule }
): Errors.InvalidRequestError | null => {
  const problem = rules.firstProblem(options, fields)
  return problem === null ? null : invalid(operation, problem.field, problem.value, problem.accepted)
}

export const variantRule = rules.oneOf("video", "thumbnail", "spritesheet")

/** The options that `checkExtras` checks. */
export type Extras = "extraHeaders" | "extraQuery"

const callRules: rules.RulesOf<SubmitOptions & ContentOptions, Extras | "snapshot"> = {
  idempotencyKey: rules.rule(
    "visible ASCII characters alone",
    (key) => typeof key === "string" && checkHeaderValue(key) === null
  ),
  timeout: rules.timeout,
  idleTimeout: rules.timeout,
  totalTimeout: rules.timeout,
  contentGrace: rules.duration,
  singleAttempt: rules.boolean,
  onUnknownOutcome: rules.oneOf("reconcile", "fail", "resend"),
  onResponse: rules.callback,
  variant: variantRule
}

/** What a call adds to its request has to fit into headers, and into a query. */
export const checkExtras = (
  operation: Errors.Operation,
  options: Pick<CallOptions, "extraHeaders" | "extraQuery"> | undefined
): Errors.InvalidRequestError | null => {
  for (const [name, value] of Object.entries(options?.extraHeaders ?? {})) {
    if (typeof value !== "string" || checkHeader(name, value) !== null) {
      return invalid(operation, `extraHeaders.${name}`, value, "a header's name, and printable ASCII")
    }
  }
  for (const [name, value] of Object.entries(options?.extraQuery ?? {})) {
    if (typeof value !== "string") return invalid(operation, `extraQuery.${name}`, value, "a text")
  }
  return null
}

/** The options of a call, before its request is made. */
export const checkOptions = (
  operation: Errors.Operation,
  options: SubmitOptions | undefined
): Either.Either<void, Errors.InvalidRequestError> => {
  const problem = checkFields(operation, options, callRules) ?? checkExtras(operation, options)
  return problem === null ? Either.right(undefined) : Either.left(problem)
}
