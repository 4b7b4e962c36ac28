/** The fields of a request's body, from JSON or from a form. */
import { Readable } from "node:stream"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Multipart from "@effect/platform/Multipart"
import type * as Path from "@effect/platform/Path"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Fields, type Refusal, refuse, UploadedFile } from "./protocol.js"

/**
 * Which bodies are taken: JSON and forms; forms alone, anything else being read as an empty form; JSON alone; or both,
 * text that is no JSON being read as an empty object.
 */
export type BodyRule = "any" | "form" | "json" | "lenient"

const badBody = (message: string) => refuse(400, message, { code: "invalid_body" })

/** Of several values with one name, the first. A `null` prototype: a field may have any name. */
const readForm = (form: Multipart.Persisted): Fields =>
  Object.assign(
    Object.create(null),
    Object.fromEntries(
      Object.entries(form).map(([name, value]) => {
        const first = typeof value === "string" ? value : value[0]
        return [
          name,
          Multipart.isPersistedFile(first) ? new UploadedFile(first.path, first.name, first.contentType) : first
        ]
      })
    )
  )

/** Whether a request's body is a form. */
export const isForm = (request: HttpServerRequest.HttpServerRequest): boolean =>
  (request.headers["content-type"] ?? "").toLowerCase().startsWith("multipart/form-data")

/** How the form's parts are divided; `null` where that is not said. */
const boundaryOf = (request: HttpServerRequest.HttpServerRequest): string | null => {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(request.headers["content-type"] ?? "") ?? []
  return quoted ?? plain ?? null
}

/** The body as it comes. On a socket it is left open where it is not read to its end: else nobody could be answered. */
const bytesOf = (request: HttpServerRequest.HttpServerRequest): Stream.Stream<Uint8Array, unknown> =>
  request.source instanceof Readable
    ? Stream.fromAsyncIterable<Uint8Array, unknown>(
        request.source.iterator({ destroyOnReturn: false }),
        (cause) => cause
      )
    : request.stream

/**
 * The form's parts, its files on disk. A form that ends before its last boundary gets one: the platform's parser, which
 * waits for it, would never come to an end, or go round for ever in a file. Then it is refused all the same.
 */
const persisted = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.suspend(() => {
    const unreadable = (why: string) => badBody(`The form could not be read: ${why}.`)
    const boundary = boundaryOf(request)
    if (boundary === null) return Effect.fail(unreadable("its Content-Type names no boundary"))
    const last = Buffer.from(`\r\n--${boundary}--`)
    // The first boundary may be the last, with nothing before it.
    let tail = Buffer.from("\r\n")
    let isClosed = false
    const closing = Stream.suspend(() => (isClosed ? Stream.empty : Stream.make(Buffer.concat([last, lineBreak]))))
    const parts = Stream.tap(bytesOf(request), (bytes) =>
      Effect.sync(() => {
        if (isClosed) return
        const seen = Buffer.concat([tail, bytes])
        isClosed = seen.includes(last)
        tail = seen.subarray(-last.length + 1)
      })
    ).pipe(
      Stream.mapError((cause) => new Multipart.MultipartError({ reason: "InternalError", cause })),
      Stream.concat(closing),
      Stream.pipeThroughChannel(Multipart.makeChannel(request.headers))
    )
    return Effect.matchCauseEffect(Multipart.toPersisted(parts), {
      onFailure: (cause): Effect.Effect<never, Refusal> => {
        // Cut inside a part's headers, the parser throws at what follows them.
        if (!isClosed && !Cause.isInterrupted(cause)) return Effect.fail(unreadable(unfinished))
        return Effect.mapError(Effect.failCause(cause), ({ reason }) => unreadable(reason))
      },
      onSuccess: (form) => (isClosed ? Effect.succeed(form) : Effect.fail(unreadable(unfinished)))
    })
  })

type Form = ReturnType<typeof persisted>

const forms = new WeakMap<object, Form>()

/** A form is read once, as the platform reads it: a submission that is carried out twice has one body. */
const formOf = (request: HttpServerRequest.HttpServerRequest): Form =>
  Effect.suspend(() => {
    const read = forms.get(request)
    if (read !== undefined) return read
    return Effect.flatMap(Effect.cached(persisted(request)), (once) => {
      forms.set(request, once)
      return once
    })
  })

const lineBreak = Buffer.from("\r\n")
const unfinished = "it ends before its last boundary"

/** @internal */
export const readBody = (
  rule: BodyRule
): Effect.Effect<
  Fields,
  Refusal,
  HttpServerRequest.HttpServerRequest | Scope.Scope | FileSystem.FileSystem | Path.Path
> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const type = (request.headers["content-type"] ?? "").toLowerCase()
    if (isForm(request)) {
      if (rule === "json") return Effect.fail(badBody("Expected a body of type 'application/json'."))
      return Effect.map(formOf(request), readForm)
    }
    if (rule === "form") return Effect.succeed({})
    if (!type.startsWith("application/json")) {
      return Effect.fail(
        refuse(415, "Expected a body of type 'application/json' or 'multipart/form-data'.", {
          code: "unsupported_media_type"
        })
      )
    }
    const json = Effect.mapError(request.json, () => badBody("The body could not be read as JSON."))
    return Effect.flatMap(rule === "lenient" ? Effect.orElseSucceed(json, () => ({})) : json, (body) =>
      typeof body === "object" && body !== null && !Array.isArray(body)
        ? Effect.succeed(body as Fields)
        : Effect.fail(badBody("Expected a JSON object as the body."))
    )
  })
