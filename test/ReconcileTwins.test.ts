/** Several submissions at once, some responses lost: by example, and by a model over random runs. */
import { addEqualityTesters, assert, describe, it } from "@effect/vitest"
import { Fault, type InProcessOptions, VideosServer } from "@effect-videos/server"
import { Effect, Exit, Fiber, Layer, Random, TestClock } from "effect"
import { createVideo, type VideosConfigOptions } from "effect-videos"
import { dialects } from "effect-videos/Dialects"
import { driven, endAsTwo, facts, isUncertain, outcome, source, submissions } from "./support/reconcile.js"
import { seeds } from "./support/seeds.js"
import { quiet } from "./support/videos.js"

addEqualityTesters()

const layer = (options: InProcessOptions = {}, videos: VideosConfigOptions = {}) =>
  Layer.merge(VideosServer.layerTest({ queueTime: 0, runTime: 0, ...options }, videos), quiet)

const faults = (...rules: ReadonlyArray<Fault.Rule>) => Effect.flatMap(VideosServer, ({ faults }) => faults.set(rules))

const lost: ReadonlyArray<readonly [string, Fault.Fault]> = [
  ["before the commit", Fault.reset("before-headers")],
  ["after the commit", Fault.reset("after-commit")],
  ["to a 500 before the commit", Fault.status({ status: 500 })],
  ["to a 502 after the commit", Fault.status({ status: 502, committed: true })],
  ["to a timeout", Fault.hang()],
  ["to a timeout after the commit", Fault.hang({ committed: true })],
  ["to JSON that was cut", Fault.cutJson()]
]

const races = [1, 2].flatMap((nth) => lost.map(([how, fault]) => ({ nth, how, fault })))

describe("two submissions that are the same, at once", () => {
  for (const { name, on, submit } of submissions) {
    if (name.endsWith("file")) continue
    const own = races.filter(({ how }) => name === "createVideo" || /^(before|after) the commit/.test(how))
    it.scoped.each(own)(`end in exactly two jobs if the response to no. $nth is lost $how (${name})`, (race) =>
      driven(
        Effect.gen(function* () {
          const { id } = yield* source
          yield* faults({ on: [on], when: Fault.nth(race.nth), fault: race.fault })
          const both = yield* Effect.all([submit(id)(), submit(id)()], { concurrency: 2 })
          const { ids } = yield* facts
          assert.lengthOf(ids, 3)
          assert.sameMembers(
            both.map((video): string => video.id),
            ids.slice(1)
          )
        })
      ).pipe(Effect.provide(layer()))
    )
  }

  it.scoped.each(lost)("end in two if both responses are lost %s", ([, fault]) =>
    driven(
      Effect.gen(function* () {
        yield* faults({ on: ["create"], when: Fault.first(2), fault })
        yield* endAsTwo
      })
    ).pipe(Effect.provide(layer()))
  )

  it.scoped("the one that reads the list waits for the response to the other: its job is not taken", () =>
    driven(
      Effect.gen(function* () {
        // The first is made at once, and its response takes a minute; the second is not made.
        yield* faults(
          { on: ["create"], when: Fault.nth(1), fault: Fault.slow({ bytes: 50, every: "5 seconds" }) },
          { on: ["create"], when: Fault.nth(2), fault: Fault.reset("before-headers") }
        )
        const call = createVideo({ prompt: "x" }, { timeout: "10 minutes" })
        const [first, second] = yield* Effect.all([call, call], { concurrency: 2 })
        assert.notStrictEqual(first.id, second.id)
        assert.lengthOf((yield* facts).ids, 2)
      })
    ).pipe(Effect.provide(layer()))
  )

  it.scoped("one of them interrupted, the other takes one job and no more", () =>
    driven(
      Effect.gen(function* () {
        yield* faults({ on: ["create"], fault: Fault.hang({ committed: true }) })
        const gone = yield* Effect.fork(createVideo({ prompt: "x" }))
        const stays = yield* Effect.fork(createVideo({ prompt: "x" }))
        yield* Effect.repeat(facts, { until: ({ ids }) => ids.length === 2 })
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.interrupt(gone)
        const video = yield* Fiber.join(stays)
        const { ids, sent } = yield* facts
        assert.include(ids, video.id)
        assert.deepStrictEqual([ids.length, sent], [2, 2])
      })
    ).pipe(Effect.provide(layer()))
  )

  it.scoped("more jobs than submissions: all are uncertain, all jobs are named, none is made", () =>
    driven(
      Effect.gen(function* () {
        yield* faults(
          { on: ["create"], when: Fault.nth(1), fault: Fault.duplicate("job") },
          { on: ["create"], fault: Fault.reset("after-commit") }
        )
        // The first has made two, of which one is its own.
        const call = outcome(createVideo({ prompt: "x" }))
        const results = yield* Effect.all([call, call, call], { concurrency: 3 })
        const { ids, sent } = yield* facts
        assert.deepStrictEqual([ids.length, sent], [4, 3])
        const named = new Set(
          results
            .flatMap((each) => (isUncertain(each) ? each.candidates : "id" in each ? [each] : []))
            .map(({ id }) => id)
        )
        assert.sameMembers([...named], ids)
        assert.lengthOf(results.filter(isUncertain), 2)
      })
    ).pipe(Effect.provide(layer()))
  )
})

