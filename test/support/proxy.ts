/** HTTP proxy on a real socket. It forwards requests and opens tunnels to local servers, for any host name. */
import * as http from "node:http"
import * as net from "node:net"
import { Effect, type Scope } from "effect"

export interface TestProxy {
  readonly origin: string
  readonly port: number
  /** Request lines: `CONNECT host:443`, `GET http://host/path`. */
  readonly lines: ReadonlyArray<string>
  readonly headers: ReadonlyArray<http.IncomingHttpHeaders>
}

export interface ProxyBehaviour {
  /** Returns the local port for a host. Default: none (502). */
  readonly ports?: { readonly [host: string]: number }
  /** Required credentials, as `user:password`. */
  readonly credentials?: string
  /** Response of the proxy instead of the server. */
  readonly refusal?: { readonly status: number; readonly body: string }
  /** Ends each connection without a response. */
  readonly hangsUp?: boolean
}

/** Listens until the scope closes. */
export const serveProxy = (behaviour: ProxyBehaviour): Effect.Effect<TestProxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const headers: Array<http.IncomingHttpHeaders> = []
    const sockets = new Set<{ destroy(): void }>()
    const { credentials, hangsUp = false, ports = {}, refusal } = behaviour
    const wanted = credentials === undefined ? null : `Basic ${Buffer.from(credentials).toString("base64")}`

    const refusalOf = (request: http.IncomingMessage, host: string) =>
      wanted !== null && request.headers["proxy-authorization"] !== wanted
        ? { status: 407, body: "<html><title>Credentials</title></html>" }
        : (refusal ??
          (ports[host] === undefined ? { status: 502, body: "<html><title>No such host</title></html>" } : null))

    const server = http.createServer((request, response) => {
      lines.push(`${request.method} ${request.url}`)
      headers.push(request.headers)
      if (hangsUp) return void request.socket.destroy()
      const url = new URL(request.url ?? "", "http://proxy.invalid")
      const no = refusalOf(request, url.hostname)
      if (no !== null) return void response.writeHead(no.status, { "content-type": "text/html" }).end(no.body)
      const { "proxy-authorization": _, ...passed } = request.headers
      const options = {
        port: ports[url.hostname],
        path: url.pathname + url.search,
        method: request.method,
        headers: passed
      }
      const onward = http.request(options, (upstream) => {
        response.writeHead(upstream.statusCode ?? 502, upstream.headers)
        upstream.pipe(response)
      })
      onward.on("error", () => response.destroy())
      request.pipe(onward)
    })
    server.on("connect", (request: http.IncomingMessage, socket: net.Socket, head: Buffer) => {
      sockets.add(socket)
      socket.on("error", () => {})
      lines.push(`CONNECT ${request.url}`)
      headers.push(request.headers)
      if (hangsUp) return void socket.destroy()
      const host = (request.url ?? "").replace(/:\d+$/, "")
      const no = refusalOf(request, host)
      if (no !== null) {
        return void socket.end(
          `HTTP/1.1 ${no.status} No\r\ncontent-type: text/html\r\ncontent-length: ${no.body.length}\r\n\r\n${no.body}`
        )
      }
      const onward = net.connect(ports[host] ?? 0, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
        onward.write(head)
        onward.pipe(socket).pipe(onward)
      })
      sockets.add(onward)
      onward.on("error", () => socket.destroy())
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
          for (const socket of sockets) socket.destroy()
        })
    )
    const { port } = server.address() as net.AddressInfo
    return { origin: `http://127.0.0.1:${port}`, port, lines, headers }
  })
