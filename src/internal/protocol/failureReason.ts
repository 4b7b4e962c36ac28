/** Why a job failed, from a server that does not send the protocol's `error: { code, message }`. */
import * as wire from "./jsonReaders.js"
import type { VideoFault } from "./videoTypes.js"

/** A name without case, `_` and `-`. */
const plain = (name: string): string => name.replace(/[_-]/g, "").toLowerCase()

// `fail_reason` (new-api), `failure_reason`, `failReason`, `error_message`, `err_msg`, `failed_message` and so on.
const isReason = /^(fail|failed|failure|err|error)(reason|message|msg|detail|details|info|text|description|cause)$/
const isCode = /^(fail|failed|failure|err|error|reason)code$/

/** Names that mean a reason in a failed job alone: `task_status_msg` is Kling's. */
const general = [
  ...["reason", "statusreason", "statusmessage", "statusmsg", "statusdetail", "statusdetails", "taskstatusmsg"],
  ...["message", "msg", "detail"]
]

/** Objects in which servers put their own fields of a job: new-api, Kling, LiteLLM's adapters. */
const nested = ["data", "metadata", "result", "output", "task", "status_details"]

/** A text that gives no reason: an envelope's word for success, or the status alone. */
const isFine = (text: string): boolean => /^(ok|success|succeed|succeeded|null|none|failed|failure)$/i.test(text.trim())

const textOf = (value: unknown): string | null => {
  const text = Array.isArray(value)
    ? value.filter((part) => typeof part === "string").join("; ")
    : typeof value === "string"
      ? value
      : ""
  return text.trim() === "" || isFine(text) ? null : text
}

const faultOf = (value: unknown): VideoFault | null => {
  const text = textOf(value)
  if (text !== null) return { code: null, message: text }
  const fault = wire.isObject(value) ? wire.fault(value) : null
  return fault === null || fault.message === "" ? null : fault
}

const codeOf = (value: unknown): string | null =>
  Number.isSafeInteger(value) && value !== 0 ? String(value) : wire.text(value)

const readIn = (body: wire.JsonObject, depth: number): VideoFault | null => {
  const entries = Object.entries(body).map(([name, value]) => [plain(name), value] as const)
  const ranked = [
    ...entries.filter(([name]) => isReason.test(name)),
    ...general.flatMap((name) => entries.filter((entry) => entry[0] === name))
  ]
  let fault: VideoFault | null = null
  for (const [, value] of ranked) fault ??= faultOf(value)
  const code = codeOf(entries.find(([name]) => isCode.test(name))?.[1])
  if (fault !== null) return { code: fault.code ?? code, message: fault.message }
  if (depth > 0) {
    for (const name of nested) {
      const value = Array.isArray(body[name]) ? body[name][0] : body[name]
      if (!wire.isObject(value)) continue
      const inner = faultOf(value.error) ?? readIn(value, depth - 1)
      if (inner !== null) return { code: inner.code ?? code, message: inner.message }
    }
    // new-api writes the reason of an old job where the URL of a clip would be.
    const url = wire.isObject(body.metadata) ? textOf(body.metadata.url) : null
    if (url !== null && !/^([a-z][a-z0-9+.-]*:|\/)/i.test(url)) return { code, message: url }
  }
  return code === null ? null : { code, message: "" }
}

/** `error` as it was read, or, if it says nothing to people, what the body of a failed job says elsewhere. */
export const failureReason = (body: wire.JsonObject, error: VideoFault | null): VideoFault | null => {
  if (error !== null && error.message !== "") return error
  const other = readIn(body, 2)
  if (other === null) return error
  return { ...error, code: error?.code ?? other.code, message: other.message }
}
