/** A transport over undici: one `dispatch` and its callbacks, with no `Readable` and no `AbortSignal` in between. */
import * as Headers from "@effect/platform/Headers"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type { Dispatcher } from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import { asyncWithTimeout } from "../internal/http/deadline.js"
import { BodyCollector, isOk } from "../internal/http/responseBody.js"
import { exchangeFailed, type SendOptions, type SendWhole, type WholeResponse } from "../internal/http/transport.js"

class Aborted extends Error {
  override readonly name = "AbortError"
}

/** One exchange. It may start more than once, if a connection that was kept turns out to be closed. */
class Exchange implements Dispatcher.DispatchHandler {
  private controller: Dispatcher.DispatchController | null = null
  private isAborted = false
  private status = 0
  private headers: Headers.Input | undefined
  private body: BodyCollector
  private readonly options: SendOptions
  private readonly onResponse: (response: WholeResponse) => void
  private readonly onFailure: (cause: unknown) => void

  constructor(
    options: SendOptions,
    onResponse: (response: WholeResponse) => void,
    onFailure: (cause: unknown) => void
  ) {
    this.options = options
    this.onResponse = onResponse
    this.onFailure = onFailure
    this.body = new BodyCollector(0, options.limits)
  }

  /** A request that still waits for a connection is dropped when its turn comes. */
  abort(): void {
    this.isAborted = true
    this.controller?.abort(new Aborted("aborted"))
  }

  private end(): void {
    this.onResponse(this.body.responseOf({ status: this.status, headers: Headers.fromInput(this.headers) }))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
    if (this.isAborted) this.abort()
    else this.options.onSend()
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Headers.Input): void {
    // 1xx: the response is yet to come.
    if (status < 200) return
    this.status = status
    this.headers = headers
    this.options.onHead?.({ status, headers: Headers.fromInput(headers) })
    this.body = new BodyCollector(status, this.options.limits)
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.isAborted || this.body.add(chunk)) return
    this.end()
    this.abort()
  }

  onResponseEnd(): void {
    this.end()
  }

  onResponseError(_: Dispatcher.DispatchController, cause: Error): void {
    // The body of an error status may break off: the part that came is kept.
    if (this.status === 0 || isOk(this.status)) this.onFailure(cause)
    else this.end()
  }
}

/** @internal */
export const undiciTransport =
  (dispatcher: Dispatcher): SendWhole =>
  (request, url, body, options) =>
    Effect.withFiberRuntime((fiber) =>
      asyncWithTimeout(options.timeout, (resume) => {
        const onFailure = (cause: unknown) => resume(Effect.fail(exchangeFailed(request, cause)))
        const exchange = new Exchange(options, (response) => resume(Effect.succeed(response)), onFailure)
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
            exchange
          )
        } catch (cause) {
          onFailure(cause)
        }
        return () => exchange.abort()
      })
    )
