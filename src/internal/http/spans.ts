/** Spans for those who look at them, and nothing for those who do not: an unread span costs as much as a request's decode. */
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import { identity } from "effect/Function"
import * as Record from "effect/Record"
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

/** What no span shows. */
export interface Hidden {
  /** Headers whose values are hidden, beside those that `HttpClient` hides by itself. */
  readonly names: ReadonlyArray<string>
  /** Takes every configured secret out of a text. */
  readonly scrub: (text: string) => string
}

/** The same span for whoever writes to it, but that nothing it is told holds a secret: a server may repeat one in any header. */
const veiled = (span: Tracer.Span, scrub: Hidden["scrub"], tell: (error: unknown) => unknown): Tracer.Span => {
  const clean = (value: unknown) => (typeof value === "string" ? scrub(value) : value)
  const own = <A>(value: A): PropertyDescriptor => ({ value })
  return Object.create(span, {
    attribute: own((key: string, value: unknown) => span.attribute(key, clean(value))),
    event: own((name: string, startTime: bigint, attributes?: Record<string, unknown>) =>
      span.event(scrub(name), startTime, attributes && Record.map(attributes, clean))
    ),
    end: own((endTime: bigint, exit: Exit.Exit<unknown, unknown>) => span.end(endTime, Exit.mapError(exit, tell))),
    addLinks: own((links: ReadonlyArray<Tracer.SpanLink>) => span.addLinks(links))
  })
}

/** A client's own spans, veiled: they are told of a transport's error before this library can put it into words. */
export const withVeil = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  { scrub }: Hidden,
  tell: (error: unknown) => unknown
): Effect.Effect<A, E, R> => {
  const tracer = fiber.currentTracer ?? silentTracer
  return Effect.withTracer(
    self,
    Tracer.make({
      span: (...made) => veiled(tracer.span(...made), scrub, tell),
      context: (run, of) => tracer.context(run, of)
    })
  )
}

/** The span that `HttpClient` makes of an exchange, name, attributes and switches, for an exchange that passes it by. */
export const spanned = <A extends { readonly status: number; readonly headers: Headers.Headers }, E>(
  self: Effect.Effect<A, E>,
  request: HttpClientRequest.HttpClientRequest,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  { names, scrub }: Hidden
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
  const redacted = [...fiber.getFiberRef(Headers.currentRedactedNames), ...names]
  return Effect.useSpan(name, { kind: "client", captureStackTrace: false }, (made) => {
    const span = veiled(made, scrub, identity)
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
