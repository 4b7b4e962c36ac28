/** Redirects of reads. Nothing that identifies the caller is sent to another origin than the server's. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Either from "effect/Either"
import { version } from "../config/version.js"
import * as Errors from "../errors/errors.js"
import type { VideosCall } from "./httpTypes.js"
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

/**
 * The request to a redirect's `Location`, or to a URL in the job, after `count` redirects. `locate` adds the query that every URL
 * of the server's own origin has.
 */
export const nextRequest = (
  call: VideosCall,
  from: HttpClientRequest.HttpClientRequest,
  { location, status }: { readonly status: number; readonly location: string | undefined },
  count: number,
  redact: (text: string) => string,
  locate: (from: string, to: URL) => string = (_, to) => to.href
): Either.Either<HttpClientRequest.HttpClientRequest, Errors.RedirectError> => {
  const refuse = (reason: Errors.RedirectError["reason"], to: string) =>
    Either.left(new Errors.RedirectError({ operation: call.operation, status, reason, location: redact(to) }))
  if (location === undefined) return refuse("opaque", "an unknown location")
  const at = new URL(from.url)
  let to: URL
  try {
    to = new URL(location, at)
  } catch {
    return refuse("scheme", "an invalid URL")
  }
  // `fetch` refuses a URL with a user, and names all of it in its error; undici ignores the user.
  to.username = ""
  to.password = ""
  const shown = `${to.protocol}//${to.host}${to.pathname}`
  if (call.kind !== "read") return refuse("submission", shown)
  if (to.protocol !== "http:" && to.protocol !== "https:") return refuse("scheme", to.protocol)
  if (at.protocol === "https:" && to.protocol === "http:") return refuse("downgrade", shown)
  if (count >= maxRedirects) return refuse("loop", shown)
  // The location has its own query: that of the call is not added.
  const moved = HttpClientRequest.setHeaders(HttpClientRequest.get(locate(from.url, to)), from.headers)
  return Either.right(to.origin === at.origin ? moved : anonymous(moved))
}
