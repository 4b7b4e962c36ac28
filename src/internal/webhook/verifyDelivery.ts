/** Verifies a delivery and decodes its event. */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Clock from "effect/Clock"
import type * as ConfigError from "effect/ConfigError"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import { checkConfig, configError, duration, oneOf } from "../config/optionRules.js"
import { WebhookDecodeError, WebhookSignatureError, WebhookTimestampError } from "../errors/webhookErrors.js"
import { clip } from "../http/errorBody.js"
import { parseJson, redacted } from "../http/redaction.js"
import { type SchemeRules, schemes, type WebhookScheme } from "./schemes.js"
import { bytesOf, checkSecret, findKey, importKey, type WebhookBody } from "./signature.js"
import { VideoEvent } from "./webhookEvent.js"

/**
 * What `verifyWebhook` fails with.
 *
 * @since 0.1.0
 * @category errors
 */
export type WebhookVerifyError = WebhookSignatureError | WebhookTimestampError | WebhookDecodeError

/**
 * The headers of a delivery in the form of each framework, with names in any case: a plain record (Node's `req.headers` and
 * `req.headersDistinct`), the web's `Headers`, those of `@effect/platform`, a `Map`, or pairs of a name and a value.
 *
 * @since 0.1.0
 * @category models
 */
export type WebhookHeaders =
  | { readonly [name: string]: string | ReadonlyArray<string> | undefined }
  | { readonly get: (name: string) => string | null }
  | Iterable<readonly [name: string, value: string | ReadonlyArray<string>]>

/**
 * One delivery.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebhookRequest {
  readonly headers: WebhookHeaders
  /** The raw body, as it was received. A parsed value is a defect: written again, it is another text with another signature. */
  readonly body: WebhookBody
}

/**
 * Options of `verifyWebhook`.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebhookVerifyOptions {
  /** `whsec_` and base64, or any other text, which is read as UTF-8. During a rotation several, the newest first. */
  readonly secrets: string | Redacted.Redacted | NonEmptyReadonlyArray<string | Redacted.Redacted>
  /** How the sender signs; a dialect's `webhookScheme`. Default: `standard`. */
  readonly scheme?: WebhookScheme | undefined
  /** The largest difference between `webhook-timestamp` and now, in both directions. Default: 300 seconds. */
  readonly tolerance?: Duration.DurationInput | undefined
}

/**
 * A delivery whose signature and time are right.
 *
 * @since 0.1.0
 * @category models
 */
export interface VerifiedWebhook {
  readonly event: VideoEvent
  /** The `webhook-id`: the same for all deliveries of one message. */
  readonly messageId: string
  /** When this delivery was signed. */
  readonly timestamp: DateTime.Utc
  /** The index of the secret that matched. Once it is always 0, the old secrets can be removed. */
  readonly secretIndex: number
}

type HeaderName = WebhookSignatureError["header"]

const valuesOf = (headers: WebhookHeaders, name: HeaderName): ReadonlyArray<string> => {
  // A program without types may pass none at all.
  if (typeof headers !== "object" || headers === null) return []
  const pairs: Iterable<readonly [string, unknown]> =
    Symbol.iterator in headers && typeof headers[Symbol.iterator] === "function"
      ? (headers as Iterable<readonly [string, unknown]>)
      : "get" in headers && typeof headers.get === "function"
        ? [[name, headers.get(name)]]
        : Object.entries(headers)
  return Array.from(pairs).flatMap(([key, value]) =>
    String(key).toLowerCase() === name && value !== undefined && value !== null ? (value as string) : []
  )
}

const header = (headers: WebhookHeaders, name: HeaderName, messageId: string | null) => {
  const [value = "", ...others] = valuesOf(headers, name)
  const wrong = (reason: "missing" | "repeated") => new WebhookSignatureError({ reason, header: name, messageId })
  if (others.length > 0) return Either.left(wrong("repeated"))
  return value === "" ? Either.left(wrong("missing")) : Either.right(value)
}

