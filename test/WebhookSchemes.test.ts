/** Deliveries of the gateways, signed as each of them signs. */
import { createHmac } from "node:crypto"
import * as HttpApp from "@effect/platform/HttpApp"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Logger } from "effect"
import { verifyWebhook, Webhooks, webhookHttpApp } from "effect-videos/Webhook"

const now = Math.floor(Date.now() / 1000)

describe("a delivery", () => {
  it.live("from OpenRouter is verified over `t,body`, and is an event of the job", () =>
    Effect.gen(function* () {
      const body = JSON.stringify({
        type: "video.generation.cancelled",
        created_at: "2026-11-28T12:00:00Z",
        data: { id: "gen-vid-1", status: "cancelled" }
      })
      const hex = createHmac("sha256", "a secret").update(`${now},${body}`).digest("hex")
      const headers = {
        "x-openrouter-idempotency-key": "gen-vid-1-cancelled",
        "X-OpenRouter-Signature": `t=${now},v1=${hex}`
      }
      const options = { secrets: "a secret", scheme: "openrouter" } as const
      const { event, messageId } = yield* verifyWebhook({ headers, body }, options)
      assert.strictEqual(messageId, "gen-vid-1-cancelled")
      assert.deepStrictEqual([event._tag, event.videoId as string | null], ["VideoFailed", "gen-vid-1"])
      const forged = yield* Effect.flip(verifyWebhook({ headers, body: `${body} ` }, options))
      assert.deepInclude(forged, {
        _tag: "WebhookSignatureError",
        reason: "mismatch",
        header: "x-openrouter-signature"
      })
      const stale = { ...headers, "X-OpenRouter-Signature": `t=${now - 1000},v1=${hex}` }
      assert.strictEqual(
        (yield* Effect.flip(verifyWebhook({ headers: stale, body }, options)))._tag,
        "WebhookTimestampError"
      )
    })
  )

  it.live("from llmgateway has a key that is plain text, also after `whsec_`", () =>
    Effect.gen(function* () {
      const secret = "whsec_bm90IGRlY29kZWQ="
      const body = JSON.stringify({ object: "event", id: "evt_1", type: "video.completed", data: { id: "vid1" } })
      const signature = createHmac("sha256", secret).update(`msg_1.${now}.${body}`).digest("base64")
      const headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": String(now),
        "webhook-signature": `v1,${signature}`
      }
      const { event } = yield* verifyWebhook({ headers, body }, { secrets: secret, scheme: "llmgateway" })
      assert.deepStrictEqual([event._tag, event.videoId as string | null], ["VideoCompleted", "vid1"])
      const error = yield* Effect.flip(verifyWebhook({ headers, body }, { secrets: secret }))
      assert.deepInclude(error, { _tag: "WebhookSignatureError", reason: "mismatch" })
    })
  )

  it.live("is verified with a secret of the environment and the scheme that is given; a log names its message", () => {
    const logs: Array<string> = []
    const logger = Logger.make(({ annotations }) => void logs.push(JSON.stringify([...annotations])))
    const deliver = (scheme: "openrouter" | "llmgateway", headers: { readonly [name: string]: string }, body: string) =>
      Effect.gen(function* () {
        const app = webhookHttpApp(() => Effect.die("a bug"))
        const context = yield* Layer.build(Webhooks.layerConfigWith({ scheme }))
        const runtime = yield* Effect.provide(Effect.runtime<Webhooks>(), context)
        const request = new Request("http://me/", { method: "POST", headers, body })
        return yield* Effect.promise(() => HttpApp.toWebHandlerRuntime(runtime)(app)(request))
      })
    return Effect.gen(function* () {
      const body = JSON.stringify({ type: "video.generation.completed", data: { id: "gen-vid-1" } })
      const hex = createHmac("sha256", "whsec_plain").update(`${now},${body}`).digest("hex")
      const openrouter = {
        "x-openrouter-idempotency-key": "gen-vid-1-completed",
        "x-openrouter-signature": `t=${now},v1=${hex}`
      }
      assert.strictEqual((yield* deliver("openrouter", openrouter, body)).status, 500)
      assert.include(logs.join(), "gen-vid-1-completed")
      assert.strictEqual((yield* deliver("llmgateway", openrouter, body)).status, 401)
    }).pipe(
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Effect.scoped,
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["OPENAI_WEBHOOK_SECRET", "whsec_plain"]])))
    )
  })
})
