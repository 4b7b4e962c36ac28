import { KeyValueStore, Error as PlatformError } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import {
  Chunk,
  type ConfigError,
  ConfigProvider,
  Context,
  Deferred,
  Effect,
  Either,
  Fiber,
  Layer,
  Queue,
  Redacted,
  Ref,
  Stream,
  TestClock
} from "effect"
import {
  handleWebhook,
  receiveWebhook,
  WebhookReplayError,
  type WebhookReplayOptions,
  WebhookReplayStore,
  Webhooks
} from "effect-videos/Webhook"
import { body, event, now, secret, signed } from "./support/webhook.js"

/** Signed at the test's own time, as every delivery of a message is. */
const delivery = (id = "msg_1") =>
  Effect.gen(function* () {
    const millis = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    return { headers: yield* signed({ id, timestamp: millis / 1000 }), body }
  })

const receive = (id?: string) => Effect.flatMap(delivery(id), receiveWebhook)

/** How a delivery ends, in a word. */
const outcome = (id?: string) =>
  receive(id).pipe(
    Effect.match({
      onFailure: (error) => ("reason" in error ? error.reason : error._tag),
      onSuccess: () => "taken"
    })
  )

const live = Webhooks.layer({ secrets: Redacted.make(secret) })

const within = (options: WebhookReplayOptions) => Layer.provide(live, WebhookReplayStore.layerMemory(options))

const atNow = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.zipRight(TestClock.setTime(now * 1000), self)

describe("a message", () => {
  it.effect("is taken once, however often and whenever it is delivered", () =>
    Effect.gen(function* () {
      expect((yield* receive()).videoId).toBe("video_1")
      const first = yield* Effect.flip(receive())
      expect(first).toBeInstanceOf(WebhookReplayError)
      expect(first).toMatchObject({ reason: "seen", messageId: "msg_1", eventId: "evt_1", isTransient: false })
      yield* TestClock.adjust("10 hours")
      expect(yield* outcome()).toBe("seen")
      expect(yield* outcome("msg_2")).toBe("taken")
    }).pipe(atNow, Effect.provide(live))
  )

  it.effect("passes `verify` as often as it comes, and is not used up by it", () =>
    Effect.gen(function* () {
      const { verify } = yield* Webhooks
      const request = yield* delivery()
      expect((yield* verify(request)).messageId).toBe("msg_1")
      expect((yield* verify(request)).messageId).toBe("msg_1")
      expect(yield* outcome()).toBe("taken")
    }).pipe(atNow, Effect.provide(live))
  )

  it.effect("that is forged or no event uses up nothing", () =>
    Effect.gen(function* () {
      const { headers } = yield* delivery()
      expect(yield* Effect.flip(receiveWebhook({ headers, body: `${body} ` }))).toMatchObject({ reason: "mismatch" })
      const bare = yield* signed({ body: "{}" })
      expect(yield* Effect.flip(receiveWebhook({ headers: bare, body: "{}" }))).toMatchObject({ reason: "shape" })
      expect(yield* outcome()).toBe("taken")
    }).pipe(atNow, Effect.provide(live))
  )

  it.effect.each([
    ["failed", Effect.fail("no")],
    ["died", Effect.die("no")],
    ["was interrupted", Effect.interrupt]
  ] as const)("whose handler %s is taken when it is delivered again", ([, ending]) =>
    Effect.gen(function* () {
      const failed = yield* Effect.exit(handleWebhook(yield* delivery(), () => ending))
      expect(failed._tag).toBe("Failure")
      expect(yield* handleWebhook(yield* delivery(), (taken) => Effect.succeed(taken.id))).toBe("evt_1")
      expect(yield* outcome()).toBe("seen")
    }).pipe(atNow, Effect.provide(live))
  )

  it.effect("whose handler is interrupted from outside is taken when it is delivered again", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const request = yield* delivery()
      const fiber = yield* Effect.fork(
        handleWebhook(request, () => Effect.zipRight(Deferred.succeed(started, undefined), Effect.never))
      )
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      expect(yield* outcome()).toBe("taken")
    }).pipe(atNow, Effect.provide(live))
  )

  it.effect("that is being handled is busy: neither handled twice nor taken for handled", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const end = yield* Deferred.make<void, string>()
      const request = yield* delivery()
      const slow = () => Effect.zipRight(Deferred.succeed(started, undefined), Deferred.await(end))
      const fiber = yield* Effect.fork(handleWebhook(request, slow))
      yield* Deferred.await(started)
      expect(yield* Effect.flip(receiveWebhook(request))).toMatchObject({ reason: "busy", isTransient: true })
      yield* Deferred.fail(end, "no")
      expect(yield* Effect.flip(Fiber.join(fiber))).toBe("no")
      expect(yield* outcome()).toBe("taken")
    }).pipe(atNow, Effect.provide(live))
  )

  it.effect("is handled once by fifty deliveries at once", () =>
    Effect.gen(function* () {
      const runs = yield* Ref.make(0)
      const request = yield* delivery()
      const handled = handleWebhook(request, () =>
        Effect.zipRight(
          Effect.yieldNow(),
          Ref.update(runs, (n) => n + 1)
        )
      )
      const results = yield* Effect.all(
        Array.from({ length: 50 }, () => Effect.either(handled)),
        {
          concurrency: "unbounded"
        }
      )
      expect(yield* Ref.get(runs)).toBe(1)
      expect(results.filter(Either.isRight)).toHaveLength(1)
    }).pipe(atNow, Effect.provide(live))
  )
})

