import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, FastCheck, TestClock } from "effect"
import { type Budget, makeBudget } from "../src/internal/rate/requestBudget.js"
import { adjust, fine, hold, refuse, requests, settle, tooMany } from "./support/budget.js"
import { runs } from "./support/seeds.js"

/** Requests that come as fast as they can, one after the other, for as long as the test looks. */
const ceaseless = (budget: Budget) => {
  const { request, started } = requests(budget)
  return Effect.as(Effect.fork(Effect.forever(request("next"))), started)
}

const startsWithin = (budget: Budget, count: number) =>
  Effect.repeatN(
    Effect.andThen(budget.acquire("read"), () => budget.release(fine)),
    count - 1
  )

describe("requests per second", () => {
  it.effect("start evenly spaced", () =>
    Effect.gen(function* () {
      const started = yield* ceaseless(makeBudget({ requestsPerSecond: 4 }))
      yield* adjust("1 second")
      expect(started.map(({ at }) => at)).toEqual([0, 250, 500, 750, 1000])
    })
  )

  it.effect("lose nothing to a clock that only knows milliseconds", () =>
    Effect.gen(function* () {
      const started = yield* ceaseless(makeBudget({ requestsPerSecond: 3 }))
      yield* adjust("2 seconds")
      expect(started.map(({ at }) => at)).toEqual([0, 334, 667, 1000, 1334, 1667, 2000])
    })
  )

  it.effect("may be less than one", () =>
    Effect.gen(function* () {
      const started = yield* ceaseless(makeBudget({ requestsPerSecond: 0.1 }))
      yield* adjust("25 seconds")
      expect(started.map(({ at }) => at)).toEqual([0, 10_000, 20_000])
    })
  )

  it.effect.prop(
    "are never exceeded by more than those of a tenth of a second, whenever requests come",
    [FastCheck.integer({ min: 1, max: 150 }), FastCheck.array(FastCheck.nat(1500), { minLength: 1, maxLength: 150 })],
    ([requestsPerSecond, times]) =>
      Effect.gen(function* () {
        const budget = makeBudget({ requestsPerSecond, concurrency: 1000 })
        const { request, started } = requests(budget)
        yield* Effect.forEach(times, (at) => Effect.fork(Effect.delay(request("one"), at)))
        yield* adjust("3 minutes")
        const all = started.map(({ at }) => at)
        expect(all).toHaveLength(times.length)
        for (const from of all) {
          const within = all.filter((at) => at >= from && at < from + 1000).length
          expect(within).toBeLessThanOrEqual(Math.ceil(requestsPerSecond * 1.1) + 1)
        }
      }),
    { fastCheck: { numRuns: runs(5) } }
  )
})

describe("a 429", () => {
  it.effect("halves the rate, which is then restored within ten seconds", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ requestsPerSecond: 10 })
      yield* refuse(budget)
      const curve: Array<number | null> = [budget.snapshot().rate]
      for (let passed = 1; passed <= 10; passed++) {
        yield* TestClock.adjust("1 second")
        curve.push(budget.snapshot().rate)
      }
      curve.forEach((rate, passed) => {
        expect(rate).toBeCloseTo(5 * 2 ** (passed / 10), 10)
      })
      yield* TestClock.adjust("1 hour")
      expect(budget.snapshot().rate).toBe(10)
    })
  )

  it.effect("spaces the requests after it accordingly", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ requestsPerSecond: 10 })
      yield* refuse(budget)
      const started = yield* ceaseless(budget)
      yield* adjust("1 second")
      const times = started.map(({ at }) => at)
      expect(times).toHaveLength(5)
      // The first comes an interval of the old rate after the refused one; then 1000 / 5.035, 1000 / 5.105, ...
      expect(times.slice(0, 3)).toEqual([100, 299, 495])
    })
  )

  it.effect("counts once for a burst, and again a second later", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ requestsPerSecond: 16 })
      yield* hold(budget)
      yield* TestClock.adjust("1 second")
      yield* hold(budget)
      yield* TestClock.adjust("1 second")
      yield* hold(budget)
      budget.release(tooMany())
      budget.release(tooMany())
      expect(budget.snapshot().rate).toBe(8)
      yield* TestClock.adjust("1 second")
      budget.release(tooMany())
      expect(budget.snapshot().rate).toBeCloseTo((8 * 2 ** 0.1) / 2, 10)
    })
  )

  it.effect("belongs to the burst of the others if its request was in flight when they received a pause", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ requestsPerSecond: 1000 })
      yield* hold(budget, 2)
      budget.release(tooMany("10 seconds"))
      yield* TestClock.adjust("9 seconds")
      budget.release(tooMany())
      expect(budget.snapshot().rate).toBe(500)
    })
  )

  it.effect("never slows down to less than a request each five seconds", () =>
    Effect.gen(function* () {
      const budget = makeBudget()
      yield* hold(budget, 20)
      for (let n = 0; n < 20; n++) {
        budget.release(tooMany())
        yield* TestClock.adjust("1 second")
        expect(budget.snapshot().rate).toBeGreaterThanOrEqual(0.2)
      }
      expect(budget.snapshot().rate).toBeCloseTo(0.2, 1)
    })
  )

  it.effect("sets a limit of half the requests of the last second if none is configured", () =>
    Effect.gen(function* () {
      const budget = makeBudget()
      yield* startsWithin(budget, 50)
      yield* TestClock.adjust("10 seconds")
      yield* startsWithin(budget, 31)
      yield* refuse(budget)
      expect(budget.snapshot().rate).toBe(16)
      yield* TestClock.adjust("10 seconds")
      expect(budget.snapshot().rate).toBe(32)
      yield* TestClock.adjust("9999 millis")
      expect(budget.snapshot().rate).toBeCloseTo(64, 1)
      yield* TestClock.adjust("1 millis")
      expect(budget.snapshot().rate).toBeNull()
    })
  )

  it.effect("is made up for in minutes and not in hours, even after a storm of others", () =>
    Effect.gen(function* () {
      const budget = makeBudget()
      yield* hold(budget, 30)
      for (let n = 0; n < 30; n++) {
        budget.release(tooMany())
        yield* TestClock.adjust("1 second")
      }
      expect(budget.snapshot().rate).toBeLessThan(0.25)
      // A request always waits, as with ten thousand watches.
      yield* ceaseless(budget)
      yield* ceaseless(budget)
      yield* adjust("1 minute")
      expect(budget.snapshot().rate).toBeNull()
    })
  )

  it.effect("takes of the second before the part that is within the last second", () =>
    Effect.gen(function* () {
      const budget = makeBudget()
      yield* startsWithin(budget, 10)
      yield* TestClock.adjust("1500 millis")
      yield* refuse(budget)
      expect(budget.snapshot().rate).toBe((10 / 2 + 1) / 2)
    })
  )

  it.effect("leaves half a request per second if its request was sent long ago", () =>
    Effect.gen(function* () {
      const budget = makeBudget()
      yield* hold(budget)
      yield* TestClock.adjust("50 seconds")
      budget.release(tooMany())
      expect(budget.snapshot().rate).toBe(0.5)
    })
  )

  it.effect.each([
    ["a 503 with Retry-After", { ...tooMany("1 second"), status: 503 }, 5],
    ["a 503 without", { ...tooMany(), status: 503 }, 10],
    ["a 500", { ...tooMany("1 second"), status: 500 }, 10],
    ["a quota's, or no response at all", { ...tooMany("1 second"), status: null }, 10],
    ["a 200", fine, 10]
  ] as const)("and %s", ([, outcome, rate]) =>
    Effect.gen(function* () {
      const budget = makeBudget({ requestsPerSecond: 10 })
      yield* refuse(budget, outcome)
      expect(budget.snapshot().rate).toBe(rate)
      expect(budget.snapshot().pausedUntil === null).toBe(rate === 10)
    })
  )
})

