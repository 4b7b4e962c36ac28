/** Requests through a proxy, and what is said of one that fails. */
import { inspect } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted, Stream } from "effect"
import {
  type CreateVideoError,
  createVideo,
  type DownloadVideoError,
  downloadVideo,
  extendVideo,
  retrieveVideo,
  VideoFile,
  type Videos
} from "effect-videos"
import * as VideosUndici from "effect-videos/undici"
import { proxiesFromEnvironment, proxyOf, readNoProxy } from "../src/undici/proxy.js"
import { type ProxyBehaviour, serveProxy } from "./support/proxy.js"
import { closedPort, hang, json, type Reply, redirect, reset, serve } from "./support/server.js"
import { recordSpans } from "./support/tracing.js"
import { job, videosOver } from "./support/videos.js"

const secret = "pass-w0rd-of-the-proxy"
const plain = { baseUrl: "http://videos.test/v1" }
const secure = { baseUrl: "https://videos.test/v1" }

const through = (proxy: string, noProxy?: string) => Layer.orDie(VideosUndici.layer({ proxy, noProxy }))

/** Bytes of an unknown format. */
const clip: Reply = (response) => response.writeHead(200).end(Buffer.from([200, 1, 2, 3, 250, 5, 6, 7]))

const withCredentials = (origin: string) => origin.replace("//", `//user:${secret}@`)

describe("a request through a proxy", () => {
  it.scopedLive("reaches the server with all headers except the proxy's credentials", () =>
    Effect.gen(function* () {
      const server = yield* serve((response, request, index) =>
        request.url.endsWith("/content")
          ? clip(response, request, index)
          : json(200, job({ id: `video_${index + 1}` }))(response, request, index)
      )
      const port = Number(new URL(server.origin).port)
      const proxy = yield* serveProxy({ ports: { "videos.test": port }, credentials: `user:${secret}` })
      const videos = videosOver(plain, { apiKey: "sk-1" }, through(withCredentials(proxy.origin)))
      const file = VideoFile.fromStream(Stream.make(new Uint8Array(1000)), { name: "a.mp4" })
      yield* Effect.gen(function* () {
        yield* createVideo({ prompt: "x" })
        yield* retrieveVideo("video_1")
        yield* extendVideo({ video: file, prompt: "x", seconds: 4 })
        yield* Stream.runDrain(downloadVideo("video_1"))
      }).pipe(Effect.provide(videos))
      expect(proxy.lines).toEqual([
        "POST http://videos.test/v1/videos",
        "GET http://videos.test/v1/videos/video_1",
        "POST http://videos.test/v1/videos/extensions",
        "GET http://videos.test/v1/videos/video_1/content"
      ])
      expect(server.requests.map(({ headers }) => [headers.host, headers.authorization])).toEqual(
        proxy.lines.map(() => ["videos.test", "Bearer sk-1"])
      )
      expect(JSON.stringify(server.requests.map(({ headers }) => headers))).not.toContain("proxy-authorization")
    })
  )

  it.scopedLive("may lead to another origin, which is reached through it, too, or directly by `noProxy`", () =>
    Effect.gen(function* () {
      const storage = yield* serve(clip)
      const server = yield* serve(redirect(302, "http://storage.test:8080/clip.mp4"))
      const ports = {
        "videos.test": Number(new URL(server.origin).port),
        "storage.test": Number(new URL(storage.origin).port)
      }
      const proxy = yield* serveProxy({ ports })
      yield* Stream.runDrain(downloadVideo("video_1")).pipe(
        Effect.provide(videosOver(plain, {}, through(proxy.origin)))
      )
      expect(proxy.lines.at(-1)).toBe("GET http://storage.test:8080/clip.mp4")
      expect(storage.requests[0]?.headers.host).toBe("storage.test:8080")
      expect(storage.requests[0]?.headers).not.toHaveProperty("authorization")
    })
  )

  it.scopedLive("is not what a server of this machine gets, nor one that `noProxy` names", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, job()))
      const proxy = yield* serveProxy({})
      for (const [baseUrl, noProxy] of [
        [server.baseUrl, ""],
        [server.baseUrl.replace("127.0.0.1", "localhost"), ""]
      ] as const) {
        yield* retrieveVideo("video_1").pipe(
          Effect.provide(videosOver({ baseUrl }, {}, through(proxy.origin, noProxy)))
        )
      }
      const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(
        Effect.provide(videosOver({ baseUrl: "http://videos.invalid/v1" }, {}, through(proxy.origin, ".invalid")))
      )
      expect(error.message).toMatch(/ENOTFOUND|EAI_AGAIN/)
      expect(proxy.lines).toEqual([])
    })
  )
})

