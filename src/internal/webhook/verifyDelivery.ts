/** Verifies a delivery and decodes its event. */
import * as Clock from "effect/Clock"
import * as ConfigError from "effect/ConfigError"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import { checkConfig, duration } from "../config/optionRules.js"
import { WebhookDecodeError, WebhookSignatureError, WebhookTimestampError } from "../errors/webhookErrors.js"
import { clip } from "../http/errorBody.js"
import { parseJson, redacted } from "../http/redaction.js"
import { bytesOf, checkSecret, content, findKey, importKey, notRaw, signaturesOf } from "./signature.js"
import { VideoEvent } from "./webhookEvent.js"
import type {
  VerifiedWebhook,
  WebhookHeaders,
  WebhookRequest,
  WebhookVerifyError,
  WebhookVerifyOptions
} from "./webhookTypes.js"

// -----------------------------------------------------------------------------
// headers
// -----------------------------------------------------------------------------

type Name = "webhook-id" | "webhook-timestamp" | "webhook-signature"

type Value = string | ReadonlyArray<string> | null | undefined

const isIterable = (headers: WebhookHeaders): headers is Iterable<readonly [string, string | ReadonlyArray<string>]> =>
  Symbol.iterator in headers && typeof headers[Symbol.iterator] === "function"

const isWebHeaders = (
  headers: WebhookHeaders
): headers is Extract<WebhookHeaders, { readonly get: (name: string) => string | null }> =>
  "get" in headers && typeof headers.get === "function"

const pairsOf = (headers: WebhookHeaders, name: Name): Iterable<readonly [string, Value]> => {
  // A program without types may have none at all.
  if (typeof headers !== "object" || headers === null) return []
  if (isIterable(headers)) return headers
  return isWebHeaders(headers) ? [[name, headers.get(name)]] : Object.entries(headers)
}

/** Every value that the headers have for a name, in whatever case they spell it. */
const valuesOf = (headers: WebhookHeaders, name: Name): ReadonlyArray<string> =>
  Array.from(pairsOf(headers, name)).flatMap(([key, value]) =>
    String(key).toLowerCase() === name && value !== undefined && value !== null ? value : []
  )

const header = (
  headers: WebhookHeaders,
  name: Name,
  messageId: string | null
): Either.Either<string, WebhookSignatureError> => {
  const [value, ...others] = valuesOf(headers, name)
  const wrong = (reason: "missing" | "repeated") =>
    Either.left(new WebhookSignatureError({ reason, header: name, messageId }))
  if (others.length > 0) return wrong("repeated")
  return value === undefined || value === "" ? wrong("missing") : Either.right(value)
}

// -----------------------------------------------------------------------------
// time
// -----------------------------------------------------------------------------

/** Digits alone: `parseInt` would read `1795000000junk`, and sign something else than what the sender did. */
const unixSeconds = /^\d{1,12}$/

const checkTime = (
  timestamp: string,
  nowMillis: number,
  tolerance: Duration.Duration,
  messageId: string
): Either.Either<number, WebhookTimestampError> => {
  const refused = (reason: WebhookTimestampError["reason"], skew: Duration.Duration | null) =>
    Either.left(new WebhookTimestampError({ reason, skew, tolerance, messageId, timestamp: timestamp.slice(0, 100) }))
  if (!unixSeconds.test(timestamp)) return refused("malformed", null)
  const sent = Number(timestamp)
  // Whole seconds on both sides, as the senders' own libraries count.
  const age = Math.floor(nowMillis / 1000) - sent
  if (Math.abs(age) <= Duration.toSeconds(tolerance)) return Either.right(sent)
  return refused(age > 0 ? "stale" : "future", Duration.seconds(Math.abs(age)))
}

// -----------------------------------------------------------------------------
// body
// -----------------------------------------------------------------------------

const strictly = new TextDecoder("utf-8", { fatal: true })
const leniently = new TextDecoder()

const decodeEvent = ParseResult.decodeUnknownEither(VideoEvent)

const readEvent = (
  body: Uint8Array,
  messageId: string,
  scrub: (text: string) => string
): Either.Either<VideoEvent, WebhookDecodeError> => {
  const unreadable = (reason: WebhookDecodeError["reason"], detail: string) => {
    return new WebhookDecodeError({
      reason,
      messageId,
      detail: scrub(detail),
      body: clip(scrub(leniently.decode(body)))
    })
  }
  return Either.gen(function* () {
    const text = yield* Either.try({
      try: () => strictly.decode(body),
      catch: () => unreadable("encoding", "the body is not UTF-8")
    })
    const json = parseJson(text)
    if (Option.isNone(json)) {
      return yield* Either.left(unreadable("syntax", text === "" ? "the body is empty" : "the body is no JSON"))
    }
    return yield* Either.mapLeft(decodeEvent(json.value), (issue) =>
      unreadable("shape", `the body ${ParseResult.ArrayFormatter.formatIssueSync(issue)[0]?.message ?? "is no event"}`)
    )
  })
}

// -----------------------------------------------------------------------------
// all of it
// -----------------------------------------------------------------------------

/** A sender sends one, or one for each secret during a rotation. Each costs a hash of the whole body. */
const maxSignatures = 16

/** @internal */
export type Verifier = (request: WebhookRequest) => Effect.Effect<VerifiedWebhook, WebhookVerifyError>

/** @internal */
export const makeVerifier = (options: WebhookVerifyOptions): Effect.Effect<Verifier, ConfigError.ConfigError> =>
  Effect.gen(function* () {
    const { secrets: given } = options
    const secrets = (typeof given === "string" || Redacted.isRedacted(given) ? [given] : [...given]).map(redacted)
    yield* checkConfig(options, { tolerance: duration })
    if (secrets.length === 0) {
      return yield* Effect.fail(ConfigError.InvalidData(["secrets"], "`secrets` must hold one at least"))
    }
    for (const [index, secret] of secrets.entries()) {
      const problem = checkSecret(Redacted.value(secret))
      const name = `secrets[${index}]`
      if (problem !== null) return yield* Effect.fail(ConfigError.InvalidData([name], `\`${name}\` ${problem}`))
    }
    const tolerance = Duration.decode(options.tolerance ?? "300 seconds")
    const keys = yield* Effect.forEach(secrets, importKey)
    const scrub = (text: string): string =>
      secrets.reduce((rest, secret) => rest.replaceAll(Redacted.value(secret), "<redacted>"), text)

    return ({ body: given, headers }) =>
      Effect.gen(function* () {
        // What is checked and what is read are the same bytes.
        const body = bytesOf(given)
        // What `express.json()` leaves in an untyped `req.body`, for one. It can never fit a signature.
        if (body === null) return yield* Effect.dieMessage(notRaw(given))
        const messageId = yield* header(headers, "webhook-id", null)
        const timestamp = yield* header(headers, "webhook-timestamp", messageId)
        const signature = yield* header(headers, "webhook-signature", messageId)
        const sent = yield* checkTime(timestamp, yield* Clock.currentTimeMillis, tolerance, messageId)
        const refused = (reason: "malformed" | "mismatch") =>
          new WebhookSignatureError({ reason, header: "webhook-signature", messageId })
        const signatures = signaturesOf(signature)
        if (signatures.length === 0 || signatures.length > maxSignatures) return yield* refused("malformed")
        const secretIndex = yield* findKey(keys, signatures, content({ id: messageId, timestamp, body }))
        if (secretIndex < 0) return yield* refused("mismatch")
        const event = yield* readEvent(body, messageId, scrub)
        return { event, messageId, secretIndex, timestamp: DateTime.unsafeMake(sent * 1000) }
      })
  })
