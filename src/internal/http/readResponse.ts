/** Decodes a response to JSON or to a tagged error. `url` is that of its request. */
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
import type { ResponseMeta, VideosCall, VideosHttpError, VideosResponse } from "./httpTypes.js"
import { makeRedactCall, parseJson, type Secrets } from "./redaction.js"
import { type RequestContext, requestIdOf, toError } from "./responseError.js"
import { isOk, type ResponseHead, type WholeResponse } from "./transport.js"
import { diagnose, redactCause } from "./transportError.js"

/** A body is truncated here before its secrets are redacted: far behind the part that an error shows. */
const maxRedacted = 64 * 1024

type Read<A> = (call: VideosCall, response: WholeResponse, url: string) => Effect.Effect<A, VideosHttpError>

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

  const metaOf = (call: VideosCall, { headers, status }: ResponseHead): ResponseMeta => ({
    status,
    headers,
    requestId: requestIdOf(headers, redactFor(call))
  })

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

  /** `shape` is not transient: another attempt would fail as well. */
  const undecodable = (
    call: VideosCall,
    head: ResponseHead,
    url: string,
    reason: Errors.ResponseDecodeError["reason"],
    detail: string,
    text: string
  ): Errors.ResponseDecodeError =>
    new Errors.ResponseDecodeError({
      ...contextOf(call, url),
      ...metaOf(call, head),
      reason,
      detail,
      body: redactFor(call)(text.slice(0, maxRedacted)).slice(0, maxDetail)
    })

  const tooLong = (call: VideosCall, head: ResponseHead, url: string, limit: number, text = "") =>
    undecodable(call, head, url, "shape", `it is too long (more than ${limit} bytes)`, text)

  const unreadable = (call: VideosCall, response: WholeResponse, url: string): Errors.ResponseDecodeError => {
    const { isTruncated, text } = response
    if (isTruncated) return tooLong(call, response, url, limits.jsonBytes, text)
    const what =
      text === "" ? "it is empty" : looksLikeHtml(text) ? "it is an HTML page; check the base URL" : "it is not JSON"
    return undecodable(call, response, url, "syntax", `${what} (${text.length} characters)`, text)
  }

  const statusError: Read<never> = (call, response, url) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fail(toError(contextOf(call, url), response, now)))

  const accepted = (
    call: VideosCall,
    response: WholeResponse,
    json: unknown,
    url: string
  ): Effect.Effect<VideosResponse, VideosHttpError> => {
    const { text } = response
    const items = itemsIn(json)
    if (items > limits.listItems) {
      const what = `it lists ${items} items, more than ${limits.listItems}`
      return Effect.fail(undecodable(call, response, url, "shape", what, text))
    }
    // Each level has at least two characters.
    if (text.length > 2 * limits.jsonDepth) prune(json, limits.jsonDepth)
    return Effect.succeed({ ...metaOf(call, response), body: redactJson(text, json) })
  }

  const decode: Read<VideosResponse> = (call, response, url) => {
    const { isTruncated, status, text } = response
    const isSuccess = isOk(status)
    if (!isSuccess && call.acceptsErrorBody === undefined) return statusError(call, response, url)
    const mayBeEmpty = call.kind === "remove" ? isSuccess : status === 202 && call.acceptsEmptyBody === true
    if (mayBeEmpty && text.trim() === "") return accepted(call, response, null, url)
    const json = isTruncated ? Option.none() : parseJson(text)
    if (Option.isSome(json) && (isSuccess || call.acceptsErrorBody?.(json.value) === true)) {
      return accepted(call, response, json.value, url)
    }
    return isSuccess ? Effect.fail(unreadable(call, response, url)) : statusError(call, response, url)
  }

  /** Runs the call's `onResponse`, before the response is decoded or its bytes are handed over. */
  const runOnResponse = (call: VideosCall, response: ResponseHead): Effect.Effect<void> =>
    call.options?.onResponse?.(metaOf(call, response)) ?? Effect.void

  const read: Read<VideosResponse> = (call, response, url) =>
    Effect.flatMap(runOnResponse(call, response), () => decode(call, response, url))

  /** The error of a response to a download. */
  const downloadError: Read<never> = (call, response, url) =>
    Effect.zipRight(runOnResponse(call, response), statusError(call, response, url))

  return { contextOf, downloadError, metaOf, read, redactFor, runOnResponse, tooLong, transportError }
}
