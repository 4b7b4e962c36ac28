import { readFileSync } from "node:fs"
import { inspect } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Context, Duration, Effect, Layer, Option, Redacted, Stream } from "effect"
import { createVideo, downloadVideo, retrieveVideo, VideosConfig, type VideosConfigOptions } from "effect-videos"
import { inTurn, json, serve, text } from "./support/server.js"
import { clients, job, videosOver } from "./support/videos.js"

const build = (layer: Layer.Layer<VideosConfig, unknown>) =>
  Effect.scoped(Effect.map(Layer.build(layer), (context) => Context.get(context, VideosConfig)))

const fromEnvironment = (variables: { readonly [name: string]: string }) =>
  build(VideosConfig.layerConfig).pipe(
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
  )

/** The failure in every form in which it could be printed. */
const printed = (effect: Effect.Effect<unknown, unknown>) =>
  Effect.map(Effect.flip(effect), (error) => `${error}\n${JSON.stringify(error)}\n${inspect(error, { depth: 10 })}`)

const secret = "sk-very-secret-0123456789"

describe("configuration from the environment", () => {
  it.effect("needs a key for the protocol's home, and names the variable", () =>
    Effect.gen(function* () {
      for (const base of [
        {},
        { OPENAI_BASE_URL: "https://api.openai.com/v1/" },
        { OPENAI_BASE_URL: "https://API.openai.com" }
      ]) {
        expect(yield* printed(fromEnvironment(base))).toMatch(/OPENAI_API_KEY/)
      }
    })
  )

  it.effect("needs none for a server of one's own", () =>
    Effect.gen(function* () {
      const config = yield* fromEnvironment({ OPENAI_BASE_URL: "http://127.0.0.1:8091/v1" })
      expect(config.baseUrl).toBe("http://127.0.0.1:8091/v1")
      expect(Option.isNone(config.apiKey)).toBe(true)
    })
  )

  it.effect("takes every variable", () =>
    Effect.gen(function* () {
      const config = yield* fromEnvironment({
        OPENAI_BASE_URL: "https://videos.example/api/v1///",
        OPENAI_API_KEY: secret,
        OPENAI_ORG_ID: "org-1",
        OPENAI_PROJECT_ID: "proj_1",
        VIDEOS_REQUEST_TIMEOUT: "30 seconds",
        VIDEOS_MAX_RETRY_AFTER: "5 minutes",
        VIDEOS_REQUESTS_PER_SECOND: "2.5",
        VIDEOS_CONCURRENCY: "8",
        VIDEOS_WATCH_LIST: "never",
        VIDEOS_WATCH_THRESHOLD: "50"
      })
      expect(config.budget).toEqual({ requestsPerSecond: 2.5, concurrency: 8 })
      expect(config.watching).toEqual({ list: "never", threshold: 50 })
      expect(config.baseUrl).toBe("https://videos.example/api/v1")
      expect(Option.map(config.apiKey, Redacted.value)).toEqual(Option.some(secret))
      expect(config.organization).toEqual(Option.some("org-1"))
      expect(config.project).toEqual(Option.some("proj_1"))
      expect(Duration.toMillis(config.requestTimeout)).toBe(30_000)
      expect(Duration.toMillis(config.maxRetryAfter)).toBe(300_000)
      expect(inspect(config, { depth: 10 })).not.toContain(secret)
      expect(JSON.stringify(config)).not.toContain(secret)
    })
  )

  it.effect("has defaults for the rest", () =>
    Effect.gen(function* () {
      const config = yield* fromEnvironment({ OPENAI_API_KEY: secret })
      expect(config.baseUrl).toBe("https://api.openai.com/v1")
      expect(Duration.toMillis(config.requestTimeout)).toBe(60_000)
      expect(Duration.toMillis(config.maxRetryAfter)).toBe(60_000)
      expect(config.headers).toEqual({})
    })
  )

  it.effect.each([
    ["OPENAI_BASE_URL", `https://host/v1?=${secret}`, /name each of its parameters/],
    ["OPENAI_BASE_URL", `https://host/v1?key=1&key=${secret}`, /each parameter once; received `key` twice/],
    ["OPENAI_BASE_URL", `https://host/v1?${secret}&${secret}`, /received a text of 25 characters twice/],
    ["VIDEOS_QUERY", secret, /must be written as `name=value&name=value`.*received a text of 25 characters/],
    ["VIDEOS_QUERY", `=${secret}`, /must be written as `name=value/],
    ["VIDEOS_QUERY", `a=1&${secret}&b=2`, /must be written as `name=value/],
    ["VIDEOS_QUERY", `a=1&a=${secret}`, /received `a` twice/],
    ["OPENAI_BASE_URL", `https://user:${secret}@host/v1`, /with credentials/],
    ["OPENAI_BASE_URL", `https://${secret}@host/v1`, /with credentials/],
    ["OPENAI_BASE_URL", `https://host/v1#${secret}`, /with a fragment/],
    ["OPENAI_BASE_URL", "https://host/v1#", /with a fragment/],
    ["OPENAI_BASE_URL", `ftp://host/${secret}`, /a ftp: URL/],
    ["OPENAI_BASE_URL", `not a url ${secret}`, /not a URL/],
    ["OPENAI_BASE_URL", "/v1", /not a URL/],
    ["OPENAI_BASE_URL", "localhost:8000/v1", /a localhost: URL/],
    ["OPENAI_API_KEY", `${secret}\n`, /a line break/],
    ["OPENAI_API_KEY", `${secret}\r\nx-evil: 1`, /a line break/],
    ["OPENAI_API_KEY", `Bearer ${secret}`, /white space/],
    ["OPENAI_API_KEY", `${secret}ключ`, /non-ASCII/],
    ["OPENAI_API_KEY", `${secret}\u0000`, /control/],
    ["OPENAI_ORG_ID", `${secret}\n`, /a line break/],
    ["OPENAI_PROJECT_ID", "proj 1", /white space/],
    ["VIDEOS_DIALECT", secret, /must be one of openai, .*; received a text of 25 characters/],
    ["VIDEOS_ON_UNKNOWN_OUTCOME", secret, /must be one of reconcile, fail, resend; received a text of 25/],
    ["VIDEOS_WATCH_LIST", "Auto", /must be one of auto, always, never; received a text of 4/],
    ["VIDEOS_REQUESTS_PER_SECOND", secret, /must be a positive, finite number; received a text of 25/],
    ["VIDEOS_REQUESTS_PER_SECOND", "0", /must be a positive, finite number; received 0/],
    ["VIDEOS_REQUESTS_PER_SECOND", "Infinity", /must be a positive, finite number/],
    ["VIDEOS_CONCURRENCY", "1.5", /must be a positive integer; received 1.5/],
    ["VIDEOS_CONCURRENCY", "0x10", /must be a positive integer; received a text of 4/],
    ["VIDEOS_WATCH_THRESHOLD", "-1", /must be a positive integer; received -1/],
    ["VIDEOS_IDLE_TIMEOUT", "0 seconds", /must be a duration longer than 0/],
    ["VIDEOS_TOTAL_TIMEOUT", secret, /must be a duration longer than 0, .*received a text of 25/],
    ["VIDEOS_LIST_LAG", "30s", /must be a duration/],
    ["VIDEOS_REQUEST_TIMEOUT", "soon", /VIDEOS_REQUEST_TIMEOUT/],
    ["VIDEOS_REQUEST_TIMEOUT", "60", /VIDEOS_REQUEST_TIMEOUT/],
    ["VIDEOS_MAX_RETRY_AFTER", "1 hr", /VIDEOS_MAX_RETRY_AFTER/]
  ] as const)("names %s if it is %j, and shows no secret", ([name, value, problem]) =>
    Effect.gen(function* () {
      const variables = { OPENAI_API_KEY: secret, OPENAI_BASE_URL: "http://127.0.0.1:1/v1", [name]: value }
      const text = yield* printed(fromEnvironment(variables))
      expect(text).toContain(name)
      expect(text).toMatch(problem)
      expect(text).not.toContain(secret)
    })
  )
})

