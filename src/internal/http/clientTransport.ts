/** The long way, over whatever `HttpClient` the program has: its middleware, its spans, its context. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Limits } from "../config/configTypes.js"
import { lengthOf } from "../download/rangeHeaders.js"
import { impersonal } from "./fetchTransport.js"
import { type Answer, BodyText, isOk, limitOf } from "./responseBody.js"
import { type Hidden, isListenedTo, withVeil } from "./spans.js"

// `fetch` follows redirects by itself and takes `x-api-key` and its kin along: it is told not to.
const manual = <A, E>(effect: Effect.Effect<A, E>, isForeign: boolean): Effect.Effect<A, E> =>
  Effect.mapInputContext(effect, (context: Context.Context<never>) => {
    const init = context.unsafeMap.get(FetchHttpClient.RequestInit.key) as RequestInit | undefined
    return Context.add(context, FetchHttpClient.RequestInit, {
      ...(isForeign ? impersonal(init) : init),
      redirect: "manual"
    })
  })

/** How a request is to be sent, and what its span may show. */
export interface Passage {
  /** A redirect's URL is often signed, so that who has it has the clip: a hop has no span. */
  readonly isHop: boolean
  readonly isForeign: boolean
  readonly hidden: Hidden
  /** A client's error in words that anybody may read. */
  readonly tell: (error: HttpClientError.HttpClientError) => unknown
}

/** Sends one request and follows no redirect. */
export const makeTransmit = (httpClient: HttpClient.HttpClient) => {
  const traced = HttpClient.withTracerPropagation(httpClient, false)
  const untraced = HttpClient.withTracerDisabledWhen(httpClient, () => true)
  return (
    request: HttpClientRequest.HttpClientRequest,
    { hidden, isForeign, isHop, tell }: Passage
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> =>
    Effect.withFiberRuntime((fiber) => {
      if (isHop || !isListenedTo(fiber)) return manual(untraced.execute(request), isForeign)
      const sent = Effect.locallyWith(traced.execute(request), Headers.currentRedactedNames, (names) => [
        ...names,
        ...hidden.names
      ])
      const told = (error: unknown) => (HttpClientError.isHttpClientError(error) ? tell(error) : error)
      return manual(withVeil(sent, fiber, hidden, told), isForeign)
    })
}

/**
 * Ends an exchange whose body nobody wants, so that its connection does not wait for the garbage collector; at once, since
 * what is not wanted may never come.
 */
export const discard = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  Effect.raceFirst(Effect.ignore(Stream.runHead(response.stream)), Effect.yieldNow())

/**
 * The body up to its limit. That of a failing answer may break off: it is read as far as it came. A successful one whose
 * length is known, as it is here and not compressed, is read by the client itself, which is half the cost of its stream.
 */
export const readBody = (
  response: HttpClientResponse.HttpClientResponse,
  limits: Limits
): Effect.Effect<Answer, HttpClientError.HttpClientError> => {
  const { headers, status } = response
  if (!isOk(status)) return readError(response, limits)
  // Without a body there is no length, and the platform's `fetch` client has no stream.
  const length = status === 204 || status === 205 ? 0 : lengthOf(headers)
  if (length === null) return collect(response, limits)
  if (length > limits.jsonBytes) return Effect.as(discard(response), { status, headers, text: "", isCut: true })
  return Effect.map(response.text, (text) => ({ status, headers, text, isCut: false }))
}

/** What has come of a failing answer. */
export const readError = (response: HttpClientResponse.HttpClientResponse, limits: Limits): Effect.Effect<Answer> =>
  Effect.suspend(() => {
    const body = new BodyText(limitOf(response.status, limits))
    return Effect.map(Effect.ignore(fill(response, body)), () => answerOf(response, body))
  })

const collect = (
  response: HttpClientResponse.HttpClientResponse,
  limits: Limits
): Effect.Effect<Answer, HttpClientError.HttpClientError> =>
  Effect.suspend(() => {
    const body = new BodyText(limitOf(response.status, limits))
    return Effect.map(fill(response, body), () => answerOf(response, body))
  })

const fill = (
  response: HttpClientResponse.HttpClientResponse,
  body: BodyText
): Effect.Effect<void, HttpClientError.ResponseError> =>
  Stream.runForEachWhile(response.stream, (chunk) => Effect.sync(() => body.add(chunk)))

const answerOf = ({ headers, status }: HttpClientResponse.HttpClientResponse, body: BodyText): Answer => ({
  status,
  headers,
  text: body.text(),
  isCut: body.isCut
})
