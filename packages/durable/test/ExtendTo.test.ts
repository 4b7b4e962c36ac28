/** Runs of `extendTo` in this process, over a SQLite file and the embedded server: what is paid for, and what is stored. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { DurableVideos, type ExtendToRequest, type Run, VideoStore } from "@effect-videos/durable"
import { Fault, type InProcessOptions, VideosServer } from "@effect-videos/server"
import { Deferred, Effect, Layer, Logger, Schedule } from "effect"
import { awaitVideo, createVideo, type VideosConfigOptions } from "effect-videos"
import { dialects } from "effect-videos/Dialects"
import { afterAll } from "vitest"
import { fakePlatform, fakePrograms, framesFilm } from "../../../test/support/fakeFfmpeg.js"
import { Platform } from "../src/internal/films.js"
import { Checkpoint, type CheckpointName } from "../src/internal/settings.js"
import { ended, until } from "./support/runs.js"
import { withLayer } from "./support/sharedLayer.js"

const folder = mkdtempSync(join(tmpdir(), "durable-extend-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What a step does at a moment of a run. */
type Moments = Map<CheckpointName, Effect.Effect<void>>

const moments: Moments = new Map()

/** Prompts whose jobs fail. */
const forbidden = new Set<string>()

const film = framesFilm(3 * 48 - 2)

/** FFmpeg's stand-ins: each clip of a server has 2 s, and a join of three has what three have. */
const programsOf = (name: string) =>
  Effect.suspend(() => {
    const at = join(folder, "programs", name)
    mkdirSync(at, { recursive: true })
    writeFileSync(join(at, "clip"), framesFilm(48))
    return fakePrograms(at, film)
  })

const clipsOf = (name: string) => join(folder, name)

/** A runner with a server of its own. */
const live = (name: string, server: InProcessOptions, videos: VideosConfigOptions = {}, moments: Moments = new Map()) =>
  Layer.unwrapEffect(
    Effect.map(programsOf(name), (programs) =>
      DurableVideos.layerSqlite({
        filename: join(folder, `${name}.db`),
        polling: { min: "100 millis", max: "100 millis" },
        // No test waits for it: what is decided wakes a run.
        retryAfter: "1 hour",
        ...programs
      })
    )
  ).pipe(
    Layer.provide(VideoStore.layerDirectory(clipsOf(name))),
    Layer.provideMerge(
      VideosServer.layerTest(
        {
          queueTime: 0,
          runTime: "20 millis",
          outcome: ({ prompt }) => (forbidden.has(prompt) ? { code: "moderation_blocked", message: "no" } : null),
          ...server
        },
        { listLag: "20 millis", ...videos }
      )
    ),
    Layer.provide(Layer.succeed(Checkpoint, (name) => moments.get(name) ?? Effect.void)),
    Layer.provide(Layer.succeed(Platform, fakePlatform)),
    Layer.provide(Logger.remove(Logger.defaultLogger))
  )

const lighthouse = "a lighthouse"

const source = (seconds: number, model?: string) =>
  Effect.flatMap(
    createVideo({ prompt: lighthouse, seconds, size: model === undefined ? "16x16" : "480x480", model }),
    (job) => awaitVideo(job, { poll: Schedule.spaced("5 millis") })
  )

/** Jobs by their prompts. */
const jobs = (...prompts: ReadonlyArray<string>) =>
  Effect.flatMap(VideosServer, (server) =>
    Effect.map(server.jobs, (all) => all.flatMap(({ prompt }) => (prompts.includes(prompt ?? "") ? [prompt] : [])))
  )

/** Clips of 4 s: all runs of a server go on from one. */
const shared = Effect.gen(function* () {
  const { jobs } = yield* VideosServer
  const made = (yield* jobs).find(({ prompt }) => prompt === lighthouse)
  return made ?? (yield* source(4))
})

const start = (request: Omit<ExtendToRequest, "video"> & { readonly video?: string }) =>
  Effect.gen(function* () {
    const durable = yield* DurableVideos
    const video = request.video ?? (yield* shared).id
    const again = { ...request, video }
    const started = yield* durable.extendTo(again, { key: request.prompts[0] })
    return { request: again, started }
  })

const ways = ({ segments }: Run) => segments.map(({ segment, state, way }) => `${segment} ${way} ${state}`)

/** The list does not decide what a lost submission has made: it stays uncertain. */
const extending = live("extending", {}, { dialect: { ...dialects.openai, listTrusted: false } }, moments)