const stores: ReadonlyArray<
  readonly [string, (options: WebhookReplayOptions) => Layer.Layer<WebhookReplayStore, ConfigError.ConfigError>]
> = [
  ["memory", WebhookReplayStore.layerMemory],
  [
    "a KeyValueStore",
    (options) => Layer.provide(WebhookReplayStore.layerKeyValueStore(options), KeyValueStore.layerMemory)
  ]
]

describe.each(stores)("the store in %s", (name, layer) => {
  it.effect("remembers a message for the time to live, and a claim for the lease", () =>
    Effect.gen(function* () {
      const { claim, complete, release } = yield* WebhookReplayStore
      expect(yield* claim("a")).toBe("claimed")
      expect(yield* claim("a")).toBe("busy")
      yield* TestClock.adjust("59 seconds")
      expect(yield* claim("a")).toBe("busy")
      yield* TestClock.adjust("1 second")
      expect(yield* claim("a")).toBe("claimed")
      yield* complete("a")
      expect(yield* claim("a")).toBe("seen")
      yield* TestClock.adjust("59 minutes")
      expect(yield* claim("a")).toBe("seen")
      yield* TestClock.adjust("1 minute")
      expect(yield* claim("a")).toBe("claimed")
      yield* release("a")
      expect(yield* claim("a")).toBe("claimed")
    }).pipe(Effect.provide(layer({ ttl: "1 hour", lease: "1 minute" })))
  )

  it.effect("keeps messages apart, whatever their ids hold", () =>
    Effect.gen(function* () {
      const { claim, complete } = yield* WebhookReplayStore
      const ids = ["a", "A", "__proto__", "constructor", "../..", "ключ", "\u0000", `${"x".repeat(5000)}`]
      for (const id of ids) {
        expect(yield* claim(id)).toBe("claimed")
        yield* complete(id)
      }
      for (const id of ids) expect(yield* claim(id)).toBe("seen")
    }).pipe(Effect.provide(layer({})))
  )

  it.effect("forgets the oldest beyond its capacity", () =>
    Effect.gen(function* () {
      const { claim, complete } = yield* WebhookReplayStore
      const ids = Array.from({ length: 3000 }, (_, index) => `msg_${index}`)
      yield* Effect.forEach(ids, (id) => Effect.zipRight(claim(id), complete(id)))
      expect(yield* claim("msg_0")).toBe("claimed")
      expect(yield* claim("msg_2999")).toBe("seen")
      if (name === "memory") {
        // One went out when `msg_0` came in again.
        expect(yield* claim("msg_2489")).toBe("seen")
        expect(yield* claim("msg_2488")).toBe("claimed")
      }
    }).pipe(Effect.provide(layer({ capacity: 512 })))
  )
})

