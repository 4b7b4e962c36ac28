/** Faults on the wire, over real sockets. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { Effect, TestClock } from "effect"
import { lengthIn, partsOf, rawRequest } from "./rawSocket.js"
import { fixture, instant } from "./support.js"

const clip = JSON.stringify({ prompt: "a lighthouse at dusk", size: "64x64" })

const film = readFileSync(fixture("fragmented.mp4"))

const onSocket = (...faults: ReadonlyArray<Fault.Rule>) => VideosServer.layer({ ...instant, faults })

const create = Effect.flatMap(VideosServer, ({ baseUrl }) =>
  rawRequest(`${baseUrl}/videos`, { method: "POST", body: clip })
)

const get = (path: string, headers: { readonly [name: string]: string } = {}) =>
  Effect.flatMap(VideosServer, ({ baseUrl }) => rawRequest(`${baseUrl}${path}`, { headers }))

/** Sends a request with `fetch`. Returns the response, or the error with the code of its cause. */
const fetched = (path: string, init?: RequestInit) =>
  Effect.flatMap(VideosServer, ({ baseUrl }) => Effect.promise(() => fetch(`${baseUrl}${path}`, init)))

const posted = (path = "/videos", body: unknown = JSON.parse(clip)) =>
  fetched(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })

const jsonOf = (response: Response) => Effect.promise(() => response.json())

const made = Effect.map(Effect.flatMap(posted(), jsonOf), ({ id }): string => id)

const jobIds = Effect.flatMap(VideosServer, ({ jobs }) => Effect.map(jobs, (all) => all.map(({ id }): string => id)))

/** Returns the error code of a failed `fetch`, or of a failed read of its body. */
const failure = (promise: () => Promise<unknown>) =>
  Effect.promise(() =>
    promise().then(
      () => "none",
      (error: unknown) =>
        error instanceof TypeError ? (error.cause as { readonly code?: string } | undefined)?.code : String(error)
    )
  )

/** libuv reports a reset as `end` if it arrives together with the last bytes. */
const brokenOff = ["ECONNRESET", "end"]

describe("a reset", () => {
  it.scopedLive("sends no response before the headers, and the operation does not run", () =>
    Effect.gen(function* () {
      const exchange = yield* create
      assert.strictEqual(yield* exchange.ended, "ECONNRESET")
      assert.strictEqual(exchange.received(), "")
      assert.deepStrictEqual(yield* jobIds, [])
    }).pipe(Effect.provide(onSocket({ fault: Fault.reset("before-headers") })))
  )

  it.scopedLive("sends no response after the commit, and the job exists", () =>
    Effect.gen(function* () {
      const exchange = yield* create
      assert.strictEqual(yield* exchange.ended, "ECONNRESET")
      assert.strictEqual(exchange.received(), "")
      assert.lengthOf(yield* jobIds, 1)
    }).pipe(Effect.provide(onSocket({ fault: Fault.reset("after-commit") })))
  )

  it.scopedLive("comes after the first half of a JSON body", () =>
    Effect.gen(function* () {
      const exchange = yield* create
      assert.include(brokenOff, yield* exchange.ended)
      const { body, head } = partsOf(exchange.received())
      assert.match(head, /^http\/1\.1 200 /)
      assert.strictEqual(body.length, Math.floor(lengthIn(head) / 2))
      assert.lengthOf(yield* jobIds, 1)
    }).pipe(Effect.provide(onSocket({ fault: Fault.reset("mid-body") })))
  )

  it.scopedLive("comes after the first half of a download, and the next request resumes it", () =>
    Effect.gen(function* () {
      const path = `/videos/${yield* made}/content`
      const exchange = yield* get(path)
      assert.include(brokenOff, yield* exchange.ended)
      const { body, head } = partsOf(exchange.received())
      assert.strictEqual(body.length, Math.floor(lengthIn(head) / 2))
      const rest = yield* fetched(path, { headers: { range: `bytes=${body.length}-` } })
      assert.strictEqual(rest.status, 206)
      assert.strictEqual((yield* Effect.promise(() => rest.arrayBuffer())).byteLength, lengthIn(head) - body.length)
    }).pipe(Effect.provide(onSocket({ on: ["content"], when: Fault.nth(1), fault: Fault.reset("mid-body") })))
  )

  it.scopedLive("has the same error over `fetch` and in-process", () =>
    Effect.gen(function* () {
      const server = yield* VideosServer
      for (const request of [fetch, server.fetch]) {
        yield* server.faults.set([
          { when: Fault.nth(1), fault: Fault.reset("before-headers") },
          { when: Fault.nth(2), fault: Fault.reset("mid-body") },
          { when: Fault.nth(3), fault: Fault.contentLength(5) }
        ])
        const list = `${server.baseUrl}/videos`
        assert.strictEqual(yield* failure(() => request(list)), "ECONNRESET")
        const half = yield* Effect.promise(() => request(list))
        assert.strictEqual(yield* failure(() => half.text()), "UND_ERR_SOCKET")
        const short = yield* Effect.promise(() => request(list))
        assert.strictEqual(yield* failure(() => short.text()), "UND_ERR_SOCKET")
      }
    }).pipe(Effect.provide(onSocket()))
  )
})

