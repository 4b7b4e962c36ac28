/**
 * Webhooks: the events that a server sends when a job ends, signed by Standard Webhooks. A delivery is verified, deduplicated,
 * decoded and passed to a handler, by an `HttpApp` or by functions for any other framework. Runs where WebCrypto does.
 *
 * @example
 * import { Effect, Layer } from "effect"
 * import { webhookHttpApp, Webhooks } from "effect-videos"
 *
 * // Mount it with `HttpRouter.mountApp("/webhooks", endpoint)`, or make it a `fetch` with `HttpApp.toWebHandler`.
 * const endpoint = webhookHttpApp((event) =>
 *   event._tag === "VideoCompleted" ? Effect.log(`${event.videoId} is done`) : Effect.void
 * )
 *
 * // Reads OPENAI_WEBHOOK_SECRET.
 * const live = Layer.orDie(Webhooks.layerConfig)
 *
 * @since 0.1.0
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as Arr from "effect/Array"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Str from "effect/String"
import { variable } from "./internal/config/environment.js"
import { checkConfig, count, finiteTimeout } from "./internal/config/optionRules.js"
import { hubOf } from "./internal/watch/watchHub.js"
import { schemes, type WebhookScheme } from "./internal/webhook/schemes.js"
import { checkSecret } from "./internal/webhook/signature.js"
import {
  makeVerifier,
  type VerifiedWebhook,
  type WebhookRequest,
  type WebhookVerifyError,
  type WebhookVerifyOptions
} from "./internal/webhook/verifyDelivery.js"
import { makeHttpApp } from "./internal/webhook/webhookEndpoint.js"
import type { VideoEvent } from "./internal/webhook/webhookEvent.js"
import {
  makeWebhooks,
  type WebhookError,
  type WebhooksOptions,
  type WebhooksService
} from "./internal/webhook/webhooksService.js"
import { Videos } from "./Videos.js"

export * from "./internal/errors/webhookErrors.js"
export * from "./internal/webhook/replayStore.js"
export { signWebhook, type WebhookBody } from "./internal/webhook/signature.js"
export type * from "./internal/webhook/verifyDelivery.js"
export * from "./internal/webhook/webhookEvent.js"
export type * from "./internal/webhook/webhooksService.js"
export type { WebhookScheme }

/**
 * Verifies the signature and the time of a delivery, and decodes its event. The same delivery passes again within the tolerance;
 * `Webhooks` deduplicates.
 *
 * Fails with the first that applies: `WebhookSignatureError` for a header that is missing or repeated,
 * `WebhookTimestampError`, `WebhookSignatureError` for the signature itself, `WebhookDecodeError`. A malformed secret
 * is a `ConfigError` that names its index and shows nothing of it.
 *
 * @example
 * import { Effect, Redacted } from "effect"
 * import { verifyWebhook } from "effect-videos"
 *
 * const secrets = Redacted.make("whsec_bXkgc2lnbmluZyBzZWNyZXQ=")
 *
 * // A worker's `fetch`.
 * const fetch = async (request: Request): Promise<Response> => {
 *   const body = await request.text()
 *   return Effect.runPromise(
 *     verifyWebhook({ headers: request.headers, body }, { secrets }).pipe(
 *       Effect.match({
 *         onFailure: () => new Response(null, { status: 401 }),
 *         onSuccess: () => new Response(null, { status: 204 })
 *       })
 *     )
 *   )
 * }
 *
 * @since 0.1.0
 * @category operations
 */
export const verifyWebhook = (
  request: WebhookRequest,
  options: WebhookVerifyOptions
): Effect.Effect<VerifiedWebhook, WebhookVerifyError | ConfigError.ConfigError> =>
  Effect.flatMap(makeVerifier(options), (verifier) => verifier(request))

