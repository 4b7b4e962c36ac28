/** Text for terminals: what a server says is never trusted with control characters, and every line fits its place. */

// Control characters, C1 included: a server's words must not move the cursor or recolour the screen.
const control = /\p{Cc}+/gu

/** One line, safe to print. */
export const clean = (text: string): string => text.replace(control, " ")

/** One column each. */
const plain = /^[\x20-\x7e]*$/

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" })

const wide =
  /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|[\u3000-\u303f\uff00-\uff60]|\p{Emoji_Presentation}/u

/** In columns of a terminal. */
export const widthOf = (text: string): number => {
  if (plain.test(text)) return text.length
  let width = 0
  for (const { segment } of segmenter.segment(text)) width += wide.test(segment) ? 2 : 1
  return width
}

/** The text, truncated to the columns. */
export const truncate = (text: string, columns: number): string => {
  if (widthOf(text) <= columns) return text
  let cut = ""
  let width = 1
  for (const { segment } of segmenter.segment(text)) {
    width += wide.test(segment) ? 2 : 1
    if (width > columns) break
    cut += segment
  }
  return columns <= 0 ? "" : `${cut}…`
}

/** Words in lines within the columns. */
export const wrap = (text: string, columns: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && widthOf(line) + 1 + widthOf(word) > columns) {
      lines.push(line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** A long id without its middle: its ends identify it. */
export const shortId = (id: string, columns = 24): string => {
  const text = clean(id)
  if (text.length <= columns) return text
  const tail = Math.floor((columns - 1) / 3)
  return `${text.slice(0, columns - 1 - tail)}…${text.slice(-tail)}`
}

export const padEnd = (text: string, columns: number): string => text + " ".repeat(Math.max(0, columns - widthOf(text)))

/** `0:07`, `12:30`, `1:02:03`. */
export const clock = (millis: number): string => {
  const seconds = Math.max(0, Math.floor(millis / 1000))
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, "0"))
  const hours = Math.floor(seconds / 3600)
  return hours > 0 ? `${hours}:${parts.join(":")}` : parts.join(":").replace(/^0/, "")
}

/** `512 B`, `3.4 MB`. */
export const bytes = (count: number): string => {
  const units = ["B", "kB", "MB", "GB", "TB"]
  let value = count
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** One argument as a shell takes it. */
export const quote = (argument: string): string =>
  /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`

/** Rows under headings; the last column takes what room is left. */
export const table = (
  headings: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  columns: number,
  heading: (text: string) => string
): string => {
  const cells = rows.map((row) => row.map(clean))
  const widths = headings.map((name, index) =>
    Math.max(widthOf(name), ...cells.map((row) => widthOf(row[index] ?? "")))
  )
  const line = (row: ReadonlyArray<string>) =>
    truncate(
      row.map((cell, index) => (index === row.length - 1 ? cell : padEnd(cell, widths[index] ?? 0))).join("  "),
      columns
    )
  return `${[heading(line(headings)), ...cells.map(line)].join("\n")}\n`
}

/** A message of the library, without the name of its function. */
export const withoutOperation = (message: string): string =>
  message.replace(/^(?:[a-z]+(?:[A-Z]\w*)+|(?:DurableVideos|DurablePostgres|VideoStore)(?:\.\w+)?): /, "")

/** The candidate that a mistyped word most likely means. */
export const nearest = (word: string, candidates: ReadonlyArray<string>): string | undefined => {
  const distance = (a: string, b: string): number => {
    let row = Array.from({ length: b.length + 1 }, (_, index) => index)
    for (let i = 1; i <= a.length; i++) {
      const next = [i]
      for (let j = 1; j <= b.length; j++) {
        const changed = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
        next[j] = Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1)
      }
      row = next
    }
    return row[b.length] ?? 0
  }
  const most = Math.max(1, Math.floor(word.length / 3))
  return candidates
    .map((candidate) => ({ candidate, far: distance(word, candidate) }))
    .filter(({ far }) => far <= most)
    .sort((a, b) => a.far - b.far)[0]?.candidate
}
