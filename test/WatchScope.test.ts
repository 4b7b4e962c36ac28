import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeContext } from "@effect/platform-node"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, ManagedRuntime, Redacted, Schedule, Stream, TestClock } from "effect"
import {
  awaitVideo,
  awaitVideos,
  createAndWatch,
  downloadVideo,
  downloadVideoToFile,
  editAndWatch,
  extendAndWatch,
  remixAndWatch,
  retrieveVideo,
  Videos,
  type VideosService,
  watchVideo,
  watchVideos
} from "effect-videos"
import { handleWebhook, signWebhook, Webhooks } from "effect-videos/Webhook"
import { jobsOf, makeFleet } from "./support/fleet.js"
import { snapshot } from "./support/script.js"
import { json, type Reply, serve } from "./support/server.js"
import { anyClient, job, videosOver } from "./support/videos.js"

/** A server whose job runs for ever, and whose content stops after its first bytes. */
const running: Reply = (response, request, index) => {
  if (!request.url.includes("/content")) return json(200, job({ status: "in_progress" }))(response, request, index)
  response.writeHead(200, { "content-type": "video/mp4", "content-length": "1000000" })
  response.write(Buffer.alloc(64 * 1024))
}

const create = { prompt: "a lighthouse" }
const derive = { video: "video_0", prompt: "and on", seconds: 4 } as const
/** Long enough that only the end of the layer ends it. */
const slow = { poll: Schedule.spaced("1 hour") }
const quick = { poll: Schedule.spaced("1 millis") }

const secret = Redacted.make("a secret")
const webhooks = Webhooks.layer({ secrets: secret })

const delivery = Effect.gen(function* () {
  const id = "wh_1"
  const timestamp = Math.floor(Date.now() / 1000)
  const body = JSON.stringify({
    id: "evt_1",
    object: "event",
    type: "video.completed",
    created_at: timestamp,
    data: { id: "video_1" }
  })
  const signature = yield* signWebhook({ id, timestamp, body, secret })
  return {
    body,
    headers: { "webhook-id": id, "webhook-timestamp": String(timestamp), "webhook-signature": signature }
  }
})

const folder = mkdtempSync(join(tmpdir(), "watch-scope-"))

/** Everything that may wait for a job or its bytes for long. */
const waits: ReadonlyArray<
  readonly [string, Effect.Effect<unknown, unknown, Videos | Webhooks | NodeContext.NodeContext>]
> = [
  ["awaitVideo", awaitVideo("video_1", slow)],
  ["watchVideo", Stream.runDrain(watchVideo("video_1", slow))],
  ["watchVideos", Stream.runDrain(watchVideos(["video_1", "video_2"], slow))],
  ["watchVideos with a limit", Stream.runDrain(watchVideos(["video_1", "video_2"], { ...slow, concurrency: 1 }))],
  ["watchVideos of a Stream", Stream.runDrain(watchVideos(Stream.concat(Stream.make("video_1"), Stream.never), slow))],
  [
    "watchVideos of a Stream that has given nothing",
    Stream.runDrain(
      watchVideos(Stream.concat(Stream.drain(Stream.fromEffect(retrieveVideo("video_1"))), Stream.never), slow)
    )
  ],
  ["awaitVideos", awaitVideos(["video_1", "video_2"], slow)],
  ["createAndWatch", Stream.runDrain(createAndWatch(create, quick))],
  ["extendAndWatch", Stream.runDrain(extendAndWatch(derive, quick))],
  ["editAndWatch", Stream.runDrain(editAndWatch({ video: "video_0", prompt: "winter" }, quick))],
  ["remixAndWatch", Stream.runDrain(remixAndWatch({ video: "video_0", prompt: "night" }, quick))],
  ["downloadVideo", Stream.runDrain(downloadVideo("video_1"))],
  ["downloadVideoToFile", downloadVideoToFile("video_1", join(folder, "clip.mp4"))],
  [
    "a webhook's handler that waits for another job",
    Effect.flatMap(delivery, (request) => handleWebhook(request, () => awaitVideo("video_1", slow)))
  ]
]

const interruptedOnly = (exit: Exit.Exit<unknown, unknown>): boolean => Exit.isFailure(exit) && Exit.isInterrupted(exit)

