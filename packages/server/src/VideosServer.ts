/** Embedded server as a service: on a socket, or in-process as a `fetch`. */
import { createServer, type Server } from "node:http"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as HttpApp from "@effect/platform/HttpApp"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpServer from "@effect/platform/HttpServer"
import { ServeError } from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as Path from "@effect/platform/Path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Clock from "effect/Clock"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { VideosConfigOptions } from "effect-videos/Http"
import { VideoResource } from "effect-videos/Schema"
import { Videos } from "effect-videos/Videos"
import { makeCharacters } from "./characters.js"
import { makeClipFiles } from "./clipFiles.js"
import { withCors } from "./cors.js"
import { dialectOf, type ServedDialect } from "./dialects.js"
import { makeChanges, notifyingFaults, notifyingFiles, notifyingJobs } from "./events.js"
import { faultControl, isControl } from "./faults/control.js"
import { makeFaultyApp } from "./faults/inject.js"
import type { Rule } from "./faults/model.js"
import { type FaultsService, makeFaults } from "./faults/rules.js"
import { inProcess, onSocket, Wire } from "./faults/wire.js"
import { makeIdempotency } from "./idempotency.js"
import { type JobOptions, makeJobs } from "./Jobs.js"
import { keyCheck } from "./keys.js"
import { isPage, pageApp } from "./page/page.js"
import { makePollLimit } from "./pollLimit.js"
import { protocolVideo } from "./shapes.js"
import { makeJobNotifier, type WebhookOptions } from "./webhooks.js"

/**
 * Options of a server, on a socket or in-process.
 *
 * @since 0.1.0
 * @category models
 */
export interface InProcessOptions extends JobOptions {
  /** Server to imitate. Default: `openai`, the protocol itself. */
  readonly dialect?: ServedDialect | undefined
  /**
   * Accepted API keys. A request sends one as `Authorization: Bearer` (`azure`: or as `api-key`; `litellm`: or as
   * `x-litellm-api-key`); without one, the server returns 401. An empty list refuses every request. Default: no key is
   * needed.
   */
  readonly apiKeys?: ReadonlyArray<string | Redacted.Redacted> | undefined
  /**
   * Receiver of an event, `video.completed` or `video.failed`, when a job ends. A job that was deleted before its end sends
   * none. An effect runs for every event, so the receiver can start after the server. Default: no events.
   */
  readonly webhook?: WebhookOptions | Effect.Effect<WebhookOptions> | undefined
  /**
   * Fault rules at the start; see the module `Fault`. `VideosServerService.faults` changes them. An invalid rule is a
   * defect. Default: no rules.
   */
  readonly faults?: ReadonlyArray<Rule> | undefined
  /**
   * Serves the rules at `/_faults`, outside `/v1`: `GET` returns `{ rules, log }`, `PUT` with `{ rules }` sets them, `DELETE`
   * clears them. Needs a key if `apiKeys` is set. Every client that reaches this path can break the server. Default:
   * `false`.
   */
  readonly faultControl?: boolean | undefined
  /**
   * Serves a live page at `/`: the newest jobs and their videos, the last requests, and switches for faults. This also
   * enables `/_faults`. The page itself needs no key; if `apiKeys` is set, it shows data only after the user enters a key.
   * Pages of other origins cannot read it, regardless of `cors`. Default: `false`.
   */
  readonly page?: boolean | undefined
  /**
   * Effect of an `Idempotency-Key`. `ignore` (default): none, because the protocol promises none. `honour`: the same key with
   * the same request returns the first job, with `Idempotent-Replayed: true`. The same key with another request fails with
   * 409, `idempotency_key_reused`.
   */
  readonly idempotency?: "honour" | "ignore" | undefined
  /** Reads of jobs within one second, all jobs together; one more returns 429. xAI permits 5. Default: no limit. */
  readonly pollsPerSecond?: number | undefined
  /**
   * Origins whose pages can call the server, with any headers: a list such as `["http://localhost:5173"]`, all origins
   * (`true`, default), or none (`false`). The server uses no cookies.
   */
  readonly cors?: boolean | ReadonlyArray<string> | undefined
}

