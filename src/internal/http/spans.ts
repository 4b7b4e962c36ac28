/** Spans of operations and of HTTP requests. */
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
import type { ResponseHead } from "./transport.js"

const silentTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/**
 * Whether a tracer is installed, or the caller has an open span. Otherwise no span is made: it costs a request as much CPU as the
 * decoding of its response, and a watch more memory than its state. Both are measured promises (`npm run bench`).
 */
export const isTraced = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  fiber.currentTracer !== silentTracer || fiber.currentSpan !== undefined

/** @internal */
export const withSpan = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  name: string,
  attributes: () => Record<string, unknown>
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime<A, E, R>((fiber) =>
    isTraced(fiber)
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
        isTraced(fiber)
          ? (Stream.withSpan(self, name, { attributes, captureStackTrace: false }) as Stream.Stream<A, E, R>)
          : self
      )
    )
  )

/**
 * The span of one HTTP request, with the name, the attributes and the switches of the platform's own span. The
 * platform's is off, because it records a transport's error before its secrets are redacted, and `fetch` and undici
 * have none. Redacts the headers `names` beside those that `HttpClient` redacts, and by `redact` what a server repeats.
 */
export const withHttpSpan = <A extends ResponseHead, E>(
  self: Effect.Effect<A, E>,
  request: HttpClientRequest.HttpClientRequest,
  names: ReadonlyArray<string>,
  redact: (text: string) => string
): Effect.Effect<A, E> =>
  Effect.withFiberRuntime((fiber) => {
    if (
      !isTraced(fiber) ||
      !fiber.getFiberRef(FiberRef.currentTracerEnabled) ||
      fiber.getFiberRef(HttpClient.currentTracerDisabledWhen)(request)
    ) {
      return self
    }
    const made = UrlParams.makeUrl(request.url, request.urlParams, request.hash)
    if (Either.isLeft(made)) return self
    const url = made.right
    const name = Context.get(fiber.currentContext, HttpClient.SpanNameGenerator)(request)
    const redacted = [...fiber.getFiberRef(Headers.currentRedactedNames), ...names]
    return Effect.useSpan(name, { kind: "client", captureStackTrace: false }, (span) => {
      const show = (key: string, value: string) => span.attribute(key, redact(value))
      const headers = (of: "request" | "response", all: Headers.Headers) => {
        for (const [key, value] of Object.entries(Headers.redact(all, redacted))) {
          show(`http.${of}.header.${key}`, String(value))
        }
      }
      show("http.request.method", request.method)
      show("server.address", url.origin)
      if (url.port !== "") span.attribute("server.port", Number(url.port))
      show("url.full", url.href)
      show("url.path", url.pathname)
      show("url.scheme", url.protocol.slice(0, -1))
      if (url.search.length > 1) show("url.query", url.search.slice(1))
      headers("request", request.headers)
      return Effect.map(self, (response) => {
        span.attribute("http.response.status_code", response.status)
        headers("response", response.headers)
        return response
      })
    })
  })

/** OpenTelemetry's GenAI conventions, https://opentelemetry.io/docs/specs/semconv/gen-ai/; never the prompt. */
export const spanOf = (operation: string, attributes: Record<string, unknown>): Record<string, unknown> => ({
  "gen_ai.operation.name": operation,
  "gen_ai.provider.name": "openai",
  ...attributes
})
