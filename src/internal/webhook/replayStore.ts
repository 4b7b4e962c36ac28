/** Remembers which messages were handled: in memory, or in a database that several processes share. */
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as rules from "../config/optionRules.js"
import type { WebhookStoreError } from "../errors/webhookErrors.js"
import { currentMonotonicMillis } from "../monotonicClock.js"

/**
 * The message of a claim is the caller's (`claimed`), being handled by another delivery (`busy`), or handled (`seen`).
 *
 * @since 0.1.0
 * @category models
 */
export type WebhookClaim = "claimed" | "busy" | "seen"

/**
 * Remembers which messages were handled, so that each is handled once. `memoryReplayStore` is for a single process; several need one
 * on a database that they share. `messageId` is the `webhook-id` of a delivery; `token` identifies one claim. A store must keep three
 * rules:
 *
 * - `claim` is atomic: of concurrent claims of one message, in any number of processes, exactly one is `claimed`.
 * - A claim expires after a lease, because its process may be killed: by the database's clock, and longer than any handler takes.
 * - `release` compares the token, because the lease may have expired and another hold the claim. `complete` does not.
 *
 * @example
 * import { Effect } from "effect"
 * import { type WebhookReplayStore, WebhookStoreError } from "effect-videos"
 *
 * // Redis 7 or later, by any client. In SQL, `claim` is one `INSERT … ON CONFLICT (id) DO UPDATE … WHERE lease_until < now()`.
 * const replayStore = (redis: (command: ReadonlyArray<string>) => Promise<string | number | null>): WebhookReplayStore => {
 *   const send = (...command: ReadonlyArray<string>) =>
 *     Effect.tryPromise({
 *       try: () => redis(command),
 *       catch: (cause) => new WebhookStoreError({ detail: String(cause), cause })
 *     })
 *   const lease = String(5 * 60_000)
 *   const timeToLive = String(72 * 3_600_000)
 *   const releaseScript = `if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end`
 *   return {
 *     claim: (id, token) =>
 *       Effect.map(send("SET", `webhook:${id}`, token, "NX", "GET", "PX", lease), (before) =>
 *         before === null || before === token ? "claimed" : before === "done" ? "seen" : "busy"
 *       ),
 *     complete: (id) => send("SET", `webhook:${id}`, "done", "PX", timeToLive),
 *     release: (id, token) => send("EVAL", releaseScript, "1", `webhook:${id}`, token)
 *   }
 * }
 *
 * @since 0.1.0
 * @category models
 */
export interface WebhookReplayStore {
  /** Claims a message before it is handled. A token that repeats its claim is `claimed` again. */
  readonly claim: (messageId: string, token: string) => Effect.Effect<WebhookClaim, WebhookStoreError>
  /** The message was handled: each later claim is `seen`, even if the lease of this one has expired. */
  readonly complete: (messageId: string, token: string) => Effect.Effect<unknown, WebhookStoreError>
  /** The message was not handled: the next claim is `claimed`. Does nothing if another token holds the claim by now. */
  readonly release: (messageId: string, token: string) => Effect.Effect<unknown, WebhookStoreError>
}

/**
 * Options of `memoryReplayStore`.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemoryReplayOptions {
  /** More messages than arrive within twice the tolerance, or the oldest could be replayed. Default: 10,000. */
  readonly capacity?: number | undefined
  /**
   * How long a handled message is remembered: twice the tolerance against replays, and as long as the sender repeats a delivery whose
   * acknowledgement was lost. Default: 72 hours, as long as OpenAI does.
   */
  readonly ttl?: Duration.DurationInput | undefined
  /** How long a claim lasts without `complete` or `release`: longer than any handler takes. Default: 5 minutes. */
  readonly lease?: Duration.DurationInput | undefined
}

/**
 * A replay store of bounded size in the memory of this process: the default of `Webhooks.layer`. It is not shared with other
 * processes and does not survive a restart.
 *
 * @example
 * import { Redacted } from "effect"
 * import { memoryReplayStore, Webhooks } from "effect-videos"
 *
 * const live = Webhooks.layer({
 *   secrets: Redacted.make("a secret"),
 *   replayStore: memoryReplayStore({ capacity: 1_000, lease: "1 hour" })
 * })
 *
 * @since 0.1.0
 * @category constructors
 */
export const memoryReplayStore = (
  options: MemoryReplayOptions = {}
): Effect.Effect<WebhookReplayStore, ConfigError.ConfigError> =>
  Effect.map(rules.checkConfig(options, { capacity: rules.count, ttl: rules.timeout, lease: rules.timeout }), () => {
    const capacity = options.capacity ?? 10_000
    const ttl = Duration.toMillis(options.ttl ?? "72 hours")
    const lease = Duration.toMillis(options.lease ?? "5 minutes")
    // `token` is `null` once the message was handled. A `Map` keeps the order of insertion: the oldest is the first.
    const entries = new Map<string, { readonly token: string | null; readonly until: number }>()

    const put = (id: string, token: string | null, now: number): void => {
      entries.delete(id)
      for (const [oldest, { until }] of entries) {
        if (until > now) break
        entries.delete(oldest)
      }
      // A handled message is dropped before one that is being handled.
      if (entries.size >= capacity) {
        let [victim = ""] = entries.keys()
        for (const [handled, entry] of entries) {
          if (entry.token !== null) continue
          victim = handled
          break
        }
        entries.delete(victim)
      }
      entries.set(id, { token, until: now + (token === null ? ttl : lease) })
    }

    return {
      claim: (id, token) =>
        Effect.map(currentMonotonicMillis, (now) => {
          const entry = entries.get(id)
          if (entry !== undefined && entry.until > now && entry.token !== token) {
            return entry.token === null ? "seen" : "busy"
          }
          put(id, token, now)
          return "claimed"
        }),
      complete: (id) => Effect.map(currentMonotonicMillis, (now) => put(id, null, now)),
      release: (id, token) =>
        Effect.sync(() => {
          if (entries.get(id)?.token === token) entries.delete(id)
        })
    }
  })
