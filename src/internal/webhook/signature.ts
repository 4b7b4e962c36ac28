/**
 * The Standard Webhooks signature: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. By WebCrypto alone, so
 * that it runs in Node, workers and browsers.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import { redacted } from "../http/redaction.js"
import type { WebhookBody } from "./webhookTypes.js"

const scheme = "v1,"

/** With its padding, nothing else in it: other spellings are a paste gone wrong. */
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

const hmac = { name: "HMAC", hash: "SHA-256" } as const

const text = new TextEncoder()

const prefix = "whsec_"

/** What is wrong with a signing secret, in words that show nothing of it. */
export const checkSecret = (secret: string): string | null => {
  if (secret === "") return "must not be empty"
  if (/^\s|\s$|[\r\n]/.test(secret)) return "must not begin or end with white space, or have a line break in it"
  if (!secret.startsWith(prefix)) return null
  const encoded = secret.slice(prefix.length)
  if (encoded === "") return "must have a key after `whsec_`"
  return base64.test(encoded) ? null : "must be base64 after `whsec_`, padding included"
}

/**
 * `whsec_` and base64, or, without that prefix, the text's own UTF-8. A secret that `checkSecret` refuses is a defect.
 */
export const importKey = (secret: Redacted.Redacted): Effect.Effect<CryptoKey> =>
  Effect.suspend(() => {
    const value = Redacted.value(secret)
    const problem = checkSecret(value)
    if (problem !== null) return Effect.dieMessage(`the webhook secret ${problem}`)
    const bytes = value.startsWith(prefix)
      ? new Uint8Array(Either.getOrThrow(Encoding.decodeBase64(value.slice(prefix.length))))
      : text.encode(value)
    return Effect.promise(() => globalThis.crypto.subtle.importKey("raw", bytes, hmac, false, ["sign", "verify"]))
  })

/** One message, as its sender signs it. */
export interface Message {
  readonly id: string
  /** Unix seconds, as they stand in the header. */
  readonly timestamp: number | string
  readonly body: WebhookBody
}

const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1)

/**
 * The bytes of a body, as they are now: a copy, because buffers are reused and shared memory changes. `null` for what is not
 * raw. Buffers of another realm (`vm`, a test runner) are no `instanceof`.
 */
export const bytesOf = (body: unknown): Uint8Array<ArrayBuffer> | null => {
  if (typeof body === "string") return new Uint8Array(text.encode(body))
  if (ArrayBuffer.isView(body)) return new Uint8Array(new Uint8Array(body.buffer, body.byteOffset, body.byteLength))
  return tagOf(body) === "ArrayBuffer" || tagOf(body) === "SharedArrayBuffer"
    ? new Uint8Array(new Uint8Array(body as ArrayBuffer))
    : null
}

/** Why a body cannot be verified, with the kind of value that it is. */
export const notRaw = (body: unknown): string => {
  const kind = body === null ? "null" : typeof body === "object" ? tagOf(body) : typeof body
  const what = kind === "Object" || kind === "Array" ? "what was parsed from it" : `a value of type ${kind}`
  return `a webhook's \`body\` must be its raw bytes (Uint8Array, Buffer, ArrayBuffer, DataView) or its text, not ${what}. Pass the body as it came, such as \`await request.arrayBuffer()\``
}

/** What is signed. The body's own bytes: a body that was parsed and written again is another body. */
export const content = ({
  body,
  id,
  timestamp
}: Omit<Message, "body"> & { readonly body: Uint8Array }): Uint8Array<ArrayBuffer> => {
  const head = text.encode(`${id}.${timestamp}.`)
  const all = new Uint8Array(head.length + body.length)
  all.set(head)
  all.set(body, head.length)
  return all
}

/**
 * The value of `webhook-signature` for one message: `v1,<base64>`. During a rotation a sender joins several with a
 * space. A malformed secret is a defect.
 */
export const sign = (
  options: Message & {
    /** Unix seconds, whole. */
    readonly timestamp: number
    /** `whsec_` and base64, or any other text, which is taken as UTF-8. */
    readonly secret: string | Redacted.Redacted
  }
): Effect.Effect<string> =>
  Effect.flatMap(importKey(redacted(options.secret)), (key) => {
    const body = bytesOf(options.body)
    return body === null
      ? Effect.dieMessage(notRaw(options.body))
      : Effect.map(
          Effect.promise(() => globalThis.crypto.subtle.sign(hmac.name, key, content({ ...options, body }))),
          (signature) => scheme + Encoding.encodeBase64(new Uint8Array(signature))
        )
  })

/** The `v1` signatures of a header. Bare ones, and those of other versions (`v1a`, `v2`), are none. */
export const signaturesOf = (header: string): ReadonlyArray<Uint8Array<ArrayBuffer>> =>
  header.split(" ").flatMap((part) => {
    const encoded = part.startsWith(scheme) ? part.slice(scheme.length) : ""
    if (encoded.length !== 44 || !base64.test(encoded)) return []
    const bytes = Encoding.decodeBase64(encoded)
    // 32 bytes in 44 characters, one of them padding.
    return Either.isRight(bytes) && bytes.right.length === 32 ? [new Uint8Array(bytes.right)] : []
  })

/**
 * Which of the keys made one of the signatures: its index, or -1. `subtle.verify` compares in constant time, and every
 * key is tried with every signature whatever came out before, so that the time reveals nothing.
 */
export const findKey = (
  keys: ReadonlyArray<CryptoKey>,
  signatures: ReadonlyArray<Uint8Array<ArrayBuffer>>,
  signed: Uint8Array<ArrayBuffer>
): Effect.Effect<number> =>
  Effect.map(
    Effect.forEach(keys, (key) =>
      Effect.forEach(signatures, (signature) =>
        Effect.promise(() => globalThis.crypto.subtle.verify(hmac.name, key, signature, signed))
      )
    ),
    (found) => found.findIndex((ofKey) => ofKey.includes(true))
  )
