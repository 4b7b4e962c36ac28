/** What can be wrong with a delivery. */
import * as Schema from "effect/Schema"
import { seconds } from "./errorFields.js"

/**
 * The delivery has no valid signature: its sender has not shown that it has one of the secrets.
 *
 * - `missing`: one of `webhook-id`, `webhook-timestamp` and `webhook-signature` is not there, or empty.
 * - `repeated`: one of them is there more than once.
 * - `malformed`: `webhook-signature` holds no `v1,<base64>` value, or too many.
 * - `mismatch`: no signature fits the body and a secret. A body changed by one byte is this, too.
 *
 * @since 0.1.0
 * @category errors
 */
export class WebhookSignatureError extends Schema.TaggedError<WebhookSignatureError>(
  "effect-videos/WebhookSignatureError"
)("WebhookSignatureError", {
  reason: Schema.Literal("missing", "repeated", "malformed", "mismatch"),
  /** The header that is at fault. */
  header: Schema.Literal(
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-openrouter-idempotency-key",
    "x-openrouter-signature"
  ),
  /** As the sender claims; `null` where the headers do not say. */
  messageId: Schema.NullOr(Schema.String)
}) {
  readonly isTransient = false
  override get message() {
    return `${about(this.messageId)} not accepted: ${signatures[this.reason].replace("%", this.header)}`
  }
}

const signatures = {
  missing: "it has no `%` header. Only a sender of signed webhooks should know this address",
  repeated: "its `%` header came more than once",
  malformed: "its `%` header holds no signature of version v1, or more of them than any sender makes",
  mismatch:
    "its `%` fits none of the secrets. It is forged, or signed with another endpoint's secret, or what was checked is not the raw body as it was sent"
} as const

const about = (messageId: string | null): string => (messageId === null ? "webhook" : `webhook ${quoted(messageId)}`)

/** A stranger's text, in a form that cannot forge a line of a log. */
const quoted = (text: string): string => JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)

/**
 * The delivery's timestamp is outside the tolerance, or forged: the signature is not verified yet. If all deliveries fail with
 * this, a clock is wrong.
 *
 * - `malformed`: `webhook-timestamp` is not Unix seconds in digits alone.
 * - `stale`, `future`: it was signed longer ago than the tolerance, or later than that from now.
 *
 * @since 0.1.0
 * @category errors
 */
export class WebhookTimestampError extends Schema.TaggedError<WebhookTimestampError>(
  "effect-videos/WebhookTimestampError"
)("WebhookTimestampError", {
  reason: Schema.Literal("malformed", "stale", "future"),
  /** The header, of which at most 100 characters. */
  timestamp: Schema.String,
  messageId: Schema.String,
  /** How far the two clocks are apart; `null` where the header cannot be read. */
  skew: Schema.NullOr(Schema.DurationFromMillis),
  /** How far they may be. */
  tolerance: Schema.DurationFromMillis
}) {
  readonly isTransient = false
  override get message() {
    const wrong =
      this.skew === null
        ? `its \`webhook-timestamp\` ${quoted(this.timestamp)} is not Unix seconds in digits`
        : `it was signed ${seconds(this.skew)} ${this.reason === "future" ? "from now" : "ago"}, and ${seconds(this.tolerance)} are allowed. If all are, check this machine's clock`
    return `${about(this.messageId)} not accepted: ${wrong}`
  }
}

/**
 * The delivery is genuine, and was taken before (`seen`), or is being handled at this moment (`busy`). Respond to `seen` with
 * success, and to `busy` with a failure, because the handling that goes on may still fail. `webhookHttpApp` does.
 *
 * @since 0.1.0
 * @category errors
 */
export class WebhookReplayError extends Schema.TaggedError<WebhookReplayError>("effect-videos/WebhookReplayError")(
  "WebhookReplayError",
  {
    reason: Schema.Literal("seen", "busy"),
    /** The `webhook-id`, which is the same for all deliveries of a message. */
    messageId: Schema.String,
    /** The event's own id. */
    eventId: Schema.String
  }
) {
  /** The sender's next delivery of a `busy` one may be taken. */
  get isTransient(): boolean {
    return this.reason === "busy"
  }
  override get message() {
    const what = this.reason === "seen" ? "was taken before" : "is being handled at this moment"
    return `${about(this.messageId)} (event ${quoted(this.eventId)}) ${what}; nothing was done`
  }
}

/**
 * The delivery is genuine, but its body is not an event: not UTF-8 (`encoding`), not JSON (`syntax`), or JSON of another
 * shape (`shape`). Its id is not used up.
 *
 * @since 0.1.0
 * @category errors
 */
export class WebhookDecodeError extends Schema.TaggedError<WebhookDecodeError>("effect-videos/WebhookDecodeError")(
  "WebhookDecodeError",
  {
    reason: Schema.Literal("encoding", "syntax", "shape"),
    messageId: Schema.String,
    /** What was expected, such as `` `type` must be a text that is not empty ``. */
    detail: Schema.String,
    /** The first 2 KiB of the body, secrets removed. */
    body: Schema.String
  }
) {
  readonly isTransient = false
  override get message() {
    return `${about(this.messageId)} cannot be read: ${this.detail}`
  }
}

/**
 * The replay store failed, so that it is unknown whether the message was handled before. Nothing was done; the
 * sender's next delivery may be taken.
 *
 * @since 0.1.0
 * @category errors
 */
export class WebhookStoreError extends Schema.TaggedError<WebhookStoreError>("effect-videos/WebhookStoreError")(
  "WebhookStoreError",
  { detail: Schema.String, cause: Schema.optional(Schema.Defect) }
) {
  readonly isTransient = true
  override get message() {
    return `the webhook replay store failed: ${this.detail}`
  }
}
