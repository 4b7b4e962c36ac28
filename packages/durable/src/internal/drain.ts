/** A runner that stops: no step begins any more, and those that run end and are recorded. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Settings } from "./settings.js"

export interface DrainService {
  /** Counts an execution while it runs. */
  readonly counted: <A, E, R>(execution: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly isStopping: Effect.Effect<boolean>
}

export class Drain extends Context.Tag("effect-videos/durable/Drain")<Drain, DrainService>() {
  /** Around the layers of a runner: it is released first, while the engine and the database still work. */
  static readonly around = <A, E, R>(
    runner: Layer.Layer<A, E, R | Drain>
  ): Layer.Layer<A, E, Exclude<R, Drain> | Settings> =>
    Layer.unwrapEffect(
      Effect.gen(function* () {
        const { stopWithin } = yield* Settings
        const idle = yield* Effect.makeLatch(true)
        let running = 0
        let isStopping = false
        const drain = Drain.of({
          counted: (execution) =>
            Effect.acquireUseRelease(
              Effect.zipRight(
                idle.close,
                Effect.sync(() => running++)
              ),
              () => execution,
              () => Effect.suspend(() => (--running === 0 ? idle.open : Effect.void))
            ),
          isStopping: Effect.sync(() => isStopping)
        })
        const stop = Effect.suspend(() => {
          isStopping = true
          return Effect.timeoutOption(Effect.interruptible(idle.await), stopWithin)
        })
        return Layer.scopedDiscard(Effect.addFinalizer(() => stop)).pipe(
          Layer.provideMerge(Layer.provide(runner, Layer.succeed(Drain, drain)))
        )
      })
    )
}
