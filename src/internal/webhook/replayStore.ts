/** Which messages were taken already: in memory, or in a database that several processes share. */
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as rules from "../config/optionRules.js"
import type { WebhookStoreError } from "../errors/webhookErrors.js"
import { currentMonotonicMillis } from "../monotonicClock.js"

/**
 * What became of a claim: `claimed`, now the caller's; `busy`, claimed by another delivery that is not done; `seen`, done.
 *
 * @since 0.1.0
 * @category models
 */
export type WebhookClaim = "claimed" | "busy" | "seen"

/**
 * Remembers which messages were taken, so that each is handled once. `memoryReplayStore` is the one for a single process;
 * several processes share a store of your own, on a database.
 *
 * `messageId` is a `webhook-id`; only those of genuine deliveries come here. `token` names one claim, and is another one for
 * each delivery. Three rules make the promise:
 *
 * - `claim` is atomic: of any number of claims at once, in any number of processes, one is `claimed`.
 * - A claim ends by itself after a lease, for the process that was killed. The lease must be longer than any handler takes:
 *   when it has run out, a second delivery is `claimed` while the first is still being handled. Use the database's own clock.
 * - `release` compares the token: a handler whose lease has run out must not give back the claim of another, nor its result.
 *   `complete` needs no comparison, because a message that any handler has handled is handled.
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
  /** Takes a message before it is handled, unless it is taken. The same token again has its claim again. */
  readonly claim: (messageId: string, token: string) => Effect.Effect<WebhookClaim, WebhookStoreError>
  /** The message was handled: every claim from now on is `seen`, also if the caller's own had run out. */
  readonly complete: (messageId: string, token: string) => Effect.Effect<unknown, WebhookStoreError>
  /** The message was not handled: the next claim takes it, unless the claim of this token is over. */
  readonly release: (messageId: string, token: string) => Effect.Effect<unknown, WebhookStoreError>
}

/**
 * How much to remember, and for how long.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemoryReplayOptions {
  /**
   * How many messages; the oldest that were handled go first. More than come in twice the tolerance, or the oldest of them
   * could be replayed. Default: 10,000.
   */
  readonly capacity?: number | undefined
  /**
   * For how long a message that was handled. Twice the tolerance is what protection needs; longer ones spare a message
   * whose acknowledgement was lost from being handled again. Default: 72 hours, for which OpenAI delivers again.
   */
  readonly ttl?: Duration.DurationInput | undefined
  /**
   * For how long a message that is being handled. Then a claim is taken for abandoned, so that this must be longer than any
   * handler takes. Default: 5 minutes.
   */
  readonly lease?: Duration.DurationInput | undefined
}

/**
 * A replay store in this process's memory, of bounded size: what `Webhooks.layer` uses by default. Another process, and the
 * next run of this one, know nothing of it.
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
    // Without a token once the message was handled. A `Map` keeps the order of insertion: the oldest is the first.
    const entries = new Map<string, { readonly token: string | null; readonly until: number }>()

    const put = (id: string, token: string | null, now: number): void => {
      entries.delete(id)
      for (const [oldest, { until }] of entries) {
        if (until > now) break
        entries.delete(oldest)
      }
      // A message that was handled goes before one that is being handled.
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
