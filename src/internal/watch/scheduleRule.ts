/**
 * Poll schedules that reckon and do nothing else: the hub takes their steps as plain calls. Ten thousand watches take some
 * thousand steps in a second, and as an Effect each would cost more than the look that it follows.
 */
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Exit from "effect/Exit"
import * as FiberRefs from "effect/FiberRefs"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import type * as Schedule from "effect/Schedule"
import type { VideoResource } from "../protocol/videoSchemas.js"

/** What such a schedule's step does, less the schedule. `random` is at least 0 and less than 1. */
export interface Rule<State> {
  readonly see: (state: State, now: number, video: VideoResource) => State
  /** In milliseconds. */
  readonly delay: (state: State, now: number, random: number) => number
}

type AnySchedule = Schedule.Schedule<unknown, VideoResource>

const rules = new WeakMap<AnySchedule, Rule<unknown>>()

/** @internal */
export const withRule = <State, S extends Schedule.Schedule<unknown, VideoResource>>(
  schedule: S,
  rule: Rule<State>
): S => {
  rules.set(schedule, rule as Rule<unknown>)
  return schedule
}

/** The rule of a schedule as it was made: what is built from it has none. */
export const ruleOf = (schedule: AnySchedule): Rule<unknown> | null => rules.get(schedule) ?? null

const golden = (Math.sqrt(5) - 1) / 2

/** For so many steps one number is drawn: to draw is an Effect of its own, which costs more than the step. */
const stepsPerDraw = 256

/** Random numbers for many steps: one is drawn, and those that follow are spread evenly from it. */
export class Draw {
  private source: Random.Random | null = null
  private next: number | null = null
  private left = 0

  /** `null` where the program's own source cannot be asked at once. */
  for(runtime: Runtime.Runtime<never>): number | null {
    const services = FiberRefs.getOrDefault(runtime.fiberRefs, DefaultServices.currentServices)
    const source = Context.get(services, Random.Random)
    if (source !== this.source || this.left === 0) {
      const drawn = Runtime.runSyncExit(runtime, source.next)
      this.source = source
      this.left = stepsPerDraw
      this.next = Exit.isSuccess(drawn) ? drawn.value : null
    } else if (this.next !== null) this.next = (this.next + golden) % 1
    this.left--
    return this.next
  }
}
