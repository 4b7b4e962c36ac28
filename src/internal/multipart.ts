/** A `multipart/form-data` body (RFC 7578) of text fields and one file, at constant memory. */
import * as HttpBody from "@effect/platform/HttpBody"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Errors from "../Errors.js"
import type { VideosUpload } from "../Http.js"
import type { VideoFile } from "../VideoFile.js"
import { randomId } from "./randomId.js"

const encoder = new TextEncoder()

/** A boundary that no body holds by chance, and the media type that names it. */
export const newForm = (): { readonly boundary: string; readonly contentType: string } => {
  const boundary = `effect-videos-${randomId()}`
  return { boundary, contentType: `multipart/form-data; boundary=${boundary}` }
}

/** The parts of the text fields. */
export const textParts = (fields: { readonly [name: string]: string }, boundary: string): string =>
  Object.entries(fields)
    .map(([name, value]) => `--${boundary}\r\ncontent-disposition: form-data; name=${quoted(name)}\r\n\r\n${value}\r\n`)
    .join("")

/** Quoting of names as browsers do it (WHATWG "multipart/form-data encoding algorithm"). */
const quoted = (name: string): string => `"${name.replace(/\r\n|\r|\n/g, "%0D%0A").replace(/"/g, "%22")}"`

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.byteLength, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.byteLength
  }
  return whole
}

/** @internal */
export const upload = (
  operation: Errors.Operation,
  fields: { readonly [name: string]: string },
  field: string,
  file: VideoFile
): VideosUpload => {
  const { boundary, contentType } = newForm()
  const type = file.contentType.replace(/[\r\n]/g, "")
  const head = encoder.encode(
    `${textParts(fields, boundary)}--${boundary}\r\ncontent-disposition: form-data; name=${quoted(field)}; filename=${quoted(file.name)}\r\ncontent-type: ${type}\r\n\r\n`
  )
  const tail = encoder.encode(`\r\n--${boundary}--\r\n`)
  const { content, size } = file
  if (content instanceof Uint8Array) {
    return { body: HttpBody.uint8Array(concat([head, content, tail]), contentType), failure: () => null }
  }
  let failure: Errors.UploadError | null = null
  const fail = (detail: string, cause?: unknown): Errors.UploadError =>
    (failure = new Errors.UploadError({
      operation,
      file: file.name,
      detail,
      ...(cause === undefined ? {} : { cause })
    }))
  // A file that grew or shrank since it was measured would break the request's framing: it is refused as such.
  const counted = Stream.suspend(() => {
    let sent = 0
    const grown = Stream.mapEffect(content, (chunk) => {
      sent += chunk.byteLength
      return size !== null && sent > size ? Effect.fail(`it is longer than ${size} bytes`) : Effect.succeed(chunk)
    })
    const whole = Stream.suspend(() =>
      size !== null && sent < size ? Stream.fail(`it ended after ${sent} of ${size} bytes`) : Stream.make(tail)
    )
    return Stream.concat(grown, whole)
  }).pipe(
    Stream.mapError((cause) =>
      typeof cause === "string" ? fail(cause) : fail(cause instanceof Error ? cause.message : String(cause), cause)
    )
  )
  const body = Stream.concat(Stream.make(head), counted)
  return {
    body: HttpBody.stream(body, contentType, size === null ? undefined : head.byteLength + size + tail.byteLength),
    failure: () => failure
  }
}
