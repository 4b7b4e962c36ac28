/** Rules select requests; each fault changes the response. */
import { assert, describe, it } from "@effect/vitest"
import { Fault, type FaultsService, VideosServer } from "@effect-videos/server"
import { DateTime, Effect, Exit, Fiber, Layer, Schema, TestClock } from "effect"
import { errorOf, idOf, idsOf, inOwnFolder, instant, make, post, send } from "./support.js"

const inProcess = (...faults: ReadonlyArray<Fault.Rule>) => VideosServer.layerInProcess({ ...instant, faults })

const plain = inProcess()

const rules = <A>(f: (faults: FaultsService) => Effect.Effect<A>) =>
  Effect.flatMap(VideosServer, ({ faults }) => f(faults))

const only = (fault: Fault.Fault, when: Fault.When = Fault.always) => rules(({ set }) => set([{ when, fault }]))

const statuses = (count: number, path = "/videos") =>
  Effect.all(Array.from({ length: count }, () => Effect.map(send(path), ({ status }) => status)))

/** Requests `count` lists, and returns the numbers of those with status 503, counted from 1. */
const broken = (count: number) =>
  Effect.map(statuses(count), (all) => all.flatMap((status, index) => (status === 503 ? [index + 1] : [])))

const busy = Fault.status({ status: 503 })

describe("a rule selects", () => {
  it.effect.each([
    ["every request", Fault.always, [1, 2, 3, 4, 5, 6]],
    ["the nth", Fault.nth(2), [2]],
    ["several", Fault.nth(1, 4), [1, 4]],
    ["one in n", Fault.every(3), [3, 6]],
    ["the first n", Fault.first(2), [1, 2]],
    ["all by chance", Fault.chance(1, 1), [1, 2, 3, 4, 5, 6]],
    ["none by chance", Fault.chance(0, 1), []]
  ] as const)("%s", ([, when, expected]) =>
    Effect.gen(function* () {
      yield* only(busy, when)
      assert.deepStrictEqual(yield* broken(6), [...expected])
    }).pipe(Effect.provide(plain))
  )

  it.effect("the same requests by chance for the same seed", () =>
    Effect.gen(function* () {
      const runs = (seed: number) => Effect.zipRight(only(busy, Fault.chance(0.3, seed)), broken(60))
      const first = yield* runs(7)
      assert.isTrue(first.length > 5 && first.length < 35, `${first.length} of 60`)
      assert.deepStrictEqual(yield* runs(7), first)
      assert.notDeepEqual(yield* runs(8), first)
    }).pipe(Effect.provide(plain))
  )

  it.effect("at most `times` requests, and no other operation", () =>
    Effect.gen(function* () {
      yield* rules(({ set }) => set([{ on: ["list"], times: 2, fault: busy }]))
      assert.strictEqual((yield* post("/videos", { prompt: "x" })).status, 200)
      assert.deepStrictEqual(yield* broken(4), [1, 2])
    }).pipe(Effect.provide(plain))
  )

  it.effect("a request by its first match; all matching rules count it", () =>
    Effect.gen(function* () {
      const server = yield* VideosServer
      const teapot = Fault.status({ status: 418 })
      yield* server.faults.set([
        { when: Fault.nth(2), fault: busy },
        { when: Fault.nth(2, 3), fault: teapot }
      ])
      assert.deepStrictEqual(yield* statuses(4), [200, 503, 418, 200])
    }).pipe(Effect.provide(plain))
  )
})

