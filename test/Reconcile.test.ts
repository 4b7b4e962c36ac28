/** How a submission whose response was lost ends: by fault, by operation, by what the list shows. */
import { addEqualityTesters, assert, describe, it } from "@effect/vitest"
import { Fault, type InProcessOptions, VideosServer } from "@effect-videos/server"
import { Duration, Effect, Fiber, Layer, Logger, TestClock } from "effect"
import {
  createCharacter,
  createVideo,
  deleteVideo,
  editVideo,
  extendVideo,
  remixVideo,
  VideoFile,
  type VideosConfigOptions
} from "effect-videos"
import { dialects } from "effect-videos/Dialects"
import { driven, facts, isUncertain, outcome, source, submissions } from "./support/reconcile.js"
import { quiet } from "./support/videos.js"

addEqualityTesters()

const layer = (options: InProcessOptions = {}, videos: VideosConfigOptions = {}) =>
  Layer.merge(VideosServer.layerTest({ queueTime: 0, runTime: 0, ...options }, videos), quiet)

const plain = layer()

const faults = (...rules: ReadonlyArray<Fault.Rule>) => Effect.flatMap(VideosServer, ({ faults }) => faults.set(rules))

/** Faults that leave it open whether a job was made, and whether one was. */
const doubts: ReadonlyArray<readonly [string, Fault.Fault, boolean]> = [
  ["a reset before the headers", Fault.reset("before-headers"), false],
  ["a reset after the commit", Fault.reset("after-commit"), true],
  ["a reset in mid-body", Fault.reset("mid-body"), true],
  ["JSON that was cut", Fault.cutJson(), true],
  ["a body that is shorter than it says", Fault.contentLength(9), true],
  ["a body that is longer than it says", Fault.contentLength(-9), true],
  ["a page with status 200", Fault.html(), false],
  ["no response, and no job", Fault.hang(), false],
  ["no response for a job that was made", Fault.hang({ committed: true }), true],
  ...[500, 502, 503, 504, 524].flatMap(
    (status): ReadonlyArray<readonly [string, Fault.Fault, boolean]> => [
      [`${status}`, Fault.status({ status }), false],
      [`${status} after the commit`, Fault.status({ status, committed: true }), true]
    ]
  )
]

/** Every fault for one operation, and one with a job and one without for the others: one code path serves all. */
const cases = submissions.flatMap((submission) =>
  doubts
    .filter(([after]) => submission.name === "createVideo" || /reset after the commit|page/.test(after))
    .map(([after, fault, made]) => ({ ...submission, after, fault, made }))
)