/** Waits for one turn of the event loop. */
const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

describe("a hanging request", () => {
  for (const committed of [false, true]) {
    it.scopedLive(`${committed ? "makes a job" : "makes no job"}, and the server serves other requests`, () =>
      Effect.gen(function* () {
        const exchange = yield* create
        const { faults } = yield* VideosServer
        // The second request uses another connection, so this waits until the server has received the first.
        yield* Effect.repeat(Effect.zipRight(turn, faults.log), { until: (log) => log.length > 0 })
        const other = yield* made
        assert.deepStrictEqual((yield* jobIds).length, committed ? 2 : 1)
        assert.include(yield* jobIds, other)
        assert.strictEqual(exchange.received(), "")
      }).pipe(Effect.provide(onSocket({ when: Fault.first(1), fault: Fault.hang({ committed }) })))
    )
  }
})

describe("one byte per second", () => {
  it.scoped("follows the clock of the server", () =>
    Effect.gen(function* () {
      const exchange = yield* get("/videos")
      const { body, head } = partsOf(yield* exchange.until((received) => received.includes("\r\n\r\n")))
      assert.strictEqual(body, "")
      for (let count = 1; count <= 3; count++) {
        yield* TestClock.adjust("1 second")
        const received = yield* exchange.until((all) => partsOf(all).body.length >= count)
        assert.strictEqual(partsOf(received).body.length, count)
      }
      yield* TestClock.adjust("1 hour")
      const whole = yield* exchange.until((all) => partsOf(all).body.length >= lengthIn(head))
      assert.deepInclude(JSON.parse(partsOf(whole).body), { object: "list", data: [] })
    }).pipe(Effect.provide(onSocket({ fault: Fault.slow() })))
  )
})

describe("a Content-Length", () => {
  it.scopedLive("ends with the connection if it is too large", () =>
    Effect.gen(function* () {
      const exchange = yield* get("/videos")
      assert.strictEqual(yield* exchange.ended, "end")
      const { body, head } = partsOf(exchange.received())
      assert.deepInclude(JSON.parse(body), { object: "list" })
      assert.strictEqual(lengthIn(head), body.length + 7)
    }).pipe(Effect.provide(onSocket({ fault: Fault.contentLength(7) })))
  )

  it.scopedLive("is followed by the complete body if it is too small", () =>
    Effect.gen(function* () {
      const exchange = yield* get("/videos", { connection: "close" })
      assert.strictEqual(yield* exchange.ended, "end")
      const { body, head } = partsOf(exchange.received())
      assert.deepInclude(JSON.parse(body), { object: "list" })
      assert.strictEqual(lengthIn(head), body.length - 7)
    }).pipe(Effect.provide(onSocket({ fault: Fault.contentLength(-7) })))
  )

  it.scopedLive("truncates the body for `fetch` if it is too small, on a socket and in-process", () =>
    Effect.gen(function* () {
      const server = yield* VideosServer
      for (const request of [fetch, server.fetch]) {
        const response = yield* Effect.promise(() => request(`${server.baseUrl}/videos`))
        const text = yield* Effect.promise(() => response.text())
        assert.strictEqual(text.length, Number(response.headers.get("content-length")))
        assert.throws(() => JSON.parse(text), SyntaxError)
      }
    }).pipe(Effect.provide(onSocket({ fault: Fault.contentLength(-7) })))
  )
})

