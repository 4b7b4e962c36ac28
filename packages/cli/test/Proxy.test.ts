/** The command behind a proxy that the environment names. */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as https from "node:https"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import * as VideosUndici from "effect-videos/undici"
import { type ProxyBehaviour, serveProxy } from "../../../test/support/proxy.js"
import { closedPort, html, json, serve } from "../../../test/support/server.js"
import { job } from "../../../test/support/videos.js"
import { finished, useCommand } from "./process.js"
import { cliOverTime } from "./support.js"

const { command, inFolder } = useCommand()

const secret = "pass-w0rd-of-the-proxy"

const behind = (args: ReadonlyArray<string>, env: { readonly [name: string]: string }) =>
  cliOverTime(args).pipe(
    Effect.provide(
      Layer.provideMerge(
        VideosUndici.layerConfig,
        Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env))))
      )
    )
  )

describe("the command behind a proxy", () => {
  const plain = { OPENAI_BASE_URL: "http://videos.test/v1" }
  const secure = { OPENAI_BASE_URL: "https://videos.test/v1" }
  const failing: ReadonlyArray<
    readonly [what: string, env: { readonly [name: string]: string }, behaviour: ProxyBehaviour | null, says: RegExp]
  > = [
    ["is not there", secure, null, /cannot connect to the proxy PROXY/],
    ["wants credentials", secure, { credentials: "a:b" }, /the proxy PROXY does not accept the credentials/],
    ["refuses CONNECT", secure, { refusal: { status: 403, body: "<html>" } }, /the proxy PROXY refused to connect/],
    ["responds with a page", plain, { refusal: { status: 200, body: "<html>log in</html>" } }, /HTML page/],
    ["responds 403 with a page", plain, { refusal: { status: 403, body: "<html>no</html>" } }, /HTTP 403/],
    ["responds 502 with a page", plain, {}, /HTTP 502/]
  ]
  for (const [what, env, behaviour, says] of failing) {
    it.scoped(`names the proxy that ${what}, and does not ask whether the server runs`, () =>
      Effect.gen(function* () {
        const origin =
          behaviour === null ? `http://127.0.0.1:${yield* closedPort}` : (yield* serveProxy(behaviour)).origin
        const proxy = origin.replace("//", `//user:${secret}@`)
        for (const args of [["get", "video_1"], ["doctor"]]) {
          const { code, err, out } = yield* behind(args, { ...env, ALL_PROXY: proxy })
          const text = err.replaceAll(origin, "PROXY")
          if (args[0] === "get") {
            assert.match(text, says)
            assert.notStrictEqual(code, 0)
          }
          if (code !== 0)
            assert.match(text, /go through the proxy PROXY, as ALL_PROXY says\. NO_PROXY=videos\.test leaves/)
          assert.notInclude(err, "Is it running?")
          assert.notInclude(err + out, secret)
        }
      })
    )
  }

  it.scoped("asks whether the server runs if no proxy is configured", () =>
    Effect.gen(function* () {
      const port = yield* closedPort
      const env = { OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`, ALL_PROXY: "http://127.0.0.1:9" }
      const { err } = yield* behind(["get", "video_1"], env)
      assert.include(err, "Is it running?")
      assert.notInclude(err, "the proxy")
    })
  )

  it.scoped("reaches a server of this machine directly", () =>
    Effect.gen(function* () {
      const local = yield* serve(json(200, job()))
      const env = { OPENAI_BASE_URL: local.baseUrl, http_proxy: "http://127.0.0.1:9" }
      const { code, err } = yield* behind(["get", "video_1"], env)
      assert.strictEqual(code, 0, err)
    })
  )

  it.scoped("names a page of the server's own as it is", () =>
    Effect.gen(function* () {
      const server = yield* serve(html(200, "<html></html>"))
      const { err } = yield* behind(["get", "video_1"], {
        OPENAI_BASE_URL: server.baseUrl,
        HTTP_PROXY: "http://a.test"
      })
      assert.match(err, /HTML page/)
      assert.notInclude(err, "proxy")
    })
  )
})

/** A key and a certificate for `videos.test`, made for this run. */
const certificate = () => {
  const [key, cert] = [inFolder("key.pem"), inFolder("cert.pem")]
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
      ...["-keyout", key, "-out", cert, "-subj", "/CN=videos.test", "-addext", "subjectAltName=DNS:videos.test"]
    ],
    { stdio: "ignore" }
  )
  return { key: fs.readFileSync(key), cert: fs.readFileSync(cert), path: cert }
}

const hasOpenssl = (() => {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()

describe("the process", () => {
  it.scopedLive.skipIf(!hasOpenssl)("reaches an https: server through the proxy's tunnel", () =>
    Effect.gen(function* () {
      const { cert, key, path } = certificate()
      const server = yield* Effect.acquireRelease(
        Effect.async<https.Server>((resume) => {
          const made = https.createServer({ key, cert }, (request, response) => {
            response.writeHead(200, { "content-type": "application/json" })
            response.end(JSON.stringify(job({ prompt: request.headers.authorization })))
          })
          made.listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
        }),
        (made) => Effect.sync(() => void made.close().closeAllConnections())
      )
      const { port } = server.address() as AddressInfo
      const proxy = yield* serveProxy({ ports: { "videos.test": port }, credentials: `user:${secret}` })
      const env = {
        OPENAI_BASE_URL: "https://videos.test/v1",
        OPENAI_API_KEY: "sk-1",
        https_proxy: proxy.origin.replace("//", `//user:${secret}@`),
        NODE_EXTRA_CA_CERTS: path
      }
      const through = yield* finished(yield* command(["get", "video_1"], env))
      assert.strictEqual(through.code, 0, through.err)
      assert.strictEqual(JSON.parse(through.out).prompt, "Bearer sk-1")
      assert.deepStrictEqual(proxy.lines, ["CONNECT videos.test:443"])

      const wrong = yield* finished(
        yield* command(["get", "video_1"], { ...env, https_proxy: `socks5://user:${secret}@a` })
      )
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.err, "`https_proxy` must be the http(s) URL of a proxy")
      assert.notInclude(wrong.err, secret)
      assert.strictEqual((yield* finished(yield* command(["--version"], { HTTP_PROXY: "socks5://a" }))).code, 0)
    })
  )
})
