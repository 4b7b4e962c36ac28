/** `extendTo` over the embedded server: which way, what is paid for, and how the next run goes on after a crash. */
import * as fs from "node:fs"
import { join } from "node:path"
import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Fault, VideosServer, type VideosServerService } from "@effect-videos/server"
import { Effect, Fiber, Layer, Schedule, Stream } from "effect"
import { awaitVideo, createVideo, dialects, VideoFile, type VideosConfigOptions } from "effect-videos"
import { type ExtendToOptions, ExtendToPhase, extendTo } from "effect-videos/continue"
import { fixture, instant } from "../packages/server/test/support.js"
import { fakePlatform, fakePrograms, framesFilm } from "./support/fakeFfmpeg.js"
import { folder } from "./support/films.js"
import { videosOver } from "./support/videos.js"

const prompts = ["the light comes on", "a boat passes"] as const

const poll = Schedule.spaced("1 millis")

/** Any MP4: FFmpeg's stand-ins say the same of each. */
const film = framesFilm(48)

/** Calls the server in-process, which draws no clips: the same file takes their place. */
const transportOf = ({ fetch }: VideosServerService) =>
  Layer.provide(
    FetchHttpClient.layer,
    Layer.succeed(FetchHttpClient.Fetch, (input, init) =>
      /(\/content|\.mp4)$/.test(String(input))
        ? Promise.resolve(new Response(Uint8Array.from(film)))
        : fetch(input, init)
    )
  )

/** A clip of the server, and `extendTo` for it. */
const world = (seconds: number, config: VideosConfigOptions = {}) =>
  Effect.gen(function* () {
    const at = yield* folder
    const server = yield* VideosServer
    const { dialect } = server
    const videos = videosOver(
      server,
      { dialect, listLag: 0, onUnknownOutcome: "reconcile", ...config },
      transportOf(server)
    )
    const provided = Effect.provide(Layer.merge(videos, fakePlatform))
    const model = dialect === "xai" ? "grok-imagine-video" : undefined
    const clip = yield* provided(
      Effect.flatMap(createVideo({ prompt: "a lighthouse", seconds, model }), (job) => awaitVideo(job, { poll }))
    )
    const path = join(at, "long.mp4")
    const phases = (
      total: number,
      options: ExtendToOptions = {},
      of: readonly [string, ...Array<string>] = prompts,
      source: { readonly id: string } | VideoFile.VideoFile = clip
    ) =>
      extendTo(source, total, of, path, { poll, ...options }).pipe(
        Stream.filter((phase) => phase._tag !== "SegmentUpdated")
      )
    const run = (...args: Parameters<typeof phases>) =>
      provided(Effect.map(Stream.runCollect(phases(...args)), (all) => [...all]))
    const before = (yield* server.jobs).length
    const submissions = Effect.map(server.jobs, (jobs) => jobs.length - before)
    return { at, clip, path, phases, provided, run, server, submissions }
  })

/** FFmpeg's stand-ins: each clip of a server has 2 s, and a join of them has this many frames. */
const programsOf = (frames: number) =>
  Effect.gen(function* () {
    const at = yield* folder
    fs.writeFileSync(join(at, "clip"), film)
    return yield* fakePrograms(at, framesFilm(frames))
  })

/** Joins have what two clips have. */
const programs = programsOf(95)

const noPrograms = { ffmpeg: "/no/ffmpeg", ffprobe: "/no/ffprobe" }

const linesOf = (phases: ReadonlyArray<ExtendToPhase>) =>
  phases.map((phase) =>
    ExtendToPhase.$match(phase, {
      Started: ({ seconds, segments }) => `from ${seconds} s after ${segments}`,
      SegmentStarted: ({ seconds, segment, way }) => `${segment}: ${seconds} s ${way}`,
      SegmentUpdated: () => "",
      SegmentCompleted: ({ seconds }) => `now ${seconds} s`,
      Saving: ({ films }) => `${films} films`,
      Saved: ({ segments }) => `saved with ${segments}`
    })
  )