// -----------------------------------------------------------------------------
// a model
// -----------------------------------------------------------------------------

const kinds = [
  ...lost.map(([, fault]) => fault),
  Fault.reset("mid-body"),
  Fault.html(),
  Fault.status({ status: 503 }),
  Fault.status({ status: 503, retryAfter: "1 second" }),
  Fault.status({ status: 504, committed: true }),
  Fault.status({ status: 524, committed: true }),
  Fault.status({ status: 429, retryAfter: "2 seconds" }),
  Fault.status({ status: 429, retryAfter: "1 hour" }),
  Fault.status({ status: 400 })
]

const listKinds = [
  Fault.status({ status: 503 }),
  Fault.reset("before-headers"),
  Fault.stale("10 seconds"),
  Fault.cutJson(),
  Fault.page("doubled"),
  Fault.page("empty"),
  Fault.skew({ ahead: "1 hour" }),
  Fault.skew({ behind: "1 hour" })
]

/** Random calls of one program against one server; every fault of the table by chance, with the list's own beside it. */
const run = (seed: string) =>
  Effect.gen(function* () {
    const seedOf = Random.nextIntBetween(1, 1_000_000)
    const rules = yield* Effect.forEach(kinds, (fault) =>
      Effect.map(
        seedOf,
        (chance): Fault.Rule => ({
          on: ["create", "extend", "edit", "remix"],
          when: Fault.chance(0.03, chance),
          fault
        })
      )
    )
    const listRules = yield* Effect.forEach(listKinds, (fault) =>
      Effect.map(seedOf, (chance): Fault.Rule => ({ on: ["list"], when: Fault.chance(0.05, chance), fault }))
    )
    const honours = yield* Random.nextBoolean
    const isTrusted = yield* Effect.map(Random.next, (chance) => chance < 0.8)
    const calls = yield* Effect.replicateEffect(
      Effect.all({
        at: Effect.map(Random.nextIntBetween(0, 40), (seconds) => seconds * 1000),
        which: Random.nextIntBetween(0, submissions.length),
        prompt: Effect.map(Random.nextIntBetween(0, 4), (index) => `prompt ${index}`),
        source: Random.nextIntBetween(0, 2)
      }),
      25
    )
    yield* driven(
      Effect.gen(function* () {
        const sources = yield* Effect.all([source, source])
        yield* faults(...rules, ...listRules)
        const results = yield* Effect.forEach(
          calls,
          ({ at, prompt, source, which }) => {
            const submission = submissions[which]
            const clip = sources[source]
            // A form's way through the file system is not the clock's.
            if (submission === undefined || clip === undefined || submission.name.endsWith("file"))
              return Effect.succeed(null)
            return Effect.delay(outcome(submission.submit(clip.id, prompt)()), at)
          },
          { concurrency: "unbounded" }
        )
        yield* faults()
        const returned = results.flatMap(
          (each): ReadonlyArray<string> => (each !== null && "id" in each ? [each.id] : [])
        )
        const uncertain = results.filter(isUncertain)
        const named = uncertain.flatMap(({ candidates }) => candidates.map(({ id }): string => id))
        // No two callers have one job.
        assert.lengthOf([...new Set(returned)], returned.length, seed)
        const { ids } = yield* facts
        const made = ids.slice(2)
        assert.includeMembers(made, returned, seed)
        // A list that lies about the time may make a source look like a job that was made since.
        assert.includeMembers(ids, named, seed)
        // A job that was returned to no caller is that of a call with an unknown outcome and no candidate.
        const unreturned = made.filter((id) => !returned.includes(id) && !named.includes(id))
        const blind = uncertain.filter(({ candidates }) => candidates.length === 0)
        assert.isAtMost(unreturned.length, blind.length, `${seed}: ${unreturned}`)
        // No call has made two.
        assert.isAtMost(made.length, returned.length + uncertain.length, seed)
        return { returned: returned.length, uncertain: uncertain.length }
      })
    ).pipe(
      Effect.provide(
        layer(
          { idempotency: honours ? "honour" : "ignore" },
          isTrusted ? {} : { dialect: { ...dialects.openai, listTrusted: false } }
        )
      )
    )
  }).pipe(Effect.withRandom(Random.make(seed)))

describe("random submissions, with lost responses, and lists that fail, lag and have wrong times", () => {
  it.scoped.each(seeds(2).map((seed) => `seed ${seed}`))(
    "the server's jobs are those that callers received (%s)",
    (seed) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(run(seed))
        assert(Exit.isSuccess(exit), String(exit))
      }),
    30_000
  )
})
