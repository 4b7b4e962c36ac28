import { HttpApp } from "@effect/platform"
import { Clock, Console, Effect, Redacted } from "effect"
import { signWebhook, Webhooks, webhookHttpApp } from "effect-videos"

const secret = Redacted.make("whsec_dGhlIHNlbmRlciBhbmQgSSBrbm93IHRoaXM=")

// Runs once for each event. If it fails, the sender delivers again.
const endpoint = webhookHttpApp((event) =>
  event._tag === "VideoCompleted"
    ? Console.log(`${event.videoId} is done`)
    : Console.log(`${event.type}: nothing to do`)
)

// Delivers an event as a server does when a job has ended.
const body = JSON.stringify({ id: "evt_1", object: "event", type: "video.completed", data: { id: "video_1" } })

const delivery = (sent: string) =>
  Effect.gen(function* () {
    const timestamp = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const headers = {
      "webhook-id": "msg_1",
      "webhook-timestamp": String(timestamp),
      "webhook-signature": yield* signWebhook({ id: "msg_1", timestamp, body, secret })
    }
    return new Request("http://127.0.0.1/webhooks", { method: "POST", headers, body: sent })
  })

const program = Effect.gen(function* () {
  // A `fetch` handler, as in workers. `HttpRouter.mountApp("/webhooks", endpoint)` mounts it in a server instead.
  const fetch = HttpApp.toWebHandlerRuntime(yield* Effect.runtime<Webhooks>())(endpoint)
  const deliver = (sent: string) => Effect.flatMap(delivery(sent), (request) => Effect.promise(() => fetch(request)))

  yield* Console.log((yield* deliver(body.replace("video_1", "video_2"))).status, "forged")
  yield* Console.log((yield* deliver(body)).status, "genuine")
  yield* Console.log((yield* deliver(body)).status, "the same again")
})

Effect.runPromise(Effect.provide(program, Webhooks.layer({ secrets: secret })))
