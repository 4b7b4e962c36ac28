/**
 * Push events: when a job ends, its end is told to an address, signed as Standard Webhooks are. The only thing in this
 * server that has a timer per job.
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
 * Why an event did not arrive.
 *
 * @since 0.1.0
 * @category errors
 */
export class DeliveryError extends Data.TaggedError("DeliveryError")<{
  /** The HTTP status that was not 2xx (redirects are not followed); `null` where there was no answer in 30 seconds. */
  readonly status: number | null
}> {}

/**
 * Where the events of a server go.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebhookOptions {
  /** `http` or `https`. */
  readonly url: string
  /** `whsec_` and base64, or any other text, which is taken as UTF-8. */
  readonly secret: string | Redacted.Redacted
  /**
   * When to try again after an answer that is not 2xx, or none. The message keeps its `webhook-id`; time and signature
   * are new on every try. Default: `deliverySchedule`. Tries end with the schedule, or with the server.
   */
  readonly retry?: Schedule.Schedule<unknown, DeliveryError> | undefined
  /** What sends the events. Default: `fetch`, which follows no redirect. */
  readonly client?: HttpClient.HttpClient | undefined
}

/**
 * Eight more tries, after about 1, 2, 4 ... 128 seconds, each wait 20 % longer or shorter by chance: a little over four
 * minutes in all.
 *
 * @since 0.1.0
 * @category constructors
 */
export const deliverySchedule: Schedule.Schedule<unknown> = Schedule.exponential("1 second", 2).pipe(
  Schedule.jittered,
  Schedule.intersect(Schedule.recurs(8))
)

/** Told of a job as it is made; `isThere` says whether it was deleted meanwhile. */
export type Announce = (job: Job, isThere: Effect.Effect<boolean>) => Effect.Effect<void>

/** Fibers that wait for the ends of jobs live in the scope. */
export const makeAnnounce = (
  webhook: WebhookOptions | Effect.Effect<WebhookOptions> | undefined
): Effect.Effect<Announce, never, Scope.Scope> => {
  if (webhook === undefined) return Effect.succeed(() => Effect.void)
  return Effect.gen(function* () {
    const scope = yield* Effect.scope
    const options = Effect.isEffect(webhook) ? webhook : yield* Effect.as(check(webhook), Effect.succeed(webhook))
    const fetchClient = yield* defaultClient
    // Many jobs may end in one moment.
    const permits = yield* Effect.makeSemaphore(32)
    return (job, isThere) =>
      Effect.gen(function* () {
        yield* Effect.sleep(job.endsAt - (yield* Clock.currentTimeMillis))
        if (!(yield* isThere)) return
        const current = yield* Effect.tap(options, check)
        yield* deliver(job, current, current.client ?? fetchClient, permits)
      }).pipe(
        Effect.tapErrorCause((cause) => Effect.logError(`the event about video ${job.id} was not sent`, cause)),
        Effect.interruptible,
        Effect.forkIn(scope),
        Effect.asVoid
      )
  })
}

// internal

const patience = "30 seconds"

const defaultClient: Effect.Effect<HttpClient.HttpClient> = Effect.provide(
  HttpClient.HttpClient,
  FetchHttpClient.layer.pipe(Layer.provide(Layer.succeed(FetchHttpClient.RequestInit, { redirect: "manual" })))
)

/** A mistake of the program's, said before the first event where it can be, and without the secret. */
const check = ({ secret, url }: WebhookOptions): Effect.Effect<void> => {
  const problem = checkWebhookSecret(revealed(secret))
  if (problem !== null) return Effect.dieMessage(`the webhook's secret ${problem}`)
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
    ? Effect.void
    : Effect.dieMessage("the webhook's url must be an http(s) URL")
}

/**
 * By Node's own HMAC, which is done at once: a promise of WebCrypto's would let a test clock run past the moment that is
 * signed.
 */
const signed = (secret: string | Redacted.Redacted, text: string): string => {
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
    const signature = signed(secret, `${id}.${timestamp}.${body}`)
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
    // What the receiver says does not matter; its connection is given back.
    yield* Effect.ignore(Stream.runDrain(Stream.take(stream, 1)))
    if (status < 200 || status > 299) return yield* new DeliveryError({ status })
  }).pipe(Effect.timeoutFail({ duration: patience, onTimeout: () => new DeliveryError({ status: null }) }))
  return permits
    .withPermits(1)(attempt)
    .pipe(
      Effect.retry(retry),
      Effect.catchAll(({ status }) =>
        Effect.logWarning(
          `the event about video ${job.id} was not delivered: ${status === null ? "no answer" : `HTTP ${status}`}`
        )
      )
    )
}
