/** Ids and prompts that begin with a dash, and words that are not options. */
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { cli } from "./support.js"

/** A server that has every job there is, completed, and what it was asked for. */
const having = () => {
  const sent: Array<string> = []
  const client = HttpClient.make((request) =>
    Effect.sync(() => {
      const path = new URL(request.url).pathname.replace("/v1", "")
      const body = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
      sent.push(`${request.method} ${path} ${body}`.trim())
      const id = request.method === "POST" ? "video_new" : (path.split("/")[2] ?? "video_1")
      const isContent = path.endsWith("/content")
      const response = isContent
        ? new Response(new Uint8Array([0x1a, 0x45, 0xdf, 0xa3, 0, 1, 2, 3]), {
            headers: { "content-type": "video/webm" }
          })
        : Response.json({ id, object: "video", status: "completed", name: "x", deleted: true })
      return HttpClientResponse.fromWeb(request, response)
    })
  )
  const layer = Layer.merge(
    Layer.succeed(HttpClient.HttpClient, client),
    Layer.setConfigProvider(ConfigProvider.fromMap(new Map([["OPENAI_BASE_URL", "http://videos.invalid/v1"]])))
  )
  return { sent, layer }
}

describe("behind `--`", () => {
  it.effect.each([
    [["get", "--", "-Ex"], "GET /videos/-Ex"],
    [["get", "--", "--Ex"], "GET /videos/--Ex"],
    [["get", "--", "-h"], "GET /videos/-h"],
    [["get", "--", "--help"], "GET /videos/--help"],
    [["get", "--", "--version"], "GET /videos/--version"],
    [["get", "--json", "--", "-Ex"], "GET /videos/-Ex"],
    [["watch", "--", "-Ex"], "GET /videos/-Ex"],
    [["delete", "--", "--Ex"], "DELETE /videos/--Ex"],
    [["download", "-o", "-", "--", "-Ex"], "GET /videos/-Ex/content"],
    [["character", "get", "--", "-Ex"], "GET /videos/characters/-Ex"],
    [["remix", "-p", "x", "--", "-Ex"], 'POST /videos/-Ex/remix {"prompt":"x"}']
  ] as const)("%j is about a job whose id begins with a dash", ([args, request]) =>
    Effect.gen(function* () {
      const { layer, sent } = having()
      const { code, err } = yield* Effect.provide(cli(args), layer)
      assert.strictEqual(code, 0, err)
      assert.strictEqual(sent[0], request)
    })
  )
})

describe("an option's value", () => {
  it.effect.each([
    [["-p", "-5 degrees"], "-5 degrees"],
    [["-p", "-Ex"], "-Ex"],
    [["-p", "--seconds"], "--seconds"],
    [["--prompt", "-5 degrees"], "-5 degrees"],
    [["--prompt=-5 degrees"], "-5 degrees"],
    [["--prompt=--"], "--"]
  ] as const)("may begin with a dash: %j", ([args, prompt]) =>
    Effect.gen(function* () {
      const { layer, sent } = having()
      const { code, err } = yield* Effect.provide(cli(["create", ...args]), layer)
      assert.strictEqual(code, 0, err)
      assert.strictEqual(sent[0], `POST /videos ${JSON.stringify({ prompt })}`)
    })
  )
})

describe("an id that begins with a dash and is not behind `--`", () => {
  it.effect.each([
    [["download", "-Ex", "-o", "f"], "-Ex", "ID"],
    [["watch", "-Ex", "--timeout", "1m"], "-Ex", "ID"],
    [["remix", "-Ex", "-p", "y"], "-Ex", "ID"],
    [["get", "--json", "-Ex", "--table"], "-Ex", "ID"],
    [["extend", "-5.mp4", "-p", "y", "--seconds", "4"], "-5.mp4", "ID|URL|FILE"],
    [["character", "get", "-Ex", "--json"], "-Ex", "ID"],
    [["get", "video_1", "-x"], "-x", "ID"],
    [["delete", "--frob", "video_1"], "--frob", "ID"],
    [["watch", "video_1", "-o", "f", "--frob=1"], "--frob=1", "ID"]
  ] as const)("is named in %j", ([args, id, argument]) =>
    Effect.gen(function* () {
      const { layer, sent } = having()
      const { code, err } = yield* Effect.provide(cli(args), layer)
      assert.include(
        err,
        `\`${id}\` is not an option of this command. If it is the ${argument}, write it last, behind \`--\`: \`-- ${id}\``
      )
      assert.strictEqual(code, 2)
      assert.deepStrictEqual(sent, [])
    })
  )
})
