import { inspect } from "node:util"
import { runInNewContext } from "node:vm"
import { Headers as PlatformHeaders } from "@effect/platform"
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Either, Encoding, FastCheck, Fiber, Redacted, Schema, TestClock } from "effect"
import * as Webhook from "effect-videos/Webhook"
import OpenAI from "openai"
import * as standard from "standardwebhooks"
import { body, event, now, secret, signed } from "./support/webhook.js"

addEqualityTesters()

const other = "whsec_b3RoZXIgc2VjcmV0IG9mIHRoZSBzYW1lIHNpemU="

type Plain = { readonly [name: string]: string | ReadonlyArray<string> | undefined }

const verify = (headers: Webhook.WebhookHeaders, sent: string | Uint8Array = body, ...secrets: ReadonlyArray<string>) =>
  Webhook.verifyWebhook(
    { headers, body: sent },
    { secrets: [Redacted.make(secret), ...secrets.map((one) => Redacted.make(one))] }
  )

/** What comes of a delivery that was signed well and then changed. */
const outcome = (change: (headers: { [name: string]: string }) => Plain, sent?: string | Uint8Array) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(now * 1000)
    const result = yield* Effect.either(verify(change(yield* signed({})), sent))
    return Either.isRight(result)
      ? "taken"
      : "reason" in result.left
        ? `${result.left._tag} ${result.left.reason}`
        : "?"
  })

describe("against other implementations", () => {
  const client = new OpenAI({ apiKey: "sk-none" })
  // Theirs read the system's clock.
  const here = () => Math.floor(Date.now() / 1000)

  it.live("what we sign is accepted by standardwebhooks and by the openai package", () =>
    Effect.gen(function* () {
      for (const text of [body, "{}", '{"prompt":"Grüße, 世界 🌊"}']) {
        const headers = yield* signed({ body: text, timestamp: here() })
        expect(new standard.Webhook(secret).verify(text, headers)).toEqual(JSON.parse(text))
        expect(yield* Effect.promise(() => client.webhooks.unwrap(text, headers, secret))).toEqual(JSON.parse(text))
      }
    })
  )

  it.live("a secret without `whsec_` is taken as the openai package takes it", () =>
    Effect.gen(function* () {
      const raw = "not base64: ключ"
      const headers = yield* signed({ secret: raw, timestamp: here() })
      expect(yield* Effect.promise(() => client.webhooks.unwrap(body, headers, raw))).toEqual(event)
    })
  )

  it.effect("what standardwebhooks signs is accepted by us", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now * 1000)
      const signature = new standard.Webhook(secret).sign("msg_1", new Date(now * 1000), body)
      const taken = yield* verify({
        "webhook-id": "msg_1",
        "webhook-timestamp": String(now),
        "webhook-signature": signature
      })
      expect(taken.event.id).toBe("evt_1")
      expect(DateTime.toEpochMillis(taken.timestamp)).toBe(now * 1000)
    })
  )

  it.effect.prop(
    "both sign any message alike",
    [FastCheck.string(), FastCheck.string({ unit: "grapheme" }), FastCheck.uint8Array({ minLength: 1, maxLength: 64 })],
    ([id, text, key]) =>
      Effect.gen(function* () {
        const whsec = `whsec_${Encoding.encodeBase64(key)}`
        const ours = yield* signed({ id, body: text, secret: whsec })
        expect(ours["webhook-signature"]).toBe(new standard.Webhook(whsec).sign(id, new Date(now * 1000), text))
      })
  )
})

