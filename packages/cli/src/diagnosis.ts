/** From a server's responses to what it reads, how it writes errors, and which dialect fits it best. No effects. */
import * as Predicate from "effect/Predicate"
import { type Dialect, type DialectName, dialects } from "effect-videos"
import { type ErrorShape, type Finding, parsed, type Reply, shapeOf } from "./probes.js"
import { withoutOperation } from "./text.js"

export type Known = "yes" | "no" | "unknown"

export interface Encodings {
  readonly json: Known
  readonly form: Known
  readonly because: string
}

const refused = ({ status }: { readonly status: number }): boolean =>
  status === 401 || status === 403 || status === 404 || status === 405 || status >= 500

export const unknownFor = (because: string): Encodings => ({ json: "unknown", form: "unknown", because })

/** From the replies to a body that is not JSON, to JSON with wrong fields, and to a body that is not a form. */
export const encodingsOf = (replies: readonly [notJson: Reply, wrongJson: Reply, notForm: Reply]): Encodings => {
  const [unreadable, impossible, form] = replies.map(({ response }) => response)
  if (!unreadable || !impossible || !form) {
    const error = replies.find(({ response }) => response === null)?.error
    return unknownFor(error ? withoutOperation(error.message) : "there was no response")
  }
  if (refused(unreadable) || refused(impossible)) {
    return unknownFor(`HTTP ${unreadable.status} came before the body was read`)
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
          ? "a body that is not JSON is refused as such"
          : differs
            ? "JSON with wrong fields has another error than a body that is not JSON"
            : "JSON with wrong fields and a body that is not JSON have the same error",
      formRead === "unknown"
        ? `a form got HTTP ${form.status}`
        : formRefused
          ? "a form is refused"
          : "a body that is not a form is refused as a form, or read as an empty one"
    ].join("; ")
  }
}

/** The shape of the first error. */
export const errorShapeOf = (replies: ReadonlyArray<Reply>): ErrorShape | null => {
  const found = replies.find(({ response }) => response !== null && response.status >= 400)
  return found?.response ? shapeOf(found.response.body) : null
}

export interface Fit {
  readonly dialect: DialectName
  /** What the server does otherwise. */
  readonly against: ReadonlyArray<string>
  /** What else points to it, beside the operations. */
  readonly hints: ReadonlyArray<string>
}

export interface Evidence {
  readonly baseUrl: string
  readonly findings: ReadonlyArray<Finding>
  readonly encodings: Encodings
  readonly errors: ErrorShape | null
  readonly list: Reply | undefined
  /** Whether the `code` of an error is a number. */
  readonly hasNumericCode: boolean
  readonly headerNames: ReadonlyArray<string>
}

const hasCursors = (reply: Reply | undefined): boolean | null => {
  const page = reply?.response?.status === 200 ? parsed(reply.response.body) : undefined
  return Predicate.isRecord(page) && Array.isArray(page.data) ? "has_more" in page : null
}

const hintsOf = ({
  baseUrl,
  errors,
  hasNumericCode,
  headerNames,
  list
}: Evidence): { readonly [name in DialectName]: ReadonlyArray<string> } => {
  const { hostname, pathname } = new URL(baseUrl)
  const hosted = (name: DialectName) => {
    const { home } = dialects[name]
    return home !== null && new URL(home.baseUrl).hostname === hostname ? [`the host ${hostname}`] : []
  }
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
    xai: hosted("xai"),
    aiproxy: errors === "fastapi" ? ["errors as { detail }"] : [],
    openrouter: [
      ...hosted("openrouter"),
      ...(pathname.startsWith("/api/v1") ? ["the path /api/v1"] : []),
      ...(errors === "openai" && hasNumericCode ? ["errors with a number for their code"] : [])
    ],
    llmgateway: [
      ...hosted("llmgateway"),
      ...(errors === "openai" && !hasNumericCode ? ["errors with a text for their code"] : [])
    ],
    dynamo: []
  }
}

/** A route's path as dialects write it. */
const templateOf = ({ route }: Finding): string =>
  (route.split(" ")[1] ?? "").replace(/\?.*$/s, "").replace(/effect-videos-doctor-[^/]+/, "{id}")

/** What the server does otherwise than the dialect: each operation is judged by the dialect's own path. */
const differences = (findings: ReadonlyArray<Finding>, { paths }: Dialect): ReadonlyArray<string> =>
  findings.flatMap((finding) => {
    const { operation, served } = finding
    const path = paths[operation]
    if (path === null) return served === "yes" ? [`${operation} is served`] : []
    const isElsewhere = operation === "createVideo" && served === "yes" && path !== templateOf(finding)
    if (isElsewhere)
      return findings.some((other) => other !== finding && templateOf(other) === path)
        ? []
        : [`createVideo is served at ${templateOf(finding)}`]
    return served === "no" && path.replace(/\?.*$/s, "") === templateOf(finding) ? [`${operation} is not served`] : []
  })

/** Best first: the fewest things against it, then the most hints, then the order of the dialects. */
export const fitsOf = (evidence: Evidence): ReadonlyArray<Fit> => {
  const hints = hintsOf(evidence)
  const { encodings, findings } = evidence
  const fits = (Object.keys(dialects) as ReadonlyArray<DialectName>).map((dialect): Fit => {
    const { encoding } = dialects[dialect]
    const against = differences(findings, dialects[dialect])
    const unread = encodings[encoding] === "no" ? [`${encoding === "json" ? "JSON" : "a form"} is not read`] : []
    // A server that reads JSON loses nothing by JSON; forms are for those that read nothing else.
    const needless = encoding === "form" && encodings.json === "yes" ? ["JSON is read"] : []
    return { dialect, against: [...against, ...unread, ...needless], hints: hints[dialect] }
  })
  return [...fits].sort((a, b) => a.against.length - b.against.length || b.hints.length - a.hints.length)
}

const kindsOf = ({ source }: Dialect): string =>
  [
    source.job === null ? null : source.job === "url" ? "a job (by the URL of its clip)" : "a job",
    source.url === null ? null : "a URL",
    source.fileId === null ? null : "an uploaded file's id",
    source.file === true ? "a local file" : null
  ]
    .filter((kind) => kind !== null)
    .join(", ")

/** How an extension would be made, and what is known of its cost. */
export const extensionOf = (name: DialectName, findings: ReadonlyArray<Finding>): string => {
  const dialect = dialects[name]
  const path = dialect.paths.extendVideo
  const isRefused = findings.some((finding) => finding.operation === "extendVideo" && finding.served === "no")
  if (path === null || (isRefused && path === "/videos/extensions"))
    return "by `extend --join` or `--to`: a new clip, joined by FFmpeg"
  const result = dialect.extension === "whole" ? "the whole clip" : "not known: as the model makes it"
  const { cost } = dialect.response ?? {}
  const price = cost === undefined ? "the cost is not in the job" : `the job has its cost in ${cost.currency}`
  return `POST ${path} from ${kindsOf(dialect)}; result: ${result}; ${price}`
}
