/**
 * Schemas of faults and rules. Every value is plain JSON with its units in the field names, so that a program can save, send
 * and show it unchanged. The constructors are in `Fault.ts`.
 */
import * as Schema from "effect/Schema"
import { type Json, maxUnixMillis } from "../json.js"
import { type Operation, operations } from "../operations.js"

const Count = Schema.Int.pipe(Schema.greaterThanOrEqualTo(0))
const Positive = Schema.Int.pipe(Schema.positive())
/** Milliseconds ahead, or behind if negative; limited to the range of `Date`. */
const Offset = Schema.Finite.pipe(Schema.between(-maxUnixMillis, maxUnixMillis))
const Delay = Schema.Finite.pipe(Schema.between(0, maxUnixMillis))

const JsonValue: Schema.Schema<Json> = Schema.suspend(() =>
  Schema.Union(
    Schema.String,
    Schema.Finite,
    Schema.Boolean,
    Schema.Null,
    Schema.Array(JsonValue),
    Schema.Record({ key: Schema.String, value: JsonValue })
  )
).annotations({ identifier: "Json" })

/**
 * Header that says when to retry: `Retry-After` in seconds, `retry-after-ms`, or `Retry-After` as an HTTP-date.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RetryAfter = Schema.Struct({
  form: Schema.Literal("seconds", "millis", "date"),
  /** Milliseconds from now; negative is in the past. */
  afterMillis: Offset
}).annotations({ identifier: "RetryAfter" })

/**
 * @since 0.1.0
 * @category models
 */
export interface RetryAfter extends Schema.Schema.Type<typeof RetryAfter> {}

/** @internal */
export const Status = Schema.TaggedStruct("Status", {
  status: Schema.Int.pipe(Schema.between(200, 599)),
  body: Schema.Literal("json", "html", "empty"),
  /** Whether the server runs the operation before it sends this response. */
  committed: Schema.Boolean,
  code: Schema.optional(Schema.String),
  message: Schema.optional(Schema.String),
  retryAfter: Schema.optional(RetryAfter)
})

/** @internal */
export const Reset = Schema.TaggedStruct("Reset", {
  at: Schema.Literal("before-headers", "after-commit", "mid-body")
})

/** @internal */
export const Hang = Schema.TaggedStruct("Hang", { committed: Schema.Boolean })

/** @internal */
export const Redirect = Schema.TaggedStruct("Redirect", {
  to: Schema.String.pipe(Schema.filter((to) => URL.canParse(to) || "an absolute URL")),
  status: Schema.Literal(301, 302, 303, 307, 308)
})

/** @internal */
export const CutJson = Schema.TaggedStruct("CutJson", {})

/** @internal */
export const Slow = Schema.TaggedStruct("Slow", { bytes: Positive, everyMillis: Delay })

/** @internal */
export const ContentLength = Schema.TaggedStruct("ContentLength", {
  /** Bytes that the header adds to the true length; negative subtracts. */
  off: Schema.Int.pipe(Schema.filter((off) => off !== 0 || "not 0"))
})

/** @internal */
export const Stale = Schema.TaggedStruct("Stale", { byMillis: Delay })

/** @internal */
export const Skew = Schema.TaggedStruct("Skew", { aheadMillis: Offset })

/** @internal */
export const Fields = Schema.TaggedStruct("Fields", {
  fields: Schema.Record({ key: Schema.String, value: JsonValue })
})

/** @internal */
export const Duplicate = Schema.TaggedStruct("Duplicate", { of: Schema.Literal("job", "response") })

/** @internal */
export const Page = Schema.TaggedStruct("Page", { is: Schema.Literal("doubled", "empty", "first") })

/** @internal */
export const HugeList = Schema.TaggedStruct("HugeList", { items: Positive })

/** @internal */
export const Expire = Schema.TaggedStruct("Expire", {})

/** @internal */
export const Endless = Schema.TaggedStruct("Endless", {})

/** @internal */
export const Bomb = Schema.TaggedStruct("Bomb", { bytes: Count })

/** @internal */
export const Deep = Schema.TaggedStruct("Deep", { depth: Positive })

/** @internal */
export const Poison = Schema.TaggedStruct("Poison", {})

