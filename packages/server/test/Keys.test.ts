import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Effect, Redacted } from "effect"
import { createVideo, retrieveVideo } from "effect-videos"
import { errorOf, instant, send } from "./support.js"

const apiKeys = [Redacted.make("sk-first"), Redacted.make("sk-second")]

const withHeaders = (headers: { readonly [name: string]: string }) => send("/videos", { headers })

describe("API keys", () => {
  it.effect.each([
    [{}, 401],
    [{ authorization: "Bearer sk-third" }, 401],
    [{ authorization: "Bearer sk-firs" }, 401],
    [{ authorization: "Bearer " }, 401],
    [{ authorization: "Basic sk-first" }, 401],
    [{ "api-key": "sk-first" }, 401],
    [{ authorization: "Bearer sk-first" }, 200],
    [{ authorization: "bearer  sk-second " }, 200]
  ] as const)("with the headers %j the status is %i", ([headers, status]) =>
    Effect.gen(function* () {
      const response = yield* withHeaders(headers)
      assert.strictEqual(response.status, status)
      if (status === 401) {
        assert.deepInclude(errorOf(response), { type: "invalid_request_error", param: null, code: "invalid_api_key" })
        assert.strictEqual(response.headers.get("www-authenticate"), "Bearer")
        assert.notInclude(new TextDecoder().decode(response.bytes), "sk-")
      }
    }).pipe(Effect.provide(VideosServer.layerInProcess({ apiKeys })))
  )

  it.effect("can be in the other header of the dialect", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* withHeaders({ "api-key": "sk-second" })).status, 200)
      assert.strictEqual((yield* withHeaders({ authorization: "Bearer sk-second" })).status, 200)
      assert.strictEqual((yield* withHeaders({ "api-key": "sk-third" })).status, 401)
    }).pipe(Effect.provide(VideosServer.layerInProcess({ apiKeys, dialect: "azure" })))
  )

  it.effect("guard every path, and an empty list refuses every request", () =>
    Effect.gen(function* () {
      for (const path of ["/videos", "/videos/video_0", "/nothing"]) assert.strictEqual((yield* send(path)).status, 401)
    }).pipe(Effect.provide(VideosServer.layerInProcess({ apiKeys: [] })))
  )

  it.effect("are sent by the client of layerTest, and appear in no output", () =>
    Effect.gen(function* () {
      const job = yield* createVideo({ prompt: "a boat", seconds: 4, size: "64x64" })
      assert.strictEqual((yield* retrieveVideo(job.id)).status, "completed")
      assert.notInclude(inspect(yield* VideosServer, { depth: 9, showHidden: true }), "sk-")
    }).pipe(Effect.provide(VideosServer.layerTest({ ...instant, apiKeys })))
  )
})
