/** The rules that a configuration has to keep. Each answers with what is wrong, in words that show no secret. */
import type { Limits } from "../Http.js"

/** Visible ASCII: what every HTTP stack takes in a header. A line break or a non-Latin character is a paste gone wrong. */
const visible = /^[\x21-\x7e]+$/

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** @internal */
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

/** @internal */
export const checkHeader = (name: string, value: string): string | null => {
  if (!token.test(name)) return "has a name that is no HTTP header name"
  // Spaces are fine within a header that is not a key.
  return /^[\x20-\x7e]*$/.test(value) ? null : "must be printable ASCII characters alone"
}

const wanted = "must be an http(s) URL without credentials, query or fragment, such as https://host/v1; received"

/** The base URL without its trailing slashes, or what is wrong with it. */
export const readBaseUrl = (value: string): { readonly url: string } | { readonly problem: string } => {
  let url: URL
  try {
    url = new URL(value)
  } catch {
    return { problem: `${wanted} a text of ${value.length} characters that is no URL` }
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return { problem: `${wanted} a ${url.protocol} URL` }
  if (url.username !== "" || url.password !== "") return { problem: `${wanted} one with credentials` }
  if (url.search !== "" || /\?/.test(value)) return { problem: `${wanted} one with a query` }
  if (url.hash !== "" || /#/.test(value)) return { problem: `${wanted} one with a fragment` }
  return { url: `${url.origin}${url.pathname}`.replace(/\/+$/, "") }
}

/** A body of more bytes is longer than any string can be (V8: 2^29 characters). */
const maxText = 256 * 1024 * 1024

/** Deeper than this, whoever goes through an answer by recursion, as `JSON.stringify` does, may run out of stack. */
const maxDepth = 1000

const highest: Limits = {
  jsonBytes: maxText,
  errorBytes: maxText,
  jsonDepth: maxDepth,
  listItems: Number.MAX_SAFE_INTEGER,
  downloadBytes: Number.POSITIVE_INFINITY
}

/** What is wrong with the limits, by name, or `null`. */
export const checkLimits = (limits: Limits): { readonly name: string; readonly problem: string } | null => {
  for (const [name, given] of Object.entries(limits)) {
    const most = Object.hasOwn(highest, name) ? highest[name as keyof Limits] : 0
    if (most === 0) return { name, problem: "is no limit" }
    if ((Number.isSafeInteger(given) && given > 0 && given <= most) || given === most) continue
    const bound = most < Number.MAX_SAFE_INTEGER ? ` up to ${most}` : ""
    return { name, problem: `must be a positive integer${bound}; received ${given}` }
  }
  return null
}
