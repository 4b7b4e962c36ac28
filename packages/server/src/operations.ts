/** The ten operations of the protocol, and how the server finds the operation of a request. */

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

// A fixed path comes before a path with an id in the same segment: the first match wins.
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

/** Target of a request: an operation with its id, if any; a path that allows only other methods; or an unknown path. */
export type RequestTarget =
  | { readonly _tag: "Operation"; readonly operation: Operation; readonly id: string }
  | { readonly _tag: "OtherMethods"; readonly methods: ReadonlyArray<string> }
  | { readonly _tag: "Nothing" }

/** What a server serves: where, which operations, and those whose path is its own. */
export interface ServedRoutes {
  readonly bases: ReadonlyArray<string>
  readonly serves: ReadonlySet<Operation>
  readonly paths?: { readonly [operation in Operation]?: ReadonlyArray<string> }
}

/** A segment that is not percent-encoded as it should be is taken as it is. */
export const decodeSegment = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

/**
 * Finds the served operation for a method and a path below one of the base paths. `HEAD` counts as `GET`. An id is one
 * percent-encoded segment.
 */
export const operationOf = (
  { bases, paths = {}, serves: served }: ServedRoutes,
  method: string,
  url: string
): RequestTarget => {
  const path = url.replace(/[?#].*$/s, "")
  const base = bases.find((start) => path === `${start}/videos` || path.startsWith(`${start}/videos/`))
  if (base === undefined) return { _tag: "Nothing" }
  const segments = path.slice(`${base}/videos`.length).split("/").slice(1)
  const own = table.map(([operation, verb, template]) => [operation, verb, paths[operation] ?? template] as const)
  const found = own.filter(
    ([operation, , template]) =>
      served.has(operation) &&
      template.length === segments.length &&
      template.every((part, index) => (part === idSegment ? segments[index] !== "" : part === segments[index]))
  )
  const wantedMethod = method === "HEAD" ? "GET" : method
  const match = found.find(([, verb]) => verb === wantedMethod)
  if (match === undefined) {
    return found.length === 0 ? { _tag: "Nothing" } : { _tag: "OtherMethods", methods: found.map(([, verb]) => verb) }
  }
  const [operation, , template] = match
  const at = template.indexOf(idSegment)
  return { _tag: "Operation", operation, id: at === -1 ? "" : decodeSegment(segments[at] ?? "") }
}
