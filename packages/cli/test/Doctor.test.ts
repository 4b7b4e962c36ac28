import { HttpClient, HttpClientResponse } from "@effect/platform"
import { RequestError } from "@effect/platform/HttpClientError"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { dialects } from "effect-videos"
import { isDialectName } from "effect-videos/Dialects"
import { cli, jobs, serverLayer } from "./support.js"

interface DoctorReport {
  readonly operations: ReadonlyArray<{ readonly operation: string; readonly served: string; readonly because: string }>
  readonly dialect: { readonly configured: string; readonly best: string; readonly against: ReadonlyArray<string> }
  readonly encodings: { readonly json: string; readonly form: string }
  readonly errors: string
}

const reportOf = (records: ReadonlyArray<unknown>) => records[0] as DoctorReport

const jsonOnly: ReadonlyArray<string> = ["xai", "openrouter", "llmgateway", "dynamo"]

describe("doctor", () => {
  for (const dialect of Object.keys(dialects).filter(isDialectName)) {
    it.effect(`finds out that a server is one of ${dialect}, and makes no job`, () =>
      Effect.gen(function* () {
        const { code, records } = yield* cli(["doctor"])
        const report = reportOf(records)
        assert.strictEqual(code, 0)
        assert.strictEqual(report.dialect.best, dialect)
        assert.strictEqual(report.dialect.configured, "openai")
        assert.deepStrictEqual(report.dialect.against, [])
        assert.strictEqual(report.encodings.json, dialect === "vllm-omni" ? "no" : "yes")
        assert.strictEqual(report.encodings.form, jsonOnly.includes(dialect) ? "no" : "yes")
        const served = report.operations.filter((finding) => finding.served === "yes").map(({ operation }) => operation)
        for (const operation of served)
          assert.include(
            Object.entries(dialects[dialect].paths).flatMap(([name, path]) => (path === null ? [] : [name])),
            operation
          )
        // Each says what it is inferred from.
        for (const { because } of report.operations) assert.notStrictEqual(because, "")
        assert.deepStrictEqual(yield* jobs, [])
      }).pipe(Effect.provide(serverLayer({ dialect })))
    )
  }

  it.effect("sends nothing that could make a job to a server that takes anything", () =>
    Effect.gen(function* () {
      const sent: Array<string> = []
      const client = HttpClient.make((request) => {
        if (request.method === "POST") {
          sent.push(
            request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : request.body._tag
          )
        }
        return Effect.succeed(
          HttpClientResponse.fromWeb(request, Response.json({ error: { message: "bad" } }, { status: 400 }))
        )
      })
      yield* Effect.provide(
        cli(["doctor", "--base-url", "http://host.invalid/v1"]),
        Layer.succeed(HttpClient.HttpClient, client)
      )
      assert.isNotEmpty(sent)
      for (const body of sent) {
        const fields = parsed(body)
        // Either no JSON object at all, or one without a prompt, a length and a size that there are.
        if (fields !== null) {
          assert.deepStrictEqual(fields, { prompt: [], seconds: "none", size: "none", model: "effect-videos-doctor" })
        }
      }
    })
  )

  it.effect("reports a refused key, with its exit code, and never shows it", () =>
    Effect.gen(function* () {
      const { code, err, out } = yield* cli(["doctor", "--table", "--verbose"], { columns: 100 })
      assert.strictEqual(code, 3)
      assert.include(out, "the key was refused before the request was read")
      assert.notInclude(out + err, "sk-wrong-and-secret")
      // Every dialect would fit as well: none is named.
      assert.match(out, /^dialect +unknown: no response shows what is served$/m)
      assert.match(
        out,
        /^bodies +JSON: unknown, forms: unknown \(not asked, because it is not known whether createVideo is served\)$/m
      )
      assert.match(err, /OPENAI_API_KEY is the key/)
      assert.strictEqual((yield* cli(["doctor"])).records.length, 1)
    }).pipe(
      Effect.provide(
        serverLayer({ apiKeys: [Redacted.make("sk-right-and-secret")] }, { OPENAI_API_KEY: "sk-wrong-and-secret" })
      )
    )
  )

  it.live("reports a server that does not respond", () =>
    Effect.gen(function* () {
      const { code, err } = yield* cli(["doctor", "--base-url", "http://host.invalid/v1"])
      assert.strictEqual(code, 9)
      assert.include(err, "no response from http://host.invalid/v1")
      assert.include(err, "`--base-url`, says where the server is")
    }).pipe(
      Effect.provide(
        Layer.succeed(
          HttpClient.HttpClient,
          HttpClient.make((request) =>
            Effect.fail(new RequestError({ request, reason: "Transport", cause: new TypeError("fetch failed") }))
          )
        )
      )
    )
  )
})

const parsed = (body: string): unknown => {
  try {
    return JSON.parse(body)
  } catch {
    return null
  }
}
