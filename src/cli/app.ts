/** The whole command: what it consists of, and how a command line is run. */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Effect from "effect/Effect"
import { version } from "../internal/version.js"
import { character } from "./characters.js"
import { doctor } from "./doctor.js"
import { about, reflow, rootHelp } from "./help.js"
import { download, get, list, remove, watch } from "./jobs.js"
import { report } from "./report.js"
import { Screen, styles, withScreenConsole } from "./screen.js"
import { serve } from "./serve.js"
import { create, edit, extend, remix } from "./submit.js"

const root = Command.make("effect-videos").pipe(
  Command.withDescription(about),
  Command.withSubcommands([serve, create, extend, edit, remix, watch, list, get, download, remove, character, doctor])
)

const command = Command.run(root, {
  name: "effect-videos",
  version,
  executable: "effect-videos",
  footer: HelpDoc.p("What else every command takes, exit codes, and what is written where: `effect-videos --help`.")
})

/** `@effect/cli` would put every option of every command into one table. */
const wantsRootHelp = (given: ReadonlyArray<string>): boolean =>
  given.every((argument) => argument === "--help" || argument === "-h")

const showRootHelp = Effect.flatMap(Screen, (screen) => screen.out(rootHelp(screen.size().columns, styles(screen).out)))

/** Whether errors, too, are to be events. */
const wantsEvents = (given: ReadonlyArray<string>): boolean =>
  given.some(
    (argument, index) => argument === "--progress=json" || (argument === "json" && given[index - 1] === "--progress")
  )

/** Runs a command line, as `process.argv` has it, and tells what went wrong; `kindOfCause` has the exit code. */
export const run = (argv: ReadonlyArray<string>) => {
  const given = argv.slice(2)
  // Completions are for a shell, whose lines are its own.
  const fitted = given.some((argument) => argument === "--help" || argument === "-h") ? reflow : (text: string) => text
  return (wantsRootHelp(given) ? showRootHelp : withScreenConsole(command(argv), fitted)).pipe(
    Effect.provide(CliConfig.layer({ showBuiltIns: false })),
    Effect.onError((cause) => report(cause, wantsEvents(given)))
  )
}