describe("a KeyValueStore", () => {
  const shared = Layer.provide(live, WebhookReplayStore.layerKeyValueStore())

  it.effect("stops a message that another process took", () =>
    Effect.gen(function* () {
      expect(yield* Effect.provide(outcome(), Layer.fresh(shared))).toBe("taken")
      expect(yield* Effect.provide(outcome(), Layer.fresh(shared))).toBe("seen")
    }).pipe(atNow, Effect.provide(KeyValueStore.layerMemory))
  )

  it.effect("holds a bounded number of keys and of entries, and survives what others wrote to it", () =>
    Effect.gen(function* () {
      const store = yield* KeyValueStore.KeyValueStore
      const { claim, complete } = yield* Effect.provide(
        WebhookReplayStore,
        WebhookReplayStore.layerKeyValueStore({ capacity: 256, ttl: "1 minute" })
      )
      for (let index = 0; index < 256; index++)
        yield* store.set(`webhook-replay-${index}`, index % 2 ? "junk" : "[[1]]")
      for (let index = 0; index < 2000; index++) {
        expect(yield* claim(`msg_${index}`)).toBe("claimed")
        yield* complete(`msg_${index}`)
      }
      expect(yield* store.size).toBe(256)
      const texts = yield* Effect.forEach(Array.from({ length: 256 }), (_, index) =>
        store.get(`webhook-replay-${index}`)
      )
      const entries = texts.flatMap(
        (text): ReadonlyArray<unknown> => (text._tag === "Some" && text.value !== "junk" ? JSON.parse(text.value) : [])
      )
      expect(entries.length).toBeLessThanOrEqual(256)
    }).pipe(Effect.provide(KeyValueStore.layerMemory))
  )

  const down = new PlatformError.SystemError({ reason: "Unknown", module: "KeyValueStore", method: "any" })
  const failing = (method: "get" | "set", after: number) => {
    let calls = 0
    const gate = <A>(name: "get" | "set", self: Effect.Effect<A, PlatformError.PlatformError>) =>
      Effect.suspend(() => (name === method && calls++ >= after ? Effect.fail(down) : self))
    const kept = Effect.map(KeyValueStore.KeyValueStore, (store) => ({
      ...store,
      get: (key: string) => gate("get", store.get(key)),
      set: (key: string, value: string | Uint8Array) => gate("set", store.set(key, value))
    }))
    return Layer.effect(KeyValueStore.KeyValueStore, kept).pipe(Layer.provide(KeyValueStore.layerMemory))
  }

  it.effect("that does not answer stops the message before it is handled", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(handleWebhook(yield* delivery(), () => Effect.die("handled")))
      expect(error).toMatchObject({ _tag: "WebhookStoreError", isTransient: true })
    }).pipe(atNow, Effect.provide(Layer.provide(shared, failing("get", 0))))
  )

  it.effect("that fails after the message was handled changes nothing about that", () =>
    Effect.gen(function* () {
      expect(yield* handleWebhook(yield* delivery(), () => Effect.succeed("handled"))).toBe("handled")
    }).pipe(atNow, Effect.provide(Layer.provide(shared, failing("set", 1))))
  )
})

describe("the layer", () => {
  it.effect("has a memory of its own", () =>
    Effect.gen(function* () {
      expect(yield* Effect.provide(outcome(), live)).toBe("taken")
      expect(yield* Effect.provide(outcome(), live)).toBe("taken")
    }).pipe(atNow)
  )

  it.effect("uses the store that it is given", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const store = Layer.succeed(WebhookReplayStore, {
        claim: (id) =>
          Effect.as(
            Effect.sync(() => asked.push(`claim ${id}`)),
            "claimed"
          ),
        complete: (id) => Effect.sync(() => void asked.push(`complete ${id}`)),
        release: (id) => Effect.sync(() => void asked.push(`release ${id}`))
      })
      yield* Effect.gen(function* () {
        yield* receive("msg_1")
        yield* Effect.flip(handleWebhook(yield* delivery("msg_2"), () => Effect.fail("no")))
      }).pipe(Effect.provide(Layer.provide(live, store)))
      expect(asked).toEqual(["claim msg_1", "complete msg_1", "claim msg_2", "release msg_2"])
    }).pipe(atNow)
  )

  it.effect("forgets by the options of its store", () =>
    Effect.gen(function* () {
      expect([yield* outcome("a"), yield* outcome("b"), yield* outcome("a")]).toEqual(["taken", "taken", "taken"])
    }).pipe(atNow, Effect.provide(within({ capacity: 1 })))
  )
})

