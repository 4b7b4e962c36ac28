/**
 * Faults and rules as data. What is held is what is written: every value is plain JSON, with its units in its names, so that
 * it can be saved, sent and shown as it is. Constructors are in `Fault.ts`.
 */
import * as Schema from "effect/Schema"
import { type Json, maxUnixMillis } from "../json.js"
import { type Operation, operations } from "../operations.js"

const Count = Schema.Int.pipe(Schema.greaterThanOrEqualTo(0))
const Positive = Schema.Int.pipe(Schema.positive())
/** Either sign: what is negative is behind. Within the dates that there are. */
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
 * How an answer says when to come back: `Retry-After` in seconds, `retry-after-ms`, or `Retry-After` as an HTTP-date.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RetryAfter = Schema.Struct({
  form: Schema.Literal("seconds", "millis", "date"),
  /** From now; negative is in the past. */
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
  /** Whether the request is carried out before it is answered so. */
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
  /** By how many bytes the header says more (or, negative, less) than is sent. */
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
export const Duplicate = Schema.TaggedStruct("Duplicate", { of: Schema.Literal("job", "answer") })

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
 * What goes wrong with one request.
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
 * Which of the requests that a rule is about have the fault. Requests are counted by rule, from 1.
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

/** What a fault can be about, where that is not everything: nothing lags when a job is made. */
const subjects: { readonly [tag in Fault["_tag"]]?: ReadonlyArray<Operation> } = {
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

/** The operations that a fault can befall. */
export const subjectsOf = (fault: Fault): ReadonlyArray<Operation> => subjects[fault._tag] ?? operations

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
 * A fault, and the requests that it befalls.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Rule = Schema.Struct({
  /** Left out: every operation that the fault can befall. */
  on: Schema.optional(Schema.NonEmptyArray(OperationName)),
  /** Left out: always. */
  when: Schema.optional(When),
  /** At most so many times in all. Left out: no limit. */
  times: Schema.optional(Count),
  fault: Fault
})
  .pipe(
    Schema.filter(({ fault, on }) => {
      const subject = subjectsOf(fault)
      const other = on?.filter((operation) => !subject.includes(operation)) ?? []
      return other.length === 0 || `${fault._tag} is a fault of ${subject.join(", ")}, not of ${other.join(", ")}`
    })
  )
  .annotations({ identifier: "Rule" })

/**
 * @since 0.1.0
 * @category models
 */
export interface Rule extends Schema.Schema.Type<typeof Rule> {}

/**
 * A request that the server had, and what was done to it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LogEntry = Schema.Struct({
  /** Unix milliseconds, by the server's `Clock`. */
  at: Schema.Number,
  /** `null` for a path that is not served. */
  operation: Schema.NullOr(OperationName),
  method: Schema.String,
  /** With its query. */
  path: Schema.String,
  /** `null` where the request was answered as it should be. */
  fault: Schema.NullOr(Fault)
}).annotations({ identifier: "LogEntry" })

/**
 * @since 0.1.0
 * @category models
 */
export interface LogEntry extends Schema.Schema.Type<typeof LogEntry> {}
