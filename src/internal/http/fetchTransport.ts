/** The short way over `fetch`: the web's own API and nothing else. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as Context from "effect/Context"
import type { Limits } from "../config/configTypes.js"
import { type Answer, BodyText, isOk, LazyAnswer, limitOf } from "./responseBody.js"
import { bytesOf, type Direct, type Outcome } from "./transport.js"

/** Options of `fetch` for another origin: they may hold headers of the program's own, or send a browser's cookies. */
export const impersonal = (init: RequestInit | undefined): RequestInit => {
  const { headers: _, ...rest } = init ?? {}
  return { ...rest, credentials: "omit" }
}

const joined = (init: RequestInit | undefined, request: HttpClientRequest.HttpClientRequest): Headers.Headers => {
  const own = request.headers
  const headers = init?.headers == null ? own : Headers.merge(Headers.fromInput(init.headers as Headers.Input), own)
  // `fetch` counts the body by itself, and takes no one else's word for it.
  return "content-length" in headers ? Headers.remove(headers, "content-length") : headers
}

/**
 * The same headers are sent time after time. To check and to convert them costs a call as much as the decoding of its answer;
 * a copy of what was checked costs a third of that. Each call gets its own: a `fetch` that is wrapped may write into it.
 */
class Checked {
  private last: Headers.Headers | null = null
  private headers = new globalThis.Headers()

  of(headers: Headers.Headers): globalThis.Headers {
    if (headers !== this.last) {
      this.headers = new globalThis.Headers(headers)
      this.last = headers
    }
    return new globalThis.Headers(this.headers)
  }
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
export const fetchDirect = (layer: Context.Context<never>): Direct => {
  const checked = new Checked()
  return (request, url, { context, isForeign, limits }, outcome: Outcome) => {
    const given = ({ key }: { readonly key: string }) => context.unsafeMap.get(key) ?? layer.unsafeMap.get(key)
    const givenFetch: typeof globalThis.fetch | undefined = given(FetchHttpClient.Fetch)
    const fetch = givenFetch ?? globalThis.fetch
    const own: RequestInit | undefined = given(FetchHttpClient.RequestInit)
    const init = isForeign ? impersonal(own) : own
    const controller = new AbortController()
    const exchange = async () => {
      const headers = joined(init, request)
      outcome.sent()
      const read = await readBody(
        await fetch(url, {
          ...init,
          method: request.method,
          // A program's own `fetch` sees them as `FetchHttpClient` gives them: as they are.
          headers: givenFetch === undefined ? checked.of(headers) : headers,
          body: bytesOf(request) as BodyInit | null,
          // `fetch` follows redirects by itself and takes `x-api-key` and its kin along: it is told not to.
          redirect: "manual",
          signal: controller.signal
        }),
        limits
      )
      if (read.isCut) controller.abort()
      outcome.answer(read)
    }
    exchange().catch((cause: unknown) => outcome.broke(cause))
    return () => controller.abort()
  }
}