/**
 * Options of a server on a socket: its behaviour, and the address on which it listens.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerOptions extends InProcessOptions {
  /** Default: 0, a free port that the system chooses. */
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
  /** URL up to and including `/v1` (`azure`: `/openai/v1`). */
  readonly baseUrl: string
  /** Server that it imitates. */
  readonly dialect: ServedDialect
  /** Calls the server without a socket: for an `HttpClient` layer, or for a client that accepts a `fetch`. */
  readonly fetch: typeof globalThis.fetch
  /**
   * All jobs that exist, oldest first, encoded as the protocol does for every dialect. A test can count them to prove that a
   * job was paid once.
   */
  readonly jobs: Effect.Effect<ReadonlyArray<VideoResource>>
  /** Rules and log of faults; the module `Fault` makes the values. */
  readonly faults: FaultsService
}

/**
 * Embedded server of the Videos protocol that needs no key, no GPU and no network. It serves all ten operations and returns
 * the error bodies of the protocol. Jobs follow Effect's `Clock`, so a `TestClock` drives them. Videos are H.264 in MP4 of
 * exactly the promised length.
 *
 * - Derived clips: an extension is the frames of its source, then new ones. A remix or an edit has the size, length and
 *   motion of its source in other colours, and a label that names the source. The server does not decode an uploaded
 *   video: an extension copies its frames, and a remix or an edit replaces them with drawn ones.
 * - Content: `variant=thumbnail` is a PNG of the middle frame, `variant=spritesheet` a PNG of small frames, ten per row.
 *   Supports single ranges, `ETag`, `If-Range`, `If-None-Match` and `HEAD`. The first request for a file renders it.
 * - Lists use cursors, newest first; a cursor that names no job returns 400. `DELETE` of a job that has not ended returns
 *   409.
 * - The server validates an `input_reference` and writes its name into the corner of the clip. An uploaded PNG becomes the
 *   first frame. The server fetches no URL.
 * - `dialect` imitates another server that departs from the protocol.
 * - A job costs no fiber. With `webhook`, each job costs one until it ends.
 * - `faults` imitates failures of servers and networks; see the module `Fault`. `jobs` always returns the true state.
 * - `page` adds a live page at `/`.
 *
 * Not supported: routes outside the protocol, and bodies of type `application/x-www-form-urlencoded`.
 *
 * @example
 * import { Effect } from "effect"
 * import { extendVideo } from "effect-videos"
 * import { VideosServer } from "@effect-videos/server"
 *
 * const program = extendVideo({ video: "video_1", prompt: "and on", seconds: 8 }).pipe(
 *   Effect.provide(VideosServer.layerTest())
 * )
 *
 * @since 0.1.0
 * @category services
 */
export class VideosServer extends Context.Tag("effect-videos/VideosServer")<VideosServer, VideosServerService>() {
  /** Listens on a socket until the layer is released. Fails with `ServeError` if it cannot listen. */
  static readonly layer = (options: ServerOptions = {}): Layer.Layer<VideosServer, ServeError> =>
    Layer.scoped(
      VideosServer,
      Effect.gen(function* () {
        const server = createServer()
        const { host = "127.0.0.1", port = 0 } = options
        const httpServer = yield* Effect.catchAllDefect(
          NodeHttpServer.make(() => server, { host, port }),
          // Node throws if the port is not one of 0 to 65535.
          (cause) => new ServeError({ cause })
        )
        const { address } = httpServer
        const authority =
          address._tag === "TcpAddress" ? `${host.includes(":") ? `[${host}]` : host}:${address.port}` : "localhost"
        const { app, service } = yield* makeServer(options, `http://${authority}`)
        const wired = Effect.provideServiceEffect(app, Wire, onSocket)
        yield* Effect.provideService(HttpServer.serveEffect(wired), HttpServer.HttpServer, httpServer)
        yield* Effect.addFinalizer(() => closeServer(server))
        return VideosServer.of(service)
      }).pipe(Effect.provide(platformServices))
    )

  /** Runs the server without a socket: requests go through `fetch`, so tests with a `TestClock` need no real time. */
  static readonly layerInProcess = (options: InProcessOptions = {}): Layer.Layer<VideosServer> =>
    Layer.scoped(
      VideosServer,
      Effect.map(makeServer(options, inProcessOrigin), ({ service }) => service).pipe(Effect.provide(platformServices))
    )

  /** Provides an `HttpClient` that calls the server in-process, for every host in the URL. */
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

