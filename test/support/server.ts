/** Servers on a real socket: each test scripts the responses, and the server records the requests. */
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { Deferred, Effect, type Scope } from "effect"

/** One received request. */
export interface Recorded {
  readonly method: string
  /** Path and query on the wire, with percent-encoding. */
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  /** Empty until the body is complete. */
  body: Buffer
  /** Whether the body is complete. */
  complete: boolean
}

/** Responds to one request; `index` counts from 0. */
export type Reply = (response: http.ServerResponse, request: Recorded, index: number) => void

export interface TestServer {
  readonly origin: string
  /** Base URL up to and including `/v1`. */
  readonly baseUrl: string
  readonly requests: ReadonlyArray<Recorded>
}

/** Listens until the scope closes. */
export const serve = (reply: Reply): Effect.Effect<TestServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const requests: Array<Recorded> = []
    const server = http.createServer((request, response) => {
      const { headers, method = "", url = "" } = request
      const recorded: Recorded = { method, url, headers, body: Buffer.alloc(0), complete: false }
      const index = requests.push(recorded) - 1
      const chunks: Array<Buffer> = []
      request.on("error", () => {})
      response.on("error", () => {})
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        recorded.body = Buffer.concat(chunks)
        recorded.complete = true
        reply(response, recorded, index)
      })
    })
    // By default, a server closes a connection that was idle for five seconds, which loses a request on a machine that stalls.
    server.keepAliveTimeout = 0
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    const { port } = server.address() as AddressInfo
    const origin = `http://127.0.0.1:${port}`
    return { origin, baseUrl: `${origin}/v1`, requests }
  })

/** Response headers. */
type Headers = { readonly [name: string]: string }

export const text =
  (status: number, body: string, headers: Headers = {}): Reply =>
  (response) => {
    response.writeHead(status, { "content-type": "text/plain", ...headers }).end(body)
  }

export const json = (status: number, body: unknown, headers: Headers = {}): Reply =>
  text(status, JSON.stringify(body), { "content-type": "application/json", ...headers })

export const html = (status: number, body: string, headers: Headers = {}): Reply =>
  text(status, body, { "content-type": "text/html", ...headers })

/** Redirects the client. */
export const redirect = (status: number, location: string): Reply => text(status, "", { location })

/** Closes the connection after the request was read. */
export const reset: Reply = (response) => {
  response.socket?.resetAndDestroy()
}

/** Never sends a response. */
export const hang: Reply = () => {}

/** Sends the responses in order; the last one repeats. */
export const inTurn =
  (...replies: ReadonlyArray<Reply>): Reply =>
  (response, request, index) =>
    (replies[Math.min(index, replies.length - 1)] ?? hang)(response, request, index)

/** Responds by method and path, for example `GET /v1/videos/video_1`; any other request is an empty 404. */
export const routes =
  (table: { readonly [route: string]: Reply }): Reply =>
  (response, request, index) =>
    (table[`${request.method} ${request.url}`] ?? text(404, ""))(response, request, index)

/** Returns a local port without a listener: it was free a moment ago. */
export const closedPort: Effect.Effect<number> = Effect.scoped(
  Effect.map(serve(hang), ({ origin }) => Number(new URL(origin).port))
)

/** A `Reply` without a response, and an effect that completes when the client has closed the connection. */
export const hangUntilClosed: Effect.Effect<{
  readonly reply: Reply
  readonly arrived: Effect.Effect<void>
  readonly closed: Effect.Effect<void>
}> = Effect.gen(function* () {
  const arrived = yield* Deferred.make<void>()
  const closed = yield* Deferred.make<void>()
  return {
    reply: (response) => {
      response.once("close", () => Deferred.unsafeDone(closed, Effect.void))
      Deferred.unsafeDone(arrived, Effect.void)
    },
    arrived: Deferred.await(arrived),
    closed: Deferred.await(closed)
  }
})
