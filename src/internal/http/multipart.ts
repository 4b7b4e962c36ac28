/** A `multipart/form-data` body (RFC 7578) of text fields and one file, at constant memory. */
import * as HttpBody from "@effect/platform/HttpBody"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { concatBytes, firstBytes } from "../bytes.js"
import * as Errors from "../errors/errors.js"
import { detectable, detectMediaType, fileNameOf, signatureLength } from "../protocol/mediaType.js"
import type { VideoFile } from "../protocol/videoFile.js"
import { randomId } from "../randomId.js"
import type { VideosUpload } from "./httpTypes.js"

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

/** The stream after the head that `headOf` makes of its first bytes, which are held until there are enough. */
const withHead = <E>(
  content: Stream.Stream<Uint8Array, E>,
  headOf: (start: Uint8Array) => Uint8Array
): Stream.Stream<Uint8Array, E> =>
  Stream.suspend(() => {
    let held: Array<Uint8Array> | null = []
    let size = 0
    const release = (chunks: ReadonlyArray<Uint8Array>) => {
      held = null
      return [headOf(firstBytes(chunks, signatureLength)), ...chunks]
    }
    const begun = Stream.mapConcat(content, (chunk): ReadonlyArray<Uint8Array> => {
      if (held === null) return [chunk]
      held.push(chunk)
      size += chunk.byteLength
      return size < signatureLength ? [] : release(held)
    })
    return Stream.concat(
      begun,
      Stream.suspend(() => (held === null ? Stream.empty : Stream.fromIterable(release(held))))
    )
  })

/** @internal */
export const upload = (
  operation: Errors.Operation,
  fields: { readonly [name: string]: string },
  field: string,
  file: VideoFile
): VideosUpload => {
  const { boundary, contentType } = newForm()
  const before = encoder.encode(textParts(fields, boundary))
  // White space before a header's value has no meaning: it gives heads of different types the same length.
  const headWith = (name: string, type: string, padding = 0): Uint8Array =>
    encoder.encode(
      `--${boundary}\r\ncontent-disposition: form-data; name=${quoted(field)}; filename=${quoted(name)}\r\ncontent-type: ${" ".repeat(padding)}${type.replace(/[\r\n]/g, "")}\r\n\r\n`
    )
  const tail = encoder.encode(`\r\n--${boundary}--\r\n`)
  const { content, detect, size } = file
  const head = headWith(file.name, file.contentType)
  if (content instanceof Uint8Array) {
    return { body: HttpBody.uint8Array(concatBytes([before, head, content, tail]), contentType), failure: () => null }
  }
  // The length of the whole body is sent before the first bytes show the type.
  const headLength =
    detect === undefined || size === null
      ? head.byteLength
      : Math.max(head.byteLength, ...detectable.map((type) => headWith(fileNameOf(detect.name, type), type).byteLength))
  const detectedHead = ({ name }: NonNullable<VideoFile["detect"]>, start: Uint8Array): Uint8Array => {
    const type = detectMediaType(start, file.contentType)
    const fitting = type === null ? ([file.name, file.contentType] as const) : ([fileNameOf(name, type), type] as const)
    const bare = headWith(...fitting)
    return size === null ? bare : headWith(...fitting, headLength - bare.byteLength)
  }
  let failure: Errors.UploadError | null = null
  const fail = (detail: string, cause?: unknown): Errors.UploadError =>
    (failure = new Errors.UploadError({
      operation,
      file: file.name,
      detail,
      ...(cause === undefined ? {} : { cause })
    }))
  // A file that grew or shrank since it was measured would break the framing of the request.
  const counted = Stream.suspend(() => {
    let sent = 0
    const grown = Stream.mapEffect(content, (chunk) => {
      sent += chunk.byteLength
      return size !== null && sent > size ? Effect.fail(`it is longer than ${size} bytes`) : Effect.succeed(chunk)
    })
    const headed =
      detect === undefined
        ? Stream.concat(Stream.make(head), grown)
        : withHead(grown, (start) => detectedHead(detect, start))
    const whole = Stream.suspend(() =>
      size !== null && sent < size ? Stream.fail(`it ended after ${sent} of ${size} bytes`) : Stream.make(tail)
    )
    return Stream.concat(headed, whole)
  }).pipe(
    Stream.mapError((cause) =>
      typeof cause === "string" ? fail(cause) : fail(cause instanceof Error ? cause.message : String(cause), cause)
    )
  )
  const body = Stream.concat(Stream.make(before), counted)
  return {
    body: HttpBody.stream(
      body,
      contentType,
      size === null ? undefined : before.byteLength + headLength + size + tail.byteLength
    ),
    failure: () => failure
  }
}
