/** Spans for those who look at them, and nothing for those who do not: an unread span costs as much as a request's decode. */
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
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

/** OpenTelemetry's GenAI conventions, https://opentelemetry.io/docs/specs/semconv/gen-ai/; never the prompt. */
export const spanOf = (operation: string, attributes: Record<string, unknown>): Record<string, unknown> => ({
  "gen_ai.operation.name": operation,
  "gen_ai.provider.name": "openai",
  ...attributes
})
