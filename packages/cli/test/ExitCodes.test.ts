import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import type { InProcessOptions } from "@effect-videos/server"
import { ConfigProvider, Effect, Fiber, Layer, Redacted, TestClock } from "effect"
import { exitCodes } from "../src/exitCodes.js"
import { cli, cliOverTime, jobs, nothing, passTimeUntil, running, serverLayer, type Written } from "./support.js"

const instant = { queueTime: 0, runTime: 0 } as const

const noEnvironment = ConfigProvider.fromMap(new Map())

/** An `HttpClient` with one response for all requests. */
const respondingWith = (status: number, body: unknown) =>
  Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, Response.json(body, { status }))))
  )

const refusing = (status: number, code: string) =>
  respondingWith(status, { error: { message: "no", type: "invalid_request_error", param: null, code } })

/** What goes wrong, by the server's doing: which code, and what the error says. */
const failures: ReadonlyArray<
  readonly [name: string, line: ReadonlyArray<string>, code: number, says: string, server?: InProcessOptions]
> = [
  ["an unknown job", ["get", "video_none"], 4, "no video video_none"],
  ["an unknown job that is watched", ["watch", "video_none"], 4, "no video video_none"],
  ["an unknown character", ["character", "get", "char_none"], 4, "no character char_none"],
  ["a key that is wanted", ["list"], 3, "API key", { apiKeys: [Redacted.make("sk-right")] }],
  [
    "an operation that is not served",
    ["extend", "video_1", "-p", "x", "--seconds", "4", "--dialect", "sglang"],
    12,
    "doctor"
  ],
  [
    "a job that fails",
    ["create", "-p", "x", "--watch"],
    7,
    "the_code: the words",
    { ...instant, outcome: () => ({ code: "the_code", message: "the words" }) }
  ],
  ["no film", ["character", "create", "/none/at/all.mp4", "--name", "Tom"], 11, "/none/at/all.mp4"]
]

describe("the exit code names the failure", () => {
  it("has a number of its own for each kind", () => {
    const codes = Object.values(exitCodes)
    assert.strictEqual(new Set(codes).size, codes.length)
  })

  for (const [name, line, code, says, server] of failures) {
    it.effect(`${code}: ${name}`, () =>
      Effect.gen(function* () {
        const ran = yield* cliOverTime(line)
        assert.strictEqual(ran.code, code, ran.err)
        assert.include(ran.err, says)
      }).pipe(Effect.provide(serverLayer(server)))
    )
  }

  const responses = [
    ["moderation", refusing(400, "moderation_blocked"), 6],
    ["a bad request", refusing(400, "invalid_value"), 6],
    ["no quota", refusing(429, "insufficient_quota"), 5],
    ["permission", refusing(403, "forbidden"), 3]
  ] as const
  for (const [name, layer, code] of responses) {
    it.effect(`${code}: ${name}`, () =>
      Effect.gen(function* () {
        const ran = yield* Effect.provide(cli(["create", "-p", "x", "--base-url", "http://host.invalid/v1"]), layer)
        assert.strictEqual(ran.code, code, ran.err)
        assert.strictEqual(ran.out, "")
        // Nothing goes on, so there is nothing to resume.
        assert.notInclude(ran.err, "To resume")
      })
    )
  }

  it.effect("10: unknown whether there is a job; how to find it, and how to send it again", () =>
    Effect.gen(function* () {
      const { code, err } = yield* cli([
        "create",
        "-p",
        "x",
        "--base-url",
        "http://host.invalid/v1",
        "--idempotency-key",
        "key-1"
      ])
      assert.strictEqual(code, 10)
      assert.include(err, "`effect-videos list`")
      assert.include(err, "--idempotency-key key-1")
    }).pipe(
      Effect.provide(respondingWith(500, { error: { message: "down" } })),
      // A list that always fails is read for half a minute; this test is about the message after it.
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["VIDEOS_ON_UNKNOWN_OUTCOME", "fail"]])))
    )
  )

  it.effect("3: no key and no server", () =>
    Effect.gen(function* () {
      const { code, err } = yield* cli(["list"])
      assert.strictEqual(code, 3)
      assert.include(err, "OPENAI_API_KEY")
      assert.include(err, "effect-videos serve")
    }).pipe(Effect.provide(respondingWith(500, {})), Effect.withConfigProvider(noEnvironment))
  )

  it.effect("8: the timeout, with the command that resumes and the job as it was", () =>
    Effect.gen(function* () {
      const { code, err, records } = yield* cliOverTime([
        ...["create", "-p", "x", "--watch", "--timeout", "10s", "--dialect", "openai"]
      ])
      assert.strictEqual(code, 8)
      const [job] = yield* jobs
      assert.strictEqual(records[0]?.id, job?.id)
      assert.include(err, `effect-videos watch ${job?.id} --dialect openai`)
    }).pipe(Effect.provide(serverLayer({ runTime: "1 hour" })))
  )

  it.effect("11: a file that is there already costs no job", () =>
    Effect.gen(function* () {
      const directory = yield* Effect.promise(() => fs.mkdtemp(join(tmpdir(), "cli-test-")))
      const path = join(directory, "clip.mp4")
      yield* Effect.promise(() => fs.writeFile(path, "mine"))
      const { code, err } = yield* cli(["create", "-p", "x", "-o", path])
      assert.strictEqual(code, 11)
      assert.include(err, "`--overwrite` replaces it")
      assert.deepStrictEqual(yield* jobs, [])
      assert.strictEqual(yield* Effect.promise(() => fs.readFile(path, "utf8")), "mine")
      yield* Effect.promise(() => fs.rm(directory, { recursive: true }))
    }).pipe(Effect.provide(serverLayer()))
  )
})

