/** CORS: preflight requests, and the responses that pages of other origins can read. */
import { assert, describe, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { Effect, Redacted } from "effect"
import { instant, send } from "./support.js"

const page = "http://localhost:5173"

const asked = {
  origin: page,
  "access-control-request-method": "POST",
  "access-control-request-headers": "authorization,content-type,idempotency-key"
}

const preflight = (headers: { readonly [name: string]: string } = asked) =>
  send("/videos", { method: "OPTIONS", headers })

describe("a page of another origin", () => {
  it.effect("can send the headers of the protocol; the preflight needs no key", () =>
    Effect.gen(function* () {
      const { headers, status } = yield* preflight()
      assert.strictEqual(status, 204)
      assert.strictEqual(headers.get("access-control-allow-origin"), "*")
      assert.strictEqual(headers.get("access-control-allow-headers"), asked["access-control-request-headers"])
      assert.includeMembers((headers.get("access-control-allow-methods") ?? "").split(", "), ["GET", "POST", "DELETE"])
      assert.isNull(headers.get("access-control-allow-credentials"))
      assert.deepStrictEqual(yield* (yield* VideosServer).faults.log, [])
      assert.strictEqual((yield* send("/videos", { headers: { origin: page } })).status, 401)
    }).pipe(Effect.provide(VideosServer.layerInProcess({ apiKeys: [Redacted.make("sk-test")] })))
  )

  it.effect("can read responses, errors and the retry headers", () =>
    Effect.gen(function* () {
      for (const path of ["/videos", "/videos/video_0", "/elsewhere"]) {
        const { headers } = yield* send(path, { headers: { origin: page } })
        assert.strictEqual(headers.get("access-control-allow-origin"), "*", path)
        const exposed = (headers.get("access-control-expose-headers") ?? "").split(",")
        assert.includeMembers(exposed, ["retry-after", "retry-after-ms", "content-range", "etag", "x-request-id"])
      }
      yield* (yield* VideosServer).faults.set([{ fault: Fault.status({ status: 503, retryAfter: "1 second" }) }])
      const busy = yield* send("/videos", { headers: { origin: page } })
      assert.deepStrictEqual([busy.status, busy.headers.get("access-control-allow-origin")], [503, "*"])
    }).pipe(Effect.provide(VideosServer.layerInProcess()))
  )

  it.effect("is allowed if the option lists its origin", () =>
    Effect.gen(function* () {
      const allowed = yield* preflight()
      assert.strictEqual(allowed.headers.get("access-control-allow-origin"), page)
      const other = yield* preflight({ ...asked, origin: "https://elsewhere.invalid" })
      assert.isNull(other.headers.get("access-control-allow-origin"))
      const response = yield* send("/videos", { headers: { origin: "https://elsewhere.invalid" } })
      assert.isNull(response.headers.get("access-control-allow-origin"))
    }).pipe(Effect.provide(VideosServer.layerInProcess({ cors: [page] })))
  )

  it.effect.each([false, []])("is refused with the option %j", (cors) =>
    Effect.gen(function* () {
      const { headers, status } = yield* preflight()
      assert.strictEqual(status, 404)
      assert.isNull(headers.get("access-control-allow-origin"))
    }).pipe(Effect.provide(VideosServer.layerInProcess({ cors })))
  )

  it.live("is allowed on a socket too", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* VideosServer
      yield* Effect.promise(async () => {
        const before = await fetch(`${baseUrl}/videos`, { method: "OPTIONS", headers: asked })
        assert.deepStrictEqual([before.status, before.headers.get("access-control-allow-origin")], [204, "*"])
        const response = await fetch(`${baseUrl}/videos`, { headers: { origin: page } })
        assert.deepStrictEqual([response.status, response.headers.get("access-control-allow-origin")], [200, "*"])
      })
    }).pipe(Effect.provide(VideosServer.layer(instant)))
  )
})

describe("an OPTIONS request without preflight headers", () => {
  it.effect("is handled like other requests", () =>
    Effect.gen(function* () {
      const { headers, status } = yield* send("/videos", { method: "OPTIONS" })
      assert.deepStrictEqual([status, headers.get("allow")], [405, "POST, GET"])
    }).pipe(Effect.provide(VideosServer.layerInProcess({ dialect: "sglang" })))
  )
})
