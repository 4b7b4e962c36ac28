/** The short way over undici: one `dispatch` and its callbacks, with no `Readable` and no `AbortSignal` in between. */
import type * as Headers from "@effect/platform/Headers"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type { Dispatcher } from "@effect/platform-node/Undici"
import type { Limits } from "../Http.js"
import { BodyText, isOk, LazyAnswer, limitOf } from "../internal/http/responseBody.js"
import { bytesOf, type Direct, type Outcome } from "../internal/http/transport.js"

class Aborted extends Error {
  override readonly name = "AbortError"
}

/** One exchange as undici tells of it. It may begin more than once, where a kept connection turns out to be gone. */
class Exchange implements Dispatcher.DispatchHandler {
  private controller: Dispatcher.DispatchController | null = null
  private isAborted = false
  private status = 0
  private received: Headers.Input | undefined
  private body = new BodyText(0)
  private readonly outcome: Outcome
  private readonly limits: Limits

  constructor(outcome: Outcome, limits: Limits) {
    this.outcome = outcome
    this.limits = limits
  }

  /** A request that still waits for a connection is dropped when its turn comes. */
  abort(): void {
    this.isAborted = true
    this.controller?.abort(new Aborted("aborted"))
  }

  private answer(): void {
    this.outcome.answer(new LazyAnswer(this.status, this.received, this.body))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
    if (this.isAborted) this.abort()
    else this.outcome.sent()
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Headers.Input): void {
    // 1xx: the answer is yet to come.
    if (status < 200) return
    this.status = status
    this.received = headers
    this.body = new BodyText(limitOf(status, this.limits))
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.isAborted || this.body.add(chunk)) return
    this.answer()
    this.abort()
  }

  onResponseEnd(): void {
    this.answer()
  }

  onResponseError(_: Dispatcher.DispatchController, cause: Error): void {
    // What a failing answer said before it broke off is kept.
    if (this.status === 0 || isOk(this.status)) this.outcome.broke(cause)
    else this.answer()
  }
}

/** @internal */
export const undiciDirect =
  (dispatcher: Dispatcher): Direct =>
  (request, url, { context, limits }, outcome) => {
    const exchange = new Exchange(outcome, limits)
    const path = url.indexOf("/", url.indexOf("://") + 3)
    const hash = url.indexOf("#")
    const options: Dispatcher.DispatchOptions = {
      ...(context.unsafeMap.get(NodeHttpClient.UndiciRequestOptions.key) as
        | Partial<Dispatcher.DispatchOptions>
        | undefined),
      origin: path === -1 ? url : url.slice(0, path),
      path: path === -1 ? "/" : url.slice(path, hash === -1 ? undefined : hash),
      method: request.method,
      headers: request.headers,
      body: bytesOf(request),
      // The time-out is the caller's.
      headersTimeout: 0,
      bodyTimeout: 0
    }
    try {
      dispatcher.dispatch(options, exchange)
    } catch (cause) {
      outcome.broke(cause)
    }
    return () => exchange.abort()
  }
