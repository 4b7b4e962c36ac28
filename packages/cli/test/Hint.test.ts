/** When the command first looks at a job that it has just submitted. */
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Clock, ConfigProvider, Effect, Layer } from "effect"
import { cliOverTime } from "./support.js"

/** A server that answers a submission with a hint, and knows its job as completed; when it was looked at. */
const hinting = (looks: Array<number>, afterMillis: number) =>
  Layer.merge(
    Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const submits = request.method === "POST"
          if (!submits) looks.push(now)
          const body = JSON.stringify({ id: "video_2", object: "video", status: submits ? "queued" : "completed" })
          const headers = submits ? { "openai-poll-after-ms": String(afterMillis) } : {}
          return HttpClientResponse.fromWeb(request, new Response(body, { headers }))
        })
      )
    ),
    Layer.setConfigProvider(ConfigProvider.fromMap(new Map([["OPENAI_BASE_URL", "http://videos.invalid/v1"]])))
  )

describe("a submission that is watched", () => {
  it.effect.each([["create"], ["extend", "video_1", "--seconds", "4"], ["edit", "video_1"], ["remix", "video_1"]])(
    "looks first when the hint in its answer says: %s",
    (args) =>
      Effect.gen(function* () {
        const looks: Array<number> = []
        const given = [...args, "--prompt", "on", "--watch"]
        const { code, err } = yield* Effect.provide(cliOverTime(given), hinting(looks, 45_000))
        assert.strictEqual(code, 0, err)
        assert.deepStrictEqual(looks, [45_000])
      })
  )
})