/**
 * Returns what is wrong with a signing secret, without showing any of it; `null` if `signWebhook` can sign with it.
 *
 * @example
 * import { checkWebhookSecret } from "effect-videos"
 *
 * checkWebhookSecret("whsec_?") // "must be base64 after `whsec_`, padding included"
 *
 * @since 0.1.0
 * @category constructors
 */
export const checkWebhookSecret: (secret: string) => string | null = checkSecret

const variableName = "OPENAI_WEBHOOK_SECRET"

const fromEnvironment = (scheme: WebhookScheme = "standard"): Config.Config<Pick<WebhookVerifyOptions, "secrets">> =>
  variable(variableName, (value) => {
    const secrets = Arr.map(Str.split(value, ","), Str.trim)
    // A scheme that does not exist is refused with the other options.
    const problems = secrets.map((secret) => checkSecret(secret, schemes[scheme]?.hasEncodedKeys))
    const problem = problems.find(Predicate.isNotNull)
    return problem === undefined
      ? { value: { secrets: Arr.map(secrets, (secret) => Redacted.make(secret)) } }
      : { problem }
  }).pipe(
    Config.mapOrFail((options) =>
      Either.fromNullable(options, () =>
        ConfigError.MissingData([variableName], `\`${variableName}\` must be set to the webhook's secret`)
      )
    )
  )

/**
 * Receives webhooks, and handles each message once.
 *
 * @example
 * import { Effect, Layer, Redacted, Stream } from "effect"
 * import { memoryReplayStore, Webhooks } from "effect-videos"
 *
 * const live = Webhooks.layer({
 *   secrets: [Redacted.make("the new secret"), Redacted.make("the old one")],
 *   replayStore: memoryReplayStore({ capacity: 1_000 })
 * })
 *
 * const program = Effect.flatMap(Webhooks, ({ events }) =>
 *   Stream.runForEach(events, (event) => Effect.log(event.type, event.videoId))
 * ).pipe(Effect.provide(Layer.orDie(live)))
 *
 * @since 0.1.0
 * @category services
 */
export class Webhooks extends Context.Tag("effect-videos/Webhooks")<Webhooks, WebhooksService>() {
  /** From values. A malformed secret fails with a `ConfigError` that names its index and shows nothing of it. */
  static readonly layer = <E = never, R = never>(
    options: WebhooksOptions<E, R>
  ): Layer.Layer<Webhooks, ConfigError.ConfigError | E, Exclude<R, Scope.Scope>> =>
    Layer.scoped(
      Webhooks,
      Effect.suspend(() => makeWebhooks(options))
    )

  /**
   * From the environment (any `ConfigProvider`): `OPENAI_WEBHOOK_SECRET`; during a rotation several secrets, separated by commas,
   * the newest first. A plain-text secret with a comma in it needs `layer`.
   */
  static readonly layerConfig: Layer.Layer<Webhooks, ConfigError.ConfigError> = Layer.suspend(() =>
    Webhooks.layerConfigWith({})
  )

  /** `layerConfig` with all options but the secrets. */
  static readonly layerConfigWith = <E = never, R = never>(
    options: Omit<WebhooksOptions<E, R>, "secrets">
  ): Layer.Layer<Webhooks, ConfigError.ConfigError | E, Exclude<R, Scope.Scope>> =>
    Layer.scoped(
      Webhooks,
      Effect.flatMap(fromEnvironment(options.scheme), (secrets) => makeWebhooks({ ...options, ...secrets }))
    )
}

/**
 * Verifies one delivery, marks its message as handled, and returns its event. See `WebhooksService.receive`.
 *
 * @since 0.1.0
 * @category operations
 */
export const receiveWebhook = (request: WebhookRequest): Effect.Effect<VideoEvent, WebhookError, Webhooks> =>
  Effect.flatMap(Webhooks, (webhooks) => webhooks.receive(request))

/**
 * Verifies one delivery and runs the handler with its event, once for each message. See `WebhooksService.handle`.
 *
 * @since 0.1.0
 * @category operations
 */
