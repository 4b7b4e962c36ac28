/** Proxies: which request goes through which, and errors that name the proxy and never its credentials. */
import * as net from "node:net"
import type { Dispatcher } from "@effect/platform-node/Undici"
import * as Undici from "@effect/platform-node/Undici"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { variable } from "../internal/config/environment.js"
import { secretShape } from "../internal/config/validateConfig.js"
import { diagnose, proxyCode } from "../internal/http/transportError.js"

/** One proxy. */
export interface ProxyServer {
  /** Scheme, host and port: what an error shows. */
  readonly origin: string
  /** The value of `Proxy-Authorization`, from the credentials in the proxy's URL. */
  readonly token: Redacted.Redacted | null
  /** What said so: a variable's or an option's name. */
  readonly source: string
}

/** The proxies of a program, and the hosts that are reached without one. */
export interface Proxies {
  readonly http: ProxyServer | null
  readonly https: ProxyServer | null
  readonly isDirect: (url: URL) => boolean
}

// -----------------------------------------------------------------------------
// settings
// -----------------------------------------------------------------------------

const wanted = "must be the http(s) URL of a proxy, such as http://user:password@proxy:3128; received"

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** A proxy from its URL, or what is wrong with it; without a scheme, it is an HTTP proxy. */
const readProxy = (source: string, text: string): { readonly value: ProxyServer } | { readonly problem: string } => {
  const given = text.trim()
  let url: URL
  try {
    url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(given) ? given : `http://${given}`)
  } catch {
    return { problem: `${wanted} ${secretShape(given)} that is not a URL` }
  }
  const { password, protocol, username } = url
  if (protocol !== "http:" && protocol !== "https:") return { problem: `${wanted} a ${protocol} URL` }
  const isAnonymous = username === "" && password === ""
  const credentials = Buffer.from(`${decoded(username)}:${decoded(password)}`).toString("base64")
  return { value: { origin: url.origin, source, token: isAnonymous ? null : Redacted.make(`Basic ${credentials}`) } }
}

/** A host of a URL, without the brackets of an IPv6 address and the dot at the end of a full name. */
const hostOf = (host: string): string =>
  host
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "")
    .toLowerCase()

const familyOf = (address: string): "ipv4" | "ipv6" => (net.isIPv6(address) ? "ipv6" : "ipv4")

const loopback = "localhost,127.0.0.0/8,::1"

/** Rules as `noProxy` documents them, with commas or white space between; `.a.com` and `*.a.com` are `a.com`. */
export const readNoProxy = (text: string): Proxies["isDirect"] => {
  const rules = `${loopback},${text}`
    .split(/[\s,]+/)
    .filter((rule) => rule !== "")
    .map((rule) => {
      const [, host = rule, port = ""] = /^(\[.*\]|[^:]*):(\d+)$/.exec(rule) ?? []
      const [, address = "", bits = ""] = /^(.+)\/(\d+)$/.exec(hostOf(host)) ?? []
      const range = new net.BlockList()
      if (net.isIP(address) !== 0 && Number(bits) <= (net.isIPv6(address) ? 128 : 32)) {
        range.addSubnet(address, Number(bits), familyOf(address))
      }
      const name = hostOf(host.replace(/^\*?\.(?=.)/, ""))
      if (net.isIP(name) !== 0) range.addAddress(name, familyOf(name))
      return { name, port, range }
    })
  return ({ hostname, port, protocol }) => {
    const host = hostOf(hostname)
    const at = port === "" ? (protocol === "https:" ? "443" : "80") : port
    return rules.some(
      (rule) =>
        (rule.port === "" || rule.port === at) &&
        (rule.name === "*" ||
          host === rule.name ||
          host.endsWith(`.${rule.name}`) ||
          (net.isIP(host) !== 0 && rule.range.check(host, familyOf(host))))
    )
  }
}

/** The proxy that a program's options name, if they name one. */
export const makeProxies = (options: {
  readonly proxy?: string | Redacted.Redacted | undefined
  readonly noProxy?: string | undefined
}): Either.Either<Proxies | null, ConfigError.ConfigError> => {
  const { noProxy = "", proxy } = options
  if (proxy === undefined) return Either.right(null)
  const read = readProxy("proxy", typeof proxy === "string" ? proxy : Redacted.value(proxy))
  return "problem" in read
    ? Either.left(ConfigError.InvalidData(["proxy"], `\`proxy\` ${read.problem}`))
    : Either.right({ http: read.value, https: read.value, isDirect: readNoProxy(noProxy) })
}

/** The lower-case spelling comes first, as in curl. */
const spellings = <A>(name: string, read: (name: string) => Config.Config<A | undefined>) =>
  Config.map(
    Config.all([read(name.toLowerCase()), read(name)] as const),
    ([lower, upper]): A | undefined => lower ?? upper
  )

const proxyVariable = (name: string) =>
  spellings(name, (spelling) => variable(spelling, (text) => readProxy(spelling, text)))

/** `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case; `null` where no proxy is set. */
export const proxiesFromEnvironment: Config.Config<Proxies | null> = Config.all({
  http: proxyVariable("HTTP_PROXY"),
  https: proxyVariable("HTTPS_PROXY"),
  all: proxyVariable("ALL_PROXY"),
  none: spellings("NO_PROXY", (name) => variable(name, (value) => ({ value })))
}).pipe(
  Config.map(({ all, http = all, https = all, none = "" }) =>
    http === undefined && https === undefined
      ? null
      : { http: http ?? null, https: https ?? null, isDirect: readNoProxy(none) }
  )
)

