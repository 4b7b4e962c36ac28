/** Keeps the configured secrets out of whatever is made of a server's answer, should the server have repeated one. */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { VideosConfigService } from "../config/configTypes.js"
import { defaultLimits, prune } from "../config/limits.js"
import { readJson } from "../protocol/json.js"
import * as wire from "../protocol/jsonReaders.js"

/** @internal */
export interface Secrets {
  /** A text for an error, less every secret. */
  readonly scrub: (text: string) => string
  /** What a server sent, and what `JSON.parse` made of it: its texts less every secret, its structure untouched. */
  readonly clean: (sent: string, body: unknown) => unknown
}

/** What a program gives as a secret, plain or wrapped. */
export const redacted = (secret: string | Redacted.Redacted): Redacted.Redacted =>
  typeof secret === "string" ? Redacted.make(secret) : secret

/** "EMPTY", "none", "x": what is given to a server that wants any key. Taken out of a job, it would spoil its fields. */
const placeholder = /^(.{0,5}|[a-z]{0,11})$/i

/** So much of a secret at the end of a text that was cut gives it away. */
const telling = 8

/** @internal */
export const parseJson = (text: string): Option.Option<unknown> => {
  try {
    return Option.some(readJson(text))
  } catch {
    return Option.none()
  }
}

interface Remover {
  readonly whole: (text: string) => string
  /** Also what is left of a secret at the end of a text that was cut. */
  readonly cut: (text: string) => string
}

const htmlSigns: { readonly [sign: string]: string } = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

/** One sign in any of the ways in which a URL, JSON or HTML may write it. */
const anySpelling = (sign: string): string => {
  const literal = (text: string) => text.replace(/[$()*+.?[\\\]^{|}]/g, "\\$&")
  const code = sign.charCodeAt(0)
  const hex = code.toString(16)
  // Letters and digits are hardly ever written in another way, and a pattern of them alone is a quick one.
  if (/[0-9A-Za-z]/.test(sign)) return sign
  const named = htmlSigns[sign]
  return `(?:${[literal(sign), `%${hex}`, `\\\\u00${hex}`, `\\\\${literal(sign)}`, `&#0*${code};`, `&#x0*${hex};`, ...(named === undefined ? [] : [named])].join("|")})`
}

const remover = (secrets: ReadonlyArray<string>): Remover => {
  const spellings = secrets.flatMap((secret) => {
    const encoded = encodeURIComponent(secret)
    return [
      secret,
      encoded,
      new URLSearchParams([["", secret]]).toString().slice(1),
      encoded.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
      JSON.stringify(secret).slice(1, -1),
      secret.replace(/[&<>"']/g, (sign) => htmlSigns[sign] ?? sign)
    ]
  })
  // The longest first, so that none is cut by a shorter one inside it.
  const wanted = [...new Set(spellings)].filter((word) => word !== "").sort((a, b) => b.length - a.length)
  const whole = (text: string) => wanted.reduce((rest, word) => rest.replaceAll(word, "<redacted>"), text)
  // A page may escape some of a secret's signs and leave others.
  const mixed = secrets
    .filter((secret) => /[^0-9A-Za-z]/.test(secret))
    .map((secret) => new RegExp([...secret].map(anySpelling).join(""), "gi"))
  return {
    whole,
    cut: (text) => {
      const clean = mixed.reduce((rest, spelling) => rest.replace(spelling, "<redacted>"), whole(text))
      for (const word of wanted) {
        for (let length = word.length - 1; length >= telling; length--) {
          if (clean.endsWith(word.slice(0, length))) return `${clean.slice(0, -length)}<redacted>`
        }
      }
      return clean
    }
  }
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
  const remove = remover(secrets.filter((secret) => !placeholder.test(secret))).whole

  /** A text may be JSON again, in which any character may be spelled `\uXXXX`. */
  const cleanText = (text: string): string => {
    const parsed = text.includes("\\") ? parseJson(text) : Option.none()
    if (Option.isNone(parsed)) return remove(text)
    // What is too deep for `JSON.stringify` is no text that anybody reads: what is cut off may hold anything.
    const isCut = prune(parsed.value, defaultLimits.jsonDepth)
    const inner = JSON.stringify(parsed.value)
    const clean = remove(inner)
    return clean === inner && !isCut ? text : clean
  }
  const cleanValue = (value: unknown): unknown => {
    if (typeof value === "string") return cleanText(value)
    if (Array.isArray(value)) return value.map(cleanValue)
    if (!wire.isObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [cleanText(key), cleanValue(inner)]))
  }

  return {
    scrub: remover(secrets).cut,
    clean: (sent, body) => (sent.includes("\\") || remove(sent) !== sent ? cleanValue(body) : body)
  }
}
