/** Redacts the configured secrets in what a server sent: it may repeat one. */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { VideosConfigService } from "../config/configTypes.js"
import { readJson } from "../protocol/json.js"
import * as wire from "../protocol/jsonReaders.js"

/** @internal */
export interface Secrets {
  /** Redacts every secret in a text for an error. */
  readonly scrub: (text: string) => string
  /** Redacts every secret in the texts of a JSON value that was parsed from `sent`. */
  readonly clean: (sent: string, body: unknown) => unknown
}

/** What a program gives as a secret, plain or wrapped. */
export const redacted = (secret: string | Redacted.Redacted): Redacted.Redacted =>
  typeof secret === "string" ? Redacted.make(secret) : secret

/** "EMPTY", "none", "x": a key for a server that wants any. Redacted in a job, it would spoil its fields. */
const placeholder = /^(.{0,5}|[a-z]{0,11})$/i

/** This many characters of a secret give it away. */
const telling = 8

/** @internal */
export const parseJson = (text: string): Option.Option<unknown> => {
  try {
    return Option.some(readJson(text))
  } catch {
    return Option.none()
  }
}

/** A secret as it is, and as JSON, a URL and a form write it. */
const spellingsOf = (secret: string): ReadonlyArray<string> => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret),
  new URLSearchParams({ "": secret }).toString().slice(1)
]

/** The longest first, so that none is cut by a shorter one inside it. */
const wordsOf = (secrets: ReadonlyArray<string>): ReadonlyArray<string> =>
  [...new Set(secrets.flatMap(spellingsOf))].filter((word) => word !== "").sort((a, b) => b.length - a.length)

const redact = (text: string, words: ReadonlyArray<string>): string =>
  words.reduce((rest, word) => rest.replaceAll(word, "<redacted>"), text)

/** Redacts the beginning of a secret at the end of a text, too: the text may be truncated. */
const redactTruncated = (text: string, words: ReadonlyArray<string>): string => {
  const clean = redact(text, words)
  for (const word of words) {
    for (let length = word.length - 1; length >= telling; length--) {
      if (clean.endsWith(word.slice(0, length))) return `${clean.slice(0, -length)}<redacted>`
    }
  }
  return clean
}

/** A short value is redacted in its place alone: taken out of every text, it would spoil them all. */
const parameters = (name: string, value: Redacted.Redacted): ReadonlyArray<Redacted.Redacted> => {
  const text = Redacted.value(value)
  return text === "" ? [] : [placeholder.test(text) ? Redacted.make(`${name}=${text}`) : value]
}

/** @internal */
export const makeSecrets = (config: VideosConfigService): Secrets => {
  const secrets = [
    ...Option.toArray(config.apiKey),
    ...Object.values(config.headers).filter((value) => Redacted.isRedacted(value)),
    ...Object.entries(config.query).flatMap(([name, value]) =>
      Redacted.isRedacted(value) ? parameters(name, value) : []
    )
  ].map((secret) => Redacted.value(secret))
  const all = wordsOf(secrets)
  const words = wordsOf(secrets.filter((secret) => !placeholder.test(secret)))
  const cleanValue = (value: unknown): unknown => {
    if (typeof value === "string") return redact(value, words)
    if (Array.isArray(value)) return value.map(cleanValue)
    if (!wire.isObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [redact(key, words), cleanValue(inner)]))
  }

  return {
    scrub: (text) => redactTruncated(text, all),
    // An escape in the JSON may hide a secret from a search in the text.
    clean: (sent, body) => (sent.includes("\\") || redact(sent, words) !== sent ? cleanValue(body) : body)
  }
}