describe("a delivery", () => {
  it.effect("is taken with its headers in any form and any case", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now * 1000)
      const plain = yield* signed({})
      const upper = Object.fromEntries(Object.entries(plain).map(([name, value]) => [name.toUpperCase(), value]))
      const lists = Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, [value]]))
      for (const headers of [plain, upper, lists, new Headers(plain), PlatformHeaders.fromInput(plain)]) {
        const { event: decoded, messageId, secretIndex } = yield* verify(headers)
        expect([decoded.type, decoded.videoId, messageId, secretIndex]).toEqual([
          "video.completed",
          "video_1",
          "msg_1",
          0
        ])
      }
    })
  )

  it.effect("is the same as bytes and as text", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now * 1000)
      const text = body.replace("evt_1", "évt 🌊")
      const bytes = new TextEncoder().encode(text)
      expect((yield* verify(yield* signed({ body: bytes }), text)).event.id).toBe("évt 🌊")
      expect((yield* verify(yield* signed({ body: text }), bytes)).event.id).toBe("évt 🌊")
    })
  )

  it.effect("returns which secret matched, so that a rotation can be watched", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now * 1000)
      const fresh = yield* signed({})
      const old = yield* signed({ secret: other })
      const both = { ...fresh, "webhook-signature": `${old["webhook-signature"]} ${fresh["webhook-signature"]}` }
      expect((yield* verify(fresh, body, other)).secretIndex).toBe(0)
      expect((yield* verify(old, body, other)).secretIndex).toBe(1)
      expect((yield* verify(both, body, other)).secretIndex).toBe(0)
      expect((yield* verify(both)).secretIndex).toBe(0)
      expect((yield* Effect.flip(verify(old)))._tag).toBe("WebhookSignatureError")
    })
  )

  const signature = (change: (value: string) => string) => (headers: { [name: string]: string }) => ({
    ...headers,
    "webhook-signature": change(headers["webhook-signature"] ?? "")
  })
  const set = (name: string, value: string | ReadonlyArray<string> | undefined) => (headers: Plain) => ({
    ...headers,
    [name]: value
  })
  const wrong = `v1,${Encoding.encodeBase64(new Uint8Array(32))}`

  it.effect.each<readonly [string, (headers: { [name: string]: string }) => Plain, string]>([
    ["as it was sent", (headers) => headers, "taken"],
    ["with a wrong signature before the right one", signature((v1) => `${wrong} ${v1}`), "taken"],
    ["with one of another version beside it", signature((v1) => `v2,abc v1a,abc ${v1} junk`), "taken"],
    ["without `v1,`", signature((v1) => v1.slice(3)), "WebhookSignatureError malformed"],
    ["as `v2,`", signature((v1) => v1.replace("v1", "v2")), "WebhookSignatureError malformed"],
    ["as `v1a,`", signature((v1) => v1.replace("v1", "v1a")), "WebhookSignatureError malformed"],
    ["as `V1,`", signature((v1) => v1.replace("v1", "V1")), "WebhookSignatureError malformed"],
    ["with its padding cut off", signature((v1) => v1.slice(0, -1)), "WebhookSignatureError malformed"],
    ["in hex", signature(() => `v1,${"00".repeat(32)}`), "WebhookSignatureError malformed"],
    ["with nothing after `v1,`", signature(() => "v1,"), "WebhookSignatureError malformed"],
    [
      "with more signatures than are read",
      signature((v1) => `${`${wrong} `.repeat(16)}${v1}`),
      "WebhookSignatureError malformed"
    ],
    ["with another's signature", signature(() => wrong), "WebhookSignatureError mismatch"],
    ["with another id", set("webhook-id", "msg_2"), "WebhookSignatureError mismatch"],
    ["with another time", set("webhook-timestamp", String(now + 1)), "WebhookSignatureError mismatch"],
    ["with a zero before its time", set("webhook-timestamp", `0${now}`), "WebhookSignatureError mismatch"],
    ["without an id", set("webhook-id", undefined), "WebhookSignatureError missing"],
    ["without a time", set("webhook-timestamp", undefined), "WebhookSignatureError missing"],
    ["without a signature", set("webhook-signature", undefined), "WebhookSignatureError missing"],
    ["with an empty id", set("webhook-id", ""), "WebhookSignatureError missing"],
    ["with an empty time", set("webhook-timestamp", ""), "WebhookSignatureError missing"],
    ["with an empty signature", set("webhook-signature", ""), "WebhookSignatureError missing"],
    ["with an empty list for a signature", set("webhook-signature", []), "WebhookSignatureError missing"],
    ["with two ids", set("webhook-id", ["msg_1", "msg_1"]), "WebhookSignatureError repeated"],
    ["with two times", set("webhook-timestamp", [String(now), String(now)]), "WebhookSignatureError repeated"],
    ["with two ids in two cases", set("Webhook-Id", "msg_1"), "WebhookSignatureError repeated"],
    ["with junk after its time", set("webhook-timestamp", `${now}junk`), "WebhookTimestampError malformed"],
    ["with a space after its time", set("webhook-timestamp", `${now} `), "WebhookTimestampError malformed"],
    ["with a negative time", set("webhook-timestamp", `-${now}`), "WebhookTimestampError malformed"],
    ["with a sign before its time", set("webhook-timestamp", `+${now}`), "WebhookTimestampError malformed"],
    ["with a fraction in its time", set("webhook-timestamp", `${now}.0`), "WebhookTimestampError malformed"],
    ["with its time in hex", set("webhook-timestamp", `0x${now.toString(16)}`), "WebhookTimestampError malformed"],
    ["with its time as a power", set("webhook-timestamp", "1.795e9"), "WebhookTimestampError malformed"],
    ["with its time in other digits", set("webhook-timestamp", "١٧٩٥٠٠٠٠٠٠"), "WebhookTimestampError malformed"],
    ["with a huge time", set("webhook-timestamp", "9".repeat(400)), "WebhookTimestampError malformed"],
    ["with its time in milliseconds", set("webhook-timestamp", `${now}000`), "WebhookTimestampError malformed"],
    ["with a time far away", set("webhook-timestamp", "999999999999"), "WebhookTimestampError future"]
  ])("%s", ([, change, expected]) => Effect.map(outcome(change), (actual) => expect(actual).toBe(expected)))

  it.effect("does not match its signature if one byte of its body changed", () =>
    Effect.gen(function* () {
      expect(yield* outcome((headers) => headers, body.replace("video_1", "video_2"))).toBe(
        "WebhookSignatureError mismatch"
      )
      expect(yield* outcome((headers) => headers, `${body}\n`)).toBe("WebhookSignatureError mismatch")
      expect(yield* outcome((headers) => headers, "")).toBe("WebhookSignatureError mismatch")
    })
  )

  it.effect("is a defect that names the mistake if its body was parsed before", () =>
    Effect.gen(function* () {
      const parsed: { readonly body: string } = JSON.parse(JSON.stringify({ body: {} }))
      const cause = yield* Effect.sandbox(verify(yield* signed({}), parsed.body)).pipe(Effect.flip)
      expect(String(cause)).toMatch(/raw bytes .* or its text, not what was parsed from it/)
    })
  )

  it.effect.each([
    ["an array", [1, 2], "what was parsed from it"],
    ["null", null, "a value of type null"],
    ["a number", 7, "a value of type number"],
    ["a stream", new ReadableStream(), "a value of type ReadableStream"],
    ["a Blob", new Blob(["{}"]), "a value of type Blob"]
  ] as const)("whose body is %s is refused by name", ([, wrong, named]) =>
    Effect.gen(function* () {
      const cause = yield* Effect.sandbox(verify(yield* signed({}), wrong as unknown as string)).pipe(Effect.flip)
      expect(String(cause)).toContain(named)
    })
  )

  const raw = new TextEncoder().encode(body)
  /** The bytes somewhere in a longer buffer. */
  const inside = (buffer: ArrayBuffer | SharedArrayBuffer) => {
    const all = new Uint8Array(buffer)
    all.fill(7)
    all.set(raw, 8)
    return { buffer, offset: 8, length: raw.byteLength }
  }
  const shared = inside(new SharedArrayBuffer(raw.byteLength + 16))
  const longer = inside(new ArrayBuffer(raw.byteLength + 16))
  const foreign: unknown = runInNewContext("new ArrayBuffer(length)", { length: raw.byteLength })
  new Uint8Array(foreign as ArrayBuffer).set(raw)

  it.effect.each<readonly [string, Webhook.WebhookBody]>([
    ["a string", body],
    ["an ArrayBuffer", raw.slice().buffer],
    ["an ArrayBuffer of another realm", foreign as ArrayBuffer],
    ["a SharedArrayBuffer", inside(new SharedArrayBuffer(raw.byteLength + 16)).buffer.slice(8, 8 + raw.byteLength)],
    ["a Uint8Array with an offset", new Uint8Array(longer.buffer, longer.offset, longer.length)],
    ["a view of shared memory", new Uint8Array(shared.buffer, shared.offset, shared.length)],
    ["a Buffer", Buffer.from(body)],
    ["a DataView with an offset", new DataView(longer.buffer, longer.offset, longer.length)],
    ["an Int8Array", new Int8Array(longer.buffer, longer.offset, longer.length)],
    ["a Uint8ClampedArray", new Uint8ClampedArray(raw)]
  ])("whose body is %s is taken", ([, sent]) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now * 1000)
      const headers = yield* signed({})
      const { event } = yield* Webhook.verifyWebhook({ headers, body: sent }, { secrets: Redacted.make(secret) })
      expect(event.id).toBe("evt_1")
      expect(
        yield* Webhook.signWebhook({ id: "msg_1", timestamp: now, body: sent, secret: Redacted.make(secret) })
      ).toBe(headers["webhook-signature"])
    })
  )

  it.effect("is verified by its bytes if its body is a view of wide elements", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now * 1000)
      const even = body.length % 2 === 0 ? body : `${body} `
      const wide = new Uint16Array(new TextEncoder().encode(even).buffer)
      const headers = yield* signed({ body: even })
      expect(
        (yield* Webhook.verifyWebhook({ headers, body: wide }, { secrets: Redacted.make(secret) })).messageId
      ).toBe("msg_1")
    })
  )

  it.effect("is read as it was passed, even if its body changes afterwards", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now * 1000)
      const pool = raw.slice()
      const webhooks = yield* Webhook.Webhooks
      const fiber = yield* Effect.fork(webhooks.verify({ headers: yield* signed({}), body: pool }))
      yield* Effect.yieldNow()
      pool.fill(32)
      expect((yield* Fiber.join(fiber)).event.id).toBe("evt_1")
    }).pipe(Effect.provide(Webhook.Webhooks.layer({ secrets: Redacted.make(secret) })))
  )

  it.effect("is taken with headers in any shape", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now * 1000)
      const plain = yield* signed({})
      const upper = Object.fromEntries(Object.entries(plain).map(([name, value]) => [name.toUpperCase(), value]))
      const distinct = Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, [value]]))
      const shapes: ReadonlyArray<Webhook.WebhookHeaders> = [
        plain,
        upper,
        distinct,
        { ...plain, "x-other": undefined },
        new Headers(plain),
        new Map(Object.entries(upper)),
        Object.entries(distinct),
        PlatformHeaders.fromInput(plain),
        { get: (name: string) => plain[name] ?? null }
      ]
      for (const headers of shapes) expect((yield* verify(headers)).messageId).toBe("msg_1")
      const none = undefined as unknown as Webhook.WebhookHeaders
      expect(yield* Effect.flip(verify(none))).toMatchObject({ _tag: "WebhookSignatureError", reason: "missing" })
      const twice = [...Object.entries(plain), ["Webhook-Id", "msg_2"] as const]
      expect(yield* Effect.flip(verify(twice))).toMatchObject({ _tag: "WebhookSignatureError", reason: "repeated" })
    })
  )
})

