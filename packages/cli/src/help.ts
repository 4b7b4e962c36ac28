/** The help pages, which are files in `help/`, and what they say of each command's options. No Effect: `--help` is quick. */
import { readFileSync } from "node:fs"
import { nearest, quote } from "./text.js"

const commands = [
  ...["serve", "create", "extend", "join", "edit", "remix", "watch", "list", "get", "download", "delete", "character"],
  ...[
    "character create",
    "character get",
    "runs",
    "runs list",
    "runs show",
    "runs wait",
    "runs cancel",
    "runs resolve"
  ],
  ...["runs retry", "worker", "doctor"]
]

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8")

export const version: string = JSON.parse(read("../package.json")).version

/** The page of a command, such as `character create`; of the whole for an empty text. */
export const helpPage = (command: string): string =>
  read(`../help/${command === "" ? "effect-videos" : command.replaceAll(" ", "-")}.txt`).replace("VERSION", version)

/** The commands below a command. */
export const commandsBelow = (command: string): ReadonlyArray<string> => {
  const prefix = command === "" ? "" : `${command} `
  return commands
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((name) => !name.includes(" "))
}

/** The command that the words begin with, such as `character create`; an empty text if there is none. */
export const commandOf = (words: ReadonlyArray<string>): string =>
  commands.filter((name) => `${words.join(" ")} `.startsWith(`${name} `)).at(-1) ?? ""

/** The words before the first option: where the name of a command can be. */
export const leadingWords = (given: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = given.findIndex((argument) => argument.startsWith("-"))
  return end === -1 ? given : given.slice(0, end)
}

/** Behind `--`, nothing is an option. */
const beforeDashes = (given: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = given.indexOf("--")
  return end === -1 ? given : given.slice(0, end)
}

/** The page that a command line asks for: by `--help`, `-h` or `help`, or by naming a group of commands and nothing else. */
const pageAsked = (given: ReadonlyArray<string>): string | null => {
  const isCommand = given[0] === "help"
  const words = leadingWords(isCommand ? given.slice(1) : given)
  const command = commandOf(words)
  const isGroup = commandsBelow(command).length > 0
  if (isGroup && words.length > command.split(" ").filter((word) => word !== "").length) return null
  const isAsked = isCommand || beforeDashes(given).some((argument) => argument === "--help" || argument === "-h")
  return isAsked || (isGroup && given.length === words.length) ? command : null
}

/** What a command line that asks for help or the version alone prints; `null` for any other. */
export const textAsked = (given: ReadonlyArray<string>): string | null => {
  if (given[0] === "--version" || given[0] === "-V") return `${version}\n`
  const page = pageAsked(given)
  return page === null ? null : helpPage(page)
}

/** What every command takes; whether a value follows. */
const builtIn: ReadonlyArray<readonly [name: string, takesValue: boolean]> = [
  ["--help", false],
  ["-h", false],
  ["--version", false],
  ["--completions", true],
  ["--log-level", true]
]

/** The options on a page: `  -p, --prompt TEXT  What …`. */
export const optionsOn = (page: string): ReadonlyMap<string, boolean> =>
  new Map(
    [...page.matchAll(/^ {2}(?:(-\w), )?(--[\w-]+)(?: (\S+))?(?= {2}|$)/gm)].flatMap(([, alias, name = "", value]) =>
      [name, ...(alias === undefined ? [] : [alias])].map((name) => [name, value !== undefined] as const)
    )
  )

export interface Mistake {
  readonly field: string
  readonly problem: string
}

/**
 * What is wrong with a command line before its options are read: no such command, or a word that begins with a dash, is not an
 * option and does not stand behind `--`. `@effect/cli` takes such a word for an id, or the options behind it for arguments.
 */
export const mistakeIn = (given: ReadonlyArray<string>): Mistake | null => {
  const words = leadingWords(given)
  const command = commandOf(words)
  const path = command.split(" ").filter((word) => word !== "")
  const below = commandsBelow(command)
  if (below.length > 0) {
    const wrong = words[path.length]
    if (wrong === undefined) return null
    const meant = nearest(wrong, below)
    const question = meant === undefined ? "" : `. Did you mean \`${meant}\`?`
    return { field: wrong, problem: `is none of ${below.join(", ")}${question}` }
  }
  const page = helpPage(command)
  const options = new Map([...builtIn, ...optionsOn(page)])
  const rest = given.slice(path.length)
  for (let index = 0; index < rest.length && rest[index] !== "--"; index++) {
    const word = rest[index] ?? ""
    const takesValue = options.get(word.replace(/=.*$/s, ""))
    if (takesValue === true && !word.includes("=")) index++
    if (takesValue !== undefined || !/^-./.test(word)) continue
    // Short ones without a value may stand in one word.
    if (/^-[^-]/.test(word) && [...word.slice(1)].every((letter) => options.get(`-${letter}`) === false)) continue
    const meant = word.startsWith("--") ? nearest(word.replace(/=.*$/s, ""), [...options.keys()]) : undefined
    const [argument] = /(?<= )[A-Z|]+(?=\.{3}|[ \]])/.exec(page.slice(page.indexOf("USAGE"))) ?? []
    const hint =
      meant !== undefined
        ? `. Did you mean \`${meant}\`?`
        : argument === undefined
          ? ""
          : `. If it is the ${argument}, write it last, behind \`--\`: \`-- ${quote(word)}\``
    return { field: word, problem: `is not an option of this command${hint}` }
  }
  return null
}