describe.each([anyClient])("the end of a runtime over $client", ({ layer: client }) => {
  it.scopedLive.each(waits.map(([name, wait]) => ({ name, wait })))(
    "interrupts $name",
    ({ wait }) =>
      Effect.gen(function* () {
        const arrived = yield* Deferred.make<void>()
        const server = yield* serve((response, request, index) => {
          running(response, request, index)
          // A submission that is still on its way is another matter.
          if (request.method === "GET") Deferred.unsafeDone(arrived, Effect.void)
        })
        const runtime = ManagedRuntime.make(Layer.mergeAll(videosOver(server, {}, client), webhooks, NodeContext.layer))
        const fiber = runtime.runFork(wait)
        yield* Deferred.await(arrived)
        yield* Effect.promise(() => runtime.dispose())
        assert(interruptedOnly(yield* Fiber.await(fiber)))
      }),
    20_000
  )
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("a Videos whose layer has ended", () => {
  it.scopedLive.each<{ readonly name: string; readonly wait: Effect.Effect<unknown, unknown, Videos> }>([
    { name: "awaitVideo", wait: awaitVideo("video_1") },
    { name: "awaitVideo of a job that has ended", wait: awaitVideo(snapshot("completed")) },
    { name: "watchVideos", wait: Stream.runDrain(watchVideos(["video_1"])) },
    { name: "watchVideos of a Stream", wait: Stream.runDrain(watchVideos(Stream.never)) },
    { name: "awaitVideo with a query", wait: awaitVideo("video_1", { extraQuery: { a: "1" } }) },
    { name: "downloadVideo", wait: Stream.runDrain(downloadVideo("video_1")) }
  ])("interrupts $name at once, with no request", ({ wait }) =>
    Effect.gen(function* () {
      const server = yield* serve(running)
      const runtime = ManagedRuntime.make(videosOver(server))
      const videos = yield* Effect.promise(() => runtime.runPromise(Videos))
      yield* Effect.promise(() => runtime.dispose())
      const exit = yield* Effect.exit(
        Effect.fork(Effect.provideService(wait, Videos, videos)).pipe(Effect.flatMap(Fiber.await))
      )
      assert(Exit.isSuccess(exit) && interruptedOnly(exit.value))
      assert.strictEqual(server.requests.length, 0)
    })
  )
})

describe("a copy of a Videos with a function of the program's own", () => {
  it.scopedLive.each<{
    readonly name: string
    readonly copy: (videos: VideosService, retrieve: VideosService["retrieve"]) => VideosService
  }>([
    { name: "a spread", copy: (videos, retrieve) => ({ ...videos, retrieve }) },
    { name: "Object.assign", copy: (videos, retrieve) => Object.assign({}, videos, { retrieve }) },
    { name: "a prototype", copy: (videos, retrieve) => Object.assign(Object.create(videos), { retrieve }) },
    {
      name: "each function by name",
      copy: (videos, retrieve) => ({
        create: videos.create,
        extend: videos.extend,
        edit: videos.edit,
        remix: videos.remix,
        createCharacter: videos.createCharacter,
        retrieveCharacter: videos.retrieveCharacter,
        listPages: videos.listPages,
        delete: videos.delete,
        content: videos.content,
        state: videos.state,
        retrieve
      })
    },
    {
      name: "a Proxy",
      copy: (videos, retrieve) =>
        new Proxy(videos, { get: (target, name) => (name === "retrieve" ? retrieve : Reflect.get(target, name)) })
    },
    { name: "a copy of a copy", copy: (videos, retrieve) => ({ ...{ ...videos }, retrieve }) }
  ])("made by $name is what watches call, and keeps the options of its layer", ({ copy }) =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, job({ status: "in_progress" })))
      const seen: Array<string> = []
      const wrapped = Layer.effect(
        Videos,
        Effect.map(Videos, (videos) =>
          copy(videos, (id, options) =>
            Effect.suspend(() => {
              seen.push(id)
              return videos.retrieve(id, options)
            })
          )
        )
      ).pipe(Layer.provide(videosOver(server, { watching: { list: "never" } })))
      const runtime = ManagedRuntime.make(wrapped)
      const fiber = runtime.runFork(Stream.runHead(Stream.drop(watchVideo("video_1", slow), 1)))
      yield* Effect.promise(() => runtime.runPromise(Stream.runHead(watchVideo("video_1", slow))))
      const { list } = yield* Effect.promise(() => runtime.runPromise(Videos.watchers))
      assert.strictEqual(list.mode, "never")
      assert.deepStrictEqual(seen, ["video_1"])
      yield* Effect.promise(() => runtime.dispose())
      assert(interruptedOnly(yield* Fiber.await(fiber)))
    })
  )

  it.scopedLive("reads pages as its layer does", () =>
    Effect.gen(function* () {
      const ids = Array.from({ length: 25 }, (_, index) => `video_${index}`)
      const data = ids.map((id) => job({ id, status: "completed" }))
      const server = yield* serve(json(200, { object: "list", data, has_more: false }))
      const seen: Array<string> = []
      const wrapped = Layer.effect(
        Videos,
        Effect.map(Videos, (videos) => ({
          ...videos,
          retrieve: (id: string) => {
            seen.push(id)
            return videos.retrieve(id)
          }
        }))
      ).pipe(Layer.provide(videosOver(server, { watching: { list: "always", threshold: 1 } })))
      yield* Effect.provide(awaitVideos(ids, slow), wrapped)
      assert.deepStrictEqual(
        server.requests.map(({ url }) => url),
        ["/v1/videos?limit=100&order=desc"]
      )
      assert.deepStrictEqual(seen, [])
    })
  )

  it.effect("does not share polls with the service that it was made of", () => {
    const fleet = makeFleet(jobsOf(1, { run: 60_000 }))
    return Effect.gen(function* () {
      const videos = yield* Videos
      const copies: Array<string> = []
      const copy: VideosService = {
        ...videos,
        retrieve: (id, options) => {
          copies.push(id)
          return videos.retrieve(id, options)
        }
      }
      const options = { poll: Schedule.spaced("10 seconds") }
      const one = yield* Effect.fork(awaitVideo("video_0", options))
      const other = yield* Effect.fork(Effect.provideService(awaitVideo("video_0", options), Videos, copy))
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.join(one)
      yield* Fiber.join(other)
      assert.strictEqual(copies.length, 7)
      assert.strictEqual(fleet.polls.length, 14)
    }).pipe(Effect.provide(fleet.layer))
  })
})

describe("a canned Videos", () => {
  const completing = { retrieve: () => Effect.succeed(snapshot("completed")) }

  it.effect("can be watched in one runtime after another", () =>
    Effect.gen(function* () {
      for (const layer of [Layer.mock(Videos, completing), Layer.mock(Videos, completing)]) {
        const runtime = ManagedRuntime.make(layer)
        const video = yield* Effect.promise(() => runtime.runPromise(awaitVideo("video_1")))
        assert.strictEqual(video.status, "completed")
        yield* Effect.promise(() => runtime.dispose())
      }
    })
  )
})