describe("the time of a delivery", () => {
  it.effect.each([
    [-301, "future"],
    [-300, "taken"],
    [0, "taken"],
    [300, "taken"],
    [301, "stale"],
    [86_400, "stale"]
  ] as const)("of %i seconds of age", ([age, expected]) =>
    Effect.gen(function* () {
      const headers = yield* signed({})
      yield* TestClock.setTime((now + age) * 1000)
      const result = yield* Effect.either(verify(headers))
      if (Either.isRight(result)) return expect("taken").toBe(expected)
      expect(result.left).toMatchObject({ _tag: "WebhookTimestampError", reason: expected, messageId: "msg_1" })
      expect(result.left).toMatchObject({ skew: Duration.seconds(Math.abs(age)), timestamp: String(now) })
      expect(result.left.message).toContain(age > 0 ? `${age} s ago` : `${-age} s from now`)
    })
  )

  it.effect("is checked with the configured tolerance", () =>
    Effect.gen(function* () {
      const request = { headers: yield* signed({}), body }
      const within = (tolerance: Duration.DurationInput) =>
        Webhook.verifyWebhook(request, { secrets: Redacted.make(secret), tolerance })
      yield* TestClock.setTime((now + 60) * 1000)
      expect((yield* within("1 minute")).messageId).toBe("msg_1")
      yield* TestClock.adjust("1 second")
      expect(yield* Effect.flip(within("1 minute"))).toMatchObject({ reason: "stale" })
    })
  )
})

