/** Makes the request of a call: URL, identity, the call's own headers and query, the body. */
import * as Headers from "@effect/platform/Headers"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { VideosConfigService } from "../config/configTypes.js"
import { version } from "../config/version.js"
import type { Dialect } from "../protocol/dialect.js"
import * as wire from "../protocol/jsonReaders.js"
import { dialectBody } from "../protocol/requestBody.js"
import type { VideosCall } from "./httpTypes.js"
import { newForm, textParts } from "./multipart.js"

/** Headers or parameters of the configuration, secrets included. */
export const entriesOf = (values: VideosConfigService["headers"]): ReadonlyArray<readonly [string, string]> =>
  Object.entries(values).map(([name, value]) => [name, typeof value === "string" ? value : Redacted.value(value)])

const headersOf = ({ apiKey, dialect, headers, organization, project }: VideosConfigService): Headers.Headers => {
  const key = Option.getOrUndefined(Option.map(apiKey, Redacted.value))
  const isBearer = dialect.authHeader !== "api-key"
  return Headers.fromInput({
    accept: "application/json",
    "user-agent": `effect-videos/${version}`,
    "api-key": isBearer ? undefined : key,
    authorization: isBearer && key !== undefined ? `Bearer ${key}` : undefined,
    "openai-organization": Option.getOrUndefined(organization),
    "openai-project": Option.getOrUndefined(project),
    ...Object.fromEntries(entriesOf(headers))
  })
}

/** Headers that spans redact, beside those that `HttpClient` redacts by itself and those of a call. */
export const redactedNames = (config: VideosConfigService): ReadonlyArray<string> => [
  ...Object.keys(config.headers),
  "openai-organization",
  "openai-project",
  "idempotency-key",
  "api-key",
  "location"
]

const encoder = new TextEncoder()

/** A form has texts only. An object of texts is encoded as `video[id]`, as the protocol's own clients do; anything else as JSON. */
export const formFields = (fields: wire.JsonObject): { readonly [name: string]: string } =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]): ReadonlyArray<readonly [string, string]> => {
      if (typeof value === "string") return [[name, value]]
      if (value === null || value === undefined) return []
      return wire.isObject(value) && Object.values(value).every((inner) => typeof inner === "string")
        ? Object.entries(value).map(([key, inner]) => [`${name}[${key}]`, String(inner)])
        : [[name, JSON.stringify(value)]]
    })
  )

const form = (fields: wire.JsonObject): HttpBody.HttpBody => {
  const { boundary, contentType } = newForm()
  const body = `${textParts(formFields(fields), boundary)}--${boundary}--\r\n`
  return HttpBody.uint8Array(encoder.encode(body), contentType)
}

const encodeBody = (fields: wire.JsonObject, dialect: Dialect): HttpBody.HttpBody => {
  const body = dialectBody(fields, dialect)
  return dialect.encoding === "form"
    ? form(body)
    : HttpBody.uint8Array(encoder.encode(JSON.stringify(body)), "application/json")
}

/** A `GET` that consists of its path alone. */
const isPoll = ({ body, headers, method, urlParams }: HttpClientRequest.HttpClientRequest): boolean =>
  method === "GET" && headers === Headers.empty && urlParams.length === 0 && body._tag === "Empty"

/** @internal */
export const makePrepare = (config: VideosConfigService) => {
  const identity = headersOf(config)
  const query = entriesOf(config.query)
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
