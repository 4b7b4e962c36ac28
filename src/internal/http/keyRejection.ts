/** Recognises the refusal of a submission whose `Idempotency-Key`, or whose request, the server has already. */
import type * as Errors from "../errors/errors.js"
import { type ErrorBody, readErrorBody } from "./errorBody.js"

// Codes of Comfy, HeyGen, Stripe and the IETF's draft for a key that was used before, and for a key that is malformed.
const usedBefore =
  /re-?us|\bused\b|(^|_)used|in[_ ]use|in[_ ]progress|being processed|processing|conflict|duplicate|already|exists|mismatch|different|same (key|param|payload|body|request)|concurrent|pending|outstanding|replay/i
const malformedKey = /missing|required|invalid|malformed|too[_ ]long|too[_ ]short|length|format|support|allowed/i
const repeatedRequest =
  /^(request_(is_)?(already_)?in_progress|request_already_\w+|(request_)?already_(submitted|processed)|duplicate[d]?_(request|submission|task|job)(_id)?|request_duplicated?)$/
const repeatedMessage = /duplicate request|request (with \w+ \w+ )?(is |was |has )?(been )?already /i

/** `IdempotencyKeyReused`, `idempotency-key-reused` and `idempotency_key_reused` are one code. */
const snake = (code: string): string =>
  code
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/[^a-zA-Z0-9]+/g, "_")
    .toLowerCase()

const isKeyCode = (code: string): boolean => {
  const name = snake(code)
  if (repeatedRequest.test(name)) return true
  return name.includes("idempoten") && (usedBefore.test(name) || !malformedKey.test(name))
}

const rejectsKey = (code: string | null, message: string): boolean => {
  const isMalformed = malformedKey.test(message) && !usedBefore.test(message)
  if (code !== null && isKeyCode(code)) return usedBefore.test(snake(code)) || !isMalformed
  return /idempoten/i.test(message) ? usedBefore.test(message) : repeatedMessage.test(message)
}

/** The responses that may say that the server has the `Idempotency-Key` or the request already. */
type KeyRejection = Exclude<
  Errors.SubmissionUncertainError["reason"],
  Errors.RequestTimeoutError | Errors.TransportError
>

const isResponseError = (error: { readonly _tag: string }): error is KeyRejection =>
  ["BadRequestError", "ConflictError", "ServerError", "ResponseDecodeError"].includes(error._tag)

const codeAndMessage = (error: { readonly _tag: string }): Pick<ErrorBody, "code" | "message"> | null => {
  if (!isResponseError(error)) return null
  if (error._tag !== "ResponseDecodeError") return { code: error.code, message: error.detail }
  const body = readErrorBody(error.body)
  return { code: keyCode(body) ?? body.code, message: body.code === null && body.type === null ? "" : body.message }
}

/** The code or the type of an error, if it is about the key. */
export const keyCode = ({ code, type }: ErrorBody): string | null =>
  [code, type].find((word) => word !== null && isKeyCode(word)) ?? null

/** Whether the server refused a submission because it has its `Idempotency-Key` already: it made a job, or is making one. */
export const isKeyRejection = (error: { readonly _tag: string }): boolean => {
  const refusal = codeAndMessage(error)
  return refusal !== null && rejectsKey(refusal.code, refusal.message)
}

/** Whether the refusal says that the key was used with another request. */
export const isOfOtherRequest = (error: { readonly _tag: string }): boolean => {
  const refusal = codeAndMessage(error)
  const other = /mismatch|different|other (request|param|payload|body)|same (param|payload|body|request)|not match/i
  return refusal !== null && other.test(`${refusal.code} ${refusal.message}`)
}
