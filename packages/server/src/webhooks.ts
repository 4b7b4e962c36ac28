/**
 * Webhooks: when a job ends, the server sends an event that is signed by Standard Webhooks. Only webhooks need a timer for
 * each job.
 */
import { createHmac } from "node:crypto"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { checkWebhookSecret } from "effect-videos/Webhook"
import type { Job } from "./Jobs.js"
import { randomId } from "./randomId.js"
import { revealed } from "./secret.js"

/**
 * The receiver did not accept an event.
 *
 * @since 0.1.0
 * @category errors
 */
export class DeliveryError extends Data.TaggedError("DeliveryError")<{
  /** HTTP status outside 2xx (the server follows no redirect); `null` without a response within 30 seconds. */
  readonly status: number | null
}> {}

/**
 * Receiver of the server's events.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebhookOptions {
  /** An `http` or `https` URL. */
  readonly url: string
  /** `whsec_` and base64, or any other text, whose UTF-8 bytes are the key. */
  readonly secret: string | Redacted.Redacted
  /**
   * Schedule of retries after a status outside 2xx, or without a response. Each retry has the same `webhook-id`, and a new
   * timestamp and signature. Retries end with the schedule, or when the server stops. Default: `deliverySchedule`.
   */
  readonly retry?: Schedule.Schedule<unknown, DeliveryError> | undefined
  /** Client that sends the events. Default: `fetch`, which follows no redirect. */
  readonly client?: HttpClient.HttpClient | undefined
}

/**
 * Eight retries, after about 1, 2, 4 ... 128 seconds, with 20 % jitter: a little over four minutes in total.
 *
 * @since 0.1.0
 * @category constructors
 */
export const deliverySchedule: Schedule.Schedule<unknown> = Schedule.exponential("1 second", 2).pipe(
  Schedule.jittered,
  Schedule.intersect(Schedule.recurs(8))
)

/** Sends the event of a new job when the job ends, unless `exists` returns `false` by then. */
export type JobNotifier = (job: Job, exists: Effect.Effect<boolean>) => Effect.Effect<void>

/** Makes a notifier whose fibers wait for the ends of jobs until the scope closes. */
export const makeJobNotifier = (
  webhook: WebhookOptions | Effect.Effect<WebhookOptions> | undefined
): Effect.Effect<JobNotifier, never, Scope.Scope> => {
  if (webhook === undefined) return Effect.succeed(() => Effect.void)
  return Effect.gen(function* () {
    const scope = yield* Effect.scope
    const options = Effect.isEffect(webhook) ? webhook : yield* Effect.as(check(webhook), Effect.succeed(webhook))
    const fetchClient = yield* defaultClient
    // Limits the concurrent requests when many jobs end at the same time.
    const permits = yield* Effect.makeSemaphore(32)
    return (job, exists) =>
      Effect.gen(function* () {
        yield* Effect.sleep(job.endsAt - (yield* Clock.currentTimeMillis))
        if (!(yield* exists)) return
        const current = yield* Effect.tap(options, check)
        yield* deliver(job, current, current.client ?? fetchClient, permits)
      }).pipe(
        Effect.tapErrorCause((cause) => Effect.logError(`webhook: the event of video ${job.id} was not sent`, cause)),
        Effect.interruptible,
        Effect.forkIn(scope),
        Effect.asVoid
      )
  })
}

// internal

const deliveryTimeout = "30 seconds"

const defaultClient: Effect.Effect<HttpClient.HttpClient> = Effect.provide(
  HttpClient.HttpClient,
  FetchHttpClient.layer.pipe(Layer.provide(Layer.succeed(FetchHttpClient.RequestInit, { redirect: "manual" })))
)

/** Dies if the secret or the URL is invalid. The message never contains the secret. */
const check = ({ secret, url }: WebhookOptions): Effect.Effect<void> => {
  const problem = checkWebhookSecret(revealed(secret))
  if (problem !== null) return Effect.dieMessage(`webhook: the secret ${problem}`)
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
    ? Effect.void
    : Effect.dieMessage("webhook: the url must be an http(s) URL")
}

/**
 * Signs a text with Node's synchronous HMAC. A promise of WebCrypto would let a test clock pass the timestamp that is signed.
 */
const sign = (secret: string | Redacted.Redacted, text: string): string => {
  const value = revealed(secret)
  const key = value.startsWith("whsec_") ? Buffer.from(value.slice("whsec_".length), "base64") : value
  return `v1,${createHmac("sha256", key).update(text).digest("base64")}`
}

const deliver = (
  job: Job,
  { retry = deliverySchedule, secret, url }: WebhookOptions,
  client: HttpClient.HttpClient,
  permits: Effect.Semaphore
): Effect.Effect<void> => {
  const id = `wh_${randomId()}`
  const body = JSON.stringify({
    id: `evt_${randomId()}`,
    object: "event",
    created_at: Math.floor(job.endsAt / 1000),
    type: job.fault === null ? "video.completed" : "video.failed",
    data: { id: job.id }
  })
  const attempt = Effect.gen(function* () {
    const timestamp = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const signature = sign(secret, `${id}.${timestamp}.${body}`)
    const { status, stream } = yield* client
      .execute(
        HttpClientRequest.post(url).pipe(
          HttpClientRequest.setHeaders({
            "webhook-id": id,
            "webhook-timestamp": String(timestamp),
            "webhook-signature": signature
          }),
          HttpClientRequest.bodyText(body, "application/json")
        )
      )
      .pipe(Effect.mapError(() => new DeliveryError({ status: null })))
    // Reads the body only to release the connection.
    yield* Effect.ignore(Stream.runDrain(Stream.take(stream, 1)))
    if (status < 200 || status > 299) return yield* new DeliveryError({ status })
  }).pipe(Effect.timeoutFail({ duration: deliveryTimeout, onTimeout: () => new DeliveryError({ status: null }) }))
  return permits
    .withPermits(1)(attempt)
    .pipe(
      Effect.retry(retry),
      Effect.catchAll(({ status }) =>
        Effect.logWarning(
          `webhook: the event of video ${job.id} was not delivered (${status === null ? "no response" : `HTTP ${status}`})`
        )
      )
    )
}
