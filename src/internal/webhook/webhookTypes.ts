import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Queue from "effect/Queue"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type {
  WebhookDecodeError,
  WebhookReplayError,
  WebhookSignatureError,
  WebhookStoreError,
  WebhookTimestampError
} from "../errors/webhookErrors.js"
import type { VideoEvent } from "./webhookEvent.js"

// -----------------------------------------------------------------------------
// errors
// -----------------------------------------------------------------------------

/**
 * What `verifyWebhook` fails with.
 *
 * @since 0.1.0
 * @category errors
 */
export type WebhookVerifyError = WebhookSignatureError | WebhookTimestampError | WebhookDecodeError

/**
 * Everything that can be wrong with a delivery.
 *
 * @since 0.1.0
 * @category errors
 */
export type WebhookError = WebhookVerifyError | WebhookReplayError | WebhookStoreError

// -----------------------------------------------------------------------------
// verification
// -----------------------------------------------------------------------------

/**
 * The headers of a delivery, as any framework has them, with names in any case: a plain record (Node's `req.headers` and
 * `req.headersDistinct`), the web's `Headers`, those of `@effect/platform`, a `Map`, or pairs of a name and a value.
 *
 * @since 0.1.0
 * @category models
 */
export type WebhookHeaders =
  | { readonly [name: string]: string | ReadonlyArray<string> | undefined }
  | { readonly get: (name: string) => string | null }
  | Iterable<readonly [name: string, value: string | ReadonlyArray<string>]>

/**
 * The raw body of a delivery: its text, or its bytes in any form, of which a view shows its own part.
 *
 * @since 0.1.0
 * @category models
 */
export type WebhookBody = string | ArrayBufferView | ArrayBuffer | SharedArrayBuffer

/**
 * One delivery.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebhookRequest {
  readonly headers: WebhookHeaders
  /** The raw body. JSON that was parsed and written again is another text, and no signature fits it: that is a defect. */
  readonly body: WebhookBody
}

/**
 * How to verify.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebhookVerifyOptions {
  /**
   * `whsec_` and base64, or any other text, which is taken as UTF-8. Several during a rotation, the newest first; each
   * is tried with each signature. Plain or wrapped.
   */
  readonly secrets: string | Redacted.Redacted | NonEmptyReadonlyArray<string | Redacted.Redacted>
  /** How far `webhook-timestamp` may be from now, before or after, itself included. Default: 300 seconds. */
  readonly tolerance?: Duration.DurationInput | undefined
}

/**
 * A delivery that is genuine and fresh.
 *
 * @since 0.1.0
 * @category models
 */
export interface VerifiedWebhook {
  readonly event: VideoEvent
  /** The `webhook-id`: the same for all deliveries of one message. */
  readonly messageId: string
  /** When this delivery was signed. */
  readonly timestamp: DateTime.Utc
  /** Which of the secrets fitted. Once it is always 0, the old ones can go. */
  readonly secretIndex: number
}

// -----------------------------------------------------------------------------
// the service
// -----------------------------------------------------------------------------

/**
 * Deliveries, each message taken once.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebhooksService {
  /** `verifyWebhook` with the configured secrets. Takes nothing: the same delivery passes again. */
  readonly verify: (request: WebhookRequest) => Effect.Effect<VerifiedWebhook, WebhookVerifyError>
  /**
   * Verifies a delivery and takes its message for good. For a program that cannot fail to handle it, or uses `events`.
   */
  readonly receive: (request: WebhookRequest) => Effect.Effect<VideoEvent, WebhookError>
  /**
   * Verifies a delivery, takes its message, and runs the handler. The message is used up when the handler has
   * succeeded; when it failed, died or was interrupted, it is given back, so that the sender's next delivery is taken.
   */
  readonly handle: <A, E, R>(
    request: WebhookRequest,
    handler: (event: VideoEvent, message: VerifiedWebhook) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | WebhookError, R>
  /**
   * Every event from the moment the stream is run, as soon as its message is taken and before its handler runs: a
   * message that is given back and delivered again is seen again. Nothing waits for a slow reader; one that falls
   * behind by more than `WebhooksOptions.buffer` events loses the oldest. Ends with the layer.
   */
  readonly events: Stream.Stream<VideoEvent>
  /**
   * `events` as a queue that is there when this returns, so that nothing is missed between it and what is done next.
   */
  readonly subscribe: Effect.Effect<Queue.Dequeue<VideoEvent>, never, Scope.Scope>
}
