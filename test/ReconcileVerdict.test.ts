/** What evidence allows a second POST, and what the memory of known jobs does to it: servers in memory, by the test's clock. */
import { addEqualityTesters, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createVideo, deleteVideo, type Videos } from "effect-videos"
import { inItsOwnTime } from "./support/ownTime.js"
import { isUncertain, outcome } from "./support/reconcile.js"
import { type Fate, type Model, type ModelOptions, makeModel, rewritings } from "./support/rewriting.js"

addEqualityTesters()

const responds: Fate = { makes: true, responds: true }
const lostBefore: Fate = { makes: false, responds: false }
const lostAfter: Fate = { makes: true, responds: false }

const hour = 3_600_000

const inTime = <A, E>(
  options: Omit<ModelOptions, "fate"> & { readonly fates: ReadonlyArray<Fate> },
  program: (model: Model) => Effect.Effect<A, E, Videos>
) => {
  const model = makeModel({ ...options, fate: (index) => options.fates[index] ?? responds })
  return inItsOwnTime(Effect.provide(program(model), model.layer()), 1_760_000_000_000)
}

const x = { prompt: "x", model: "wan", size: "1280x720", seconds: 4 } as const

/** How the second call ends, the number of POSTs in all, and the candidates. */
const uncertain = (model: Model, posts: number, candidates: ReadonlyArray<string>, prompt = "x") =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(createVideo({ ...x, prompt }))
    assert(isUncertain(error))
    assert.sameMembers(
      error.candidates.map(({ id }): string => id),
      [...candidates]
    )
    assert.lengthOf(model.posts, posts)
    return error
  })

const recovers = (model: Model, posts: number) =>
  Effect.gen(function* () {
    const video = yield* createVideo(x)
    assert.strictEqual(model.jobs.at(-1)?.id, video.id)
    assert.lengthOf(model.posts, posts)
  })

const long = `A "wide" shot & more: ${"wave after wave, ".repeat(20)}the cafe\u0301 closes`

describe("a prompt that the server rewrites, after one that it lists as sent", () => {
  it.effect.each(Object.entries(rewritings))("is never sent again: %s", ([, rewrite]) =>
    inTime({ fates: [responds, { ...lostAfter, listed: { prompt: rewrite(long) } }] }, (model) =>
      Effect.gen(function* () {
        yield* createVideo({ ...x, prompt: "a short one" })
        const result = yield* outcome(createVideo({ ...x, prompt: long }))
        const ids = "id" in result ? [result.id] : isUncertain(result) ? result.candidates.map(({ id }) => id) : []
        assert.deepStrictEqual(ids.map(String), ["video_2"])
        assert.lengthOf(model.posts, 2)
      })
    )
  )

  const forms = [
    "truncated at 64 characters",
    "escaped for HTML",
    "escaped for JSON",
    "escaped for a URL",
    "NFC",
    "NFKC",
    "in lower case"
  ]

  it.effect.each(forms)("is a candidate though another call sent what the server lists: %s", (form) => {
    const prompt = `${long}, fish & <chips> at\nthe caf\u00e9`
    const listed = rewritings[form]?.(prompt)
    assert(typeof listed === "string" && listed !== prompt)
    return inTime({ fates: [lostBefore, { ...lostAfter, listed: { prompt: listed } }, lostBefore] }, () =>
      Effect.gen(function* () {
        const calls = [listed, prompt].map((each) => outcome(createVideo({ ...x, prompt: each })))
        const [, result] = yield* Effect.all(calls, { concurrency: 2 })
        assert(result !== undefined && isUncertain(result))
        assert.include(
          result.candidates.map(({ id }) => String(id)),
          "video_1"
        )
      })
    )
  })

  it.effect.each([
    ["another size", { size: "1024x576" }],
    ["a size in other words", { size: "720p" }],
    ["another length", { seconds: "5" }],
    ["no size and no length", { size: null, seconds: null }],
    ["an alias of the model", { model: "wan2.2-turbo" }],
    ["no time", { created_at: 0 }]
  ] as const)("is a candidate with %s", ([, fields]) =>
    inTime({ fates: [responds, { ...lostAfter, listed: { prompt: "X, cinematic", ...fields } }] }, (model) =>
      Effect.gen(function* () {
        yield* createVideo({ ...x, prompt: "a short one" })
        yield* uncertain(model, 2, ["video_2"])
      })
    )
  )

  it.effect.each([
    ["that was never set", -20_000 * 24 * hour],
    ["that tells local time for UTC", -8 * hour],
    ["that tells local time for UTC, ahead", 9 * hour],
    ["that is half an hour behind", -hour / 2],
    ["that is a minute behind", -60_000]
  ] as const)("is a candidate by a clock %s, though `Date` is right", ([, skew]) =>
    inTime({ skew, date: "right", fates: [{ ...lostAfter, listed: { prompt: "X, cinematic" } }] }, (model) =>
      uncertain(model, 1, ["video_1"])
    )
  )

  it.effect("is a candidate though its job failed, and was removed from the list", () =>
    inTime({ fates: [{ ...lostAfter, listed: { prompt: "X" }, removedAfter: 10_000 }] }, (model) =>
      Effect.gen(function* () {
        const error = yield* uncertain(model, 1, ["video_1"])
        assert.include(error.message, "was on the list, and is there no more")
      })
    )
  )

  it.effect.each(["x", "X, cinematic"])(
    "is a candidate under an id that was another's: a server in memory counts anew (listed as %s)",
    (prompt) =>
      inTime({ id: () => "video_1", fates: [responds, { ...lostAfter, listed: { prompt } }] }, (model) =>
        Effect.gen(function* () {
          yield* createVideo(x)
          yield* Effect.sleep(hour)
          // It is started again.
          model.jobs.length = 0
          yield* uncertain(model, 2, ["video_1"])
        })
      )
  )

  it.effect("is adopted by neither call if another call sent the listed text: both are uncertain", () =>
    inTime({ fates: [{ ...lostAfter, listed: { prompt: long.slice(0, 255) } }, lostBefore] }, (model) =>
      Effect.gen(function* () {
        const calls = [long, long.slice(0, 255)].map((prompt) => outcome(createVideo({ ...x, prompt })))
        const result = yield* Effect.all(calls, { concurrency: 2 })
        for (const each of result) {
          assert(isUncertain(each))
          assert.deepStrictEqual(
            each.candidates.map(({ id }): string => id),
            ["video_1"]
          )
        }
        assert.lengthOf(model.posts, 2)
      })
    )
  )
})

