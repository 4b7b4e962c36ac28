import { createServer } from "node:http"
import { HttpRouter, HttpServer } from "@effect/platform"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Console, Layer } from "effect"
import { Webhooks, webhookHttpApp } from "effect-videos"

// Verified and deduplicated. If the handler fails, the sender delivers again.
const endpoint = webhookHttpApp((event) => Console.log(event.type, event.videoId))
const app = HttpRouter.empty.pipe(HttpRouter.mountApp("/webhooks", endpoint))

HttpServer.serve(app).pipe(
  // Webhooks.layerConfig reads OPENAI_WEBHOOK_SECRET.
  Layer.provide([Webhooks.layerConfig, NodeHttpServer.layer(createServer, { port: 3000 })]),
  Layer.launch,
  NodeRuntime.runMain
)
