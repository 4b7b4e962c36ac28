/** Answers whose bodies are cut, slowed down, or made longer than anybody wants. */
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

/** An answer's bytes, as this server makes bodies. */
interface Bytes {
  readonly stream: Stream.Stream<Uint8Array, unknown>
  readonly length: number
}

/** `null` where there is no body. */
const bytesOf = ({ body }: Response): Bytes | null =>
  body._tag === "Uint8Array"
    ? { stream: Stream.make(body.body), length: body.body.length }
    : body._tag === "Stream" && body.contentLength !== undefined
      ? { stream: body.stream, length: body.contentLength }
      : null

/** Another body under the same headers, but for its length; `null` where that is not said. */
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

/** The text of a JSON answer; `null` where it is none. */
export const jsonOf = ({ body, headers }: Response): string | null =>
  body._tag === "Uint8Array" && (headers["content-type"] ?? "").startsWith("application/json")
    ? new TextDecoder().decode(body.body)
    : null

/** @internal */
export const withJson = (response: Response, text: string): Response =>
  HttpServerResponse.setBody(response, HttpBody.text(text, "application/json"))

const firstBytes =
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

/** The headers, half of the body, and a reset; an answer without a body is lost whole. `before` happens before the reset. */
export const brokenOff = (
  response: Response,
  wire: WireService,
  before: Effect.Effect<void> = Effect.void
): Effect.Effect<Response> => {
  const bytes = bytesOf(response)
  if (bytes === null || bytes.length === 0) return Effect.zipRight(before, wire.lose)
  return Effect.succeed(
    withBytes(
      response,
      firstBytes(Math.floor(bytes.length / 2))(bytes.stream).pipe(
        Stream.concat(Stream.drain(Stream.fromEffect(before))),
        Stream.concat(wire.cut("reset"))
      ),
      bytes.length
    )
  )
}

/** The first half of a JSON body as if it were the whole. */
export const cutJson = (response: Response): Response => {
  const text = jsonOf(response)
  return text === null ? response : withJson(response, text.slice(0, Math.floor(text.length / 2)))
}

/** @internal */
export const slowed = (response: Response, bytes: number, everyMillis: number): Response => {
  const body = bytesOf(response)
  if (body === null) return response
  const pieces = Stream.mapConcat(body.stream, (chunk) =>
    Array.from({ length: Math.ceil(chunk.length / bytes) }, (_, index) =>
      chunk.subarray(index * bytes, (index + 1) * bytes)
    )
  )
  // Each piece by itself: a stream's chunk would be sent at once.
  const spaced = Stream.tap(pieces, () => Effect.sleep(Duration.millis(everyMillis)))
  // Node keeps the headers back until something is written, be it nothing.
  return withBytes(response, Stream.concat(Stream.make(new Uint8Array(0)), spaced), body.length)
}

/** @internal */
export const misframed = (response: Response, off: number, wire: WireService): Response => {
  const bytes = bytesOf(response)
  if (bytes === null) return response
  const length = Math.max(0, bytes.length + off)
  if (off > 0) return withBytes(response, Stream.concat(bytes.stream, wire.cut("close")), length)
  return withBytes(response, wire.raw ? bytes.stream : firstBytes(length)(bytes.stream), length)
}

const fillerBytes = 64 * 1024

/** What a JSON parser, or a player, skips. */
const fillerOf = (response: Response): Uint8Array =>
  new Uint8Array(fillerBytes).fill(jsonOf(response) === null ? 0 : " ".charCodeAt(0))

/** @internal */
export const endless = (response: Response): Response => {
  const bytes = bytesOf(response)
  if (bytes === null) return response
  return withBytes(response, Stream.concat(bytes.stream, Stream.forever(Stream.make(fillerOf(response)))), null)
}

const mebibyte = 1024 * 1024

/** A gzip file may have many members (RFC 1952, 2.2): one is made, and sent as often as it takes. */
export const bomb = (response: Response, count: number, wire: WireService): Response => {
  const bytes = bytesOf(response)
  if (bytes === null) return response
  const whole = Math.floor(count / mebibyte)
  const filler = new Uint8Array(mebibyte).fill(jsonOf(response) === null ? 0 : " ".charCodeAt(0))
  // A client without a wire has what `fetch` would have made of it.
  const packed = (chunk: Uint8Array): Uint8Array => (wire.raw ? gzipSync(chunk) : chunk)
  const member = packed(filler)
  const stream = Stream.map(bytes.stream, packed).pipe(
    Stream.concat(Stream.take(Stream.forever(Stream.make(member)), whole)),
    Stream.concat(Stream.make(packed(filler.subarray(0, count % mebibyte))))
  )
  return HttpServerResponse.setHeader(withBytes(response, stream, null), "content-encoding", "gzip")
}

const encoder = new TextEncoder()

/** How many jobs are written at a time. */
const batch = 1000

/** A page of jobs that nobody has made. */
export const hugeList = (response: Response, items: number): Response => {
  if (response.status !== 200) return response
  const job = (index: number) =>
    `${index === 0 ? "" : ","}{"id":"video_${index}","object":"video","status":"queued","created_at":0}`
  const jobs = Stream.unfold(0, (from) => {
    if (from >= items) return Option.none()
    const until = Math.min(items, from + batch)
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
