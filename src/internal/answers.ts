/** From an answer to the JSON in it, or to the error that tells why there is none. */
import type * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Errors from "../Errors.js"
import type { Limits, VideosCall, VideosHttpError, VideosResponse } from "../Http.js"
import { type Answer, isOk } from "./answer.js"
import { looksLikeHtml, maxDetail } from "./errorBody.js"
import { type Asked, requestIdOf, toError } from "./failure.js"
import { prune } from "./limits.js"
import { parseJson, type Secrets } from "./secrets.js"
import { diagnose, retold } from "./transport.js"
import * as wire from "./wire.js"

/** @internal */
export const makeAnswers = (origin: string, { clean, scrub }: Secrets, limits: Limits) => {
  const requestId = (headers: Headers.Headers) => requestIdOf(headers, scrub)

  const asked = (call: VideosCall): Asked => ({
    operation: call.operation,
    route: `${call.request.method} ${call.request.url}`,
    origin,
    scrub,
    videoId: call.videoId ?? null
  })

  const broke = (call: VideosCall, cause: unknown): Errors.TransportError => {
    const { detail, reason } = diagnose(cause)
    const told = HttpClientError.isHttpClientError(cause) ? undefined : retold(cause, scrub)
    return new Errors.TransportError({
      operation: call.operation,
      reason,
      origin,
      detail: scrub(detail),
      ...(told === undefined ? {} : { cause: told })
    })
  }

  const undecodable = (
    call: VideosCall,
    { headers, status }: Pick<Answer, "headers" | "status">,
    reason: Errors.ResponseDecodeError["reason"],
    detail: string,
    body: string
  ): Errors.ResponseDecodeError =>
    new Errors.ResponseDecodeError({
      ...asked(call),
      status,
      requestId: requestId(headers),
      reason,
      detail,
      body: scrub(body.slice(0, maxScrubbed)).slice(0, maxDetail)
    })

  // What is more than anybody wants now is so again: only a body that is no JSON may be better the next time.
  const tooMuch = (call: VideosCall, answer: Pick<Answer, "headers" | "status">, what: string, body = "") =>
    undecodable(call, answer, "shape", what, body)

  const unreadable = (call: VideosCall, answer: Answer): Errors.ResponseDecodeError => {
    const { isCut, text } = answer
    if (isCut) return tooMuch(call, answer, `it is too long (more than ${limits.jsonBytes} bytes)`, text)
    const what =
      text === "" ? "it is empty" : looksLikeHtml(text) ? "it is an HTML page; is the base URL right?" : "it is no JSON"
    return undecodable(call, answer, "syntax", `${what} (${text.length} characters)`, text)
  }

  const refused = (
    call: VideosCall,
    status: number,
    headers: Headers.Headers,
    body: string
  ): Effect.Effect<never, VideosHttpError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fail(toError(asked(call), { status, headers, body }, now)))

  const accept = (call: VideosCall, answer: Answer, json: unknown): Effect.Effect<VideosResponse, VideosHttpError> => {
    const items = itemsIn(json)
    if (items > limits.listItems) {
      return Effect.fail(tooMuch(call, answer, `it lists ${items} items, more than ${limits.listItems}`, answer.text))
    }
    // Each level takes two characters at least.
    if (answer.text.length > 2 * limits.jsonDepth) prune(json, limits.jsonDepth)
    return Effect.succeed(new Found(answer, clean(answer.text, json), scrub))
  }

  const judge = (call: VideosCall, answer: Answer): Effect.Effect<VideosResponse, VideosHttpError> => {
    const { isCut, status, text } = answer
    if (!isOk(status) && call.isAnswer === undefined) return refused(call, status, answer.headers, text)
    const json = isCut ? Option.none() : parseJson(text)
    if (isOk(status)) {
      return Option.isSome(json) ? accept(call, answer, json.value) : Effect.fail(unreadable(call, answer))
    }
    return Option.isSome(json) && call.isAnswer?.(json.value) === true
      ? accept(call, answer, json.value)
      : refused(call, status, answer.headers, text)
  }

  /** Every answer of the server passes here first, or where its bytes are handed over. */
  const seen = (call: VideosCall, { headers, status }: Pick<Answer, "headers" | "status">): Effect.Effect<void> => {
    const onResponse = call.options?.onResponse
    return onResponse === undefined ? Effect.void : onResponse({ status, headers, requestId: requestId(headers) })
  }

  const read = (call: VideosCall, answer: Answer): Effect.Effect<VideosResponse, VideosHttpError> =>
    call.options?.onResponse === undefined
      ? judge(call, answer)
      : Effect.zipRight(
          seen(call, answer),
          Effect.suspend(() => judge(call, answer))
        )

  return { asked, broke, refused, requestId, seen, read, tooMuch }
}

/** How many items a page has; 0 for what is no page. */
const itemsIn = (json: unknown): number => {
  const items = wire.isObject(json) ? json.data : json
  return Array.isArray(items) ? items.length : 0
}

/** Most callers look at the body alone: the headers, and the id in them, are read where they are asked for. */
class Found implements VideosResponse {
  readonly status: number
  readonly body: unknown
  private readonly answer: Answer
  private readonly scrub: Secrets["scrub"]

  constructor(answer: Answer, body: unknown, scrub: Secrets["scrub"]) {
    this.status = answer.status
    this.body = body
    this.answer = answer
    this.scrub = scrub
  }
  get headers(): Headers.Headers {
    return this.answer.headers
  }
  get requestId(): string | null {
    return requestIdOf(this.answer.headers, this.scrub)
  }
}

/** A body is cut before its secrets are taken out: far behind what an error shows, so that no half of one is shown. */
const maxScrubbed = 64 * 1024