describe("Retry-After", () => {
  it.effect("holds back all requests, submissions too; then the rate grows from there", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ requestsPerSecond: 2 })
      const { request, started } = requests(budget)
      yield* refuse(budget, tooMany("7 seconds"))
      expect(budget.snapshot()).toMatchObject({ rate: 1, pausedUntil: DateTime.unsafeMake(7000) })
      yield* Effect.fork(request("read"))
      yield* Effect.fork(request("submission", { kind: "submit" }))
      yield* adjust("6999 millis")
      expect(started).toEqual([])
      expect(budget.snapshot()).toMatchObject({ rate: 1, waiting: 2 })
      yield* adjust("1 millis")
      expect(started).toEqual([{ name: "submission", at: 7000 }])
      expect(budget.snapshot().pausedUntil).toBeNull()
      yield* adjust("1 second")
      expect(started).toEqual([
        { name: "submission", at: 7000 },
        { name: "read", at: 8000 }
      ])
      expect(budget.snapshot().rate).toBeCloseTo(2 ** 0.1, 10)
    })
  )

  it.effect("makes the pause longer, never shorter, if a later response has it", () =>
    Effect.gen(function* () {
      const budget = makeBudget()
      const { request, started } = requests(budget)
      yield* hold(budget, 3)
      budget.release(tooMany("2 seconds"))
      budget.release(tooMany("5 seconds"))
      budget.release(tooMany("1 second"))
      yield* Effect.fork(request("read"))
      yield* adjust("10 seconds")
      expect(started).toEqual([{ name: "read", at: 5000 }])
    })
  )

  it.effect("applies to requests that wait already", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ requestsPerSecond: 1 })
      const { request, started } = requests(budget)
      yield* hold(budget)
      yield* Effect.fork(request("read"))
      yield* settle
      budget.release(tooMany("5 seconds"))
      yield* adjust("10 seconds")
      expect(started).toEqual([{ name: "read", at: 5000 }])
    })
  )

  it.effect("is kept for 30 seconds at most", () =>
    Effect.gen(function* () {
      const budget = makeBudget()
      const { request, started } = requests(budget)
      yield* refuse(budget, tooMany("1 hour"))
      yield* Effect.fork(request("read"))
      yield* adjust("1 minute")
      expect(started).toEqual([{ name: "read", at: 30_000 }])
    })
  )

  it.effect("is not made longer by a clock that is set back", () =>
    Effect.gen(function* () {
      const budget = makeBudget()
      const { request, started } = requests(budget)
      yield* TestClock.setTime(1_000_000)
      yield* refuse(budget, tooMany("5 seconds"))
      yield* TestClock.setTime(1000)
      expect(budget.snapshot().pausedUntil).toEqual(DateTime.unsafeMake(6000))
      yield* Effect.fork(request("read"))
      yield* adjust("5 seconds")
      expect(started).toEqual([{ name: "read", at: 6000 }])
    })
  )
})