describe("an interruption", () => {
  /** Stops a command when it has got so far. */
  const interrupted = (args: ReadonlyArray<string>, when: (written: Written) => boolean) =>
    Effect.gen(function* () {
      const all = nothing()
      const fiber = yield* Effect.fork(running(all, args))
      yield* passTimeUntil(
        Effect.sync(() => when(all)),
        fiber
      )
      yield* Fiber.interrupt(fiber)
      return all.err
    })

  it.effect("prints the command that goes on with the job", () =>
    Effect.gen(function* () {
      const err = yield* interrupted(
        ["create", "-p", "x", "-o", "out of here.mp4", "--base-url", "http://videos.invalid/v1"],
        ({ err }) => /queued/.test(err)
      )
      const [job] = yield* jobs
      assert.include(err, `  effect-videos watch ${job?.id} -o 'out of here.mp4' --base-url http://videos.invalid/v1\n`)
    }).pipe(Effect.provide(serverLayer({ runTime: "1 hour" })))
  )

  it.effect("names those of several jobs that have not ended", () =>
    Effect.gen(function* () {
      yield* cli(["create", "-p", "early"])
      yield* TestClock.adjust("1 hour")
      yield* cli(["create", "-p", "late"])
      const [early, late] = yield* jobs
      const err = yield* interrupted(
        ["watch", String(early?.id), String(late?.id)],
        ({ err }) => /completed/.test(err) && /queued/.test(err)
      )
      assert.include(err, `  effect-videos watch ${late?.id}\n`)
    }).pipe(Effect.provide(serverLayer({ runTime: "59 minutes" })))
  )

  it.effect("during the submission names the list in which the job may be", () => {
    let sent = 0
    const client = HttpClient.make(() => {
      sent++
      return Effect.never
    })
    return Effect.gen(function* () {
      const err = yield* interrupted(["create", "-p", "x", "--base-url", "http://host.invalid/v1"], () => sent === 1)
      assert.include(err, "It is not known whether the server has received the create")
      assert.include(err, "  effect-videos list --base-url http://host.invalid/v1\n")
    }).pipe(Effect.provide(Layer.succeed(HttpClient.HttpClient, client)))
  })
})
