/** Makes the request of a call: URL, identity, the call's own headers and query, the body. */
import * as Headers from "@effect/platform/Headers"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { VideosConfigService } from "../config/configTypes.js"
import { version } from "../config/version.js"
import { encodeBody } from "./encodeBody.js"
import type { VideosCall } from "./httpTypes.js"

const headersOf = (config: VideosConfigService): Headers.Headers =>
  Headers.fromInput({
    accept: "application/json",
    "user-agent": `effect-videos/${version}`,
    ...Option.match(config.apiKey, {
      onNone: () => ({}),
      onSome: (key): Record<string, string> =>
        config.dialect.authHeader === "api-key"
          ? { "api-key": Redacted.value(key) }
          : { authorization: `Bearer ${Redacted.value(key)}` }
    }),
    ...Option.match(config.organization, { onNone: () => ({}), onSome: (id) => ({ "openai-organization": id }) }),
    ...Option.match(config.project, { onNone: () => ({}), onSome: (id) => ({ "openai-project": id }) }),
    ...Object.fromEntries(
      Object.entries(config.headers).map(([name, value]) => [
        name,
        typeof value === "string" ? value : Redacted.value(value)
      ])
    )
  })

/** The configuration's query, secrets included. */
const queryOf = (config: VideosConfigService): ReadonlyArray<readonly [string, string]> =>
  Object.entries(config.query).map(([name, value]) => [name, typeof value === "string" ? value : Redacted.value(value)])

/** Headers that spans redact, beside those that `HttpClient` redacts by itself and those of a call. */
export const redactedNames = (config: VideosConfigService): ReadonlyArray<string> => [
  ...Object.keys(config.headers),
  "openai-organization",
  "openai-project",
  "idempotency-key",
  "api-key",
  "location"
]

/** A `GET` that consists of its path alone. */
const isPoll = ({ body, headers, method, urlParams }: HttpClientRequest.HttpClientRequest): boolean =>
  method === "GET" && headers === Headers.empty && urlParams.length === 0 && body._tag === "Empty"

/** @internal */
export const makePrepare = (config: VideosConfigService) => {
  const identity = headersOf(config)
  const query = queryOf(config)
  /** The request of each poll, without its URL: ten thousand polls share one object of headers. */
  const poll = HttpClientRequest.setUrlParams(HttpClientRequest.setHeaders(HttpClientRequest.get(""), identity), query)
  return (call: VideosCall): HttpClientRequest.HttpClientRequest => {
    const { options, request } = call
    if (isPoll(request) && options?.extraHeaders === undefined && options?.extraQuery === undefined) {
      return HttpClientRequest.setUrl(poll, config.baseUrl + request.url)
    }
    const headers = Headers.merge(identity, request.headers)
    const prepared = HttpClientRequest.modify(HttpClientRequest.setUrl(request, config.baseUrl + request.url), {
      urlParams: UrlParams.setAll(query, request.urlParams),
      headers: options?.extraHeaders === undefined ? headers : Headers.setAll(headers, options.extraHeaders)
    })
    const withExtraQuery =
      options?.extraQuery === undefined ? prepared : HttpClientRequest.setUrlParams(prepared, options.extraQuery)
    return call.body === undefined
      ? withExtraQuery
      : HttpClientRequest.setBody(withExtraQuery, encodeBody(call.body, config.dialect))
  }
}

/** Adds the configuration's query to a redirect's URL on the server's own origin; parameters that the URL has win. */
export const makeWithQuery = (config: VideosConfigService) => {
  const query = queryOf(config)
  const { origin } = new URL(config.baseUrl)
  return (from: string, to: URL): string => {
    if (query.length === 0 || to.origin !== origin || new URL(from).origin !== origin) return to.href
    const moved = new URL(to)
    for (const [name, value] of query) if (!to.searchParams.has(name)) moved.searchParams.append(name, value)
    return moved.href
  }
}