const variables = [
  "OPENAI_BASE_URL",
  "OPENAI_API_KEY",
  "OPENAI_ORG_ID",
  "OPENAI_PROJECT_ID",
  "VIDEOS_QUERY",
  "VIDEOS_DIALECT",
  "VIDEOS_REQUEST_TIMEOUT",
  "VIDEOS_IDLE_TIMEOUT",
  "VIDEOS_TOTAL_TIMEOUT",
  "VIDEOS_MAX_RETRY_AFTER",
  "VIDEOS_ON_UNKNOWN_OUTCOME",
  "VIDEOS_LIST_LAG",
  "VIDEOS_REQUESTS_PER_SECOND",
  "VIDEOS_CONCURRENCY",
  "VIDEOS_WATCH_LIST",
  "VIDEOS_WATCH_THRESHOLD"
]

describe("an empty variable", () => {
  it.effect.each(["", " ", "\t \n"])("is not set: %j", (empty) =>
    Effect.gen(function* () {
      const needed = { OPENAI_BASE_URL: "http://127.0.0.1:8091/v1" }
      const unset = yield* fromEnvironment(needed)
      for (const name of variables.slice(1)) {
        expect(inspect(yield* fromEnvironment({ ...needed, [name]: empty }), { depth: 10 }), name).toEqual(
          inspect(unset, { depth: 10 })
        )
      }
      const all = Object.fromEntries(variables.map((name) => [name, empty]))
      expect(yield* printed(fromEnvironment(all))).toMatch(/OPENAI_API_KEY/)
      expect((yield* fromEnvironment({ ...all, OPENAI_API_KEY: secret })).baseUrl).toBe("https://api.openai.com/v1")
    })
  )
})

