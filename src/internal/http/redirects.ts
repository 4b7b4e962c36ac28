/** Redirects of reads, one hop at a time: nothing that tells who asks leaves the server's own origin. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Either from "effect/Either"
import { version } from "../config/version.js"
import * as Errors from "../errors/errors.js"
import type { VideosCall } from "./httpTypes.js"

/** As `fetch` has it, less a few; no server of the family redirects more than twice. */
const maxRedirects = 5

const isRedirect = (status: number): boolean =>
  status === 0 || status === 301 || status === 302 || status === 303 || status === 307 || status === 308

/** An answer, as far as it may lead elsewhere. */
export interface Head {
  readonly status: number
  readonly headers: { readonly [name: string]: string | undefined }
}

/** Whether the answer is elsewhere. A browser hides where (status 0), and that is told then. */
export const leadsAway = (answer: Head): boolean =>
  isRedirect(answer.status) && (answer.status === 0 || answer.headers["location"] !== undefined)

/** What is wanted of a body, and nothing about who wants it. */
const impersonal = ["accept-encoding", "range", "if-range"] as const

/** The same request, anywhere else: nothing that tells who asks goes along. */
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
 * The request to where an answer points: a redirect's `Location`, or a URL in the job. `hops` have been made before; `locate`
 * adds what every URL of the server's own origin has.
 */
export const nextHop = (
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
