/** Pages of `GET /videos`, by cursor. */
import * as Effect from "effect/Effect"
import type { Job } from "./Jobs.js"
import { type Refusal, refuse } from "./protocol.js"

/** Limits of a page, and the response to a cursor that names no job. */
export interface ListRule {
  readonly minLimit: number
  readonly maxLimit: number
  readonly defaultLimit: number
  readonly unknownAfter: "refused" | "empty"
  /** HTTP status for an invalid `limit` or `order`. */
  readonly status: number
}

/** Limits of the protocol. A cursor that names no existing job is refused with 400. */
export const protocolList: ListRule = {
  minLimit: 0,
  maxLimit: 100,
  defaultLimit: 20,
  unknownAfter: "refused",
  status: 400
}

/** @internal */
export interface Page {
  readonly jobs: ReadonlyArray<Job>
  readonly hasMore: boolean
}

/** Returns the page for a query. Newest first unless `order=asc`; jobs of the same millisecond keep their creation order. */
export const pageOf = (
  all: ReadonlyArray<Job>,
  query: URLSearchParams,
  rule: ListRule
): Effect.Effect<Page, Refusal> => {
  const refused = (param: string, message: string, code: string) => refuse(rule.status, message, { param, code })
  const given = query.get("limit")
  const limit = given === null ? rule.defaultLimit : /^-?\d{1,9}$/.test(given) ? Number(given) : Number.NaN
  if (Number.isNaN(limit)) {
    return Effect.fail(refused("limit", "Invalid type for 'limit': expected an integer.", "invalid_type"))
  }
  if (given !== null && (limit < rule.minLimit || limit > rule.maxLimit)) {
    const bounds = `${rule.minLimit}${rule.maxLimit === Infinity ? " or more" : ` to ${rule.maxLimit}`}`
    const code = limit < rule.minLimit ? "integer_below_min_value" : "integer_above_max_value"
    return Effect.fail(refused("limit", `Invalid 'limit': expected an integer of ${bounds}.`, code))
  }
  const order = query.get("order") ?? "desc"
  if (order !== "asc" && order !== "desc") {
    const message = "Invalid value for 'order'. Supported values are: 'asc' and 'desc'."
    return Effect.fail(refused("order", message, "invalid_value"))
  }
  const ordered = order === "asc" ? all : [...all].reverse()
  const after = query.get("after")
  const at = after === null ? -1 : ordered.findIndex(({ id, retrieveId }) => id === after || retrieveId === after)
  if (after !== null && at === -1) {
    return rule.unknownAfter === "empty"
      ? Effect.succeed({ jobs: [], hasMore: false })
      : Effect.fail(refused("after", `Invalid 'after': no video with the id '${after}'.`, "invalid_value"))
  }
  const jobs = ordered.slice(at + 1, at + 1 + limit)
  return Effect.succeed({ jobs, hasMore: at + 1 + jobs.length < ordered.length })
}
