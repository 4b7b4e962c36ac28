/**
 * Steps of schedules, which are Effects: many in one fiber, since most are over at once. One that takes its time has this
 * fiber to itself, and holds up nobody else.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type * as ScheduleDecision from "effect/ScheduleDecision"
import type { Watch } from "./watch.js"

/** The schedule's next state, what it says, and what is to happen. */
export type Stepped = readonly [state: unknown, out: unknown, decision: ScheduleDecision.ScheduleDecision]

/** @internal */
export interface Step {
  readonly watch: Watch
  readonly effect: Effect.Effect<Stepped>
  readonly done: (exit: Exit.Exit<Stepped>) => void
}

/** @internal */
export class Steps {
  private waiting: Array<Step> = []
  private readonly slow = new Map<Watch, Fiber.RuntimeFiber<void>>()
  private readonly onLate: () => void

  /** `onLate` is called when a step that took its time is done. */
  constructor(onLate: () => void) {
    this.onLate = onLate
  }

  add(step: Step): void {
    this.waiting.push(step)
  }

  /** The watch has ended: a step that still runs is stopped. */
  stop(watch: Watch): void {
    const fiber = this.slow.get(watch)
    fiber?.unsafeInterruptAsFork(fiber.id())
  }

  /** Runs what was added, and what that adds. */
  flush(): void {
    while (this.waiting.length > 0) {
      const steps = this.waiting
      this.waiting = []
      for (let at = 0; at < steps.length; ) at = this.runFrom(steps, at)
    }
  }

  /** Runs steps of one context from there on; gives the place of the first that is left to others. */
  private runFrom(steps: ReadonlyArray<Step>, from: number): number {
    const { watch } = steps[from] as Step
    let at = from
    let isAlone = false
    const next: Effect.Effect<void> = Effect.suspend(() => {
      const step = steps[at]
      if (isAlone || step === undefined || step.watch.runtime !== watch.runtime) return Effect.void
      return Effect.flatMap(Effect.exit(step.effect), (exit) => {
        at++
        step.done(exit)
        return next
      })
    })
    const fiber = Runtime.runFork(watch.runtime, next)
    if (fiber.unsafePoll() !== null) return at
    isAlone = true
    const { watch: slow } = steps[at] as Step
    this.slow.set(slow, fiber)
    fiber.addObserver(() => {
      this.slow.delete(slow)
      this.onLate()
    })
    return at + 1
  }
}
