/**
 * One command's help, in the form of the whole's: what `@effect/cli` knows of the command, less its boilerplate ("A
 * user-defined piece of text.", "This setting is optional."), which says nothing that the usage line does not.
 */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import type { HelpDoc } from "@effect/cli/HelpDoc"
import type { Span } from "@effect/cli/HelpDoc/Span"
import { paragraph, terms } from "./help.js"
import type { Style } from "./screen.js"

/** A command as the help sees it. */
export interface CommandNode {
  readonly name: string
  readonly help: () => HelpDoc
  /** Where there are any, it does nothing by itself. */
  readonly children: ReadonlyArray<CommandNode>
}

const config = CliConfig.make({ showBuiltIns: false })

export const commandNode = <Name extends string, R, E, A>(
  command: Command.Command<Name, R, E, A>,
  children: ReadonlyArray<CommandNode> = []
): CommandNode => {
  const [name = ""] = Command.getNames(command)
  return { name, help: () => Command.getHelp(command, config), children }
}

/** The command that the words lead to, and those that led there. */
export const commandAt = (
  root: CommandNode,
  words: ReadonlyArray<string>
): { readonly node: CommandNode; readonly path: ReadonlyArray<string> } => {
  const path: Array<string> = []
  let node = root
  for (const word of words) {
    const child = node.children.find(({ name }) => name === word)
    if (child === undefined) break
    path.push(word)
    node = child
  }
  return { node, path }
}

const spanText = (span: Span): string => {
  switch (span._tag) {
    case "Text":
    case "URI":
      return span.value
    case "Sequence":
      return spanText(span.left) + spanText(span.right)
    default:
      return spanText(span.value)
  }
}

const blocksOf = (doc: HelpDoc): ReadonlyArray<HelpDoc> =>
  doc._tag === "Sequence" ? [...blocksOf(doc.left), ...blocksOf(doc.right)] : [doc]

const paragraphsOf = (doc: HelpDoc): ReadonlyArray<string> =>
  blocksOf(doc).flatMap((block) => (block._tag === "Paragraph" ? [spanText(block.value)] : []))

interface Entry {
  readonly term: string
  readonly text: string
  readonly isOptional: boolean
}

/** Longer ones are told in the text. */
const mostChoices = 24

const boilerplate = /^(This (setting|option|argument) (is optional|may be repeated|must be repeated))/

const entryOf = (name: string, block: HelpDoc): Entry => {
  // The first says of what kind the value is.
  const [, ...paragraphs] = paragraphsOf(block)
  const isOptional = paragraphs.some((text) => /^This (setting|option) (is optional|may be repeated zero)/.test(text))
  const text = paragraphs.filter((text) => !boilerplate.test(text)).join(" ")
  // `(-o, --output path)`, `<ID> 1+`, `--set name=value...`.
  const plain = name
    .replace(/^\((.*)\)$/, "$1")
    .replace(/<(.*)>/, "$1")
    .replace(/ 1\+$/, "...")
  const [, option = "", choices = ""] = /^(\S+) (\S+(?: \| \S+)+)$/.exec(plain) ?? []
  if (choices === "") return { term: plain, text, isOptional }
  return choices.length <= mostChoices
    ? { term: `${option} ${choices.replaceAll(" | ", "|")}`, text, isOptional }
    : { term: `${option} name`, text: `${text} One of ${choices.replaceAll(" | ", ", ")}.`, isOptional }
}

interface Sections {
  readonly description: string
  readonly arguments: ReadonlyArray<Entry>
  readonly options: ReadonlyArray<Entry>
}

const sectionsOf = (node: CommandNode): Sections => {
  const sections = { description: "", arguments: [] as Array<Entry>, options: [] as Array<Entry> }
  let heading = ""
  for (const block of blocksOf(node.help())) {
    if (block._tag === "Header") heading = spanText(block.value)
    else if (block._tag === "Paragraph" && heading === "DESCRIPTION") sections.description += spanText(block.value)
    else if (block._tag === "DescriptionList") {
      const entries = block.definitions.map(([name, text]) => entryOf(spanText(name), text))
      if (heading === "ARGUMENTS") sections.arguments.push(...entries)
      if (heading === "OPTIONS") sections.options.push(...entries)
    }
  }
  return sections
}

/** What every command takes. */
const builtIn: ReadonlyArray<readonly [name: string, takesValue: boolean]> = [
  ["--help", false],
  ["-h", false],
  ["--version", false],
  ["--wizard", false],
  ["--completions", true],
  ["--log-level", true]
]

/**
 * The first argument that begins with a dash, is no option of the command and does not stand behind `--`; and what it may be
 * instead. `@effect/cli` takes such a one for an id, or takes every option behind it for an argument.
 */
export const mistakenOption = (
  { node, path }: { readonly node: CommandNode; readonly path: ReadonlyArray<string> },
  given: ReadonlyArray<string>
): { readonly word: string; readonly argument: string } | null => {
  const sections = sectionsOf(node)
  const argument = sections.arguments[0]?.term
  if (argument === undefined) return null
  const options = new Map([
    ...builtIn,
    ...sections.options.flatMap(({ term }) => {
      const [, names = "", value] = /^((?:-\w, )?--[\w-]+)( .+)?$/.exec(term) ?? []
      return names.split(", ").map((name) => [name, value !== undefined] as const)
    })
  ])
  // A long one that is nearly right is corrected by `@effect/cli`, unless there may be any number of arguments.
  const isWrong = argument.endsWith("...") ? /^-./ : /^-[^-]/
  const rest = given.slice(path.length)
  for (let index = 0; index < rest.length && rest[index] !== "--"; index++) {
    const word = rest[index] ?? ""
    const takesValue = options.get(word.replace(/=.*$/s, ""))
    if (takesValue === true && !word.includes("=")) index++
    if (takesValue !== undefined || !isWrong.test(word)) continue
    // Short ones without a value may stand in one word.
    if (/^-[^-]/.test(word) && [...word.slice(1)].every((letter) => options.get(`-${letter}`) === false)) continue
    return { word, argument: argument.replace(/\.\.\.$/, "") }
  }
  return null
}

/** The help of the command at the end of `path`. */
export const commandHelp = (
  node: CommandNode,
  path: ReadonlyArray<string>,
  program: string,
  screenColumns: number,
  style: Style
): string => {
  const columns = Math.min(100, screenColumns)
  const { arguments: given, description, options } = sectionsOf(node)
  const isGroup = node.children.length > 0
  const required = options.filter(({ isOptional }) => !isOptional)
  const usage = [
    ...[program, ...path],
    ...(isGroup ? ["COMMAND"] : []),
    ...given.map(({ term }) => term),
    // The long name of an option that has a short one.
    ...required.map(({ term }) => term.replace(/^-\w, /, "")),
    ...(isGroup || required.length < options.length ? ["[options]"] : [])
  ].join(" ")
  const list = (heading: string, entries: ReadonlyArray<readonly [string, string]>) =>
    entries.length === 0 ? [] : [`${style.bold(heading)}\n${terms(entries, columns, style)}`]
  const told = (entries: ReadonlyArray<Entry>) => entries.map(({ term, text }) => [term, text] as const)
  return [
    paragraph(description, columns),
    `${style.bold("USAGE")}\n${paragraph(usage, columns)}`,
    ...list(
      "COMMANDS",
      node.children.map((child) => [child.name, sectionsOf(child).description] as const)
    ),
    ...list("ARGUMENTS", told(given)),
    ...list("OPTIONS", told(options)),
    paragraph(`What every command takes, exit codes, and what is written where: \`${program} --help\`.`, columns)
  ].join("\n")
}