describe("truncated JSON", () => {
  it.scopedLive("has a matching Content-Length", () =>
    Effect.gen(function* () {
      const exchange = yield* get("/videos", { connection: "close" })
      assert.strictEqual(yield* exchange.ended, "end")
      const { body, head } = partsOf(exchange.received())
      assert.match(head, /^http\/1\.1 200 /)
      assert.strictEqual(lengthIn(head), body.length)
      assert.isTrue(body.startsWith('{"object":"list"'))
      assert.throws(() => JSON.parse(body), SyntaxError)
    }).pipe(Effect.provide(onSocket({ fault: Fault.cutJson() })))
  )
})

describe("files that expire", () => {
  it.scopedLive("during a download break it, and a request for the rest returns 404", () =>
    Effect.gen(function* () {
      const id = yield* made
      const exchange = yield* get(`/videos/${id}/content`)
      assert.include(brokenOff, yield* exchange.ended)
      const { body, head } = partsOf(exchange.received())
      assert.strictEqual(body.length, Math.floor(lengthIn(head) / 2))
      const rest = yield* fetched(`/videos/${id}/content`, { headers: { range: `bytes=${body.length}-` } })
      assert.strictEqual(rest.status, 404)
      assert.strictEqual((yield* jsonOf(rest)).error.code, "video_expired")
      assert.strictEqual((yield* Effect.flatMap(fetched(`/videos/${id}`), jsonOf)).status, "completed")
    }).pipe(Effect.provide(onSocket({ when: Fault.first(1), fault: Fault.expire() })))
  )
})

describe("a redirect", () => {
  it.scopedLive("keeps the path for an origin, not for a URL with a path", () =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      const location = (path: string) =>
        Effect.map(fetched(path, { redirect: "manual" }), ({ headers, status }) => [status, headers.get("location")])
      yield* faults.set([{ fault: Fault.redirect("https://elsewhere.invalid") }])
      assert.deepStrictEqual(yield* location("/videos?limit=3"), [307, "https://elsewhere.invalid/v1/videos?limit=3"])
      yield* faults.set([{ fault: Fault.redirect("https://elsewhere.invalid/x?y=z", 302) }])
      assert.deepStrictEqual(yield* location("/videos"), [302, "https://elsewhere.invalid/x?y=z"])
    }).pipe(Effect.provide(onSocket()))
  )
})

describe("a duplicate submission", () => {
  it.scopedLive("works as a form too, on a socket and in-process", () =>
    Effect.gen(function* () {
      const server = yield* VideosServer
      for (const [index, request] of [fetch, server.fetch].entries()) {
        const body = new FormData()
        body.append("prompt", "a lighthouse at dusk")
        body.append("input_reference", new File(["\x89PNG"], "a.png", { type: "image/png" }))
        const response = yield* Effect.promise(() => request(`${server.baseUrl}/videos`, { method: "POST", body }))
        const { id } = yield* jsonOf(response)
        assert.lengthOf(yield* jobIds, 4 * index + 2)
        assert.strictEqual((yield* jobIds).at(-1), id)

        const longer = new FormData()
        longer.append("prompt", "and on")
        longer.append("seconds", "4")
        longer.append("video", new File([film], "a.mp4", { type: "video/mp4" }))
        const extension = yield* Effect.promise(() =>
          request(`${server.baseUrl}/videos/extensions`, { method: "POST", body: longer })
        )
        assert.strictEqual((yield* jsonOf(extension)).id, (yield* jobIds).at(-1))
        assert.lengthOf(yield* jobIds, 4 * index + 4)
      }
    }).pipe(Effect.provide(onSocket({ fault: Fault.duplicate("job") })))
  )
})