describe("the query", () => {
  const base = "https://films.example/openai/v1"
  const queryOf = (config: VideosConfig["Type"]) =>
    Object.fromEntries(
      Object.entries(config.query).map(([name, value]) => [
        name,
        Redacted.isRedacted(value) ? Redacted.value(value) : value
      ])
    )

  it.effect.each([
    ["https://films.example/openai/v1?api-version=preview", undefined, { "api-version": "preview" }],
    [
      "https://films.example/openai/v1/?api-version=preview&x=a+b%26c",
      undefined,
      { "api-version": "preview", x: "a b&c" }
    ],
    [base, "api-version=preview&x=y", { "api-version": "preview", x: "y" }],
    [base, " ?api-version=preview& ", { "api-version": "preview" }],
    [`${base}?api-version=1&x=1`, "api-version=2&y=2", { "api-version": "2", x: "1", y: "2" }],
    [`${base}?`, undefined, {}],
    [`${base}?flag`, "empty=", { flag: "", empty: "" }],
    [base, "api-key=a=b==", { "api-key": "a=b==" }]
  ] as const)("of %s and VIDEOS_QUERY=%s is %j", ([url, variable, query]) =>
    Effect.gen(function* () {
      const config = yield* fromEnvironment({
        OPENAI_BASE_URL: url,
        ...(variable === undefined ? {} : { VIDEOS_QUERY: variable })
      })
      expect(config.baseUrl).toBe(base)
      expect(queryOf(config)).toEqual(query)
    })
  )

  it.effect.each([
    "api-key",
    "apikey",
    "key",
    "subscription-key",
    "x-functions-key",
    "token",
    "access_token",
    "code",
    "sig",
    "X-Amz-Signature",
    "secret",
    "password",
    "auth",
    "jwt"
  ])("hides what `%s` holds, however it is given", (name) =>
    Effect.gen(function* () {
      const value = "not-shown-1"
      for (const config of [
        yield* fromEnvironment({ OPENAI_BASE_URL: `${base}?${name}=${value}` }),
        yield* fromEnvironment({ OPENAI_BASE_URL: base, VIDEOS_QUERY: `${name}=${value}` }),
        yield* build(VideosConfig.layer({ baseUrl: base, query: { [name]: value } })),
        yield* build(VideosConfig.layer({ baseUrl: base, query: { [name]: Redacted.make(value) } }))
      ]) {
        expect(queryOf(config)).toEqual({ [name]: value })
        expect(inspect(config, { depth: 10 }) + JSON.stringify(config)).not.toContain(value)
      }
    })
  )

  it.effect("hides a value that looks like a key, and shows a version", () =>
    Effect.gen(function* () {
      const query = {
        who: "0123456789abcdef01234567",
        "api-version": "2025-04-01-preview-of-the-version",
        model: "sora-2"
      }
      const shown = JSON.stringify(yield* build(VideosConfig.layer({ baseUrl: base, query })))
      expect(shown).not.toContain(query.who)
      expect(shown).toContain(query["api-version"])
      expect(shown).toContain(query.model)
    })
  )
})

