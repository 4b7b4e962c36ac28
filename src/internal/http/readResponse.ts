/** Decodes a response to JSON or to a tagged error. `url` is that of its request. */
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
import { makeRedactCall, parseJson, type Secrets } from "./redaction.js"
import { isOk } from "./responseBody.js"
import { type RequestContext, requestIdOf, toError } from "./responseError.js"
import type { ResponseHead, WholeResponse } from "./transport.js"
import { diagnose, redactCause } from "./transportError.js"

/** A body is truncated here before its secrets are redacted: far behind the part that an error shows. */
const maxRedacted = 64 * 1024

/** The number of items of a page; 0 if it is not a page. */
const itemsIn = (json: unknown): number => {
  const items = wire.isObject(json) ? json.data : json
  return Array.isArray(items) ? items.length : 0
}

/** @internal */
export const makeResponseReader = (origin: string, { redact, redactJson }: Secrets, limits: Limits) => {
  /** Redacts the secrets of the configuration and of the call. */
  const redactFor = (call: VideosCall): ((text: string) => string) => {
    const redactCall = makeRedactCall(call)
    return (text) => redactCall(redact(text))
  }

  const requestId = (call: VideosCall, headers: Headers.Headers) => requestIdOf(headers, redactFor(call))

  /** The query and the fragment of another host's URL are left out: they may be signed. */
  const contextOf = (call: VideosCall, url: string): RequestContext => {
    const { origin: host, pathname } = new URL(url)
    const redact = redactFor(call)
    const isForeign = host !== origin
    return {
      operation: call.operation,
      route: `${call.request.method} ${isForeign ? redact(host + pathname) : call.request.url}`,
      origin: host,
      isForeign,
      redact,
      videoId: call.videoId ?? null
    }
  }

  const transportError = (
    call: VideosCall,
    error: HttpClientError.HttpClientError,
    url: string
  ): Errors.TransportError => {
    const cause = error.cause ?? error
    const { detail, reason } = diagnose(cause)
    const redact = redactFor(call)
    const shown = isHttpClientError(cause) ? undefined : redactCause(cause, redact)
    return new Errors.TransportError({
      operation: call.operation,
      reason,
      origin: new URL(url).origin,
      detail: redact(detail),
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
      ...contextOf(call, url),
      status,
      requestId: requestId(call, headers),
      reason,
      detail,
      body: redactFor(call)(body.slice(0, maxRedacted)).slice(0, maxDetail)
    })

  /** Not a `syntax` error, which is transient: another attempt would be too long again. */
  const tooMuch = (call: VideosCall, response: ResponseHead, detail: string, url: string, body = "") =>
    undecodable(call, response, "shape", detail, url, body)

  const unreadable = (call: VideosCall, response: WholeResponse, url: string): Errors.ResponseDecodeError => {
    const { isTruncated, text } = response
    if (isTruncated) return tooMuch(call, response, `it is too long (more than ${limits.jsonBytes} bytes)`, url, text)
    const what =
      text === "" ? "it is empty" : looksLikeHtml(text) ? "it is an HTML page; check the base URL" : "it is not JSON"
    return undecodable(call, response, "syntax", `${what} (${text.length} characters)`, url, text)
  }

  const statusError = (call: VideosCall, response: WholeResponse, url: string): Effect.Effect<never, VideosHttpError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { headers, status, text } = response
      return Effect.fail(toError(contextOf(call, url), { status, headers, text }, now))
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
    // Each level has at least two characters.
    if (text.length > 2 * limits.jsonDepth) prune(json, limits.jsonDepth)
    return Effect.succeed({ status, headers, requestId: requestId(call, headers), body: redactJson(text, json) })
  }

  const decode = (
    call: VideosCall,
    response: WholeResponse,
    url: string
  ): Effect.Effect<VideosResponse, VideosHttpError> => {
    const { isTruncated, status, text } = response
    if (!isOk(status) && call.acceptsErrorBody === undefined) return statusError(call, response, url)
    const mayBeEmpty = call.kind === "remove" ? isOk(status) : status === 202 && call.acceptsEmptyBody === true
    if (mayBeEmpty && text.trim() === "") return accepted(call, response, null, url)
    const json = isTruncated ? Option.none() : parseJson(text)
    if (isOk(status)) {
      return Option.isSome(json)
        ? accepted(call, response, json.value, url)
        : Effect.fail(unreadable(call, response, url))
    }
    return Option.isSome(json) && call.acceptsErrorBody?.(json.value) === true
      ? accepted(call, response, json.value, url)
      : statusError(call, response, url)
  }

  /** Runs the call's `onResponse`, before the response is decoded or its bytes are handed over. */
  const runOnResponse = (call: VideosCall, { headers, status }: ResponseHead): Effect.Effect<void> => {
    const onResponse = call.options?.onResponse
    return onResponse === undefined ? Effect.void : onResponse({ status, headers, requestId: requestId(call, headers) })
  }

  const read = (
    call: VideosCall,
    response: WholeResponse,
    url: string
  ): Effect.Effect<VideosResponse, VideosHttpError> =>
    Effect.flatMap(runOnResponse(call, response), () => decode(call, response, url))

  /** The error of a response to a download. */
  const downloadError = (
    call: VideosCall,
    response: WholeResponse,
    url: string
  ): Effect.Effect<never, VideosHttpError> =>
    Effect.flatMap(runOnResponse(call, response), () => statusError(call, response, url))

  return { contextOf, downloadError, read, redactFor, requestId, runOnResponse, tooMuch, transportError }
}
