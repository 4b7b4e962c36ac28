/** A transport over any `HttpClient`: its middleware and its context are used. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { lengthOf } from "./responseHeaders.js"
import {
  collectBody,
  isOk,
  type OpenResponse,
  type SendOptions,
  type Transport,
  type WholeResponse
} from "./transport.js"

/**
 * Options of `fetch` for one request. `fetch` follows redirects by itself and sends `x-api-key` along: `redirect` is always
 * `manual`. For another origin, headers of the program and a browser's cookies stay behind.
 */
export const fetchOptions = (init: RequestInit | undefined, isForeign: boolean): RequestInit => {
  if (!isForeign) return { ...init, redirect: "manual" }
  const { headers: _, ...rest } = init ?? {}
  return { ...rest, credentials: "omit", redirect: "manual" }
}

/** @internal */
export const clientTransport = (httpClient: HttpClient.HttpClient): Transport => {
  // `withHttpSpan` makes the span, for all transports alike.
  const client = HttpClient.withTracerDisabledWhen(httpClient, () => true)
  const execute = (
    request: HttpClientRequest.HttpClientRequest,
    { isForeign, onSend }: SendOptions
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> =>
    Effect.mapInputContext(
      Effect.suspend(() => {
        onSend()
        return client.execute(request)
      }),
      (context: Context.Context<never>) => {
        const init = context.unsafeMap.get(FetchHttpClient.RequestInit.key) as RequestInit | undefined
        return Context.add(context, FetchHttpClient.RequestInit, fetchOptions(init, isForeign))
      }
    )
  return {
    open: execute,
    send: (request, options) =>
      Effect.timeout(
        Effect.flatMap(execute(request, options), (response) => {
          options.onHead(response)
          return readBody(response, options.limits)
        }),
        options.timeout
      )
  }
}

/** Ends an exchange without reading its body, so that its connection does not wait for the garbage collector. */
export const discard = ({ stream }: OpenResponse): Effect.Effect<void> =>
  // At once: the body may never come.
  Effect.raceFirst(Effect.ignore(Stream.runHead(stream)), Effect.yieldNow())

/** The body up to its limit. That of an error status may break off: the part that came is kept. */
export const readBody = (
  response: HttpClientResponse.HttpClientResponse | OpenResponse,
  limits: SendOptions["limits"]
): Effect.Effect<WholeResponse, HttpClientError.HttpClientError> =>
  Effect.suspend(() => {
    const { headers, status } = response
    const length = lengthOf(headers)
    const body = collectBody(status, limits)
    // A response without a body has no stream in the platform's `fetch` client.
    if (status === 204 || status === 205 || length === 0) return Effect.succeed(body.responseOf(response))
    // The whole text at once costs the platform's `fetch` client a third of a stream. Its length is known before it is read.
    if ("text" in response && isOk(status) && length !== null && length <= limits.jsonBytes) {
      return Effect.map(response.text, (text) => ({ status, headers, text, isTruncated: false }))
    }
    const filled = Stream.runForEachWhile(response.stream, (chunk) => Effect.sync(() => body.add(chunk)))
    return Effect.map(isOk(status) ? filled : Effect.ignore(filled), () => body.responseOf(response))
  })