  /**
   * Provides `Videos` for this server and its dialect, over the `HttpClient` of the context. Sends no key; use
   * `Videos.layer` to send one.
   */
  static readonly layerVideos: Layer.Layer<Videos, ConfigError.ConfigError, VideosServer | HttpClient.HttpClient> =
    Layer.unwrapEffect(Effect.map(VideosServer, ({ baseUrl, dialect }) => Videos.layer({ baseUrl, dialect })))

  /**
   * Provides the server in-process and `Videos` for it, as a test of a program needs. `Videos` sends the first of `apiKeys`;
   * `videos` overrides its configuration.
   */
  static readonly layerTest = (
    options?: InProcessOptions,
    videos?: VideosConfigOptions
  ): Layer.Layer<Videos | VideosServer, ConfigError.ConfigError> =>
    Layer.unwrapEffect(
      Effect.map(VideosServer, ({ baseUrl, dialect }) =>
        Videos.layer({ baseUrl, dialect, apiKey: options?.apiKeys?.[0], ...videos })
      )
    ).pipe(Layer.provide(VideosServer.layerHttpClient), Layer.provideMerge(VideosServer.layerInProcess(options)))
}

/**
 * Stops listening, then closes all connections. An idle connection would otherwise delay the stop until its timeout.
 */
const closeServer = (server: Server): Effect.Effect<void> =>
  Effect.async((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })

/** Origin of an in-process server. `.invalid` never resolves (RFC 2606), so no request reaches the network by mistake. */
const inProcessOrigin = "http://videos.invalid"

const platformServices = Layer.merge(NodeFileSystem.layer, NodePath.layer)

const makeServer = (options: InProcessOptions, origin: string) =>
  Effect.gen(function* () {
    const dialect = dialectOf(options.dialect)
    const baseUrl = `${origin}${dialect.bases[0]}`
    const onCreated = yield* makeJobNotifier(options.webhook)
    const { cancels, newIds } = dialect
    const changes = yield* makeChanges
    const clipFiles = notifyingFiles(yield* makeClipFiles, changes)
    const jobs = notifyingJobs(makeJobs({ ...options, cancels, newIds, onCreated }, clipFiles), changes)
    const { apiKeys } = options
    const submitOnce = makeIdempotency(options.idempotency ?? "ignore")
    const faults = notifyingFaults(yield* makeFaults(options.faults), changes)
    const protocol = makeFaultyApp(
      {
        dialect,
        jobs,
        characters: makeCharacters(),
        clipFiles,
        submitOnce,
        apiKeys,
        baseUrl,
        permitPoll: makePollLimit(options.pollsPerSecond ?? Number.POSITIVE_INFINITY)
      },
      faults
    )
    const authorize = keyCheck(apiKeys, dialect.keyHeaders)
    const control = faultControl(faults, authorize)
    const hasPage = options.page === true
    const hasControl = hasPage || options.faultControl === true
    const open = withCors(options.cors ?? true)(
      Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) =>
        hasControl && isControl(url) ? control : protocol
      )
    )
    const server = {
      dialect: options.dialect ?? "openai",
      basePath: dialect.bases[0],
      operations: [...dialect.serves],
      forms: dialect.bodies("create") === "form",
      cancels
    }
    const page = pageApp({ server, jobs, faults, changes, clipFiles, authorize })
    const app = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) => (hasPage && isPage(url) ? page : open))
    // The handler runs with this runtime, and so with its `Clock`.
    const runtime = yield* Effect.runtime<FileSystem.FileSystem | Path.Path | Scope.Scope>()
    const handlerOf = HttpApp.toWebHandlerRuntime(runtime)
    const decode = Schema.decodeUnknown(VideoResource)
    const service: VideosServerService = {
      baseUrl,
      dialect: server.dialect,
      fetch: (input, init) =>
        new Promise((resolve, reject) => {
          const request = new Request(input, init)
          request.signal.throwIfAborted()
          const wired = Effect.provideService(app, Wire, inProcess(reject, request.signal))
          handlerOf(wired)(request).then(resolve, reject)
        }),
      jobs: Effect.flatMap(Effect.zip(jobs.all, Clock.currentTimeMillis), ([all, now]) =>
        Effect.orDie(Effect.forEach(all, (job) => decode(protocolVideo(job, { now }))))
      ),
      faults
    }
    return { app, service }
  })
