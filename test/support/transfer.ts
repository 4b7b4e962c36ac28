/** Clips, servers that send them correctly or not, and directories for downloads. */
import { createHash } from "node:crypto"
import * as FileSystem from "@effect/platform/FileSystem"
import { Effect } from "effect"
import type { Reply } from "./server.js"

const make = (seed: number, length: number): Buffer => {
  const bytes = Buffer.from(Uint8Array.from({ length }, (_, index) => (index * seed + (index >> 8)) & 0xff))
  bytes.set(Buffer.from("\u0000\u0000\u0000\u0020ftypisom"))
  return bytes
}

export const clip = make(31, 300_000)

/** Another version of the clip of the same job. */
export const other = make(47, 250_000)

type Headers = { readonly [name: string]: string }

export const tagged: Headers = { etag: '"v1"' }

/** Returns the first byte of the requested range; `null` without a range. */
export const startOf = (range: string | undefined): number | null => {
  const from = /^bytes=(\d+)-$/.exec(range ?? "")?.[1]
  return from === undefined ? null : Number(from)
}

const begin = (length: number, status: number, headers: Headers): Headers => ({
  "content-type": "video/mp4",
  ...(status === 200 ? { "content-length": String(length) } : {}),
  ...headers
})

/** Sends the complete file and ignores the range. */
export const whole =
  (bytes: Uint8Array, headers: Headers = {}): Reply =>
  (response) => {
    response.writeHead(200, begin(bytes.byteLength, 200, headers)).end(bytes)
  }

/** Sends the requested range by RFC 9110: 206, or 200 if `If-Range` names another version. */
export const ranged =
  (bytes: Uint8Array, headers: Headers = tagged): Reply =>
  (response, request, index) => {
    const start = startOf(request.headers.range)
    const validator = request.headers["if-range"]
    if (start === null || (validator !== undefined && validator !== (headers["etag"] ?? headers["last-modified"]))) {
      return whole(bytes, headers)(response, request, index)
    }
    const range = `bytes ${start}-${bytes.byteLength - 1}/${bytes.byteLength}`
    response
      .writeHead(206, { "content-type": "video/mp4", "content-range": range, ...headers })
      .end(bytes.subarray(start))
  }

/** Sends the requested range, but closes the connection after `length` bytes. */
export const cut =
  (bytes: Uint8Array, length: number, headers: Headers = tagged): Reply =>
  (response, request) => {
    const start = startOf(request.headers.range) ?? 0
    const end = Math.min(bytes.byteLength, start + length)
    const range = { "content-range": `bytes ${start}-${bytes.byteLength - 1}/${bytes.byteLength}` }
    response.writeHead(
      start === 0 ? 200 : 206,
      start === 0 ? begin(bytes.byteLength, 200, headers) : { "content-type": "video/mp4", ...range, ...headers }
    )
    // Gives the client time to read the first bytes before the connection closes.
    response.write(bytes.subarray(start, end), () => setTimeout(() => response.socket?.destroy(), 250))
  }

/** Makes a directory for the test, and returns functions that read it. */
export const makeFolder = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  return {
    folder,
    list: Effect.map(fs.readDirectory(folder), (names) => [...names].sort()),
    read: (name: string) => Effect.map(fs.readFile(`${folder}/${name}`), Buffer.from)
  }
})

/** Makes the record that an ended download saves with its partial file. */
export const savedOf = (part: Uint8Array) => ({
  bytes: part.byteLength,
  end: createHash("sha256")
    .update(part.subarray(Math.max(0, part.byteLength - 1024 * 1024)))
    .digest("hex")
})

/** Removes the range from a request. */
export const unranged =
  (reply: Reply): Reply =>
  (response, request, index) => {
    const { range: _, ...headers } = request.headers
    reply(response, { ...request, headers }, index)
  }

/** Returns the `reason` of an error, or its tag if it has none. */
export const reasonOf = (error: { readonly _tag: string }): string =>
  "reason" in error && typeof error.reason === "string" ? error.reason : error._tag
