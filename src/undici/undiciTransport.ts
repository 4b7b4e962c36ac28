/** A transport over undici: one `dispatch` and its callbacks, with no `Readable` and no `AbortSignal` in between. */
import * as Headers from "@effect/platform/Headers"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type { Dispatcher } from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import { asyncWithTimeout } from "../internal/http/deadline.js"
import {
  collectBody,
  exchangeFailed,
  isOk,
  type ResponseHead,
  type SendOptions,
  type SendWhole,
  type WholeResponse
} from "../internal/http/transport.js"

class Aborted extends Error {
  override readonly name = "AbortError"
}

/** The handler of one exchange. It may start more than once, if a connection that was kept turns out to be closed. */
const makeExchange = (
  options: SendOptions,
  onResponse: (response: WholeResponse) => void,
  onFailure: (cause: unknown) => void
) => {
  let controller: Dispatcher.DispatchController | null = null
  let isAborted = false
  let head: ResponseHead = { status: 0, headers: Headers.empty }
  let body = collectBody(0, options.limits)

  /** A request that still waits for a connection is dropped when its turn comes. */
  const abort = (): void => {
    isAborted = true
    controller?.abort(new Aborted("aborted"))
  }
  const end = (): void => onResponse(body.responseOf(head))

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart: (started) => {
      controller = started
      if (isAborted) abort()
      else options.onSend()
    },
    onResponseStart: (_, status, headers) => {
      // 1xx: the response is yet to come.
      if (status < 200) return
      head = { status, headers: Headers.fromInput(headers as Headers.Input) }
      options.onHead(head)
      body = collectBody(status, options.limits)
    },
    onResponseData: (_, chunk) => {
      if (isAborted || body.add(chunk)) return
      end()
      abort()
    },
    onResponseEnd: end,
    // The body of an error status may break off: the part that came is kept.
    onResponseError: (_, cause) => (head.status === 0 || isOk(head.status) ? onFailure(cause) : end())
  }
  return { abort, handler }
}

/** @internal */
export const undiciTransport =
  (dispatcher: Dispatcher): SendWhole =>
  (request, url, body, options) =>
    Effect.withFiberRuntime((fiber) =>
      asyncWithTimeout(options.timeout, (resume) => {
        const onFailure = (cause: unknown) => resume(Effect.fail(exchangeFailed(request, cause)))
        const exchange = makeExchange(options, (response) => resume(Effect.succeed(response)), onFailure)
        const path = url.indexOf("/", url.indexOf("://") + 3)
        const hash = url.indexOf("#")
        const own = fiber.currentContext.unsafeMap.get(NodeHttpClient.UndiciRequestOptions.key) as
          | Partial<Dispatcher.DispatchOptions>
          | undefined
        try {
          dispatcher.dispatch(
            {
              ...own,
              origin: path === -1 ? url : url.slice(0, path),
              path: path === -1 ? "/" : url.slice(path, hash === -1 ? undefined : hash),
              method: request.method,
              headers: request.headers,
              body,
              // The timeout is above: undici's own count from other moments.
              headersTimeout: 0,
              bodyTimeout: 0
            },
            exchange.handler
          )
        } catch (cause) {
          onFailure(cause)
        }
        return exchange.abort
      })
    )
