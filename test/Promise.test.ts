import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Effect, type Scope } from "effect"
import type { CreateVideoRequest, ListVideosOptions, VideoUpdate } from "effect-videos"
import { ServerError, VideoNotFoundError } from "effect-videos"
import * as Facade from "effect-videos/promise"
import {
  fileOf,
  makeVideos,
  VideoFailedError,
  type VideoResource,
  type VideosClient,
  VideosClosedError,
  type VideosOptions
} from "effect-videos/promise"
import * as VideosUndici from "effect-videos/undici"
import { hangUntilClosed, inTurn, json, type Reply, serve } from "./support/server.js"
import { job } from "./support/videos.js"

/** Closed with the test. */
const scoped = (options: VideosOptions): Effect.Effect<VideosClient, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => makeVideos(options)),
    (videos) => Effect.promise(() => videos.close())
  )

/** The embedded server on a socket, and a client of it. */
const withServer = (use: (videos: VideosClient) => Promise<void>) =>
  Effect.gen(function* () {
    const { baseUrl } = yield* VideosServer
    const videos = yield* scoped({ baseUrl })
    yield* Effect.promise(() => use(videos))
  }).pipe(
    Effect.scoped,
    Effect.provide(
      VideosServer.layer({
        queueTime: "30 millis",
        runTime: "200 millis",
        outcome: ({ prompt }) => (prompt === "bad" ? { code: "moderation_blocked", message: "no" } : null)
      })
    )
  )

/** A server that sends these responses and then hangs, what it records of the request that hangs, and a client. */
const withHanging = (
  first: ReadonlyArray<Reply>,
  use: (
    videos: VideosClient,
    hanging: { readonly arrived: Promise<void>; readonly closed: Promise<void>; readonly requests: () => number }
  ) => Promise<void>
) =>
  Effect.gen(function* () {
    const { arrived, closed, reply } = yield* hangUntilClosed
    const { baseUrl, requests } = yield* serve(inTurn(...first, reply))
    const videos = yield* scoped({ baseUrl })
    yield* Effect.promise(() =>
      use(videos, {
        arrived: Effect.runPromise(arrived),
        closed: Effect.runPromise(closed),
        requests: () => requests.length
      })
    )
  }).pipe(Effect.scoped)

/** Why a Promise rejects. */
const reasonOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("it did not reject"),
    (reason) => reason
  )

const collect = async <A>(iterable: AsyncIterable<A>): Promise<Array<A>> => {
  const all: Array<A> = []
  for await (const value of iterable) all.push(value)
  return all
}

const poll = 20

