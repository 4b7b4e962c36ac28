import { FileSystem, KeyValueStore } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Layer, Option, Stream } from "effect"
import { createVideo, VideoResource, watchVideo } from "effect-videos"

// Last snapshot of each job, as JSON of the protocol.
const checkpoints = Effect.map(KeyValueStore.KeyValueStore, (store) => store.forSchema(VideoResource))

// Resumes where the last run stopped. An update is stored before it is printed, so that none is printed twice.
const follow = (id: string) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const kept = yield* checkpoints
      const last = yield* kept.get(id)
      return watchVideo(Option.getOrElse(last, () => id)).pipe(Stream.tap((video) => kept.set(id, video)))
    })
  )

const program = Effect.gen(function* () {
  const directory = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())
  // Resources of one process: its client, and the folder.
  const client = VideosServer.layerVideos.pipe(Layer.provide(VideosServer.layerHttpClient))
  const process = Layer.merge(client, KeyValueStore.layerFileSystem(directory))

  const { id } = yield* Effect.provide(createVideo({ prompt: "a lighthouse at dusk", seconds: 4 }), process)
  const printed: Array<string> = []
  const tell = ({ progress, status }: VideoResource) =>
    Effect.zipRight(
      Effect.sync(() => printed.push(`${status} ${progress}`)),
      Console.log(status)
    )

  yield* Stream.runForEach(Stream.take(follow(id), 2), tell).pipe(Effect.provide(process))
  yield* Console.log("the process stops and starts again")
  yield* Stream.runForEach(follow(id), tell).pipe(Effect.provide(process))
  yield* Console.log(new Set(printed).size === printed.length ? "no update was printed twice" : `twice: ${printed}`)
})

program.pipe(Effect.scoped, Effect.provide([VideosServer.layerInProcess(), NodeContext.layer]), NodeRuntime.runMain)
