/**
 * The Standard Webhooks signature: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. By WebCrypto alone, so
 * that it runs in Node, workers and browsers.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import { concatBytes } from "../bytes.js"
import { redacted } from "../http/redaction.js"

/**
 * The raw body of a delivery: its text, or its bytes in any form, of which a view shows its own part.
 *
 * @since 0.1.0
 * @category models
 */
export type WebhookBody = string | ArrayBufferView | ArrayBuffer | SharedArrayBuffer

/** With its padding and without white space: any other form is a mistake of copying. */
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

const hmac = { name: "HMAC", hash: "SHA-256" } as const
const text = new TextEncoder()
const prefix = "whsec_"

/** What is wrong with a signing secret, in words that show nothing of it. */
export const checkSecret = (secret: string, hasEncodedKeys = true): string | null => {
  if (secret === "") return "must not be empty"
  if (/^\s|\s$|[\r\n]/.test(secret)) return "must not begin or end with white space, or have a line break in it"
  if (!hasEncodedKeys || !secret.startsWith(prefix)) return null
  if (secret === prefix) return "must have a key after `whsec_`"
  return base64.test(secret.slice(prefix.length)) ? null : "must be base64 after `whsec_`, padding included"
}

/** `whsec_` and base64, or any other text as UTF-8. A secret that `checkSecret` refuses is a defect. */
export const importKey = (secret: Redacted.Redacted, hasEncodedKeys = true): Effect.Effect<CryptoKey> =>
  Effect.suspend(() => {
    const value = Redacted.value(secret)
    const problem = checkSecret(value, hasEncodedKeys)
    if (problem !== null) return Effect.dieMessage(`the webhook secret ${problem}`)
    const bytes =
      hasEncodedKeys && value.startsWith(prefix)
        ? new Uint8Array(Either.getOrThrow(Encoding.decodeBase64(value.slice(prefix.length))))
        : text.encode(value)
    return Effect.promise(() => globalThis.crypto.subtle.importKey("raw", bytes, hmac, false, ["sign", "verify"]))
  })

const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1)

/**
 * Copies a body's bytes, because buffers are reused and shared memory changes. A body that is not raw is a defect, for example the
 * object that `express.json()` puts into `req.body`. Not `instanceof`: buffers of another realm (`vm`, a test runner) fail it.
 */
export const bytesOf = (body: unknown): Effect.Effect<Uint8Array<ArrayBuffer>> =>
  Effect.suspend(() => {
    if (typeof body === "string") return Effect.succeed(new Uint8Array(text.encode(body)))
    if (ArrayBuffer.isView(body)) {
      return Effect.succeed(new Uint8Array(new Uint8Array(body.buffer, body.byteOffset, body.byteLength)))
    }
    const kind = typeof body === "object" && body !== null ? tagOf(body) : body === null ? "null" : typeof body
    if (kind === "ArrayBuffer" || kind === "SharedArrayBuffer") {
      return Effect.succeed(new Uint8Array(new Uint8Array(body as ArrayBuffer)))
    }
    const what = kind === "Object" || kind === "Array" ? "what was parsed from it" : `a value of type ${kind}`
    return Effect.dieMessage(
      `a webhook's \`body\` must be its raw bytes (Uint8Array, Buffer, ArrayBuffer, DataView) or its text, not ${what}. Pass the body as it came, such as \`await request.arrayBuffer()\``
    )
  })

/** The signed bytes. */
export const signedContent = (id: string, timestamp: number | string, body: Uint8Array): Uint8Array<ArrayBuffer> =>
  concatBytes([text.encode(`${id}.${timestamp}.`), body])

/**
 * Signs a message as its sender does, for tests and for servers: returns the value of `webhook-signature`. The timestamp is in
 * whole Unix seconds. A malformed secret is a defect.
 *
 * @example
 * import { Effect, Redacted } from "effect"
 * import { signWebhook } from "effect-videos"
 *
 * const program = signWebhook({ id: "msg_1", timestamp: 1_795_000_000, body: "{}", secret: Redacted.make("a secret") }).pipe(
 *   Effect.map((signature) => ({
 *     "webhook-id": "msg_1",
 *     "webhook-timestamp": "1795000000",
 *     "webhook-signature": signature
 *   }))
 * )
 *
 * @since 0.1.0
 * @category operations
 */
export const signWebhook = (message: {
  readonly id: string
  readonly timestamp: number
  readonly body: WebhookBody
  readonly secret: string | Redacted.Redacted
}): Effect.Effect<string> =>
  Effect.gen(function* () {
    const key = yield* importKey(redacted(message.secret))
    const content = signedContent(message.id, message.timestamp, yield* bytesOf(message.body))
    const signature = yield* Effect.promise(() => globalThis.crypto.subtle.sign(hmac.name, key, content))
    return `v1,${Encoding.encodeBase64(new Uint8Array(signature))}`
  })

/** The `v1` signatures of a header: 32 bytes each. Other versions (`v1a`, `v2`) and bare ones are skipped. */
export const signaturesOf = (header: string): ReadonlyArray<Uint8Array<ArrayBuffer>> =>
  header.split(" ").flatMap((part) => {
    const encoded = part.slice("v1,".length)
    return part.startsWith("v1,") && encoded.length === 44 && base64.test(encoded)
      ? [new Uint8Array(Either.getOrThrow(Encoding.decodeBase64(encoded)))].filter(({ length }) => length === 32)
      : []
  })

/**
 * The index of the key that made one of the signatures, or -1. `subtle.verify` compares in constant time, and each key is compared
 * with each signature, so that the time reveals nothing.
 */
export const findKey = (
  keys: ReadonlyArray<CryptoKey>,
  signatures: ReadonlyArray<Uint8Array<ArrayBuffer>>,
  content: Uint8Array<ArrayBuffer>
): Effect.Effect<number> =>
  Effect.promise(async () => {
    const verify = (key: CryptoKey) =>
      Promise.all(signatures.map((signature) => globalThis.crypto.subtle.verify(hmac.name, key, signature, content)))
    return (await Promise.all(keys.map(verify))).findIndex((ofKey) => ofKey.includes(true))
  })