describe("configuration from values", () => {
  const options: ReadonlyArray<readonly [string, VideosConfigOptions, RegExp]> = [
    ["baseUrl", { baseUrl: `https://u:${secret}@host` }, /with credentials/],
    ["baseUrl", { baseUrl: secret }, /not a URL/],
    ["apiKey", { apiKey: Redacted.make("") }, /empty/],
    ["apiKey", { apiKey: "" }, /empty/],
    ["apiKey", { apiKey: `${secret}\n` }, /a line break/],
    ["apiKey", JSON.parse('{ "apiKey": 12345 }'), /must be a text or a `Redacted` of one; received a number/],
    ["apiKey", { apiKey: Redacted.make<string>(JSON.parse("[1]")) }, /received an object/],
    ["query", { query: { "": secret } }, /name each of its parameters/],
    ["query", JSON.parse('{ "query": { "limit": 1 } }'), /must hold texts .*received a number for `limit`/],
    ["baseUrl", JSON.parse('{ "baseUrl": 1 }'), /must be an http\(s\) URL .*received a number/],
    ["apiKey", { apiKey: Redacted.make(`${secret}\n`) }, /a line break/],
    ["organization", { organization: "org 1" }, /white space/],
    ["project", { project: "проект" }, /non-ASCII/],
    ["headers.x-key", { headers: { "x-key": Redacted.make(`${secret}\r\nx: 1`) } }, /printable ASCII/],
    ["headers.x key", { headers: { "x key": "1" } }, /not an HTTP header name/],
    ["headers.", { headers: { "": "1" } }, /not an HTTP header name/]
  ]
  it.effect.each(options)("names %s", ([name, given, problem]) =>
    Effect.gen(function* () {
      const text = yield* printed(build(VideosConfig.layer({ baseUrl: "http://127.0.0.1:1", ...given })))
      expect(text).toContain(name)
      expect(text).toMatch(problem)
      expect(text).not.toContain(secret)
    })
  )

  it.effect("takes a key as a text or as a `Redacted`", () =>
    Effect.gen(function* () {
      for (const apiKey of [secret, Redacted.make(secret)]) {
        const config = yield* build(VideosConfig.layer({ apiKey }))
        expect(Option.map(config.apiKey, Redacted.value)).toEqual(Option.some(secret))
        expect(inspect(config, { depth: 10 })).not.toContain(secret)
      }
    })
  )

  it.effect.each([
    ["http://h/v1", "http://h/v1"],
    ["http://h/v1/", "http://h/v1"],
    ["http://h/v1///", "http://h/v1"],
    ["http://h", "http://h"],
    ["http://h/", "http://h"],
    ["HTTPS://H.example:8443/A/b/", "https://h.example:8443/A/b"]
  ] as const)("reads the base URL %s as %s", ([given, read]) =>
    Effect.map(build(VideosConfig.layer({ baseUrl: given })), (config) => expect(config.baseUrl).toBe(read))
  )
})

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly version: string
}

describe("what every request carries", () => {
  it.scopedLive.each(clients)(
    "is the key, the user agent, the account and the configured headers ($client)",
    ({ layer }) =>
      Effect.gen(function* () {
        const server = yield* serve(
          inTurn(
            json(200, job()),
            json(200, job()),
            text(200, "\u0000the bytes of a clip", { "content-type": "video/mp4" })
          )
        )
        const videos = videosOver(
          { baseUrl: `${server.baseUrl}//` },
          {
            apiKey: Redacted.make(secret),
            organization: "org-1",
            project: "proj_1",
            headers: { "X-Team": "film", "x-litellm-api-key": Redacted.make("sk-2") }
          },
          layer
        )
        yield* retrieveVideo("video_1").pipe(Effect.provide(videos))
        yield* createVideo({ prompt: "x" }).pipe(Effect.provide(videos))
        yield* Stream.runDrain(downloadVideo("video_1")).pipe(Effect.provide(videos))
        const common = {
          authorization: `Bearer ${secret}`,
          "user-agent": `effect-videos/${version}`,
          "openai-organization": "org-1",
          "openai-project": "proj_1",
          "x-team": "film",
          "x-litellm-api-key": "sk-2"
        }
        const [retrieve, create, content] = server.requests
        expect(retrieve).toMatchObject({ method: "GET", url: "/v1/videos/video_1", headers: common })
        expect(create).toMatchObject({ method: "POST", url: "/v1/videos", headers: common })
        expect(content).toMatchObject({ method: "GET", url: "/v1/videos/video_1/content", headers: common })
        expect(retrieve?.headers.accept).toBe("application/json")
        expect(content?.headers.accept).toBe("*/*")
        expect(create?.headers["content-type"]).toBe("application/json")
        expect(server.requests.map(({ headers }) => headers.traceparent ?? headers.b3)).toEqual([
          undefined,
          undefined,
          undefined
        ])
      })
  )

  it.scopedLive.each(clients)("is nothing that was not configured ($client)", ({ layer }) =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, job()))
      yield* retrieveVideo("video_1").pipe(Effect.provide(videosOver(server, {}, layer)))
      const names = Object.keys(server.requests[0]?.headers ?? {})
      for (const name of ["authorization", "openai-organization", "openai-project", "cookie", "idempotency-key"]) {
        expect(names).not.toContain(name)
      }
    })
  )
})
