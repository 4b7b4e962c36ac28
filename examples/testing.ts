import { Headers, HttpClient, HttpClientResponse } from "@effect/platform"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer, Schema } from "effect"
import { retrieveVideo, VideoResource, Videos, VideosConfig } from "effect-videos"
import { VideosHttp } from "effect-videos/transport"

// The tested program.
const isDone = (id: string) => Effect.map(retrieveVideo(id), (video) => video.status === "completed")

const body = { id: "video_1", object: "video", status: "completed" }

// 1. `Videos`: canned resources. A missing method is a defect that names it.
const canned = Layer.mock(Videos, { retrieve: () => Effect.orDie(Schema.decodeUnknown(VideoResource)(body)) })

// 2. `VideosHttp`: canned responses. The library still validates and encodes requests, and decodes responses.
const responses = Layer.mock(VideosHttp, {
  execute: () => Effect.succeed({ status: 200, headers: Headers.empty, requestId: null, body })
})

// 3. `HttpClient`: canned HTTP. The complete library runs, with retries and errors.
const http = Layer.succeed(
  HttpClient.HttpClient,
  HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, Response.json(body))))
)

// 4. The embedded server: in-process on the `TestClock`, or `VideosServer.layer()` on a real socket.
const server = VideosServer.layerTest({ queueTime: 0, runTime: 0 })

const program = isDone("video_1")

Effect.runPromise(
  Effect.gen(function* () {
    yield* Console.log(yield* Effect.provide(program, canned))
    const over = Videos.layerWithoutDependencies.pipe(
      Layer.provide(responses),
      Layer.provide(VideosConfig.layer({ baseUrl: "http://videos.invalid/v1" }))
    )
    yield* Console.log(yield* Effect.provide(program, over))
    const live = Videos.layer({ baseUrl: "http://videos.invalid/v1" }).pipe(Layer.provide(http))
    yield* Console.log(yield* Effect.provide(program, live))
    yield* Console.log(yield* Effect.flip(Effect.provide(program, server)).pipe(Effect.map(({ _tag }) => _tag)))
  })
)
