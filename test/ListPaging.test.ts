/** Lists whose pages are filtered, empty, repeated or wrong about what follows: nothing is left out, and each pass ends. */
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Schedule, Stream } from "effect"
import * as FastCheck from "effect/FastCheck"
import { awaitVideos, listPages, listVideos } from "effect-videos"
import { makeVideos } from "effect-videos/promise"
import { ListCursor } from "../src/internal/protocol/listCursor.js"
import { json, type Reply, serve, type TestServer } from "./support/server.js"
import { videosOver } from "./support/videos.js"

const item = (id: string, fields: { readonly [name: string]: unknown } = {}) => ({
  id,
  object: "video",
  status: "completed",
  ...fields
})

const page = (ids: ReadonlyArray<string>, fields: { readonly [name: string]: unknown } = {}) => ({
  object: "list",
  data: ids.map((id) => item(id)),
  ...fields
})

/** Responds by the cursor that the client sends; `""` is the first page. */
const byCursor =
  (pages: { readonly [after: string]: unknown }): Reply =>
  (response, request, index) =>
    json(200, pages[afterOf(request.url) ?? ""] ?? page([], { has_more: false }))(response, request, index)

const afterOf = (url: string) => new URL(url, "http://h").searchParams.get("after")

/** What a pass emits, and how it ends. */
const pass = (server: TestServer, options?: Parameters<typeof listVideos>[0]) =>
  Effect.gen(function* () {
    const ids: Array<string> = []
    const exit = yield* Effect.exit(
      Stream.runForEach(listVideos(options), ({ id }) => Effect.sync(() => ids.push(id)))
    ).pipe(Effect.provide(videosOver(server)))
    const error = Exit.isFailure(exit) && exit.cause._tag === "Fail" ? exit.cause.error : null
    return { ids, error, cursors: server.requests.map(({ url }) => afterOf(url)) }
  })

describe("a list that is filtered per caller", () => {
  const pages = byCursor({
    "": page([], { has_more: true, first_id: "x1", last_id: "x2" }),
    x2: page(["a"], { has_more: true, first_id: "x3", last_id: "x4" }),
    x4: page([], { has_more: true, first_id: "x5", last_id: "x6" }),
    x6: page(["b", "c"], { has_more: false, first_id: "b", last_id: "c" })
  })

  it.scopedLive("is read on after a page that is empty, from the `last_id` that the server sends", () =>
    Effect.gen(function* () {
      const { cursors, error, ids } = yield* pass(yield* serve(pages))
      assert.deepStrictEqual(ids, ["a", "b", "c"])
      assert.isNull(error)
      assert.deepStrictEqual(cursors, [null, "x2", "x4", "x6"])
    })
  )

  it.scopedLive("has pages with jobs only, as `listPages` emits them", () =>
    Effect.gen(function* () {
      const server = yield* serve(pages)
      const all = yield* Effect.provide(Stream.runCollect(listPages()), videosOver(server))
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(all).map(({ hasMore, videos }) => [hasMore, videos.map(({ id }) => String(id))]),
        [
          [true, ["a"]],
          [false, ["b", "c"]]
        ]
      )
    })
  )

  it.scopedLive("is read to its end by the Promise facade", () =>
    Effect.gen(function* () {
      const server = yield* serve(pages)
      const ids = yield* Effect.promise(async () => {
        const videos = makeVideos({ baseUrl: server.baseUrl })
        const all: Array<string> = []
        for await (const { id } of videos.list()) all.push(id)
        await videos.close()
        return all
      })
      assert.deepStrictEqual(ids, ["a", "b", "c"])
    })
  )

  it.scopedLive("serves watches by its pages, with a search that goes on over empty ones", () =>
    Effect.gen(function* () {
      let reads = 0
      const ids = Array.from({ length: 6 }, (_, index) => `job_${index}`)
      const jobs = (status: string) => ids.map((id, index) => item(id, { status, created_at: 1_795_000_000 - index }))
      const server = yield* serve((response, request, index) => {
        const after = afterOf(request.url)
        const body =
          after === null
            ? page([], { has_more: true, last_id: "other_1" })
            : after === "other_1"
              ? page([], { has_more: true, last_id: "other_2" })
              : { object: "list", data: jobs(++reads > 1 ? "completed" : "queued"), has_more: false }
        json(request.url.startsWith("/v1/videos?") ? 200 : 500, body)(response, request, index)
      })
      const ends = yield* Effect.provide(
        awaitVideos(ids, { poll: Schedule.spaced("1 millis"), retry: Schedule.stop }),
        videosOver(server, { watching: { list: "always" } })
      )
      assert.deepStrictEqual(
        ends.map(({ _tag }) => _tag),
        ids.map(() => "Right" as const)
      )
      assert.deepStrictEqual([...new Set(server.requests.map(({ url }) => afterOf(url)))], [null, "other_1", "other_2"])
    })
  )

  it.scopedLive("has every visible job once and in order, however the server cuts its pages", () =>
    Effect.gen(function* () {
      const list = { visible: [] as ReadonlyArray<boolean>, sizes: [] as ReadonlyArray<number> }
      const server = yield* serve((response, request, index) => {
        const all = list.visible.map((_, at) => `job_${at}`)
        const from = all.indexOf(afterOf(request.url) ?? "") + 1
        const cut = all.slice(from, from + (list.sizes[from % list.sizes.length] ?? 1))
        const shown = cut.filter((id) => list.visible[all.indexOf(id)])
        const fields = { has_more: from + cut.length < all.length, last_id: cut.at(-1) ?? null }
        json(200, page(shown, fields))(response, request, index)
      })
      yield* Effect.promise(() =>
        FastCheck.assert(
          FastCheck.asyncProperty(
            FastCheck.array(FastCheck.boolean(), { maxLength: 20 }),
            FastCheck.array(FastCheck.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
            async (visible, sizes) => {
              Object.assign(list, { visible, sizes })
              const { error, ids } = await Effect.runPromise(pass(server))
              assert.isNull(error)
              assert.deepStrictEqual(
                ids,
                visible.flatMap((isVisible, at) => (isVisible ? [`job_${at}`] : []))
              )
            }
          )
        )
      )
    })
  )
})