const inDialect = (dialect: VideosServer["Type"]["dialect"]) =>
  Effect.provide(VideosServer.layerInProcess({ dialect, ...instant }))

describe("extendTo", () => {
  it.scopedLive("extends by the server's extension, and needs no FFmpeg for it", () =>
    Effect.gen(function* () {
      const { at, path, run, server } = yield* world(4)
      const phases = yield* run(17, noPrograms)
      assert.deepStrictEqual(linesOf(phases), [
        "from 4 s after 0",
        "1: 8 s extended",
        "now 12 s",
        "2: 8 s extended",
        "now 20 s",
        "1 films",
        "saved with 2"
      ])
      assert.deepStrictEqual(fs.readdirSync(at), ["long.mp4"])
      assert.strictEqual(fs.statSync(path).size, phases.flatMap((one) => ("bytes" in one ? one.bytes : []))[0])
      const [, ...jobs] = yield* server.jobs
      assert.deepStrictEqual(
        jobs.map(({ prompt }) => prompt),
        [...prompts]
      )
    }).pipe(inDialect("openai"))
  )

  it.scopedLive("refuses a crossfade without end, which its manifest cannot hold, before anything is sent", () =>
    Effect.gen(function* () {
      const { at, phases, provided, submissions } = yield* world(1)
      const extending = Stream.runDrain(phases(2.5, { segmentSeconds: 1, seam: { crossfade: Infinity } }))
      const error = yield* provided(Effect.flip(extending))
      assert.deepInclude(error, { _tag: "InvalidRequestError", field: "crossfade" })
      assert.deepStrictEqual([yield* submissions, fs.readdirSync(at)], [0, []])
    }).pipe(inDialect("vllm-omni"))
  )

  it.scopedLive("joins clips of their own if the dialect has no extension, once, at the end", () =>
    Effect.gen(function* () {
      const { at, run } = yield* world(2)
      const phases = yield* run(5, {
        // Each film but the first repeats a frame, and fades in for six.
        ...(yield* programsOf(48 + 2 * (47 - 6))),
        segmentSeconds: 2,
        seam: { crossfade: "250 millis" }
      })
      assert.deepStrictEqual(linesOf(phases), [
        "from 2 s after 0",
        "1: 2 s joined",
        "now 3.75 s",
        "2: 2 s joined",
        "now 5.5 s",
        "3 films",
        "saved with 2"
      ])
      const reasons = phases.flatMap((phase) => ("reason" in phase ? phase.reason : []))
      assert.strictEqual(reasons[0], "the dialect `vllm-omni` has no extension")
      assert.deepStrictEqual(fs.readdirSync(at), ["long.mp4"])
    }).pipe(inDialect("vllm-omni"))
  )

  it.scopedLive("continues a clip that is too long for the dialect, says why, and extends the new clip again", () =>
    Effect.gen(function* () {
      const { xai } = dialects
      const dialect = { ...xai, source: { ...xai.source, extendable: { min: 2, max: 3 } } }
      const { run } = yield* world(2, { dialect })
      const phases = yield* run(8, { ...(yield* programs), segmentSeconds: 2 })
      assert.deepStrictEqual(linesOf(phases), [
        "from 2 s after 0",
        "1: 2 s extended",
        "now 4 s",
        "2: 2 s joined",
        "now 6 s",
        "3: 2 s extended",
        "now 8 s",
        "2 films",
        "saved with 3"
      ])
      const reasons = phases.flatMap((phase) => ("reason" in phase && phase.reason !== null ? phase.reason : []))
      assert.deepStrictEqual(reasons, [
        "the dialect `xai` extends clips of a whole number of seconds from 2 to 3, and this one has 4.0 s"
      ])
    }).pipe(inDialect("xai"))
  )
})

