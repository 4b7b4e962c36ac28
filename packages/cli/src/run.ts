/** Runs the command line of this process: real files, terminal and network, and an exit code. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as VideosUndici from "effect-videos/undici"
import { run } from "./app.js"
import { exitCodes, kindOfCause } from "./exitCodes.js"
import { Screen } from "./screen.js"
import { programName, Session } from "./session.js"

// A wrong proxy variable is an error of the configuration, which names it before any request.
const network = Layer.catchAll(VideosUndici.layerConfig, () => Layer.orDie(VideosUndici.layer()))

const live = Layer.mergeAll(NodeContext.layer, network, Screen.layer, Session.layer(programName(process.env)))

run(process.argv).pipe(
  // A log line would break the bars, and on standard output it is not data.
  Effect.provide(Layer.merge(live, Logger.remove(Logger.defaultLogger))),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    disablePrettyLogger: true,
    teardown: (exit, onExit) => onExit(exitCodes[Exit.isSuccess(exit) ? "ok" : kindOfCause(exit.cause)])
  })
)
