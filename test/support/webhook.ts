/** Makes webhook deliveries as a sender does. */
import { Effect, Redacted } from "effect"
import { signWebhook } from "effect-videos/Webhook"

/** Unix seconds. */
export const now = 1_795_000_000

export const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

export const event = {
  id: "evt_1",
  object: "event",
  created_at: 1_794_999_999,
  type: "video.completed",
  data: { id: "video_1" }
}

export const body = JSON.stringify(event)

/** Makes the three headers of a valid delivery. */
export const signed = (message: {
  readonly body?: string | Uint8Array
  readonly id?: string
  readonly timestamp?: number
  readonly secret?: string
}): Effect.Effect<{ [name: string]: string }> => {
  const { id = "msg_1", timestamp = now } = message
  return Effect.map(
    signWebhook({ id, timestamp, body: message.body ?? body, secret: Redacted.make(message.secret ?? secret) }),
    (signature) => ({ "webhook-id": id, "webhook-timestamp": String(timestamp), "webhook-signature": signature })
  )
}