withLayer("extendTo on a server with an extension", extending, (test) => {
  test("makes a run for each segment, and stores one file; the same key is the same run", () =>
    Effect.gen(function* () {
      const durable = yield* DurableVideos
      const { request, started } = yield* start({ totalSeconds: 17, prompts: ["a light", "a boat"] })
      const run = yield* ended(started.execution)
      assert.deepInclude(run, {
        state: "done",
        problem: null,
        kind: "extendTo",
        progress: 100,
        seconds: 20,
        jobId: null
      })
      assert.deepStrictEqual(ways(run), ["1 extended done", "2 extended done"])
      assert.deepStrictEqual(yield* jobs("a light", "a boat"), ["a light", "a boat"])
      // The clip of the last job, and nothing else.
      assert.deepStrictEqual(readdirSync(clipsOf("extending")), [`${run.execution}.mp4`])
      const { baseUrl, fetch } = yield* VideosServer
      const whole = yield* Effect.promise(async () =>
        Buffer.from(await (await fetch(`${baseUrl}/videos/${run.segments[1]?.jobId}/content`)).arrayBuffer())
      )
      assert.isTrue(whole.equals(readFileSync(run.location ?? "")))
      const segment = yield* durable.get(run.segments[0]?.execution ?? "")
      assert.deepInclude(segment, { kind: "extend", parent: run.execution, state: "done", location: null })
      assert.deepStrictEqual(
        (yield* durable.list()).map(({ execution }) => execution),
        [run.execution]
      )
      assert.strictEqual((yield* durable.extendTo(request, { key: "a light" })).execution, run.execution)
      const conflict = yield* Effect.flip(durable.extendTo({ ...request, totalSeconds: 18 }, { key: "a light" }))
      assert.strictEqual(conflict._tag, "IdempotencyConflictError")
      yield* durable.forget(run.execution)
      assert.deepInclude(yield* durable.get(run.execution), { state: "done", seconds: 20 })
    }))

  test("ends with the segment whose job failed, and `retry` goes on with those that are done", () =>
    Effect.gen(function* () {
      const durable = yield* DurableVideos
      forbidden.add("nothing good")
      const { started } = yield* start({ totalSeconds: 20, prompts: ["well", "nothing good"] })
      const run = yield* ended(started.execution)
      assert.deepInclude(run, { state: "failed", problem: "segment 2: moderation_blocked: no", seconds: 12 })
      assert.deepStrictEqual(ways(run), ["1 extended done", "2 extended failed"])
      const segment = yield* Effect.flip(durable.retry(run.segments[1]?.execution ?? ""))
      assert.include(segment.message, `it is a segment of run ${run.execution}`)
      forbidden.clear()
      const again = yield* ended((yield* durable.retry(run.execution)).execution)
      assert.deepInclude(again, { state: "done", attempt: 2, seconds: 20 })
      assert.deepStrictEqual(yield* jobs("well", "nothing good"), ["well", "nothing good", "nothing good"])
    }))

  test("is uncertain if a segment is, and `resolve` decides for it", () =>
    Effect.gen(function* () {
      const durable = yield* DurableVideos
      const { faults } = yield* VideosServer
      const lose = faults.set([{ on: ["extend"], when: Fault.first(1), fault: Fault.reset("before-headers") }])
      yield* lose
      const { started } = yield* start({ totalSeconds: 12, prompts: ["lost"] })
      const run = yield* until(started.execution, ({ state }) => state === "uncertain")
      assert.match(run.problem ?? "", /^segment 1: .*list/)
      assert.deepStrictEqual(ways(run), ["1 extended uncertain"])
      const [listed] = yield* durable.list({ states: ["uncertain"] })
      assert.strictEqual(listed?.execution, run.execution)
      yield* durable.resolve(run.execution, "resend")
      assert.deepInclude(yield* ended(run.execution), { state: "done", problem: null, candidates: [] })
      assert.deepStrictEqual(yield* jobs("lost"), ["lost"])
      const decided = yield* Effect.flip(durable.resolve(run.execution, "resend"))
      assert.strictEqual(decided._tag, "RunStateError")

      yield* lose
      const second = yield* start({ totalSeconds: 12, prompts: ["given up"] })
      yield* until(second.started.execution, ({ state }) => state === "uncertain")
      yield* durable.resolve(second.started.execution, "give up")
      assert.strictEqual((yield* ended(second.started.execution)).state, "abandoned")
      // The new attempt does not send what the first may have sent.
      const next = yield* durable.retry(second.started.execution)
      yield* until(next.execution, ({ state }) => state === "uncertain")
      assert.deepStrictEqual(yield* jobs("given up"), [])
      yield* durable.cancel(next.execution)
      assert.strictEqual((yield* ended(next.execution)).state, "cancelled")
    }))

  test("`cancel` ends the open segment and deletes its job; `retry` makes it again", () =>
    Effect.gen(function* () {
      const durable = yield* DurableVideos
      const isRecorded = yield* Deferred.make<void>()
      const isCancelled = yield* Deferred.make<void>()
      moments.set("after record", Effect.zipRight(Deferred.succeed(isRecorded, undefined), Deferred.await(isCancelled)))
      const { started } = yield* start({ totalSeconds: 12, prompts: ["stopped"] })
      yield* Deferred.await(isRecorded)
      yield* durable.cancel(started.execution, { deleteJob: true })
      const segment = (yield* durable.get(started.execution)).segments[0]?.execution ?? ""
      yield* until(segment, ({ cancel }) => cancel === "delete job")
      yield* Deferred.succeed(isCancelled, undefined)
      moments.clear()
      const run = yield* ended(started.execution)
      assert.deepInclude(run, { state: "cancelled" })
      assert.deepStrictEqual(ways(run), ["1 extended cancelled"])
      assert.deepStrictEqual(yield* jobs("stopped"), [])
      assert.strictEqual((yield* ended((yield* durable.retry(run.execution)).execution)).state, "done")
      assert.deepStrictEqual(yield* jobs("stopped"), ["stopped"])
    }))

  test("stops at `maxSegments`, and the same call with a higher limit goes on", () =>
    Effect.gen(function* () {
      const durable = yield* DurableVideos
      const { request, started } = yield* start({ totalSeconds: 20, prompts: ["limited"], maxSegments: 1 })
      const run = yield* ended(started.execution)
      assert.strictEqual(run.state, "failed")
      assert.match(run.problem ?? "", /^stopped at 12\.0 s by maxSegments: 1 job was submitted/)
      assert.strictEqual((yield* durable.extendTo(request, { key: "limited" })).execution, run.execution)
      const next = yield* durable.extendTo({ ...request, maxSegments: 2 }, { key: "limited" })
      assert.deepInclude(yield* ended(next.execution), { state: "done", attempt: 2 })
      assert.deepStrictEqual(yield* jobs("limited"), ["limited", "limited"])
    }))

  test("is refused before anything is sent if the source or the request is wrong", () =>
    Effect.gen(function* () {
      const durable = yield* DurableVideos
      const { started } = yield* start({ video: "video_nowhere", totalSeconds: 12, prompts: ["no source"] })
      const run = yield* ended(started.execution)
      assert.deepInclude(run, { state: "refused", segments: [], seconds: null })
      assert.include(run.problem ?? "", "video_nowhere")
      const wrong = yield* Effect.flip(durable.extendTo({ video: "a", totalSeconds: -1, prompts: ["b"] }, { key: "c" }))
      assert.deepInclude(wrong, { _tag: "InvalidRunError" })
      assert.include(wrong.message, "`totalSeconds`")
    }))

  test("makes a clip of its own if the server turns out to extend nothing", () =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      yield* faults.set([{ on: ["extend"], fault: Fault.status({ status: 404, body: "html" }) }])
      const { started } = yield* start({ totalSeconds: 8, prompts: ["refused"], size: "16x16" })
      const run = yield* ended(started.execution)
      yield* faults.set([])
      assert.deepInclude(run, { state: "done", problem: null })
      assert.deepStrictEqual(ways(run), ["1 joined done", "2 joined done"])
      assert.isTrue(film.equals(readFileSync(run.location ?? "")))
    }))
})

