/**
 * `JSON.parse` for what video servers send: an integer id is kept digit for digit, and Python's `NaN` and `Infinity` are
 * `null`.
 */

// Integers above 2^53 (16 digits at least), and numbers that are not written as integers. One search decides for most bodies.
const inexactId = /id"\s*:\s*(?:-|\d{16}|\d+[.e])/i
const isIdName = (name: string): boolean => /^id$|_id$|Id$/.test(name)
const isJobIdName = (name: string): boolean => name === "id" || jobIdNames.some((other) => other === name)

/** The names of a job's id in a body without `id`. */
export const jobIdNames = ["task_id", "taskId", "job_id"] as const

const notFinite = /\b(?:nan|inf)/i
const space = /[\t\n\r ]*/y
const literal = /[-+]?(?:\d[\d.eE+-]*|nan\b|inf(?:inity)?\b)/iy

/** The index after the string that begins at `start`. */
const endOfString = (text: string, start: number): number => {
  let end = text.indexOf('"', start + 1)
  while (end !== -1) {
    let slashes = 0
    while (text.charCodeAt(end - 1 - slashes) === 92) slashes++
    if (slashes % 2 === 0) return end + 1
    end = text.indexOf('"', end + 1)
  }
  return text.length
}

/** A number as JSON with all of its digits, because it may be an id. An id is written as an integer. */
const exactNumber = (name: string | null, number: string): string => {
  if (name === null || !isIdName(name)) return number
  if (/^\d+$/.test(number)) return Number.isSafeInteger(Number(number)) ? number : `"${number}"`
  return isJobIdName(name) ? `{"number":"${number}"}` : number
}

/** The same text with each such literal replaced. What is inside a string stays. */
const rewrite = (text: string): string => {
  let written = ""
  let copied = 0
  let name: string | null = null
  for (let at = 0; at < text.length; ) {
    const sign = text.charCodeAt(at)
    if (sign === 34) {
      const end = endOfString(text, at)
      space.lastIndex = end
      space.test(text)
      // The longest name that matters has a few letters: a picture in base64 is not copied.
      const isName = text.charCodeAt(space.lastIndex) === 58
      name = isName && end - at < 64 ? text.slice(at + 1, end - 1) : null
      at = isName ? space.lastIndex + 1 : end
      continue
    }
    literal.lastIndex = at
    if (!literal.test(text)) {
      // Only white space stands between a name and its value.
      if (sign !== 32 && sign !== 10 && sign !== 13 && sign !== 9) name = null
      at++
      continue
    }
    const end = literal.lastIndex
    const token = text.slice(at, end)
    written += text.slice(copied, at) + (/\d/.test(token) ? exactNumber(name, token) : "null")
    copied = end
    at = end
    name = null
  }
  return written + text.slice(copied)
}

/** Throws a `SyntaxError` if the text is not JSON. */
export const readJson = (text: string): unknown => {
  if (inexactId.test(text)) return JSON.parse(rewrite(text))
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!notFinite.test(text)) throw error
    return JSON.parse(rewrite(text))
  }
}

/** Removes, in place, what is nested deeper than `depth`, so that recursive functions end. Returns whether there was any. */
export const prune = (value: unknown, depth: number): boolean => {
  if (typeof value !== "object" || value === null) return false
  let isCut = false
  const isTooDeep = (inner: unknown): boolean => {
    if (typeof inner !== "object" || inner === null) return false
    if (depth > 1 && !prune(inner, depth - 1)) return false
    isCut = true
    return depth <= 1
  }
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) if (isTooDeep(value[index])) value[index] = null
    return isCut
  }
  const fields = value as Record<string, unknown>
  // A `__proto__` of JSON is a property of the object's own: to set it changes no prototype.
  for (const key of Object.keys(fields)) if (isTooDeep(fields[key])) fields[key] = null
  return isCut
}