/** The proxy that requests to a URL go through; `null` where they go directly. */
export const proxyOf = (proxies: Proxies | null, url: URL): ProxyServer | null => {
  if (proxies === null || proxies.isDirect(url)) return null
  return url.protocol === "https:" ? proxies.https : proxies.http
}

// -----------------------------------------------------------------------------
// errors
// -----------------------------------------------------------------------------

/** The proxy made no connection to the server: nothing of the request was sent there. */
class ProxyConnectionError extends Error {
  override readonly name = "ProxyConnectionError"
  readonly code = proxyCode
}

const unreachable = ({ origin }: ProxyServer, cause: unknown) =>
  new ProxyConnectionError(`cannot connect to the proxy ${origin}`, { cause })

const refused = ({ origin, token }: ProxyServer, status: number, target: string) =>
  new ProxyConnectionError(
    status !== 407
      ? `the proxy ${origin} refused to connect to ${target} (HTTP ${status})`
      : token === null
        ? `the proxy ${origin} wants credentials (HTTP 407), as in http://user:password@host:port`
        : `the proxy ${origin} does not accept the credentials of its URL (HTTP 407)`
  )

/** Failures in the proxy's name. `target` is `null` in a tunnel, where every response is the server's. */
const namedHandler = (
  handler: Dispatcher.DispatchHandler,
  proxy: ProxyServer,
  target: string | null
): Dispatcher.DispatchHandler => {
  const named = (error: Error): Error => {
    if (error instanceof ProxyConnectionError || error.name === "AbortError") return error
    if (target !== null && diagnose(error).reason === "connect") return unreachable(proxy, error)
    const code = "code" in error ? error.code : undefined
    return Object.assign(new Error(`through the proxy ${proxy.origin}`, { cause: error }), { code })
  }
  return {
    onRequestStart: (...start) => handler.onRequestStart?.(...start),
    onResponseStart: (controller, status, ...head) => {
      if (status === 407 && target !== null) controller.abort(refused(proxy, status, target))
      else handler.onResponseStart?.(controller, status, ...head)
    },
    onResponseData: (...data) => handler.onResponseData?.(...data),
    onResponseEnd: (...end) => handler.onResponseEnd?.(...end),
    onResponseError: (controller, error) => handler.onResponseError?.(controller, named(error))
  }
}

// -----------------------------------------------------------------------------
// dispatchers
// -----------------------------------------------------------------------------

const proxyAuthorization = ({ token }: ProxyServer): { readonly [name: string]: string } =>
  token === null ? {} : { "proxy-authorization": Redacted.value(token) }

/** `http:` URLs are sent to the proxy whole: many proxies refuse CONNECT to any port but 443. */
const forwarding = (proxy: ProxyServer, target: URL, options: Undici.Agent.Options): Dispatcher =>
  new Undici.Pool(proxy.origin, options).compose(
    (dispatch) => (request, handler) =>
      dispatch(
        {
          ...request,
          path: `${target.origin}${request.path}`,
          headers: { ...(request.headers as Record<string, string>), ...proxyAuthorization(proxy), host: target.host }
        },
        namedHandler(handler, proxy, target.host)
      )
  )

/** The timeout of a proxy's response to CONNECT, in milliseconds. */
const connectTimeout = 10_000

/** Requests tunnels from the proxy: undici's own would name neither the proxy nor what it responded. */
const tunnelClient = (proxy: ProxyServer, options: object): Dispatcher => {
  const pool = new Undici.Pool(proxy.origin, { ...options, headersTimeout: connectTimeout })
  const request = pool.connect.bind(pool) as (options: Dispatcher.ConnectOptions) => Promise<Dispatcher.ConnectData>
  const connect = async (options: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData> => {
    const data = await request(options).catch((cause: unknown) => {
      if (diagnose(cause).reason === "connect") throw unreachable(proxy, cause)
      throw new ProxyConnectionError(`the proxy ${proxy.origin} sent no HTTP response to CONNECT`, { cause })
    })
    if (data.statusCode === 200) return data
    data.socket.on("error", () => {}).destroy()
    throw refused(proxy, data.statusCode, options.path)
  }
  return Object.assign(pool, { connect })
}

/** `https:` URLs go through a tunnel, so that the proxy sees nothing of them but their host. */
const tunneling = (proxy: ProxyServer, options: Undici.Agent.Options): Dispatcher =>
  new Undici.ProxyAgent({
    ...options,
    uri: proxy.origin,
    ...(proxy.token === null ? {} : { token: Redacted.value(proxy.token) }),
    proxyTls: options.connect as Undici.buildConnector.BuildOptions,
    clientFactory: (_, client) => tunnelClient(proxy, client)
  }).compose(
    (dispatch) => (request, handler) =>
      // A copy, because `ProxyAgent` writes into the object.
      dispatch(
        { ...request, headers: { ...(request.headers as Record<string, string>) } },
        namedHandler(handler, proxy, null)
      )
  )

/** An agent that goes through the proxies, origin by origin. */
export const makeAgent = (
  options: { readonly connections?: number; readonly connect: { readonly timeout: number } },
  proxies: Proxies | null
): Undici.Agent =>
  new Undici.Agent({
    ...options,
    ...(proxies === null
      ? {}
      : {
          factory: (origin: string | URL, own: object) => {
            const target = new URL(origin)
            const proxy = proxyOf(proxies, target)
            if (proxy === null) return new Undici.Pool(target, own)
            return target.protocol === "https:" ? tunneling(proxy, options) : forwarding(proxy, target, options)
          }
        })
  })
