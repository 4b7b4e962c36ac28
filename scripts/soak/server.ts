/**
 * Server of the soak test in a separate process: the embedded server with faults, behind a TCP proxy that sometimes closes all
 * connections, as a restart does. Communicates with its parent by messages.
 */
import * as net from "node:net"
import { Fault, VideosServer } from "@effect-videos/server"
import { Effect, Runtime } from "effect"

const seed = Number(process.argv[2])

/** All temporary faults, on every route; submissions have the most. */
const faults = [
  { on: ["create"], when: Fault.chance(0.05, seed + 1), fault: Fault.reset("after-commit") },
  { on: ["create"], when: Fault.chance(0.03, seed + 2), fault: Fault.status({ status: 502, committed: true }) },
  { on: ["create"], when: Fault.chance(0.02, seed + 3), fault: Fault.cutJson() },
  { when: Fault.chance(0.02, seed + 4), fault: Fault.reset("before-headers") },
  { when: Fault.chance(0.02, seed + 5), fault: Fault.reset("mid-body") },
  { when: Fault.chance(0.02, seed + 6), fault: Fault.status({ status: 500 }) },
  { when: Fault.chance(0.001, seed + 7), fault: Fault.status({ status: 503, retryAfter: "1 second" }) },
  { when: Fault.chance(0.001, seed + 8), fault: Fault.status({ status: 429, retryAfter: "1 second" }) },
  { when: Fault.chance(0.01, seed + 9), fault: Fault.html() },
  { when: Fault.chance(0.002, seed + 10), fault: Fault.hang() }
] as const

const program = Effect.gen(function* () {
  const { baseUrl, jobs } = yield* VideosServer
  const runtime = yield* Effect.runtime<never>()
  const behind = Number(new URL(baseUrl).port)

  const open = new Set<net.Socket>()
  const keep = (socket: net.Socket) => {
    open.add(socket)
    socket.on("error", () => {}).on("close", () => open.delete(socket))
  }
  const door = net.createServer((outside) => {
    const inside = net.connect(behind, "127.0.0.1")
    keep(outside)
    keep(inside)
    outside.pipe(inside).pipe(outside)
    inside.on("close", () => outside.destroy())
    outside.on("close", () => inside.destroy())
  })
  const listen = (port: number) => new Promise<void>((resolve) => door.listen(port, "127.0.0.1", resolve))

  yield* Effect.promise(() => listen(0))
  const address = door.address()
  const port = typeof address === "object" && address !== null ? address.port : 0

  process.on("message", (message) => {
    if (message === "restart") {
      door.close()
      for (const socket of open) socket.resetAndDestroy()
      setTimeout(() => void listen(port).then(() => process.send?.("restarted")), 300)
    } else {
      Runtime.runPromise(runtime)(jobs).then((all) => process.send?.(all.map(({ id, prompt }) => ({ id, prompt }))))
    }
  })
  process.send?.(port)
  yield* Effect.async<void>((resume) => {
    process.once("disconnect", () => resume(Effect.void))
  })
  for (const socket of open) socket.destroy()
  door.close()
})

Effect.runPromise(
  Effect.provide(program, VideosServer.layer({ queueTime: "500 millis", runTime: "3 seconds", faults }))
).then(() => process.exit(0))
