/** The rules that a configuration has to keep. Each answers with what is wrong, in words that show no secret. */

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