export const handleWebhook = <A, E, R>(
  request: WebhookRequest,
  handler: (event: VideoEvent, message: VerifiedWebhook) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | WebhookError, R | Webhooks> =>
  Effect.flatMap(Webhooks, (webhooks) => webhooks.handle(request, handler))

/**
 * Wakes the watches of a `Videos` when an event of their job arrives: one poll confirms the job's end, and the watch ends. Until
 * then the watches poll at most once per `safetyNet`, which finds jobs whose event is lost. Both last as long as the layer.
 *
 * An event for a job without a watch is kept for ten minutes. An event that is repeated, early or out of order costs one poll, after
 * which the watch continues by its schedule: it emits only what a poll has returned.
 *
 * @example
 * import { Effect, Layer, Stream } from "effect"
 * import { extendAndWatch, Videos, wakeWatches, Webhooks } from "effect-videos"
 *
 * const live = wakeWatches({ safetyNet: "2 minutes" }).pipe(
 *   Layer.provideMerge(Layer.merge(Videos.layerConfig, Webhooks.layerConfig))
 * )
 *
 * const program = extendAndWatch({ video: "video_1", prompt: "the tide comes in", seconds: 8 }).pipe(
 *   Stream.runLast,
 *   Effect.provide(live)
 * )
 *
 * @since 0.1.0
 * @category watching
 */
export const wakeWatches = (options?: {
  /** The shortest time between two polls of a job without an event. Default: 1 minute. */
  readonly safetyNet?: Duration.DurationInput | undefined
}): Layer.Layer<never, ConfigError.ConfigError, Videos | Webhooks> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      yield* checkConfig(options, { safetyNet: finiteTimeout })
      const hub = hubOf(yield* Videos)
      // The watches of a canned `Videos` cannot be woken.
      if (hub === null) return
      const events = yield* Effect.flatMap(Webhooks, ({ subscribe }) => subscribe)
      yield* hub.pushed(Duration.toMillis(options?.safetyNet ?? "1 minute"))
      const wake = Effect.map(Queue.take(events), ({ videoId }) => {
        if (videoId !== null) hub.announce(videoId)
      })
      yield* Effect.forkScoped(Effect.forever(wake))
    })
  )

/**
 * The endpoint as an `HttpApp`: mount it in any `@effect/platform` server, or convert it to a `fetch` handler with
 * `HttpApp.toWebHandler`. The response is sent after the handler, and senders wait for some seconds only: a slow handler should put
 * its work into a queue.
 *
 * | Status | When |
 * | --- | --- |
 * | 204 | handled, now or before |
 * | 400 | the signature is right and the body is not an event; or the request has no body |
 * | 401 | the signature or its time is wrong; the response does not say which |
 * | 405 | not a POST |
 * | 409 | another delivery of the message is being handled |
 * | 413 | longer than `maxBodySize` |
 * | 500 | the handler failed: logged, and the sender delivers again |
 * | 503 | the replay store failed |
 *
 * @example
 * import { HttpRouter } from "@effect/platform"
 * import { Effect } from "effect"
 * import { webhookHttpApp } from "effect-videos"
 *
 * const router = HttpRouter.empty.pipe(
 *   HttpRouter.mountApp("/webhooks", webhookHttpApp((event) => Effect.log(event.type, event.videoId)))
 * )
 *
 * @since 0.1.0
 * @category operations
 */
export const webhookHttpApp = <E, R>(
  handler: (event: VideoEvent, message: VerifiedWebhook) => Effect.Effect<unknown, E, R>,
  options?: {
    /** In bytes. Default: 256 KiB. An event has some hundred bytes. */
    readonly maxBodySize?: number | undefined
  }
): HttpApp.Default<never, R | Webhooks> =>
  Effect.zipRight(
    Effect.orDie(checkConfig(options, { maxBodySize: count })),
    Effect.flatMap(Webhooks, (webhooks) => makeHttpApp(webhooks, handler, options?.maxBodySize ?? 256 * 1024))
  )
