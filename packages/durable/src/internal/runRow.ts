/** One row of the table of runs, and what a public `Run` shows of it. */
import * as DateTime from "effect/DateTime"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { Candidate, ExtendToRequest, isEnded, type Run, type RunSegment, RunState } from "../Runs.js"
import { Plan, progressOf, reachedOf } from "./runPlan.js"

/** SQLite returns whole numbers as `bigint`, Postgres `BIGINT` as text. */
const Numeric = Schema.transform(Schema.Union(Schema.Number, Schema.BigIntFromSelf, Schema.String), Schema.Number, {
  strict: true,
  decode: Number,
  encode: (value) => value
})

const text = Schema.NullOr(Schema.String)
const numeric = Schema.NullOr(Numeric)

/** Columns in the order of the table. Times are Unix milliseconds, lists JSON. */
export const RunRow = Schema.Struct({
  execution_id: Schema.String,
  kind: Schema.Literal("create", "extend", "extendTo"),
  run_key: Schema.String,
  attempt: Numeric,
  fingerprint: Schema.String,
  request: Schema.String,
  state: RunState,
  server: Schema.String,
  idempotency_key: Schema.String,
  /** Ids of the newest jobs before it was sent; `null`: not known. */
  baseline: Schema.NullOr(Schema.parseJson(Schema.Array(Schema.String))),
  intent_at: numeric,
  /** Set while the outcome of a request is open. */
  sent_at: numeric,
  sends: Numeric,
  job_id: text,
  status: text,
  progress: numeric,
  candidates: Schema.NullOr(Schema.parseJson(Schema.Array(Candidate))),
  problem: text,
  location: text,
  bytes: numeric,
  cancel: Schema.NullOr(Schema.Literal("keep job", "delete job")),
  /** A job's id, `resend` or `give up`, until the run has taken it. */
  resolution: text,
  /** The number of the current or latest wait. */
  round: Numeric,
  /** Failures in a row, for the backoff. */
  tries: Numeric,
  /** Since when the server does not know the job. */
  missing_since: numeric,
  wake_at: numeric,
  nudges: Numeric,
  version: Numeric,
  created_at: Numeric,
  updated_at: Numeric,
  ended_at: numeric,
  /** Execution of the run of `extendTo` that this run is a segment of. */
  parent: text,
  /** Of a run of `extendTo`. */
  plan: Schema.NullOr(Schema.parseJson(Plan)),
  /** Why an extension was refused before it was paid for: the server extends nothing, or not this clip. */
  refusal: Schema.NullOr(Schema.Literal("server", "clip"))
})

export interface RunRow extends Schema.Schema.Type<typeof RunRow> {}

export type Columns = {
  -readonly [name in keyof RunRow]?: (typeof RunRow.Encoded)[name] | undefined
}

/** The fields that are not as they should be, each once, and not what is in them: no prompt is in a message. */
export const fieldsOf = (error: ParseResult.ParseError): ReadonlyArray<string> => [
  ...new Set(ParseResult.ArrayFormatter.formatErrorSync(error).map(({ path }) => path.join(".")))
]

const time = (millis: number | null): DateTime.Utc | null => (millis === null ? null : DateTime.unsafeMake(millis))

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** What a run of `extendTo` has of its own. `open` is the row of its pending segment, if it is recorded. */
const extendToFields = (row: RunRow, open: RunRow | null): Pick<Run, "progress" | "seconds" | "segments"> => {
  const { plan } = row
  const request = Schema.decodeOption(Schema.parseJson(ExtendToRequest))(row.request)
  if (plan === null || request._tag === "None") return { progress: null, seconds: null, segments: [] }
  const { done, pending } = plan
  const last: RunSegment | null =
    pending === null
      ? null
      : {
          segment: pending.segment,
          way: pending.way,
          execution: pending.execution,
          state: open?.state ?? "accepted",
          jobId: open?.job_id ?? null,
          progress: open?.progress ?? null,
          seconds: pending.seconds
        }
  const complete = done.map((segment): RunSegment => ({ ...segment, state: "done", progress: 100 }))
  const isOpen = last !== null && (!isEnded(last.state) || last.state === "done")
  return {
    progress: row.state === "done" ? 100 : progressOf(plan, request.value, isOpen ? last : null),
    seconds: reachedOf(plan, request.value),
    segments: last === null ? complete : [...complete, last]
  }
}

export const toRun = (row: RunRow, open: RunRow | null): Run => ({
  execution: row.execution_id,
  kind: row.kind,
  key: row.run_key,
  attempt: row.attempt,
  state: row.state,
  request: parse(row.request),
  server: row.server,
  idempotencyKey: row.idempotency_key,
  sends: row.sends,
  jobId: row.job_id,
  status: row.status,
  ...(row.kind === "extendTo" ? extendToFields(row, open) : { progress: row.progress, seconds: null, segments: [] }),
  parent: row.parent,
  candidates: row.candidates ?? [],
  problem: row.problem,
  location: row.location,
  bytes: row.bytes,
  cancel: row.cancel,
  wakeAt: time(row.wake_at),
  nudges: row.nudges,
  version: row.version,
  createdAt: DateTime.unsafeMake(row.created_at),
  updatedAt: DateTime.unsafeMake(row.updated_at),
  endedAt: time(row.ended_at)
})
