import { NodeHttpClient } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer } from "effect"
import { createVideo, dialects, Videos } from "effect-videos"

// SGLang's dialect, for a build that accepts only forms.
const sglang = { ...dialects.sglang, encoding: "form" } as const

// Here the embedded server imitates SGLang.
const live = Layer.unwrapEffect(
  Effect.map(VideosServer, ({ baseUrl }) => Videos.layer({ baseUrl, dialect: sglang }))
).pipe(Layer.provide([NodeHttpClient.layerUndici, VideosServer.layer({ dialect: "sglang" })]))

const program = createVideo({ prompt: "a lighthouse at dusk", seconds: 4 }).pipe(
  Effect.tap((job) => Console.log(job.status)),
  Effect.catchTag("OperationUnsupportedError", (error) => Console.log(error.message))
)

Effect.runPromise(program.pipe(Effect.provide(live)))