describe("the rules of a running server", () => {
  it.effect("come from the layer and can be set, added and cleared; only `set` resets the counts", () =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      const rule: Fault.Rule = { when: Fault.nth(2), fault: busy }
      assert.deepStrictEqual(yield* faults.rules, [rule])
      assert.deepStrictEqual(yield* broken(1), [])
      yield* faults.add({ on: ["create"], fault: busy })
      assert.deepStrictEqual(yield* broken(1), [1])
      yield* faults.set([rule])
      assert.deepStrictEqual(yield* broken(2), [2])
      yield* faults.clear
      assert.deepStrictEqual(yield* faults.rules, [])
      assert.deepStrictEqual(yield* broken(4), [])
    }).pipe(Effect.provide(inProcess({ when: Fault.nth(2), fault: busy })))
  )

  it.effect("are refused with a defect if one is invalid, and nothing changes", () =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      for (const [rule, why] of [
        [{ on: ["create"], fault: Fault.stale("1 second") }, /Stale applies to retrieve, list, content, not to create/],
        [{ when: Fault.nth(0), fault: busy }, /positive/],
        [{ when: Fault.chance(1.5, 1), fault: busy }, /between 0 and 1/],
        [{ fault: Fault.redirect("elsewhere") }, /an absolute URL/]
      ] as const) {
        const exit = yield* Effect.exit(faults.add(rule))
        assert(Exit.isFailure(exit))
        assert.match(String(exit.cause), why)
      }
      assert.deepStrictEqual(yield* faults.rules, [])
      const layer = yield* Effect.exit(Effect.scoped(Layer.build(inProcess({ fault: Fault.slow({ bytes: 0 }) }))))
      assert.isTrue(Exit.isFailure(layer))
    }).pipe(Effect.provide(plain))
  )

  it.effect("log each request with its fault", () =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      yield* TestClock.adjust("5 seconds")
      yield* statuses(1, "/videos?limit=2")
      yield* only(busy)
      yield* statuses(1)
      yield* statuses(1, "/elsewhere")
      assert.deepStrictEqual(yield* faults.log, [
        {
          at: 5000,
          operation: "list",
          method: "GET",
          path: "/v1/videos?limit=2",
          fault: null,
          status: 200,
          durationMillis: 0
        },
        { at: 5000, operation: "list", method: "GET", path: "/v1/videos", fault: busy, status: 503, durationMillis: 0 },
        { at: 5000, operation: null, method: "GET", path: "/v1/elsewhere", fault: null, status: 404, durationMillis: 0 }
      ])
    }).pipe(Effect.provide(plain))
  )

  it.effect(
    "log the last thousand requests",
    () =>
      Effect.gen(function* () {
        const { faults } = yield* VideosServer
        yield* statuses(2)
        yield* statuses(999, "/elsewhere")
        const log = yield* faults.log
        assert.lengthOf(log, 1000)
        assert.deepStrictEqual([log[0]?.operation, log[1]?.operation], ["list", null])
      }).pipe(Effect.provide(plain)),
    30_000
  )

  it("encode to JSON and decode from it", () => {
    const faults = [
      Fault.status({ status: 429, retryAfter: Fault.retryAfterPast("1 hour"), code: "insufficient_quota" }),
      Fault.html(),
      Fault.reset("mid-body"),
      Fault.hang({ committed: true }),
      Fault.redirect("https://elsewhere.invalid"),
      Fault.cutJson(),
      Fault.slow(),
      Fault.contentLength(-1),
      Fault.stale("5 seconds"),
      Fault.skew({ behind: "1 hour" }),
      Fault.absurd(),
      Fault.pathTricks(),
      Fault.unknownStatus("dreaming"),
      Fault.duplicate("job"),
      Fault.page("first"),
      Fault.hugeList(),
      Fault.expire(),
      Fault.endless(),
      Fault.bomb(),
      Fault.deepJson(),
      Fault.poison(),
      Fault.hugeHeaders()
    ]
    const all = Schema.Array(Fault.Rule)
    const made = faults.map((fault): Fault.Rule => ({ when: Fault.chance(0.5, 1), times: 3, fault }))
    const text = JSON.stringify(Schema.encodeSync(all)(made))
    assert.deepStrictEqual(Schema.decodeUnknownSync(all)(JSON.parse(text)), made)
    assert.deepStrictEqual(JSON.parse(JSON.stringify(made)), made)
    // The list contains every kind of fault.
    assert.strictEqual(new Set(faults.map(({ _tag }) => _tag)).size, Fault.Fault.members.length)
  })
})