describe("a body", () => {
  const bytes = (...values: ReadonlyArray<number>) => new Uint8Array(values)
  const shape = (value: unknown) => JSON.stringify(value)

  it.effect.each<readonly [string, string | Uint8Array, string, string]>([
    ["that is empty", "", "syntax", "empty"],
    ["that is not JSON", "video_1 is done", "syntax", "JSON"],
    ["that was cut", body.slice(0, -1), "syntax", "JSON"],
    ["that is not UTF-8", bytes(0x22, 0xff, 0x22), "encoding", "UTF-8"],
    ["that is null", "null", "shape", "a JSON object"],
    ["that is a list", shape([event]), "shape", "a JSON object"],
    ["of `{ type: 42 }`", shape({ type: 42 }), "shape", "`id`"],
    ["with a number for a type", shape({ ...event, type: 42 }), "shape", "`type`"],
    ["without an id", shape({ ...event, id: undefined }), "shape", "`id`"],
    ["with an empty type", shape({ ...event, type: "" }), "shape", "`type`"],
    ["of a known type without data", shape({ ...event, data: null }), "shape", "`data.id`"],
    ["of a known type with a fraction for an id", shape({ ...event, data: { id: 7.5 } }), "shape", "`data.id`"],
    ["of a known type with an id that leaves its path", shape({ ...event, data: { id: ".." } }), "shape", "`data.id`"]
  ])("%s is genuine and no event", ([, sent, reason, detail]) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now * 1000)
      const error = yield* Effect.flip(verify(yield* signed({ body: sent }), sent))
      expect(error).toMatchObject({ _tag: "WebhookDecodeError", reason, messageId: "msg_1" })
      expect(error.message).toContain(detail)
    })
  )

  it.effect("is shown up to 2 KiB if it is not an event", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now * 1000)
      const sent = JSON.stringify({ filler: "x".repeat(10_000) })
      const error = yield* Effect.flip(verify(yield* signed({ body: sent }), sent))
      expect(error._tag === "WebhookDecodeError" && error.body.length).toBe(2049)
    })
  )
})

