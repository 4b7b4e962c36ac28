/** The whole command: what it consists of, and how a command line is run. */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { version } from "effect-videos/internal/config/version"
import { character, characterCommands } from "./characters.js"
import { commandAt, commandHelp, commandNode, mistakenOption } from "./commandHelp.js"
import { mendCompletions } from "./completions.js"
import { doctor } from "./doctor.js"
import { UsageError } from "./errors.js"
import { about, rootHelp } from "./help.js"
import { download, get, list, remove, watch } from "./jobs.js"
import { join } from "./join.js"
import { report } from "./report.js"
import { Screen, styles, withScreenConsole } from "./screen.js"
import { serve } from "./serve.js"
import { Session } from "./session.js"
import { create, edit, extend, remix } from "./submit.js"
import { quote } from "./text.js"

const root = Command.make("effect-videos").pipe(
  Command.withDescription(about),
  Command.withSubcommands([
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
    doctor
  ])
)

const tree = commandNode(root, [
  commandNode(serve),
  commandNode(create),
  commandNode(extend),
  commandNode(join),
  commandNode(edit),
  commandNode(remix),
  commandNode(watch),
  commandNode(list),
  commandNode(get),
  commandNode(download),
  commandNode(remove),
  commandNode(character, characterCommands),
  commandNode(doctor)
])

const command = Command.run(root, { name: "effect-videos", version, executable: "effect-videos" })

const isHelp = (argument: string): boolean => argument === "--help" || argument === "-h"

/** Behind `--`, nothing is an option. */
const optional = (given: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = given.indexOf("--")
  return end === -1 ? given : given.slice(0, end)
}

/** The words before the first option: where the name of a command can be. */
const leadingWords = (given: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = given.findIndex((argument) => argument.startsWith("-"))
  return end === -1 ? given : given.slice(0, end)
}

/** Where help is wanted, of which command: where it is asked for, or where nothing else was said. */
const helpOf = (given: ReadonlyArray<string>) => {
  const words = leadingWords(given)
  const at = commandAt(tree, words)
  const isGroup = at.node.children.length > 0
  // A word that leads nowhere is a wrong one, not a call for help.
  if (isGroup && at.path.length < words.length) return null
  return optional(given).some(isHelp) || (isGroup && given.length === words.length) ? at : null
}

const showHelp = ({ node, path }: ReturnType<typeof commandAt>) =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const { program } = yield* Session
    const { columns } = screen.size()
    const style = styles(screen).out
    yield* screen.out(node === tree ? rootHelp(columns, style) : commandHelp(node, path, program, columns, style))
  })

/** `@effect/cli` puts an empty line after the version. */
const mend = (text: string): string => (text.trim() === version ? version : mendCompletions(text))

/** Whether errors, too, are to be events. */
const wantsEvents = (given: ReadonlyArray<string>): boolean =>
  optional(given).some(
    (argument, index) => argument === "--progress=json" || (argument === "json" && given[index - 1] === "--progress")
  )

/** Runs a command line, as `process.argv` has it, and tells what went wrong; `kindOfCause` has the exit code. */
export const run = (argv: ReadonlyArray<string>) => {
  const given = argv.slice(2)
  const help = helpOf(given)
  const mistaken = mistakenOption(commandAt(tree, leadingWords(given)), given)
  const ran =
    help !== null
      ? showHelp(help)
      : mistaken === null
        ? withScreenConsole(command(argv), mend)
        : new UsageError({
            field: mistaken.word,
            problem: `is no option of this command. If it is the ${mistaken.argument}, write it last, behind \`--\`: \`-- ${quote(mistaken.word)}\``
          })
  return ran.pipe(
    Effect.provide(CliConfig.layer({ showBuiltIns: false })),
    Effect.onError((cause) => report(cause, { given, words: leadingWords(given), tree, json: wantsEvents(given) }))
  )
}
