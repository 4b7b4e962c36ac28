/** A clip that a replica does not have yet is waited for; one that is gone is not. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { type ConfigError, type Duration, Effect, Either, Fiber, Schedule, Stream, TestClock } from "effect"
import { downloadVideo, retrieveVideo, type Videos, type VideosConfigOptions } from "effect-videos"
import { downloadVideoToFile } from "effect-videos/Transfer"
import { instant, make } from "../packages/server/test/support.js"
import { makeFolder } from "./support/transfer.js"
import { anyClient, atOnce, job, respondJson, videosOver, videosScripted } from "./support/videos.js"

addEqualityTesters()

/** In Unix seconds. */
const start = 1_760_000_000

const missing = { error: { message: "Video not found." } }

interface Script {
  /** How often the content is not there. Default: always. */
  readonly lags?: number
  readonly content?: { readonly status: number; readonly body: unknown }
  /** The job, by how many seconds have passed; `null`: there is none. */
  readonly video?: (now: number) => { readonly [name: string]: unknown } | null
  readonly date?: ((now: number) => string) | undefined
  readonly options?: VideosConfigOptions
}

const completed = (fields: { readonly [name: string]: unknown } = {}) =>
  job({ status: "completed", created_at: start - 60, completed_at: start, ...fields })

/** A server whose content is missing for a while; what it was asked, and when. */
const scripted = ({ content, date, lags = Infinity, options = {}, video = () => completed() }: Script) => {
  const contents: Array<number> = []
  const polls: Array<number> = []
  const { layer } = videosScripted(
    (_, request) =>
      Effect.clockWith((clock) =>
        Effect.flatMap(clock.currentTimeMillis, (millis) => {
          const now = millis / 1000 - start
          const headers = date === undefined ? undefined : { date: date(now) }
          if (request.url.endsWith("/content")) {
            contents.push(now)
            return contents.length > lags
              ? Effect.sync(() => new Response(new TextEncoder().encode("\u0000a clip")))
              : respondJson(content?.status ?? 404, content?.body ?? missing, headers)
          }
          polls.push(now)
          const body = video(now)
          return body === null ? respondJson(404, missing, headers) : respondJson(200, body, headers)
        })
      ),
    { readRetry: Schedule.intersect(Schedule.spaced("2 seconds"), Schedule.recurs(4)), ...options }
  )
  return { layer, contents, polls }
}

const downloaded = (options?: Parameters<typeof downloadVideo>[1]) =>
  Effect.map(Stream.runCount(downloadVideo("video_1", options)), () => "a clip")

/** Runs from the moment at which the job has ended, or so long after it. */
const ran = <A, E>(
  self: Effect.Effect<A, E, Videos>,
  { layer }: ReturnType<typeof scripted>,
  after: Duration.DurationInput = 0
): Effect.Effect<Either.Either<A, E | ConfigError.ConfigError>> =>
  Effect.gen(function* () {
    yield* TestClock.setTime(start * 1000)
    yield* TestClock.adjust(after)
    const fiber = yield* Effect.fork(Effect.either(Effect.provide(self, layer)))
    yield* TestClock.adjust("1 minute")
    return yield* Fiber.join(fiber)
  })

const tagOf = (ended: Either.Either<unknown, { readonly _tag: string }>): string =>
  Either.isLeft(ended) ? ended.left._tag : "a clip"

