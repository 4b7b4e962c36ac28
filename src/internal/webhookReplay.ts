/** Which messages were taken already: in memory, or in a key-value store that several processes share. */
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Clock from "effect/Clock"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { currentMonotonicMillis } from "./monotonic.js"
import * as rules from "./options.js"
import { checkConfig } from "./options.js"
import { parseJson } from "./secrets.js"
import { WebhookStoreError } from "./webhookErrors.js"

/**
 * What became of a claim: `claimed`, now the caller's; `busy`, claimed by another who is not done; `seen`, done.
 *
 * @since 0.1.0
 * @category models
 */
export type WebhookClaim = "claimed" | "busy" | "seen"

/**
 * What to remember of the messages that were taken. Ids are `webhook-id`s, and only those of genuine deliveries come
 * here.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebhookReplayStoreService {
  /** Takes a message, before it is handled, unless somebody has it. One of any number of claims at once may win. */
  readonly claim: (messageId: string) => Effect.Effect<WebhookClaim, WebhookStoreError>
  /** A claimed message was handled. */
  readonly complete: (messageId: string) => Effect.Effect<void, WebhookStoreError>
  /** A claimed message was not handled: the next claim takes it. */
  readonly release: (messageId: string) => Effect.Effect<void, WebhookStoreError>
}

/**
 * How much to remember, and for how long.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebhookReplayOptions {
  /**
   * How many messages; the oldest go first. More than come in twice the tolerance, or the oldest of them could be
   * replayed. Default: 10,000 in memory, about 100,000 in a `KeyValueStore`.
   */
  readonly capacity?: number | undefined
  /**
   * For how long a message that was handled. Twice the tolerance is what protection needs; longer ones spare a message
   * whose acknowledgement was lost from being handled again. Default: 72 hours, for which OpenAI delivers again.
   */
  readonly ttl?: Duration.DurationInput | undefined
  /**
   * For how long a message that is being handled. Then a claim is taken for abandoned, as when a process was killed, so
   * that this must be longer than any handler takes. Default: 5 minutes.
   */
  readonly lease?: Duration.DurationInput | undefined
}

/**
 * Where the messages that were taken are remembered. A message is claimed before it is handled, completed after, and
 * released when that failed: whoever claims it in between is told that it is `busy`.
 *
 * A store of one's own, on a database that several processes share, is these three operations; `claim` has to be
 * atomic.
 *
 * @example
 * import { KeyValueStore } from "@effect/platform"
 * import { Layer, Redacted } from "effect"
 * import { Webhooks, WebhookReplayStore } from "effect-videos/Webhook"
 *
 * const live = Webhooks.layer({ secrets: Redacted.make("a secret") }).pipe(
 *   Layer.provide(WebhookReplayStore.layerKeyValueStore({ ttl: "1 hour" })),
 *   Layer.provide(KeyValueStore.layerMemory)
 * )
 *
 * @since 0.1.0
 * @category services
 */
export class WebhookReplayStore extends Context.Tag("effect-videos/WebhookReplayStore")<
  WebhookReplayStore,
  WebhookReplayStoreService
>() {
  /** In this process's memory. What `Webhooks.layer` uses where it is given no store. */
  static readonly layerMemory = (
    options: WebhookReplayOptions = {}
  ): Layer.Layer<WebhookReplayStore, ConfigError.ConfigError> =>
    Layer.effect(
      WebhookReplayStore,
      Effect.suspend(() => makeMemory(options))
    )

  /**
   * In a `KeyValueStore`, under 256 keys that begin with `webhook-replay-`, so that it outlives the process and several
   * may share it. That interface cannot claim atomically: claims of one process never collide, but two processes that
   * claim the same message within the time of one read and one write may both win.
   */
  static readonly layerKeyValueStore = (
    options: WebhookReplayOptions = {}
  ): Layer.Layer<WebhookReplayStore, ConfigError.ConfigError, KeyValueStore.KeyValueStore> =>
    Layer.effect(
      WebhookReplayStore,
      Effect.flatMap(KeyValueStore.KeyValueStore, (store) => makeKeyValue(store, options))
    )
}

// internal

interface Entry {
  /** Handled, or only claimed. */
  readonly done: boolean
  /** Milliseconds: Unix in a store that several processes share, monotonic in memory. */
  readonly until: number
}

type Entries = Map<string, Entry>

