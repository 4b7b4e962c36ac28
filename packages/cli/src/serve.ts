/** `serve`: the embedded server, to try everything against. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { VideosServer } from "@effect-videos/server"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { variable } from "effect-videos/internal/config/environment"
import { checkHeaderValue } from "effect-videos/internal/config/validateConfig"
import { readApiKey } from "./connection.js"
import { descriptions } from "./help.js"
import * as options from "./options.js"
import { Screen, styles } from "./screen.js"
import { Session } from "./session.js"
import { wrap } from "./text.js"
import { makeWriter } from "./writer.js"

const usualPort = 8787

const requiredKey = variable("OPENAI_API_KEY", (value) => {
  const problem = checkHeaderValue(value)
  return problem === null ? { value } : { problem }
})

/** The keys that let a request pass; none wanted where there are none. */
const apiKeys = (required: boolean, fd: Option.Option<number>) => {
  if (Option.isSome(fd)) return Effect.map(readApiKey(fd.value), (key) => [key])
  return required
    ? Effect.flatMap(requiredKey, (key) =>
        key === undefined
          ? Effect.fail(ConfigError.MissingData(["OPENAI_API_KEY"], "`OPENAI_API_KEY` must be set"))
          : Effect.succeed([Redacted.make(key)])
      )
    : Effect.succeed(undefined)
}

export const serve = Command.make(
  "serve",
  {
    port: options
      .integer("port", 0, 65535)
      .pipe(
        Options.withDescription(`Listens on this port; 0 is any free one. Without it, ${usualPort}.`),
        Options.withDefault(usualPort)
      ),
    host: Options.text("host").pipe(
      Options.withDescription("Listens on this address. Without it, only this machine can connect."),
      Options.withDefault("127.0.0.1")
    ),
    preset: options.choice("preset").pipe(
      Options.filterMap(
        (name) => (name === "dynamo" ? Option.none() : Option.some(name)),
        "`--preset dynamo` is for a server that keeps no jobs; this one does"
      ),
      Options.withDescription("Answers as this kind of server does. Without it, as the protocol itself."),
      Options.withDefault("openai" as const)
    ),
    queueTime: options
      .duration("queue-time")
      .pipe(
        Options.withDescription("How long a job waits before it runs, such as `2s`. Without it, half a second."),
        Options.optional
      ),
    runTime: options
      .duration("run-time")
      .pipe(Options.withDescription("How long a job runs, such as `1m`. Without it, three seconds."), Options.optional),
    requireKey: Options.boolean("require-key").pipe(
      Options.withDescription(
        "Refuses requests without the key in OPENAI_API_KEY, or in `--api-key-fd`, which implies it."
      )
    ),
    apiKeyFd: options.apiKeyFd,
    ...options.format
  },
  ({ apiKeyFd, host, json, port, preset, queueTime, requireKey, runTime, table }) =>
    Effect.gen(function* () {
      const keys = yield* apiKeys(requireKey, apiKeyFd)
      const layer = VideosServer.layer({
        port,
        host,
        preset,
        queueTime: Option.getOrUndefined(queueTime),
        runTime: Option.getOrUndefined(runTime),
        apiKeys: keys,
        page: true
      })
      const program = Effect.gen(function* () {
        const screen = yield* Screen
        const session = yield* Session
        const writer = yield* makeWriter({ json, table })
        const { baseUrl } = yield* VideosServer
        const { dim } = styles(screen).err
        const settings = [`OPENAI_BASE_URL=${baseUrl}`, ...(preset === "openai" ? [] : [`VIDEOS_PRESET=${preset}`])]
        yield* writer.write({ base_url: baseUrl, preset, key_required: keys !== undefined }, () => `${baseUrl}\n`)
        const page = `${new URL(baseUrl).origin}/`
        const { columns } = screen.terminal.err ? screen.size() : { columns: Number.POSITIVE_INFINITY }
        yield* screen.err(
          [
            ...wrap(
              `A server of the Videos protocol listens at ${baseUrl}. Its jobs end with it; Ctrl-C stops it.`,
              columns
            ),
            ...wrap(`What it does can be seen, and made to fail, at ${page}. In another terminal:`, columns),
            "",
            `  export ${settings.join(" ")}`,
            `  ${session.program} create --prompt "a lighthouse at dusk" --seconds 4 -o clip.mp4`,
            `  ${session.program} extend clip.mp4 --prompt "the light comes on" --seconds 8 --watch -o longer.mp4`,
            "",
            dim(keys === undefined ? "No key is needed." : "A key is needed: OPENAI_API_KEY."),
            ""
          ].join("\n")
        )
        return yield* Effect.never
      })
      yield* Effect.provide(program, layer)
    })
).pipe(Command.withDescription(descriptions.serve))
