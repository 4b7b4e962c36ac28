/** Redirects of reads, one hop at a time: nothing that identifies the caller leaves the server's own origin. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Either from "effect/Either"
import { version } from "../config/version.js"
import * as Errors from "../errors/errors.js"
import type { VideosCall } from "./httpTypes.js"
import type { ResponseHead } from "./transport.js"

/** As `fetch` has it, less a few; no server of the family redirects more than twice. */
const maxRedirects = 5

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Whether the response is a redirect. A browser hides where to (status 0): an error says so. */
export const isRedirect = ({ headers, status }: ResponseHead): boolean =>
  status === 0 || (redirects.has(status) && headers["location"] !== undefined)

/** Headers that say which part of the body is wanted, and nothing about the caller. */
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
 * The request to a redirect's `Location`, or to a URL in the job, after `hops` before it. `locate` adds the query that every URL
 * of the server's own origin has.
 */
export const nextRequest = (
  call: VideosCall,
  from: HttpClientRequest.HttpClientRequest,
  { location, status }: { readonly status: number; readonly location: string | undefined },
  hops: number,
  scrub: (text: string) => string,
  locate: (from: string, to: URL) => string = (_, to) => to.href
): Either.Either<HttpClientRequest.HttpClientRequest, Errors.RedirectError> => {
  const refuse = (reason: Errors.RedirectError["reason"], to: string) =>
    Either.left(new Errors.RedirectError({ operation: call.operation, status, reason, location: scrub(to) }))
  if (location === undefined) return refuse("opaque", "an unknown place")
  const at = new URL(from.url)
  let to: URL
  try {
    to = new URL(location, at)
  } catch {
    return refuse("scheme", "what is no URL")
  }
  const shown = `${to.protocol}//${to.host}${to.pathname}`
  if (call.kind !== "read") return refuse("submission", shown)
  if (to.protocol !== "http:" && to.protocol !== "https:") return refuse("scheme", to.protocol)
  if (at.protocol === "https:" && to.protocol === "http:") return refuse("downgrade", shown)
  if (hops >= maxRedirects) return refuse("loop", shown)
  // Its query is the location's own: what the call asked for before is not added to it.
  const moved = HttpClientRequest.setHeaders(HttpClientRequest.get(locate(from.url, to)), from.headers)
  return Either.right(to.origin === at.origin ? moved : anonymous(moved))
}
