/** When the command first polls a job that it has just submitted. */
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Clock, ConfigProvider, Effect, Layer } from "effect"
import { inItsOwnTime } from "../../../test/support/ownTime.js"
import { cli } from "./support.js"

/** A server whose response to a submission has a hint, and whose job is completed; records the times of the polls. */
const hinting = (polls: Array<number>, afterMillis: number) =>
  Layer.merge(
    Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const submits = request.method === "POST"
          if (!submits) polls.push(now)
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
    "is polled first at the time of the hint in its response: %s",
    (args) =>
      Effect.gen(function* () {
        const polls: Array<number> = []
        const given = [...args, "--prompt", "on", "--watch"]
        const { code, err } = yield* inItsOwnTime(Effect.provide(cli(given), hinting(polls, 45_000)), 0, 24)
        assert.strictEqual(code, 0, err)
        assert.deepStrictEqual(polls, [45_000])
      })
  )
})
