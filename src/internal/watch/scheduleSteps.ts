/**
 * Steps of schedules, which are Effects: many in one fiber, since most are over at once. One that takes its time has this
 * fiber to itself, and holds up nobody else.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type * as ScheduleDecision from "effect/ScheduleDecision"
import type { VideoResource } from "../protocol/videoSchemas.js"
import type { RetrieveVideoError } from "../videosTypes.js"
import { Draw } from "./scheduleRule.js"
import type { Watch } from "./watch.js"

/** The schedule's next state, what it says, and what is to happen. */
export type Stepped = readonly [state: unknown, out: unknown, decision: ScheduleDecision.ScheduleDecision]

/** What a step is about, and what its watch needs to go on from there: no closure, since every look of a watch takes one. */
export type Step = {
  readonly watch: Watch
  /** The schedule's time: that of the look, as far as the watch was there; for one that failed, when the watch heard of it. */
  readonly now: number
  /** What the delay is reckoned from. */
  readonly lookedAt: number
  readonly hint: number | null
} & (
  | { readonly video: VideoResource; readonly error: null }
  | { readonly video: null; readonly error: RetrieveVideoError }
)

/** @internal */
export class Steps {
  private waiting: Array<Step> = []
  private readonly draw = new Draw()
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
    this.slow.delete(watch)
    fiber?.unsafeInterruptAsFork(fiber.id())
  }

  /** Runs what was added, and what that adds. */
  flush(): void {
    while (this.waiting.length > 0) {
      const steps = this.waiting
      this.waiting = []
      for (let at = 0; at < steps.length; ) {
        const step = steps[at] as Step
        at = step.watch.reckon(step, this.draw) ? at + 1 : this.runFrom(steps, at)
      }
    }
  }

  /** Runs steps of one context from there on; gives the place of the first that is left to others. */
  private runFrom(steps: ReadonlyArray<Step>, from: number): number {
    const { runtime } = (steps[from] as Step).watch
    let at = from
    let isAlone = false
    // A loop costs a step nothing but itself. A step that breaks ends the loop, and its fiber tells why.
    const fiber = Runtime.runFork(
      runtime,
      Effect.whileLoop({
        while: () => !isAlone && steps[at]?.watch.runtime === runtime,
        body: () => {
          const step = steps[at] as Step
          return step.watch.step(step)
        },
        step: (stepped) => {
          const step = steps[at++] as Step
          step.watch.stepped(step, stepped)
        }
      })
    )
    const exit = fiber.unsafePoll()
    const step = steps[at]
    // A fiber that only yields may do so after its last step, too.
    if (step === undefined || step.watch.runtime !== runtime || (exit !== null && Exit.isSuccess(exit))) return at
    if (exit !== null) {
      step.watch.broke(exit)
      return at + 1
    }
    isAlone = true
    this.stop(step.watch)
    this.slow.set(step.watch, fiber)
    step.watch.stepsSlowly()
    const next = at + 1
    fiber.addObserver((late) => {
      if (this.slow.get(step.watch) !== fiber) return
      this.slow.delete(step.watch)
      if (Exit.isFailure(late)) step.watch.broke(late)
      this.onLate()
    })
    return next
  }
}
