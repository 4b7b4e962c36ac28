/** The library's configuration: options of the command line come before the environment. */
import { createReadStream } from "node:fs"
import * as Chunk from "effect/Chunk"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { dialects, Videos, VideosConfig } from "effect-videos"
import { isDialectName } from "effect-videos/Dialects"
import { type VideosCall, VideosHttp, type VideosHttpService } from "effect-videos/transport"
import * as VideosUndici from "effect-videos/undici"
import { UsageError } from "./errors.js"
import type { Connection } from "./options.js"
import { reportingRetries } from "./retries.js"
import { Session } from "./session.js"

/** No key is longer; a wrong descriptor may never end. */
const maxKeyLength = 16 * 1024

/** The key, without the line break that ends a file. */
export const readApiKey = (fd: number): Effect.Effect<Redacted.Redacted, UsageError> => {
  const refuse = (problem: string) => new UsageError({ field: "--api-key-fd", problem })
  if (fd === 1 || fd === 2) return Effect.fail(refuse("must be a descriptor to read from; 1 and 2 are for output"))
  return Stream.fromAsyncIterable(
    { [Symbol.asyncIterator]: () => createReadStream("", { fd })[Symbol.asyncIterator]() as AsyncIterator<Buffer> },
    (cause) => refuse(`cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`)
  ).pipe(
    Stream.mapAccum(0, (length, chunk) => [length + chunk.byteLength, { chunk, length: length + chunk.byteLength }]),
    Stream.mapEffect(({ chunk, length }) =>
      length > maxKeyLength ? Effect.fail(refuse(`has more than ${maxKeyLength} bytes`)) : Effect.succeed(chunk)
    ),
    Stream.runCollect,
    Effect.flatMap((chunks) => {
      const key = Buffer.concat(Chunk.toReadonlyArray(chunks)).toString("utf8").trim()
      return key === "" ? Effect.fail(refuse("has no key")) : Effect.succeed(Redacted.make(key))
    })
  )
}

/** `VIDEOS_QUERY` with the parameters of `--query` in place of its own. */
const withQuery = (variable: string, query: Connection["query"]): string =>
  [
    new URLSearchParams(query).toString(),
    ...variable
      .trim()
      .replace(/^\?/, "")
      .split("&")
      .filter((part) => ![...new URLSearchParams(part).keys()].some((name) => Object.hasOwn(query, name)))
  ]
    .filter((part) => part !== "")
    .join("&")

const provider = (connection: Connection): Effect.Effect<ConfigProvider.ConfigProvider, UsageError> =>
  Effect.gen(function* () {
    const { apiKeyFd, baseUrl, dialect, query } = connection
    const environment = yield* Effect.configProviderWith(Effect.succeed)
    const given = new Map<string, string>()
    if (Option.isSome(baseUrl)) given.set("OPENAI_BASE_URL", baseUrl.value)
    if (Object.keys(query).length > 0) {
      const variable = yield* Effect.orElseSucceed(environment.load(Config.string("VIDEOS_QUERY")), () => "")
      given.set("VIDEOS_QUERY", withQuery(variable, query))
    }
    if (Option.isSome(dialect)) given.set("VIDEOS_DIALECT", dialect.value)
    if (Option.isSome(apiKeyFd)) {
      const key = Redacted.value(yield* readApiKey(apiKeyFd.value))
      const named = yield* Effect.orElseSucceed(environment.load(Config.string("VIDEOS_DIALECT")), () => "openai")
      const name = Option.getOrElse(dialect, () => named)
      given.set("OPENAI_API_KEY", key)
      // The key of the dialect's own home has a variable of its own.
      if (isDialectName(name)) given.set(dialects[name].home?.keyVariable ?? "OPENAI_API_KEY", key)
    }
    return ConfigProvider.orElse(ConfigProvider.fromMap(given), () => environment)
  })

/** A wrong proxy variable is an error of the configuration, before any request. */
const proxyCheck = VideosUndici.proxyConfigFor(new URL("http://localhost"))

export const configLayer = (connection: Connection) =>
  Layer.unwrapEffect(
    Effect.map(Effect.zipLeft(provider(connection), proxyCheck), (provider) =>
      Layer.provide(VideosConfig.layerConfig, Layer.setConfigProvider(provider))
    )
  )

/** Reports the submissions, and the reads of the list that settle one. */
const reportingHttp = Layer.effect(
  VideosHttp,
  Effect.map(Effect.zip(VideosHttp, Session), ([http, { report }]): VideosHttpService => {
    const started = ({ kind, operation }: VideosCall): Effect.Effect<void> =>
      kind === "submit"
        ? report({ _tag: "Submitting" })
        : operation === "listVideos"
          ? report({ _tag: "Reconciling" })
          : Effect.void
    return {
      ...http,
      execute: (call) => Effect.zipRight(started(call), http.execute(call)),
      upload: (call, upload) => Effect.zipRight(started(call), http.upload(call, upload))
    }
  })
).pipe(Layer.provide(VideosHttp.layer))

/** Reports the retries. */
const reportingConfig = (connection: Connection) =>
  Layer.effect(
    VideosConfig,
    Effect.map(Effect.zip(VideosConfig, Session), ([config, session]) => ({
      ...config,
      submitRetry: reportingRetries(config.submitRetry, session),
      readRetry: reportingRetries(config.readRetry, session)
    }))
  ).pipe(Layer.provide(configLayer(connection)))

/** What an operation needs, over the program's `HttpClient`. */
export const videosLayer = (connection: Connection) =>
  Videos.layerWithoutDependencies.pipe(Layer.provide(reportingHttp), Layer.provideMerge(reportingConfig(connection)))

/** The arguments again, for a command to copy. A key and what else is secret is left to the caller. */
export const connectionArguments = (
  connection: Connection
): Effect.Effect<ReadonlyArray<string>, never, VideosConfig> =>
  Effect.map(VideosConfig, (config) => {
    const inUrl = Option.match(connection.baseUrl, {
      onNone: () => [],
      onSome: (text) => [...new URL(text).searchParams.keys()]
    })
    const names = new Set([...inUrl, ...Object.keys(connection.query)])
    return [
      ...(Option.isSome(connection.baseUrl) ? ["--base-url", config.baseUrl] : []),
      ...[...names].flatMap((name) => {
        const value = config.query[name] ?? ""
        return ["--query", `${name}=${Redacted.isRedacted(value) ? "<redacted>" : value}`]
      }),
      ...Option.match(connection.dialect, { onNone: () => [], onSome: (name) => ["--dialect", name] })
    ]
  })