/** @internal */
export const Headers = Schema.TaggedStruct("Headers", { bytes: Positive })

/**
 * Fault of one request.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Fault = Schema.Union(
  Status,
  Reset,
  Hang,
  Redirect,
  CutJson,
  Slow,
  ContentLength,
  Stale,
  Skew,
  Fields,
  Duplicate,
  Page,
  HugeList,
  Expire,
  Endless,
  Bomb,
  Deep,
  Poison,
  Headers
).annotations({ identifier: "Fault" })

/**
 * @since 0.1.0
 * @category models
 */
export type Fault = typeof Fault.Type

/**
 * Condition that selects among the requests that match a rule. Each rule counts its requests from 1.
 *
 * @since 0.1.0
 * @category schemas
 */
export const When = Schema.Union(
  Schema.TaggedStruct("Always", {}),
  Schema.TaggedStruct("Nth", { n: Schema.NonEmptyArray(Positive) }),
  Schema.TaggedStruct("Every", { n: Positive }),
  Schema.TaggedStruct("First", { n: Count }),
  Schema.TaggedStruct("Chance", { probability: Schema.Number.pipe(Schema.between(0, 1)), seed: Schema.Int })
).annotations({ identifier: "When" })

/**
 * @since 0.1.0
 * @category models
 */
export type When = typeof When.Type

const submissions: ReadonlyArray<Operation> = ["create", "extend", "edit", "remix"]
const jobs: ReadonlyArray<Operation> = [...submissions, "retrieve", "list"]
const texts: ReadonlyArray<Operation> = operations.filter((operation) => operation !== "content")

/** Operations of faults that do not apply to all operations; for example, a submission cannot be stale. */
const operationsByFault: { readonly [tag in Fault["_tag"]]?: ReadonlyArray<Operation> } = {
  CutJson: texts,
  Deep: texts,
  Poison: texts,
  Stale: ["retrieve", "list", "content"],
  Fields: jobs,
  Duplicate: submissions,
  Page: ["list"],
  HugeList: ["list"],
  Expire: ["content"]
}

/** Returns the operations to which a fault applies. */
export const operationsOf = (fault: Fault): ReadonlyArray<Operation> => operationsByFault[fault._tag] ?? operations

const OperationName = Schema.Literal(
  "create",
  "list",
  "retrieve",
  "delete",
  "content",
  "remix",
  "edit",
  "extend",
  "createCharacter",
  "retrieveCharacter"
)

/**
 * A fault, and the requests that it applies to.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Rule = Schema.Struct({
  /** Operations. Default: every operation to which the fault applies. */
  on: Schema.optional(Schema.NonEmptyArray(OperationName)),
  /** Condition. Default: always. */
  when: Schema.optional(When),
  /** Largest number of injections. Default: no limit. */
  times: Schema.optional(Count),
  fault: Fault
})
  .pipe(
    Schema.filter(({ fault, on }) => {
      const allowed = operationsOf(fault)
      const wrong = on?.filter((operation) => !allowed.includes(operation)) ?? []
      return wrong.length === 0 || `${fault._tag} applies to ${allowed.join(", ")}, not to ${wrong.join(", ")}`
    })
  )
  .annotations({ identifier: "Rule" })

/**
 * @since 0.1.0
 * @category models
 */
export interface Rule extends Schema.Schema.Type<typeof Rule> {}

/**
 * A request that the server received, and its fault.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LogEntry = Schema.Struct({
  /** Unix milliseconds, by the server's `Clock`. */
  at: Schema.Number,
  /** `null` if the request matched no served operation. */
  operation: Schema.NullOr(OperationName),
  method: Schema.String,
  /** Path with its query. */
  path: Schema.String,
  /** `null` if the request had no fault. */
  fault: Schema.NullOr(Fault),
  /** HTTP status of the response; `null` before it, and if the request ended without one. */
  status: Schema.NullOr(Schema.Int),
  /** Milliseconds until the response headers or the end of the request; `null` before. */
  durationMillis: Schema.NullOr(Schema.Number)
}).annotations({ identifier: "LogEntry" })

/**
 * @since 0.1.0
 * @category models
 */
export interface LogEntry extends Schema.Schema.Type<typeof LogEntry> {}
