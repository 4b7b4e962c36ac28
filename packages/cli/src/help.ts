/** What the commands are for, and the help of the whole. (`commandHelp.ts` has each command's own.) */
import { version } from "effect-videos/internal/config/version"
import { exitCodes } from "./exitCodes.js"
import type { Style } from "./screen.js"
import { padEnd, widthOf, wrap } from "./text.js"

export const about =
  "Makes, extends, follows and saves video jobs over the Videos protocol. OPENAI_BASE_URL says where the server is and OPENAI_API_KEY who asks; `effect-videos serve` runs one that needs no key."

/** By command, in the order of the help. */
export const descriptions = {
  serve: "Runs a server of the protocol on this machine: no key, no GPU, clips that play.",
  create:
    "Makes a new clip from a prompt. With `--watch` it follows the job, with `--output` it saves the clip as well.",
  extend:
    'Makes a clip longer: the whole of it, and so many seconds more. From clip to file in one line: `extend video_1 --prompt "the light comes on" --seconds 8 --watch -o out.mp4`.',
  join: "Joins a clip and one that was made from its last frame, by FFmpeg: what `extend --join` ends with, and how it goes on.",
  edit: "Makes a clip anew from another, by a prompt that says what changes.",
  remix: "Makes a job's clip again, with another prompt.",
  watch:
    "Follows jobs until each has ended, and saves their clips with `--output`. It is also how to go on after a Ctrl-C.",
  list: "Shows the server's jobs.",
  get: "Looks at jobs once, and shows each as it is.",
  download: "Saves a completed job's clip. What breaks off is resumed, and a file is whole or not there.",
  delete: "Deletes jobs and their files. Some servers cancel a running job by it.",
  character: "Makes characters, and looks at them: `character create`, `character get`.",
  doctor:
    "Asks the server which operations it serves and how, and says which preset fits. It makes no job: what it sends is about ids that nobody has, or cannot be read."
} as const

const general: ReadonlyArray<readonly [string, string]> = [
  ["--help, -h", "Shows this help, or that of the command before it."],
  ["--version", "Shows the version."],
  ["--wizard", "Asks for one option after the other, and runs what comes out; also after a command."],
  ["--completions SHELL", "Writes the completions of a shell: bash, zsh or fish."]
]

const output =
  "Standard output has data alone: text for people on a terminal, and one JSON object per line with `--json` or where it is no terminal, so that a pipe into `jq` works. Progress and errors go to standard error, as `--progress` says. NO_COLOR turns colours off, and FORCE_COLOR on."

/** No term pushes the texts further to the right than this. */
const widestTerm = 28

/** Terms, and beside them, or under those that are too wide, what they mean. */
export const terms = (entries: ReadonlyArray<readonly [string, string]>, columns: number, style: Style): string => {
  // Where there is no room for two columns, every text goes under its term.
  const most = columns < 60 ? 12 : widestTerm
  const width = Math.max(4, ...entries.map(([term]) => widthOf(term)).filter((width) => width <= most))
  const indent = " ".repeat(width + 4)
  return entries
    .map(([term, text]) => {
      const lines = wrap(text, Math.max(24, columns - width - 4))
      return widthOf(term) <= width
        ? `  ${style.cyan(padEnd(term, width))}  ${lines.join(`\n${indent}`)}\n`
        : `  ${style.cyan(term)}\n${indent}${lines.join(`\n${indent}`)}\n`
    })
    .join("")
}

/** Words under a heading. */
export const paragraph = (text: string, columns: number): string =>
  wrap(text, columns - 2)
    .map((line) => `  ${line}\n`)
    .join("")

/** The help of the whole. */
export const rootHelp = (screenColumns: number, style: Style): string => {
  const columns = Math.min(100, screenColumns)
  return [
    `${style.bold("effect-videos")} ${version}\n\n${paragraph(about, columns)}`,
    `${style.bold("USAGE")}\n  effect-videos COMMAND [options]\n`,
    `${style.bold("COMMANDS")}\n${terms(Object.entries(descriptions), columns, style)}`,
    `${style.bold("OPTIONS")}\n${terms(general, columns, style)}`,
    `${style.bold("OUTPUT")}\n${paragraph(output, columns)}`,
    `${style.bold("EXIT CODES")}\n${terms(
      Object.values(exitCodes).map(({ code, when }) => [String(code), when]),
      columns,
      style
    )}`
  ].join("\n")
}