describe("hostile responses", () => {
  it.scopedLive("stop with their reader if they are endless, in-process", () =>
    Effect.gen(function* () {
      const { baseUrl, fetch, faults } = yield* VideosServer
      for (const fault of [Fault.endless(), Fault.hugeList(), Fault.bomb()]) {
        yield* faults.set([{ fault }])
        const { body } = yield* Effect.promise(() => fetch(`${baseUrl}/videos`))
        const reader = body?.getReader()
        let length = 0
        while (length < 1_000_000) length += (yield* Effect.promise(async () => reader?.read()))?.value?.length ?? 0
        yield* Effect.promise(async () => reader?.cancel())
      }
    }).pipe(Effect.provide(onSocket()))
  )

  it.scopedLive("have no end", () =>
    Effect.gen(function* () {
      const exchange = yield* get("/videos")
      const received = yield* exchange.until((all) => all.length > 3_000_000)
      const { body, head } = partsOf(received)
      assert.notInclude(head, "content-length")
      assert.include(body, '{"object":"list"')
      assert.match(body.slice(-1000).replace(/\r\n\w+\r\n/g, ""), /^ +/)
    }).pipe(Effect.provide(onSocket({ fault: Fault.endless() })))
  )

  it.scopedLive("stream a billion jobs in constant memory", () =>
    Effect.gen(function* () {
      const exchange = yield* get("/videos")
      const received = yield* exchange.until((all) => all.length > 3_000_000)
      assert.include(received, '"id":"video_20000"')
    }).pipe(Effect.provide(onSocket({ fault: Fault.hugeList() })))
  )

  it.scopedLive("have as many jobs as the fault requests", () =>
    Effect.gen(function* () {
      const { data } = yield* Effect.flatMap(fetched("/videos"), jsonOf)
      assert.lengthOf(data, 2501)
      assert.strictEqual(new Set(data.map(({ id }: { readonly id: string }) => id)).size, 2501)
    }).pipe(Effect.provide(onSocket({ fault: Fault.hugeList(2501) })))
  )

  it.scopedLive("are small on the wire and large after decompression", () =>
    Effect.gen(function* () {
      const size = 4 * 1024 * 1024 + 5
      yield* Effect.flatMap(VideosServer, ({ faults }) => faults.set([{ fault: Fault.bomb(size) }]))
      const exchange = yield* get("/videos", { connection: "close" })
      yield* exchange.ended
      const { head } = partsOf(exchange.received())
      assert.include(head, "content-encoding: gzip")
      assert.isBelow(exchange.received().length, size / 500)
      const server = yield* VideosServer
      for (const request of [fetch, server.fetch]) {
        const response = yield* Effect.promise(() => request(`${server.baseUrl}/videos`))
        const text = yield* Effect.promise(() => response.text())
        assert.deepInclude(JSON.parse(text), { object: "list" })
        assert.strictEqual(text.length, text.trimEnd().length + size)
      }
    }).pipe(Effect.provide(onSocket()))
  )

  it.scopedLive("have more headers than Node's clients accept", () =>
    Effect.gen(function* () {
      const exchange = yield* get("/videos", { connection: "close" })
      yield* exchange.ended
      assert.isAbove(partsOf(exchange.received()).head.length, 1024 ** 2)
      const { baseUrl } = yield* VideosServer
      assert.strictEqual(yield* failure(() => fetch(`${baseUrl}/videos`)), "UND_ERR_HEADERS_OVERFLOW")
    }).pipe(Effect.provide(onSocket({ fault: Fault.hugeHeaders() })))
  )

  it.scopedLive("have keys of the prototype, and nested arrays", () =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      yield* faults.set([{ fault: Fault.poison() }])
      const poisoned = yield* Effect.flatMap(posted(), jsonOf)
      assert.isTrue(Object.hasOwn(poisoned, "__proto__"))
      assert.isTrue(Object.hasOwn(poisoned, "constructor"))
      assert.deepStrictEqual([poisoned.id], yield* jobIds)
      yield* faults.set([{ fault: Fault.deepJson(5000) }])
      let depth = 0
      let inner = (yield* Effect.flatMap(fetched(`/videos/${poisoned.id}`), jsonOf)).deep
      for (; Array.isArray(inner); inner = inner[0]) depth++
      assert.strictEqual(depth, 5000)
    }).pipe(Effect.provide(onSocket()))
  )
})
