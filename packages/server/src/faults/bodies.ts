/** Changes response bodies: truncates them, slows them down, or makes them huge. */
import { gzipSync } from "node:zlib"
import * as Headers from "@effect/platform/Headers"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { WireService } from "./wire.js"

type Response = HttpServerResponse.HttpServerResponse

/** Bytes of a response body. */
interface Bytes {
  readonly stream: Stream.Stream<Uint8Array, unknown>
  readonly length: number
}

/** Returns the bytes of the body, or `null` if the response has no body. */
const bytesOf = ({ body }: Response): Bytes | null =>
  body._tag === "Uint8Array"
    ? { stream: Stream.make(body.body), length: body.body.length }
    : body._tag === "Stream" && body.contentLength !== undefined
      ? { stream: body.stream, length: body.contentLength }
      : null

/** Replaces the body and its `Content-Length`; with the length `null`, removes the header. */
const withBytes = (
  { headers, status }: Response,
  stream: Stream.Stream<Uint8Array, unknown>,
  length: number | null
): Response =>
  HttpServerResponse.stream(stream, {
    status,
    headers:
      length === null ? Headers.remove(headers, "content-length") : { ...headers, "content-length": `${length}` },
    contentType: headers["content-type"]
  })

/** Returns the text of a JSON response, or `null` for other responses. */
export const jsonOf = ({ body, headers }: Response): string | null =>
  body._tag === "Uint8Array" && (headers["content-type"] ?? "").startsWith("application/json")
    ? new TextDecoder().decode(body.body)
    : null

/** @internal */
export const withJson = (response: Response, text: string): Response =>
  HttpServerResponse.setBody(response, HttpBody.text(text, "application/json"))

const takeBytes =
  (count: number) =>
  <E>(stream: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E> =>
    count <= 0
      ? Stream.empty
      : stream.pipe(
          Stream.mapAccum(count, (left, chunk) => [
            left - chunk.length,
            { chunk: chunk.subarray(0, left), isLast: chunk.length >= left }
          ]),
          Stream.takeUntil(({ isLast }) => isLast),
          Stream.map(({ chunk }) => chunk)
        )

/**
 * Sends the headers and half of the body, runs `before`, and resets the connection. Without a body, it only resets.
 */
export const resetMidBody = (
  response: Response,
  wire: WireService,
  before: Effect.Effect<void> = Effect.void
): Effect.Effect<Response> => {
  const bytes = bytesOf(response)
  if (bytes === null || bytes.length === 0) return Effect.zipRight(before, wire.reset)
  return Effect.succeed(
    withBytes(
      response,
      takeBytes(Math.floor(bytes.length / 2))(bytes.stream).pipe(
        Stream.concat(Stream.drain(Stream.fromEffect(before))),
        Stream.concat(wire.endBody("reset"))
      ),
      bytes.length
    )
  )
}

/** Keeps the first half of a JSON body, with a matching `Content-Length`. */
export const truncateJson = (response: Response): Response => {
  const text = jsonOf(response)
  return text === null ? response : withJson(response, text.slice(0, Math.floor(text.length / 2)))
}

/** @internal */
export const slowDown = (response: Response, bytes: number, everyMillis: number): Response => {
  const body = bytesOf(response)
  if (body === null) return response
  const pieces = Stream.mapConcat(body.stream, (chunk) =>
    Array.from({ length: Math.ceil(chunk.length / bytes) }, (_, index) =>
      chunk.subarray(index * bytes, (index + 1) * bytes)
    )
  )
  // `tap` sends each piece by itself; a chunk of the stream would be sent at once.
  const spaced = Stream.tap(pieces, () => Effect.sleep(Duration.millis(everyMillis)))
  // Node sends the headers with the first write, even an empty one.
  return withBytes(response, Stream.concat(Stream.make(new Uint8Array(0)), spaced), body.length)
}

/** @internal */
export const withWrongLength = (response: Response, off: number, wire: WireService): Response => {
  const bytes = bytesOf(response)
  if (bytes === null) return response
  const length = Math.max(0, bytes.length + off)
  if (off > 0) return withBytes(response, Stream.concat(bytes.stream, wire.endBody("close")), length)
  return withBytes(response, wire.raw ? bytes.stream : takeBytes(length)(bytes.stream), length)
}

const fillerBytes = 64 * 1024

/** Filler that a JSON parser or a video player skips: spaces or zeros. */
const fillerOf = (response: Response): Uint8Array =>
  new Uint8Array(fillerBytes).fill(jsonOf(response) === null ? 0 : " ".charCodeAt(0))

/** @internal */
export const appendEndless = (response: Response): Response => {
  const bytes = bytesOf(response)
  if (bytes === null) return response
  return withBytes(response, Stream.concat(bytes.stream, Stream.forever(Stream.make(fillerOf(response)))), null)
}

const mebibyte = 1024 * 1024

/** Compresses one member and sends it many times: a gzip file can have many members (RFC 1952, 2.2). */
export const appendBomb = (response: Response, count: number, wire: WireService): Response => {
  const bytes = bytesOf(response)
  if (bytes === null) return response
  const repeats = Math.floor(count / mebibyte)
  const filler = new Uint8Array(mebibyte).fill(jsonOf(response) === null ? 0 : " ".charCodeAt(0))
  // An in-process client receives the decoded body, as from `fetch`.
  const compress = (chunk: Uint8Array): Uint8Array => (wire.raw ? gzipSync(chunk) : chunk)
  const member = compress(filler)
  const stream = Stream.map(bytes.stream, compress).pipe(
    Stream.concat(Stream.take(Stream.forever(Stream.make(member)), repeats)),
    Stream.concat(Stream.make(compress(filler.subarray(0, count % mebibyte))))
  )
  return HttpServerResponse.setHeader(withBytes(response, stream, null), "content-encoding", "gzip")
}

const encoder = new TextEncoder()

/** Jobs per chunk of the body. */
const batchSize = 1000

/** Replaces a list with `items` generated jobs on one page. */
export const replaceWithHugeList = (response: Response, items: number): Response => {
  if (response.status !== 200) return response
  const job = (index: number) =>
    `${index === 0 ? "" : ","}{"id":"video_${index}","object":"video","status":"queued","created_at":0}`
  const jobs = Stream.unfold(0, (from) => {
    if (from >= items) return Option.none()
    const until = Math.min(items, from + batchSize)
    return Option.some([Array.from({ length: until - from }, (_, index) => job(from + index)).join(""), until] as const)
  })
  const text = Stream.make('{"object":"list","data":[').pipe(
    Stream.concat(jobs),
    Stream.concat(Stream.make('],"has_more":false}'))
  )
  return withBytes(
    response,
    Stream.map(text, (part) => encoder.encode(part)),
    null
  )
}