describe("a status", () => {
  it.effect.each([
    ["seconds", "2 seconds", { "retry-after": "2" }],
    ["an hour", "1 hour", { "retry-after": "3600" }],
    ["milliseconds", Fault.retryAfterMillis("1500 millis"), { "retry-after-ms": "1500" }],
    ["a date", Fault.retryAfterDate("2 seconds"), { "retry-after": "Thu, 01 Jan 1970 01:00:02 GMT" }],
    ["a date that has passed", Fault.retryAfterPast("1 hour"), { "retry-after": "Thu, 01 Jan 1970 00:00:00 GMT" }],
    ["nothing", undefined, {}]
  ] as const)("has a retry header: %s", ([, retryAfter, expected]) =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      yield* only(Fault.status({ status: 429, retryAfter }))
      const { headers, json, status } = yield* post("/videos", { prompt: "x" })
      assert.strictEqual(status, 429)
      assert.deepInclude(json.error, { code: "rate_limit_exceeded" })
      const said = ["retry-after", "retry-after-ms"].flatMap((name) =>
        headers.has(name) ? [[name, headers.get(name)]] : []
      )
      assert.deepStrictEqual(Object.fromEntries(said), expected)
      assert.lengthOf(yield* (yield* VideosServer).jobs, 0)
    }).pipe(Effect.provide(plain))
  )

  it.effect.each([500, 502, 503, 504])("%s has the error body of the server", (status) =>
    Effect.gen(function* () {
      yield* only(Fault.status({ status }))
      const response = yield* send("/videos")
      assert.strictEqual(response.status, status)
      assert.deepInclude(errorOf(response), { type: "server_error" })
    }).pipe(Effect.provide(plain))
  )

  it.effect("has the error body of the dialect", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* send("/videos")).json, { detail: "busy" })
    }).pipe(
      Effect.provide(
        VideosServer.layerInProcess({
          dialect: "sglang",
          faults: [{ fault: Fault.status({ status: 503, message: "busy" }) }]
        })
      )
    )
  )

  it.effect("524 and Fault.html are HTML pages; a body can be empty", () =>
    Effect.gen(function* () {
      for (const [fault, status] of [
        [Fault.status({ status: 524 }), 524],
        [Fault.html(), 200]
      ] as const) {
        yield* only(fault)
        const { bytes, ...response } = yield* send("/videos")
        assert.strictEqual(response.status, status)
        assert.match(response.headers.get("content-type") ?? "", /^text\/html/)
        assert.match(new TextDecoder().decode(bytes), /^<!DOCTYPE html>/)
      }
      yield* only(Fault.status({ status: 502, body: "empty" }))
      assert.deepInclude(yield* send("/videos"), { status: 502, bytes: new Uint8Array() })
    }).pipe(Effect.provide(plain))
  )

  it.effect("runs the operation if it is `committed`", () =>
    Effect.gen(function* () {
      yield* only(Fault.status({ status: 500, committed: true }))
      assert.strictEqual((yield* post("/videos", { prompt: "x" })).status, 500)
      assert.lengthOf(yield* (yield* VideosServer).jobs, 1)
    }).pipe(Effect.provide(plain))
  )
})

describe("a stale replica", () => {
  const moving = VideosServer.layerInProcess({ queueTime: "2 seconds", runTime: "4 seconds" })

  it.effect("does not know a new job; status and progress go backwards", () =>
    Effect.gen(function* () {
      yield* only(Fault.stale("3 seconds"), Fault.every(2))
      const id = yield* make()
      const poll = send(`/videos/${id}`)
      const twoPolls = Effect.map(Effect.zip(poll, poll), (both) =>
        both.map(({ json, status }) => (status === 200 ? [json.status, json.progress] : status))
      )
      assert.deepStrictEqual(yield* twoPolls, [["queued", 0], 404])
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(yield* twoPolls, [
        ["in_progress", 50],
        ["queued", 0]
      ])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* twoPolls, [
        ["completed", 100],
        ["in_progress", 25]
      ])
      assert.strictEqual((yield* send(`/videos/${id}/content`)).status, 200)
      assert.strictEqual((yield* send(`/videos/${id}/content`)).status, 404)
    }).pipe(Effect.provide(moving))
  )

  it.effect("has a stale list", () =>
    Effect.gen(function* () {
      const early = yield* make()
      yield* TestClock.adjust("3 seconds")
      const late = yield* make()
      yield* only(Fault.stale("1 second"), Fault.first(1))
      assert.deepStrictEqual(idsOf(yield* send("/videos")), [early])
      assert.deepStrictEqual(idsOf(yield* send("/videos")), [late, early])
    }).pipe(Effect.provide(moving))
  )

  it.effect("does not affect the times of a new job", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      yield* only(Fault.stale("30 minutes"))
      yield* make()
      const [job] = yield* (yield* VideosServer).jobs
      assert.strictEqual(job?.createdAt && DateTime.toEpochMillis(job.createdAt), 3_600_000)
    }).pipe(Effect.provide(moving))
  )
})

