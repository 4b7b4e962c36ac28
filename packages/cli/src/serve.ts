/** `serve`: the embedded server, to try everything against. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { readApiKey } from "./connection.js"
import * as options from "./options.js"
import { Screen, styles } from "./screen.js"
import { Session } from "./session.js"
import { makeWriter } from "./writer.js"

const defaultPort = 8787

const requiredKey = Effect.flatMap(Config.withDefault(Config.string("OPENAI_API_KEY"), ""), (key) =>
  key.trim() === ""
    ? Effect.fail(ConfigError.MissingData(["OPENAI_API_KEY"], "`OPENAI_API_KEY` must be set"))
    : Effect.succeed(Redacted.make(key.trim()))
)

export const serve = Command.make(
  "serve",
  {
    port: Options.withDefault(options.integer("port", 0, 65535), defaultPort),
    host: Options.withDefault(Options.text("host"), "127.0.0.1"),
    dialect: Options.withDefault(options.choice("dialect"), "openai" as const),
    queueTime: Options.optional(options.duration("queue-time")),
    runTime: Options.optional(options.duration("run-time")),
    requireKey: Options.boolean("require-key"),
    apiKeyFd: options.apiKeyFd,
    ...options.format
  },
  (given) =>
    Effect.gen(function* () {
      const { apiKeyFd, dialect } = given
      const key = Option.isSome(apiKeyFd)
        ? yield* readApiKey(apiKeyFd.value)
        : given.requireKey
          ? yield* requiredKey
          : null
      // Its encoders take a while to load, and no other command needs them.
      const { VideosServer } = yield* Effect.promise(() => import("@effect-videos/server"))
      const program = Effect.gen(function* () {
        const screen = yield* Screen
        const { program } = yield* Session
        const writer = yield* makeWriter(given)
        const { baseUrl } = yield* VideosServer
        const { dim } = styles(screen).err
        yield* writer.write({ base_url: baseUrl, dialect, key_required: key !== null }, () =>
          screen.terminal.out && screen.terminal.err ? "" : `${baseUrl}\n`
        )
        const extendsByJoin = dialect !== "openai" && dialect !== "azure" && dialect !== "litellm"
        const lines = [
          `Serving the Videos protocol at ${baseUrl}. Ctrl-C stops it.`,
          `Watch it, and make it fail: ${new URL(baseUrl).origin}/`,
          dim(`${key === null ? "No key is needed." : "A key is needed: OPENAI_API_KEY."} Its videos end with it.`),
          "",
          "In another terminal:",
          "",
          `  export OPENAI_BASE_URL=${baseUrl}${dialect === "openai" ? "" : ` VIDEOS_DIALECT=${dialect}`}`,
          `  ${program} create "a lighthouse" -o clip.mp4`,
          `  ${program} extend clip.mp4 "it rains" --seconds 8${extendsByJoin ? " --join" : ""} -o long.mp4`,
          ""
        ]
        yield* screen.err(`${lines.join("\n")}\n`)
        return yield* Effect.never
      })
      const layer = VideosServer.layer({
        port: given.port,
        host: given.host,
        dialect,
        queueTime: Option.getOrUndefined(given.queueTime),
        runTime: Option.getOrUndefined(given.runTime),
        apiKeys: key === null ? undefined : [key],
        page: true
      })
      yield* Effect.provide(program, layer)
    })
)
