/** Whether a response to a content request is the clip, by its first bytes; and what it is instead. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { firstBytes } from "../bytes.js"
import * as Errors from "../errors/errors.js"
import { looksLikeHtml, maxDetail, readErrorBody } from "../http/errorBody.js"
import type { VideosByteResponse, VideosCall } from "../http/httpTypes.js"
import { parseJson } from "../http/redaction.js"
import * as wire from "../protocol/jsonReaders.js"
import { detectFormat, type Media, signatureLength } from "../protocol/mediaType.js"
import type { DownloadVideoError } from "../videosTypes.js"
import { withoutQueries } from "./contentSource.js"

/** The content of a job. */
export type Bytes = Stream.Stream<Uint8Array, DownloadVideoError>

/** A binary format that is not in the table is `unknown`, and is taken for a clip: servers have formats of their own. */
interface Signature {
  readonly media: Media | "text" | "empty" | "unknown"
  /** The format, as an error names it. */
  readonly name: string
}

const text: Signature = { media: "text", name: "text" }

/** A document is read up to this many bytes, and this many characters of it are in an error's message. */
const maxDocument = 64 * 1024
const maxQuote = 300

/** UTF-16, by its byte order mark or by its zeros: no clip begins like that. */
const utf16Of = (head: Uint8Array): "utf-16le" | "utf-16be" | null => {
  if (head.length < 4) return null
  if (head[0] === 0xff && head[1] === 0xfe) return "utf-16le"
  if (head[0] === 0xfe && head[1] === 0xff) return "utf-16be"
  const isAscii = (from: 0 | 1) =>
    head.length >= 8 && head.every((byte, index) => (index % 2 === from ? byte >= 0x09 && byte < 0x7f : byte === 0))
  return isAscii(0) ? "utf-16le" : isAscii(1) ? "utf-16be" : null
}

/** `stream`: the head may end within a character. */
const isUtf8 = Option.liftThrowable((head: Uint8Array) =>
  new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true })
)

/** Whether these bytes could all be text: UTF-8, UTF-16, or a code page of bytes with few letters beyond ASCII. */
const isText = (head: Uint8Array): boolean =>
  utf16Of(head) !== null ||
  (!head.some((byte) => (byte < 0x20 && ![9, 10, 12, 13, 27].includes(byte)) || byte === 0x7f) &&
    (head.filter((byte) => byte >= 0x80).length < head.length / 4 || Option.isSome(isUtf8(head))))

/** What a body is by its first bytes; `null` while more of them are needed. `isWhole`: there are no more. */
export const signatureOf = (head: Uint8Array, isWhole: boolean): Signature | null => {
  if (head.length === 0) return isWhole ? { media: "empty", name: "empty" } : null
  const isEnough = isWhole || head.length >= signatureLength
  // Signatures have at most 12 bytes; the flags of a WebP (RIFF) are in byte 21.
  if (!isEnough && head.length < (head[0] === 0x52 ? 21 : 12)) return null
  const format = detectFormat(head)
  // Text may have four letters of a signature where a signature has them; no binary format is text for so long.
  if (isText(head) && format?.name !== "YUV4MPEG2") return isEnough ? text : null
  if (format !== null) return { media: format.media, name: format.name }
  // The second packet of a transport stream is yet to come.
  if (!isEnough && (head[0] === 0x47 || head[4] === 0x47) && head.length < 200) return null
  return { media: "unknown", name: "unknown" }
}

/** What the body is, if it is not what was requested; otherwise `null`. A picture is right for a thumbnail. */
const mismatchOf = (signature: Signature, type: string, wantsVideo: boolean): Signature | null => {
  const { media } = signature
  if (media === "video" || (media === "picture" && !wantsVideo)) return null
  if (media !== "unknown") return signature
  if (/^(text\/|multipart\/|application\/(problem\+)?json$|application\/xhtml\+xml$)/.test(type)) return text
  return wantsVideo && type.startsWith("image/") ? { media: "picture", name: `a picture (${type})` } : null
}