describe("a wrong clock", () => {
  it.effect.each([
    [{ ahead: "1 hour" }, "Thu, 01 Jan 1970 03:00:00 GMT", 3 * 3600],
    [{ behind: "1 hour" }, "Thu, 01 Jan 1970 01:00:00 GMT", 3600]
  ] as const)("shows in the header and in the job: %j", ([by, date, seconds]) =>
    Effect.gen(function* () {
      yield* TestClock.adjust("2 hours")
      yield* only(Fault.skew(by))
      const { headers, json } = yield* post("/videos", { prompt: "x" })
      assert.strictEqual(headers.get("date"), date)
      assert.deepInclude(json, { created_at: seconds, completed_at: seconds, expires_at: null })
      const list = yield* send("/videos")
      assert.deepInclude((list.json.data as ReadonlyArray<unknown>)[0], { created_at: seconds })
    }).pipe(Effect.provide(plain))
  )
})

describe("a wrong response", () => {
  it.effect("has an unknown status, for one job and on a list", () =>
    Effect.gen(function* () {
      const id = yield* make()
      yield* only(Fault.unknownStatus("dreaming"))
      assert.deepInclude((yield* send(`/videos/${id}`)).json, { id, status: "dreaming" })
      assert.deepInclude(((yield* send("/videos")).json.data as ReadonlyArray<unknown>)[0], { id, status: "dreaming" })
      assert.deepInclude(errorOf(yield* send("/videos/video_0")), { code: "video_not_found" })
    }).pipe(Effect.provide(plain))
  )

  it.effect("has invalid numbers and ids", () =>
    Effect.gen(function* () {
      const id = yield* make()
      yield* only(Fault.absurd())
      assert.deepInclude((yield* send(`/videos/${id}`)).json, { progress: -1e308, created_at: 1e300, completed_at: -1 })
      yield* only(Fault.pathTricks())
      assert.match(idOf(yield* send(`/videos/${id}`)), /^\.\.\/\.\.\//)
    }).pipe(Effect.provide(plain))
  )

  it.effect("describes a duplicate job, or the newest job without making one", () =>
    Effect.gen(function* () {
      const { jobs } = yield* VideosServer
      const ids = Effect.map(jobs, (all) => all.map(({ id }): string => id))
      yield* only(Fault.duplicate("job"))
      const duplicate = yield* make()
      assert.lengthOf(yield* ids, 2)
      assert.strictEqual((yield* ids)[1], duplicate)
      yield* only(Fault.duplicate("response"))
      assert.strictEqual(yield* make({ prompt: "another" }), duplicate)
      assert.lengthOf(yield* ids, 2)
    }).pipe(Effect.provide(plain))
  )

  it.effect("is a page with every job twice, without jobs, or always the first", () =>
    Effect.gen(function* () {
      const first = yield* make()
      const second = yield* make()
      yield* only(Fault.page("doubled"))
      assert.deepStrictEqual(idsOf(yield* send("/videos")), [second, second, first, first])
      yield* only(Fault.page("empty"))
      assert.deepInclude((yield* send("/videos")).json, { data: [], has_more: true })
      yield* only(Fault.page("first"))
      const again = yield* send(`/videos?limit=1&after=${second}`)
      assert.deepStrictEqual([idsOf(again), again.json.has_more], [[second], true])
    }).pipe(Effect.provide(plain))
  )
})

describe("in-process", () => {
  it.effect("a hanging `fetch` is pending until it is aborted", () =>
    Effect.gen(function* () {
      const { baseUrl, fetch, jobs } = yield* VideosServer
      yield* only(Fault.hang({ committed: true }))
      const controller = new AbortController()
      let settled = false
      const fiber = yield* Effect.promise(() =>
        fetch(`${baseUrl}/videos`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ prompt: "x" }),
          signal: controller.signal
        }).then(
          () => "response",
          (reason: unknown) => {
            settled = true
            return reason
          }
        )
      ).pipe(Effect.fork)
      yield* TestClock.adjust("1 day")
      yield* rules(({ clear }) => clear)
      yield* statuses(3)
      assert.isFalse(settled)
      assert.lengthOf(yield* jobs, 1)
      controller.abort(new Error("enough"))
      assert.strictEqual(String(yield* Fiber.join(fiber)), "Error: enough")
    }).pipe(Effect.provide(plain))
  )

  it.effect("a slow body follows the test clock", () =>
    Effect.gen(function* () {
      const { baseUrl, fetch } = yield* VideosServer
      yield* only(Fault.slow())
      const response = yield* Effect.promise(() => fetch(`${baseUrl}/videos`))
      const length = Number(response.headers.get("content-length"))
      const fiber = yield* Effect.fork(Effect.promise(() => response.text()))
      yield* TestClock.adjust(`${length - 1} seconds`)
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).length, length)
    }).pipe(Effect.provide(plain))
  )
})