describe("any message", () => {
  const secrets = FastCheck.oneof(
    FastCheck.uint8Array({ minLength: 1, maxLength: 80 }).map((key) => `whsec_${Encoding.encodeBase64(key)}`),
    FastCheck.string({ minLength: 1 }).filter((text) => text.trim() === text && !/[\r\n]/.test(text))
  )
  const tagOf = (headers: Plain, sent: Uint8Array, key: string) =>
    Webhook.verifyWebhook({ headers, body: sent }, { secrets: Redacted.make(key) }).pipe(
      Effect.match({ onFailure: ({ _tag }) => _tag, onSuccess: () => "taken" })
    )

  it.effect.prop(
    "verifies as it was signed, and not with any one byte changed",
    [
      FastCheck.string({ minLength: 1 }),
      FastCheck.uint8Array({ minLength: 1 }),
      secrets,
      FastCheck.nat(),
      FastCheck.integer({ min: 1, max: 255 })
    ],
    ([id, sent, key, at, flip]) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(now * 1000)
        const headers = yield* signed({ id, body: sent, secret: key })
        // Genuine, and no event.
        expect(yield* tagOf(headers, sent, key)).toBe("WebhookDecodeError")
        const changed = Uint8Array.from(sent, (byte, index) => (index === at % sent.length ? byte ^ flip : byte))
        expect(yield* tagOf(headers, changed, key)).toBe("WebhookSignatureError")
        expect(yield* tagOf({ ...headers, "webhook-id": `${id}x` }, sent, key)).toBe("WebhookSignatureError")
      })
  )

  it.effect.prop("is accepted if it is an event", [Webhook.VideoEvent, secrets], ([value, key]) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now * 1000)
      const sent = new TextEncoder().encode(JSON.stringify(Schema.encodeSync(Webhook.VideoEvent)(value)))
      const headers = yield* signed({ body: sent, secret: key })
      const taken = yield* Webhook.verifyWebhook({ headers, body: sent }, { secrets: Redacted.make(key) })
      expect(taken.event).toEqual(value)
    })
  )
})