describe("a proxy that fails", () => {
  const cases: ReadonlyArray<
    readonly [what: string, server: { readonly baseUrl: string }, behaviour: ProxyBehaviour, says: RegExp]
  > = [
    [
      "refuses CONNECT",
      secure,
      { refusal: { status: 403, body: "<html>no</html>" } },
      /the proxy PROXY refused to connect to videos\.test:443 \(HTTP 403\)/
    ],
    ["cannot connect to the server", secure, {}, /the proxy PROXY refused to connect to videos\.test:443 \(HTTP 502\)/],
    [
      "wants other credentials for CONNECT",
      secure,
      { credentials: "a:b" },
      /the proxy PROXY does not accept the credentials of its URL \(HTTP 407\)/
    ],
    [
      "wants other credentials to forward",
      plain,
      { credentials: "a:b" },
      /the proxy PROXY does not accept the credentials of its URL \(HTTP 407\)/
    ],
    ["hangs up at CONNECT", secure, { hangsUp: true }, /the proxy PROXY sent no HTTP response to CONNECT/],
    [
      "hangs up on what it forwards",
      plain,
      { hangsUp: true },
      /connection to http:\/\/videos\.test lost: through the proxy PROXY/
    ]
  ]
  for (const [what, server, behaviour, says] of cases) {
    it.scopedLive(`is named without its credentials if it ${what}`, () =>
      Effect.gen(function* () {
        const proxy = yield* serveProxy(behaviour)
        const spans = recordSpans()
        const videos = videosOver(server, {}, through(withCredentials(proxy.origin)))
        const calls: ReadonlyArray<Effect.Effect<DownloadVideoError | CreateVideoError, unknown, Videos>> = [
          Effect.flip(createVideo({ prompt: "x" })),
          Effect.flip(retrieveVideo("video_1")).pipe(Effect.withTracer(spans.tracer)),
          Effect.flip(Stream.runDrain(downloadVideo("video_1")))
        ]
        for (const call of calls) {
          const error = yield* Effect.orDie(Effect.provide(call, videos))
          const message = error._tag === "SubmissionUncertainError" ? error.reason.message : error.message
          expect(message.replaceAll(proxy.origin, "PROXY")).toMatch(says)
          const seen = [inspect(error, { depth: 8, showHidden: true }), JSON.stringify(error), ...spans.said()].join()
          for (const shown of [secret, Buffer.from(`user:${secret}`).toString("base64")])
            expect(seen).not.toContain(shown)
          // Whether the server may have made a job: only what was forwarded may have reached it.
          expect(error._tag === "SubmissionUncertainError").toBe(call === calls[0] && /lost/.test(says.source))
        }
      })
    )
  }

  it.scopedLive("is reported as in need of credentials if its URL has none", () =>
    Effect.gen(function* () {
      const proxy = yield* serveProxy({ credentials: `user:${secret}` })
      for (const server of [plain, secure]) {
        const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(
          Effect.provide(videosOver(server, {}, through(proxy.origin)))
        )
        expect(error.message).toContain(`the proxy ${proxy.origin} wants credentials (HTTP 407)`)
        expect(error).toMatchObject({ _tag: "TransportError", reason: "connect" })
      }
    })
  )

  it.scopedLive("is named if it cannot be reached, and nothing was sent", () =>
    Effect.gen(function* () {
      const port = yield* closedPort
      for (const server of [plain, secure]) {
        const error = yield* Effect.flip(createVideo({ prompt: "x" })).pipe(
          Effect.provide(videosOver(server, {}, through(`http://127.0.0.1:${port}`)))
        )
        expect(error).toMatchObject({ _tag: "TransportError", reason: "connect" })
        expect(error.message).toMatch(
          new RegExp(`cannot connect to the proxy http://127.0.0.1:${port}: connect ECONNREFUSED`)
        )
      }
    })
  )

  it.scopedLive("leaves the server's own failures as they are", () =>
    Effect.gen(function* () {
      const server = yield* serve(reset)
      const proxy = yield* serveProxy({ ports: { "videos.test": Number(new URL(server.origin).port) } })
      const error = yield* Effect.flip(retrieveVideo("video_1")).pipe(
        Effect.provide(videosOver(plain, {}, through(proxy.origin)))
      )
      expect(error).toMatchObject({ _tag: "TransportError", reason: "exchange" })
      const slow = yield* serve(hang)
      const passing = yield* serveProxy({ ports: { "videos.test": Number(new URL(slow.origin).port) } })
      const late = yield* Effect.flip(retrieveVideo("video_1", { timeout: "30 millis" })).pipe(
        Effect.provide(videosOver(plain, {}, through(passing.origin)))
      )
      expect(late._tag).toBe("RequestTimeoutError")
    })
  )

  it.effect.each([
    `socks5://user:${secret}@host:1080`,
    `ftp://${secret}`,
    `http://user:${secret}@ho st`,
    `http://:${secret}@`,
    ""
  ])("is refused by name where its URL is wrong, and shows nothing of it (%#)", (proxy) =>
    Effect.gen(function* () {
      for (const given of [proxy, Redacted.make(proxy)]) {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(VideosUndici.layer({ proxy: given }))))
        const shown = `${error} ${inspect(error, { depth: 8 })}`
        expect(shown).toMatch(/`proxy` must be the http\(s\) URL of a proxy/)
        expect(shown).not.toContain(secret)
      }
    })
  )
})