describe("operations as Promises", () => {
  it.live("do the whole job", () =>
    withServer(async (videos) => {
      const made = await videos.create({ prompt: "a harbour", seconds: 4, size: "64x64" })
      const statuses = (await collect(videos.watch(made, { poll }))).map(({ status }) => status)
      assert.strictEqual(statuses.at(-1), "completed")
      assert.isTrue(statuses.slice(0, -1).every((status) => status !== "completed"))

      const clip = new Uint8Array(await new Response(videos.content(made)).arrayBuffer())
      assert.strictEqual(new TextDecoder().decode(clip.subarray(4, 8)), "ftyp")
      const file = fileOf(new Blob([clip], { type: "video/mp4" }), { name: "clip.mp4" })
      const ofFile = await videos.extend({ video: file, prompt: "on", seconds: 8 })
      assert.strictEqual(ofFile.seconds, 12)

      const updates: Array<VideoResource> = []
      const longer = await videos.extend({ video: made, prompt: "on", seconds: 8 })
      const end = await videos.await(longer, { poll, onUpdate: (video) => updates.push(video) })
      assert.deepStrictEqual(updates.at(-1), end)
      assert.strictEqual(end.seconds, 12)

      const remix = await videos.remix({ video: made.id, prompt: "by night" })
      const edit = await videos.edit({ video: made, prompt: "snow" })
      const all = await collect(videos.watchMany([remix.id, edit], { poll }))
      const ended = all.filter(({ _tag }) => _tag === "VideoEnded").map(({ id }) => id)
      assert.sameMembers(ended, [remix.id, edit.id])

      const ids = (await collect(videos.list({ limit: 2 }))).map(({ id }) => id)
      assert.deepStrictEqual(ids, [edit.id, remix.id, longer.id, ofFile.id, made.id])
      assert.isTrue((await videos.delete(made)).deleted)
      const { name } = await videos.createCharacter({ video: file, name: "Tom" })
      assert.strictEqual(name, "Tom")
    })
  )

  it.live("reject with the very errors", () =>
    withServer(async (videos) => {
      const missing = await reasonOf(videos.retrieve("video_0"))
      assert(missing instanceof VideoNotFoundError)
      assert.strictEqual(missing._tag, "VideoNotFoundError")
      assert.strictEqual(missing.videoId, "video_0")
      assert.strictEqual(Facade.VideoNotFoundError, VideoNotFoundError)

      const bad = await videos.create({ prompt: "bad" })
      const failed = await reasonOf(videos.await(bad, { poll }))
      assert(failed instanceof VideoFailedError)
      assert.strictEqual(failed.code, "moderation_blocked")
      const unwatched = await reasonOf(collect(videos.watch("video_0", { notFoundGrace: 0 })))
      assert.instanceOf(unwatched, VideoNotFoundError)
      const unread = await reasonOf(videos.content("video_0").getReader().read())
      assert.instanceOf(unread, VideoNotFoundError)

      const own = new RangeError("mine")
      const thrown = videos.await(bad, {
        onUpdate: () => {
          throw own
        }
      })
      assert.strictEqual(await reasonOf(thrown), own)
    })
  )

  it.live("run callbacks that are plain functions", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* serve(inTurn(json(500, {}, { "x-request-id": "req_1" })))
      const videos = yield* scoped({ baseUrl })
      const ids: Array<string | null> = []
      const onResponse = ({ requestId }: { readonly requestId: string | null }) => void ids.push(requestId)
      const error = yield* Effect.promise(() =>
        reasonOf(videos.retrieve("video_1", { singleAttempt: true, onResponse }))
      )
      assert.instanceOf(error, ServerError)
      assert.deepStrictEqual(ids, ["req_1"])
    }).pipe(Effect.scoped)
  )

  it.live("go over any `fetch`, and any client", () =>
    Effect.gen(function* () {
      const { baseUrl, fetch } = yield* VideosServer
      const ofFetch = yield* scoped({ baseUrl: "http://videos.invalid/v1", fetch })
      const ofClient = yield* scoped({ baseUrl, client: VideosUndici.layer() })
      const { id } = yield* Effect.promise(() => ofFetch.create({ prompt: "a harbour" }))
      assert.strictEqual((yield* Effect.promise(() => ofClient.retrieve(id))).id, id)
    }).pipe(Effect.scoped, Effect.provide(VideosServer.layer()))
  )

  it("refuse options that make no sense, by name and without the key", () => {
    assert.throws(() => makeVideos({ baseUrl: "ftp://x" }), TypeError, /baseUrl/)
    try {
      makeVideos({ apiKey: "sk secret" })
      assert.fail("it did not throw")
    } catch (error) {
      assert(error instanceof TypeError)
      assert.include(error.message, "apiKey")
      assert.notInclude(error.message, "secret")
    }
  })

  it("have the types of the operations", () => {
    expectTypeOf<VideosClient["create"]>().parameter(0).toEqualTypeOf<CreateVideoRequest>()
    expectTypeOf<VideosClient["create"]>().returns.toEqualTypeOf<Promise<VideoResource>>()
    expectTypeOf<VideosClient["delete"]>().parameter(0).toEqualTypeOf<string | { readonly id: string }>()
    expectTypeOf<VideosClient["watchMany"]>().returns.toEqualTypeOf<AsyncIterable<VideoUpdate>>()
    type ListOptions = NonNullable<Parameters<VideosClient["list"]>[0]>
    expectTypeOf<ListOptions["limit"]>().toEqualTypeOf<ListVideosOptions["limit"]>()
    expectTypeOf<ListOptions>().toHaveProperty("onResponse")
    expectTypeOf<ListOptions>().not.toHaveProperty("poll")
    expectTypeOf<NonNullable<Parameters<VideosClient["create"]>[1]>>().toHaveProperty("idempotencyKey")
    expectTypeOf<NonNullable<Parameters<VideosClient["watch"]>[1]>>().not.toHaveProperty("onResponse")
  })
})

describe("a signal", () => {
  it.live("settles a call at once, with its reason, and closes its connection", () =>
    withHanging([], async (videos, { arrived, closed }) => {
      const controller = new AbortController()
      const call = reasonOf(videos.retrieve("video_1", { signal: controller.signal }))
      await arrived
      const reason = new Error("enough")
      controller.abort(reason)
      assert.strictEqual(await call, reason)
      await closed
    })
  )

  it.live("prevents every request if it is aborted already", () =>
    withHanging([], async (videos, { requests }) => {
      const signal = AbortSignal.abort()
      assert.strictEqual(await reasonOf(videos.create({ prompt: "a harbour" }, { signal })), signal.reason)
      assert.strictEqual(await reasonOf(collect(videos.watch("video_1", { signal }))), signal.reason)
      assert.strictEqual(await reasonOf(videos.content("video_1", { signal }).getReader().read()), signal.reason)
      assert.strictEqual(requests(), 0)
    })
  )

  it.live("ends a watch, whether its consumer waits or is busy", () =>
    withHanging([json(200, job())], async (videos, { arrived, closed }) => {
      const controller = new AbortController()
      const { signal } = controller
      const seen: Array<string> = []
      const watching = (async () => {
        for await (const { status } of videos.watch("video_1", { poll: 1, signal })) {
          seen.push(status)
          await arrived
          controller.abort()
        }
      })()
      assert.strictEqual(await reasonOf(watching), signal.reason)
      assert.deepStrictEqual(seen, ["queued"])
      await closed
    }).pipe(
      Effect.zipRight(
        withHanging([], async (videos, { arrived, closed }) => {
          const controller = new AbortController()
          const waiting = reasonOf(collect(videos.watch("video_1", { signal: controller.signal })))
          await arrived
          controller.abort()
          assert.strictEqual(await waiting, controller.signal.reason)
          await closed
        })
      )
    )
  )
})

