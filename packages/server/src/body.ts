/** Decodes the fields of a request body, from JSON or from a form. */
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
 * Which request bodies the server accepts.
 *
 * - `any`: JSON and forms.
 * - `form`: forms; any other body counts as an empty form.
 * - `json`: JSON.
 * - `lenient`: JSON and forms; text that is not JSON counts as an empty object.
 */
export type BodyRule = "any" | "form" | "json" | "lenient"

const badBody = (message: string) => refuse(400, message, { code: "invalid_body" })

/** Keeps the first value of each name. The prototype is `null` because a field can have any name. */
const fieldsOf = (form: Multipart.Persisted): Fields =>
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

export const isForm = (request: HttpServerRequest.HttpServerRequest): boolean =>
  (request.headers["content-type"] ?? "").toLowerCase().startsWith("multipart/form-data")

/** Returns the boundary between the parts of the form, or `null` if `Content-Type` names none. */
const boundaryOf = (request: HttpServerRequest.HttpServerRequest): string | null => {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(request.headers["content-type"] ?? "") ?? []
  return quoted ?? plain ?? null
}

/** Streams the body. An unread rest does not destroy the socket, because the server still has to send a response. */
const bytesOf = (request: HttpServerRequest.HttpServerRequest): Stream.Stream<Uint8Array, unknown> =>
  request.source instanceof Readable
    ? Stream.fromAsyncIterable<Uint8Array, unknown>(
        request.source.iterator({ destroyOnReturn: false }),
        (cause) => cause
      )
    : request.stream

/**
 * Parses the form and writes its files to disk. If the body ends before the last boundary, this function appends one and
 * then refuses the form: without the boundary, the parser of the platform never ends, or loops for ever inside a file.
 */
const parseForm = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.suspend(() => {
    const unreadable = (why: string) => badBody(`The form could not be read: ${why}.`)
    const boundary = boundaryOf(request)
    if (boundary === null) return Effect.fail(unreadable("its Content-Type names no boundary"))
    const last = Buffer.from(`\r\n--${boundary}--`)
    // The last boundary can be the first bytes of the body; a line break before it makes the match uniform.
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
        // If the body ends inside the headers of a part, the parser throws a defect.
        if (!isClosed && !Cause.isInterrupted(cause)) return Effect.fail(unreadable(unfinished))
        return Effect.mapError(Effect.failCause(cause), ({ reason }) => unreadable(reason))
      },
      onSuccess: (form) => (isClosed ? Effect.succeed(form) : Effect.fail(unreadable(unfinished)))
    })
  })

type Form = ReturnType<typeof parseForm>

const forms = new WeakMap<object, Form>()

/** Parses a form once per request: `Fault.duplicate` runs a submission twice, but the body can be read only once. */
const formOf = (request: HttpServerRequest.HttpServerRequest): Form =>
  Effect.suspend(() => {
    const read = forms.get(request)
    if (read !== undefined) return read
    return Effect.flatMap(Effect.cached(parseForm(request)), (once) => {
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
      return Effect.map(formOf(request), fieldsOf)
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
