/** What waits, against a list that is sorted anew for every question. */
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { type Row, type Slot, Timers } from "../src/internal/watch/timerHeap.js"

class Waiting implements Row<Waiting> {
  dueAt = 0
  slot: Slot<Waiting> | null = null
  before: Waiting | null = null
  after: Waiting | null = null
}

const row = FastCheck.nat(40)
const step = FastCheck.oneof(
  FastCheck.record({ _tag: FastCheck.constant("set" as const), row, at: FastCheck.nat(25) }),
  FastCheck.record({ _tag: FastCheck.constant("remove" as const), row }),
  FastCheck.record({ _tag: FastCheck.constant("take" as const) })
)

describe("Timers", () => {
  it("gives what is due first, all of it, whatever came, moved and left", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(step, { maxLength: 300 }), (steps) => {
        const rows = Array.from({ length: 41 }, () => new Waiting())
        const timers = new Timers<Waiting>()
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
            const taken: Array<Waiting> = []
            const firstAt = Math.min(...model.values())
            timers.takeFirst(taken)
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

  it("keeps nothing of moments that nobody waits for any more", () => {
    const timers = new Timers<Waiting>()
    const patient = new Waiting()
    timers.set(patient, 1_000_000)
    for (let at = 1; at <= 10_000; at++) {
      const row = new Waiting()
      timers.set(row, 500_000 + at)
      timers.remove(row)
    }
    expect(timers.moments).toBeLessThan(2500)
    const taken: Array<Waiting> = []
    timers.takeFirst(taken)
    expect(taken).toEqual([patient])
  })
})