interface Limits {
  readonly capacity: number
  /** Milliseconds. */
  readonly ttl: number
  readonly lease: number
}

const limitsOf = (options: WebhookReplayOptions, capacity: number): Effect.Effect<Limits, ConfigError.ConfigError> =>
  Effect.map(checkConfig(options, { capacity: rules.count, ttl: rules.timeout, lease: rules.timeout }), () => ({
    capacity: options.capacity ?? capacity,
    ttl: Duration.toMillis(options.ttl ?? "72 hours"),
    lease: Duration.toMillis(options.lease ?? "5 minutes")
  }))

// A `Map` keeps the order of insertion, so that the oldest is always the first.
const put = (entries: Entries, id: string, entry: Entry, now: number, capacity: number): void => {
  entries.delete(id)
  for (const [oldest, { until }] of entries) {
    if (until > now && entries.size < capacity) break
    entries.delete(oldest)
  }
  entries.set(id, entry)
}

const claim = (entries: Entries, id: string, now: number, { capacity, lease }: Limits): WebhookClaim => {
  const entry = entries.get(id)
  if (entry !== undefined && entry.until > now) return entry.done ? "seen" : "busy"
  put(entries, id, { done: false, until: now + lease }, now, capacity)
  return "claimed"
}

const complete = (entries: Entries, id: string, now: number, { capacity, ttl }: Limits): void =>
  put(entries, id, { done: true, until: now + ttl }, now, capacity)

/** @internal */
export const makeMemory = (
  options: WebhookReplayOptions
): Effect.Effect<WebhookReplayStoreService, ConfigError.ConfigError> =>
  Effect.map(limitsOf(options, 10_000), (limits) => {
    const entries: Entries = new Map()
    return {
      claim: (id) => Effect.map(currentMonotonicMillis, (now) => claim(entries, id, now, limits)),
      complete: (id) => Effect.map(currentMonotonicMillis, (now) => complete(entries, id, now, limits)),
      release: (id) => Effect.sync(() => void entries.delete(id))
    }
  })

/**
 * A store cannot list its keys, so that ids share a fixed number of them: whatever is written there can be cleaned up.
 */
const buckets = 256

/** FNV-1a. Only spreads the ids: they were signed, so that nobody can choose them. */
const bucketOf = (id: string): string => {
  let hash = 0x811c9dc5
  for (let index = 0; index < id.length; index++) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193)
  return `webhook-replay-${(hash >>> 0) % buckets}`
}

const isEntry = (value: unknown): value is readonly [string, 0 | 1, number] =>
  Array.isArray(value) && typeof value[0] === "string" && typeof value[2] === "number"

// What cannot be read is as good as nothing: a store that somebody else wrote to must not stop all events.
const parse = (text: string): Entries => {
  const body = Option.getOrNull(parseJson(text))
  const rows = Array.isArray(body) ? body.filter(isEntry) : []
  return new Map(rows.map(([id, done, until]) => [id, { done: done === 1, until }]))
}

const print = (entries: Entries): string =>
  JSON.stringify(Array.from(entries, ([id, { done, until }]) => [id, done ? 1 : 0, until]))

const makeKeyValue = (
  store: KeyValueStore.KeyValueStore,
  options: WebhookReplayOptions
): Effect.Effect<WebhookReplayStoreService, ConfigError.ConfigError> =>
  Effect.zipWith(Effect.makeSemaphore(1), limitsOf(options, 100_000), (mutex, total) => {
    const limits = { ...total, capacity: Math.ceil(total.capacity / buckets) }
    const change = <A>(id: string, f: (entries: Entries, now: number) => A): Effect.Effect<A, WebhookStoreError> =>
      Effect.gen(function* () {
        const key = bucketOf(id)
        const before = Option.getOrElse(yield* store.get(key), () => "[]")
        const entries = parse(before)
        const result = f(entries, yield* Clock.currentTimeMillis)
        const after = print(entries)
        if (after !== before) yield* store.set(key, after)
        return result
      }).pipe(
        mutex.withPermits(1),
        Effect.mapError((cause) => new WebhookStoreError({ detail: cause.message, cause }))
      )
    return {
      claim: (id) => change(id, (entries, now) => claim(entries, id, now, limits)),
      complete: (id) => change(id, (entries, now) => complete(entries, id, now, limits)),
      release: (id) => change(id, (entries) => void entries.delete(id))
    }
  })
