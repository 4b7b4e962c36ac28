/** How much of a response's body is read. */
import { concatBytes } from "../bytes.js"
import type { Limits } from "../config/configTypes.js"
import type { ResponseHead, WholeResponse } from "./transport.js"

/** @internal */
export const isOk = (status: number): boolean => status >= 200 && status < 300

// Without `stream: true` a decoder keeps nothing between two texts.
const decoder = new TextDecoder()

/** Collects a body as it comes, up to the limit of its status. */
export class BodyCollector {
  private readonly chunks: Array<Uint8Array> = []
  private length = 0
  private readonly limit: number

  constructor(status: number, { errorBytes, jsonBytes }: Limits) {
    this.limit = isOk(status) ? jsonBytes : errorBytes
  }

  /** Whether more of the body is wanted. */
  add(chunk: Uint8Array): boolean {
    this.chunks.push(chunk)
    this.length += chunk.byteLength
    return this.length <= this.limit
  }

  responseOf({ headers, status }: ResponseHead): WholeResponse {
    return { status, headers, text: this.text(), isTruncated: this.length > this.limit }
  }

  private text(): string {
    const { chunks } = this
    // Most bodies are one chunk, which needs no copy.
    return decoder.decode(chunks.length === 1 ? chunks[0] : concatBytes(chunks))
  }
}