describe("a list that does not say where it goes on", () => {
  const stuck: {
    readonly [fault: string]: readonly [
      pages: { readonly [after: string]: unknown },
      ids: ReadonlyArray<string>,
      detail: RegExp,
      requests: number
    ]
  } = {
    "an empty first page without a `last_id`": [
      { "": page([], { has_more: true, last_id: null }) },
      [],
      /after 0 jobs is empty and says that there is more, without a new `last_id`/,
      1
    ],
    "an empty last page without a `last_id` (TeleFuser)": [
      { "": page(["a"], { has_more: true }), a: page([], { has_more: true }) },
      ["a"],
      /after 1 job is empty/,
      2
    ],
    "an empty page whose `last_id` is the cursor that was sent": [
      { "": page(["a"], { has_more: true }), a: page([], { has_more: true, last_id: "a" }) },
      ["a"],
      /after 1 job is empty/,
      2
    ],
    "an empty page whose `last_id` cannot be an id": [
      { "": page([], { has_more: true, last_id: "../.." }) },
      [],
      /is empty/,
      1
    ],
    "cursors that loop": [
      {
        "": page(["a"], { has_more: true, last_id: "x" }),
        x: page([], { has_more: true, last_id: "y" }),
        y: page([], { has_more: true, last_id: "x" })
      },
      ["a"],
      /after 1 job is empty/,
      3
    ],
    "the same page for each cursor": [
      {
        "": page(["a", "b"], { has_more: true, last_id: "b" }),
        b: page(["a", "b"], { has_more: true, last_id: "a" })
      },
      ["a", "b"],
      /the same page again after 2 jobs/,
      2
    ]
  }
  it.scopedLive.each(Object.keys(stuck))("emits what it has and then fails: %s", (fault) =>
    Effect.gen(function* () {
      const [pages, expected, detail, requests] = stuck[fault] ?? [{}, [], /^$/, 0]
      const { cursors, error, ids } = yield* pass(yield* serve(byCursor(pages)))
      assert.deepStrictEqual(ids, expected)
      assert(error?._tag === "ResponseDecodeError")
      assert.strictEqual(error.operation, "listVideos")
      assert.match(error.detail, detail)
      assert.strictEqual(cursors.length, requests)
    })
  )

  it.scopedLive("emits the jobs of a page whose only cursor is the one that the caller gave", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, page(["z"], { has_more: true, last_id: "z" })))
      const { error, ids } = yield* pass(server, { after: "z" })
      assert.deepStrictEqual(ids, ["z"])
      assert(error?._tag === "ResponseDecodeError")
    })
  )

  it("has no way on after 500 pages in a row without a job, and names the cursor that continues", () => {
    const cursor = new ListCursor()
    const pages = Array.from({ length: 600 }, (_, index) =>
      cursor.take({ videos: [], hasMore: true, lastId: `x${index}` })
    )
    const at = pages.findIndex(({ next }) => next._tag !== "After")
    assert.strictEqual(at, 499)
    const next = pages[at]?.next
    assert(next?._tag === "Stuck")
    assert.match(next.detail, /500 pages in a row have no new job.*`after: "x499"` continues/)
  })

  it.scopedLive("rejects once, after the jobs, in the Promise facade", () =>
    Effect.gen(function* () {
      const server = yield* serve(
        byCursor({ "": page(["a", "b"], { has_more: true }), b: page([], { has_more: true }) })
      )
      const [ids, tag] = yield* Effect.promise(async () => {
        const videos = makeVideos({ baseUrl: server.baseUrl })
        const all: Array<string> = []
        try {
          for await (const { id } of videos.list()) all.push(id)
          return [all, "ended"]
        } catch (error) {
          return [all, (error as { readonly _tag: string })._tag]
        } finally {
          await videos.close()
        }
      })
      assert.deepStrictEqual([ids, tag], [["a", "b"], "ResponseDecodeError"])
    })
  )

  it.scopedLive("ends, with each job once, whatever a server responds", () =>
    Effect.gen(function* () {
      let bodies: ReadonlyArray<unknown> = []
      let from = 0
      const server = yield* serve((response, request, index) =>
        json(200, bodies[(index - from) % bodies.length])(response, request, index)
      )
      const ids = FastCheck.constantFrom("a", "b", "c", "d", "e")
      const body = FastCheck.record({
        data: FastCheck.oneof(
          FastCheck.array(
            ids.map((id) => item(id)),
            { maxLength: 3 }
          ),
          FastCheck.constant(null)
        ),
        has_more: FastCheck.constantFrom(true, true, true, false, null),
        last_id: FastCheck.option(ids)
      })
      yield* Effect.promise(() =>
        FastCheck.assert(
          FastCheck.asyncProperty(FastCheck.array(body, { minLength: 1, maxLength: 6 }), async (given) => {
            bodies = given
            from = server.requests.length
            const all = await Effect.runPromise(pass(server))
            assert.strictEqual(new Set(all.ids).size, all.ids.length)
            assert.isAtMost(server.requests.length - from, 12)
          })
        )
      )
    })
  )
})

