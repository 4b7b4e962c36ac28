/** The service behind `Webhooks`: verifies a delivery, claims its message, runs the handler, publishes the event. */
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as PubSub from "effect/PubSub"
import type * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { checkConfig, finiteCount } from "../config/optionRules.js"
import { WebhookReplayError, type WebhookStoreError } from "../errors/webhookErrors.js"
import { withSpan } from "../http/spans.js"
import { randomId } from "../randomId.js"
import { memoryReplayStore, type WebhookReplayStore } from "./replayStore.js"
import {
  makeVerifier,
  type VerifiedWebhook,
  type WebhookRequest,
  type WebhookVerifyError,
  type WebhookVerifyOptions
} from "./verifyDelivery.js"
import type { VideoEvent } from "./webhookEvent.js"

/**
 * What `receiveWebhook` and `handleWebhook` fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type WebhookError = WebhookVerifyError | WebhookReplayError | WebhookStoreError

/**
 * Receives deliveries, and handles each message once.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebhooksService {
  /** `verifyWebhook` with the configured secrets. Claims nothing: the same delivery passes again. */
  readonly verify: (request: WebhookRequest) => Effect.Effect<VerifiedWebhook, WebhookVerifyError>
  /** Verifies a delivery and marks its message as handled. For a program whose handler cannot fail, or that reads `events`. */
  readonly receive: (request: WebhookRequest) => Effect.Effect<VideoEvent, WebhookError>
  /**
   * Verifies a delivery, claims its message, and runs the handler. If it fails, dies or is interrupted, the claim is released, so that
   * the sender's next delivery runs the handler again.
   */
  readonly handle: <A, E, R>(
    request: WebhookRequest,
    handler: (event: VideoEvent, message: VerifiedWebhook) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | WebhookError, R>
  /**
   * Emits each event from now on, before its handler runs: a message that is released and delivered again is emitted again. A
   * consumer that is more than `WebhooksOptions.buffer` events behind loses the oldest. Ends with the layer.
   */
  readonly events: Stream.Stream<VideoEvent>
  /** `events` as a queue, which receives each event from the moment on that this Effect succeeds. */
  readonly subscribe: Effect.Effect<Queue.Dequeue<VideoEvent>, never, Scope.Scope>
}

/**
 * Options of `Webhooks.layer`: how deliveries are verified, deduplicated and published.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebhooksOptions<E = never, R = never> extends WebhookVerifyOptions {
  /** How many events are kept for each consumer of `events`. Default: 256. */
  readonly buffer?: number | undefined
  /**
   * Makes the replay store, once for each layer; what it requires, the layer requires. Default: `memoryReplayStore()`, which is for a
   * single process: processes that receive the same deliveries need a store that they share.
   */
  readonly replayStore?: Effect.Effect<WebhookReplayStore, E, R> | undefined
}

/** @internal */
export const makeWebhooks = <E, R>(
  options: WebhooksOptions<E, R>
): Effect.Effect<WebhooksService, ConfigError.ConfigError | E, R | Scope.Scope> =>
  Effect.gen(function* () {
    yield* checkConfig(options, { buffer: finiteCount })
    const verify = yield* makeVerifier(options)
    const store = yield* options.replayStore ?? memoryReplayStore()
    const events = yield* Effect.acquireRelease(PubSub.sliding<VideoEvent>(options.buffer ?? 256), PubSub.shutdown)

    const handle: WebhooksService["handle"] = (request, handler) =>
      verify(request).pipe(
        Effect.flatMap((message) => {
          const { event, messageId } = message
          const token = randomId()
          const claim = Effect.flatMap(store.claim(messageId, token), (reason) =>
            reason === "claimed" ? Effect.void : new WebhookReplayError({ reason, messageId, eventId: event.id })
          )
          return Effect.acquireUseRelease(
            claim,
            () => Effect.zipRight(PubSub.publish(events, event), handler(event, message)),
            // The handler has run: a store that fails now must not make the delivery fail.
            (_, exit) =>
              Effect.catchAll(
                Exit.isSuccess(exit) ? store.complete(messageId, token) : store.release(messageId, token),
                (error) => Effect.logWarning(error.message)
              )
          )
        }),
        (self) => withSpan(self, "Webhooks.handle", () => ({}))
      )
    const receive = (request: WebhookRequest) => handle(request, Effect.succeed)
    return { verify, receive, handle, events: Stream.fromPubSub(events), subscribe: PubSub.subscribe(events) }
  })