const joining = live("joining", { dialect: "vllm-omni" }, { dialect: dialects["vllm-omni"] })

withLayer("extendTo on a server without an extension", joining, (test) => {
  test("joins clips of their own, from the last frame of the one before, and keeps one file", () =>
    Effect.gen(function* () {
      const video = (yield* source(2)).id
      const prompts = ["b", "c"] as const
      const { started } = yield* start({ video, totalSeconds: 6, segmentSeconds: 2, prompts })
      const run = yield* ended(started.execution)
      assert.deepInclude(run, { state: "done", problem: null, seconds: 6 })
      assert.deepStrictEqual(ways(run), ["1 joined done", "2 joined done"])
      assert.deepStrictEqual(yield* jobs("b", "c"), ["b", "c"])
      assert.deepStrictEqual(readdirSync(clipsOf("joining")), [`${run.execution}.mp4`])
      assert.isTrue(film.equals(readFileSync(run.location ?? "")))
      const segment = yield* Effect.flatMap(DurableVideos, (durable) => durable.get(run.segments[1]?.execution ?? ""))
      assert.deepInclude(segment.request, { continues: { clip: run.segments[0]?.execution }, size: "160x90" })
    }))
})

const costly = live("costly", { dialect: "xai" }, { dialect: dialects.xai })

withLayer("extendTo on a server that says what jobs cost", costly, (test) => {
  test("stops before `maxCost` would be exceeded", () =>
    Effect.gen(function* () {
      const video = (yield* source(2, "grok-imagine-video")).id
      // 4 s cost 0.2 USD, 6 s cost 0.3 USD.
      const maxCost = { amount: 0.6, currency: "USD" }
      const { started } = yield* start({ video, totalSeconds: 8, segmentSeconds: 2, prompts: ["dear"], maxCost })
      const run = yield* ended(started.execution)
      assert.match(run.problem ?? "", /^stopped at 6\.0 s by maxCost: 2 jobs were submitted/)
      assert.deepStrictEqual(yield* jobs("dear"), ["dear", "dear"])
    }))
})

describe("a store that has no `download`", () => {
  it.scopedLive("refuses to join segments, and says what is missing", () =>
    Effect.gen(function* () {
      const store = yield* VideoStore
      const error = yield* Effect.flip(store.file("one"))
      assert.deepInclude(error, { _tag: "VideoStoreError", location: "one", detail: "the store has no `download`" })
    }).pipe(
      Effect.provide(
        VideoStore.layerUpload({
          directory: join(folder, "uploads"),
          find: () => Effect.succeed(null),
          upload: (location, { bytes }) => Effect.succeed({ location, bytes })
        })
      )
    )
  )
})
