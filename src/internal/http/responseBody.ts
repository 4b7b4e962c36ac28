/** An answer with its body, as every way of sending hands it over; and how much of a body is read. */
import * as Headers from "@effect/platform/Headers"
import type { Limits } from "../config/configTypes.js"

/** @internal */
export interface Answer {
  readonly status: number
  readonly headers: Headers.Headers
  /** The body, or as much of it as its limit allows. */
  readonly text: string
  /** Whether the body was longer than its limit. */
  readonly isCut: boolean
}

/** An answer whose headers are read where they are asked for: most callers look at the body alone. */
export class LazyAnswer implements Answer {
  readonly status: number
  readonly text: string
  readonly isCut: boolean
  private readonly received: Headers.Input | undefined

  constructor(status: number, received: Headers.Input | undefined, body: BodyText) {
    this.status = status
    this.received = received
    this.text = body.text()
    this.isCut = body.isCut
  }
  get headers(): Headers.Headers {
    return Headers.fromInput(this.received)
  }
}

/** @internal */
export const isOk = (status: number): boolean => status >= 200 && status < 300

/** So many bytes of an answer's body are taken. */
export const limitOf = (status: number, { errorBytes, jsonBytes }: Limits): number =>
  isOk(status) ? jsonBytes : errorBytes

// Without `stream: true` a decoder keeps nothing between two texts.
const decoder = new TextDecoder()

/** Collects a body as it comes, up to its limit. */
export class BodyText {
  private readonly chunks: Array<Uint8Array> = []
  private length = 0
  private readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  get isCut(): boolean {
    return this.length > this.limit
  }

  /** Whether there is room for more. */
  add(chunk: Uint8Array): boolean {
    this.chunks.push(chunk)
    this.length += chunk.byteLength
    return !this.isCut
  }

  text(): string {
    const { chunks } = this
    if (chunks.length === 0) return ""
    if (chunks.length === 1) return decoder.decode(chunks[0])
    const whole = new Uint8Array(this.length)
    let offset = 0
    for (const chunk of chunks) {
      whole.set(chunk, offset)
      offset += chunk.byteLength
    }
    return decoder.decode(whole)
  }
}
