/**
 * Random servers that rewrite prompts one by one, against random calls whose responses are lost: no call makes two jobs, and no
 * call gets a job that is not its own. `SEED=7 vitest run test/ReconcileProperty.test.ts` repeats a run, and `RUNS=1000` tries more.
 */
import { addEqualityTesters, assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as Fc } from "effect"
import { createVideo } from "effect-videos"
import { inItsOwnTime } from "./support/ownTime.js"
import { isUncertain, outcome } from "./support/reconcile.js"
import { type Fate, type Made, makeModel, rewritings } from "./support/rewriting.js"
import { firstSeed, runs } from "./support/seeds.js"

addEqualityTesters()

const seed = firstSeed

const listLag = 10_000

const long = `A "wide" shot of the Atlantic & its fishing boats, ${"wave after wave, ".repeat(20)}until the ﬁnal cafe\u0301 closes`

/** Some are forms of others: what a server lists for one is what another call has sent. */
const prompts = [
  "a short one",
  "A Short One",
  long,
  long.slice(0, 255),
  `${long.slice(0, 40)}`,
  'fish & <chips>  by\nthe "harbour"',
  "fish &amp; &lt;chips>  by\nthe &quot;harbour&quot;"
]

const names = Object.keys(rewritings)

/** What servers make of the other fields. */
const otherFields: ReadonlyArray<{ readonly [name: string]: unknown }> = [
  {},
  {},
  { size: "720p" },
  { size: "1024x576" },
  { size: null, seconds: null },
  { seconds: "5" },
  { seconds: "0" },
  { model: "wan2.2-turbo" },
  { created_at: 0 }
]

const request = (prompt: string) => ({ prompt, model: "wan", size: "1280x720", seconds: 4 }) as const

const fate = (maxLag: number) =>
  Fc.record({
    kind: Fc.constantFrom("responds", "lost before", "lost after", "lost after", "slow"),
    takes: Fc.integer({ min: 0, max: 5000 }),
    lag: Fc.oneof(Fc.constant(0), Fc.integer({ min: 0, max: maxLag })),
    // Seen by one read at least: the pauses between two are shorter.
    removedAfter: Fc.oneof(
      { weight: 4, arbitrary: Fc.constant(Infinity) },
      { weight: 1, arbitrary: Fc.constant(25_000) }
    ),
    rewriting: Fc.constantFrom(...names),
    other: Fc.constantFrom(...otherFields)
  })

const hour = 3_600_000

const world = (maxLag: number) =>
  Fc.record({
    fates: Fc.array(fate(maxLag), { minLength: 12, maxLength: 12 }),
    calls: Fc.array(Fc.record({ at: Fc.integer({ min: 0, max: 4000 }), prompt: Fc.constantFrom(...prompts) }), {
      minLength: 1,
      maxLength: 3
    }),
    /** Calls before, in peace: their prompts are listed as sent. */
    before: Fc.array(Fc.constantFrom(...prompts), { maxLength: 2 }),
    /** Jobs of other processes, from long before and from the time of the calls. */
    older: Fc.array(
      Fc.record({
        ago: Fc.oneof(Fc.integer({ min: 5000, max: 2 * hour }), Fc.integer({ min: 5000, max: 100 * hour })),
        prompt: Fc.constantFrom("theirs", ...prompts),
        took: Fc.constantFrom(null, 90_000)
      }),
      { maxLength: 3 }
    ),
    newer: Fc.array(
      Fc.record({
        at: Fc.integer({ min: 0, max: 20_000 }),
        prompt: Fc.constantFrom("theirs", ...prompts),
        // Different in one field at least, so that it matches no submission of this process.
        fields: Fc.constantFrom({ seconds: "12" }, { size: "720x1280" }, { model: "wan-pro" })
      }),
      { maxLength: 2 }
    ),
    clock: Fc.oneof(
      Fc.record({
        skew: Fc.constantFrom(0, 90_000, -90_000, hour, -hour, 33 * hour, -33 * hour, -900 * 24 * hour),
        date: Fc.constant("same" as const)
      }),
      // Ahead of `Date`, an old job that matches a call cannot be distinguished from a new one: such clocks are not among these.
      // A created_at that is behind `Date`: local time for UTC, or a host whose clock is wrong.
      Fc.record({
        skew: Fc.oneof(Fc.constantFrom(-9000, -70_000, -hour, -14 * hour), Fc.integer({ min: -40 * hour, max: 0 })),
        date: Fc.constantFrom("right" as const, "none" as const)
      })
    ),
    pause: Fc.constantFrom(0, 3000, 2 * hour)
  })

type World = typeof world extends (lag: number) => Fc.Arbitrary<infer A> ? A : never