const checkTime = (timestamp: string, nowMillis: number, tolerance: Duration.Duration, messageId: string) => {
  const refused = (reason: WebhookTimestampError["reason"], skew: Duration.Duration | null) =>
    Either.left(new WebhookTimestampError({ reason, skew, tolerance, messageId, timestamp: timestamp.slice(0, 100) }))
  // Digits only: `parseInt` would read `1795000000junk`, which is not what the sender signed.
  if (!/^\d{1,12}$/.test(timestamp)) return refused("malformed", null)
  // Whole seconds on both sides, as the senders' own libraries count.
  const age = Math.floor(nowMillis / 1000) - Number(timestamp)
  if (Math.abs(age) <= Duration.toSeconds(tolerance)) return Either.right(DateTime.unsafeMake(Number(timestamp) * 1000))
  return refused(age > 0 ? "stale" : "future", Duration.seconds(Math.abs(age)))
}

const decodeEvent = ParseResult.decodeUnknownEither(VideoEvent)

const decodeUtf8 = Option.liftThrowable((body: Uint8Array) => new TextDecoder("utf-8", { fatal: true }).decode(body))

const readEvent = (
  body: Uint8Array,
  messageId: string,
  redact: (text: string) => string,
  eventOf: SchemeRules["eventOf"]
) => {
  const unreadable = (reason: WebhookDecodeError["reason"], detail: string) => {
    const shown = clip(redact(new TextDecoder().decode(body)))
    return new WebhookDecodeError({ reason, messageId, detail: redact(detail), body: shown })
  }
  const text = decodeUtf8(body)
  if (Option.isNone(text)) return Either.left(unreadable("encoding", "the body is not UTF-8"))
  const json = parseJson(text.value)
  if (Option.isNone(json)) {
    return Either.left(unreadable("syntax", text.value === "" ? "the body is empty" : "the body is not JSON"))
  }
  return Either.mapLeft(decodeEvent(eventOf(json.value, messageId)), (issue) =>
    unreadable(
      "shape",
      `the body ${ParseResult.ArrayFormatter.formatIssueSync(issue)[0]?.message ?? "is not an event"}`
    )
  )
}

/** A sender sends one, or one for each secret during a rotation. Each costs a hash of the whole body. */
const maxSignatures = 16

/** @internal */
export type Verifier = (request: WebhookRequest) => Effect.Effect<VerifiedWebhook, WebhookVerifyError>

/** @internal */
export const makeVerifier = (options: WebhookVerifyOptions): Effect.Effect<Verifier, ConfigError.ConfigError> =>
  Effect.gen(function* () {
    const { secrets: given } = options
    const secrets = (typeof given === "string" || Redacted.isRedacted(given) ? [given] : [...given]).map(redacted)
    yield* checkConfig(options, { tolerance: duration, scheme: oneOf(...Object.keys(schemes)) })
    const scheme = schemes[options.scheme ?? "standard"]
    const { hasEncodedKeys } = scheme
    if (secrets.length === 0) {
      return yield* Effect.fail(configError("secrets", "must hold one at least"))
    }
    for (const [index, secret] of secrets.entries()) {
      const problem = checkSecret(Redacted.value(secret), hasEncodedKeys)
      if (problem !== null) return yield* Effect.fail(configError(`secrets[${index}]`, problem))
    }
    const tolerance = Duration.decode(options.tolerance ?? "300 seconds")
    const keys = yield* Effect.forEach(secrets, (secret) => importKey(secret, hasEncodedKeys))
    const redact = (text: string): string =>
      secrets.reduce((rest, secret) => rest.replaceAll(Redacted.value(secret), "<redacted>"), text)

    return ({ body: given, headers }) =>
      Effect.gen(function* () {
        // The bytes that are verified are the bytes that are decoded.
        const body = yield* bytesOf(given)
        const messageId = yield* header(headers, scheme.idHeader, null)
        const { timestampHeader } = scheme
        const own = timestampHeader === null ? "" : yield* header(headers, timestampHeader, messageId)
        const signature = yield* header(headers, scheme.signatureHeader, messageId)
        const { signatures, timestamp: sent } = scheme.partsOf(signature, own)
        const timestamp = yield* checkTime(sent, yield* Clock.currentTimeMillis, tolerance, messageId)
        const refused = (reason: "malformed" | "mismatch") =>
          new WebhookSignatureError({ reason, header: scheme.signatureHeader, messageId })
        if (signatures.length === 0 || signatures.length > maxSignatures) return yield* refused("malformed")
        const secretIndex = yield* findKey(keys, signatures, scheme.contentOf(messageId, sent, body))
        if (secretIndex < 0) return yield* refused("mismatch")
        const event = yield* readEvent(body, messageId, redact, scheme.eventOf)
        return { event, messageId, secretIndex, timestamp }
      })
  })
