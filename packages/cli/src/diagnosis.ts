/** From a server's answers to what it reads, how it writes errors, and which preset fits it best. No effects. */
import type { Operation } from "effect-videos/Errors"
import { readJson } from "effect-videos/internal/protocol/json"
import { isObject } from "effect-videos/internal/protocol/jsonReaders"
import { type PresetName, presets } from "effect-videos/Presets"
import { type Answered, type ErrorShape, type Finding, isAnswered, type Reply, shapeOf } from "./probes.js"

export type Known = "yes" | "no" | "unknown"

export interface Encodings {
  readonly json: Known
  readonly form: Known
  readonly because: string
}

const refused = ({ status }: Answered): boolean =>
  status === 401 || status === 403 || status === 404 || status === 405 || status >= 500

const unknownFor = (because: string): Encodings => ({ json: "unknown", form: "unknown", because })

/** `unreadable`: to a body that is no JSON; `impossible`: to JSON that is all wrong; `form`: to a form that is none. */
export const encodingsOf = (unreadable: Reply, impossible: Reply, form: Reply): Encodings => {
  if (!isAnswered(unreadable)) return unknownFor(unreadable.broken)
  if (!isAnswered(impossible)) return unknownFor(impossible.broken)
  if (!isAnswered(form)) return unknownFor(form.broken)
  if (refused(unreadable) || refused(impossible)) {
    return unknownFor(`HTTP ${unreadable.status} came before the body was looked at`)
  }
  const namesJson = unreadable.status !== 415 && /json/i.test(unreadable.body)
  const differs = impossible.body !== unreadable.body
  const json: Known = unreadable.status === 415 ? "no" : namesJson || differs ? "yes" : "no"
  const formRefused = form.status === 415 || /(application\/json|as json|json)/i.test(form.body)
  const formRead: Known = refused(form) ? "unknown" : formRefused ? "no" : "yes"
  return {
    json,
    form: formRead,
    because: [
      unreadable.status === 415
        ? "JSON is refused as a type (415)"
        : namesJson
          ? "a body that is no JSON is refused as such"
          : differs
            ? "JSON whose fields are wrong is answered otherwise than a body that is no JSON"
            : "JSON with wrong fields and a body that is no JSON get the same answer, as if there were none",
      formRead === "unknown"
        ? `a form got HTTP ${form.status}`
        : formRefused
          ? "a form is refused, and JSON asked for"
          : "a form that is none is refused as a form, or read as an empty one"
    ].join("; ")
  }
}

/** Of the answers that are errors, the shape of the first. */
export const errorShapeOf = (replies: ReadonlyArray<Reply>): ErrorShape | null => {
  const error = replies.find((reply): reply is Answered => isAnswered(reply) && reply.status >= 400)
  return error === undefined ? null : shapeOf(error.body)
}

export interface Fit {
  readonly preset: PresetName
  /** What speaks against it. */
  readonly against: ReadonlyArray<string>
  /** What speaks for it, beside the operations. */
  readonly hints: ReadonlyArray<string>
}

export interface Evidence {
  readonly baseUrl: string
  readonly findings: ReadonlyArray<Finding>
  readonly encodings: Encodings
  readonly errors: ErrorShape | null
  readonly list: Reply | undefined
  readonly headerNames: ReadonlyArray<string>
}

const hasCursors = (reply: Reply | undefined): boolean | null => {
  if (reply === undefined || !isAnswered(reply) || reply.status !== 200) return null
  try {
    const page: unknown = readJson(reply.body)
    return isObject(page) && Array.isArray(page.data) ? "has_more" in page : null
  } catch {
    return null
  }
}

const hintsOf = ({
  baseUrl,
  errors,
  headerNames,
  list
}: Evidence): { readonly [name in PresetName]: ReadonlyArray<string> } => {
  const { hostname, pathname } = new URL(baseUrl)
  const named = (part: RegExp) => headerNames.filter((name) => part.test(name)).map((name) => `the header ${name}`)
  return {
    openai: [],
    azure: [
      ...(hostname.endsWith(".openai.azure.com") ? [`the host ${hostname}`] : []),
      ...(pathname.startsWith("/openai/v1") ? ["the path /openai/v1"] : [])
    ],
    litellm: named(/^x-litellm-/),
    "vllm-omni": [],
    sglang: hasCursors(list) === false ? ["a list without `has_more`"] : [],
    "new-api": [
      ...(errors === "new-api" ? ["errors as { code, message, data }"] : []),
      ...named(/^x-(oneapi|new-api)-/)
    ],
    dynamo: []
  }
}

/** Best first: the fewest things against it, then the most for it, then the protocol's own way. */
export const fitsOf = (evidence: Evidence): ReadonlyArray<Fit> => {
  const hints = hintsOf(evidence)
  const { encodings, findings } = evidence
  const fits = (Object.keys(presets) as ReadonlyArray<PresetName>).map((preset): Fit => {
    const { encoding, operations } = presets[preset]
    const serves: ReadonlySet<Operation> = new Set(operations)
    const against = findings.flatMap(({ operation, served }) => {
      if (served === "unknown" || serves.has(operation) === (served === "yes")) return []
      return [served === "yes" ? `${operation} is served` : `${operation} is not served`]
    })
    const unread = encodings[encoding] === "no" ? [`${encoding === "json" ? "JSON" : "a form"} is not read`] : []
    // A server that reads JSON loses nothing by JSON; forms are for those that read nothing else.
    const needless = encoding === "form" && encodings.json === "yes" ? ["JSON is read"] : []
    return { preset, against: [...against, ...unread, ...needless], hints: hints[preset] }
  })
  return [...fits].sort((a, b) => a.against.length - b.against.length || b.hints.length - a.hints.length)
}
