/** Reads and validates the fields of requests, and defines the errors of the server. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { isObject } from "./json.js"

/** Error response of the protocol. A dialect can change its status, message and code. */
export class Refusal extends Data.TaggedError("Refusal")<{
  readonly status: number
  readonly message: string
  readonly param?: string | undefined
  readonly code?: string | undefined
  /** Phase of the job, if the phase is the reason. */
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

/** Fields of a request body, from JSON or from a form. A file is an `UploadedFile`. */
export type Fields = { readonly [name: string]: unknown }

/** Uploaded file; it stays on disk until the request ends. */
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

/** `maxLength` of the protocol, in code points. */
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

/** The published enum ends at 12 and its description at 20; this server follows the description. */
const protocolSeconds = ["4", "8", "12", "16", "20"]

/** Longest clip of a dialect that accepts any length: this server has to draw it. */
const maxSeconds = 120

/** Accepted lengths and sizes: those of the protocol, or all that the server can draw. */
export type Limits = "protocol" | "any"

/** Reads the length in seconds. With the limits `any`, a JSON number counts as its digits. */
export const readSeconds = (fields: Fields, limits: Limits): Effect.Effect<number | null, Refusal> => {
  const { seconds } = fields
  const digits = limits === "any" && typeof seconds === "number" ? { seconds: String(seconds) } : fields
  return Effect.flatMap(text(digits, "seconds"), (given) => {
    if (given === null) return Effect.succeed(null)
    if (
      limits === "protocol" ? protocolSeconds.includes(given) : /^[1-9]\d*$/.test(given) && Number(given) <= maxSeconds
    ) {
      return Effect.succeed(Number(given))
    }
    const supported =
      limits === "protocol"
        ? "Supported values are: '4', '8', '12', '16', and '20'."
        : `Supported are whole numbers from 1 to ${maxSeconds}.`
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
  /** The size of the request; `null` if it names none. */
  readonly size: string | null
}

const isSide = (side: number): boolean => side >= 16 && side <= 4096 && side % 2 === 0

const nearestSide = (side: number): number => Math.min(4096, Math.max(16, Math.ceil(side / 2) * 2))

/**
 * Reads width and height in pixels. The server accepts every even size, not only the four of the protocol, because small
 * clips make tests fast. With the limits `any`, it rounds to the nearest size that it can draw.
 */
export const readSize = (fields: Fields, limits: Limits): Effect.Effect<Size, Refusal> =>
  Effect.flatMap(text(fields, "size"), (given) => {
    const size = given === "" ? null : given
    const match = /^(\d{1,5})x(\d{1,5})$/.exec(size ?? "720x1280")
    const width = Number(match?.[1])
    const height = Number(match?.[2])
    if (isSide(width) && isSide(height)) return Effect.succeed({ width, height, size })
    return limits === "any" && match !== null
      ? Effect.succeed({ width: nearestSide(width), height: nearestSide(height), size })
      : invalid(
          "size",
          "Invalid value for 'size': expected '720x1280', '1280x720' or other even sides of 16 to 4096.",
          "invalid_value"
        )
  })

/** Reads the name of the model; `null` if the request names none. */
export const readModel = (fields: Fields): Effect.Effect<string | null, Refusal> =>
  Effect.map(text(fields, "model"), (model) => (model === "" ? null : model))

/**
 * Reads a field that is an object in JSON. A form sends it as `name[key]` fields, or as one field of JSON text. Returns any
 * other value unchanged.
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

/** Reads the source of an extension or an edit: the id of a job, or an uploaded file. */
export const readSource = (fields: Fields): Effect.Effect<string | UploadedFile, Refusal> => {
  const video = objectField(fields, "video")
  if (video === undefined || video === null) return missing("video")
  if (video instanceof UploadedFile) return Effect.succeed(video)
  return isObject(video) && typeof video.id === "string" && video.id !== ""
    ? Effect.succeed(video.id)
    : invalid("video", "Invalid type for 'video': expected a reference with an 'id', or a file.", "invalid_type")
}

/** Reads the uploaded video of a character. */
export const readVideoFile = ({ video }: Fields): Effect.Effect<UploadedFile, Refusal> =>
  video instanceof UploadedFile
    ? Effect.succeed(video)
    : video === undefined
      ? missing("video")
      : invalid("video", "Invalid type for 'video': expected a file.", "invalid_type")

/** `maxLength` of the protocol, in code points. */
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
