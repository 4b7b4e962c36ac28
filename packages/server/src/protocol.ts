/** The server's side of the wire: the fields of requests, read strictly, and why one is refused. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { isObject } from "./json.js"

/** An answer that says no, in the words of the protocol; an accent may say it in others. */
export class Refusal extends Data.TaggedError("Refusal")<{
  readonly status: number
  readonly message: string
  readonly param?: string | undefined
  readonly code?: string | undefined
  /** What the job is, where that is why. */
  readonly phase?: string | undefined
  readonly headers?: { readonly [name: string]: string } | undefined
}> {}

/** @internal */
export const refuse = (
  status: number,
  message: string,
  details?: {
    readonly param?: string | undefined
    readonly code?: string | undefined
    readonly phase?: string | undefined
    readonly headers?: { readonly [name: string]: string } | undefined
  }
): Refusal => new Refusal({ status, message, ...details })

/** A request body, whether it came as JSON or as a form; files are paths of what was uploaded. */
export type Fields = { readonly [name: string]: unknown }

/** An uploaded file, on disk for as long as the request lasts. */
export class UploadedFile {
  readonly path: string
  readonly name: string
  readonly contentType: string
  constructor(path: string, name: string, contentType: string) {
    this.path = path
    this.name = name
    this.contentType = contentType
  }
}

const describe = (value: unknown): string =>
  value === null
    ? "null"
    : Array.isArray(value)
      ? "an array"
      : value instanceof UploadedFile
        ? "a file"
        : `a ${typeof value}`

const text = (fields: Fields, param: string): Effect.Effect<string | null, Refusal> => {
  const value = fields[param]
  if (value === undefined || value === null) return Effect.succeed(null)
  return typeof value === "string"
    ? Effect.succeed(value)
    : Effect.fail(
        refuse(400, `Invalid type for '${param}': expected a string, but got ${describe(value)} instead.`, {
          param,
          code: "invalid_type"
        })
      )
}

const invalid = (param: string, message: string, code: string) => Effect.fail(refuse(400, message, { param, code }))

const missing = (param: string) =>
  Effect.fail(refuse(400, `Missing required parameter: '${param}'.`, { param, code: "missing_required_parameter" }))

/** The protocol's `maxLength`, in code points. */
const maxPromptLength = 32_000

/** @internal */
export const readPrompt = (fields: Fields): Effect.Effect<string, Refusal> =>
  Effect.flatMap(text(fields, "prompt"), (prompt) => {
    if (prompt === null) return missing("prompt")
    const length = [...prompt].length
    if (length > 0 && length <= maxPromptLength) return Effect.succeed(prompt)
    const limit = length === 0 ? "at least 1 character" : `at most ${maxPromptLength} characters`
    return Effect.fail(
      refuse(400, `Invalid 'prompt': expected a string of ${limit}, but got one of ${length}.`, {
        param: "prompt",
        code: length === 0 ? "empty_string" : "string_above_max_length"
      })
    )
  })

/** The published enum stops at 12, its text at 20; this server takes what the text says. */
const lengths = ["4", "8", "12", "16", "20"]

/** Where a server takes any length, this one still has to draw it. */
const mostSeconds = 120

/** Which lengths and sizes are taken: the protocol's, or any that a clip can be drawn for. */
export type Leeway = "protocol" | "any"

/** In seconds. A number is taken for its digits where any length is. */
export const readSeconds = (fields: Fields, leeway: Leeway): Effect.Effect<number | null, Refusal> => {
  const { seconds } = fields
  const digits = leeway === "any" && typeof seconds === "number" ? { seconds: String(seconds) } : fields
  return Effect.flatMap(text(digits, "seconds"), (given) => {
    if (given === null) return Effect.succeed(null)
    if (leeway === "protocol" ? lengths.includes(given) : /^[1-9]\d*$/.test(given) && Number(given) <= mostSeconds) {
      return Effect.succeed(Number(given))
    }
    const supported =
      leeway === "protocol"
        ? "Supported values are: '4', '8', '12', '16', and '20'."
        : `Supported are whole numbers from 1 to ${mostSeconds}.`
    return invalid("seconds", `Invalid value for 'seconds'. ${supported}`, "invalid_value")
  })
}

