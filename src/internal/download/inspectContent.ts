/** Whether a response to a content request is the clip, by its first bytes; and what it is instead. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Errors from "../errors/errors.js"
import { looksLikeHtml, maxDetail, readErrorBody } from "../http/errorBody.js"
import type { VideosByteResponse, VideosCall } from "../http/httpTypes.js"
import { parseJson } from "../http/redaction.js"
import * as wire from "../protocol/jsonReaders.js"
import type { DownloadVideoError } from "../videosTypes.js"
import { withoutQueries } from "./contentSource.js"
import { headLength, type Signature, signatureOf, textFormat, utf16Of } from "./mediaSignature.js"

/** The content of a job. */
export type Bytes = Stream.Stream<Uint8Array, DownloadVideoError>

/** A document is read up to this many bytes. */
const maxDocument = 64 * 1024

/** This many characters of a document are in an error's message. */
const maxQuote = 300

/** What the body is, if it is not what was requested; otherwise `null`. A picture is right for a thumbnail. */
const mismatchOf = (signature: Signature, type: string, wantsVideo: boolean): Signature | null => {
  switch (signature.media) {
    case "video":
      return null
    case "picture":
      return wantsVideo ? signature : null
    case "unknown":
      if (/^(text\/|multipart\/|application\/(problem\+)?json$|application\/xhtml\+xml$)/.test(type)) {
        return { media: "text", format: "text" }
      }
      return wantsVideo && type.startsWith("image/") ? { media: "picture", format: `a picture (${type})` } : null
    default:
      return signature
  }
}

/** A spritesheet may come with a description in JSON. */
const isDescription = (text: string): boolean =>
  Option.match(parseJson(text), {
    onNone: () => false,
    onSome: (json) => !wire.isObject(json) || !["error", "detail", "message"].some((name) => name in json)
  })

/**
 * The response's bytes, once the first of them show that they may be a clip. Otherwise reads what they say, and `otherwise`
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
      let isEnd = false
      const read = Effect.matchEffect(pull, {
        onSuccess: (chunk) =>
          Effect.sync(() => {
            held = Chunk.appendAll(held, chunk)
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
        signature = signatureOf(headOf(held), isEnd)
      }
      const mismatch = mismatchOf(signature, type, wantsVideo)
      const whole = () =>
        Stream.concat(Stream.fromChunk(held), isEnd ? Stream.empty : Stream.fromPull(Effect.succeed(pull)))
      if (mismatch === null) return whole()
      while (mismatch.media === "text" && !isEnd && lengthOf(held) < maxDocument) yield* Effect.ignore(read)
      const text = mismatch.media === "text" ? textOf(held) : ""
      if (!wantsVideo && isDescription(text)) return whole()
      const isPage = mismatch.media === "text" && (type.includes("html") || isHtml(text))
      return yield* otherwise(notAClip(call, response, mismatch, text, isPage, wantsVideo), isPage)
    })
  )
}

const lengthOf = (chunks: Chunk.Chunk<Uint8Array>): number =>
  Chunk.reduce(chunks, 0, (sum, bytes) => sum + bytes.byteLength)

/** The first bytes, as many as a signature takes. */
const headOf = (chunks: Chunk.Chunk<Uint8Array>): Uint8Array => {
  const head = new Uint8Array(Math.min(headLength, lengthOf(chunks)))
  let filled = 0
  for (const bytes of chunks) {
    if (filled === head.length) break
    const part = bytes.subarray(0, head.length - filled)
    head.set(part, filled)
    filled += part.byteLength
  }
  return head
}

const textOf = (chunks: Chunk.Chunk<Uint8Array>): string => {
  const decoder = new TextDecoder(utf16Of(headOf(chunks)) ?? "utf-8")
  let text = ""
  for (const bytes of chunks) if (text.length < maxDocument) text += decoder.decode(bytes, { stream: true })
  return text.slice(0, maxDocument)
}

const isHtml = (text: string): boolean => looksLikeHtml(text) && !/^\s*<\?xml/i.test(text)

const notAClip = (
  call: VideosCall,
  { requestId, route = `${call.request.method} ${call.request.url}`, redact, status }: VideosByteResponse,
  what: Signature,
  text: string,
  isPage: boolean,
  wantsVideo: boolean
): Errors.ResponseDecodeError => {
  const isJson = Option.isSome(parseJson(text))
  const format = isJson ? "JSON" : isPage ? "an HTML page" : what.media === "text" ? textFormat(text) : what.format
  const isReadable = isJson || isPage || format === "text" || format === "XML"
  const message = isReadable ? withoutQueries(redact(readErrorBody(text).message)) : ""
  const quote = message.length > maxQuote ? `${message.slice(0, maxQuote)}…` : message
  const wanted = wantsVideo ? "a video" : "a picture"
  return new Errors.ResponseDecodeError({
    operation: call.operation,
    route,
    status,
    requestId,
    // A proxy's page, or an empty body, may be a clip the next time.
    reason: isPage || what.media === "empty" ? "syntax" : "shape",
    detail: `it is ${format} instead of ${wanted}${quote === "" || format === quote ? "" : `: ${quote}`}`,
    body: isReadable ? withoutQueries(redact(text)).slice(0, maxDetail) : ""
  })
}
