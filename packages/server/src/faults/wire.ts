/** Connection-level effects of faults, below HTTP: on a socket, or for an in-process `fetch`. */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** @internal */
export interface WireService {
  /** Whether the client receives the raw bytes, with framing and compression. */
  readonly raw: boolean
  /** Resets the connection instead of a response. */
  readonly reset: Effect.Effect<never>
  /** Ends a body early after all earlier bytes are sent: resets or closes the connection. */
  readonly endBody: (how: "reset" | "close") => Stream.Stream<Uint8Array>
  /** Runs when a client aborts before the response. */
  readonly onClientAbort: Effect.Effect<void>
}

/** Connection of the current request. */
export class Wire extends Context.Tag("effect-videos/server/Wire")<Wire, WireService>() {}

/** Uses the socket of the request. */
export const onSocket: Effect.Effect<WireService, never, HttpServerRequest.HttpServerRequest> = Effect.map(
  HttpServerRequest.HttpServerRequest,
  (request) => {
    // Uses the socket of the request: a pipelined response has none until it is its turn.
    const { socket } = NodeHttpServerRequest.toServerResponse(request).req
    // The end of the socket interrupts the request.
    const endSocket = (end: () => void) => Effect.zipRight(Effect.sync(end), Effect.never)
    // Node buffers the writes of one event loop turn. The callback of an empty write runs after all earlier bytes are sent.
    const flushed = Effect.async<void>((resume) => {
      const handle = setImmediate(() => {
        if (socket.destroyed) resume(Effect.void)
        else socket.write("", () => resume(Effect.void))
      })
      return Effect.sync(() => clearImmediate(handle))
    })
    // Like `resetAndDestroy`, but without the FIN before the RST: with both, a client sees sometimes one, sometimes the other.
    const reset = endSocket(() => Object.assign(socket, { resetAndClosing: true }).destroy())
    const close = endSocket(() => socket.destroySoon())
    return {
      raw: true,
      reset,
      endBody: (how) => Stream.fromEffect(Effect.zipRight(flushed, how === "reset" ? reset : close)),
      onClientAbort: Effect.void
    }
  }
)

/** Makes the error of Node's `fetch`. */
const fetchError = (message: string, code: string, why: string): TypeError =>
  new TypeError(message, { cause: Object.assign(new Error(why), { code }) })

/** Uses the promise of an in-process `fetch`: `reject` rejects it, and `signal` aborts it. */
export const inProcess = (reject: (reason: unknown) => void, signal: AbortSignal): WireService => ({
  raw: false,
  reset: Effect.zipRight(
    Effect.sync(() => reject(fetchError("fetch failed", "ECONNRESET", "read ECONNRESET"))),
    Effect.interrupt
  ),
  endBody: () =>
    // A failing stream drops its unread chunks. The reader takes the empty chunk only after all earlier ones. undici reports
    // the same error for a reset and a close.
    Stream.concat(
      Stream.make(new Uint8Array(0)),
      Stream.die(fetchError("terminated", "UND_ERR_SOCKET", "other side closed"))
    ),
  onClientAbort: Effect.sync(() => reject(signal.reason))
})
