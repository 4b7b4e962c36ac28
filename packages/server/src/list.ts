/** `GET /videos`: pages by cursor. */
import * as Effect from "effect/Effect"
import type { Job } from "./Jobs.js"
import { type Refusal, refuse } from "./protocol.js"

/** How many jobs a page may have, and what a cursor that names no job gives. */
export interface ListRule {
  readonly least: number
  readonly most: number
  /** Where no `limit` is given. */
  readonly usual: number
  readonly unknownAfter: "refused" | "empty"
  /** Of a `limit` or an `order` that cannot be read. */
  readonly status: number
}

/** The protocol's. A job that is not there, or no longer, is refused as a cursor with 400. */
export const protocolList: ListRule = { least: 0, most: 100, usual: 20, unknownAfter: "refused", status: 400 }

/** @internal */
export interface Page {
  readonly jobs: ReadonlyArray<Job>
  readonly hasMore: boolean
}

/** The page that a query asks for: newest first unless `order=asc`; jobs of one millisecond as they were made. */
export const pageOf = (
  all: ReadonlyArray<Job>,
  query: URLSearchParams,
  rule: ListRule
): Effect.Effect<Page, Refusal> => {
  const refused = (param: string, message: string, code: string) => refuse(rule.status, message, { param, code })
  const given = query.get("limit")
  const limit = given === null ? rule.usual : /^-?\d{1,9}$/.test(given) ? Number(given) : Number.NaN
  if (Number.isNaN(limit)) {
    return Effect.fail(refused("limit", "Invalid type for 'limit': expected an integer.", "invalid_type"))
  }
  if (given !== null && (limit < rule.least || limit > rule.most)) {
    const bounds = `${rule.least}${rule.most === Infinity ? " or more" : ` to ${rule.most}`}`
    const code = limit < rule.least ? "integer_below_min_value" : "integer_above_max_value"
    return Effect.fail(refused("limit", `Invalid 'limit': expected an integer of ${bounds}.`, code))
  }
  const order = query.get("order") ?? "desc"
  if (order !== "asc" && order !== "desc") {
    const message = "Invalid value for 'order'. Supported values are: 'asc' and 'desc'."
    return Effect.fail(refused("order", message, "invalid_value"))
  }
  const ordered = order === "asc" ? all : [...all].reverse()
  const after = query.get("after")
  const at = after === null ? -1 : ordered.findIndex(({ id, lookId }) => id === after || lookId === after)
  if (after !== null && at === -1) {
    return rule.unknownAfter === "empty"
      ? Effect.succeed({ jobs: [], hasMore: false })
      : Effect.fail(refused("after", `Invalid 'after': no video with the id '${after}'.`, "invalid_value"))
  }
  const jobs = ordered.slice(at + 1, at + 1 + limit)
  return Effect.succeed({ jobs, hasMore: at + 1 + jobs.length < ordered.length })
}