describe("events", () => {
  it.effect("reach every reader, before the handler runs, and only those of genuine messages", () =>
    Effect.gen(function* () {
      const { subscribe } = yield* Webhooks
      const [first, second] = [yield* subscribe, yield* subscribe]
      yield* Effect.flip(receiveWebhook({ headers: {}, body }))
      const seen = yield* handleWebhook(yield* delivery(), () => Queue.size(first))
      yield* Effect.flip(receive())
      yield* receive("msg_2")
      expect(seen).toBe(1)
      for (const reader of [first, second]) {
        expect(Chunk.toReadonlyArray(yield* Queue.takeAll(reader)).map(({ id }) => id)).toEqual(["evt_1", "evt_1"])
      }
    }).pipe(atNow, Effect.scoped, Effect.provide(live))
  )

  it.effect("of a slow reader are the newest, and nobody waits for it", () =>
    Effect.gen(function* () {
      const { receive: take, subscribe } = yield* Webhooks
      const slow = yield* subscribe
      for (const id of ["evt_1", "evt_2", "evt_3"]) {
        const sent = JSON.stringify({ ...event, id })
        yield* take({ headers: yield* signed({ id, body: sent }), body: sent })
      }
      expect(Chunk.toReadonlyArray(yield* Queue.takeAll(slow)).map(({ id }) => id)).toEqual(["evt_2", "evt_3"])
    }).pipe(atNow, Effect.scoped, Effect.provide(Webhooks.layer({ secrets: Redacted.make(secret), buffer: 2 })))
  )

  it.effect("end with the layer", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.gen(function* () {
        const { events } = yield* Webhooks
        const running = yield* Effect.forkDaemon(Stream.runCollect(events))
        // Until it has subscribed.
        yield* Effect.yieldNow()
        for (let index = 0; index < 20; index++) yield* Effect.yieldNow()
        yield* receive()
        return running
      }).pipe(Effect.provide(live))
      expect(Chunk.toReadonlyArray(yield* Fiber.join(fiber)).map(({ videoId }) => videoId)).toEqual(["video_1"])
    }).pipe(atNow)
  )
})

describe("layerConfig", () => {
  const build = (value: string | undefined) =>
    Effect.scoped(Layer.build(Webhooks.layerConfig)).pipe(
      Effect.map(Context.get(Webhooks)),
      Effect.withConfigProvider(
        ConfigProvider.fromMap(new Map(value === undefined ? [] : [["OPENAI_WEBHOOK_SECRET", value]]))
      )
    )

  it.effect("reads one secret, or several with commas between", () =>
    Effect.gen(function* () {
      const request = { headers: yield* signed({}), body }
      expect((yield* (yield* build(secret)).verify(request)).secretIndex).toBe(0)
      expect((yield* (yield* build(`whsec_bmV3, ${secret}`)).verify(request)).secretIndex).toBe(1)
    }).pipe(atNow)
  )

  it.effect.each([
    [undefined, "OPENAI_WEBHOOK_SECRET"],
    ["", "must not be empty"],
    [`${secret},`, "must not be empty"],
    ["whsec_zzz", "must be base64 after `whsec_`"],
    [`${secret},whsec_zzz zzz`, "must be base64 after `whsec_`"],
    ["zzz\nzzz", "line break"]
  ] as const)("names the variable and shows no secret for %j", ([value, problem]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(build(value))
      for (const text of [String(error), JSON.stringify(error)]) {
        expect(text).toContain("OPENAI_WEBHOOK_SECRET")
        expect(text).toContain(problem)
        expect(text).not.toContain("zzz")
        expect(text).not.toContain(secret.slice(6))
      }
    })
  )
})
