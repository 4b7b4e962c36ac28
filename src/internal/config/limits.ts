/** How much of an answer is taken. */
import type { Limits } from "./configTypes.js"

/** @internal */
export const defaultLimits: Limits = {
  jsonBytes: 32 * 1024 * 1024,
  errorBytes: 64 * 1024,
  jsonDepth: 128,
  listItems: 100_000,
  downloadBytes: 4 * 1024 ** 3
}

/** Cuts off, in place, what is nested deeper than `depth`: whatever goes through the rest by recursion ends. Whether it did. */
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
