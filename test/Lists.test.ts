import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Schedule, Stream } from "effect"
import { type ListVideosOptions, listPages, listVideos } from "effect-videos"
import { html, inTurn, json, type Reply, serve } from "./support/server.js"
import { atOnce, videosOver } from "./support/videos.js"

const item = (id: string) => ({ id, object: "video", status: "completed" })
const page = (ids: ReadonlyArray<string>, fields: { readonly [name: string]: unknown } = {}) => ({
  object: "list",
  data: ids.map(item),
  ...fields
})

/** The ids that a list gives, and what was asked for them. */
const listed = (reply: Reply, options?: ListVideosOptions) =>
  Effect.gen(function* () {
    const server = yield* serve(reply)
    const all = yield* listVideos(options).pipe(
      Stream.map(({ id }) => String(id)),
      Stream.runCollect,
      Effect.provide(videosOver(server))
    )
    return { ids: Chunk.toReadonlyArray(all), urls: server.requests.map(({ url }) => url) }
  })

describe("listVideos", () => {
  it.scopedLive("reads page after page by the last id, until the server has no more", () =>
    Effect.gen(function* () {
      const pages = inTurn(
        json(200, page(["a", "b"], { has_more: true, first_id: "a", last_id: "b" })),
        json(200, page(["c/+="], { has_more: true, first_id: "c/+=", last_id: "c/+=" })),
        json(200, page(["d"], { has_more: false, first_id: "d", last_id: "d" }))
      )
      const { ids, urls } = yield* listed(pages, { limit: 2, order: "asc", after: "z" })
      assert.deepStrictEqual(ids, ["a", "b", "c/+=", "d"])
      assert.deepStrictEqual(
        urls.map((url) => Object.fromEntries(new URL(url, "http://h").searchParams)),
        [
          { limit: "2", order: "asc", after: "z" },
          { limit: "2", order: "asc", after: "b" },
          { limit: "2", order: "asc", after: "c/+=" }
        ]
      )
    })
  )

  it.scopedLive(
    "requests no page that the consumer does not read, and sends no option that the caller did not set",
    () =>
      Effect.gen(function* () {
        const server = yield* serve(json(200, page(["a", "b"], { has_more: true })))
        const first = yield* listVideos().pipe(Stream.take(2), Stream.runCollect, Effect.provide(videosOver(server)))
        assert.strictEqual(first.length, 2)
        assert.deepStrictEqual(
          server.requests.map(({ url }) => url),
          ["/v1/videos"]
        )
      })
  )

  const ends: { readonly [accent: string]: readonly [replies: ReadonlyArray<Reply>, ids: ReadonlyArray<string>] } = {
    "without has_more, by a page that has nothing new (SGLang sends everything again)": [
      [json(200, page(["a", "b"]))],
      ["a", "b"]
    ],
    "at once, with no jobs": [[json(200, page([], { has_more: false, first_id: null, last_id: null }))], []],
    "with a bare array": [
      [json(200, ["a", "b"].map(item)), json(200, [])],
      ["a", "b"]
    ],
    "with each job once, where new ones have moved the pages": [
      [
        json(200, page(["c", "b"], { has_more: true })),
        json(200, page(["b", "a"], { has_more: true })),
        json(200, page([], { has_more: false }))
      ],
      ["c", "b", "a"]
    ]
  }
  it.scopedLive.each(Object.keys(ends))("ends %s", (accent) =>
    Effect.gen(function* () {
      const [replies, ids] = ends[accent] ?? [[], []]
      assert.deepStrictEqual((yield* listed(inTurn(...replies))).ids, ids)
    })
  )

  const fails: {
    readonly [fault: string]: readonly [replies: ReadonlyArray<Reply>, detail: RegExp, requests: number]
  } = {
    "where the same page comes for ever and says that there is more": [
      [json(200, page(["a", "b"], { has_more: true }))],
      /the same page again after 2 jobs.*ignores `after`/,
      2
    ],
    "on a page of HTML": [
      [
        json(200, page(["a"], { has_more: true })),
        json(200, page(["b"], { has_more: true })),
        html(200, "<html><title>Oops</title></html>")
      ],
      /HTML page/,
      3
    ],
    "on an item without an id": [[json(200, { data: [item("a"), { status: "queued" }] })], /item 1 is not a video/, 1],
    "on a body without data": [[json(200, { error: { message: "later" } })], /no `data`, but says: later/, 1],
    "on a body that is null": [[json(200, null)], /it is null, not a list/, 1]
  }
  it.scopedLive.each(Object.keys(fails))("fails clearly %s", (fault) =>
    Effect.gen(function* () {
      const [replies, detail, requests] = fails[fault] ?? [[], /^$/, 0]
      const server = yield* serve(inTurn(...replies))
      const error = yield* Effect.flip(Effect.provide(Stream.runDrain(listVideos()), videosOver(server)))
      assert(error._tag === "ResponseDecodeError")
      assert.strictEqual(error.operation, "listVideos")
      assert.match(error.detail, detail)
      assert.strictEqual(server.requests.length, requests)
    })
  )

  it.scopedLive("tries a page again, and keeps what came before", () =>
    Effect.gen(function* () {
      const server = yield* serve(
        inTurn(json(200, page(["a"], { has_more: true })), json(503, {}), json(200, page(["b"], { has_more: false })))
      )
      const all = yield* Effect.provide(Stream.runCollect(listVideos()), videosOver(server, { readRetry: atOnce(2) }))
      assert.strictEqual(all.length, 2)
      assert.strictEqual(server.requests.length, 3)
    })
  )

  it.scopedLive.each([
    ["limit", { limit: 0 }],
    ["limit", { limit: 101 }],
    ["limit", { limit: 2.5 }],
    ["after", { after: ".." }]
  ] as const)("refuses a %s that the protocol does not allow: %j", ([field, options]) =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, page([])))
      const error = yield* Effect.flip(
        Effect.provide(Stream.runDrain(listVideos(options)), videosOver(server, { readRetry: Schedule.stop }))
      )
      assert(error._tag === "InvalidRequestError")
      assert.strictEqual(error.field, field)
      assert.strictEqual(server.requests.length, 0)
    })
  )
})

describe("listPages", () => {
  it.scopedLive("gives pages with what the server said of more", () =>
    Effect.gen(function* () {
      const server = yield* serve(
        inTurn(json(200, page(["a", "b"], { has_more: true })), json(200, page(["c"], { has_more: false })))
      )
      const pages = yield* Effect.provide(Stream.runCollect(listPages()), videosOver(server))
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(pages).map(({ hasMore, videos }) => [hasMore, videos.length]),
        [
          [true, 2],
          [false, 1]
        ]
      )
    })
  )
})
