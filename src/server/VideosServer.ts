/** The embedded server as a service: on a socket, or in-process as a `fetch`. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as HttpApp from "@effect/platform/HttpApp"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpServer from "@effect/platform/HttpServer"
import type { ServeError } from "@effect/platform/HttpServerError"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { VideoResource } from "../Schema.js"
import { Videos } from "../Videos.js"
import { type JobOptions, makeJobs, resourceOf } from "./Jobs.js"
import { loadHttpServer, platformServices } from "./platform.js"
import { makeApp } from "./routes.js"

/**
 * Where the server listens, and how its jobs behave.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerOptions extends JobOptions {
  /** Default: 0, a free one that the system chooses. */
  readonly port?: number | undefined
  /** Default: `127.0.0.1`. */
  readonly host?: string | undefined
}

/**
 * A running server.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideosServerService {
  /** Up to and including `/v1`. */
  readonly baseUrl: string
  /** The server without a socket: for an `HttpClient` layer, or any client that takes a `fetch`. */
  readonly fetch: typeof globalThis.fetch
  /** Every job that the server has made, oldest first: what a test of "paid once" counts. */
  readonly jobs: Effect.Effect<ReadonlyArray<VideoResource>>
}

/**
 * A server that speaks the Videos protocol, with no key, no GPU and no network: validation with the protocol's error bodies,
 * jobs that move by Effect's `Clock` (so that `TestClock` drives them), and content that plays: H.264 in MP4 of
 * exactly the promised length, an extension's file being its source's frames followed by new ones.
 *
 * Serves `POST /v1/videos`, `POST /v1/videos/extensions`, `GET /v1/videos/{id}` and `GET /v1/videos/{id}/content`.
 * Needs the optional peers `@effect/platform-node`, and for content `h264-mp4-encoder` and `mediabunny`.
 *
 * @example
 * import { Effect } from "effect"
 * import { extendVideo } from "effect-videos"
 * import { VideosServer } from "effect-videos/server"
 *
 * const program = extendVideo({ video: "video_1", prompt: "and on", seconds: 8 }).pipe(
 *   Effect.provide(VideosServer.layerTest())
 * )
 *
 * @since 0.1.0
 * @category services
 */
export class VideosServer extends Context.Tag("effect-videos/VideosServer")<VideosServer, VideosServerService>() {
  /** Listens on a socket for as long as the layer lives. Fails with `ServeError` if it cannot. */
  static readonly layer = (options: ServerOptions = {}): Layer.Layer<VideosServer, ServeError> =>
    Layer.scoped(
      VideosServer,
      Effect.gen(function* () {
        const [http, NodeHttpServer] = yield* loadHttpServer
        const server = http.createServer()
        const { host = "127.0.0.1", port = 0 } = options
        const httpServer = yield* NodeHttpServer.make(() => server, { host, port })
        const { app, service } = yield* makeServer(options)
        yield* Effect.provideService(HttpServer.serveEffect(app), HttpServer.HttpServer, httpServer)
        // A client's idle connections would hold the stop up until they time out.
        yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
        const { address } = httpServer
        const authority =
          address._tag === "TcpAddress" ? `${host.includes(":") ? `[${host}]` : host}:${address.port}` : "localhost"
        return VideosServer.of({ ...service, baseUrl: `http://${authority}/v1` })
      }).pipe(Effect.provide(platformServices))
    )

  /** No socket: requests reach the server through `fetch` alone, so that a `TestClock` needs no real time to pass. */
  static readonly layerInProcess = (options: JobOptions = {}): Layer.Layer<VideosServer> =>
    Layer.scoped(
      VideosServer,
      Effect.map(makeServer(options), ({ service }) => service).pipe(Effect.provide(platformServices))
    )

  /** An `HttpClient` that reaches the server in-process, whatever the URL's host. */
  static readonly layerHttpClient: Layer.Layer<HttpClient.HttpClient, never, VideosServer> = Layer.suspend(() =>
    FetchHttpClient.layer.pipe(
      Layer.provide(
        Layer.effect(
          FetchHttpClient.Fetch,
          Effect.map(VideosServer, ({ fetch }) => fetch)
        )
      )
    )
  )

  /** `Videos` against this server, over whatever `HttpClient` there is. */
  static readonly layerVideos: Layer.Layer<Videos, ConfigError.ConfigError, VideosServer | HttpClient.HttpClient> =
    Layer.unwrapEffect(Effect.map(VideosServer, ({ baseUrl }) => Videos.layerWith({ baseUrl })))

  /** Everything that a test of a program needs: the server in-process, and `Videos` against it. */
  static readonly layerTest = (options?: JobOptions): Layer.Layer<Videos | VideosServer, ConfigError.ConfigError> =>
    VideosServer.layerVideos.pipe(
      Layer.provide(VideosServer.layerHttpClient),
      Layer.provideMerge(VideosServer.layerInProcess(options))
    )
}

/** Where an in-process server is said to be; `.invalid` never resolves (RFC 2606), so no request can leave by mistake. */
const inProcessUrl = "http://videos.invalid/v1"

const makeServer = (options: JobOptions) =>
  Effect.gen(function* () {
    const jobs = yield* makeJobs(options)
    const app = makeApp(jobs)
    // The handler runs with this runtime, its `Clock` included.
    const runtime = yield* Effect.runtime<FileSystem.FileSystem | Path.Path | Scope.Scope>()
    const handler = HttpApp.toWebHandlerRuntime(runtime)(app)
    const decode = Schema.decodeUnknown(VideoResource)
    const service: VideosServerService = {
      baseUrl: inProcessUrl,
      fetch: (input, init) => handler(new Request(input, init)),
      jobs: Effect.flatMap(Effect.zip(jobs.all, Clock.currentTimeMillis), ([all, now]) =>
        Effect.orDie(Effect.forEach(all, (job) => decode(resourceOf(job, now))))
      )
    }
    return { app, service }
  })
