import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { RateLimiter } from "@effect/experimental"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer, Logger } from "effect"
import * as SharedLimit from "effect-videos/RateLimiter"
import { makeBudget } from "../src/internal/rate/requestBudget.js"
import { adjust, requests, settle } from "./support/budget.js"

/** When the limiter let each of `count` requests pass. */
const times = (limiter: { readonly take: (kind: "read") => Effect.Effect<void> }, count: number) => {
  const at: Array<number> = []
  const one = Effect.zipRight(limiter.take("read"), Clock.currentTimeMillis)
  return Effect.as(Effect.replicateEffect(Effect.fork(Effect.map(one, (now) => at.push(now))), count), at)
}

/** Logged, in the order that it was. */
const logged = () => {
  const lines: Array<string> = []
  const layer = Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ logLevel, message }) => lines.push(`${logLevel.label} ${String(message)}`))
  )
  return { lines, layer }
}

/** A store in memory that, now and then, does what the test says instead. */
const moody = (mood: { current: Effect.Effect<never, RateLimiter.RateLimitStoreError> | null; asked: number }) =>
  Layer.effect(
    RateLimiter.RateLimiterStore,
    Effect.map(RateLimiter.RateLimiterStore, (store) =>
      RateLimiter.RateLimiterStore.of({
        ...store,
        tokenBucket: (options) =>
          Effect.suspend(() => {
            mood.asked++
            return mood.current ?? store.tokenBucket(options)
          })
      })
    )
  ).pipe(Layer.provide(RateLimiter.layerStoreMemory))

const broken = Effect.fail(new RateLimiter.RateLimitStoreError({ message: "connection lost" }))

describe("a limit in memory", () => {
  it.effect("is one for two budgets that have it", () =>
    Effect.gen(function* () {
      const limiter = yield* SharedLimit.makeMemory({ limit: 4 })
      const one = requests(makeBudget({ limiter }))
      const other = requests(makeBudget({ limiter }))
      const fibers = yield* Effect.forEach([one, other, one, other, one, other, one, other], ({ request }) =>
        Effect.fork(request("read"))
      )
      yield* adjust("1 second")
      yield* Fiber.joinAll(fibers)
      const both = [...one.started, ...other.started].map(({ at }) => at).sort((a, b) => a - b)
      // A quiet window's worth at once, then one each quarter of the window.
      expect(both).toEqual([0, 0, 0, 0, 250, 500, 750, 1000])
      expect(one.started).toHaveLength(4)
    })
  )

  it.effect("counts over the window that it is given", () =>
    Effect.gen(function* () {
      const at = yield* times(yield* SharedLimit.makeMemory({ limit: 2, window: "10 seconds" }), 4)
      yield* adjust("1 minute")
      expect(at).toEqual([0, 0, 5000, 10_000])
    })
  )

  it.effect("is not used up by a request that is interrupted while it waits", () =>
    Effect.gen(function* () {
      const limiter = yield* SharedLimit.makeMemory({ limit: 1 })
      yield* limiter.take("read")
      const fiber = yield* Effect.fork(limiter.take("submit"))
      yield* settle
      yield* Fiber.interrupt(fiber)
      const at = yield* times(limiter, 1)
      yield* adjust("10 seconds")
      // The turn itself is lost.
      expect(at).toEqual([2000])
    })
  )

  it.effect.each([
    [{ limit: 0 }, "limit"],
    [{ limit: 0.5 }, "limit"],
    [{ limit: Number.POSITIVE_INFINITY }, "limit"],
    [{ limit: 1, window: 0 }, "window"],
    [{ limit: 1, window: "-1 second" }, "window"],
    [{ limit: 1, storeTimeout: Number.POSITIVE_INFINITY }, "storeTimeout"]
  ] as const)("is refused by name: %j", ([options, name]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(SharedLimit.makeMemory(options))
      expect(error).toMatchObject({ _op: "InvalidData", path: [name] })
    })
  )
})

describe("a limit in a store", () => {
  it.effect("is shared by all layers with its key", () =>
    Effect.gen(function* () {
      const one = yield* times(yield* SharedLimit.make({ limit: 2, key: "a" }), 2)
      const other = yield* times(yield* SharedLimit.make({ limit: 2, key: "a" }), 2)
      const apart = yield* times(yield* SharedLimit.make({ limit: 2, key: "b" }), 2)
      yield* adjust("10 seconds")
      expect([one, other, apart]).toEqual([
        [0, 0],
        [500, 1000],
        [0, 0]
      ])
    }).pipe(Effect.provide(RateLimiter.layerStoreMemory))
  )

  it.effect(
    "is applied by each process alone if the store fails, with one warning and a new attempt after ten seconds",
    () => {
      const mood = { current: broken, asked: 0 } as Parameters<typeof moody>[0]
      const { layer, lines } = logged()
      return Effect.gen(function* () {
        const limiter = yield* SharedLimit.make({ limit: 2, key: "shared" })
        const alone = yield* times(limiter, 4)
        yield* adjust("1 second")
        expect(alone).toEqual([0, 0, 500, 1000])
        expect(lines).toHaveLength(1)
        expect(lines[0]).toMatch(/^WARN The store of the shared limit `shared` failed.*connection lost/)
        const before = mood.asked
        mood.current = null
        yield* adjust("8 seconds")
        yield* limiter.take("read")
        expect(mood.asked).toBe(before)
        yield* adjust("1 second")
        yield* limiter.take("read")
        expect(mood.asked).toBe(before + 1)
        yield* limiter.take("read")
        expect(mood.asked).toBe(before + 2)
        expect(lines).toHaveLength(1)
      }).pipe(Effect.provide(Layer.merge(moody(mood), layer)))
    }
  )

  it.effect("holds a request no longer than its timeout if the store does not respond", () => {
    const mood = { current: Effect.never, asked: 0 } as Parameters<typeof moody>[0]
    const { layer, lines } = logged()
    return Effect.gen(function* () {
      const limiter = yield* SharedLimit.make({ limit: 100, storeTimeout: "200 millis" })
      const first = yield* times(limiter, 3)
      yield* adjust("200 millis")
      expect(first).toEqual([200, 200, 200])
      const later = yield* times(limiter, 3)
      yield* settle
      expect(later).toEqual([200, 200, 200])
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain("no response within 200ms")
    }).pipe(Effect.provide(Layer.merge(moody(mood), layer)))
  })
})

it("nothing else of the library loads the limiter's package", () => {
  const src = fileURLToPath(new URL("../src/", import.meta.url))
  const users = readdirSync(src, { recursive: true, encoding: "utf8" }).filter(
    (name) =>
      name.endsWith(".ts") && /from "(@effect\/experimental|.*\/RateLimiter\.js)/.test(readFileSync(src + name, "utf8"))
  )
  expect(users).toEqual(["RateLimiter.ts"])
})
