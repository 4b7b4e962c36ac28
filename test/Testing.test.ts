import { assert, describe, it } from "@effect/vitest"
import { Chunk, DateTime, Effect, Either, Exit, Fiber, Schedule, Schema, Stream, TestClock } from "effect"
import {
  awaitVideo,
  awaitVideos,
  createAndWatch,
  createCharacter,
  createVideo,
  deleteVideo,
  downloadVideo,
  editVideo,
  extendVideo,
  isTerminal,
  listPages,
  listVideos,
  RateLimitedError,
  remixVideo,
  retrieveCharacter,
  retrieveVideo,
  ServerError,
  VideoFile,
  VideoResource,
  Videos,
  watchVideo
} from "effect-videos"
import { type MemoryOptions, makeCharacter, makeVideo, Poll, VideosTest } from "effect-videos/testing"

const broken = new ServerError({ operation: "retrieveVideo", status: 502, detail: "bad gateway" })
const limited = new RateLimitedError({ operation: "createVideo", status: 429, detail: "slow down" })

/** Runs the effect to its end, however long it takes by the clock. */
const finished = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

describe("snapshots", () => {
  it("are what a server can send", () => {
    const video = makeVideo({ id: "video_7", status: "completed", extra: { url: "https://example.com" } })
    assert.deepStrictEqual(Schema.decodeUnknownSync(VideoResource)(Schema.encodeSync(VideoResource)(video)), video)
    assert.strictEqual(video.progress, 100)
    assert.isNotNull(makeVideo({ status: "failed" }).error)
    assert.strictEqual(makeVideo({ status: "in_progress", progress: 40 }).progress, 40)
    assert.strictEqual(makeCharacter({ name: "Ann" }).name, "Ann")
  })

  it("are refused if no server can send them", () => {
    assert.throws(() => makeVideo({ id: "" }), /id/)
    assert.throws(() => makeVideo({ progress: 101 }), /progress/)
    assert.throws(() => makeVideo({ createdAt: DateTime.unsafeMake(0) }), /createdAt/)
  })
})

describe("a scripted Videos", () => {
  it.effect("returns the results of polls in order, and records their times", () =>
    Effect.gen(function* () {
      const videos = yield* finished(Stream.runCollect(watchVideo("video_1")))
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(videos).map(({ progress, status }) => [status, progress]),
        [
          ["queued", 0],
          ["in_progress", 40],
          ["completed", 100]
        ]
      )
      const [first, second, third, fourth] = yield* VideosTest.polls("video_1")
      assert.strictEqual(first, 0)
      // A hint is the delay.
      assert.strictEqual(second, 7_000)
      assert.isAbove(third ?? 0, 7_000)
      assert.isAbove(fourth ?? 0, third ?? 0)
      assert.lengthOf(yield* VideosTest.polls(), 4)
      assert.deepStrictEqual(
        (yield* VideosTest.calls).map(({ outcome }) => outcome),
        ["succeeded", "failed", "succeeded", "succeeded"]
      )
    }).pipe(
      Effect.provide(
        VideosTest.layerScript({
          video_1: [
            Poll.snapshot({ status: "queued" }, { pollAfter: "7 seconds" }),
            Poll.failed(broken),
            Poll.snapshot(makeVideo({ id: "another", status: "in_progress", progress: 40 })),
            "completed"
          ]
        })
      )
    )
  )

  it.effect("can be slow, or never respond: such a poll is interrupted", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(
        Effect.flip(Stream.runDrain(watchVideo("video_1", { totalTimeout: "1 minute" })))
      )
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(
        (yield* VideosTest.calls).map(({ outcome }) => outcome),
        ["pending"]
      )
      yield* TestClock.adjust("51 seconds")
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "WatchTimeoutError")
      assert.strictEqual(error.lastSnapshot?.status, "queued")
      assert.deepStrictEqual(
        (yield* VideosTest.calls).map(({ outcome }) => outcome),
        ["succeeded", "interrupted"]
      )
    }).pipe(
      Effect.provide(
        VideosTest.layerScript({ video_1: [Poll.snapshot({ status: "queued" }, { takes: "10 seconds" }), Poll.never] })
      )
    )
  )

  it.effect("returns its jobs to submissions, in order", () =>
    Effect.gen(function* () {
      const create = createAndWatch({ prompt: "a harbour", seconds: 12 })
      const seen = Chunk.toReadonlyArray(yield* finished(Stream.runCollect(create)))
      assert.deepStrictEqual(
        seen.map(({ id, prompt, seconds, status }) => [id, status, prompt, seconds]),
        [
          ["video_a", "queued", "a harbour", 12],
          ["video_a", "completed", "a lighthouse at dusk", 4]
        ]
      )
      const next = yield* remixVideo({ video: "video_a", prompt: "by night" })
      assert.strictEqual(next.id, "video_b")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(createVideo({ prompt: "one too many" }))))
      const refused = yield* Effect.flip(createVideo({ prompt: "" }))
      assert.strictEqual(refused._tag, "InvalidRequestError")
    }).pipe(Effect.provide(VideosTest.layerScript({ video_a: ["completed"], video_b: ["queued"] })))
  )

  it.effect("knows no other job, and polls many jobs one by one", () =>
    Effect.gen(function* () {
      const ids = Array.from({ length: 50 }, (_, index) => `video_${index}`)
      const ends = yield* finished(awaitVideos([...ids, "video_x"]))
      assert.isTrue(ends.slice(0, 50).every(Either.isRight))
      const lost = yield* Effect.flip(ends[50] ?? Effect.void)
      assert.strictEqual(lost._tag, "VideoNotFoundError")
      assert.isTrue((yield* VideosTest.calls).every(({ method }) => method === "retrieve"))
    }).pipe(
      Effect.provide(
        VideosTest.layerScript(
          Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`video_${index}`, ["queued", "completed"]]))
        )
      )
    )
  )

  it.effect("is another one for every test that builds it", () =>
    Effect.gen(function* () {
      const layer = VideosTest.layerScript({ video_1: ["queued", "completed"] })
      const once = Effect.map(Effect.provide(retrieveVideo("video_1"), layer), ({ status }) => status)
      assert.deepStrictEqual([yield* once, yield* once], ["queued", "queued"])
    })
  )
})

