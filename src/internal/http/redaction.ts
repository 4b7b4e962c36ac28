/** Redacts the configured secrets in what a server sent: it may repeat one. */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { VideosConfigService } from "../config/configTypes.js"
import { isSecretParameter } from "../config/validateConfig.js"
import { readJson } from "../protocol/json.js"
import * as wire from "../protocol/jsonReaders.js"
import type { VideosCall } from "./httpTypes.js"

/** @internal */
export interface Secrets {
  /** Redacts every secret in a text for an error. */
  readonly redact: (text: string) => string
  /** Redacts every secret in the strings of a JSON value that was parsed from `text`. */
  readonly redactJson: (text: string, json: unknown) => unknown
}

/** A secret of an option, plain or wrapped. */
export const redacted = (secret: string | Redacted.Redacted): Redacted.Redacted =>
  typeof secret === "string" ? Redacted.make(secret) : secret

/** "EMPTY", "none", "x": a key for a server that accepts any. Its redaction in a job would corrupt the job's fields. */
const placeholder = /^(.{0,5}|[a-z]{0,11})$/i

/** A prefix of a secret that is redacted has at least this many characters. */
const minPrefix = 8

/** @internal */
export const parseJson = (text: string): Option.Option<unknown> => {
  try {
    return Option.some(readJson(text))
  } catch {
    return Option.none()
  }
}

/** A secret in plain text, and as JSON, a URL and a form encode it. */
const encodingsOf = (secret: string): ReadonlyArray<string> => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret),
  new URLSearchParams({ "": secret }).toString().slice(1)
]

/** All encodings, the longest first, so that a shorter one inside it does not split it. */
const patternsOf = (secrets: ReadonlyArray<string>): ReadonlyArray<string> =>
  [...new Set(secrets.flatMap(encodingsOf))].filter((pattern) => pattern !== "").sort((a, b) => b.length - a.length)

const replaceAll = (text: string, patterns: ReadonlyArray<string>): string =>
  patterns.reduce((rest, pattern) => rest.replaceAll(pattern, "<redacted>"), text)

/** Redacts a prefix of a secret at the end of a text, too: the text may be truncated. */
const redactTruncated = (text: string, patterns: ReadonlyArray<string>): string => {
  const redacted = replaceAll(text, patterns)
  for (const pattern of patterns) {
    for (let length = pattern.length - 1; length >= minPrefix; length--) {
      if (redacted.endsWith(pattern.slice(0, length))) return `${redacted.slice(0, -length)}<redacted>`
    }
  }
  return redacted
}

/** A placeholder in the query is redacted only with its name: it may be part of any other text. */
const parameters = (name: string, value: string): ReadonlyArray<string> =>
  value === "" ? [] : [placeholder.test(value) ? `${name}=${value}` : value]

/**
 * Returns a function that redacts what a call itself adds to its request, where its name says that it is a secret: it may be another
 * account's key, or a callback's secret.
 */
export const makeRedactCall = ({ body, options }: Pick<VideosCall, "body" | "options">): ((text: string) => string) => {
  const { extraHeaders, extraQuery } = options ?? {}
  const inQuery = Object.entries(extraQuery ?? {}).flatMap(([name, value]) =>
    isSecretParameter(name, value) ? parameters(name, value) : []
  )
  // `Bearer …`: the key alone, too.
  const inHeaders = Object.entries(extraHeaders ?? {}).flatMap(([name, value]) =>
    isSecretParameter(name, "") ? [value, value.replace(/^\S+\s+/, "")].filter((key) => !placeholder.test(key)) : []
  )
  const inBody = Object.entries(body ?? {}).flatMap(([name, value]) =>
    typeof value === "string" && isSecretParameter(name, "") && !placeholder.test(value) ? [value] : []
  )
  const patterns = patternsOf([...inQuery, ...inHeaders, ...inBody])
  return (text) => redactTruncated(text, patterns)
}

/** @internal */
export const makeSecrets = (config: VideosConfigService): Secrets => {
  const secrets = [
    ...[...Option.toArray(config.apiKey), ...Object.values(config.headers)].flatMap((value) =>
      Redacted.isRedacted(value) ? [Redacted.value(value)] : []
    ),
    ...Object.entries(config.query).flatMap(([name, value]) =>
      Redacted.isRedacted(value) ? parameters(name, Redacted.value(value)) : []
    )
  ]
  const all = patternsOf(secrets)
  const patterns = patternsOf(secrets.filter((secret) => !placeholder.test(secret)))
  const redactValue = (value: unknown): unknown => {
    if (typeof value === "string") return replaceAll(value, patterns)
    if (Array.isArray(value)) return value.map(redactValue)
    if (!wire.isObject(value)) return value
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [replaceAll(key, patterns), redactValue(inner)])
    )
  }

  return {
    redact: (text) => redactTruncated(text, all),
    // An escape in the JSON may hide a secret from a search in the text.
    redactJson: (text, json) => (text.includes("\\") || replaceAll(text, patterns) !== text ? redactValue(json) : json)
  }
}
