/**
 * Durable runs over several machines, which share a Postgres. Needs the optional peers `@effect/sql-pg` and `pg`.
 *
 * @since 0.1.0
 */
import { ClusterWorkflowEngine, RunnerAddress } from "@effect/cluster"
import type { RateLimiterStore } from "@effect/experimental/RateLimiter"
import { NodeClusterSocket } from "@effect/platform-node"
import { SqlClient } from "@effect/sql"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Videos } from "effect-videos/Videos"
import { client, type DurableVideos, type RunOptions, runner, table } from "./DurableVideos.js"
import type { DatabaseError } from "./errors.js"
import { nameOf, postgresClient } from "./internal/postgresPool.js"
import { rateLimiterStore } from "./internal/rateLimiterStore.js"
import { orUnavailable } from "./internal/runTable.js"
import type { VideoStore } from "./VideoStore.js"

/**
 * Options of a process that starts, watches and cancels runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface PostgresClientOptions extends RunOptions {
  /** Such as `postgres://user:password@host/database`. A session connection: no proxy that pools transactions. */
  readonly url: string | Redacted.Redacted
}

/**
 * Options of a runner.
 *
 * @since 0.1.0
 * @category models
 */
export interface PostgresOptions extends PostgresClientOptions {
  /** Where this runner listens, as the other runners and the clients reach it. Each runner has its own. */
  readonly listen: { readonly host: string; readonly port: number }
}

/**
 * A runner that died is replaced after four to seven seconds: once its last sign of life has expired, if it was the one that checks
 * the others. A runner that is paused for longer keeps its locks, so that no step runs twice.
 */
const timing = {
  shardLockExpiration: "6 seconds",
  shardLockRefreshInterval: "2 seconds",
  runnerHealthCheckInterval: "2 seconds",
  refreshAssignmentsInterval: "1 second",
  entityMessagePollInterval: "1 second"
} as const

/** Without it, each poll reads the clocks of all waiting runs. */
const indexes = Layer.effectDiscard(
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`CREATE INDEX IF NOT EXISTS effect_videos_due ON cluster_messages (deliver_at) WHERE processed = FALSE`
  ).pipe(Effect.ignoreLogged)
)

/** Processes that start at once may create the engine's tables at the same time, which fails one of them: it finds the tables then. */
const withRetry = <A, E, R>(engine: Layer.Layer<A, E, R>): Layer.Layer<A, E, R> =>
  Layer.catchAllCause(engine, () => Layer.unwrapEffect(Effect.as(Effect.sleep("500 millis"), Layer.fresh(engine))))

const database = (url: Redacted.Redacted) => Layer.provideMerge(table(nameOf(url)), postgresClient(url))

const redacted = (url: string | Redacted.Redacted): Redacted.Redacted =>
  typeof url === "string" ? Redacted.make(url) : url

/**
 * Runs in this process and in others that share the database: each run is in one of them at a time. When a runner dies, the others
 * continue its runs after four to seven seconds.
 *
 * @example
 * import { FetchHttpClient } from "@effect/platform"
 * import { VideoStore } from "@effect-videos/durable"
 * import { layer } from "@effect-videos/durable/Postgres"
 * import { Layer } from "effect"
 * import { Videos } from "effect-videos"
 *
 * const live = layer({
 *   url: "postgres://videos@db.internal/videos",
 *   listen: { host: "10.0.0.7", port: 34431 }
 * }).pipe(
 *   Layer.provide(VideoStore.layerDirectory("/mnt/clips")),
 *   Layer.provide(Videos.layerConfig),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: PostgresOptions
): Layer.Layer<DurableVideos, DatabaseError | ConfigError.ConfigError, Videos | VideoStore> => {
  const { host, port } = options.listen
  const engine = ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(
      NodeClusterSocket.layer({
        shardingConfig: { ...timing, runnerAddress: Option.some(RunnerAddress.make(host, port)) }
      })
    ),
    withRetry,
    orUnavailable("DurablePostgres.layer", `${host}:${port}`)
  )
  return runner(options).pipe(
    Layer.provide(indexes),
    Layer.provide(engine),
    Layer.provide(database(redacted(options.url)))
  )
}

/**
 * Store of a request limit that all runners share, for `effect-videos/RateLimiter`: one row of the same Postgres for each key. While
 * Postgres is away, each process keeps to the limit by itself.
 *
 * @example
 * import { layerRateLimiterStore } from "@effect-videos/durable/Postgres"
 * import { Effect, Layer } from "effect"
 * import { Videos } from "effect-videos"
 * import * as SharedLimit from "effect-videos/RateLimiter"
 *
 * // Ten requests per second of all runners together.
 * const videos = SharedLimit.make({ limit: 10 }).pipe(
 *   Effect.map((limiter) => Videos.layer({ baseUrl: "https://videos.internal/v1", budget: { limiter } })),
 *   Layer.unwrapEffect,
 *   Layer.provide(layerRateLimiterStore({ url: "postgres://videos@db.internal/videos" }))
 * )
 *
 * @since 0.1.0
 * @category layers
 */
export const layerRateLimiterStore = ({
  url
}: Pick<PostgresClientOptions, "url">): Layer.Layer<RateLimiterStore, DatabaseError> =>
  rateLimiterStore.pipe(Layer.provide(database(redacted(url))))

/**
 * Starts, watches, cancels and resolves runs, and runs none: for web servers and webhook endpoints.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerClient = (
  options: PostgresClientOptions
): Layer.Layer<DurableVideos, DatabaseError | ConfigError.ConfigError> => {
  const engine = ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(
      NodeClusterSocket.layer({ clientOnly: true, shardingConfig: { ...timing, runnerAddress: Option.none() } })
    ),
    withRetry,
    orUnavailable("DurablePostgres.layerClient")
  )
  return client(options).pipe(Layer.provide(engine), Layer.provide(database(redacted(options.url))))
}
