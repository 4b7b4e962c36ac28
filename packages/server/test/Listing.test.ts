import { readdir } from "node:fs/promises"
import { tmpdir } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Effect, TestClock } from "effect"
import { parseMp4 } from "../../../test/support/mp4.js"
import { errorOf, idOf, idsOf, inOwnFolder, instant, make, post, remove, send } from "./support.js"

const server = VideosServer.layerInProcess()
const quick = VideosServer.layerInProcess(instant)

/** Five jobs, a second apart, oldest first. */
const five = Effect.gen(function* () {
  const ids: Array<string> = []
  for (let count = 0; count < 5; count++) {
    ids.push(yield* make())
    yield* TestClock.adjust("1 second")
  }
  return ids
})

describe("a list", () => {
  it.effect("is empty at first", () =>
    Effect.gen(function* () {
      const { json } = yield* send("/videos")
      assert.deepStrictEqual(json, { object: "list", data: [], first_id: null, last_id: null, has_more: false })
    }).pipe(Effect.provide(server))
  )

  it.effect("has the newest or the oldest job first, each encoded as by GET", () =>
    Effect.gen(function* () {
      const ids = yield* five
      const newest = yield* send("/videos")
      assert.deepStrictEqual(idsOf(newest), [...ids].reverse())
      assert.deepInclude(newest.json, { first_id: ids[4], last_id: ids[0], has_more: false })
      const oldest = yield* send("/videos?order=asc")
      assert.deepStrictEqual(idsOf(oldest), ids)
      const polls = yield* Effect.forEach(ids, (id) => send(`/videos/${id}`))
      assert.deepStrictEqual(
        oldest.json.data,
        polls.map(({ json }) => json)
      )
    }).pipe(Effect.provide(server))
  )

  it.effect.each(["asc", "desc"])("pages by cursor without gaps or repeats, in order %s", (order) =>
    Effect.gen(function* () {
      const ids = yield* five
      const seen: Array<unknown> = []
      const pages: Array<number> = []
      let query = `order=${order}&limit=2`
      while (true) {
        const page = yield* send(`/videos?${query}`)
        seen.push(...idsOf(page))
        pages.push(idsOf(page).length)
        if (page.json.has_more !== true) break
        query = `order=${order}&limit=2&after=${page.json.last_id}`
      }
      assert.deepStrictEqual(pages, [2, 2, 1])
      assert.deepStrictEqual(seen, order === "asc" ? ids : [...ids].reverse())
    }).pipe(Effect.provide(server))
  )

  it.effect("keeps the creation order of jobs of one millisecond, and puts new jobs first", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* make(), yield* make()]
      const page = yield* send("/videos?limit=1")
      assert.deepStrictEqual([idsOf(page), page.json.has_more], [[second], true])
      yield* make()
      assert.deepStrictEqual(idsOf(yield* send(`/videos?limit=1&after=${second}`)), [first])
    }).pipe(Effect.provide(server))
  )

  it.effect("has twenty jobs per page by default, and an empty page has a correct has_more", () =>
    Effect.gen(function* () {
      for (let count = 0; count < 21; count++) yield* make()
      const page = yield* send("/videos")
      assert.deepStrictEqual([idsOf(page).length, page.json.has_more], [20, true])
      assert.strictEqual(idsOf(yield* send("/videos?limit=100")).length, 21)
      const none = yield* send("/videos?limit=0")
      assert.deepStrictEqual(none.json, { object: "list", data: [], first_id: null, last_id: null, has_more: true })
    }).pipe(Effect.provide(server))
  )

  it.effect.each([
    ["limit=101", "limit", "integer_above_max_value"],
    ["limit=-1", "limit", "integer_below_min_value"],
    ["limit=few", "limit", "invalid_type"],
    ["limit=", "limit", "invalid_type"],
    ["order=random", "order", "invalid_value"],
    ["after=video_0", "after", "invalid_value"]
  ] as const)("refuses %s", ([query, param, code]) =>
    Effect.gen(function* () {
      yield* make()
      const response = yield* send(`/videos?${query}`)
      assert.strictEqual(response.status, 400)
      assert.deepInclude(errorOf(response), { type: "invalid_request_error", param, code })
    }).pipe(Effect.provide(server))
  )
})

