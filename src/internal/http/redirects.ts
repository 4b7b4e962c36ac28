/** Redirects of reads. Nothing that identifies the caller is sent to another origin than the server's. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Either from "effect/Either"
import type { VideosConfigService } from "../config/configTypes.js"
import { version } from "../config/version.js"
import * as Errors from "../errors/errors.js"
import type { VideosCall } from "./httpTypes.js"
import { entriesOf } from "./prepareRequest.js"
import type { ResponseHead } from "./transport.js"

/** No known server redirects more than twice. */
const maxRedirects = 5

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Whether the response is a redirect. Status 0: a browser hides the redirect's location. */
export const isRedirect = ({ headers, status }: ResponseHead): boolean =>
  status === 0 || (redirects.has(status) && headers["location"] !== undefined)

/** Headers about the requested part of the body, which say nothing about the caller. */
const impersonal = ["accept-encoding", "range", "if-range"] as const

/** The same request to another origin, without anything that identifies the caller. */
const anonymous = (request: HttpClientRequest.HttpClientRequest): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.modify(HttpClientRequest.get(request.url), {
    headers: {
      accept: request.headers.accept ?? "*/*",
      "user-agent": `effect-videos/${version}`,
      ...Object.fromEntries(
        impersonal.flatMap((name) => (request.headers[name] === undefined ? [] : [[name, request.headers[name]]]))
      )
    }
  })

/** From a redirect's `Location`, or a URL in a job, to the request that follows it. */
export const makeFollow = (config: VideosConfigService, redactFor: (call: VideosCall) => (text: string) => string) => {
  const query = entriesOf(config.query)
  const { origin } = new URL(config.baseUrl)

  /** `count`: the redirects before. */
  return (
    call: VideosCall,
    from: HttpClientRequest.HttpClientRequest,
    { location, status }: { readonly status: number; readonly location: string | undefined },
    count: number
  ): Either.Either<HttpClientRequest.HttpClientRequest, Errors.RedirectError> => {
    const refuse = (reason: Errors.RedirectError["reason"], to: string) =>
      Either.left(
        new Errors.RedirectError({ operation: call.operation, status, reason, location: redactFor(call)(to) })
      )
    if (location === undefined) return refuse("opaque", "an unknown location")
    const at = new URL(from.url)
    if (!URL.canParse(location, at)) return refuse("scheme", "an invalid URL")
    const to = new URL(location, at)
    // `fetch` refuses a URL with a user, and names all of it in its error; undici ignores the user.
    to.username = ""
    to.password = ""
    const shown = `${to.protocol}//${to.host}${to.pathname}`
    if (call.kind !== "read") return refuse("submission", shown)
    if (to.protocol !== "http:" && to.protocol !== "https:") return refuse("scheme", to.protocol)
    if (at.protocol === "https:" && to.protocol === "http:") return refuse("downgrade", shown)
    if (count >= maxRedirects) return refuse("loop", shown)
    // The location has its own query: that of the call is not added, and that of the configuration on its own origin only.
    const isOwn = to.origin === origin && at.origin === origin
    const missing = isOwn ? query.filter(([name]) => !to.searchParams.has(name)) : []
    for (const [name, value] of missing) to.searchParams.append(name, value)
    const moved = HttpClientRequest.setHeaders(HttpClientRequest.get(to.href), from.headers)
    return Either.right(to.origin === at.origin ? moved : anonymous(moved))
  }
}
