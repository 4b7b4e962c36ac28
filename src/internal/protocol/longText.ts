/** Texts of megabytes in a job, such as a clip in base64: kept whole, printed short. */
import * as wire from "./jsonReaders.js"

/** Longer texts are held. The longest prompt, and every URL that a client could follow, is shorter. */
const longest = 64 * 1024

/** More levels than any server nests; what is deeper stays as it is. */
const maxDepth = 17

/**
 * A long text. `toString`, `JSON.stringify` and `inspect` give its length alone, so that an error or a log line with a job in it
 * does not print megabytes; `text` is all of it, and `Schema.encode` of a `VideoResource` writes it whole.
 */
export class LongText {
  readonly #text: string
  constructor(text: string) {
    this.#text = text
  }
  get text(): string {
    return this.#text
  }
  toString(): string {
    return `<${this.#text.length} characters>`
  }
  toJSON(): string {
    return this.toString()
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString()
  }
}

/** A text, held or not. */
export const textIn = (value: unknown): string | null =>
  typeof value === "string" ? value : value instanceof LongText ? value.text : null

/** The same value, unless something in it is mapped. Objects are copied by `fromEntries`: a `__proto__` key is data. */
const mapped = (value: unknown, map: (leaf: unknown) => unknown, depth = maxDepth): unknown => {
  if (Array.isArray(value)) {
    if (depth === 0) return value
    const items = value.map((item) => mapped(item, map, depth - 1))
    return items.some((item, index) => item !== value[index]) ? items : value
  }
  if (!wire.isObject(value) || value instanceof LongText) return map(value)
  if (depth === 0) return value
  const entries = Object.entries(value).map(([key, item]) => [key, mapped(item, map, depth - 1)] as const)
  return entries.some(([key, item]) => item !== value[key]) ? Object.fromEntries(entries) : value
}

/** A JSON object with its long texts held. */
export const holdLong = (value: wire.JsonObject): wire.JsonObject =>
  mapped(value, (leaf) =>
    typeof leaf === "string" && leaf.length > longest ? new LongText(leaf) : leaf
  ) as wire.JsonObject

/** The JSON object again. */
export const giveLong = (value: wire.JsonObject): wire.JsonObject =>
  mapped(value, (leaf) => (leaf instanceof LongText ? leaf.text : leaf)) as wire.JsonObject

/** Deep equality of JSON values, so that two polls of an unchanged job compare equal. A held text equals the same text. */
export const sameJson = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (a instanceof LongText || b instanceof LongText) return textIn(a) !== null && textIn(a) === textIn(b)
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => sameJson(item, b[index]))
  }
  if (!wire.isObject(a) || !wire.isObject(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
}