describe("secrets", () => {
  const codec = Schema.Union(Webhook.WebhookSignatureError, Webhook.WebhookTimestampError, Webhook.WebhookDecodeError)

  it.effect("are in no error, however it is printed", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now * 1000)
      const leaky = JSON.stringify({ type: 42, echo: secret })
      const late = yield* signed({ timestamp: now - 1000 })
      const errors = yield* Effect.all([
        Effect.flip(verify({})),
        Effect.flip(verify({ ...(yield* signed({})), "webhook-id": "msg_2" })),
        Effect.flip(verify(late)),
        Effect.flip(verify(yield* signed({ body: leaky }), leaky))
      ])
      const texts = errors.flatMap((error) => [
        error.message,
        String(error),
        JSON.stringify(error),
        inspect(error, { depth: Infinity, showHidden: true }),
        Schema.is(codec)(error) ? JSON.stringify(Schema.encodeSync(codec)(error)) : ""
      ])
      expect(new Set(errors.map(({ _tag }) => _tag)).size).toBe(3)
      for (const text of texts) expect(text).not.toContain(secret.slice("whsec_".length))
    })
  )

  it.effect.each([
    ["", "must not be empty"],
    ["whsec_", "must have a key"],
    ["whsec_zzz base64!", "must be base64"],
    ["whsec_zzzz=", "must be base64"],
    ["whsec_zzz", "must be base64"],
    [" zzz", "white space"],
    ["zzz\nzzz", "line break"]
  ] as const)("that are malformed are refused by name: %j", ([given, problem]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(verify({}, body, other, given))
      expect(error._tag).toBe("ConfigError")
      expect(String(error)).toContain("secrets[2]")
      expect(String(error)).toContain(problem)
      expect(inspect(error)).not.toContain("zzz")
    })
  )

  it("are refused when a sender signs with a malformed one", async () => {
    const exit = await Effect.runPromiseExit(signed({ secret: "whsec_junk!" }))
    expect(String(exit)).toContain("must be base64")
    expect(String(exit)).not.toContain("junk")
  })

  it.effect("are errors that come back from their JSON", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(verify(yield* signed({})))
      if (!Schema.is(codec)(error)) return expect.unreachable()
      expect(Schema.decodeUnknownSync(codec)(JSON.parse(JSON.stringify(Schema.encodeSync(codec)(error))))).toEqual(
        error
      )
      expect(error.isTransient).toBe(false)
    })
  )
})
