// Uses one export of each optional peer: `node peers.mjs server video|thumbnail`, or `import SPECIFIER`.
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { awaitVideo, createVideo, downloadVideo } from "effect-videos"

const [what, which] = process.argv.slice(2)

if (what === "import") {
  await import(which)
} else {
  const { VideosServer } = await import("@effect-videos/server")
  const program = Effect.gen(function* () {
    const job = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" })
    yield* awaitVideo(job)
    yield* Stream.runDrain(downloadVideo(job, { variant: which }))
  })
  await Effect.runPromise(Effect.provide(program, VideosServer.layerTest({ queueTime: 0, runTime: 0 })))
}
