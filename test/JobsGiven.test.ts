/** The jobs that watches are given: one or many, and what is neither. */
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Either, Schema, Stream } from "effect"
import {
  type AwaitVideoError,
  awaitVideo,
  awaitVideos,
  VideoResource,
  type Videos,
  watchVideo,
  watchVideos
} from "effect-videos"
import { makeVideos } from "effect-videos/promise"
import { json, serve } from "./support/server.js"
import { job, videosOver } from "./support/videos.js"

/** Has every job that it is asked for, completed. */
const completed = serve((response, request, index) => {
  const id = decodeURIComponent(request.url.split("/").at(-1) ?? "")
  json(200, job({ id, status: "completed" }))(response, request, index)
})

const snapshot = Schema.decodeUnknownSync(VideoResource)(job({ id: "video_1" }))

type Many = string | VideoResource | Iterable<string | VideoResource>
type Given = Many | Stream.Stream<string | VideoResource>

const given: { readonly [what: string]: readonly [() => Given, ids: ReadonlyArray<string>] } = {
  "a string": [() => "video_1", ["video_1"]],
  "a snapshot": [() => snapshot, ["video_1"]],
  "an array": [() => ["video_1", "video_2"], ["video_1", "video_2"]],
  "a Set": [() => new Set(["video_1", "video_2"]), ["video_1", "video_2"]],
  "a Chunk": [() => Chunk.make("video_1", snapshot), ["video_1"]],
  "a generator": [
    function* () {
      yield "video_1"
      yield "video_2"
    },
    ["video_1", "video_2"]
  ],
  "a Stream": [() => Stream.make("video_1", "video_2"), ["video_1", "video_2"]],
  "a reference without a status": [() => ({ id: "video_1" }) as VideoResource, ["video_1"]]
}

const isStream = (jobs: Given): jobs is Stream.Stream<string | VideoResource> =>
  typeof jobs === "object" && Stream.StreamTypeId in jobs

const wrong: { readonly [what: string]: unknown } = {
  "a number": 1,
  null: null,
  undefined: undefined,
  "an object without an id": {},
  "an array with a hole in it": [undefined],
  "an array of arrays": [["video_1"]],
  "an empty string": ""
}

describe("many watches", () => {
  it.scopedLive.each(Object.keys(given))("take %s", (what) =>
    Effect.gen(function* () {
      const [make, ids] = given[what] ?? [() => [], []]
      const server = yield* completed
      const updates = yield* Effect.provide(Stream.runCollect(watchVideos(make())), videosOver(server))
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(updates).map(({ _tag, id }) => [_tag, id]),
        ids.map((id) => ["VideoEnded", id])
      )
      const made = make()
      if (isStream(made)) return
      const ends = yield* Effect.provide(awaitVideos(made), videosOver(server))
      assert.deepStrictEqual([...new Set(ends.map((end) => Either.getOrThrow(end).id as string))], ids)
    })
  )

  it.scopedLive.each(Object.keys(wrong))("refuse %s by name, and send nothing", (what) =>
    Effect.gen(function* () {
      const server = yield* completed
      const layer = videosOver(server)
      const updates = yield* Effect.provide(Stream.runCollect(watchVideos(wrong[what] as Given)), layer)
      assert.strictEqual(updates.length, 1)
      const [update] = Chunk.toReadonlyArray(updates)
      assert(update?._tag === "VideoLost")
      assert.strictEqual(update.error._tag, "InvalidRequestError")
      const [end] = yield* Effect.provide(awaitVideos(wrong[what] as ReadonlyArray<string>), layer)
      assert(end !== undefined && Either.isLeft(end))
      assert.strictEqual(end.left._tag, "InvalidRequestError")
      assert.deepStrictEqual(server.requests, [])
    })
  )
})

describe("one watch", () => {
  it.scopedLive.each([1, null, undefined, {}, [], ""] as ReadonlyArray<unknown>)("refuses %j by name", (value) =>
    Effect.gen(function* () {
      const server = yield* completed
      const programs: ReadonlyArray<Effect.Effect<unknown, AwaitVideoError, Videos>> = [
        awaitVideo(value as string),
        Stream.runDrain(watchVideo(value as string))
      ]
      for (const program of programs) {
        const error = yield* Effect.flip(Effect.provide(program, videosOver(server)))
        assert.strictEqual(error._tag, "InvalidRequestError")
      }
      assert.deepStrictEqual(server.requests, [])
    })
  )
})

describe("the Promise facade's `watchMany`", () => {
  it.scopedLive("takes a string for one id, and a snapshot for one job", () =>
    Effect.gen(function* () {
      const server = yield* completed
      const ids = yield* Effect.promise(async () => {
        const videos = makeVideos({ baseUrl: server.baseUrl })
        const all: Array<string> = []
        for await (const { id } of videos.watchMany("video_1")) all.push(id)
        for await (const { id } of videos.watchMany(snapshot)) all.push(id)
        for await (const { id } of videos.watchMany(new Set(["video_2"]))) all.push(id)
        await videos.close()
        return all
      })
      assert.deepStrictEqual(ids, ["video_1", "video_1", "video_2"])
      assert.deepStrictEqual(
        server.requests.map(({ url }) => url),
        ["/v1/videos/video_1", "/v1/videos/video_1", "/v1/videos/video_2"]
      )
    })
  )
})