describe("a job of another process", () => {
  it.effect("is a candidate if it was made since the call began, whatever it shows", () =>
    inTime({ fates: [responds, { ...lostBefore, takes: 1000 }] }, (model) =>
      Effect.gen(function* () {
        yield* createVideo({ ...x, prompt: "a short one" })
        yield* model.elsewhere({ prompt: "theirs", size: "720x1280", seconds: "12" })
        yield* uncertain(model, 2, ["video_2"])
      })
    )
  )

  it.effect.each([
    ["has run for longer than the call is old", 2 * hour, { completed: 90 }],
    ["is days old", 72 * hour, {}],
    ["is older than a job that this process knew", 3 * hour, { known: true }]
  ] as const)(
    "that %s hinders nothing",
    ([, ago, { completed, known }]: readonly [
      string,
      number,
      { readonly completed?: number; readonly known?: boolean }
    ]) =>
      inTime({ fates: known === true ? [responds, lostBefore] : [lostBefore] }, (model) =>
        Effect.gen(function* () {
          const theirs = yield* model.elsewhere({ prompt: "theirs" }, ago)
          const created = Number(theirs.fields.created_at)
          if (completed !== undefined) theirs.fields = { ...theirs.fields, completed_at: created + completed }
          if (known === true) yield* createVideo({ ...x, prompt: "a short one" })
          yield* Effect.sleep(hour)
          yield* recovers(model, known === true ? 3 : 2)
        })
      )
  )

  it.effect("is not adopted if it has the same prompt but another model", () =>
    inTime({ fates: [{ ...lostBefore, takes: 1000 }] }, (model) =>
      Effect.gen(function* () {
        yield* model.elsewhere({ ...x, model: "wan-pro" })
        yield* uncertain(model, 1, ["video_1"])
      })
    )
  )
})

describe("a list that is complete", () => {
  it.effect("lets the submission be sent again if it shows no job since the call began", () =>
    inTime({ fates: [lostBefore] }, (model) => recovers(model, 2))
  )

  it.effect("lets the submission adopt an exact match", () =>
    inTime({ fates: [lostAfter] }, (model) => recovers(model, 1))
  )

  it.effect("gives each of several concurrent calls its own job, whether made or not", () =>
    inTime({ fates: [lostAfter, lostBefore, lostAfter, lostBefore] }, (model) =>
      Effect.gen(function* () {
        const calls = ["one", "two", "three", "four"].map((prompt) => createVideo({ ...x, prompt }))
        const videos = yield* Effect.all(calls, { concurrency: 4 })
        assert.deepStrictEqual(
          videos.map(({ prompt }) => prompt),
          ["one", "two", "three", "four"]
        )
        assert.deepStrictEqual([model.jobs.length, model.posts.length], [4, 6])
      })
    )
  )
})

