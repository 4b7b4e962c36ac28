/**
 * The server's side of the wire: requests in, strictly, with the protocol's error bodies
 * (`{ "error": { message, type, param, code } }`).
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** An answer that says no. */
export class Refusal extends Data.TaggedError("Refusal")<{
  readonly status: number
  readonly message: string
  readonly param?: string
  readonly code?: string
}> {}

/** @internal */
export const refuse = (
  status: number,
  message: string,
  details?: { readonly param?: string; readonly code?: string }
): Refusal => new Refusal({ status, message, ...details })

/** @internal */
export const refusalResponse = (refusal: Refusal): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.unsafeJson(
    {
      error: {
        message: refusal.message,
        type: refusal.status >= 500 ? "server_error" : "invalid_request_error",
        param: refusal.param ?? null,
        code: refusal.code ?? null
      }
    },
    { status: refusal.status }
  )

/** A request body, whether it came as JSON or as a form; files are paths of what was uploaded. */
export type Fields = { readonly [name: string]: unknown }

/** An uploaded file, on disk for as long as the request lasts. */
export class UploadedFile {
  readonly path: string
  readonly name: string
  constructor(path: string, name: string) {
    this.path = path
    this.name = name
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

/** @internal */
export const readSeconds = (fields: Fields): Effect.Effect<number | null, Refusal> =>
  Effect.flatMap(text(fields, "seconds"), (seconds) => {
    if (seconds === null) return Effect.succeed(null)
    if (lengths.includes(seconds)) return Effect.succeed(Number(seconds))
    return Effect.fail(
      refuse(400, `Invalid value for 'seconds'. Supported values are: '4', '8', '12', '16', and '20'.`, {
        param: "seconds",
        code: "invalid_value"
      })
    )
  })

/** @internal */
export const required =
  (param: string) =>
  <A>(value: A | null): Effect.Effect<A, Refusal> =>
    value === null ? missing(param) : Effect.succeed(value)

/** Width and height in pixels. Any even size is taken, not the protocol's four alone: small clips make quick tests. */
export const readSize = (fields: Fields): Effect.Effect<{ readonly width: number; readonly height: number }, Refusal> =>
  Effect.flatMap(text(fields, "size"), (size) => {
    const match = /^(\d{1,5})x(\d{1,5})$/.exec(size ?? "720x1280")
    const width = Number(match?.[1])
    const height = Number(match?.[2])
    return [width, height].every((side) => side >= 16 && side <= 4096 && side % 2 === 0)
      ? Effect.succeed({ width, height })
      : Effect.fail(
          refuse(400, `Invalid value for 'size': expected '720x1280', '1280x720' or other even sides of 16 to 4096.`, {
            param: "size",
            code: "invalid_value"
          })
        )
  })

/** @internal */
export const readModel = (fields: Fields): Effect.Effect<string, Refusal> =>
  Effect.map(text(fields, "model"), (model) => (model === null || model === "" ? "sora-2" : model))

/** What an extension starts from: a job by its id, or an uploaded file. */
export const readSource = (fields: Fields): Effect.Effect<string | UploadedFile, Refusal> => {
  const { video } = fields
  if (video instanceof UploadedFile) return Effect.succeed(video)
  // A form writes the reference as `video[id]`.
  const id = typeof video === "object" && video !== null && "id" in video ? video.id : fields["video[id]"]
  if (typeof id === "string" && id !== "") return Effect.succeed(id)
  return video === undefined && id === undefined
    ? missing("video")
    : Effect.fail(
        refuse(400, "Invalid type for 'video': expected a reference with an 'id', or a file.", {
          param: "video",
          code: "invalid_type"
        })
      )
}
