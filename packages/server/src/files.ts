/** Serves a file from disk, with conditional requests and single ranges (RFC 9110, sections 13 and 14). */
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { type Refusal, refuse } from "./protocol.js"

/** @internal */
export interface ServedFile {
  readonly path: string
  readonly contentType: string
  readonly filename: string
  /** Entity tag of the bytes, without quotes. */
  readonly tag: string
  /** Whether the server accepts `Range`. */
  readonly ranges: boolean
  readonly headers?: { readonly [name: string]: string } | undefined
}

/** Bytes that a `Range` header requests, both ends included. */
export type ByteRange =
  | { readonly _tag: "Whole" }
  | { readonly _tag: "Part"; readonly first: number; readonly last: number }
  | { readonly _tag: "Unsatisfiable" }

const whole: ByteRange = { _tag: "Whole" }
const unsatisfiable: ByteRange = { _tag: "Unsatisfiable" }

/** Parses `bytes=a-b`, `bytes=a-` or `bytes=-n`. Several ranges, other units and invalid ranges return the whole file. */
export const byteRange = (header: string | undefined, size: number): ByteRange => {
  const match = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header ?? "")
  const [, from = "", to = ""] = match ?? []
  if (match === null || (from === "" && to === "")) return whole
  if (from === "") {
    const length = Math.min(Number(to), size)
    return length === 0 ? unsatisfiable : { _tag: "Part", first: size - length, last: size - 1 }
  }
  const first = Number(from)
  const last = to === "" ? size - 1 : Math.min(Number(to), size - 1)
  if (to !== "" && Number(to) < first) return whole
  return first >= size ? unsatisfiable : { _tag: "Part", first, last }
}

/** Whether a list of entity tags contains the tag, by weak comparison. */
const includesTag = (header: string | undefined, etag: string): boolean =>
  header !== undefined &&
  (header.trim() === "*" || (header.match(/(?:W\/)?"[^"]*"/g) ?? []).some((tag) => tag.replace(/^W\//, "") === etag))

const chunkBytes = 64 * 1024

/** @internal */
export const serveFile = (
  file: ServedFile
): Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  Refusal,
  FileSystem.FileSystem | HttpServerRequest.HttpServerRequest
> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { headers: requestHeaders, method } = yield* HttpServerRequest.HttpServerRequest
    const size = Number((yield* Effect.orDie(fs.stat(file.path))).size)
    const etag = `"${file.tag}"`
    const headers = { etag, ...(file.ranges ? { "accept-ranges": "bytes" } : {}), ...file.headers }
    if (includesTag(requestHeaders["if-none-match"], etag)) return HttpServerResponse.empty({ status: 304, headers })
    // A date cannot match, because the server sends no `last-modified`. A weak tag must not match (RFC 9110, 13.1.5).
    const ifRange = requestHeaders["if-range"]
    const isFresh = ifRange === undefined || ifRange.trim() === etag
    const range = file.ranges && method === "GET" && isFresh ? byteRange(requestHeaders.range, size) : whole
    if (range._tag === "Unsatisfiable") {
      return yield* refuse(416, `The range is not within the ${size} bytes of the file.`, {
        code: "range_not_satisfiable",
        headers: { "content-range": `bytes */${size}`, etag }
      })
    }
    const part = range._tag === "Part" ? range : { first: 0, last: size - 1 }
    const length = part.last - part.first + 1
    return HttpServerResponse.stream(
      fs.stream(file.path, { chunkSize: chunkBytes, bufferSize: 1, offset: part.first, bytesToRead: length }),
      {
        status: range._tag === "Part" ? 206 : 200,
        contentType: file.contentType,
        contentLength: length,
        headers: {
          ...headers,
          "content-disposition": `attachment; filename="${file.filename}"`,
          ...(range._tag === "Part" ? { "content-range": `bytes ${part.first}-${part.last}/${size}` } : {})
        }
      }
    )
  })
