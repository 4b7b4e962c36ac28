import { describe, expect, it } from "@effect/vitest"
import { Array as Arr, type Clock, Deferred, Effect, Exit, FastCheck, Fiber } from "effect"
import type { RequestKind, RequestLimiter } from "effect-videos/transport"
import { makeBudget, withPermit } from "../src/internal/rate/requestBudget.js"
import { adjust, countingClock, fine, hold, refuse, requests, settle, tooMany } from "./support/budget.js"
import { runs } from "./support/seeds.js"

describe("concurrency", () => {
  it("is 64 requests, let go without a turn of the event loop", () => {
    const budget = makeBudget()
    for (let n = 0; n < 64; n++) Effect.runSync(budget.acquire("read"))
    expect(budget.snapshot()).toEqual({ inFlight: 64, waiting: 0, rate: null, pausedUntil: null })
    expect(Exit.isFailure(Effect.runSyncExit(budget.acquire("read")))).toBe(true)
    budget.release(fine)
    expect(budget.snapshot()).toMatchObject({ inFlight: 64, waiting: 0 })
  })

  it.effect("is kept, and each end lets the next one go", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ concurrency: 2 })
      const { request, started } = requests(budget)
      const names = ["a", "b", "c", "d", "e"]
      yield* Effect.forEach(names, (name) => Effect.fork(request(name, { takes: "1 second" })))
      yield* settle
      expect(budget.snapshot()).toMatchObject({ inFlight: 2, waiting: 3 })
      yield* adjust("3 seconds")
      expect(started).toEqual(names.map((name, index) => ({ name, at: Math.floor(index / 2) * 1000 })))
      expect(budget.snapshot()).toMatchObject({ inFlight: 0, waiting: 0 })
    })
  )

  it.effect("is given back by a request that fails, dies or is interrupted", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ concurrency: 1 })
      const run = <A, E>(exchange: Effect.Effect<A, E>) => Effect.exit(withPermit(budget, "read", exchange, () => fine))
      expect(yield* run(Effect.fail("failed"))).toEqual(Exit.fail("failed"))
      expect(yield* run(Effect.die("died"))).toEqual(Exit.die("died"))
      expect(Exit.isInterrupted(yield* run(Effect.interrupt))).toBe(true)
      const fiber = yield* Effect.fork(run(Effect.never))
      yield* settle
      expect(budget.snapshot().inFlight).toBe(1)
      yield* Fiber.interrupt(fiber)
      expect(budget.snapshot().inFlight).toBe(0)
    })
  )
})

describe("permits", () => {
  it.effect("are granted to submissions and deletions before reads", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ concurrency: 1 })
      const { request, started } = requests(budget)
      yield* hold(budget)
      const kinds: ReadonlyArray<RequestKind> = ["read", "read", "submit", "remove", "read", "submit"]
      yield* Effect.forEach(kinds, (kind, index) => Effect.fork(request(`${kind} ${index}`, { kind })))
      yield* settle
      budget.release(fine)
      yield* settle
      expect(started.map(({ name }) => name)).toEqual([
        "submit 2",
        "remove 3",
        "submit 5",
        "read 0",
        "read 1",
        "read 4"
      ])
    })
  )

  it.effect("go before a request that comes while they wait, even if a permit is free", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ requestsPerSecond: 1 })
      const { request, started } = requests(budget)
      yield* request("first")
      yield* Effect.fork(request("second"))
      yield* settle
      // The clock has moved on, the timer has not rung yet.
      const late: Clock.Clock = {
        ...(yield* countingClock).clock,
        unsafeCurrentTimeMillis: () => 1000,
        unsafeCurrentTimeNanos: () => BigInt(1_000_000_000)
      }
      yield* Effect.fork(Effect.withClock(request("third"), late))
      yield* settle
      expect(started.map(({ name }) => name)).toEqual(["first", "second"])
    })
  )
})

