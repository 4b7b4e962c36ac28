/** The long way, over whatever `HttpClient` the program has: its middleware, its spans, its context. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type Answer, BodyText, isDeclaredTooLong, isOk } from "./answer.js"
import { isListenedTo } from "./tracing.js"

// `fetch` follows redirects by itself and takes `x-api-key` and its kin along: it is told not to.
const manual = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.mapInputContext(effect, (context: Context.Context<never>) =>
    Context.add(context, FetchHttpClient.RequestInit, {
      ...(context.unsafeMap.get(FetchHttpClient.RequestInit.key) as RequestInit | undefined),
      redirect: "manual"
    })
  )

/** Sends one request and follows no redirect. A redirect's URL is often signed, so that who has it has the clip: a hop has no span. */
export const makeTransmit = (httpClient: HttpClient.HttpClient, redactedNames: ReadonlyArray<string>) => {
  const traced = HttpClient.withTracerPropagation(httpClient, false)
  const untraced = HttpClient.withTracerDisabledWhen(httpClient, () => true)
  return (
    request: HttpClientRequest.HttpClientRequest,
    isHop: boolean
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> =>
    Effect.withFiberRuntime((fiber) =>
      manual(
        !isHop && isListenedTo(fiber)
          ? Effect.locallyWith(traced.execute(request), Headers.currentRedactedNames, (names) => [
              ...names,
              ...redactedNames
            ])
          : untraced.execute(request)
      )
    )
}

/** Ends an exchange whose body nobody wants, so that its connection does not wait for the garbage collector. */
export const discard = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  Effect.ignore(Stream.runHead(response.stream))

/**
 * The body up to its limit. That of a failing answer may break off: it is read as far as it came. A successful one is read
 * by the client itself, which is half the cost of its stream: the limit is that of its declared length.
 */
export const readBody = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<Answer, HttpClientError.HttpClientError> => {
  if (!isOk(response.status)) return readError(response)
  const { headers, status } = response
  if (isDeclaredTooLong(status, headers["content-length"])) {
    return Effect.as(discard(response), { status, headers, text: "", isCut: true })
  }
  return Effect.map(response.text, (text) => ({ status, headers, text, isCut: false }))
}

/** @internal */
export const readError = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<Answer> =>
  Effect.suspend(() => {
    const { headers, status } = response
    const body = new BodyText(status)
    return Stream.runForEachWhile(response.stream, (chunk) => Effect.sync(() => body.add(chunk))).pipe(
      Effect.ignore,
      Effect.map(() => ({ status, headers, text: body.text(), isCut: body.isCut }))
    )
  })
