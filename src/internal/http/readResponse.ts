/** From an answer to the JSON in it, or to the error that tells why there is none. */
import type * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Limits } from "../config/configTypes.js"
import { prune } from "../config/limits.js"
import * as Errors from "../errors/errors.js"
import * as wire from "../protocol/jsonReaders.js"
import { looksLikeHtml, maxDetail } from "./errorBody.js"
import type { VideosCall, VideosHttpError, VideosResponse } from "./httpTypes.js"
import { parseJson, type Secrets } from "./redaction.js"
import { type Answer, isOk } from "./responseBody.js"
import { type Asked, requestIdOf, toError } from "./responseError.js"
import { diagnose, retold } from "./transportError.js"

/** Where the request of one try is: `null` at the API's own origin, else the URL that a redirect or a job led to. */
export interface Whereabouts {
  url: string | null
}

/** @internal */
export const makeAnswers = (origin: string, { clean, scrub }: Secrets, limits: Limits) => {
  const requestId = (headers: Headers.Headers) => requestIdOf(headers, scrub)

  const originAt = ({ url }: Whereabouts): string => (url === null ? origin : new URL(url).origin)

  /** What an error says of a request. Of a URL that was led to, its query and its fragment stay out: they may be signed. */
  const asked = (call: VideosCall, at: Whereabouts): Asked => {
    const host = originAt(at)
    const isForeign = at.url !== null && host !== origin
    return {
      operation: call.operation,
      route: `${call.request.method} ${isForeign ? scrub(host + new URL(at.url ?? "").pathname) : call.request.url}`,
      origin: host,
      isForeign,
      scrub,
      videoId: call.videoId ?? null
    }
  }

  const broke = (call: VideosCall, cause: unknown, at: Whereabouts): Errors.TransportError => {
    const { detail, reason } = diagnose(cause)
    const told = HttpClientError.isHttpClientError(cause) ? undefined : retold(cause, scrub)
    return new Errors.TransportError({
      operation: call.operation,
      reason,
      origin: originAt(at),
      detail: scrub(detail),
      ...(told === undefined ? {} : { cause: told })
    })
  }

  const undecodable = (
    call: VideosCall,
    { headers, status }: Pick<Answer, "headers" | "status">,
    reason: Errors.ResponseDecodeError["reason"],
    detail: string,
    body: string,
    at: Whereabouts
  ): Errors.ResponseDecodeError =>
    new Errors.ResponseDecodeError({
      ...asked(call, at),
      status,
      requestId: requestId(headers),
      reason,
      detail,
      body: scrub(body.slice(0, maxScrubbed)).slice(0, maxDetail)
    })

  // What is more than anybody wants now is so again: only a body that is no JSON may be better the next time.
  const tooMuch = (
    call: VideosCall,
    answer: Pick<Answer, "headers" | "status">,
    what: string,
    at: Whereabouts,
    body = ""
  ) => undecodable(call, answer, "shape", what, body, at)

  const unreadable = (call: VideosCall, answer: Answer, at: Whereabouts): Errors.ResponseDecodeError => {
    const { isCut, text } = answer
    if (isCut) return tooMuch(call, answer, `it is too long (more than ${limits.jsonBytes} bytes)`, at, text)
    const what =
      text === "" ? "it is empty" : looksLikeHtml(text) ? "it is an HTML page; is the base URL right?" : "it is no JSON"
    return undecodable(call, answer, "syntax", `${what} (${text.length} characters)`, text, at)
  }

  const refused = (
    call: VideosCall,
    status: number,
    headers: Headers.Headers,
    body: string,
    at: Whereabouts
  ): Effect.Effect<never, VideosHttpError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.fail(toError(asked(call, at), { status, headers, body }, now))
    )

  const accept = (
    call: VideosCall,
    answer: Answer,
    json: unknown,
    at: Whereabouts
  ): Effect.Effect<VideosResponse, VideosHttpError> => {
    const items = itemsIn(json)
    if (items > limits.listItems) {
      const what = `it lists ${items} items, more than ${limits.listItems}`
      return Effect.fail(tooMuch(call, answer, what, at, answer.text))
    }
    // Each level takes two characters at least.
    if (answer.text.length > 2 * limits.jsonDepth) prune(json, limits.jsonDepth)
    return Effect.succeed(new Found(answer, clean(answer.text, json), scrub))
  }

  const judge = (call: VideosCall, answer: Answer, at: Whereabouts): Effect.Effect<VideosResponse, VideosHttpError> => {
    const { isCut, status, text } = answer
    if (!isOk(status) && call.isAnswer === undefined) return refused(call, status, answer.headers, text, at)
    const json = isCut ? Option.none() : parseJson(text)
    if (isOk(status)) {
      return Option.isSome(json) ? accept(call, answer, json.value, at) : Effect.fail(unreadable(call, answer, at))
    }
    return Option.isSome(json) && call.isAnswer?.(json.value) === true
      ? accept(call, answer, json.value, at)
      : refused(call, status, answer.headers, text, at)
  }

  /** Every answer of the server passes here first, or where its bytes are handed over. */
  const seen = (call: VideosCall, { headers, status }: Pick<Answer, "headers" | "status">): Effect.Effect<void> => {
    const onResponse = call.options?.onResponse
    return onResponse === undefined ? Effect.void : onResponse({ status, headers, requestId: requestId(headers) })
  }

  const read = (call: VideosCall, answer: Answer, at: Whereabouts): Effect.Effect<VideosResponse, VideosHttpError> =>
    call.options?.onResponse === undefined
      ? judge(call, answer, at)
      : Effect.zipRight(
          seen(call, answer),
          Effect.suspend(() => judge(call, answer, at))
        )

  return { asked, originAt, broke, refused, requestId, seen, read, tooMuch }
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
