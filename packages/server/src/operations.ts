/** The protocol's ten operations, and which of them a request asks for. */

/**
 * The protocol's operations, as the server names them.
 *
 * @since 0.1.0
 * @category models
 */
export type Operation =
  | "create"
  | "list"
  | "retrieve"
  | "delete"
  | "content"
  | "remix"
  | "edit"
  | "extend"
  | "createCharacter"
  | "retrieveCharacter"

const idSegment = Symbol("id")

// Fixed paths before those with an id in the same place.
const table: ReadonlyArray<readonly [Operation, "GET" | "POST" | "DELETE", ReadonlyArray<string | typeof idSegment>]> =
  [
    ["create", "POST", []],
    ["list", "GET", []],
    ["createCharacter", "POST", ["characters"]],
    ["edit", "POST", ["edits"]],
    ["extend", "POST", ["extensions"]],
    ["retrieveCharacter", "GET", ["characters", idSegment]],
    ["retrieve", "GET", [idSegment]],
    ["delete", "DELETE", [idSegment]],
    ["content", "GET", [idSegment, "content"]],
    ["remix", "POST", [idSegment, "remix"]]
  ]

/** @internal */
export const operations: ReadonlyArray<Operation> = table.map(([operation]) => operation)

/** What a request asks for: an operation, perhaps of one video or character; or a path that is served with other methods. */
export type Asked =
  | { readonly _tag: "Operation"; readonly operation: Operation; readonly id: string }
  | { readonly _tag: "OtherMethods"; readonly methods: ReadonlyArray<string> }
  | { readonly _tag: "Nothing" }

const decoded = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

/**
 * Finds the operation, among those that are served, for a method and a path below one of the bases. `HEAD` is `GET`
 * without its body. An id is one segment, percent-encoded where it must be.
 */
export const operationOf = (
  served: ReadonlySet<Operation>,
  bases: ReadonlyArray<string>,
  method: string,
  url: string
): Asked => {
  const path = url.replace(/[?#].*$/s, "")
  const base = bases.find((start) => path === `${start}/videos` || path.startsWith(`${start}/videos/`))
  if (base === undefined) return { _tag: "Nothing" }
  const segments = path.slice(`${base}/videos`.length).split("/").slice(1)
  const found = table.filter(
    ([operation, , template]) =>
      served.has(operation) &&
      template.length === segments.length &&
      template.every((part, index) => (part === idSegment ? segments[index] !== "" : part === segments[index]))
  )
  const wanted = method === "HEAD" ? "GET" : method
  const match = found.find(([, verb]) => verb === wanted)
  if (match === undefined) {
    return found.length === 0 ? { _tag: "Nothing" } : { _tag: "OtherMethods", methods: found.map(([, verb]) => verb) }
  }
  const [operation, , template] = match
  const at = template.indexOf(idSegment)
  return { _tag: "Operation", operation, id: at === -1 ? "" : decoded(segments[at] ?? "") }
}
