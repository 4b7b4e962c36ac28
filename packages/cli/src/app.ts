/** The whole command: what it consists of, and how a command line is run. */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { character } from "./characters.js"
import { mendCompletions } from "./completions.js"
import { doctor } from "./doctor.js"
import { UsageError } from "./errors.js"
import { mistakeIn, textAsked, version } from "./help.js"
import { download, get, list, remove, watch } from "./jobs.js"
import { join } from "./join.js"
import { report } from "./report.js"
import { retryLines } from "./retries.js"
import { runs } from "./runs.js"
import { Screen, withScreenConsole } from "./screen.js"
import { serve } from "./serve.js"
import { Session } from "./session.js"
import { create, edit, extend, remix } from "./submit.js"
import { worker } from "./worker.js"

const root = Command.withSubcommands(Command.make("effect-videos"), [
  serve,
  create,
  extend,
  join,
  edit,
  remix,
  watch,
  list,
  get,
  download,
  remove,
  character,
  runs,
  worker,
  doctor
])

const command = Command.run(root, { name: "effect-videos", version, executable: "effect-videos" })

const ran = (argv: ReadonlyArray<string>) => {
  const given = argv.slice(2)
  const text = textAsked(given)
  if (text !== null) return Effect.flatMap(Screen, (screen) => screen.out(text))
  const mistake = given[0] === "--completions" ? null : mistakeIn(given)
  return mistake === null ? withScreenConsole(command(argv), mendCompletions) : new UsageError(mistake)
}

/** A command without rows writes its retries as lines. */
const reportRetries = Effect.flatMap(Effect.zip(Screen, Session), ([screen, session]) =>
  session.listen(retryLines(screen.err))
)

/** Runs a command line, as `process.argv` has it, and reports what went wrong; `kindOfCause` has the exit code. */
export const run = (argv: ReadonlyArray<string>) =>
  Effect.zipRight(reportRetries, ran(argv)).pipe(
    Effect.scoped,
    Effect.provide(CliConfig.layer({ showBuiltIns: false })),
    Effect.onError((cause) => report(cause, argv.slice(2)))
  )
