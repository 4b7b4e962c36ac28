/**
 * Tolerant readers: one small function for each way in which servers spell the same thing. Each takes whatever
 * `JSON.parse` gave and returns `null` if there is nothing readable.
 */

import { jobIdNames } from "./json.js"
import type { VideoCost, VideoFault } from "./videoTypes.js"

export type JsonObject = { readonly [key: string]: unknown }

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A string with something in it. Servers write an absent string as `null`, as `""` or not at all. */
export const text = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null)

/**
 * An id: a string, or an integer as its digits. `JSON.parse` rounds an integer above 2^53, so that a number of that size is
 * not an id.
 */
export const id = (value: unknown): string | null =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)
    ? String(value)
    : text(value)

/** The id of a job: its `id`, or what some servers send in its place. */
export const jobId = (body: JsonObject): string | null => {
  const own = id(body.id)
  if (own !== null && own !== "0") return own
  for (const name of jobIdNames) {
    const other = id(body[name])
    if (other !== null) return other
  }
  return own
}

const wrappers = ["data", "video", "result", "output", "task"] as const

/** The object inside `{ data: … }` and similar envelopes that is a job by `isJob`; else the body itself. */
export const jobIn = (body: JsonObject, isJob: (inner: JsonObject) => boolean): JsonObject => {
  if (jobId(body) !== null) return body
  for (const name of wrappers) {
    const inner = body[name]
    if (isObject(inner) && isJob(inner)) return inner
  }
  return body
}

/** Years past 9999 and dates before 1970 are a unit mix-up or an attack; neither is a time. */
export const maxUnixMillis = 253_402_300_799_999

/** Unix seconds (integer, float or digits in a string) to milliseconds. LiteLLM writes "no time" as `0`. */
export const unixMillis = (value: unknown): number | null => {
  const seconds = number(value)
  if (seconds === null || seconds <= 0) return null
  const millis = Math.round(seconds * 1000)
  return millis > 0 && millis <= maxUnixMillis ? millis : null
}

/** A finite number, or a string that is one. */
export const number = (value: unknown): number | null => {
  if (typeof value === "number") return Number.isFinite(value) ? value : null
  if (typeof value !== "string" || !/^\s*[-+]?\d+(\.\d+)?(e[-+]?\d+)?\s*$/i.test(value)) return null
  const parsed = Number(value)
  return Number.isFinite(parsed) ? parsed : null
}

/** A length in seconds. The protocol writes it as a string; `"0"` is what SGLang makes of a rounded short clip. */
export const seconds = (value: unknown): number | null => {
  const parsed = number(typeof value === "string" ? value.replace(/s$/i, "") : value)
  return parsed !== null && parsed >= 0 && parsed <= Number.MAX_SAFE_INTEGER ? parsed : null
}

/** A percentage: integer, float (Bifrost) or `"30%"` (new-api's old dialect), clamped to 0..100. */
export const percent = (value: unknown): number | null => {
  const parsed = number(typeof value === "string" ? value.replace(/%\s*$/, "") : value)
  return parsed === null ? null : Math.min(100, Math.max(0, parsed))
}

const codeOf = (value: unknown): string | null =>
  typeof value === "number" && Number.isFinite(value) ? String(value) : text(value)

/** A job's `error`: the protocol's `{code, message}`, vLLM-Omni's integer code, SGLang's `{message}`, a bare string. */
export const fault = (value: unknown): VideoFault | null => {
  if (typeof value === "string") return value === "" ? null : { code: null, message: value }
  if (!isObject(value)) return null
  const keys = Object.keys(value)
  if (keys.length === 0) return null
  const message = value.message ?? value.detail ?? value.msg ?? value.reason
  return {
    code: codeOf(value.code ?? value.type),
    message: typeof message === "string" ? message : "message" in value || "code" in value ? "" : JSON.stringify(value),
    ...(typeof value.billed === "boolean" ? { billed: value.billed } : {})
  }
}

/** What a job costs, as the client writes it. */
export const cost = (value: unknown): VideoCost | null => {
  if (!isObject(value)) return null
  const amount = number(value.amount)
  const currency = text(value.currency)
  return amount === null || currency === null ? null : { amount, currency }
}
