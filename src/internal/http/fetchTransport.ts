/** A transport over `fetch`, with no `HttpClient` in between. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Limits } from "../config/configTypes.js"
import { fetchOptions } from "./clientTransport.js"
import { asyncWithTimeout } from "./deadline.js"
import {
  collectBody,
  exchangeFailed,
  isOk,
  type ResponseHead,
  type SendWhole,
  type WholeResponse
} from "./transport.js"

/** Headers of the options come first: those of the request win. `fetch` counts the length of a body by itself. */
const mergeHeaders = (own: RequestInit["headers"] | undefined, request: Headers.Headers): Headers.Headers => {
  const merged = own == null ? request : Headers.merge(Headers.fromInput(own as Headers.Input), request)
  return "content-length" in merged ? Headers.remove(merged, "content-length") : merged
}

const readBody = async (response: Response, head: ResponseHead, limits: Limits): Promise<WholeResponse> => {
  const body = collectBody(head.status, limits)
  try {
    const reader = response.body?.getReader()
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
      if (!body.add(part.value)) {
        void reader?.cancel().catch(() => {})
        break
      }
    }
  } catch (cause) {
    if (isOk(head.status)) throw cause
  }
  return body.responseOf(head)
}

/** The options of a call's own context come before those of `layer`, the context of the layer. */
export const fetchTransport =
  (layer: Context.Context<never>): SendWhole =>
  (request, url, body, { isForeign, limits, onHead, onSend, timeout }) =>
    Effect.withFiberRuntime((fiber) => {
      const given = ({ key }: { readonly key: string }) =>
        fiber.currentContext.unsafeMap.get(key) ?? layer.unsafeMap.get(key)
      const fetch: typeof globalThis.fetch = given(FetchHttpClient.Fetch) ?? globalThis.fetch
      const init = fetchOptions(given(FetchHttpClient.RequestInit), isForeign)
      const exchange = async (signal: AbortSignal): Promise<WholeResponse> => {
        const headers = mergeHeaders(init.headers, request.headers)
        onSend()
        const options = { ...init, method: request.method, headers, body: body as BodyInit | null, signal }
        const response = await fetch(url, options)
        const head = { status: response.status, headers: Headers.fromInput(response.headers) }
        onHead(head)
        return readBody(response, head, limits)
      }
      return asyncWithTimeout(timeout, (resume) => {
        const controller = new AbortController()
        exchange(controller.signal).then(
          (response) => resume(Effect.succeed(response)),
          (cause) => resume(Effect.fail(exchangeFailed(request, cause)))
        )
        return () => controller.abort()
      })
    })
