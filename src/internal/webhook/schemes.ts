/** The signature schemes of senders: which headers, what is signed, and how the key is written. */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { concatBytes } from "../bytes.js"
import * as wire from "../protocol/jsonReaders.js"
import { signaturesOf, signedContent } from "./signature.js"

/**
 * How a sender signs its deliveries: by Standard Webhooks (`standard`, and `llmgateway`, whose key is always plain text), or as
 * OpenRouter does.
 *
 * @since 0.1.0
 * @category models
 */
export type WebhookScheme = "standard" | "openrouter" | "llmgateway"

export interface SchemeRules {
  readonly idHeader: "webhook-id" | "x-openrouter-idempotency-key"
  /** `null`: the time is in the signature's header. */
  readonly timestampHeader: "webhook-timestamp" | null
  readonly signatureHeader: "webhook-signature" | "x-openrouter-signature"
  /** Whether `whsec_` begins a key in base64. */
  readonly hasEncodedKeys: boolean
  readonly partsOf: (
    signature: string,
    timestamp: string
  ) => { readonly timestamp: string; readonly signatures: ReadonlyArray<Uint8Array<ArrayBuffer>> }
  readonly contentOf: (id: string, timestamp: string, body: Uint8Array) => Uint8Array<ArrayBuffer>
  /** The event in the form of the protocol. */
  readonly eventOf: (json: unknown, messageId: string) => unknown
}

const standard: SchemeRules = {
  idHeader: "webhook-id",
  timestampHeader: "webhook-timestamp",
  signatureHeader: "webhook-signature",
  hasEncodedKeys: true,
  partsOf: (signature, timestamp) => ({ timestamp, signatures: signaturesOf(signature) }),
  contentOf: signedContent,
  eventOf: (json) => json
}

/** `t=<unix>,v1=<hex>` over `<t>,<body>`, with a comma between them. */
const openrouter: SchemeRules = {
  idHeader: "x-openrouter-idempotency-key",
  timestampHeader: null,
  signatureHeader: "x-openrouter-signature",
  hasEncodedKeys: false,
  partsOf: (header) => ({
    timestamp: /(?:^|,)\s*t=(\d+)/.exec(header)?.[1] ?? "",
    signatures: [...header.matchAll(/(?:^|,)\s*v1=([0-9a-f]{64})(?=,|$)/gi)].flatMap(([, hex = ""]) =>
      Either.match(Encoding.decodeHex(hex.toLowerCase()), {
        onLeft: () => [],
        onRight: (bytes) => [new Uint8Array(bytes)]
      })
    )
  }),
  contentOf: (_, timestamp, body) => concatBytes([new TextEncoder().encode(`${timestamp},`), body]),
  eventOf: (json, messageId) => {
    if (!wire.isObject(json)) return json
    const ended = /^video\.generation\.(completed|failed|cancelled|expired)$/.exec(String(json.type))?.[1]
    const created = Date.parse(String(json.created_at)) / 1000
    return {
      ...json,
      id: messageId,
      type: ended === undefined ? json.type : ended === "completed" ? "video.completed" : "video.failed",
      ...(Number.isNaN(created) ? {} : { created_at: created })
    }
  }
}

export const schemes: { readonly [scheme in WebhookScheme]: SchemeRules } = {
  standard,
  openrouter,
  llmgateway: { ...standard, hasEncodedKeys: false }
}
