/** From an answer to the JSON in it, or to the error that tells why there is none. */
import type * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Errors from "../Errors.js"
import type { VideosCall, VideosHttpError, VideosResponse } from "../Http.js"
import { type Answer, isOk } from "./answer.js"
import { looksLikeHtml, maxDetail } from "./errorBody.js"
import { type Asked, requestIdOf, toError } from "./failure.js"
import { parseJson, type Secrets } from "./secrets.js"
import { diagnose } from "./transport.js"

/** @internal */
export const makeAnswers = (origin: string, { clean, scrub }: Secrets) => {
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
    const told = scrub(detail)
    return new Errors.TransportError({
      operation: call.operation,
      reason,
      origin,
      detail: told,
      // A cause that names the key stays behind, and so does a client's own error: it holds the request, headers and all.
      ...(cause instanceof Error && told === detail && !HttpClientError.isHttpClientError(cause) ? { cause } : {})
    })
  }

  const unreadable = (call: VideosCall, { headers, isCut, status, text }: Answer): Errors.ResponseDecodeError => {
    const what = isCut
      ? "it is too long"
      : text === ""
        ? "it is empty"
        : looksLikeHtml(text)
          ? "it is an HTML page; is the base URL right?"
          : "it is no JSON"
    return new Errors.ResponseDecodeError({
      ...asked(call),
      status,
      requestId: requestId(headers),
      // What is longer than any resource now is so again: only a body that is no JSON may be better the next time.
      reason: isCut ? "shape" : "syntax",
      detail: `${what} (${isCut ? "more than " : ""}${text.length} characters)`,
      body: scrub(text.slice(0, maxScrubbed)).slice(0, maxDetail)
    })
  }

  const refused = (
    call: VideosCall,
    status: number,
    headers: Headers.Headers,
    body: string
  ): Effect.Effect<never, VideosHttpError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fail(toError(asked(call), { status, headers, body }, now)))

  const found = (answer: Answer, body: unknown): VideosResponse => new Found(answer, body, scrub)

  const judge = (call: VideosCall, answer: Answer): Effect.Effect<VideosResponse, VideosHttpError> => {
    const { isCut, status, text } = answer
    if (!isOk(status) && call.isAnswer === undefined) return refused(call, status, answer.headers, text)
    const json = isCut ? Option.none() : parseJson(text)
    if (isOk(status)) {
      return Option.isSome(json)
        ? Effect.succeed(found(answer, clean(text, json.value)))
        : Effect.fail(unreadable(call, answer))
    }
    return Option.isSome(json) && call.isAnswer?.(json.value) === true
      ? Effect.succeed(found(answer, clean(text, json.value)))
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

  return { asked, broke, refused, requestId, seen, read }
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