describe("an early exit", () => {
  it.live("aborts the poll in flight if it leaves the loop of a watch", () =>
    withHanging([json(200, job())], async (videos, { arrived, closed }) => {
      for await (const { status } of videos.watch("video_1", { poll: 1 })) {
        assert.strictEqual(status, "queued")
        await arrived
        break
      }
      await closed
    })
  )

  it.live("aborts it too if it leaves the loop over many jobs, and leaves their ids alone", () =>
    withHanging([json(200, job())], async (videos, { arrived, closed }) => {
      let isLeft = false
      async function* ids() {
        try {
          yield "video_1"
          await new Promise(() => {})
        } finally {
          isLeft = true
        }
      }
      for await (const { _tag } of videos.watchMany(ids(), { poll: 1 })) {
        assert.strictEqual(_tag, "VideoChanged")
        await arrived
        break
      }
      await closed
      // The iterator of ids still waits: leaving the loop does not wait for its `finally`.
      assert.isFalse(isLeft)
    })
  )

  it.live(
    "ends the iterator of ids if it leaves the loop over many jobs, and a failure of that iterator ends the loop",
    () =>
      withServer(async (videos) => {
        const made = [await videos.create({ prompt: "a harbour" }), await videos.create({ prompt: "a boat" })]
        let isLeft = false
        async function* ids() {
          try {
            yield* made
          } finally {
            isLeft = true
          }
        }
        for await (const _ of videos.watchMany(ids(), { poll, concurrency: 1 })) break
        assert.isTrue(isLeft)
        const own = new RangeError("mine")
        async function* none(): AsyncGenerator<string> {
          throw own
        }
        assert.strictEqual(await reasonOf(collect(videos.watchMany(none()))), own)
      })
  )

  it.live("ends the wait of an iterator", () =>
    withHanging([json(200, job())], async (videos, { arrived, closed }) => {
      const iterator = videos.watch("video_1", { poll: 1 })[Symbol.asyncIterator]()
      assert.strictEqual((await iterator.next()).value?.id, "video_1")
      const waiting = [iterator.next(), iterator.next()]
      await arrived
      assert.isTrue((await iterator.return?.())?.done)
      assert.deepStrictEqual(
        (await Promise.all(waiting)).map(({ done }) => done),
        [true, true]
      )
      await closed
      assert.isTrue((await iterator.next()).done)
    })
  )

  it.live("closes the connection of a reader of a clip", () =>
    Effect.gen(function* () {
      const { closed, reply } = yield* hangUntilClosed
      const { baseUrl } = yield* serve((response, request, index) => {
        reply(response, request, index)
        response.writeHead(200, { "content-type": "video/mp4", "content-length": "1000000" })
        response.write(new Uint8Array(1000))
      })
      const videos = yield* scoped({ baseUrl })
      const reader = videos.content("video_1").getReader()
      const { value } = yield* Effect.promise(() => reader.read())
      assert.isAbove(value?.byteLength ?? 0, 0)
      yield* Effect.promise(() => reader.cancel())
      yield* closed
    }).pipe(Effect.scoped)
  )

  it.live("does not end it: the same watch can be iterated again", () =>
    withServer(async (videos) => {
      const watch = videos.watch(await videos.create({ prompt: "a harbour" }), { poll })
      for await (const _ of watch) break
      assert.strictEqual((await collect(watch)).at(-1)?.status, "completed")
    })
  )
})

describe("close", () => {
  it.live("ends what is on its way, and closes its connections", () =>
    withHanging([json(200, job())], async (videos, { arrived, closed }) => {
      const iterator = videos.watch("video_1", { poll: 1 })[Symbol.asyncIterator]()
      await iterator.next()
      const waiting = reasonOf(iterator.next())
      await arrived
      await videos.close()
      assert.instanceOf(await waiting, VideosClosedError)
      await closed
      assert.isTrue((await iterator.next()).done)
    })
  )

  it.live("is for good, and can be called again", () =>
    withServer(async (videos) => {
      await Promise.all([videos.close(), videos.close(), videos[Symbol.asyncDispose]()])
      const error = await reasonOf(videos.retrieve("video_1"))
      assert(error instanceof VideosClosedError)
      assert.strictEqual(error._tag, "VideosClosedError")
      assert.instanceOf(await reasonOf(collect(videos.list())), VideosClosedError)
    })
  )
})
