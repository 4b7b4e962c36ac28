/**
 * Reads the `input_reference` of a submission: an image that guides it. The server validates it and writes its name into the
 * corner of the clip; an uploaded PNG becomes the first frame. The server fetches no URL and resolves no file id.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { type Fields, objectField, type Refusal, refuse, UploadedFile } from "./protocol.js"

const param = "input_reference"

const invalid = (message: string, code: string) => Effect.fail(refuse(400, message, { param, code }))

const images = ["image/png", "image/jpeg", "image/webp"]

/** The protocol's `maxLength` of `image_url`. */
const maxUrlLength = 20_971_520

const isImage = (start: Uint8Array): boolean => {
  const text = String.fromCharCode(...start)
  return (
    text.startsWith("\x89PNG\r\n\x1a\n") ||
    text.startsWith("\xff\xd8\xff") ||
    (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP")
  )
}

/** Checks the content type. If it names no type, checks the first bytes: clients that stream a file send no type. */
const checkFile = (file: UploadedFile): Effect.Effect<string, Refusal, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const [type = ""] = file.contentType.toLowerCase().split(";")
    const label = `from ${file.name}`
    if (images.includes(type.trim())) return label
    if (type === "" || type === "application/octet-stream") {
      const fs = yield* FileSystem.FileSystem
      const start = yield* Effect.scoped(
        Effect.flatMap(fs.open(file.path, { flag: "r" }), (opened) => opened.readAlloc(FileSystem.Size(12)))
      ).pipe(Effect.orDie)
      if (start._tag === "Some" && isImage(start.value)) return label
    }
    return yield* invalid(`Invalid file for '${param}': expected ${images.join(", ")}.`, "invalid_file")
  })

const checkUrl = (url: unknown): Effect.Effect<string, Refusal> =>
  typeof url === "string" &&
  url.length <= maxUrlLength &&
  (/^data:image\/[\w.+-]+[;,]/i.test(url) || (/^https?:\/\//i.test(url) && URL.canParse(url)))
    ? Effect.succeed("from an image")
    : invalid(`Invalid '${param}.image_url': expected an http(s) URL or a data URL of an image.`, "invalid_value")

/**
 * How a server accepts a reference image.
 *
 * - `protocol`: as a file, or as an object with `image_url` or `file_id`.
 * - `file`: as a file in this field, or as JSON text in `image_reference`. The server ignores other values of this field.
 * - `text`: as a file, or as a string (path, URL or data URL), but not as an object.
 */
export type ReferenceRule = "protocol" | "file" | "text"

/** Reference image of a submission. */
export interface Reference {
  /** Label for the corner of the clip; `undefined` without an image. */
  readonly label: string | undefined
  /** The image, if the request uploads it as a file. */
  readonly file: UploadedFile | undefined
}

/** @internal */
export const readReference = (
  fields: Fields,
  rule: ReferenceRule
): Effect.Effect<Reference, Refusal, FileSystem.FileSystem> => {
  const value = fields[param]
  const file = value instanceof UploadedFile ? value : undefined
  return Effect.map(file === undefined ? readNamedReference(fields, rule) : checkFile(file), (label) => ({
    label,
    file
  }))
}

/** Reads a reference by URL, file id or text, and returns its label. */
const readNamedReference = (fields: Fields, rule: ReferenceRule): Effect.Effect<string | undefined, Refusal> => {
  if (rule === "file") return readObject(objectField(fields, "image_reference"))
  if (rule === "text") {
    const text = fields[param]
    return text === undefined || text === null
      ? Effect.succeed(undefined)
      : typeof text === "string" && text !== ""
        ? Effect.succeed("from an image")
        : invalid(`Invalid type for '${param}': expected a string.`, "invalid_type")
  }
  return readObject(objectField(fields, param))
}

const readObject = (value: unknown): Effect.Effect<string | undefined, Refusal> => {
  if (value === undefined || value === null) return Effect.succeed(undefined)
  if (typeof value !== "object" || Array.isArray(value)) {
    const message = `Invalid type for '${param}': expected an image file, or an object with 'image_url' or 'file_id'.`
    return invalid(message, "invalid_type")
  }
  const { file_id: id, image_url: url } = value as { readonly file_id?: unknown; readonly image_url?: unknown }
  if ((id === undefined) === (url === undefined)) {
    return invalid(`Invalid '${param}': expected exactly one of 'image_url' and 'file_id'.`, "invalid_value")
  }
  if (url !== undefined) return checkUrl(url)
  return typeof id === "string" && id !== ""
    ? Effect.succeed(`from ${id}`)
    : invalid(`Invalid type for '${param}.file_id': expected the id of a file.`, "invalid_type")
}