describe("a 404 for the content of a job that has just completed", () => {
  it.effect("is a replica that lags: it is asked again by `readRetry`, until the clip is there", () =>
    Effect.gen(function* () {
      const server = scripted({ lags: 2 })
      expect(tagOf(yield* ran(downloaded(), server, "3 seconds"))).toBe("a clip")
      expect(server.contents).toEqual([3, 5, 7])
      expect(server.polls).toEqual([3, 5])
    })
  )

  it.effect("means not ready yet, and expired half a minute after the job's end", () =>
    Effect.gen(function* () {
      const server = scripted({})
      const early = yield* ran(downloaded(), server, "3 seconds")
      expect(early).toMatchObject({ left: { _tag: "VideoNotReadyError", isTransient: true } })
      expect(Either.isLeft(early) && "video" in early.left && early.left.message).toBe(
        "downloadVideo: video video_1 has ended (completed), but the server does not have its content yet: GET /videos/video_1/content returned HTTP 404: Video not found."
      )
      expect(server.contents).toEqual([3, 5, 7, 9, 11])
      expect(tagOf(yield* ran(downloaded(), server, "30 seconds"))).toBe("VideoExpiredError")
      expect(server.contents).toHaveLength(6)
    })
  )

  it.effect("means expired after the grace period, and is not requested again", () =>
    Effect.gen(function* () {
      const server = scripted({})
      expect(tagOf(yield* ran(downloaded(), server, "25 seconds"))).toBe("VideoExpiredError")
      expect(server.contents).toEqual([25, 27, 29, 31])
    })
  )

  it.effect("is dated by the server's clock if the response has a Date", () =>
    Effect.gen(function* () {
      const ahead = 3 * 60 * 60
      const date = (now: number) => new Date((start + now + ahead) * 1000).toUTCString()
      const video = () => completed({ created_at: start + ahead - 60, completed_at: start + ahead })
      const server = scripted({ lags: 1, date, video })
      expect(tagOf(yield* ran(downloaded(), server, "3 seconds"))).toBe("a clip")
      const late = scripted({ lags: 1, date, video })
      expect(tagOf(yield* ran(downloaded(), late, "31 seconds"))).toBe("VideoExpiredError")
      const behind = scripted({
        lags: 1,
        date: (now) => new Date((start + now - ahead) * 1000).toUTCString(),
        video: () => completed({ created_at: start - ahead - 60, completed_at: start - ahead })
      })
      expect(tagOf(yield* ran(downloaded(), behind, "3 seconds"))).toBe("a clip")
    })
  )

  it.effect.each([
    ["does not say when it ended", { completed_at: null }],
    ["says that it will end tomorrow", { completed_at: start + 86_400 }]
  ] as const)("counts from when that was first seen, where the job %s", ([, fields]) =>
    Effect.gen(function* () {
      const server = scripted({ video: () => completed(fields) })
      const twice = Effect.gen(function* () {
        const early = yield* Effect.either(downloaded())
        // 8 seconds have passed.
        yield* Effect.sleep("21 seconds")
        return [early, yield* Effect.either(downloaded())].map(tagOf)
      })
      expect(yield* ran(twice, server)).toMatchObject({ right: ["VideoNotReadyError", "VideoExpiredError"] })
      // 0 to 8 seconds, and from 29 on for as long as the grace lasts.
      expect(server.contents).toEqual([0, 2, 4, 6, 8, 29, 31])
    })
  )

  it.effect("does not apply after an hour if no response has the time of the job's end", () =>
    Effect.gen(function* () {
      const server = scripted({ video: () => completed({ completed_at: null, created_at: start - 3700 }) })
      expect(tagOf(yield* ran(downloaded(), server))).toBe("VideoExpiredError")
      expect(server.contents).toHaveLength(1)
    })
  )

  it.effect("may affect the poll of the job too if this program has seen its end", () =>
    Effect.gen(function* () {
      let there = true
      const server = scripted({ lags: 2, video: () => (there ? completed() : null) })
      const program = Effect.gen(function* () {
        yield* retrieveVideo("video_1")
        there = false
        return yield* downloaded()
      })
      expect(tagOf(yield* ran(program, server))).toBe("a clip")
      const stranger = scripted({ video: () => null })
      expect(tagOf(yield* ran(downloaded(), stranger))).toBe("VideoNotFoundError")
      expect(stranger.contents).toHaveLength(1)
    })
  )

  it.effect("is the same as a 400 with the message that it is not ready", () =>
    Effect.gen(function* () {
      const body = { error: { message: "Video is not ready yet: it is in_progress." } }
      const server = scripted({ lags: 1, content: { status: 400, body } })
      expect(tagOf(yield* ran(downloaded(), server, "3 seconds"))).toBe("a clip")
    })
  )

  it.effect.each([
    ["the server says that it has expired", { content: { status: 404, body: { error: { code: "video_expired" } } } }],
    ["the server says that it is gone", { content: { status: 410, body: missing } }],
    ["its time is over", { video: () => completed({ expires_at: start + 1 }) }]
  ] as ReadonlyArray<readonly [string, Script]>)("is the end at once where %s", ([, script]) =>
    Effect.gen(function* () {
      const server = scripted(script)
      expect(tagOf(yield* ran(downloaded(), server, "3 seconds"))).toBe("VideoExpiredError")
      expect(server.contents).toHaveLength(1)
    })
  )

  it.effect("is not asked again with `singleAttempt: true`, nor waited for without a grace", () =>
    Effect.gen(function* () {
      const once = scripted({})
      expect(tagOf(yield* ran(downloaded({ singleAttempt: true }), once))).toBe("VideoNotReadyError")
      expect(once.contents).toHaveLength(1)
      const graceless = scripted({})
      expect(tagOf(yield* ran(downloaded({ contentGrace: 0 }), graceless))).toBe("VideoExpiredError")
      expect(graceless.contents).toHaveLength(1)
    })
  )

  it.effect("is asked again for no longer than `totalTimeout`, the call's or the configuration's", () =>
    Effect.gen(function* () {
      const own = scripted({})
      expect(tagOf(yield* ran(downloaded({ totalTimeout: "5 seconds" }), own))).toBe("VideoNotReadyError")
      expect(own.contents).toEqual([0, 2, 4])
      const all = scripted({ options: { totalTimeout: "3 seconds" } })
      expect(tagOf(yield* ran(downloaded(), all))).toBe("VideoNotReadyError")
      expect(all.contents).toEqual([0, 2])
    })
  )
})

describe.each([anyClient])("a replica that lags, over $client", ({ layer }) => {
  it.scopedLive("is outlived by a download, to a file as well", () =>
    Effect.gen(function* () {
      const { baseUrl, faults } = yield* VideosServer
      const { folder, list } = yield* makeFolder
      const id = yield* make()
      const videos = videosOver({ baseUrl }, { readRetry: atOnce(4) }, layer)
      yield* faults.set([{ on: ["content"], when: Fault.first(3), fault: Fault.stale("1 hour") }])
      yield* Stream.runDrain(downloadVideo(id)).pipe(Effect.provide(videos))
      yield* faults.set([{ on: ["content"], when: Fault.first(3), fault: Fault.stale("1 hour") }])
      yield* downloadVideoToFile(id, `${folder}/clip.mp4`, { retry: atOnce(4) }).pipe(Effect.provide(videos))
      expect(yield* list).toEqual(["clip.mp4"])
      // The poll of the job goes to a replica of the same age, now and then.
      yield* faults.set([{ on: ["content", "retrieve"], when: Fault.chance(0.5, 7), fault: Fault.stale("1 hour") }])
      yield* Effect.gen(function* () {
        yield* Effect.retry(retrieveVideo(id), atOnce(8))
        yield* Stream.runDrain(downloadVideo(id))
      }).pipe(Effect.provide(videosOver({ baseUrl }, { readRetry: atOnce(20) }, layer)))
    }).pipe(Effect.provide([NodeContext.layer, VideosServer.layer(instant)]))
  )
})
