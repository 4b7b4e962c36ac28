/** Reads the cause of a transport's own error: whether a request was sent, and a text for people. */

/** The code of an error of a proxy that made no connection to the server. */
export const proxyCode = "ERR_PROXY_CONNECTION"

// No connection was made: Node's resolver and sockets, undici, TLS, Bun. No byte of the request was sent.
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

const read = (value: object, name: string): unknown =>
  name in value ? (value as Record<string, unknown>)[name] : undefined

/** An error and its causes; no transport makes a longer chain than is read. */
const chainOf = (error: unknown): ReadonlyArray<object> => {
  const chain: Array<object> = []
  let current = error
  while (chain.length < 6 && typeof current === "object" && current !== null) {
    chain.push(current)
    // An `AggregateError` is one failed attempt per address of a host.
    const errors = read(current, "errors")
    current = read(current, "cause") ?? (Array.isArray(errors) ? errors[0] : undefined)
  }
  return chain
}

/** @internal */
export const diagnose = (cause: unknown): { readonly reason: "connect" | "exchange"; readonly detail: string } => {
  const messages: Array<string> = []
  let reason: "connect" | "exchange" = "exchange"
  for (const error of chainOf(cause)) {
    const code = read(error, "code")
    const message = read(error, "message")
    if (typeof code === "string") {
      if (connectCodes.has(code) || (code === "ETIMEDOUT" && read(error, "syscall") === "connect")) reason = "connect"
    }
    // `fetch` refuses some ports before it connects (https://fetch.spec.whatwg.org/#bad-port).
    if (message === "bad port") reason = "connect"
    const text = typeof message === "string" && message !== "" ? message : typeof code === "string" ? code : ""
    if (text !== "" && !messages.includes(text)) messages.push(text)
  }
  return { reason, detail: messages.length === 0 ? "unknown reason" : messages.join(": ") }
}

/**
 * A transport's error for the `cause` of a tagged error: names, messages, codes and stacks along the chain of causes, each
 * through `redact`. Its other properties are left out, because clients put the whole request there, with its headers.
 */
export const redactCause = (cause: unknown, redact: (text: string) => string): Error | undefined =>
  chainOf(cause)
    .filter((error) => error instanceof Error)
    .reduceRight<Error | undefined>((inner, error) => {
      const copy = new Error(redact(error.message), inner === undefined ? undefined : { cause: inner })
      const fields = { name: error.name, stack: error.stack, code: read(error, "code") }
      for (const [name, value] of Object.entries(fields)) {
        if (typeof value === "string") Object.defineProperty(copy, name, { value: redact(value), configurable: true })
      }
      return copy
    }, undefined)