const run = ({ before, calls, clock, fates, newer, older, pause }: World) =>
  Effect.gen(function* () {
    let isPeace = true
    const model = makeModel({
      ...clock,
      fate: (index, body): Fate => {
        const fate = fates[index % fates.length]
        if (isPeace || fate === undefined) return { makes: true, responds: true }
        const { kind, lag, other, removedAfter, rewriting, takes } = fate
        const prompt = (rewritings[rewriting] ?? String)(String(body.prompt))
        return {
          makes: kind !== "lost before",
          responds: kind === "responds",
          takes,
          // Made after the client has given up, in as long again as it has waited.
          after: kind === "slow" ? 2 * takes : kind === "responds" ? takes : 0,
          lag,
          removedAfter,
          listed: { ...other, prompt }
        }
      }
    })
    return yield* Effect.gen(function* () {
      for (const { ago, prompt, took } of [...older].sort((a, b) => b.ago - a.ago)) {
        const made = yield* model.elsewhere(request(prompt), ago + pause)
        if (took !== null && took < ago) {
          made.fields = {
            ...made.fields,
            status: "completed",
            completed_at: Number(made.fields.created_at) + took / 1000
          }
        }
      }
      for (const prompt of before) yield* createVideo(request(prompt))
      yield* Effect.sleep(pause)
      isPeace = false
      const foreign = newer.map(({ at, fields, prompt }) =>
        Effect.delay(model.elsewhere({ ...request(prompt), ...fields }), at)
      )
      yield* Effect.forkScoped(Effect.all(foreign, { concurrency: "unbounded" }))
      const results = yield* Effect.forEach(
        calls,
        ({ at, prompt }, index) =>
          Effect.map(
            Effect.delay(outcome(createVideo(request(prompt), { idempotencyKey: `call-${index}` })), at),
            (ended) => ({ key: `call-${index}`, prompt, ended })
          ),
        { concurrency: "unbounded" }
      )
      return { model, results }
    }).pipe(Effect.scoped, Effect.provide(model.layer({ listLag })))
  })

type Ran = Effect.Effect.Success<ReturnType<typeof run>>

const madeBy = ({ model }: Ran, key: string): ReadonlyArray<Made> => model.jobs.filter((made) => made.key === key)

/** The submission that made a job. */
const isOwn = ({ model, results }: Ran, id: string, prompt: string): boolean => {
  const made = model.jobs.find((each) => each.id === id)
  // Calls that ask for the very same may share out their jobs.
  return results.some((each) => each.key === made?.key && each.prompt === prompt)
}

const faultOf = (ran: Ran, isLagPromised: boolean): string | null => {
  const returned = ran.results.flatMap(({ ended }) => ("id" in ended ? [String(ended.id)] : []))
  if (new Set(returned).size < returned.length) return "one job was returned twice"
  for (const { ended, key, prompt } of ran.results) {
    const made = madeBy(ran, key)
    if ("id" in ended && !isOwn(ran, ended.id, prompt)) return `${key} has a job that it did not make, ${ended.id}`
    if (!("id" in ended) && !isUncertain(ended)) return `${key} failed: ${ended._tag}`
    if (!isLagPromised) continue
    // Of calls that ask for the very same, one may have the job of the other, which then makes its own.
    const alike = ran.results.filter((each) => each.prompt === prompt)
    const all = alike.flatMap((each) => madeBy(ran, each.key))
    if (all.length > alike.length) return `${key} and its like have made ${all.length} jobs, for ${alike.length} calls`
    for (const { id } of made) {
      const isCandidate = isUncertain(ended) ? ended.candidates.some((each) => each.id === id) : true
      if (!isCandidate && !returned.includes(id))
        return `${key} has made ${id}, and other jobs were returned to its caller`
    }
  }
  return null
}

const numRuns = runs(8)

/** Servers send 1970 for an unknown time. */
const start = 1_760_000_000_000

const check = (world: World, isLagPromised: boolean) =>
  Effect.map(inItsOwnTime(run(world), start), (ran) => {
    const fault = faultOf(ran, isLagPromised)
    if (fault !== null) assert.fail(`${fault}; SEED=${seed}\n${JSON.stringify([ran.model.jobs, ran.results], null, 1)}`)
  })

describe("random servers that rewrite what they list, and lose responses", () => {
  it.effect.prop(
    "make one job at most for each call, and no call gets another's, while the list lags for `listLag` at most",
    [world(listLag)],
    ([each]) => check(each, true),
    { fastCheck: { numRuns, seed, endOnFailure: true } }
  )

  // That one job is made is not promised then.
  it.effect.prop(
    "return no job to two calls, nor another's, though the list lags for longer than `listLag`",
    [world(4 * listLag)],
    ([each]) => check(each, false),
    { fastCheck: { numRuns, seed, endOnFailure: true } }
  )
})
