/** `Idempotency-Key`: ignored by default, because the protocol promises nothing, or honoured. */
import { readFile } from "node:fs/promises"
import { assert, describe, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { Effect } from "effect"
import { errorOf, fixture, idOf, instant, type Json, make, send } from "./support.js"

const server = (idempotency?: "honour" | "ignore", faults: ReadonlyArray<Fault.Rule> = []) =>
  VideosServer.layerInProcess({ ...instant, idempotency, faults })

const keyed = (key: string, body: Json, path = "/videos") =>
  send(path, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify(body)
  })

const clip = { prompt: "a lighthouse at dusk", size: "64x64" }

const count = Effect.flatMap(VideosServer, ({ jobs }) => Effect.map(jobs, (all) => all.length))

describe("a repeated key", () => {
  it.effect("has no effect by default", () =>
    Effect.gen(function* () {
      const first = yield* keyed("k", clip)
      const second = yield* keyed("k", clip)
      assert.notStrictEqual(idOf(first), idOf(second))
      assert.isNull(second.headers.get("idempotent-replayed"))
      assert.strictEqual(yield* count, 2)
    }).pipe(Effect.provide(server()))
  )

  it.effect("returns the same job for the same request if keys are honoured", () =>
    Effect.gen(function* () {
      const first = yield* keyed("k", clip)
      const second = yield* keyed("k", { size: clip.size, prompt: clip.prompt })
      assert.strictEqual(idOf(first), idOf(second))
      assert.isNull(first.headers.get("idempotent-replayed"))
      assert.strictEqual(second.headers.get("idempotent-replayed"), "true")
      assert.notStrictEqual(idOf(yield* keyed("other", clip)), idOf(first))
      assert.strictEqual(yield* count, 2)
    }).pipe(Effect.provide(server("honour")))
  )

  it.effect("returns the same job for concurrent requests too", () =>
    Effect.gen(function* () {
      const all = yield* Effect.all(
        Array.from({ length: 5 }, () => keyed("k", clip)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(all.map(idOf)).size, 1)
      assert.strictEqual(yield* count, 1)
    }).pipe(Effect.provide(server("honour")))
  )

  it.effect("returns 409 and `x-should-retry: false` for another request", () =>
    Effect.gen(function* () {
      const source = yield* make()
      yield* keyed("k", clip)
      for (const response of [
        yield* keyed("k", { ...clip, prompt: "another" }),
        yield* keyed("k", { prompt: clip.prompt }, `/videos/${source}/remix`)
      ]) {
        assert.deepStrictEqual([response.status, errorOf(response).code], [409, "idempotency_key_reused"])
        assert.strictEqual(response.headers.get("x-should-retry"), "false")
      }
      assert.strictEqual(yield* count, 2)
    }).pipe(Effect.provide(server("honour")))
  )

  it.effect("is unused after a refused submission", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* keyed("k", { prompt: "" })).status, 400)
      assert.strictEqual((yield* keyed("k", clip)).status, 200)
      assert.strictEqual(yield* count, 1)
    }).pipe(Effect.provide(server("honour")))
  )

  it.effect("compares a form by its fields and its file, not by its boundary", () =>
    Effect.gen(function* () {
      const bytes = yield* Effect.promise(() => readFile(fixture("fragmented.mp4")))
      const upload = (prompt: string, name: string) => {
        const form = new FormData()
        form.append("video", new File([new Uint8Array(bytes)], name, { type: "video/mp4" }))
        form.append("prompt", prompt)
        form.append("seconds", "4")
        return send("/videos/extensions", { method: "POST", headers: { "idempotency-key": "k" }, body: form })
      }
      const first = yield* upload("on", "a.mp4")
      assert.strictEqual(idOf(yield* upload("on", "a.mp4")), idOf(first))
      assert.strictEqual((yield* upload("on", "b.mp4")).status, 409)
      assert.strictEqual((yield* upload("off", "a.mp4")).status, 409)
      assert.strictEqual(yield* count, 1)
    }).pipe(Effect.provide(server("honour")))
  )

  it.effect("returns the job whose response was lost", () =>
    Effect.gen(function* () {
      const { baseUrl, fetch, jobs } = yield* VideosServer
      const init = {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": "k" },
        body: JSON.stringify(clip)
      }
      const lost = yield* Effect.flip(Effect.tryPromise(() => fetch(`${baseUrl}/videos`, init)))
      assert.instanceOf(lost.cause, TypeError)
      const again = yield* keyed("k", clip)
      assert.deepStrictEqual(
        (yield* jobs).map(({ id }): string => id),
        [idOf(again)]
      )
    }).pipe(Effect.provide(server("honour", [{ when: Fault.nth(1), fault: Fault.reset("after-commit") }])))
  )
})