const documentName = (document: string): string => {
  const start = document.trimStart().slice(0, 200)
  if (start.startsWith("#EXTM3U")) return "an HLS playlist (m3u8)"
  if (/^(<\?xml[^>]*>\s*)?<MPD[\s>]/.test(start)) return "a DASH manifest (MPD)"
  if (start.startsWith("<?xml") || /^<Error[\s>]/.test(start)) return "XML"
  if (/^data:[\w.+-]+\/[\w.+-]+[;,]/i.test(start)) return "a `data:` URL as text"
  return /^[A-Za-z0-9+/_-]{60}/.test(start) ? "base64 as text" : "text"
}

const textOf = (pieces: Chunk.Chunk<Uint8Array>): string => {
  const bytes = firstBytes(pieces, maxDocument)
  return new TextDecoder(utf16Of(bytes.subarray(0, signatureLength)) ?? "utf-8").decode(bytes)
}

/**
 * The response's bytes, once the first of them show that they may be a clip. Otherwise reads the document, and `otherwise`
 * decides; `isPage`: it is an HTML page.
 */
export const inspectContent = (
  call: VideosCall,
  response: VideosByteResponse,
  wantsVideo: boolean,
  otherwise: (error: Errors.ResponseDecodeError, isPage: boolean) => Effect.Effect<Bytes, DownloadVideoError>
): Bytes => {
  // A range may begin with any byte.
  if (response.status === 206 && !/^\s*bytes\s+0-/i.test(response.headers["content-range"] ?? ""))
    return response.stream
  const type = (response.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? ""
  return Stream.unwrapScoped(
    Effect.gen(function* () {
      const pull = yield* Stream.toPull(response.stream)
      let held: Chunk.Chunk<Uint8Array> = Chunk.empty()
      let length = 0
      let isEnd = false
      const read = Effect.matchEffect(pull, {
        onSuccess: (chunk) =>
          Effect.sync(() => {
            held = Chunk.appendAll(held, chunk)
            for (const piece of chunk) length += piece.byteLength
          }),
        onFailure: (end) => {
          isEnd = true
          // A document that is truncated still says what it is. A few letters may be anything.
          return Option.isNone(end) || /^\s*[{[<]/.test(textOf(held)) ? Effect.void : Effect.fail(end.value)
        }
      })
      let signature: Signature | null = null
      while (signature === null) {
        yield* read
        signature = signatureOf(firstBytes(held, signatureLength), isEnd)
      }
      const mismatch = mismatchOf(signature, type, wantsVideo)
      const whole = () =>
        Stream.concat(Stream.fromChunk(held), isEnd ? Stream.empty : Stream.fromPull(Effect.succeed(pull)))
      if (mismatch === null) return whole()
      const isDocument = mismatch.media === "text"
      while (isDocument && !isEnd && length < maxDocument) yield* Effect.ignore(read)
      const document = isDocument ? textOf(held) : ""
      const json = parseJson(document)
      // A spritesheet may come with a description in JSON.
      const isError = (value: unknown) =>
        wire.isObject(value) && ["error", "detail", "message"].some((name) => name in value)
      if (!wantsVideo && Option.isSome(json) && !isError(json.value)) return whole()
      const isHtml = looksLikeHtml(document) && !/^\s*<\?xml/i.test(document)
      const isPage = isDocument && (type.includes("html") || isHtml)
      const format = Option.isSome(json)
        ? "JSON"
        : isPage
          ? "an HTML page"
          : isDocument
            ? documentName(document)
            : mismatch.name
      const isReadable = ["JSON", "an HTML page", "text", "XML"].includes(format)
      const message = isReadable ? withoutQueries(response.redact(readErrorBody(document).message)) : ""
      const quote = message.length > maxQuote ? `${message.slice(0, maxQuote)}…` : message
      const wanted = wantsVideo ? "a video" : "a picture"
      return yield* otherwise(
        new Errors.ResponseDecodeError({
          operation: call.operation,
          route: response.route ?? `${call.request.method} ${call.request.url}`,
          status: response.status,
          requestId: response.requestId,
          // A proxy's page, or an empty body, may be a clip the next time.
          reason: isPage || mismatch.media === "empty" ? "syntax" : "shape",
          detail: `it is ${format} instead of ${wanted}${quote === "" || format === quote ? "" : `: ${quote}`}`,
          body: isReadable ? withoutQueries(response.redact(document)).slice(0, maxDetail) : ""
        }),
        isPage
      )
    })
  )
}
