/** What broke, told from a transport's own error: whether anything was sent, and why in words. */

/** The code of an error of a proxy that made no connection to the server. */
export const proxyCode = "ERR_PROXY_CONNECTION"

// A connection was never made: Node's resolver and sockets, undici, TLS, Bun. Nothing of the request has left.
const connectCodes = new Set([
  proxyCode,
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EAI_NODATA",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_HAS_EXPIRED",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ConnectionRefused",
  "FailedToOpenSocket"
])

/** @internal */
export interface Broken {
  readonly reason: "connect" | "exchange"
  readonly detail: string
}

const read = (value: object, name: string): unknown =>
  name in value ? (value as Record<string, unknown>)[name] : undefined

/** Walks the chain of causes, as far as any transport makes it. */
export const diagnose = (cause: unknown): Broken => {
  const words: Array<string> = []
  let reason: Broken["reason"] = "exchange"
  let current: unknown = cause
  for (let depth = 0; depth < 6 && typeof current === "object" && current !== null; depth++) {
    const code = read(current, "code")
    const message = read(current, "message")
    if (typeof code === "string") {
      if (connectCodes.has(code) || (code === "ETIMEDOUT" && read(current, "syscall") === "connect")) reason = "connect"
    }
    // `fetch` refuses some ports before it connects (https://fetch.spec.whatwg.org/#bad-port).
    if (message === "bad port") reason = "connect"
    const word = typeof message === "string" && message !== "" ? message : typeof code === "string" ? code : ""
    if (word !== "" && !words.includes(word)) words.push(word)
    // An `AggregateError` is one failed attempt per address of a host.
    const errors = read(current, "errors")
    current = read(current, "cause") ?? (Array.isArray(errors) ? errors[0] : undefined)
  }
  return { reason, detail: words.length === 0 ? "unknown reason" : words.join(": ") }
}

/**
 * A transport's error as an error may carry it: names, messages, codes and stacks along the chain of causes, each through
 * `scrub`. Its other properties stay behind: clients put the whole request there, headers and all.
 */
export const retold = (cause: unknown, scrub: (text: string) => string, depth = 6): Error | undefined => {
  if (!(cause instanceof Error) || depth === 0) return undefined
  const errors = read(cause, "errors")
  const inner = retold(cause.cause ?? (Array.isArray(errors) ? errors[0] : undefined), scrub, depth - 1)
  const told = new Error(scrub(cause.message), inner === undefined ? undefined : { cause: inner })
  const code = read(cause, "code")
  for (const [name, value] of [
    ["name", cause.name],
    ["stack", cause.stack],
    ["code", code]
  ]) {
    if (typeof value === "string")
      Object.defineProperty(told, String(name), { value: scrub(value), configurable: true })
  }
  return told
}