describe("a list without jobs", () => {
  const none: { readonly [spelling: string]: unknown } = {
    "`data` is null (Go's nil slice)": { object: "list", data: null, has_more: false },
    "`data` is null and nothing else is there": { data: null },
    "`data` is null in an envelope that says that all is well": { code: 0, message: "success", data: null },
    "`data` is left out (Go's omitempty)": { object: "list", has_more: false },
    "`data` and `object` are left out": { has_more: false },
    "`data` is an empty object (Lua's cjson)": { object: "list", data: {}, has_more: false },
    "the error is null": { object: "list", data: null, error: null }
  }
  it.scopedLive.each(Object.keys(none))("is empty if %s", (spelling) =>
    Effect.gen(function* () {
      const { error, ids } = yield* pass(yield* serve(json(200, none[spelling])))
      assert.deepStrictEqual([ids, error], [[], null])
    })
  )

  const wrong: { readonly [what: string]: readonly [body: unknown, detail: RegExp] } = {
    "an error without data": [{ data: null, error: { message: "no permission" } }, /no permission/],
    "a refusal in an envelope": [{ code: "denied", message: "no permission", data: null }, /no permission/],
    "a refusal without a code": [{ success: false, data: null, message: "no" }, /says: no/],
    "an object that is not a list": [{}, /no `data`/],
    "a job in place of a list": [item("video_1"), /no `data`/],
    "an object with something in it": [
      { object: "list", data: { videos: [] } },
      /its `data` is an object, not an array/
    ],
    "a text": [{ object: "list", data: "none" }, /its `data` is a string/]
  }
  it.scopedLive.each(Object.keys(wrong))("is not what %s is", (what) =>
    Effect.gen(function* () {
      const [body, detail] = wrong[what] ?? [null, /^$/]
      const { error } = yield* pass(yield* serve(json(200, body)))
      assert(error?._tag === "ResponseDecodeError")
      assert.match(error.detail, detail)
    })
  )

  it.scopedLive("goes on after `data: null` with a `last_id`", () =>
    Effect.gen(function* () {
      const pages = { "": { data: null, has_more: true, last_id: "x" }, x: page(["a"], { has_more: false }) }
      const { error, ids } = yield* pass(yield* serve(byCursor(pages)))
      assert.deepStrictEqual([ids, error], [["a"], null])
    })
  )
})