/** @internal */
export const required =
  (param: string) =>
  <A>(value: A | null): Effect.Effect<A, Refusal> =>
    value === null ? missing(param) : Effect.succeed(value)

/** @internal */
export interface Size {
  readonly width: number
  readonly height: number
  /** As it was asked for. */
  readonly size: string | null
}

const isSide = (side: number): boolean => side >= 16 && side <= 4096 && side % 2 === 0

const nearestSide = (side: number): number => Math.min(4096, Math.max(16, Math.ceil(side / 2) * 2))

/**
 * Width and height in pixels. Any even size is taken, not the protocol's four alone: small clips make quick tests. Where
 * a server takes any size at all, the clip has the nearest that can be drawn.
 */
export const readSize = (fields: Fields, leeway: Leeway): Effect.Effect<Size, Refusal> =>
  Effect.flatMap(text(fields, "size"), (given) => {
    const size = given === "" ? null : given
    const match = /^(\d{1,5})x(\d{1,5})$/.exec(size ?? "720x1280")
    const width = Number(match?.[1])
    const height = Number(match?.[2])
    if (isSide(width) && isSide(height)) return Effect.succeed({ width, height, size })
    return leeway === "any" && match !== null
      ? Effect.succeed({ width: nearestSide(width), height: nearestSide(height), size })
      : invalid(
          "size",
          "Invalid value for 'size': expected '720x1280', '1280x720' or other even sides of 16 to 4096.",
          "invalid_value"
        )
  })

/** The model's name; `null` where none is given. */
export const readModel = (fields: Fields): Effect.Effect<string | null, Refusal> =>
  Effect.map(text(fields, "model"), (model) => (model === "" ? null : model))

/**
 * A field that is an object: as such in JSON, and in a form as `name[key]` fields or as one field of JSON text. Anything
 * else is given back as it is.
 */
export const objectField = (fields: Fields, name: string): unknown => {
  const value = fields[name]
  if (typeof value === "string" && value.startsWith("{")) {
    try {
      return JSON.parse(value)
    } catch {
      return value
    }
  }
  if (value !== undefined) return value
  const start = `${name}[`
  const entries = Object.entries(fields).flatMap(([key, part]) =>
    key.startsWith(start) && key.endsWith("]") ? [[key.slice(start.length, -1), part] as const] : []
  )
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

/** What an extension or an edit starts from: a job by its id, or an uploaded file. */
export const readSource = (fields: Fields): Effect.Effect<string | UploadedFile, Refusal> => {
  const video = objectField(fields, "video")
  if (video === undefined || video === null) return missing("video")
  if (video instanceof UploadedFile) return Effect.succeed(video)
  return isObject(video) && typeof video.id === "string" && video.id !== ""
    ? Effect.succeed(video.id)
    : invalid("video", "Invalid type for 'video': expected a reference with an 'id', or a file.", "invalid_type")
}

/** The film that a character is made from. */
export const readFilm = ({ video }: Fields): Effect.Effect<UploadedFile, Refusal> =>
  video instanceof UploadedFile
    ? Effect.succeed(video)
    : video === undefined
      ? missing("video")
      : invalid("video", "Invalid type for 'video': expected a file.", "invalid_type")

/** The protocol's `maxLength`, in code points. */
const maxNameLength = 80

/** @internal */
export const readName = (fields: Fields): Effect.Effect<string, Refusal> =>
  Effect.flatMap(text(fields, "name"), (name) => {
    if (name === null) return missing("name")
    const length = [...name].length
    return length > 0 && length <= maxNameLength
      ? Effect.succeed(name)
      : invalid(
          "name",
          `Invalid 'name': expected a string of 1 to ${maxNameLength} characters, but got one of ${length}.`,
          length === 0 ? "empty_string" : "string_above_max_length"
        )
  })