describe("extendTo measures", () => {
  it.scopedLive.each([
    ["the whole clip", 1, ["from 1 s after 0", "1: 1 s extended", "now 2 s", "1 films", "saved with 1"]],
    ["the new part", 2, ["from 2 s after 0", "1: 2 s extended", "now 4 s", "2 films", "saved with 1"]]
  ] as const)("whether an extension is %s, if the dialect does not say it", ([, seconds, expected]) =>
    Effect.gen(function* () {
      const { run } = yield* world(seconds)
      assert.deepStrictEqual(linesOf(yield* run(2 * seconds, yield* programs)), [...expected])
    }).pipe(inDialect("aiproxy"))
  )

  it.scopedLive("a file that is the source, and knows it again", () =>
    Effect.gen(function* () {
      const { at, phases, provided, run, submissions } = yield* world(4)
      const options = yield* programs
      const film = fs.readFileSync(fixture("x264-bframes-aac.mp4"))
      const file = VideoFile.fromBytes(film, { name: "mine.mp4" })
      yield* provided(Stream.runDrain(Stream.take(phases(5, options, prompts, file), 2)))
      const another = VideoFile.fromBytes(film.subarray(0, -1), { name: "mine.mp4" })
      const error = yield* Effect.flip(run(5, options, prompts, another))
      assert.deepInclude(error, { _tag: "ManifestError", differs: ["source"] })
      const after = yield* run(5, options, prompts, file)
      assert.strictEqual(linesOf(after)[0], "from 2 s after 0")
      assert.strictEqual(yield* submissions, 1)
      assert.deepStrictEqual(fs.readdirSync(at), ["long.mp4"])
    }).pipe(inDialect("openai"))
  )
})

describe("extendTo after a crash", () => {
  it.scopedLive.each(["openai", "vllm-omni"] as const)(
    "%s: pays for each segment once, whenever it was stopped",
    (dialect) =>
      Effect.gen(function* () {
        const [seconds, total] = dialect === "openai" ? [4, 12] : [2, 4]
        const options = { ...(yield* programs), segmentSeconds: seconds }
        const steps = dialect === "openai" ? 7 : 5
        for (let step = 1; step < steps; step++) {
          const { at, phases, provided, run, submissions } = yield* world(seconds)
          yield* provided(Stream.runDrain(Stream.take(phases(total, options), step)))
          assert.deepInclude(fs.readdirSync(at), "long.mp4.extend")
          const after = yield* run(total, options)
          assert.strictEqual(after.at(-1)?._tag, "Saved")
          assert.strictEqual(yield* submissions, dialect === "openai" ? 2 : 1, `stopped after phase ${step}`)
          assert.deepStrictEqual(fs.readdirSync(at), ["long.mp4"])
        }
      }).pipe(inDialect(dialect))
  )

  it.scopedLive("adopts the job whose response had not come when it was stopped", () =>
    Effect.gen(function* () {
      const { phases, provided, run, server, submissions } = yield* world(4)
      yield* server.faults.set([{ on: ["extend"], fault: Fault.hang({ committed: true }) }])
      const fiber = yield* Effect.fork(provided(Stream.runDrain(phases(12))))
      yield* Effect.repeat(submissions, { until: (count) => count === 1, schedule: Schedule.spaced("2 millis") })
      yield* Fiber.interrupt(fiber)
      yield* server.faults.set([])
      assert.deepStrictEqual(linesOf(yield* run(12)), ["from 4 s after 0", "now 12 s", "1 films", "saved with 1"])
      assert.strictEqual(yield* submissions, 1)
    }).pipe(inDialect("openai"))
  )

  it.scopedLive("does not send again what a server without a list may have made, until the caller decides", () =>
    Effect.gen(function* () {
      const { clip, run, server, submissions } = yield* world(2)
      const options = { segmentSeconds: 2 }
      yield* server.faults.set([{ on: ["extend"], fault: Fault.reset("after-commit") }])
      const lost = yield* Effect.flip(run(4, options))
      assert.deepInclude(lost, { _tag: "SegmentUncertainError", segment: 1, candidates: [] })
      yield* server.faults.set([])
      const again = yield* Effect.flip(run(4, options))
      assert.strictEqual(again._tag, "SegmentUncertainError")
      assert.match(again.message, /segment 1: This server has no list of jobs\. The option `unsettled` takes/)
      assert.strictEqual(yield* submissions, 1)
      const id = (yield* server.jobs).find((job) => job.id !== clip.id)?.id ?? ""
      assert.deepStrictEqual(linesOf(yield* run(4, { ...options, unsettled: { id } })), [
        "from 2 s after 0",
        "now 4 s",
        "1 films",
        "saved with 1"
      ])
      assert.strictEqual(yield* submissions, 1)
    }).pipe(inDialect("xai"))
  )

  it.scopedLive("submits a segment whose job failed again, as a new job", () => {
    let failures = 1
    const outcome = ({ prompt }: { readonly prompt: string }) =>
      prompt === prompts[0] && failures-- > 0 ? { code: "moderation_blocked", message: "no" } : null
    return Effect.gen(function* () {
      const { run, submissions } = yield* world(4)
      assert.strictEqual((yield* Effect.flip(run(8)))._tag, "VideoFailedError")
      yield* run(8)
      assert.strictEqual(yield* submissions, 2)
    }).pipe(Effect.provide(VideosServer.layerInProcess({ ...instant, outcome })))
  })

  it.scopedLive("refuses to go on with another order, and names what differs", () =>
    Effect.gen(function* () {
      const { phases, provided, run, submissions } = yield* world(4)
      yield* provided(Stream.runDrain(Stream.take(phases(12), 3)))
      const error = yield* Effect.flip(run(16, {}, ["rain"]))
      assert.deepInclude(error, { _tag: "ManifestError", reason: "other", differs: ["totalSeconds", "prompts"] })
      assert.match(
        error.message,
        /another totalSeconds, another prompts\. Call it as before to go on, .*Delete .*extend/
      )
      assert.strictEqual(yield* submissions, 1)
    }).pipe(inDialect("openai"))
  )
})

