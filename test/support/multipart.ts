/** Independent parser of `multipart/form-data`. */
import type { Recorded } from "./server.js"

export interface Part {
  readonly disposition: string
  readonly name: string | undefined
  readonly filename: string | undefined
  readonly type: string | undefined
  readonly body: Buffer
}

const parsePart = (bytes: Buffer): Part => {
  const end = bytes.indexOf("\r\n\r\n")
  const headers = new Map(
    bytes
      .subarray(0, end)
      .toString()
      .split("\r\n")
      .map((line): [string, string] => {
        const colon = line.indexOf(":")
        return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
      })
  )
  const disposition = headers.get("content-disposition") ?? ""
  const parameter = (name: string) => new RegExp(`[; ]${name}="([^"]*)"`).exec(disposition)?.[1]
  return {
    disposition,
    name: parameter("name"),
    filename: parameter("filename"),
    type: headers.get("content-type"),
    body: bytes.subarray(end + 4)
  }
}

/** Returns the parts of a request body, in order. */
export const parseMultipart = ({ body, headers }: Recorded): ReadonlyArray<Part> => {
  const boundary = /^multipart\/form-data; boundary=(\S+)$/.exec(headers["content-type"] ?? "")?.[1]
  if (boundary === undefined) throw new Error(`no multipart: ${headers["content-type"]}`)
  const whole = Buffer.concat([Buffer.from("\r\n"), body])
  const delimiter = Buffer.from(`\r\n--${boundary}`)
  const parts: Array<Part> = []
  let from = whole.indexOf(delimiter)
  if (from !== 0) throw new Error("the body does not begin with its boundary")
  for (;;) {
    const start = from + delimiter.length
    if (whole.length === start + 4 && whole.subarray(start).toString() === "--\r\n") return parts
    if (whole.subarray(start, start + 2).toString() !== "\r\n") throw new Error("no line after a boundary")
    from = whole.indexOf(delimiter, start)
    if (from === -1) throw new Error("the last boundary is missing")
    parts.push(parsePart(whole.subarray(start + 2, from)))
  }
}
