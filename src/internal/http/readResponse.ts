/** From a response to the JSON in it, or to the error that says why there is none. `url` is that of its request. */
import type * as Headers from "@effect/platform/Headers"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import { isHttpClientError } from "@effect/platform/HttpClientError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Limits } from "../config/configTypes.js"
import * as Errors from "../errors/errors.js"
import { prune } from "../protocol/json.js"
import * as wire from "../protocol/jsonReaders.js"
import { looksLikeHtml, maxDetail } from "./errorBody.js"
import type { VideosCall, VideosHttpError, VideosResponse } from "./httpTypes.js"
import { parseJson, type Secrets } from "./redaction.js"
import { isOk } from "./responseBody.js"
import { type Asked, requestIdOf, toError } from "./responseError.js"
import type { ResponseHead, WholeResponse } from "./transport.js"
import { diagnose, retold } from "./transportError.js"

/** A body is truncated before its secrets are redacted: far behind the part that an error shows, so that it shows no half of one. */
const maxRedacted = 64 * 1024

/** How many items a page has; 0 if it is not a page. */
const itemsIn = (json: unknown): number => {
  const items = wire.isObject(json) ? json.data : json
  return Array.isArray(items) ? items.length : 0
}

/** @internal */
export const makeResponseReader = (origin: string, { clean, scrub }: Secrets, limits: Limits) => {
  const requestId = (headers: Headers.Headers) => requestIdOf(headers, scrub)

  /** What an error says of a request. The query and the fragment of another host's URL stay out: they may be signed. */
  const asked = (call: VideosCall, url: string): Asked => {
    const { origin: host, pathname } = new URL(url)
    const isForeign = host !== origin
    return {
      operation: call.operation,
      route: `${call.request.method} ${isForeign ? scrub(host + pathname) : call.request.url}`,
      origin: host,
      isForeign,
      scrub,
      videoId: call.videoId ?? null
    }
  }

  const broken = (call: VideosCall, error: HttpClientError.HttpClientError, url: string): Errors.TransportError => {
    const cause = error.cause ?? error
    const { detail, reason } = diagnose(cause)
    const shown = isHttpClientError(cause) ? undefined : retold(cause, scrub)
    return new Errors.TransportError({
      operation: call.operation,
      reason,
      origin: new URL(url).origin,
      detail: scrub(detail),
      ...(shown === undefined ? {} : { cause: shown })
    })
  }

  const undecodable = (
    call: VideosCall,
    { headers, status }: ResponseHead,
    reason: Errors.ResponseDecodeError["reason"],
    detail: string,
    url: string,
    body: string
  ): Errors.ResponseDecodeError =>
    new Errors.ResponseDecodeError({
      ...asked(call, url),
      status,
      requestId: requestId(headers),
      reason,
      detail,
      body: scrub(body.slice(0, maxRedacted)).slice(0, maxDetail)
    })

  /** Another attempt would bring as much again, so that this is not a `syntax` error, which is transient. */
  const tooMuch = (call: VideosCall, response: ResponseHead, detail: string, url: string, body = "") =>
    undecodable(call, response, "shape", detail, url, body)

  const unreadable = (call: VideosCall, response: WholeResponse, url: string): Errors.ResponseDecodeError => {
    const { isTruncated, text } = response
    if (isTruncated) return tooMuch(call, response, `it is too long (more than ${limits.jsonBytes} bytes)`, url, text)
    const what =
      text === "" ? "it is empty" : looksLikeHtml(text) ? "it is an HTML page; is the base URL right?" : "it is no JSON"
    return undecodable(call, response, "syntax", `${what} (${text.length} characters)`, url, text)
  }

  const statusError = (call: VideosCall, response: WholeResponse, url: string): Effect.Effect<never, VideosHttpError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { headers, status, text } = response
      return Effect.fail(toError(asked(call, url), { status, headers, body: text }, now))
    })

  const accepted = (
    call: VideosCall,
    { headers, status, text }: WholeResponse,
    json: unknown,
    url: string
  ): Effect.Effect<VideosResponse, VideosHttpError> => {
    const items = itemsIn(json)
    if (items > limits.listItems) {
      const what = `it lists ${items} items, more than ${limits.listItems}`
      return Effect.fail(tooMuch(call, { headers, status }, what, url, text))
    }
    // Each level takes two characters at least.
    if (text.length > 2 * limits.jsonDepth) prune(json, limits.jsonDepth)
    return Effect.succeed({ status, headers, requestId: requestId(headers), body: clean(text, json) })
  }

  const decode = (
    call: VideosCall,
    response: WholeResponse,
    url: string
  ): Effect.Effect<VideosResponse, VideosHttpError> => {
    const { isTruncated, status, text } = response
    if (!isOk(status) && call.isAnswer === undefined) return statusError(call, response, url)
    const json = isTruncated ? Option.none() : parseJson(text)
    if (isOk(status)) {
      return Option.isSome(json)
        ? accepted(call, response, json.value, url)
        : Effect.fail(unreadable(call, response, url))
    }
    return Option.isSome(json) && call.isAnswer?.(json.value) === true
      ? accepted(call, response, json.value, url)
      : statusError(call, response, url)
  }

  /** Runs the call's `onResponse`: before the response is decoded, or its bytes are handed over. */
  const seen = (call: VideosCall, { headers, status }: ResponseHead): Effect.Effect<void> => {
    const onResponse = call.options?.onResponse
    return onResponse === undefined ? Effect.void : onResponse({ status, headers, requestId: requestId(headers) })
  }

  const read = (
    call: VideosCall,
    response: WholeResponse,
    url: string
  ): Effect.Effect<VideosResponse, VideosHttpError> =>
    Effect.flatMap(seen(call, response), () => decode(call, response, url))

  /** The error of a response to a download. */
  const refused = (call: VideosCall, response: WholeResponse, url: string): Effect.Effect<never, VideosHttpError> =>
    Effect.flatMap(seen(call, response), () => statusError(call, response, url))

  return { asked, broken, refused, requestId, seen, read, tooMuch }
}
