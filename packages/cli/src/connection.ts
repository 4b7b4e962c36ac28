/** The library's own configuration, with what the arguments say put before the environment. */
import { createReadStream } from "node:fs"
import * as Chunk from "effect/Chunk"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { VideosConfig } from "effect-videos/Http"
import { isSecretParameter, type Query, readQueryText } from "effect-videos/internal/config/validateConfig"
import { VideosHttp } from "effect-videos/transport"
import { proxiesFromEnvironment } from "effect-videos/undici/proxy"
import { Videos } from "effect-videos/Videos"
import { UsageError } from "./errors.js"
import type { Connection } from "./options.js"

/** No key is longer; a wrong descriptor may never end. */
const maxKeyLength = 16 * 1024

/** The key, less the line break that ends a file. */
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

/** The query of the arguments: the base URL's, and before it what `--query` says. */
const queryOf = ({ baseUrl, query }: Connection): Query => ({
  ...Option.match(baseUrl, { onNone: () => ({}), onSome: (base) => base.query }),
  ...query
})

const provider = (connection: Connection): Effect.Effect<ConfigProvider.ConfigProvider, UsageError> =>
  Effect.gen(function* () {
    const given = new Map<string, string>()
    const environment = yield* Effect.configProviderWith(Effect.succeed)
    if (Option.isSome(connection.baseUrl)) given.set("OPENAI_BASE_URL", connection.baseUrl.value.url)
    const query = queryOf(connection)
    if (Object.keys(query).length > 0) {
      // What is wrong with the variable is told by its name, where the configuration is read.
      const variable = yield* Effect.option(environment.load(Config.string("VIDEOS_QUERY")))
      const inherited = Option.match(variable, { onNone: () => null, onSome: readQueryText })
      const whole = inherited !== null && "query" in inherited ? { ...inherited.query, ...query } : query
      if (inherited === null || "query" in inherited) given.set("VIDEOS_QUERY", new URLSearchParams(whole).toString())
    }
    if (Option.isSome(connection.preset)) given.set("VIDEOS_PRESET", connection.preset.value)
    if (Option.isSome(connection.apiKeyFd)) {
      given.set("OPENAI_API_KEY", Redacted.value(yield* readApiKey(connection.apiKeyFd.value)))
    }
    return ConfigProvider.orElse(ConfigProvider.fromMap(given), () => environment)
  })

/** `VideosConfig` alone. */
export const configLayer = (connection: Connection) =>
  Layer.unwrapEffect(
    Effect.map(Effect.zipLeft(provider(connection), proxiesFromEnvironment), (provider) =>
      Layer.provide(VideosConfig.layerConfig, Layer.setConfigProvider(provider))
    )
  )

/** Everything that an operation needs, over whatever `HttpClient` there is. */
export const videosLayer = (connection: Connection) =>
  Videos.layerWithoutDependencies.pipe(Layer.provide(VideosHttp.layer), Layer.provide(configLayer(connection)))

/** The arguments again, for a command to copy. The descriptor is closed by then, so that it is left to the caller. */
export const connectionArguments = (connection: Connection): ReadonlyArray<string> => [
  ...Option.match(connection.baseUrl, { onNone: () => [], onSome: ({ url }) => ["--base-url", url] }),
  // A secret is left to the caller, too.
  ...Object.entries(queryOf(connection)).flatMap(([name, value]) => [
    "--query",
    `${name}=${isSecretParameter(name, value) ? "<redacted>" : value}`
  ]),
  ...Option.match(connection.preset, { onNone: () => [], onSome: (name) => ["--preset", name] })
]
