/** Spans for those who look at them, and nothing for those who do not: an unread span costs as much as a request's decode. */
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"

const silentTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/** Whether anybody can see a span made here: a tracer is installed, or the caller has a span of its own open. */
export const isListenedTo = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  fiber.currentTracer !== silentTracer || fiber.currentSpan !== undefined

/** @internal */
export const withSpan = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  name: string,
  attributes: () => Record<string, unknown>
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime<A, E, R>((fiber) =>
    isListenedTo(fiber)
      ? (Effect.withSpan(self, name, { attributes: attributes(), captureStackTrace: false }) as Effect.Effect<A, E, R>)
      : self
  )

/** @internal */
export const withStreamSpan = <A, E, R>(
  self: Stream.Stream<A, E, R>,
  name: string,
  attributes: Record<string, unknown>
): Stream.Stream<A, E, R> =>
  Stream.unwrap(
    Effect.withFiberRuntime<Stream.Stream<A, E, R>>((fiber) =>
      Effect.succeed(
        isListenedTo(fiber)
          ? (Stream.withSpan(self, name, { attributes, captureStackTrace: false }) as Stream.Stream<A, E, R>)
          : self
      )
    )
  )

/** The span that `HttpClient` makes of an exchange, name, attributes and switches, for an exchange that passes it by. */
export const spanned = <A extends { readonly status: number; readonly headers: Headers.Headers }, E>(
  self: Effect.Effect<A, E>,
  request: HttpClientRequest.HttpClientRequest,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  redactedNames: ReadonlyArray<string>
): Effect.Effect<A, E> => {
  if (
    !fiber.getFiberRef(FiberRef.currentTracerEnabled) ||
    fiber.getFiberRef(HttpClient.currentTracerDisabledWhen)(request)
  ) {
    return self
  }
  const made = UrlParams.makeUrl(request.url, request.urlParams, request.hash)
  if (Either.isLeft(made)) return self
  const url = made.right
  const name = Context.get(fiber.currentContext, HttpClient.SpanNameGenerator)(request)
  const redacted = [...fiber.getFiberRef(Headers.currentRedactedNames), ...redactedNames]
  return Effect.useSpan(name, { kind: "client", captureStackTrace: false }, (span) => {
    const headers = (of: "request" | "response", all: Headers.Headers) => {
      const shown = Headers.redact(all, redacted)
      for (const key of Object.keys(shown)) span.attribute(`http.${of}.header.${key}`, String(shown[key]))
    }
    span.attribute("http.request.method", request.method)
    span.attribute("server.address", url.origin)
    if (url.port !== "") span.attribute("server.port", Number(url.port))
    span.attribute("url.full", url.href)
    span.attribute("url.path", url.pathname)
    span.attribute("url.scheme", url.protocol.slice(0, -1))
    if (url.search.length > 1) span.attribute("url.query", url.search.slice(1))
    headers("request", request.headers)
    return Effect.map(self, (answer) => {
      span.attribute("http.response.status_code", answer.status)
      headers("response", answer.headers)
      return answer
    })
  })
}

/** OpenTelemetry's GenAI conventions, https://opentelemetry.io/docs/specs/semconv/gen-ai/; never the prompt. */
export const spanOf = (operation: string, attributes: Record<string, unknown>): Record<string, unknown> => ({
  "gen_ai.operation.name": operation,
  "gen_ai.provider.name": "openai",
  ...attributes
})
