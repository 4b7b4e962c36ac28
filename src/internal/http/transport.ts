/**
 * One HTTP exchange. A request goes in; status, headers and body come out. A transport follows no redirect, and interruption
 * aborts its request. Everything else (budget, timeouts, redirects, spans, decoding, retries) is above it, once.
 *
 * There are three: any `HttpClient` (`clientTransport`), `fetch` (`fetchTransport`) and undici. The last two are carried by an
 * `HttpClient` that is marked with its transport. A program that wraps such a client (`HttpClient.mapRequest`) gets a new
 * client without the mark, and so its wrapper is used.
 */
import type * as Headers from "@effect/platform/Headers"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Stream from "effect/Stream"
import { concatBytes, firstBytes } from "../bytes.js"
import type { Limits } from "../config/configTypes.js"

/** How a request is sent. */
export interface SendOptions {
  /** How much of the body is read. */
  readonly limits: Limits
  /** From the start of the request to the end of the body. */
  readonly timeout: Duration.Duration
  /** To another origin than the server's: options of the client that identify the caller stay behind. */
  readonly isForeign: boolean
  /** Runs before the first byte of the request may leave this machine. */
  readonly onSend: () => void
  /** Runs when the headers of a response are there: its body may break off. */
  readonly onHead: (head: ResponseHead) => void
}

/** A response without its body. */
export interface ResponseHead {
  readonly status: number
  readonly headers: Headers.Headers
}

/** A response, its body read. */
export interface WholeResponse extends ResponseHead {
  /** The body; its beginning if it was longer than its limit. */
  readonly text: string
  /** Whether the body was longer than its limit. */
  readonly isTruncated: boolean
}

/** A response whose body has yet to be read. */
export interface OpenResponse extends ResponseHead {
  readonly stream: Stream.Stream<Uint8Array, HttpClientError.HttpClientError>
}

/** What a transport fails with. */
export type SendError = HttpClientError.HttpClientError | Cause.TimeoutException

/** One of the two functions of a transport. */
export type Send<A> = (
  request: HttpClientRequest.HttpClientRequest,
  options: SendOptions
) => Effect.Effect<A, SendError>

/** @internal */
export interface Transport {
  /**
   * Sends a request and reads the body up to its limit. The body of an error status may break off: the part that came is its
   * text.
   */
  readonly send: Send<WholeResponse>
  /** Sends a request and hands over its body. The timeout is the caller's: it does not end with the head. */
  readonly open: Send<OpenResponse>
}

/** `send` for a request whose body is in memory, or that has none. */
export type SendWhole = (
  request: HttpClientRequest.HttpClientRequest,
  url: string,
  body: Uint8Array | null,
  options: SendOptions
) => Effect.Effect<WholeResponse, SendError>

const sendKey = Symbol.for("effect-videos/SendWhole")

/** A client that is marked with a transport: a new object, because others may use the client without a mark. */
export const withTransport = (client: HttpClient.HttpClient, send: SendWhole): HttpClient.HttpClient =>
  Object.create(client, { [sendKey]: { value: send } })

/** The transport of a client. A body that is a stream, and a download, go by the client itself in any case. */
export const transportOf = (
  client: HttpClient.HttpClient,
  makeClientTransport: (client: HttpClient.HttpClient) => Transport
): Transport => {
  const transport = makeClientTransport(client)
  const sendWhole = (client as { readonly [sendKey]?: SendWhole })[sendKey]
  if (sendWhole === undefined) return transport
  return {
    open: transport.open,
    send: (request, options) => {
      const { body } = request
      if (body._tag !== "Empty" && body._tag !== "Uint8Array") return transport.send(request, options)
      const url = urlOf(request)
      return Either.isLeft(url)
        ? transport.send(request, options)
        : sendWhole(request, url.right, body._tag === "Empty" ? null : body.body, options)
    }
  }
}

const urlOf = (request: HttpClientRequest.HttpClientRequest): Either.Either<string, unknown> =>
  // The base URL, a path of encoded segments and a redirect's URL are valid already.
  request.urlParams.length === 0 && request.hash._tag === "None"
    ? Either.right(request.url)
    : Either.map(UrlParams.makeUrl(request.url, request.urlParams, request.hash), ({ href }) => href)

/** What a transport fails with: the platform's own error, around whatever broke. */
export const exchangeFailed = (
  request: HttpClientRequest.HttpClientRequest,
  cause: unknown
): HttpClientError.HttpClientError => new HttpClientError.RequestError({ request, reason: "Transport", cause })

export const isOk = (status: number): boolean => status >= 200 && status < 300

// Without `stream: true` a decoder keeps nothing between two texts.
const decoder = new TextDecoder()

/** Collects a body as it comes, up to the limit of its status. */
export const collectBody = (status: number, { errorBytes, jsonBytes }: Limits) => {
  const limit = isOk(status) ? jsonBytes : errorBytes
  const chunks: Array<Uint8Array> = []
  let length = 0
  return {
    /** Whether more of the body is wanted. */
    add: (chunk: Uint8Array): boolean => {
      chunks.push(chunk)
      length += chunk.byteLength
      return length <= limit
    },
    responseOf: ({ headers, status }: ResponseHead): WholeResponse => {
      const isTruncated = length > limit
      // Of a body that is too long, an error shows the beginning. Most bodies are one chunk, which needs no copy.
      const bytes = isTruncated ? firstBytes(chunks, errorBytes) : chunks.length === 1 ? chunks[0] : concatBytes(chunks)
      return { status, headers, text: decoder.decode(bytes), isTruncated }
    }
  }
}
