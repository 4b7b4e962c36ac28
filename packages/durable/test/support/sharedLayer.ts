/** One layer for the tests of a `describe`. */
import { describe, it } from "@effect/vitest"
import { type Effect, type Layer, ManagedRuntime } from "effect"
import { afterAll } from "vitest"

/**
 * The tests run one after the other, beside the suites next to this one that are concurrent too.
 *
 * Why not `layer` of `@effect/vitest`: it replaces `it.effect` of all files that the same process runs later. The clock is the
 * real one.
 */
export const withLayer = <R, E>(
  name: string,
  layer: Layer.Layer<R, E>,
  tests: (test: (name: string, effect: () => Effect.Effect<void, unknown, R>) => void) => void
): void => {
  describe.concurrent(name, () => {
    const runtime = ManagedRuntime.make(layer)
    afterAll(() => runtime.dispose())
    tests((name, effect) => it.sequential(name, () => runtime.runPromise(effect())))
  })
}
