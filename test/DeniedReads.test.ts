/** A 403 to a read right after a submission: a proxy that has not recorded yet whose job it is. */
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Schedule, Schema, Stream } from "effect"
import {
  awaitVideo,
  createAndWatch,
  createVideo,
  type DownloadVideoError,
  downloadVideo,
  retrieveVideo,
  VideoResource,
  type Videos,
  type WatchVideoError,
  watchVideo
} from "effect-videos"
import { json, type Reply, serve } from "./support/server.js"
import { atOnce, job, videosOver } from "./support/videos.js"

const request = { prompt: "a lighthouse", seconds: 4 } as const

const quick = { poll: Schedule.spaced("1 millis"), retry: Schedule.spaced("1 millis") }

const film = Buffer.from([200, 1, 2, 3, 250, 5, 6, 7])

const clip: Reply = (response) => response.writeHead(200, { "content-type": "video/mp4" }).end(film)

/** Creates with this status; refuses this number of reads and downloads with 403, then returns the job and its clip. */
const lateRecords = (status: string, refusals: number): Reply => {
  let refused = 0
  return (response, recorded, index) => {
    const reply =
      recorded.method === "POST"
        ? json(200, job({ status, created_at: Math.floor(Date.now() / 1000) }))
        : refused++ < refusals
          ? json(403, { error: { message: "user is not allowed to access this video" } })
          : recorded.url.endsWith("/content")
            ? clip
            : json(200, job({ status: "completed" }))
    reply(response, recorded, index)
  }
}

describe("a 403 right after a submission", () => {
  it.scopedLive.each([
    ["createAndWatch", createAndWatch(request, quick)],
    ["the submitted job", Stream.unwrap(Effect.map(createVideo(request), (made) => watchVideo(made, quick)))],
    ["the submitted job's id", Stream.unwrap(Effect.map(createVideo(request), ({ id }) => watchVideo(id, quick)))]
  ] as const)("does not end the watch of %s", ([, watch]) =>
    Effect.gen(function* () {
      const server = yield* serve(lateRecords("queued", 3))
      const all = yield* Effect.provide(Stream.runCollect(watch), videosOver(server))
      assert.strictEqual(Chunk.toReadonlyArray(all).at(-1)?.status, "completed")
      assert.strictEqual(server.requests.length, 5)
    })
  )

  it.scopedLive("does not end `awaitVideo`", () =>
    Effect.gen(function* () {
      const server = yield* serve(lateRecords("queued", 2))
      const program = Effect.flatMap(createVideo(request), (made) => awaitVideo(made, quick))
      assert.strictEqual((yield* Effect.provide(program, videosOver(server))).status, "completed")
    })
  )

  it.scopedLive("ends the watch once `notFoundGrace` is over, as what it is", () =>
    Effect.gen(function* () {
      const server = yield* serve(lateRecords("queued", Number.POSITIVE_INFINITY))
      const watch = createAndWatch(request, { ...quick, notFoundGrace: 0 })
      const error = yield* Effect.flip(Effect.provide(Stream.runDrain(watch), videosOver(server)))
      assert(error._tag === "AuthenticationError" && error.reason === "forbidden")
    })
  )

  it.scopedLive("does not end the download of a job that was just seen to end", () =>
    Effect.gen(function* () {
      for (const status of ["completed", "queued"]) {
        const server = yield* serve(lateRecords(status, status === "completed" ? 2 : 0))
        const program = Effect.gen(function* () {
          const made = yield* createVideo(request)
          const ended = status === "completed" ? made : yield* retrieveVideo(made.id)
          return yield* Stream.runCollect(downloadVideo(ended))
        })
        const bytes = yield* Effect.provide(program, videosOver(server, { readRetry: atOnce(5) }))
        assert.deepStrictEqual(Buffer.concat(Chunk.toReadonlyArray(bytes)), film)
      }
    })
  )

  it.scopedLive("is the download's error if it does not pass", () =>
    Effect.gen(function* () {
      const server = yield* serve(lateRecords("completed", Number.POSITIVE_INFINITY))
      const program = Effect.flatMap(createVideo(request), (made) => Stream.runDrain(downloadVideo(made)))
      const error = yield* Effect.flip(Effect.provide(program, videosOver(server, { readRetry: atOnce(2) })))
      assert(error._tag === "AuthenticationError" && error.reason === "forbidden")
      assert.strictEqual(server.requests.length, 4)
    })
  )
})

describe("a 403 to a read of another job", () => {
  it.scopedLive("ends a watch at once, by an id or an old snapshot, and a download", () =>
    Effect.gen(function* () {
      const snapshot = Schema.decodeUnknownSync(VideoResource)(job({ created_at: 1_600_000_000 }))
      const programs: ReadonlyArray<Effect.Effect<void, WatchVideoError | DownloadVideoError, Videos>> = [
        Stream.runDrain(watchVideo("video_1", quick)),
        Stream.runDrain(watchVideo(snapshot, quick)),
        Stream.runDrain(downloadVideo("video_1"))
      ]
      for (const program of programs) {
        const server = yield* serve(json(403, { error: { message: "not yours" } }))
        const exit = yield* Effect.exit(Effect.provide(program, videosOver(server, { readRetry: atOnce(3) })))
        assert(Exit.isFailure(exit) && exit.cause._tag === "Fail")
        assert.deepInclude(exit.cause.error, { _tag: "AuthenticationError", reason: "forbidden" })
        assert.strictEqual(server.requests.length, 1)
      }
    })
  )
})
