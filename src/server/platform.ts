/** Node's side of the server, loaded when a server is made: it is an optional peer. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const load = <A>(module: () => Promise<A>): Effect.Effect<A> =>
  Effect.promise(() =>
    module().catch((cause) => {
      throw new Error(
        "effect-videos/server needs the optional package @effect/platform-node: run `npm i @effect/platform-node@^0.108`",
        { cause }
      )
    })
  )

/** Files and paths. */
export const platformServices = Layer.unwrapEffect(
  Effect.zipWith(
    load(() => import("@effect/platform-node/NodeFileSystem")),
    load(() => import("@effect/platform-node/NodePath")),
    (fileSystem, path) => Layer.merge(fileSystem.layer, path.layer)
  )
)

/** A server on a socket, and what Node has under each of its requests. */
export const loadHttpServer = Effect.all([
  load(() => import("node:http")),
  load(() => import("@effect/platform-node/NodeHttpServer")),
  load(() => import("@effect/platform-node/NodeHttpServerRequest"))
])
