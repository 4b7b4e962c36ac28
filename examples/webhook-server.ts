import { createServer } from "node:http"
import { HttpRouter, HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer, Redacted } from "effect"
import { awaitVideo, createVideo, Videos, Webhooks, wakeWatches, webhookHttpApp } from "effect-videos"

const secret = Redacted.make("whsec_dGhlIHNlbmRlciBhbmQgSSBrbm93IHRoaXM=")

// Your server, with an endpoint for events. It runs once for each event; if it fails, the sender delivers again.
const endpoint = webhookHttpApp((event) => Console.log(`pushed: ${event.type}`))
const router = HttpRouter.empty.pipe(HttpRouter.mountApp("/webhooks", endpoint))
const receiver = HttpServer.serve(router).pipe(
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
  Layer.provideMerge(Webhooks.layer({ secrets: secret }))
)

// The video server sends an event to it when a job has ended.
const address = HttpServer.addressFormattedWith((url) => Effect.succeed({ url: `${url}/webhooks`, secret }))
const videos = Layer.unwrapEffect(
  Effect.map(address, (webhook) => VideosServer.layerTest({ queueTime: 0, runTime: "200 millis", webhook }))
)

// The same events notify watches, so they need few polls.
const live = wakeWatches({ safetyNet: "1 hour" }).pipe(Layer.provideMerge(videos), Layer.provideMerge(receiver))

const program = Effect.gen(function* () {
  const job = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4 })
  yield* Console.log(`submitted, pushed to: ${(yield* Videos.watchers).isPushed}`)
  const { status } = yield* awaitVideo(job)
  yield* Console.log(`awaited: ${status}`)
})

Effect.runPromise(program.pipe(Effect.provide(live)))