describe("a list that may not be complete", () => {
  it.effect.each([
    ["has the oldest first, and a page of two", { order: "oldest", maxPage: 2 }],
    ["is empty, and says that there is more", { maxPage: 0, hasMore: true }]
  ] as const)("as it %s: nothing is sent again", ([, options]) =>
    inTime({ ...options, fates: [lostAfter] }, (model) =>
      Effect.gen(function* () {
        for (const hours of [30, 20, 10]) yield* model.elsewhere({ prompt: "theirs" }, hours * hour)
        const error = yield* Effect.flip(createVideo(x))
        assert(isUncertain(error))
        assert.lengthOf(model.posts, 1)
      })
    )
  )
})

describe("a submission that was sent again", () => {
  it.effect("is uncertain if its first job appears late: the second may exist too", () =>
    inTime({ fates: [{ ...lostAfter, lag: 45_000 }, lostBefore] }, (model) => uncertain(model, 2, ["video_1"]))
  )

  it.effect("names both of its jobs if both appear", () =>
    inTime(
      {
        fates: [
          { ...lostAfter, lag: 45_000 },
          { ...lostAfter, lag: 14_000 }
        ]
      },
      (model) => uncertain(model, 2, ["video_1", "video_2"])
    )
  )
})

describe("a job that was made here, and is on the list no more", () => {
  /** The first call's job is as given; an hour later, or as given, the second call's response is lost. */
  const then = <A, E>(
    more: Partial<Fate>,
    after: number,
    second: (model: Model) => Effect.Effect<A, E, Videos>
  ): Effect.Effect<Model, unknown> =>
    inTime({ fates: [{ ...responds, ...more }, lostBefore] }, (model) =>
      Effect.gen(function* () {
        yield* createVideo({ ...x, prompt: "a short one" })
        yield* Effect.sleep(after)
        yield* second(model)
        return model
      })
    )

  const hidden = { removedAfter: 10_000, isReadable: true }

  const reads = ({ requests }: Model) => requests.filter((request) => request === "GET /v1/videos/video_1").length

  it.effect("leaves the list complete if one read of the job returns 404", () =>
    Effect.gen(function* () {
      const model = yield* then({ removedAfter: 10_000 }, hour, (model) => recovers(model, 3))
      assert.strictEqual(reads(model), 1)
    })
  )

  it.effect("leaves the list complete, if it has failed", () =>
    then({ ...hidden, listed: { status: "cancelled" } }, hour, (model) => recovers(model, 3))
  )

  it.effect("leaves the list complete, if it was deleted here", () =>
    Effect.gen(function* () {
      const model = yield* then({ ...hidden, removedAfter: hour }, hour, (model) =>
        Effect.zipRight(deleteVideo("video_1"), recovers(model, 3))
      )
      assert.strictEqual(reads(model), 0)
    })
  )

  it.effect("leaves the list complete, once it has expired", () =>
    then({ ...hidden, listed: {}, made: { expires_at: 1_760_000_000 + 1800 } }, hour, (model) => recovers(model, 3))
  )

  it.effect("leaves the list complete after a day", () => then(hidden, 25 * hour, (model) => recovers(model, 3)))

  it.effect("makes the list incomplete for as long, if the server still has it", () =>
    then(hidden, 23 * hour, (model) =>
      Effect.map(uncertain(model, 2, []), ({ message }) => assert.include(message, "the list leaves out jobs, video_1"))
    )
  )

  it.effect("does not hinder one call after another", () =>
    inTime({ fates: [{ ...responds, removedAfter: 10_000 }, lostBefore, responds, lostBefore] }, (model) =>
      Effect.gen(function* () {
        yield* createVideo({ ...x, prompt: "a short one" })
        yield* Effect.sleep(hour)
        yield* recovers(model, 3)
        yield* Effect.sleep(hour)
        yield* recovers(model, 5)
      })
    )
  )

  it.effect("leaves the list complete with a hundred of its kind: the newest five are read", () =>
    inTime(
      { fates: [...Array.from({ length: 120 }, () => ({ ...responds, removedAfter: 10_000 })), lostBefore] },
      (model) =>
        Effect.gen(function* () {
          yield* Effect.replicateEffect(createVideo({ ...x, prompt: "a short one" }), 120)
          yield* Effect.sleep(hour)
          yield* recovers(model, 122)
          assert.lengthOf(
            model.requests.filter((request) => request.startsWith("GET /v1/videos/")),
            5
          )
        })
    )
  )
})