describe("/_faults", () => {
  const at = (init?: RequestInit) =>
    Effect.flatMap(VideosServer, ({ baseUrl }) => send(new URL("/_faults", baseUrl).href, init))
  const put = (body: unknown) => at({ method: "PUT", body: JSON.stringify(body) })
  const controlled = VideosServer.layerInProcess({ faultControl: true })

  it.effect("shows the rules and the log, sets the rules, and clears them", () =>
    Effect.gen(function* () {
      const state: { readonly rules: ReadonlyArray<Fault.Rule> } = {
        rules: [{ on: ["list"], when: Fault.nth(1), fault: busy }]
      }
      assert.deepStrictEqual((yield* at()).json, { rules: [], log: [] })
      assert.deepInclude((yield* put(state)).json, state)
      assert.deepStrictEqual(yield* rules((faults) => faults.rules), state.rules)
      assert.deepStrictEqual(yield* statuses(2), [503, 200])
      const { json } = yield* at()
      assert.deepStrictEqual(
        (json.log as ReadonlyArray<Fault.LogEntry>).map(({ fault, operation }) => [operation, fault?._tag ?? null]),
        [
          ["list", "Status"],
          ["list", null]
        ]
      )
      assert.deepInclude((yield* at({ method: "DELETE" })).json, { rules: [] })
      assert.deepStrictEqual(yield* rules((faults) => faults.rules), [])
    }).pipe(Effect.provide(controlled))
  )

  it.effect("refuses an invalid rule, names the field, and changes nothing", () =>
    Effect.gen(function* () {
      yield* put({ rules: [{ fault: busy }] })
      for (const body of [
        { rules: [{ fault: { _tag: "Tired" } }] },
        { rules: [{ fault: busy, on: ["sing"] }] },
        { rules: [{ fault: busy, wen: Fault.nth(1) }] },
        {},
        "x"
      ]) {
        const response = yield* put(body)
        assert.deepStrictEqual([response.status, errorOf(response).param], [400, "rules"])
        assert.isNotEmpty(errorOf(response).message)
      }
      assert.strictEqual((yield* at({ method: "PUT", body: "{" })).status, 400)
      assert.strictEqual((yield* at({ method: "POST", body: "{}" })).status, 405)
      assert.deepStrictEqual(yield* rules((faults) => faults.rules), [{ fault: busy }])
    }).pipe(Effect.provide(controlled))
  )

  it.effect("is 404 by default", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* at()).status, 404)
      assert.strictEqual((yield* put({ rules: [{ fault: busy }] })).status, 404)
      assert.deepStrictEqual(yield* rules((faults) => faults.rules), [])
    }).pipe(Effect.provide(plain))
  )
})

describe("a broken download", () => {
  it.effect("emits its first half and fails in-process", () =>
    Effect.gen(function* () {
      const { baseUrl, fetch } = yield* VideosServer
      const id = yield* make()
      yield* only(Fault.reset("mid-body"))
      const response = yield* Effect.promise(() => fetch(`${baseUrl}/videos/${id}/content`))
      const [received, error] = yield* Effect.promise(async () => {
        const reader = response.body?.getReader()
        let count = 0
        try {
          for (;;) {
            const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
            if (done) return [count, null] as const
            count += value.length
          }
        } catch (broken) {
          return [count, broken] as const
        }
      })
      assert.strictEqual(received, Math.floor(Number(response.headers.get("content-length")) / 2))
      assert.strictEqual(String(error), "TypeError: terminated")
    }).pipe(Effect.provide(inOwnFolder(plain)))
  )
})
