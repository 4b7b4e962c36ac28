/** What the command says while a server cannot be reached, and the watch goes on. */
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { cliOverTime, terminal } from "./support.js"

/** A server that knows its jobs as running, then fails, then has completed them. */
const failing = (failures: number) => {
  const polls = new Map<string, number>()
  const client = HttpClient.make((request) =>
    Effect.sync(() => {
      const id = new URL(request.url).pathname.split("/").at(-1) ?? ""
      const poll = (polls.get(id) ?? 0) + 1
      polls.set(id, poll)
      const response =
        poll === 1
          ? Response.json({ id, object: "video", status: "in_progress", progress: 40 })
          : poll <= 1 + failures
            ? Response.json({ error: { message: "the gateway is down" } }, { status: 502 })
            : Response.json({ id, object: "video", status: "completed" })
      return HttpClientResponse.fromWeb(request, response)
    })
  )
  return Layer.merge(
    Layer.succeed(HttpClient.HttpClient, client),
    Layer.setConfigProvider(ConfigProvider.fromMap(new Map([["OPENAI_BASE_URL", "http://videos.invalid/v1"]])))
  )
}

const retryLine = /retrying(?: in \d+ s)?: the server failed \(HTTP 502\).*the gateway is down/

describe("a poll without news", () => {
  it.effect("is a line of the log, once for each reason", () =>
    Effect.gen(function* () {
      const { code, err } = yield* Effect.provide(cliOverTime(["watch", "video_1"]), failing(3))
      assert.strictEqual(code, 0, err)
      const lines = err.trimEnd().split("\n")
      assert.lengthOf(lines, 3, err)
      assert.match(lines[0] ?? "", /^video_1 {2}in_progress {2}40 %/)
      assert.match(lines[1] ?? "", retryLine)
      assert.match(lines[2] ?? "", /^video_1 {2}completed {2}100 %/)
    })
  )

  it.effect("is an event, and stands beside the bar until there is news", () =>
    Effect.gen(function* () {
      const events = yield* Effect.provide(cliOverTime(["watch", "video_1", "--progress", "json"]), failing(2))
      const kinds = events.err
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.deepStrictEqual(
        kinds.map(({ event }) => event),
        ["job", "trouble", "trouble", "job", "end"]
      )
      assert.match(kinds[1].message, retryLine)
      assert.deepStrictEqual([kinds[1].status, kinds[1].progress, kinds[3].message], ["in_progress", 40, null])

      const screen = { ...terminal, columns: 160 }
      const bars = yield* Effect.provide(cliOverTime(["watch", "video_1", "video_2"], screen), failing(2))
      assert.strictEqual(bars.code, 0)
      assert.match(bars.err, retryLine)
      assert.notMatch(bars.err.slice(bars.err.lastIndexOf("completed")), /retrying/)
    })
  )
})
