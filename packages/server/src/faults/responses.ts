/** Replaces or changes responses: another status, other fields, other times, other pages. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type { Imitation } from "../imitation.js"
import { isObject, type JsonObject } from "../json.js"
import { refuse } from "../protocol.js"
import type { Refused } from "../shapes.js"
import { jsonOf, withJson } from "./bodies.js"
import type { Fault, RetryAfter } from "./model.js"

type Response = HttpServerResponse.HttpServerResponse
type Of<Tag extends Fault["_tag"]> = Extract<Fault, { readonly _tag: Tag }>

const retryHeaders = ({ afterMillis, form }: RetryAfter, now: number): { readonly [name: string]: string } => {
  switch (form) {
    case "seconds":
      return { "retry-after": String(afterMillis / 1000) }
    case "millis":
      return { "retry-after-ms": String(afterMillis) }
    case "date":
      return { "retry-after": new Date(Math.ceil((now + afterMillis) / 1000) * 1000).toUTCString() }
  }
}

const reasons: { readonly [status: number]: string } = {
  200: "Welcome",
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  524: "A timeout occurred"
}

const htmlPage = (title: string): string =>
  `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>\n`

/** @internal */
export const statusResponse = (fault: Of<"Status">, dialect: Imitation, refused: Refused, now: number): Response => {
  const { body, code, message, retryAfter, status } = fault
  const headers = retryAfter === undefined ? {} : retryHeaders(retryAfter, now)
  const reason = reasons[status] ?? "Error"
  switch (body) {
    case "empty":
      return HttpServerResponse.empty({ status, headers: { ...headers, "content-length": "0" } })
    case "html":
      return HttpServerResponse.html(htmlPage(status === 200 ? reason : `${status} ${reason}`)).pipe(
        HttpServerResponse.setStatus(status),
        HttpServerResponse.setHeaders(headers)
      )
    case "json": {
      const refusal = refuse(status, message ?? reason, {
        code: code ?? (status === 429 ? "rate_limit_exceeded" : undefined)
      })
      return HttpServerResponse.unsafeJson(dialect.errorBody(refusal, refused), { status, headers })
    }
  }
}

/** Redirects to the URL; if the URL is an origin, keeps the path. */
export const redirectResponse = ({ status, to }: Of<"Redirect">, path: string): Response => {
  const url = new URL(to)
  const isOrigin = url.pathname === "/" && url.search === "" && url.hash === ""
  return HttpServerResponse.empty({
    status,
    headers: { location: isOrigin ? `${url.origin}${path}` : url.href, "content-length": "0" }
  })
}

/** Changes every job in a response: the body, or the items of a list. */
const mapJobs = (response: Response, change: (job: JsonObject) => JsonObject): Response =>
  mapJson(response, (body) =>
    body.object === "video"
      ? change(body)
      : Array.isArray(body.data)
        ? { ...body, data: body.data.map((item) => (isObject(item) ? change(item) : item)) }
        : body
  )

const mapJson = (response: Response, change: (body: JsonObject) => JsonObject): Response => {
  const text = jsonOf(response)
  const body: unknown = text === null ? null : JSON.parse(text)
  return isObject(body) ? withJson(response, JSON.stringify(change(body))) : response
}

/** @internal */
export const replaceFields = (response: Response, fields: JsonObject): Response =>
  mapJobs(response, (job) => ({ ...job, ...fields }))

const times = ["created_at", "completed_at", "expires_at"] as const

/** @internal */
export const shiftTimes = (response: Response, aheadMillis: number, now: number): Response => {
  const seconds = Math.round(aheadMillis / 1000)
  const moved = mapJobs(response, (job) => ({
    ...job,
    ...Object.fromEntries(
      times.flatMap((name) => {
        const time = job[name]
        return typeof time === "number" ? [[name, time + seconds]] : []
      })
    )
  }))
  return HttpServerResponse.setHeader(moved, "date", new Date(now + aheadMillis).toUTCString())
}

/** @internal */
export const changePage = (response: Response, is: Of<"Page">["is"]): Response =>
  mapJson(response, (body) => {
    if (!Array.isArray(body.data)) return body
    switch (is) {
      case "doubled":
        return { ...body, data: body.data.flatMap((job: unknown) => [job, job]) }
      case "empty":
        return { ...body, data: [], first_id: null, last_id: null, has_more: true }
      case "first":
        return { ...body, has_more: true }
    }
  })

/** Adds the keys as text, because a spread would drop an own `__proto__` of an object. */
export const addPrototypeKeys = (response: Response): Response => {
  const text = jsonOf(response)
  const keys = '"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},'
  return text?.startsWith("{") ? withJson(response, `{${keys}${text.slice(1)}`) : response
}

/** @internal */
export const addNestedArrays = (response: Response, depth: number): Response => {
  const text = jsonOf(response)
  return text?.endsWith("}")
    ? withJson(response, `${text.slice(0, -1)},"deep":${"[".repeat(depth)}${"]".repeat(depth)}}`)
    : response
}
