/** Raw TCP client: records the received bytes and how the connection ended. */
import { connect } from "node:net"
import { Effect, type Scope } from "effect"

export interface RawExchange {
  /** Returns all bytes received so far, as Latin-1. */
  readonly received: () => string
  /** Waits until the received text satisfies the predicate. */
  readonly until: (isEnough: (received: string) => boolean) => Effect.Effect<string>
  /** Waits for the end of the connection. Returns `end` for a FIN, else the code of the error. */
  readonly ended: Effect.Effect<string>
}

/** Sends one request over a new connection; the scope closes the connection. */
export const rawRequest = (
  url: string,
  init: {
    readonly method?: string
    readonly headers?: { readonly [name: string]: string }
    readonly body?: string
  } = {}
): Effect.Effect<RawExchange, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { hostname, pathname, port, search } = new URL(url)
    const { body = "", headers = {}, method = "GET" } = init
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => connect(Number(port), hostname)),
      (opened) => Effect.sync(() => opened.destroy())
    )
    let received = ""
    let end: string | null = null
    const waiting = new Set<() => void>()
    const notify = () => {
      for (const each of waiting) each()
    }
    const finish = (how: string) => {
      end ??= how
      notify()
    }
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1")
      notify()
    })
    socket.on("end", () => finish("end"))
    socket.on("error", (error: Error & { code?: string }) => finish(error.code ?? error.message))
    const lines = [
      `${method} ${pathname}${search} HTTP/1.1`,
      `host: ${hostname}:${port}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      ...(body === "" ? [] : ["content-type: application/json", `content-length: ${Buffer.byteLength(body)}`])
    ]
    socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`)
    const wait = <A>(read: () => A | null) =>
      Effect.async<A>((resume) => {
        const check = () => {
          const value = read()
          if (value === null) return
          waiting.delete(check)
          resume(Effect.succeed(value))
        }
        waiting.add(check)
        check()
        return Effect.sync(() => waiting.delete(check))
      })
    return {
      received: () => received,
      until: (isEnough) => wait(() => (isEnough(received) ? received : null)),
      ended: wait(() => end)
    }
  })

/** Splits the received text into the header section and the body. */
export const partsOf = (received: string): { readonly head: string; readonly body: string } => {
  const at = received.indexOf("\r\n\r\n")
  return at === -1
    ? { head: received, body: "" }
    : { head: received.slice(0, at).toLowerCase(), body: received.slice(at + 4) }
}

export const lengthIn = (head: string): number => Number(/content-length: (\d+)/.exec(head)?.[1])