describe("a Videos in memory", () => {
  const inMemory = (options: MemoryOptions = {}) =>
    VideosTest.layer({ queueTime: "10 seconds", runTime: "100 seconds", ...options })

  it.effect("moves by the clock", () =>
    Effect.gen(function* () {
      const { id, ...job } = yield* createVideo({ prompt: "a harbour", seconds: 8, size: "1280x720" })
      assert.strictEqual(job.status, "queued")
      const status = Effect.map(retrieveVideo(id), ({ progress, status }) => [status, progress])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* status, ["in_progress", 0])
      yield* TestClock.adjust("40 seconds")
      assert.deepStrictEqual(yield* status, ["in_progress", 40])
      yield* TestClock.adjust("60 seconds")
      const { completedAt, ...rest } = yield* retrieveVideo(id)
      assert.deepStrictEqual([rest.status, rest.progress], ["completed", 100])
      assert.strictEqual(completedAt?.epochMillis, 110_000)
      assert.deepStrictEqual([rest.prompt, rest.seconds, rest.size], ["a harbour", 8, "1280x720"])
    }).pipe(Effect.provide(inMemory()))
  )

  it.effect("makes clips of clips", () =>
    Effect.gen(function* () {
      const source = yield* createVideo({ prompt: "a harbour", seconds: 4 })
      const early = yield* Effect.flip(extendVideo({ video: source, prompt: "on", seconds: 8 }))
      assert.strictEqual(early._tag, "BadRequestError")
      const clip = yield* finished(awaitVideo(source))
      assert.strictEqual((yield* extendVideo({ video: clip, prompt: "on", seconds: 8 })).seconds, 12)
      assert.strictEqual((yield* editVideo({ video: clip.id, prompt: "snow" })).seconds, 4)
      assert.strictEqual((yield* remixVideo({ video: clip, prompt: "by night" })).remixedFromVideoId, clip.id)
      const file = VideoFile.fromBytes(new Uint8Array(8))
      assert.isNull((yield* extendVideo({ video: file, prompt: "on", seconds: 8 })).seconds)
      const missing = yield* Effect.flip(remixVideo({ video: "video_99", prompt: "by night" }))
      assert(missing._tag === "VideoNotFoundError")
      assert.strictEqual(missing.videoId, "video_99")
      const { id, name } = yield* createCharacter({ video: file, name: "Tom" })
      assert.strictEqual((yield* retrieveCharacter(id ?? "")).name, name)
      assert.strictEqual((yield* Effect.flip(retrieveCharacter("char_9")))._tag, "CharacterNotFoundError")
    }).pipe(Effect.provide(inMemory()))
  )

  it.effect("lists, downloads and deletes as the protocol has it", () =>
    Effect.gen(function* () {
      for (let index = 0; index < 5; index++) yield* createVideo({ prompt: `${index}` })
      yield* TestClock.adjust("1 hour")
      const ids = (options: Parameters<typeof listVideos>[0]) =>
        Effect.map(Stream.runCollect(listVideos(options)), (videos) =>
          Chunk.toReadonlyArray(videos).map(({ id }) => id)
        )
      assert.deepStrictEqual(yield* ids({ limit: 2 }), ["video_5", "video_4", "video_3", "video_2", "video_1"])
      assert.deepStrictEqual(yield* ids({ order: "asc", after: "video_3" }), ["video_4", "video_5"])
      assert.strictEqual(yield* Stream.runCount(listPages({ limit: 2 })), 3)
      assert.strictEqual((yield* Effect.flip(ids({ after: "video_9" })))._tag, "BadRequestError")
      assert.strictEqual((yield* Effect.flip(ids({ limit: 101 })))._tag, "InvalidRequestError")

      const text = (id: string, variant?: "thumbnail") =>
        Effect.map(Stream.mkString(Stream.decodeText(downloadVideo(id, { variant }))), String)
      assert.strictEqual(yield* text("video_1"), "video of video_1")
      assert.strictEqual(yield* text("video_1", "thumbnail"), "thumbnail of video_1")
      const running = yield* createVideo({ prompt: "another" })
      assert.strictEqual((yield* Effect.flip(text(running.id)))._tag, "VideoNotReadyError")
      assert.strictEqual((yield* Effect.flip(deleteVideo(running)))._tag, "ConflictError")
      assert.isTrue((yield* deleteVideo("video_1")).deleted)
      assert.strictEqual((yield* Effect.flip(text("video_1")))._tag, "VideoNotFoundError")
    }).pipe(Effect.provide(inMemory()))
  )

  it.effect("has a list that watches of many jobs can trust", () =>
    Effect.gen(function* () {
      const jobs = yield* Effect.replicateEffect(createVideo({ prompt: "a harbour" }), 30)
      const fiber = yield* Effect.fork(awaitVideos(jobs, { poll: Schedule.spaced("20 seconds") }))
      yield* TestClock.adjust("1 minute")
      assert.isNull((yield* Videos.watchers).list.distrust)
      yield* TestClock.adjust("5 minutes")
      assert.isTrue((yield* Fiber.join(fiber)).every(Either.isRight))
      assert.isTrue((yield* VideosTest.calls).some(({ method }) => method === "listPages"))
    }).pipe(Effect.provide(inMemory()))
  )

  it.effect("has jobs that fail, and jobs from the start", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* retrieveVideo("video_1")).status, "NOT_START")
      const bad = yield* createVideo({ prompt: "bad" })
      assert.strictEqual(bad.id, "video_2")
      const error = yield* Effect.flip(finished(awaitVideo(bad)))
      assert(error._tag === "VideoFailedError")
      assert.strictEqual(error.code, "moderation_blocked")
      const [first] = Chunk.toReadonlyArray(yield* Stream.runCollect(Stream.filter(listVideos(), isTerminal)))
      assert.strictEqual(first?.id, "video_2")
      const refused = yield* Effect.flip(Stream.runDrain(downloadVideo("video_2")))
      assert.strictEqual(refused._tag, "VideoFailedError")
    }).pipe(
      Effect.provide(
        inMemory({
          outcome: ({ prompt }) => (prompt === "bad" ? { code: "moderation_blocked", message: "no" } : null),
          videos: [makeVideo({ status: "NOT_START" })]
        })
      )
    )
  )

  it.effect("fails with the given failures, and records each call", () =>
    Effect.gen(function* () {
      const request = { prompt: "a harbour" }
      assert.strictEqual(yield* Effect.flip(createVideo(request)), limited)
      const { id } = yield* createVideo(request)
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(downloadVideo(id))), broken)
      const [first, second, third, ...rest] = yield* VideosTest.calls
      assert(first?.method === "create")
      assert.deepStrictEqual([first.request.prompt, first.outcome, first.at], ["a harbour", "failed", 0])
      assert.strictEqual(second?.outcome, "succeeded")
      assert.deepStrictEqual([third?.method, third?.request, third?.outcome], ["content", id, "failed"])
      assert.lengthOf(rest, 0)
    }).pipe(
      Effect.provide(
        VideosTest.layer({
          failures: { create: (_, count) => (count === 1 ? limited : null), content: () => broken }
        })
      )
    )
  )
})
