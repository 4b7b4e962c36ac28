/** The rules of a configuration. Each returns the problem as a text without secrets. */
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { shapeOf } from "./optionRules.js"

/** Visible ASCII: what every HTTP stack takes in a header. A line break or a non-Latin character is a paste gone wrong. */
const visible = /^[\x21-\x7e]+$/

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

export const checkHeaderValue = (value: string): string | null => {
  if (value === "") return "must not be empty"
  if (visible.test(value)) return null
  const what = /[\r\n]/.test(value)
    ? "a line break"
    : /\s/.test(value)
      ? "white space"
      : "a control or non-ASCII character"
  return `must be visible ASCII characters alone; received ${value.length} characters with ${what}`
}

export const checkHeader = (name: string, value: string): string | null => {
  if (!token.test(name)) return "has a name that is not an HTTP header name"
  // Spaces are fine within a header that is not a key.
  return /^[\x20-\x7e]*$/.test(value) ? null : "must be printable ASCII characters alone"
}

const wanted = "must be an http(s) URL without credentials or fragment, such as https://host/v1; received"

/** The shape of a value that may be a secret: of a number, too, nothing is shown. */
export const secretShape = (value: unknown): string => {
  if (typeof value === "string") return shapeOf(value)
  if (Predicate.isNullable(value)) return String(value)
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}

/** What a `Redacted` holds, or the value as it is. */
export const revealed = (given: unknown): unknown => (Redacted.isRedacted(given) ? Redacted.value(given) : given)

export interface Query {
  readonly [name: string]: string
}

/** The base URL without its trailing slashes, and its query apart; or what is wrong with it. */
export const readBaseUrl = (
  value: unknown
): { readonly url: string; readonly query: Query } | { readonly problem: string } => {
  if (typeof value !== "string") return { problem: `${wanted} ${secretShape(value)}` }
  if (!URL.canParse(value)) return { problem: `${wanted} ${secretShape(value)} that is not a URL` }
  const url = new URL(value)
  if (url.protocol !== "http:" && url.protocol !== "https:") return { problem: `${wanted} a ${url.protocol} URL` }
  if (url.username !== "" || url.password !== "") return { problem: `${wanted} one with credentials` }
  if (url.hash !== "" || /#/.test(value)) return { problem: `${wanted} one with a fragment` }
  const query = readQuery(url.searchParams)
  if ("problem" in query) return { problem: `has a query that ${query.problem}` }
  return { url: `${url.origin}${url.pathname}`.replace(/\/+$/, ""), query: query.query }
}

/** For a problem's text: the name of a parameter is not a secret, but a value in its place may be one. */
const shownName = (name: string): string => (/^[a-z_.-]{1,20}$/i.test(name) ? `\`${name}\`` : secretShape(name))

const readQuery = (
  pairs: Iterable<readonly [string, string]>
): { readonly query: Query } | { readonly problem: string } => {
  const query = new Map<string, string>()
  for (const [name, value] of pairs) {
    if (name === "") return { problem: "must name each of its parameters" }
    if (query.has(name)) return { problem: `must name each parameter once; received ${shownName(name)} twice` }
    query.set(name, value)
  }
  return { query: Object.fromEntries(query) }
}

const wantedQuery = "must be written as `name=value&name=value`, such as `api-version=preview`; received"

/** A query as a variable has it. */
export const readQueryText = (text: string): { readonly query: Query } | { readonly problem: string } => {
  const given = text.trim().replace(/^\?/, "")
  const bare = given.split("&").find((part) => part !== "" && part.indexOf("=") < 1)
  return bare === undefined
    ? readQuery(new URLSearchParams(given))
    : { problem: `${wantedQuery} ${secretShape(bare)} without \`name=\`` }
}

const secretName =
  /key|token|secret|passw|pwd|auth|credential|signature|session|(^|[^a-z])(code|sig|pass|sas|jwt|pat|cred)([^a-z]|$)/i

/** Whether a query parameter holds a secret: by its name, or because its value is as long and as mixed as a key. */
export const isSecretParameter = (name: string, value: string): boolean =>
  secretName.test(name) ||
  (!/version/i.test(name) && /^[\w+/=.~%-]{24,}$/.test(value) && /\d/.test(value) && /[A-Za-z]/.test(value))
