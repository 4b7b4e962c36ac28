/** What waits, against a list that is sorted anew for every question. */
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { type Row, TimerHeap } from "../src/internal/watch/timerHeap.js"

class Waiting implements Row {
  dueAt = 0
  order = 0
  index = -1
}

const row = FastCheck.nat(40)
const step = FastCheck.oneof(
  FastCheck.record({ _tag: FastCheck.constant("set" as const), row, at: FastCheck.nat(25) }),
  FastCheck.record({ _tag: FastCheck.constant("remove" as const), row }),
  FastCheck.record({ _tag: FastCheck.constant("take" as const) })
)

describe("TimerHeap", () => {
  it("gives what is due first, all of it, whatever came, moved and left", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(step, { maxLength: 300 }), (steps) => {
        const rows = Array.from({ length: 41 }, () => new Waiting())
        const timers = new TimerHeap<Waiting>()
        const model = new Map<Waiting, number>()
        for (const step of steps) {
          const row = step._tag === "take" ? undefined : rows[step.row]
          if (step._tag === "set" && row !== undefined) {
            timers.set(row, step.at)
            model.set(row, step.at)
          } else if (row !== undefined) {
            timers.remove(row)
            model.delete(row)
          } else {
            const firstAt = Math.min(...model.values())
            const taken = timers.takeDue(Number.isFinite(firstAt) ? firstAt : 0)
            const due = [...model].filter(([, at]) => at === firstAt).map(([row]) => row)
            expect(new Set(taken)).toEqual(new Set(due))
            expect(taken).toHaveLength(due.length)
            for (const row of due) model.delete(row)
          }
          expect(timers.firstAt).toBe(Math.min(...model.values()))
        }
      })
    )
  })
})
