/** The embedded server as a service: on a socket, or in-process as a `fetch`. */
import { createServer, type Server } from "node:http"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as HttpApp from "@effect/platform/HttpApp"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpServer from "@effect/platform/HttpServer"
import type { ServeError } from "@effect/platform/HttpServerError"
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
import type { PresetName } from "effect-videos/Presets"
import { VideoResource } from "effect-videos/Schema"
import { Videos } from "effect-videos/Videos"
import { accentOf } from "./accents.js"
import { makeCharacters } from "./characters.js"
import { withCors } from "./cors.js"
import { makeChanges, tellingFaults, tellingJobs } from "./events.js"
import { faultControl, isControl } from "./faults/control.js"
import { faulty } from "./faults/inject.js"
import type { Rule } from "./faults/model.js"
import { type FaultsService, makeFaults } from "./faults/rules.js"
import { inProcess, onSocket, Wire } from "./faults/wire.js"
import { makeIdempotency } from "./idempotency.js"
import { type JobOptions, makeJobs } from "./Jobs.js"
import { keyCheck } from "./keys.js"
import { isPage, pageApp } from "./page/page.js"
import { protocolVideo } from "./shapes.js"
import { makeStudio } from "./studio.js"
import { makeAnnounce, type WebhookOptions } from "./webhooks.js"

/**
 * How a server behaves, wherever it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface InProcessOptions extends JobOptions {
  /** Which server to answer like. Default: `openai`, the protocol itself. */
  readonly preset?: Exclude<PresetName, "dynamo"> | undefined
  /**
   * The keys that let a request pass, as `Authorization: Bearer` (`azure`: or as `api-key`; `litellm`: or as
   * `x-litellm-api-key`); others are refused with 401. Default: no key is needed. An empty list lets nobody pass.
   */
  readonly apiKeys?: ReadonlyArray<string | Redacted.Redacted> | undefined
  /**
   * Where to push an event, `video.completed` or `video.failed`, when a job ends; none for a job that was deleted before.
   * An effect is asked at every event, so that the receiver may be started after the server. Default: no events.
   */
  readonly webhook?: WebhookOptions | Effect.Effect<WebhookOptions> | undefined
  /**
   * What goes wrong from the start, as the module `Fault` has it; `VideosServerService.faults` changes it. A rule that makes
   * no sense is a defect. Default: nothing.
   */
  readonly faults?: ReadonlyArray<Rule> | undefined
  /**
   * Serves the rules at `/_faults`, outside `/v1`: `GET` answers `{ rules, log }`, `PUT` with `{ rules }` sets them, `DELETE`
   * clears them. Wants a key where there are keys. Whoever reaches it can break the server: default `false`.
   */
  readonly faultControl?: boolean | undefined
  /**
   * Serves a live page for people at the root, `/`: the newest jobs and their videos, the last requests, and switches for
   * faults; so it serves `/_faults` too. It can be seen without a key, and shows nothing until it is given one where there
   * are keys. Pages of other origins cannot read it, whatever `cors` says. Default: `false`.
   */
  readonly page?: boolean | undefined
  /**
   * What an `Idempotency-Key` does. `ignore` (default): nothing, as the protocol promises nothing. `honour`: the same key with
   * the same request answers the job that it made before, with `Idempotent-Replayed: true`; with another request it is
   * refused with 409, `idempotency_key_reused`.
   */
  readonly idempotency?: "honour" | "ignore" | undefined
  /**
   * Which pages may call the server from other origins, with any headers: those of these origins, such as
   * `http://localhost:5173`, all (`true`, default), or none (`false`). Cookies are never asked for.
   */
  readonly cors?: boolean | ReadonlyArray<string> | undefined
}

/**
 * How a server behaves, and where it listens.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerOptions extends InProcessOptions {
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
  /** Up to and including `/v1` (`azure`: `/openai/v1`). */
  readonly baseUrl: string
  /** The accent that it speaks with. */
  readonly preset: Exclude<PresetName, "dynamo">
  /** The server without a socket: for an `HttpClient` layer, or any client that takes a `fetch`. */
  readonly fetch: typeof globalThis.fetch
  /**
   * Every job that the server has made and nobody deleted, oldest first, as the protocol has them whatever the preset: what
   * a test of "paid once" counts.
   */
  readonly jobs: Effect.Effect<ReadonlyArray<VideoResource>>
  /** What goes wrong, and what has: `Fault` has the values. */
  readonly faults: FaultsService
}