describe("a deletion", () => {
  it.effect("is refused while the job runs, and works after its end", () =>
    Effect.gen(function* () {
      const id = yield* make()
      for (const phase of ["queued", "in_progress"]) {
        const refused = yield* remove(`/videos/${id}`)
        assert.strictEqual(refused.status, 409)
        assert.deepInclude(errorOf(refused), { param: "video_id", code: "video_not_finished" })
        assert.include(String(errorOf(refused).message), phase)
        yield* TestClock.adjust("2 seconds")
      }
      assert.deepStrictEqual((yield* remove(`/videos/${id}`)).json, { id, object: "video.deleted", deleted: true })
    }).pipe(Effect.provide(server))
  )

  it.effect("removes a failed job", () =>
    Effect.gen(function* () {
      const id = yield* make()
      assert.strictEqual((yield* remove(`/videos/${id}`)).status, 200)
    }).pipe(Effect.provide(VideosServer.layerInProcess({ ...instant, outcome: () => ({ code: "c", message: "m" }) })))
  )

  it.effect("leaves nothing: every route of the job returns 404, and no list contains it", () =>
    Effect.gen(function* () {
      const id = yield* make()
      const other = yield* make()
      yield* remove(`/videos/${id}`)
      const responses = [
        yield* send(`/videos/${id}`),
        yield* send(`/videos/${id}/content`),
        yield* send(`/videos/${id}/content?variant=thumbnail`),
        yield* remove(`/videos/${id}`),
        yield* post(`/videos/${id}/remix`, { prompt: "again" }),
        yield* post("/videos/edits", { video: { id }, prompt: "again" }),
        yield* post("/videos/extensions", { video: { id }, prompt: "again", seconds: "4" })
      ]
      for (const response of responses) {
        assert.strictEqual(response.status, 404)
        assert.strictEqual(errorOf(response).code, "video_not_found")
      }
      assert.deepStrictEqual(idsOf(yield* send("/videos")), [other])
      assert.strictEqual((yield* (yield* VideosServer).jobs).length, 1)
    }).pipe(Effect.provide(quick))
  )

  it.effect("removes the files of the job, and keeps what derived jobs need", () =>
    Effect.gen(function* () {
      const files = Effect.promise(async () => {
        const all = await readdir(tmpdir(), { recursive: true })
        return all.filter((name) => /\.(mp4|png)$/.test(name)).length
      })
      const source = yield* make()
      const copy = (yield* send(`/videos/${source}/content`)).bytes
      yield* send(`/videos/${source}/content?variant=thumbnail`)
      yield* send(`/videos/${source}/content?variant=spritesheet`)
      assert.strictEqual(yield* files, 3)
      const longer = idOf(yield* post("/videos/extensions", { video: { id: source }, prompt: "on", seconds: "4" }))
      const remix = idOf(yield* post(`/videos/${source}/remix`, { prompt: "in red" }))
      yield* remove(`/videos/${source}`)
      assert.strictEqual(yield* files, 0)
      const stitched = parseMp4((yield* send(`/videos/${longer}/content`)).bytes)
      assert.strictEqual(stitched.movieSeconds, 8)
      assert.deepStrictEqual(stitched.samples[95]?.data, parseMp4(copy).samples[95]?.data)
      assert.strictEqual(parseMp4((yield* send(`/videos/${remix}/content`)).bytes).movieSeconds, 4)
      // The extension rendered the source again, and deleted it after use.
      assert.strictEqual(yield* files, 2)
    }).pipe(Effect.provide(inOwnFolder(quick)))
  )
})
