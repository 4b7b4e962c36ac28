import { describe, expect, expectTypeOf, it } from "@effect/vitest"
import {
  Chunk,
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
  type MemoryReplayOptions,
  memoryReplayStore,
  receiveWebhook,
  WebhookReplayError,
  type WebhookReplayStore,
  WebhookStoreError,
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

const over = <E, R>(replayStore: Effect.Effect<WebhookReplayStore, E, R>) =>
  Webhooks.layer({ secrets: Redacted.make(secret), replayStore })

const within = (options: MemoryReplayOptions) => over(memoryReplayStore(options))

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

  it.effect("leaves no record if it is forged or not an event", () =>
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

  it.effect("is accepted again if its handler was interrupted", () =>
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

  it.effect("is busy while it is handled: neither handled twice nor reported as handled", () =>
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

  it.effect("stays handled if its handler outlives its lease, though the second handler fails", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const end = yield* Deferred.make<void>()
      const slow = () => Effect.zipRight(Deferred.succeed(started, undefined), Deferred.await(end))
      const first = yield* Effect.fork(handleWebhook(yield* delivery(), slow))
      yield* Deferred.await(started)
      yield* TestClock.adjust("5 minutes")
      const second = yield* delivery()
      const failed = yield* Effect.flip(
        handleWebhook(second, () =>
          Effect.zipRight(Deferred.succeed(end, undefined), Effect.zipRight(Fiber.join(first), Effect.fail("no")))
        )
      )
      expect(failed).toBe("no")
      expect(yield* outcome()).toBe("seen")
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

describe("the store in memory", () => {
  const minute = { ttl: "1 hour", lease: "1 minute" } as const

  it.effect("remembers a message for the time to live, and a claim for the lease", () =>
    Effect.gen(function* () {
      const { claim, complete, release } = yield* memoryReplayStore(minute)
      expect(yield* claim("a", "1")).toBe("claimed")
      expect(yield* claim("a", "2")).toBe("busy")
      yield* TestClock.adjust("59 seconds")
      expect(yield* claim("a", "3")).toBe("busy")
      yield* TestClock.adjust("1 second")
      expect(yield* claim("a", "4")).toBe("claimed")
      yield* complete("a", "4")
      expect(yield* claim("a", "5")).toBe("seen")
      yield* TestClock.adjust("59 minutes")
      expect(yield* claim("a", "6")).toBe("seen")
      yield* TestClock.adjust("1 minute")
      expect(yield* claim("a", "7")).toBe("claimed")
      yield* release("a", "7")
      expect(yield* claim("a", "8")).toBe("claimed")
    })
  )

  /** The first claim's lease has run out, and a second handler has the message. */
  const overtaken = Effect.gen(function* () {
    const store = yield* memoryReplayStore(minute)
    expect(yield* store.claim("a", "first")).toBe("claimed")
    yield* TestClock.adjust("1 minute")
    expect(yield* store.claim("a", "second")).toBe("claimed")
    return store
  })

  it.effect("keeps the second claim if the first handler fails after its lease", () =>
    Effect.gen(function* () {
      const { claim, release } = yield* overtaken
      yield* release("a", "first")
      expect(yield* claim("a", "third")).toBe("busy")
    })
  )

  it.effect("keeps the first handler's result if the second fails", () =>
    Effect.gen(function* () {
      const { claim, complete, release } = yield* overtaken
      yield* complete("a", "first")
      expect(yield* claim("a", "third")).toBe("seen")
      yield* release("a", "second")
      expect(yield* claim("a", "third")).toBe("seen")
    })
  )

  it.effect("keeps the second handler's result if the first fails", () =>
    Effect.gen(function* () {
      const { claim, complete, release } = yield* overtaken
      yield* complete("a", "second")
      yield* release("a", "first")
      expect(yield* claim("a", "third")).toBe("seen")
    })
  )

  it.effect("takes the message for handled if both finish", () =>
    Effect.gen(function* () {
      const { claim, complete } = yield* overtaken
      yield* complete("a", "second")
      yield* complete("a", "first")
      expect(yield* claim("a", "third")).toBe("seen")
    })
  )

  it.effect("completes a message whose lease ran out if no other delivery came", () =>
    Effect.gen(function* () {
      const { claim, complete } = yield* memoryReplayStore(minute)
      yield* claim("a", "1")
      yield* TestClock.adjust("10 minutes")
      yield* complete("a", "1")
      expect(yield* claim("a", "2")).toBe("seen")
    })
  )

  it.effect("gives a claim again to its own token, as after a response that was lost", () =>
    Effect.gen(function* () {
      const { claim } = yield* memoryReplayStore(minute)
      expect(yield* claim("a", "1")).toBe("claimed")
      expect(yield* claim("a", "1")).toBe("claimed")
      expect(yield* claim("a", "2")).toBe("busy")
    })
  )

  it.effect("keeps messages apart, whatever their ids hold", () =>
    Effect.gen(function* () {
      const { claim, complete } = yield* memoryReplayStore()
      const ids = ["a", "A", "__proto__", "constructor", "../..", "ключ", "\u0000", `${"x".repeat(5000)}`]
      for (const id of ids) {
        expect(yield* claim(id, id)).toBe("claimed")
        yield* complete(id, id)
      }
      for (const id of ids) expect(yield* claim(id, "again")).toBe("seen")
    })
  )

  it.effect("forgets the oldest beyond its capacity", () =>
    Effect.gen(function* () {
      const { claim, complete } = yield* memoryReplayStore({ capacity: 512 })
      const ids = Array.from({ length: 3000 }, (_, index) => `msg_${index}`)
      yield* Effect.forEach(ids, (id) => Effect.zipRight(claim(id, id), complete(id, id)))
      expect(yield* claim("msg_0", "again")).toBe("claimed")
      expect(yield* claim("msg_2999", "again")).toBe("seen")
      // One went out when `msg_0` came in again.
      expect(yield* claim("msg_2489", "again")).toBe("seen")
      expect(yield* claim("msg_2488", "again")).toBe("claimed")
    })
  )

  it.effect("forgets a message that was handled before one that is being handled", () =>
    Effect.gen(function* () {
      const { claim, complete } = yield* memoryReplayStore({ capacity: 2 })
      yield* claim("slow", "1")
      for (const id of ["a", "b", "c"]) {
        yield* claim(id, id)
        yield* complete(id, id)
      }
      expect(yield* claim("slow", "2")).toBe("busy")
    })
  )
})

describe("a store of one's own", () => {
  const down = new WebhookStoreError({ detail: "down" })

  it.effect("stops the message before it is handled if the store does not respond", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(handleWebhook(yield* delivery(), () => Effect.die("handled")))
      expect(error).toMatchObject({ _tag: "WebhookStoreError", isTransient: true })
    }).pipe(
      atNow,
      Effect.provide(
        over(Effect.succeed({ claim: () => down, complete: () => Effect.void, release: () => Effect.void }))
      )
    )
  )

  it.effect("changes nothing about a handled message if the store fails afterwards", () =>
    Effect.gen(function* () {
      expect(yield* handleWebhook(yield* delivery(), () => Effect.succeed("handled"))).toBe("handled")
    }).pipe(
      atNow,
      Effect.provide(
        over(Effect.succeed({ claim: () => Effect.succeed("claimed"), complete: () => down, release: () => down }))
      )
    )
  )

  it.effect("stops a message that another process took", () =>
    Effect.gen(function* () {
      const database = yield* memoryReplayStore()
      const [first, second] = [over(Effect.succeed(database)), over(Effect.succeed(database))]
      expect(yield* Effect.provide(outcome(), first)).toBe("taken")
      expect(yield* Effect.provide(outcome(), second)).toBe("seen")
    }).pipe(atNow)
  )

  class Database extends Context.Tag("Database")<Database, WebhookReplayStore>() {}

  it.effect("is made from services that the layer then requires", () =>
    Effect.gen(function* () {
      const layer = over(Database)
      expectTypeOf<Layer.Layer.Context<typeof layer>>().toEqualTypeOf<Database>()
      const fromEnvironment = Webhooks.layerConfigWith({ replayStore: Database })
      expectTypeOf<Layer.Layer.Context<typeof fromEnvironment>>().toEqualTypeOf<Database>()
      const scoped = over(Effect.acquireRelease(memoryReplayStore(), () => Effect.void))
      expectTypeOf<Layer.Layer.Context<typeof scoped>>().toEqualTypeOf<never>()
      const database = yield* memoryReplayStore()
      yield* database.complete("msg_1", "another process")
      expect(yield* Effect.provide(outcome(), Layer.provide(layer, Layer.succeed(Database, database)))).toBe("seen")
    }).pipe(atNow)
  )

  it.effect("is used by `layerConfigWith`", () =>
    Effect.gen(function* () {
      const database = yield* memoryReplayStore()
      yield* database.complete("msg_1", "another process")
      const layer = Webhooks.layerConfigWith({ replayStore: Effect.succeed(database), tolerance: "1 minute" })
      expect(yield* Effect.provide(outcome(), layer)).toBe("seen")
    }).pipe(atNow, Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["OPENAI_WEBHOOK_SECRET", secret]]))))
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
      const tokens = new Map<string, string>()
      const noted = (method: string, id: string, token: string) =>
        Effect.sync(() => void asked.push(`${method} ${id} ${tokens.get(id) === token}`))
      const store: WebhookReplayStore = {
        claim: (id, token) =>
          Effect.sync(() => {
            tokens.set(id, token)
            asked.push(`claim ${id}`)
            return "claimed"
          }),
        complete: (id, token) => noted("complete", id, token),
        release: (id, token) => noted("release", id, token)
      }
      yield* Effect.gen(function* () {
        yield* receive("msg_1")
        yield* Effect.flip(handleWebhook(yield* delivery("msg_2"), () => Effect.fail("no")))
      }).pipe(Effect.provide(over(Effect.succeed(store))))
      // With the token of the claim, which is another one for each delivery.
      expect(asked).toEqual(["claim msg_1", "complete msg_1 true", "claim msg_2", "release msg_2 true"])
      expect(tokens.get("msg_1")).not.toBe(tokens.get("msg_2"))
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

  it.effect("are the newest for a slow reader, and no other reader waits for it", () =>
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
    ["", "must be set"],
    [" ", "must be set"],
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