/**
 * A server that speaks the Videos protocol, with no key, no GPU and no network: all ten operations, validation with the
 * protocol's error bodies, jobs that move by Effect's `Clock` (so that `TestClock` drives them), and content that plays:
 * H.264 in MP4 of exactly the promised length.
 *
 * - Derived clips are derived: an extension's file is its source's pictures followed by new ones; a remix or an edit has
 *   its source's size, length and motion in other colours, and says in a corner what it comes from. (An uploaded film is
 *   not decoded: it is copied where it is extended, and has a drawn stand-in elsewhere.)
 * - Content: `variant=thumbnail` is a PNG of the middle frame, `variant=spritesheet` a PNG of small frames, ten to a row.
 *   Single ranges, `ETag`, `If-Range`, `If-None-Match` and `HEAD` work. Files are made when first asked for.
 * - Lists go by cursor, newest first; a cursor that names no job is refused with 400. A job that has not ended cannot be
 *   deleted (409). An `input_reference` is validated and named in the clip's corner, and a PNG is its first
 *   frame; no URL is fetched.
 * - `preset` makes it answer as another server does, where that one departs from the protocol.
 * - A job costs no fiber, unless `webhook` is set: then each waits for its end in one.
 * - `faults` makes it fail as servers and networks do: the module `Fault` says how. `jobs` is the truth throughout.
 * - `page` adds a page for people at `/` that shows all this while it happens.
 *
 * Not served: servers' own routes outside the protocol, and bodies of `application/x-www-form-urlencoded`.
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
  /** Listens on a socket for as long as the layer lives. Fails with `ServeError` if it cannot. */
  static readonly layer = (options: ServerOptions = {}): Layer.Layer<VideosServer, ServeError> =>
    Layer.scoped(
      VideosServer,
      Effect.gen(function* () {
        const server = createServer()
        const { host = "127.0.0.1", port = 0 } = options
        const httpServer = yield* NodeHttpServer.make(() => server, { host, port })
        const { address } = httpServer
        const authority =
          address._tag === "TcpAddress" ? `${host.includes(":") ? `[${host}]` : host}:${address.port}` : "localhost"
        const { app, service } = yield* makeServer(options, `http://${authority}`)
        const wired = Effect.provideServiceEffect(app, Wire, onSocket)
        yield* Effect.provideService(HttpServer.serveEffect(wired), HttpServer.HttpServer, httpServer)
        yield* Effect.addFinalizer(() => closed(server))
        return VideosServer.of(service)
      }).pipe(Effect.provide(platformServices))
    )

  /** No socket: requests reach the server through `fetch` alone, so that a `TestClock` needs no real time to pass. */
  static readonly layerInProcess = (options: InProcessOptions = {}): Layer.Layer<VideosServer> =>
    Layer.scoped(
      VideosServer,
      Effect.map(makeServer(options, inProcessOrigin), ({ service }) => service).pipe(Effect.provide(platformServices))
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

  /**
   * `Videos` against this server and with its preset, over whatever `HttpClient` there is. With no key: one is for
   * `Videos.layer`.
   */
  static readonly layerVideos: Layer.Layer<Videos, ConfigError.ConfigError, VideosServer | HttpClient.HttpClient> =
    Layer.unwrapEffect(Effect.map(VideosServer, ({ baseUrl, preset }) => Videos.layer({ baseUrl, preset })))

  /**
   * Everything that a test of a program needs: the server in-process, and `Videos` against it, with the first of the keys
   * where there are any, and configured as the test says.
   */
  static readonly layerTest = (
    options?: InProcessOptions,
    videos?: VideosConfigOptions
  ): Layer.Layer<Videos | VideosServer, ConfigError.ConfigError> =>
    Layer.unwrapEffect(
      Effect.map(VideosServer, ({ baseUrl, preset }) =>
        Videos.layer({ baseUrl, preset, apiKey: options?.apiKeys?.[0], ...videos })
      )
    ).pipe(Layer.provide(VideosServer.layerHttpClient), Layer.provideMerge(VideosServer.layerInProcess(options)))
}

/**
 * Stops listening, and then ends every connection: a client's idle ones would hold the stop up until they time out, and so
 * would one that is made in between.
 */
const closed = (server: Server): Effect.Effect<void> =>
  Effect.async((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })

/** Where an in-process server is said to be; `.invalid` never resolves (RFC 2606), so no request can leave by mistake. */
const inProcessOrigin = "http://videos.invalid"

const platformServices = Layer.merge(NodeFileSystem.layer, NodePath.layer)

const makeServer = (options: InProcessOptions, origin: string) =>
  Effect.gen(function* () {
    const accent = accentOf(options.preset)
    const baseUrl = `${origin}${accent.bases[0]}`
    const studio = yield* makeStudio
    const onCreated = yield* makeAnnounce(options.webhook)
    const { cancels, newIds } = accent
    const changes = yield* makeChanges
    const jobs = tellingJobs(makeJobs({ ...options, cancels, newIds, onCreated }, studio), changes)
    const { apiKeys } = options
    const once = makeIdempotency(options.idempotency ?? "ignore")
    const faults = tellingFaults(yield* makeFaults(options.faults), changes)
    const protocol = faulty({ accent, jobs, characters: makeCharacters(), studio, once, apiKeys, baseUrl }, faults)
    const authorize = keyCheck(apiKeys, accent.keyHeaders)
    const control = faultControl(faults, authorize)
    const hasPage = options.page === true
    const hasControl = hasPage || options.faultControl === true
    const open = withCors(options.cors ?? true)(
      Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) =>
        hasControl && isControl(url) ? control : protocol
      )
    )
    const server = {
      preset: options.preset ?? "openai",
      basePath: accent.bases[0],
      operations: [...accent.serves],
      forms: accent.bodies("create") === "form"
    }
    const page = pageApp({ server, jobs, faults, changes, studio, authorize })
    const app = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) => (hasPage && isPage(url) ? page : open))
    // The handler runs with this runtime, its `Clock` included.
    const runtime = yield* Effect.runtime<FileSystem.FileSystem | Path.Path | Scope.Scope>()
    const handlerOf = HttpApp.toWebHandlerRuntime(runtime)
    const decode = Schema.decodeUnknown(VideoResource)
    const service: VideosServerService = {
      baseUrl,
      preset: server.preset,
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
