/** What faults do to the exchange itself, below HTTP: on a socket, or to a `fetch` that never had one. */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** @internal */
export interface WireService {
  /** Whether bytes reach the client as they are, framing and compression included. */
  readonly raw: boolean
  /** Resets the connection in place of an answer. */
  readonly lose: Effect.Effect<never>
  /** Ends a body before its end, once all before it has left: by a reset, or as if that were all. */
  readonly cut: (how: "reset" | "close") => Stream.Stream<Uint8Array>
  /** Told when a client gives up before it has an answer. */
  readonly abandoned: Effect.Effect<void>
}

/** The exchange that a request belongs to. */
export class Wire extends Context.Tag("effect-videos/server/Wire")<Wire, WireService>() {}

/** The connection that Node has under an answer. */
export const onSocket: Effect.Effect<WireService, never, HttpServerRequest.HttpServerRequest> = Effect.map(
  HttpServerRequest.HttpServerRequest,
  (request) => {
    // The answer itself has no socket while another is sent before it.
    const { socket } = NodeHttpServerRequest.toServerResponse(request).req
    // The request ends, by its interruption, when the socket does.
    const gone = (end: () => void) => Effect.zipRight(Effect.sync(end), Effect.never)
    // Node gathers what is written in one turn; a write of nothing comes back when all before it has left.
    const flushed = Effect.async<void>((resume) => {
      const turn = setImmediate(() => {
        if (socket.destroyed) resume(Effect.void)
        else socket.write("", () => resume(Effect.void))
      })
      return Effect.sync(() => clearImmediate(turn))
    })
    // What `resetAndDestroy` does, but for the FIN that it sends first: a client would now see the one, now the other.
    const reset = gone(() => Object.assign(socket, { resetAndClosing: true }).destroy())
    const close = gone(() => socket.destroySoon())
    return {
      raw: true,
      lose: reset,
      cut: (how) => Stream.fromEffect(Effect.zipRight(flushed, how === "reset" ? reset : close)),
      abandoned: Effect.void
    }
  }
)

/** As Node's `fetch` says it. */
const broken = (message: string, code: string, why: string): TypeError =>
  new TypeError(message, { cause: Object.assign(new Error(why), { code }) })

/** A `fetch` whose promise `reject` rejects, and which `signal` aborts. */
export const inProcess = (reject: (reason: unknown) => void, signal: AbortSignal): WireService => ({
  raw: false,
  lose: Effect.zipRight(
    Effect.sync(() => reject(broken("fetch failed", "ECONNRESET", "read ECONNRESET"))),
    Effect.interrupt
  ),
  cut: () =>
    // A stream that fails forgets what was not read yet; an empty piece is taken once all before it has been. How the
    // connection ended, undici does not tell.
    Stream.concat(
      Stream.make(new Uint8Array(0)),
      Stream.die(broken("terminated", "UND_ERR_SOCKET", "other side closed"))
    ),
  abandoned: Effect.sync(() => reject(signal.reason))
})
