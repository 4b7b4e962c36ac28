/** Random faults, by seed (`SEED=` repeats one), against a model: the server's jobs are those that callers received. */
import { assert, describe, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { Effect, Either, Schedule } from "effect"
import { createVideo, extendVideo, remixVideo } from "effect-videos"
import { seeds } from "../support/seeds.js"
import { anyClient, idsThere, patience, source, world } from "./support.js"

/** With what a request may meet, and how likely. */
const mix = (seed: number): ReadonlyArray<Fault.Rule> => {
  const submissions = [
    Fault.reset("before-headers"),
    Fault.reset("after-commit"),
    Fault.reset("mid-body"),
    Fault.cutJson(),
    Fault.html(),
    Fault.contentLength(9),
    Fault.status({ status: 502, body: "html" }),
    Fault.status({ status: 504, committed: true }),
    Fault.status({ status: 408 }),
    Fault.poison(),
    Fault.absurd()
  ]
  const lists = [Fault.reset("mid-body"), Fault.status({ status: 500 }), Fault.html(), Fault.cutJson()]
  return [
    ...submissions.map((fault, index) => ({
      on: ["create", "extend", "remix"] as const,
      when: Fault.chance(0.07, seed * 100 + index),
      fault
    })),
    ...lists.map((fault, index) => ({
      on: ["list", "retrieve"] as const,
      when: Fault.chance(0.08, seed * 100 + 50 + index),
      fault
    }))
  ]
}

/** Of a call: the job that it returned, or the candidates. */
interface Outcome {
  readonly prompt: string
  readonly id: string | null
  readonly candidates: ReadonlyArray<string>
  readonly isUncertain: boolean
}

const submissions = (video: string, count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, index) => index),
    (index) => {
      // Some are the same to the letter.
      const prompt = index % 5 === 0 ? "the tide comes in" : `the tide comes in, take ${index}`
      const call =
        index % 3 === 0
          ? createVideo({ prompt, size: "64x64" })
          : index % 3 === 1
            ? extendVideo({ video, prompt, seconds: 4 })
            : remixVideo({ video, prompt })
      return Effect.map(
        Effect.either(call),
        (ended): Outcome => ({
          prompt,
          id: Either.isRight(ended) ? ended.right.id : null,
          candidates:
            Either.isLeft(ended) && ended.left._tag === "SubmissionUncertainError"
              ? ended.left.candidates.map(({ id }) => id)
              : [],
          isUncertain: Either.isLeft(ended) && ended.left._tag === "SubmissionUncertainError"
        })
      )
    },
    { concurrency: 4 }
  )

describe("submissions under a mix of faults", () => {
  it.live.each(seeds(2))(
    "make the jobs that callers receive, and no others (seed %i)",
    (seed) =>
      Effect.gen(function* () {
        const { faults, jobs } = yield* VideosServer
        const video = yield* source
        yield* faults.set(mix(seed))
        const all = yield* submissions(video, 24)
        yield* faults.clear
        const made = (yield* jobs).filter(({ id }) => id !== video)
        const owned = all.flatMap(({ id }) => (id === null ? [] : [id]))
        // No job has two owners, and every job that a call returned is there.
        assert.strictEqual(new Set(owned).size, owned.length)
        assert.includeMembers(yield* idsThere, owned)
        // A job without an owner is that of a call with an unknown outcome, one each.
        const left = made.filter(({ id }) => !owned.includes(id))
        const open = all.filter(({ isUncertain }) => isUncertain)
        for (const { id, prompt } of left) {
          const at = open.findIndex((call) => call.prompt === prompt)
          assert.isAtLeast(at, 0, `no call returned ${id}, ${prompt}`)
          open.splice(at, 1)
        }
        assert.isAtMost(made.length, all.length)
      }).pipe(
        Effect.provide(
          world(anyClient.layer, {
            readRetry: Schedule.recurs(6),
            submitRetry: Schedule.recurs(3),
            requestTimeout: patience
          })
        )
      ),
    30_000
  )
})