describe("a submission whose response is lost once", () => {
  it.scoped.each(cases)("ends in its one job: $name, $after", ({ fault, made, on, submit }) =>
    driven(
      Effect.gen(function* () {
        const { id } = yield* source
        yield* faults({ on: [on], when: Fault.first(1), fault })
        const video = yield* submit(id)()
        const { ids, listPaths, sent } = yield* facts
        assert.deepStrictEqual(ids, [id, video.id])
        // The source's, and once more where no job was made.
        assert.strictEqual(sent, made ? 2 : 3)
        if (made) assert.lengthOf(listPaths, 1)
        else assert.isAtLeast(listPaths.length, 2)
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped.each(submissions)("is uncertain at once where the caller says `fail`: $name", ({ name, on, submit }) =>
    driven(
      Effect.gen(function* () {
        const { id } = yield* source
        yield* faults({ on: [on], fault: Fault.reset("after-commit") })
        const error = yield* Effect.flip(submit(id)({ onUnknownOutcome: "fail", idempotencyKey: "order-1" }))
        assert(isUncertain(error))
        assert.deepInclude(error, { idempotencyKey: "order-1", detail: null })
        assert.deepStrictEqual(error.candidates, [])
        assert.include(name, error.operation)
        const { listPaths, sent } = yield* facts
        assert.deepStrictEqual([listPaths.length, sent], [0, 2])
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped("is sent again unseen where the configuration says `resend`, and pays twice where the key is ignored", () =>
    driven(
      Effect.gen(function* () {
        yield* faults({ on: ["create"], when: Fault.first(1), fault: Fault.reset("after-commit") })
        yield* createVideo({ prompt: "x" })
        const { ids, listPaths, sent } = yield* facts
        assert.deepStrictEqual([ids.length, listPaths.length, sent], [2, 0, 2])
      })
    ).pipe(Effect.provide(layer({}, { onUnknownOutcome: "resend" })))
  )

  it.scoped("is sent again in a dialect without a list too, whose error then advises no read of the list", () =>
    driven(
      Effect.gen(function* () {
        yield* faults({ on: ["create"], fault: Fault.reset("after-commit") })
        const call = createVideo({ prompt: "x", seconds: 2, size: "480x480", model: "grok-imagine-video" })
        const error = yield* Effect.flip(call)
        assert(isUncertain(error))
        assert.deepInclude(error, { hasList: false, detail: "it was sent 3 times" })
        assert.include(error.message, "a second submission may pay twice")
        const { listPaths, sent } = yield* facts
        assert.deepStrictEqual([listPaths.length, sent], [0, 3])
      })
    ).pipe(Effect.provide(layer({ dialect: "xai" }, { onUnknownOutcome: "resend" })))
  )

  it.scoped("is sent again and runs once if the server honours keys", () =>
    driven(
      Effect.gen(function* () {
        yield* faults({ on: ["create"], when: Fault.first(2), fault: Fault.reset("after-commit") })
        const video = yield* createVideo({ prompt: "x" }, { onUnknownOutcome: "resend" })
        const { ids, sent } = yield* facts
        assert.deepStrictEqual([ids, sent], [[video.id], 3])
      })
    ).pipe(Effect.provide(layer({ idempotency: "honour" })))
  )

  it.scoped("every time is uncertain after three, with everything to go on by hand", () =>
    driven(
      Effect.gen(function* () {
        yield* faults({ on: ["create"], fault: Fault.reset("before-headers") })
        const error = yield* Effect.flip(createVideo({ prompt: "x" }))
        assert(isUncertain(error))
        assert.strictEqual(error.reason._tag, "TransportError")
        assert.match(error.message, /it is not on the list; it was sent 3 times/)
        const { ids, sent } = yield* facts
        assert.deepStrictEqual([ids.length, sent], [0, 3])
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped(
    "ends in SubmissionUncertainError without a list read or a second request when the total timeout is over",
    () =>
      driven(
        Effect.gen(function* () {
          yield* faults({ on: ["create"], fault: Fault.hang({ committed: true }) })
          const error = yield* Effect.flip(createVideo({ prompt: "a lighthouse" }, { totalTimeout: "5 seconds" }))
          assert(isUncertain(error) && error.reason._tag === "RequestTimeoutError")
          assert.strictEqual(error.reason.option, "totalTimeout")
          const { ids, listPaths, sent } = yield* facts
          assert.deepStrictEqual([ids.length, listPaths.length, sent], [1, 0, 1])
        }).pipe(Effect.provide(plain))
      )
  )

  it.scoped("is not sent again with `singleAttempt: true`, though its job is adopted", () =>
    driven(
      Effect.gen(function* () {
        yield* faults({ on: ["create"], when: Fault.first(1), fault: Fault.reset("after-commit") })
        const video = yield* createVideo({ prompt: "x" }, { singleAttempt: true })
        assert.deepStrictEqual((yield* facts).ids, [video.id])
        yield* faults({ on: ["create"], when: Fault.first(1), fault: Fault.reset("before-headers") })
        const error = yield* Effect.flip(createVideo({ prompt: "x" }, { singleAttempt: true }))
        assert.match(error.message, /`singleAttempt: true` forbids/)
        assert.strictEqual((yield* facts).sent, 2)
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped.each([
    ["429", Fault.status({ status: 429, retryAfter: "2 minutes" }), /sent again, it failed: createVideo: rate limited/],
    ["400", Fault.status({ status: 400 }), /sent again, it failed/],
    ["409", Fault.status({ status: 409 }), /sent again, it failed/]
  ] as const)("stays uncertain where the second is refused (%s): that says nothing of the first", ([, fault, why]) =>
    driven(
      Effect.gen(function* () {
        yield* faults(
          { on: ["create"], when: Fault.nth(1), fault: Fault.reset("before-headers") },
          { on: ["create"], fault }
        )
        const error = yield* Effect.flip(createVideo({ prompt: "x" }))
        assert(isUncertain(error))
        assert.match(error.message, why)
        assert.strictEqual((yield* facts).sent, 2)
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped("keeps its key over all that it sends", () =>
    driven(
      Effect.gen(function* () {
        yield* faults({ on: ["create"], when: Fault.first(1), fault: Fault.reset("before-headers") })
        const first = yield* createVideo({ prompt: "x" }, { idempotencyKey: "order-1" })
        // The server has made the job under the key that the first carried.
        const second = yield* createVideo({ prompt: "x" }, { idempotencyKey: "order-1" })
        assert.strictEqual(first.id, second.id)
      })
    ).pipe(Effect.provide(layer({ idempotency: "honour" })))
  )
})

describe("a character", () => {
  it.scoped("is on no list: its submission is uncertain after one request", () =>
    driven(
      Effect.gen(function* () {
        yield* faults({ on: ["createCharacter"], fault: Fault.reset("before-headers") })
        const video = VideoFile.fromBytes(new Uint8Array(9))
        const error = yield* Effect.flip(createCharacter({ video, name: "Tom" }))
        assert(isUncertain(error))
        assert.match(error.message, /no list of characters/)
        const { listPaths, sent } = yield* facts
        assert.deepStrictEqual([listPaths.length, sent], [0, 1])
      })
    ).pipe(Effect.provide(plain))
  )
})

describe("list reads", () => {
  const lost = (fault: Fault.Fault, videos?: VideosConfigOptions) =>
    driven(
      Effect.gen(function* () {
        yield* faults({ on: ["create"], when: Fault.first(1), fault })
        yield* createVideo({ prompt: "x" })
        const { listPaths, times } = yield* facts
        // The submission itself, and once more.
        return { at: times.slice(1, -1), paths: listPaths }
      })
    ).pipe(Effect.provide(layer({}, videos)))

  it.scoped("come with growing pauses until a job would be on the list for sure", () =>
    Effect.gen(function* () {
      const { at, paths } = yield* lost(Fault.status({ status: 500 }))
      assert.deepStrictEqual(at, [0, 1, 3, 7, 15, 30])
      assert.strictEqual(paths[0], "/v1/videos?limit=100&order=desc")
    })
  )

  it.scoped("go on as long again as the request had taken: it may still be running", () =>
    Effect.gen(function* () {
      const { at } = yield* lost(Fault.hang())
      assert.deepStrictEqual(at, [60, 61, 63, 67, 75, 91, 123, 150])
    })
  )

  it.scoped("are two at least", () =>
    Effect.gen(function* () {
      const { at } = yield* lost(Fault.status({ status: 500 }), { listLag: 0 })
      assert.deepStrictEqual(at, [0, 0])
    })
  )

  it.scoped("find a job that appears late, and take it", () =>
    driven(
      Effect.gen(function* () {
        yield* faults(
          { on: ["create"], when: Fault.first(1), fault: Fault.reset("after-commit") },
          { on: ["list"], fault: Fault.stale("20 seconds") }
        )
        const video = yield* createVideo({ prompt: "x" })
        const { ids, times } = yield* facts
        assert.deepStrictEqual(ids, [video.id])
        assert.deepStrictEqual(times, [0, 0, 1, 3, 7, 15, 30])
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped("carry the headers and the query of the submission, for a proxy that needs them", () =>
    driven(
      Effect.gen(function* () {
        yield* faults({ on: ["create"], when: Fault.first(1), fault: Fault.reset("after-commit") })
        yield* createVideo({ prompt: "x" }, { extraQuery: { custom_llm_provider: "azure" } })
        assert.match((yield* facts).listPaths[0] ?? "", /custom_llm_provider=azure/)
      })
    ).pipe(Effect.provide(plain))
  )
})

describe("a list that does not tell", () => {
  /** A job was made, its response lost, and the list is as given. */
  const uncertain = (options: {
    readonly server?: InProcessOptions
    readonly videos?: VideosConfigOptions
    readonly list?: ReadonlyArray<Fault.Rule>
    readonly made?: boolean
  }) =>
    driven(
      Effect.gen(function* () {
        yield* faults(
          { on: ["create"], fault: Fault.reset(options.made === false ? "before-headers" : "after-commit") },
          ...(options.list ?? [])
        )
        const error = yield* Effect.flip(createVideo({ prompt: "x", model: "sora-2" }))
        assert(isUncertain(error))
        const { ids, listPaths, sent } = yield* facts
        assert.strictEqual(sent, 1)
        return { error, candidates: error.candidates.map(({ id }): string => id), ids, listPaths: listPaths.length }
      })
    ).pipe(Effect.provide(layer(options.server, options.videos)))

  it.scoped("is missing by the dialect: no request is sent", () =>
    Effect.gen(function* () {
      const { error, ids, listPaths } = yield* uncertain({ server: { dialect: "new-api" } })
      assert.match(error.message, /This server has no list of jobs\./)
      assert.deepStrictEqual([ids.length, listPaths], [1, 0])
    })
  )

  it.scoped("is missing in fact: one request is sent", () =>
    Effect.gen(function* () {
      const { error, listPaths } = yield* uncertain({
        list: [{ on: ["list"], fault: Fault.status({ status: 501 }) }]
      })
      assert.match(error.message, /This server has no list of jobs \(GET \/videos returned HTTP 501\)/)
      assert.strictEqual(listPaths, 1)
    })
  )

  it.scoped("has no prompts: the candidates are those made since", () =>
    Effect.gen(function* () {
      const { candidates, error, ids } = yield* uncertain({ server: { dialect: "sglang" } })
      assert.deepStrictEqual(candidates, ids)
      assert.match(error.message, /listTrusted|no prompts/)
      assert.include(error.message, ids[0] ?? "none")
    })
  )

  it.scoped("has no prompts, and no job", () =>
    Effect.gen(function* () {
      const { candidates } = yield* uncertain({ server: { dialect: "sglang" }, made: false })
      assert.deepStrictEqual(candidates, [])
    })
  )

  it.scoped("lags for longer than it was said to, but its user knows: nothing is sent again", () =>
    Effect.gen(function* () {
      const { candidates, error } = yield* uncertain({
        videos: { dialect: { ...dialects.openai, listTrusted: false } },
        list: [{ on: ["list"], fault: Fault.stale("1 hour") }]
      })
      assert.deepStrictEqual(candidates, [])
      assert.match(error.message, /listTrusted/)
    })
  )

  it.scoped.each([
    ["an empty page with more behind it", Fault.page("empty"), /empty page/],
    ["HTML", Fault.html(), /could not be read/],
    ["cut JSON", Fault.cutJson(), /could not be read/],
    ["503", Fault.status({ status: 503 }), /could not be read/],
    ["401", Fault.status({ status: 401 }), /could not be read/],
    ["no prompts", Fault.fields({ prompt: null }), /no prompts/],
    ["other prompts", Fault.fields({ prompt: "rewritten for you" }), /may have been made since it began/],
    ["other sizes", Fault.fields({ model: "another" }), /may have been made since it began/],
    ["no times", Fault.fields({ created_at: null }), /time leaves open/],
    ["times to come", Fault.fields({ created_at: 4_000_000_000 }), /time leaves open/],
    ["no response", Fault.hang(), /could not be read/]
  ] as const)("has %s: it is said, and nothing is sent again", ([, fault, why]) =>
    Effect.gen(function* () {
      const { error, ids } = yield* uncertain({ list: [{ on: ["list"], fault }] })
      assert.match(error.message, why)
      assert.strictEqual(ids.length, 1)
    })
  )

  it.scoped("has every job twice: one is one", () =>
    driven(
      Effect.gen(function* () {
        yield* faults(
          { on: ["create"], fault: Fault.reset("after-commit") },
          { on: ["list"], fault: Fault.page("doubled") }
        )
        const video = yield* createVideo({ prompt: "x" })
        assert.deepStrictEqual((yield* facts).ids, [video.id])
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped("fails for a while, and then shows the job", () =>
    driven(
      Effect.gen(function* () {
        yield* faults(
          { on: ["create"], fault: Fault.reset("after-commit") },
          { on: ["list"], when: Fault.first(12), fault: Fault.status({ status: 503 }) }
        )
        const video = yield* createVideo({ prompt: "x" })
        assert.deepStrictEqual((yield* facts).ids, [video.id])
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped("leaves out a job that was made here before", () =>
    driven(
      Effect.gen(function* () {
        yield* createVideo({ prompt: "the first" })
        yield* TestClock.adjust("1 hour")
        yield* faults(
          { on: ["create"], fault: Fault.reset("after-commit") },
          { on: ["list"], fault: Fault.stale("2 hours") }
        )
        const error = yield* Effect.flip(createVideo({ prompt: "x" }))
        assert.match(error.message, /the list leaves out jobs/)
        assert.strictEqual((yield* facts).sent, 2)
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped("may leave out a job that was deleted here", () =>
    driven(
      Effect.gen(function* () {
        const { id } = yield* createVideo({ prompt: "the first" })
        yield* deleteVideo(id)
        yield* TestClock.adjust("1 hour")
        yield* faults({ on: ["create"], when: Fault.first(1), fault: Fault.reset("before-headers") })
        const video = yield* createVideo({ prompt: "x" })
        assert.deepStrictEqual((yield* facts).ids, [video.id])
      })
    ).pipe(Effect.provide(plain))
  )
})

describe("clocks that are wrong", () => {
  it.scoped.each([
    ["the server's is ahead", Fault.skew({ ahead: "1 hour" }), ["create", "list"]],
    ["the server's is behind", Fault.skew({ behind: "1 hour" }), ["create", "list"]],
    ["the list's alone is behind", Fault.skew({ behind: "9 hours" }), ["list"]]
  ] as const)("do not hide a job, and show none: %s", ([, skew, on]) =>
    driven(
      Effect.gen(function* () {
        for (const at of ["after-commit", "before-headers"] as const) {
          yield* faults({ on: ["create"], when: Fault.first(1), fault: Fault.reset(at) }, { on: [...on], fault: skew })
          const video = yield* createVideo({ prompt: at })
          assert.strictEqual((yield* facts).ids.at(-1), video.id)
        }
        assert.lengthOf((yield* facts).ids, 2)
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped("a job of an earlier run that is like it is not taken for it; whether it is older is left open", () =>
    driven(
      Effect.gen(function* () {
        const server = yield* VideosServer
        // Another process.
        const posted = yield* Effect.promise(() =>
          server
            .fetch(`${server.baseUrl}/videos`, {
              method: "POST",
              headers: { "content-type": "application/json" },
              body: JSON.stringify({ prompt: "x" })
            })
            .then((response) => response.json())
        )
        yield* TestClock.adjust("1 hour")
        yield* faults({ on: ["create"], when: Fault.first(1), fault: Fault.reset("after-commit") })
        const video = yield* createVideo({ prompt: "x" })
        assert.notStrictEqual(video.id, posted.id)
        assert.deepStrictEqual((yield* facts).ids, [posted.id, video.id])
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped("do not cause a second request if a job may be the submission's, by a clock that is wrong", () =>
    driven(
      Effect.gen(function* () {
        yield* faults(
          { on: ["create"], fault: Fault.reset("after-commit") },
          // `Date` says nothing of it.
          { on: ["list"], fault: Fault.fields({ created_at: 86_400 }) }
        )
        const error = yield* Effect.flip(createVideo({ prompt: "x" }))
        assert(isUncertain(error))
        assert.deepStrictEqual(
          error.candidates.map(({ id }): string => id),
          (yield* facts).ids
        )
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped("a job that ran for longer than the submission is old is older, whatever the clocks show", () =>
    driven(
      Effect.gen(function* () {
        const server = yield* VideosServer
        yield* Effect.promise(() =>
          server.fetch(`${server.baseUrl}/videos`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ prompt: "x" })
          })
        )
        yield* TestClock.adjust("1 hour")
        yield* faults({ on: ["create"], when: Fault.first(1), fault: Fault.reset("before-headers") })
        const video = yield* createVideo({ prompt: "x" })
        const { ids, sent } = yield* facts
        assert.deepStrictEqual([ids.length, ids.at(-1), sent], [2, video.id, 3])
      })
    ).pipe(Effect.provide(layer({ queueTime: "1 minute", runTime: "4 minutes" })))
  )
})

describe("what is like it", () => {
  /** Another process makes this just before the poll. */
  const elsewhere = (path: string, body: unknown) =>
    Effect.flatMap(VideosServer, ({ baseUrl, fetch }) =>
      Effect.promise(() =>
        fetch(`${baseUrl}${path}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body)
        })
      )
    )

  it.scoped("may be a job of another process with another prompt, though the list shows others as they were sent", () =>
    driven(
      Effect.gen(function* () {
        yield* createVideo({ prompt: "mine" })
        yield* faults({ on: ["create"], when: Fault.first(1), fault: Fault.reset("before-headers") })
        const fiber = yield* Effect.fork(Effect.flip(createVideo({ prompt: "x" })))
        yield* Effect.repeat(facts, { until: ({ sent }) => sent === 2 })
        yield* elsewhere("/videos", { prompt: "another" })
        const error = yield* Fiber.join(fiber)
        assert(isUncertain(error))
        const { ids, sent } = yield* facts
        assert.deepStrictEqual(
          error.candidates.map(({ id }): string => id),
          ids.slice(1)
        )
        // The other process's among them.
        assert.strictEqual(sent, 3)
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped("is not a clip of another length, an extension of another source, or a remix of one", () =>
    driven(
      Effect.gen(function* () {
        const { id } = yield* source
        const other = yield* createVideo({ prompt: "other", size: "64x64", seconds: 12 })
        yield* elsewhere("/videos", { prompt: "p", seconds: "4", size: "64x64" })
        yield* elsewhere("/videos/extensions", { prompt: "p", seconds: "8", video: { id: other.id } })
        yield* elsewhere(`/videos/${other.id}/remix`, { prompt: "p" })
        const before = (yield* facts).ids.length
        for (const [on, call] of [
          ["create", createVideo({ prompt: "p", seconds: 8, size: "64x64" })],
          ["extend", extendVideo({ video: id, prompt: "p", seconds: 8 })],
          ["remix", remixVideo({ video: id, prompt: "p" })]
        ] as const) {
          yield* faults({ on: [on], when: Fault.first(1), fault: Fault.reset("after-commit") })
          const video = yield* call
          assert.strictEqual((yield* facts).ids.at(-1), video.id)
        }
        assert.strictEqual((yield* facts).ids.length, before + 3)
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped("is a second candidate if it is of another process", () =>
    driven(
      Effect.gen(function* () {
        yield* elsewhere("/videos", { prompt: "x" })
        yield* elsewhere("/videos", { prompt: "x" })
        yield* faults({ on: ["create"], fault: Fault.reset("after-commit") })
        const error = yield* Effect.flip(createVideo({ prompt: "x" }))
        assert(isUncertain(error))
        assert.lengthOf(error.candidates, 3)
        assert.match(error.message, /3 jobs on the list are like it.*It may be video_/)
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped("has the same prompt but for its white space", () =>
    driven(
      Effect.gen(function* () {
        const prompt = "  a lighthouse\r\n at  dusk "
        yield* faults(
          { on: ["create"], fault: Fault.reset("after-commit") },
          { on: ["list"], fault: Fault.fields({ prompt: "a lighthouse\nat dusk" }) }
        )
        const video = yield* createVideo({ prompt })
        assert.deepStrictEqual((yield* facts).ids, [video.id])
      })
    ).pipe(Effect.provide(plain))
  )

  it.scoped("is found behind a hundred others", () =>
    driven(
      Effect.gen(function* () {
        yield* createVideo({ prompt: "mine" })
        yield* faults(
          { on: ["create"], when: Fault.first(1), fault: Fault.reset("after-commit") },
          { on: ["list"], fault: Fault.status({ status: 503 }) }
        )
        const fiber = yield* Effect.fork(createVideo({ prompt: "x" }))
        yield* Effect.repeat(facts, { until: ({ sent }) => sent === 2 })
        yield* Effect.replicateEffect(elsewhere("/videos", { prompt: "another" }), 120, { concurrency: 20 })
        yield* faults()
        const video = yield* Fiber.join(fiber)
        assert.strictEqual(video.prompt, "x")
        const { ids, listPaths } = yield* facts
        assert.strictEqual(ids.indexOf(video.id), 1)
        assert.lengthOf(ids, 122)
        assert.match(listPaths.at(-1) ?? "", /after=/)
      })
    ).pipe(Effect.provide(plain))
  )
})

describe("a caller that is interrupted", () => {
  it.scoped("does so at once, and the log says that a job may have been made", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => lines.push(String(message)))
      yield* driven(
        Effect.gen(function* () {
          yield* faults({ on: ["create"], fault: Fault.reset("after-commit") }, { on: ["list"], fault: Fault.hang() })
          const fiber = yield* Effect.fork(createVideo({ prompt: "x" }))
          yield* Effect.repeat(facts, { until: ({ listPaths }) => listPaths.length > 0 })
          yield* Fiber.interrupt(fiber)
        })
      ).pipe(Effect.provide(Layer.merge(VideosServer.layerTest(), Logger.replace(Logger.defaultLogger, logger))))
      assert.lengthOf(lines, 1)
      assert.match(lines[0] ?? "", /was interrupted before its outcome was known/)
    })
  )
})

describe("Retry-After", () => {
  const refusedWith = (retryAfter: Fault.RetryAfter | Duration.DurationInput) =>
    driven(
      Effect.gen(function* () {
        yield* faults({ on: ["create"], fault: Fault.status({ status: 429, retryAfter }) })
        const result = yield* outcome(createVideo({ prompt: "x" }))
        const { faults: log } = yield* VideosServer
        return { result, at: (yield* log.log).map(({ at }) => at), ...(yield* facts) }
      })
    ).pipe(Effect.provide(plain))

  it.scoped("becomes an error with that delay, and no sleep, if it is an hour", () =>
    Effect.gen(function* () {
      for (const form of ["1 hour", Fault.retryAfterMillis("1 hour"), Fault.retryAfterDate("1 hour")] as const) {
        const { at, result } = yield* refusedWith(form)
        assert.deepInclude(result, { _tag: "RateLimitedError" })
        if ("_tag" in result && result._tag === "RateLimitedError") {
          assert.deepStrictEqual(result.retryAfter, Duration.hours(1))
        }
        assert.lengthOf(at, 1)
      }
    })
  )

  it.scoped("does not become a hot loop if it is in the past", () =>
    Effect.gen(function* () {
      const { at, result } = yield* refusedWith(Fault.retryAfterPast("1 hour"))
      assert.deepInclude(result, { _tag: "RateLimitedError" })
      // The schedule's own three, no more.
      assert.lengthOf(at, 4)
    })
  )
})

describe("an empty account", () => {
  it.scoped.each([402, 429])("is returned after one request (%i)", (status) =>
    driven(
      Effect.gen(function* () {
        yield* faults({ on: ["create"], fault: Fault.status({ status, code: "insufficient_quota", retryAfter: 0 }) })
        const error = yield* Effect.flip(createVideo({ prompt: "x" }))
        assert.strictEqual(error._tag, "QuotaExceededError")
        assert.strictEqual((yield* facts).sent, 1)
      })
    ).pipe(Effect.provide(plain))
  )
})

describe("a deletion", () => {
  it.scoped.each([
    ["a reset", Fault.reset("after-commit")],
    ["500", Fault.status({ status: 500, committed: true })],
    ["no response", Fault.hang({ committed: true })],
    ["cut JSON", Fault.cutJson()]
  ] as const)("whose response was lost to %s has succeeded", ([, fault]) =>
    driven(
      Effect.gen(function* () {
        const { id } = yield* source
        yield* faults({ on: ["delete"], when: Fault.first(1), fault })
        assert.deepInclude(yield* deleteVideo(id), { id, deleted: true })
        assert.deepStrictEqual((yield* facts).ids, [])
        assert.strictEqual((yield* Effect.flip(deleteVideo(id)))._tag, "VideoNotFoundError")
      })
    ).pipe(Effect.provide(plain))
  )
})

describe("edits", () => {
  it.scoped("of two clips with one prompt return their own jobs if both responses are lost", () =>
    driven(
      Effect.gen(function* () {
        const sources = yield* Effect.all([source, source])
        yield* faults({ on: ["edit"], fault: Fault.reset("after-commit") })
        const result = yield* Effect.forEach(
          sources,
          ({ id }) => outcome(editVideo({ video: id, prompt: "in winter" })),
          {
            concurrency: "unbounded"
          }
        )
        const made = (yield* facts).ids.slice(2)
        assert.lengthOf(made, 2)
        for (const error of result) {
          assert(isUncertain(error))
          assert.sameMembers(
            error.candidates.map(({ id }): string => id),
            made
          )
        }
      })
    ).pipe(Effect.provide(plain))
  )
})