describe("interruption", () => {
  it.effect("removes a waiting request from the queue at once", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ concurrency: 1 })
      const { request, started } = requests(budget)
      yield* hold(budget)
      const fibers = yield* Effect.forEach(["a", "b", "c"], (name) => Effect.fork(request(name)))
      yield* settle
      yield* Fiber.interrupt(Arr.unsafeGet(fibers, 1))
      expect(budget.snapshot().waiting).toBe(2)
      budget.release(fine)
      yield* settle
      expect(started.map(({ name }) => name)).toEqual(["a", "c"])
      expect(budget.snapshot()).toMatchObject({ inFlight: 0, waiting: 0 })
    })
  )

  it.effect("passes the permit on in the instant of the grant", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ concurrency: 1 })
      const { request, started } = requests(budget)
      yield* hold(budget)
      const first = yield* Effect.fork(request("first"))
      const second = yield* Effect.fork(request("second"))
      yield* settle
      budget.release(fine)
      first.unsafeInterruptAsFork(first.id())
      expect(Exit.isInterrupted(yield* Fiber.await(first))).toBe(true)
      yield* Fiber.join(second)
      expect(started.map(({ name }) => name)).toEqual(["second"])
      expect(budget.snapshot()).toMatchObject({ inFlight: 0, waiting: 0 })
    })
  )

  it.effect("keeps no other request from the limiter in the instant of the grant", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ concurrency: 1, limiter: { take: () => Effect.void } })
      const { request, started } = requests(budget)
      for (let n = 0; n < 5; n++) {
        yield* hold(budget)
        const fiber = yield* Effect.fork(request("given up"))
        yield* settle
        budget.release(fine)
        fiber.unsafeInterruptAsFork(fiber.id())
        yield* Fiber.await(fiber)
      }
      yield* request("served")
      expect(started.map(({ name }) => name)).toEqual(["served"])
    })
  )

  it.effect("reaches the waiting alone of an `acquire` in an uninterruptible region", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ concurrency: 1 })
      yield* hold(budget)
      const fiber = yield* Effect.fork(Effect.uninterruptible(budget.acquire("read")))
      yield* settle
      yield* Fiber.interrupt(fiber)
      expect(budget.snapshot()).toMatchObject({ inFlight: 1, waiting: 0 })
    })
  )

  it.effect("does not reach a wait in an uninterruptible region", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ concurrency: 1 })
      const { request, started } = requests(budget)
      yield* hold(budget)
      const fiber = yield* Effect.fork(Effect.uninterruptible(request("must")))
      yield* settle
      yield* Fiber.interruptFork(fiber)
      yield* settle
      expect(budget.snapshot().waiting).toBe(1)
      budget.release(fine)
      yield* Fiber.await(fiber)
      expect(started).toHaveLength(1)
    })
  )

  const request = FastCheck.record({
    kind: FastCheck.constantFrom<[RequestKind, RequestKind, RequestKind]>("read", "submit", "remove"),
    comes: FastCheck.nat(300),
    takes: FastCheck.nat(100),
    leaves: FastCheck.option(FastCheck.nat(400)),
    status: FastCheck.constantFrom(200, 200, 200, 429, 503, null),
    inLimiter: FastCheck.nat(30)
  })

  it.effect.prop(
    "leaks no permit at any time, wherever the request is",
    [
      FastCheck.array(request, { minLength: 1, maxLength: 40 }),
      FastCheck.record({
        concurrency: FastCheck.integer({ min: 1, max: 5 }),
        requestsPerSecond: FastCheck.constantFrom(undefined, 20, 200),
        limited: FastCheck.boolean()
      })
    ],
    ([calls, { concurrency, limited, requestsPerSecond }]) =>
      Effect.gen(function* () {
        const { clock, sleeping } = yield* countingClock
        let taken = 0
        const limiter: RequestLimiter = {
          take: () => Effect.suspend(() => Effect.sleep(calls[taken++ % calls.length]?.inLimiter ?? 0))
        }
        const budget = makeBudget({ concurrency, requestsPerSecond, ...(limited ? { limiter } : {}) })
        let running = 0
        let most = 0
        let ended = 0
        const fibers = yield* Effect.forEach(calls, ({ comes, kind, leaves, status, takes }) =>
          Effect.fork(
            withPermit(
              budget,
              kind,
              Effect.acquireUseRelease(
                Effect.sync(() => {
                  running++
                  most = Math.max(most, running)
                }),
                () => Effect.sleep(takes),
                () => Effect.sync(() => running--)
              ),
              () => ({ ...tooMany("50 millis"), status })
            ).pipe(
              Effect.delay(comes),
              Effect.timeoutOption(leaves ?? "1 hour"),
              Effect.ensuring(Effect.sync(() => ended++)),
              Effect.withClock(clock)
            )
          )
        )
        // Long enough for 40 requests at the lowest rate there is.
        yield* adjust("5 minutes")
        yield* Fiber.awaitAll(fibers)
        expect(ended).toBe(calls.length)
        expect(most).toBeLessThanOrEqual(concurrency)
        expect(budget.snapshot()).toMatchObject({ inFlight: 0, waiting: 0 })
        expect(sleeping()).toBe(0)
      }),
    { fastCheck: { numRuns: runs(10) }, timeout: 60_000 }
  )
})

