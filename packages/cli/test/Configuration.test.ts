/** What the command takes from its options and the environment. */
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Option } from "effect"
import { configLayer, connectionArguments } from "../src/connection.js"
import { cli } from "./support.js"

const secret = "not-to-be-shown-1"

/** A server that has one job; `urls` are what it was asked for. */
const withEnv = (env: { readonly [name: string]: string }, status = 200) => {
  const urls: Array<URL> = []
  const client = HttpClient.make((request, url) =>
    Effect.sync(() => {
      urls.push(url)
      const body = status === 200 ? { id: "video_1", object: "video", status: "completed" } : { error: url.href }
      return HttpClientResponse.fromWeb(request, Response.json(body, { status }))
    })
  )
  const settings = Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env))))
  const run = (...args: ReadonlyArray<string>) =>
    Effect.provide(cli(args), Layer.merge(Layer.succeed(HttpClient.HttpClient, client), settings))
  return { run, urls }
}

describe("the environment", () => {
  it.effect("prints each problem on a line of its own, and shows no value", () =>
    Effect.gen(function* () {
      const { run, urls } = withEnv({
        OPENAI_BASE_URL: `https://user:${secret}@host/v1`,
        OPENAI_API_KEY: `${secret} ${secret}`,
        VIDEOS_CONCURRENCY: "many"
      })
      const { code, err } = yield* run("get", "video_1")
      assert.strictEqual(code, 2)
      assert.deepStrictEqual(err.trimEnd().split("\n"), [
        "error: `OPENAI_BASE_URL` must be an http(s) URL without credentials or fragment, such as https://host/v1; received one with credentials.",
        "`OPENAI_API_KEY` must be visible ASCII characters alone; received 35 characters with white space.",
        "`VIDEOS_CONCURRENCY` must be a positive integer; received a text of 4 characters."
      ])
      assert.isEmpty(urls)
    })
  )

  it.effect("ignores an empty variable", () =>
    Effect.gen(function* () {
      const { run } = withEnv({
        OPENAI_BASE_URL: "http://videos.invalid/v1",
        OPENAI_API_KEY: "",
        OPENAI_ORG_ID: " ",
        VIDEOS_DIALECT: "",
        VIDEOS_QUERY: "",
        HTTPS_PROXY: "",
        VIDEOS_CONCURRENCY: " "
      })
      const { code, err } = yield* run("get", "video_1")
      assert.deepStrictEqual([code, err], [0, ""])
      const none = yield* withEnv({ OPENAI_API_KEY: "", OPENAI_BASE_URL: "" }).run("get", "video_1")
      assert.strictEqual(none.code, 3)
      assert.include(none.err, "no API key: set OPENAI_API_KEY")
      for (const key of ["", " "]) {
        const { code, err } = yield* withEnv({ OPENAI_API_KEY: key }).run("serve", "--require-key", "--port", "0")
        assert.strictEqual(code, 3)
        assert.include(err, "no API key: set OPENAI_API_KEY to the one that requests shall have")
      }
    })
  )
})

describe("the query", () => {
  it.effect.each([
    [["--base-url", "http://videos.invalid/v1?api-version=1"], {}, "?api-version=1"],
    [["--query", "api-version=1", "--query", "x=a&b"], {}, "?api-version=1&x=a%26b"],
    [["--query", "api-version=1"], { VIDEOS_QUERY: "api-version=0&y=2" }, "?api-version=1&y=2"],
    [["--base-url", "http://videos.invalid/v1?a=1", "--query", "a=2"], {}, "?a=2"],
    [[], { OPENAI_BASE_URL: "http://videos.invalid/v1?api-version=1", VIDEOS_QUERY: "b=2" }, "?api-version=1&b=2"]
  ] as const)("of %j and %j is %s", ([args, env, query]) =>
    Effect.gen(function* () {
      const { run, urls } = withEnv({ OPENAI_BASE_URL: "http://videos.invalid/v1", ...env })
      const { code, err } = yield* run("get", "video_1", ...args)
      assert.strictEqual(code, 0, err)
      assert.deepStrictEqual(
        urls.map(({ href }) => href),
        [`http://videos.invalid/v1/videos/video_1${query}`]
      )
    })
  )

  it.effect.each([
    [["--query", secret], "`--query` must be written as `name=value`; received a text of 17 characters"],
    [["--query", `=${secret}`], "`--query` must be written as `name=value`"],
    [["--query", `a=${secret}`, "--query", "a=2"], "`--query` must name each parameter once; received `a` twice"],
    [["--base-url", `http://host/v1#${secret}`], "one with a fragment"]
  ] as const)("is refused without being shown: %j", ([args, says]) =>
    Effect.gen(function* () {
      const { run, urls } = withEnv({ OPENAI_BASE_URL: "http://videos.invalid/v1" })
      const { code, err } = yield* run("get", "video_1", ...args)
      assert.strictEqual(code, 2)
      assert.include(err, says)
      assert.notInclude(err, secret)
      assert.isEmpty(urls)
    })
  )

  it.effect("is in each of doctor's requests, and its secrets in no output", () =>
    Effect.gen(function* () {
      const env = { OPENAI_BASE_URL: `http://videos.invalid/v1?api-version=1&api-key=${secret}` }
      for (const status of [200, 400]) {
        const { run, urls } = withEnv(env, status)
        const { out, records } = yield* run("doctor")
        const { out: table } = yield* run("doctor", "--table", "--verbose")
        assert.isAbove(urls.length, 10)
        for (const { searchParams } of urls) {
          assert.deepStrictEqual([searchParams.get("api-version"), searchParams.get("api-key")], ["1", secret])
        }
        assert.deepStrictEqual(records[0]?.query, { "api-version": "1", "api-key": "<redacted>" })
        assert.match(table, /^query +api-version=1&api-key=<redacted>$/m)
        assert.notInclude(out + table, secret)
      }
    })
  )

  it.effect("is in no error, and in the command that goes on without its secrets", () =>
    Effect.gen(function* () {
      const { run } = withEnv({ OPENAI_BASE_URL: "http://videos.invalid/v1" }, 403)
      const url = `http://videos.invalid/v1?api-version=1&key=${secret}`
      const { err } = yield* run("watch", "video_1", "--base-url", url)
      assert.notInclude(err, secret)

      const given = {
        baseUrl: Option.some(url),
        query: { x: "y" },
        dialect: Option.none(),
        apiKeyFd: Option.none()
      }
      assert.deepStrictEqual(yield* Effect.provide(connectionArguments(given), configLayer(given)), [
        ...["--base-url", "http://videos.invalid/v1", "--query", "api-version=1"],
        ...["--query", "key=<redacted>", "--query", "x=y"]
      ])
    })
  )
})