describe("which requests go through a proxy", () => {
  const directOf = (noProxy: string, url: string) => readNoProxy(noProxy)(new URL(url))

  it.each([
    ["", "http://localhost:8000", true],
    ["", "http://127.0.0.1", true],
    ["", "http://127.1.2.3:1", true],
    ["", "http://[::1]:8000", true],
    ["", "http://app.localhost", true],
    ["", "https://videos.test", false],
    ["*", "https://videos.test", true],
    ["other.test, *", "https://videos.test", true],
    ["videos.test", "https://videos.test", true],
    ["videos.test", "https://videos.test.", true],
    ["VIDEOS.test", "https://videos.TEST", true],
    ["videos.test", "https://eu.videos.test", true],
    ["videos.test", "https://myvideos.test", false],
    [".videos.test", "https://eu.videos.test", true],
    [".videos.test", "https://videos.test", true],
    ["*.videos.test", "https://eu.videos.test", true],
    ["videos.test:8080", "http://videos.test:8080", true],
    ["videos.test:8080", "http://videos.test:8081", false],
    ["videos.test:443", "https://videos.test", true],
    ["videos.test:80", "http://videos.test", true],
    ["a.test b.test\tc.test", "https://b.test", true],
    ["10.0.0.0/8", "http://10.1.2.3", true],
    ["10.0.0.0/8", "http://11.1.2.3", false],
    ["10.1.2.3", "http://10.1.2.3:99", true],
    ["10.0.0.0/99", "http://10.1.2.3", false],
    ["fd00::/8", "http://[fd00::1]", true],
    ["[fd00::1]:8080", "http://[fd00:0::1]:8080", true],
    ["fd00:0:0::1", "http://[fd00::1]", true],
    [",, ,", "https://videos.test", false]
  ])("NO_PROXY=%s and %s: direct is %s", (noProxy, url, direct) => {
    expect(directOf(noProxy, url)).toBe(direct)
  })

  it.effect.each([
    [{ HTTPS_PROXY: "http://a:1" }, "http://a:1", undefined],
    [{ https_proxy: "http://a:1", HTTPS_PROXY: "http://b:1" }, "http://a:1", undefined],
    [{ https_proxy: "", HTTPS_PROXY: "http://b:1" }, "http://b:1", undefined],
    [{ HTTP_PROXY: "http://a:1" }, undefined, "http://a:1"],
    [{ http_proxy: "a:1" }, undefined, "http://a:1"],
    [{ ALL_PROXY: "https://a" }, "https://a", "https://a"],
    [{ all_proxy: "http://a:1", https_proxy: "http://b:1" }, "http://b:1", "http://a:1"],
    [{ ALL_PROXY: "http://a:1", no_proxy: "videos.test" }, undefined, undefined],
    [{ HTTPS_PROXY: " " }, undefined, undefined],
    [{}, undefined, undefined]
  ] as const)("%j", ([variables, https, http]) =>
    Effect.gen(function* () {
      const proxies = yield* proxiesFromEnvironment.pipe(
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
      )
      expect(proxyOf(proxies, new URL("https://videos.test"))?.origin).toBe(https)
      expect(proxyOf(proxies, new URL("http://videos.test"))?.origin).toBe(http)
    })
  )
})