describe("an idle budget", () => {
  it.effect("has no timer: neither before, nor between, nor after", () =>
    Effect.gen(function* () {
      const { clock, sleeping } = yield* countingClock
      const budget = makeBudget({ requestsPerSecond: 1, concurrency: 2 })
      const { request } = requests(budget)
      const one = Effect.withClock(request("one"), clock)
      yield* one
      expect(sleeping()).toBe(0)
      const fibers = yield* Effect.replicateEffect(Effect.fork(one), 3)
      yield* settle
      expect(sleeping()).toBe(1)
      yield* adjust("3 seconds")
      yield* Fiber.joinAll(fibers)
      expect(sleeping()).toBe(0)
      yield* Effect.withClock(refuse(budget, tooMany("20 seconds")), clock).pipe(Effect.fork)
      yield* adjust("1 second")
      expect(budget.snapshot().pausedUntil).not.toBeNull()
      expect(sleeping()).toBe(0)
    })
  )

  it.effect("has no timer left of interrupted requests", () =>
    Effect.gen(function* () {
      const { clock, sleeping } = yield* countingClock
      const budget = makeBudget({ requestsPerSecond: 1 })
      const { request } = requests(budget)
      const one = Effect.withClock(request("one"), clock)
      yield* one
      const fibers = yield* Effect.replicateEffect(Effect.fork(one), 3)
      yield* settle
      expect(sleeping()).toBe(1)
      yield* Fiber.interruptAll(fibers)
      yield* settle
      expect(sleeping()).toBe(0)
    })
  )

  it.effect("has no timer for requests that wait for a permit", () =>
    Effect.gen(function* () {
      const { clock, sleeping } = yield* countingClock
      const budget = makeBudget({ concurrency: 1 })
      yield* hold(budget)
      yield* Effect.fork(Effect.withClock(requests(budget).request("one"), clock))
      yield* settle
      expect(budget.snapshot().waiting).toBe(1)
      expect(sleeping()).toBe(0)
    })
  )
})

describe("a limiter", () => {
  /** Lets through whom the test lets through. */
  const gate = () => {
    const inside: Array<{ readonly kind: RequestKind; readonly open: Deferred.Deferred<void> }> = []
    const limiter: RequestLimiter = {
      take: (kind) =>
        Effect.flatMap(Deferred.make<void>(), (open) => {
          const entry = { kind, open }
          inside.push(entry)
          return Effect.onInterrupt(Deferred.await(open), () =>
            Effect.sync(() => void inside.splice(inside.indexOf(entry), 1))
          )
        })
    }
    const open = Effect.suspend(() => {
      const entry = inside.shift()
      return entry === undefined ? Effect.void : Effect.zipRight(Deferred.succeed(entry.open, undefined), settle)
    })
    return { inside, limiter, open }
  }

  it.effect("runs after the budget's own limits, for four requests at a time, submissions first", () =>
    Effect.gen(function* () {
      const { inside, limiter, open } = gate()
      const budget = makeBudget({ limiter })
      const { request, started } = requests(budget)
      yield* Effect.forEach(Arr.range(1, 6), (n) => Effect.fork(request(`read ${n}`, { takes: "1 second" })))
      yield* Effect.fork(request("submission", { kind: "submit", takes: "1 second" }))
      yield* settle
      expect(inside.map(({ kind }) => kind)).toEqual(["read", "read", "read", "read"])
      expect(budget.snapshot()).toMatchObject({ inFlight: 4, waiting: 3 })
      yield* open
      expect(started.map(({ name }) => name)).toEqual(["read 1"])
      expect(inside.map(({ kind }) => kind)).toEqual(["read", "read", "read", "submit"])
      yield* Effect.repeatN(open, 5)
      expect(started).toHaveLength(7)
      expect(budget.snapshot()).toMatchObject({ inFlight: 7, waiting: 0 })
      yield* adjust("1 second")
      expect(budget.snapshot()).toMatchObject({ inFlight: 0, waiting: 0 })
    })
  )

  it.effect("releases the permits of requests that are interrupted in it", () =>
    Effect.gen(function* () {
      const { inside, limiter } = gate()
      const budget = makeBudget({ limiter })
      const { request } = requests(budget)
      const fibers = yield* Effect.forEach(Arr.range(1, 5), (n) => Effect.fork(request(`read ${n}`)))
      yield* settle
      yield* Fiber.interruptAll(fibers)
      yield* settle
      expect(inside).toEqual([])
      expect(budget.snapshot()).toMatchObject({ inFlight: 0, waiting: 0 })
    })
  )

  it.effect("passes its defect to its caller, and costs no permit", () =>
    Effect.gen(function* () {
      const budget = makeBudget({ limiter: { take: () => Effect.die("broken") } })
      const { request, started } = requests(budget)
      for (let n = 0; n < 5; n++) expect(yield* Effect.exit(request("read"))).toEqual(Exit.die("broken"))
      const throwing = makeBudget({
        limiter: {
          take: () => {
            throw "broken"
          }
        }
      })
      expect(yield* Effect.exit(requests(throwing).request("read"))).toEqual(Exit.die("broken"))
      expect(started).toEqual([])
      for (const each of [budget, throwing]) expect(each.snapshot().inFlight).toBe(0)
    })
  )

  it.effect("lets no request through a pause that began while it waited", () =>
    Effect.gen(function* () {
      const { limiter, open } = gate()
      const budget = makeBudget({ limiter })
      const { request, started } = requests(budget)
      yield* Effect.fork(request("refused", { outcome: tooMany("3 seconds") }))
      yield* Effect.fork(request("in the limiter"))
      yield* settle
      yield* open
      yield* open
      expect(started.map(({ name }) => name)).toEqual(["refused"])
      yield* adjust("3 seconds")
      expect(started).toEqual([
        { name: "refused", at: 0 },
        { name: "in the limiter", at: 3000 }
      ])
    })
  )
})
