/** The short way over `fetch`: the web's own API and nothing else. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as Context from "effect/Context"
import type { Limits } from "../Http.js"
import { type Answer, BodyText, isOk, LazyAnswer, limitOf } from "./answer.js"
import { bytesOf, type Direct, type Outcome } from "./direct.js"

/** Options of `fetch` for another origin: they may hold headers of the program's own, or send a browser's cookies. */
export const impersonal = (init: RequestInit | undefined): RequestInit => {
  const { headers: _, ...rest } = init ?? {}
  return { ...rest, credentials: "omit" }
}

const headersOf = (init: RequestInit | undefined, request: HttpClientRequest.HttpClientRequest): Headers.Headers => {
  const own = request.headers
  const headers = init?.headers == null ? own : Headers.merge(Headers.fromInput(init.headers as Headers.Input), own)
  // `fetch` counts the body by itself, and takes no one else's word for it.
  return "content-length" in headers ? Headers.remove(headers, "content-length") : headers
}

/** The body up to its limit; what a failing answer said before it broke off is kept. */
const readBody = async ({ body, headers, status }: Response, limits: Limits): Promise<Answer> => {
  const collected = new BodyText(limitOf(status, limits))
  try {
    const reader = body?.getReader()
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
      if (!collected.add(part.value)) break
    }
  } catch (cause) {
    if (isOk(status)) throw cause
  }
  return new LazyAnswer(status, headers, collected)
}

/** `context` is the layer's; a call's own comes before it. */
export const fetchDirect =
  (layer: Context.Context<never>): Direct =>
  (request, url, { context, isForeign, limits }, { answer, broke }: Outcome) => {
    const given = ({ key }: { readonly key: string }) => context.unsafeMap.get(key) ?? layer.unsafeMap.get(key)
    const fetch: typeof globalThis.fetch = given(FetchHttpClient.Fetch) ?? globalThis.fetch
    const own: RequestInit | undefined = given(FetchHttpClient.RequestInit)
    const init = isForeign ? impersonal(own) : own
    const controller = new AbortController()
    const exchange = async () => {
      const read = await readBody(
        await fetch(url, {
          ...init,
          method: request.method,
          headers: headersOf(init, request),
          body: bytesOf(request) as BodyInit | null,
          // `fetch` follows redirects by itself and takes `x-api-key` and its kin along: it is told not to.
          redirect: "manual",
          signal: controller.signal
        }),
        limits
      )
      if (read.isCut) controller.abort()
      answer(read)
    }
    exchange().catch(broke)
    return () => controller.abort()
  }
