/** Requests with truncated or wrongly framed bodies: each gets a response, and none blocks a connection or the server. */
import { connect } from "node:net"
import { addEqualityTesters, assert, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Effect } from "effect"
import { lengthIn, partsOf } from "./rawSocket.js"
import { instant, send } from "./support.js"

addEqualityTesters()

/** Sends raw bytes, and returns the received text when the response is complete or the connection ends. */
const exchange = (text: string, ends: "halfway" | "never" = "never") =>
  Effect.flatMap(VideosServer, ({ baseUrl }) => {
    const { hostname, port } = new URL(baseUrl)
    return Effect.async<string>((resume) => {
      const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
      let received = ""
      const isComplete = () => {
        const final = received.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, "")
        const [head = "", body] = final.split("\r\n\r\n")
        const length = /content-length: (\d+)/i.exec(head)?.[1]
        return (
          body !== undefined && (length === undefined ? final.endsWith("0\r\n\r\n") : body.length >= Number(length))
        )
      }
      const end = () => {
        socket.destroy()
        resume(Effect.succeed(received))
      }
      socket.on("data", (data) => {
        received += data.toString("latin1")
        if (isComplete()) end()
      })
      socket.on("end", end)
      socket.on("error", end)
      socket.write(text)
      if (ends === "halfway") socket.end()
      return Effect.sync(() => socket.destroy())
    })
  })

const request = (headers: ReadonlyArray<string>, body: string, path = "/v1/videos"): string =>
  [`POST ${path} HTTP/1.1`, "host: videos.test", ...headers, "", body].join("\r\n")

const chunked = (...pieces: ReadonlyArray<string>): string =>
  pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join("")

const withLength = (type: string, body: string, length = body.length) =>
  request([`content-type: ${type}`, `content-length: ${length}`], body)

const form = "multipart/form-data; boundary=x"
const field = `--x\r\ncontent-disposition: form-data; name="prompt"\r\n\r\na lighthouse`
const file = `--x\r\ncontent-disposition: form-data; name="input_reference"; filename="a.png"\r\ncontent-type: image/png\r\n\r\nPNG`

/** Requests whose complete body is invalid. */
const broken: ReadonlyArray<readonly [string, string]> = [
  ["a form that ends inside the headers of a part", withLength(form, "--x\r\ncontent-dispo")],
  [
    "a form that ends after the headers of a part",
    withLength(form, '--x\r\ncontent-disposition: form-data; name="a"\r\n')
  ],
  ["a form that ends inside a field", withLength(form, field)],
  ["a form that ends inside a file", withLength(form, file)],
  ["a form that ends inside its last boundary", withLength(form, `${field}\r\n--x-`)],
  ["a form that ends after its first boundary", withLength(form, "--x")],
  ["an empty form", withLength(form, "")],
  ["a form with another boundary", withLength("multipart/form-data; boundary=y", `${field}\r\n--x--\r\n`)],
  ["a form without a boundary", withLength("multipart/form-data", `${field}\r\n--x--\r\n`)],
  ["a form whose part has no name", withLength(form, "--x\r\ncontent-type: text/plain\r\n\r\na\r\n--x--\r\n")],
  ["a form with an endless header", withLength(form, `--x\r\ncontent-disposition: ${"x".repeat(100_000)}`)],
  [
    "a chunked form that ends inside the headers of a part",
    request([`content-type: ${form}`, "transfer-encoding: chunked"], `${chunked("--x\r\ncontent-", "dispo")}0\r\n\r\n`)
  ],
  ["truncated JSON", withLength("application/json", '{"prompt":"a light')],
  ["empty JSON", withLength("application/json", "")],
  [
    "truncated JSON in chunks",
    request(["content-type: application/json", "transfer-encoding: chunked"], `${chunked('{"prompt":', '"a')}0\r\n\r\n`)
  ],
  [
    "truncated JSON with Expect: 100-continue",
    request(["content-type: application/json", "content-length: 9", "expect: 100-continue"], '{"prompt"')
  ]
]

/** Requests whose body is shorter than declared; the server notices it only at the end of the connection. */
const unfinished: ReadonlyArray<readonly [string, string]> = [
  ["a form", withLength(form, field, 5000)],
  ["a form, inside the headers of a part", withLength(form, "--x\r\ncontent-dispo", 5000)],
  ["JSON", withLength("application/json", '{"prompt":"a', 5000)],
  ["JSON in chunks", request(["content-type: application/json", "transfer-encoding: chunked"], chunked('{"prompt":'))],
  ["a form in chunks", request([`content-type: ${form}`, "transfer-encoding: chunked"], chunked(field))],
  ["a chunk", request(["content-type: application/json", "transfer-encoding: chunked"], 'ff\r\n{"prompt"')],
  [
    "a body with Expect: 100-continue",
    request(["content-type: application/json", "content-length: 99", "expect: 100-continue"], "")
  ]
]

const fine = withLength("application/json", '{"prompt":"a lighthouse","size":"64x64"}')

const server = VideosServer.layer(instant)

describe("a request with", () => {
  it.live.each(broken)("%s returns 400, and the server continues", ([, text]) =>
    Effect.gen(function* () {
      const received = yield* Effect.timeout(exchange(text), "10 seconds")
      const { body, head } = partsOf(received.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, ""))
      assert.match(head, /^http\/1\.1 400 /)
      const { error } = JSON.parse(body.slice(0, lengthIn(head)))
      assert.containsAllKeys(error, ["message", "type", "code", "param"])
      assert.match(yield* exchange(fine), /^HTTP\/1\.1 200 /)
      assert.lengthOf(yield* Effect.flatMap(VideosServer, ({ jobs }) => jobs), 1)
    }).pipe(Effect.provide(server))
  )

  it.live("a body longer than its Content-Length returns 400, and the server continues", () =>
    Effect.gen(function* () {
      // Node reads the extra bytes as a second request, which it can refuse before the server responds to the first.
      const received = yield* exchange(withLength("application/json", '{"prompt":"a lighthouse"}', 9))
      assert.match(received, /^HTTP\/1\.1 400 /)
      assert.match(yield* exchange(fine), /^HTTP\/1\.1 200 /)
      assert.lengthOf(yield* Effect.flatMap(VideosServer, ({ jobs }) => jobs), 1)
    }).pipe(Effect.provide(server))
  )

  it.live.each(broken.filter(([, text]) => text.includes("multipart") && !text.includes("chunked")))(
    "%s returns 400 in-process too",
    ([, text]) =>
      Effect.gen(function* () {
        const [head = "", ...rest] = text.split("\r\n\r\n")
        const type = /content-type: (.*)/.exec(head)?.[1] ?? ""
        const init = { method: "POST", headers: { "content-type": type }, body: rest.join("\r\n\r\n") }
        const { json, status } = yield* Effect.timeout(send("/videos", init), "10 seconds")
        assert.strictEqual(status, 400)
        assert.property(json, "error")
      }).pipe(Effect.provide(VideosServer.layerInProcess(instant)))
  )

  it.live.each(unfinished)("%s whose connection ends early makes no job, and the server continues", ([, text]) =>
    Effect.gen(function* () {
      const received = yield* Effect.timeout(exchange(text, "halfway"), "10 seconds")
      assert.notMatch(received, /^HTTP\/1\.1 2/)
      assert.match(yield* exchange(fine), /^HTTP\/1\.1 200 /)
      assert.lengthOf(yield* Effect.flatMap(VideosServer, ({ jobs }) => jobs), 1)
    }).pipe(Effect.provide(server))
  )
})