describe("extendTo stops before it spends more", () => {
  it.scopedLive("than `maxSegments` jobs, and goes on with a higher limit", () =>
    Effect.gen(function* () {
      const { run, submissions } = yield* world(4)
      const error = yield* Effect.flip(run(20, { maxSegments: 1 }))
      assert.deepInclude(error, { _tag: "SpendingLimitError", limit: "maxSegments", submissions: 1, seconds: 12 })
      assert.deepStrictEqual(linesOf(yield* run(20, { maxSegments: 2 })).slice(0, 1), ["from 12 s after 1"])
      assert.strictEqual(yield* submissions, 2)
    }).pipe(inDialect("openai"))
  )

  it.scopedLive("than `maxCost`, by the cost of the dearest job so far", () =>
    Effect.gen(function* () {
      const { run, submissions } = yield* world(2)
      const options = { segmentSeconds: 2 }
      // 4 s cost 0.2 USD, 6 s cost 0.3 USD.
      const error = yield* Effect.flip(run(8, { ...options, maxCost: { amount: 0.6, currency: "USD" } }))
      assert.deepInclude(error, { _tag: "SpendingLimitError", limit: "maxCost", submissions: 2 })
      assert.match(error.message, /stopped at 6\.0 s by `maxCost`: 2 jobs were submitted, for 0\.5 USD/)
      assert.strictEqual(yield* submissions, 2)
    }).pipe(inDialect("xai"))
  )

  it.scopedLive("than one job if the server does not say what it costs", () =>
    Effect.gen(function* () {
      const { run, submissions } = yield* world(4)
      const error = yield* Effect.flip(run(20, { maxCost: { amount: 100, currency: "USD" } }))
      assert.match(error.message, /1 job was submitted, and the server does not say what each costs/)
      assert.strictEqual(yield* submissions, 1)
    }).pipe(inDialect("openai"))
  )
})
