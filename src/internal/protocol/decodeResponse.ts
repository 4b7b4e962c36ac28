/** Decodes responses into resources. */
import * as Either from "effect/Either"
import * as Errors from "../errors/errors.js"
import { clip, maxDetail, readErrorBody } from "../http/errorBody.js"
import type { VideosCall, VideosResponse } from "../http/httpTypes.js"
import { makeRedactCall } from "../http/redaction.js"
import type { Dialect } from "./dialect.js"
import { toProtocol } from "./dialectResponse.js"
import * as wire from "./jsonReaders.js"
import type { ListPage } from "./listCursor.js"
import { characterFromWire, fromWire } from "./videoDecoder.js"
import { isId } from "./videoId.js"
import * as Schema from "./videoSchemas.js"

/** A resource, or what is wrong with the body. */
type Decoded<A> = Either.Either<A, string>

/** Which dialect a response belongs to, if it is not the one that is set. */
const otherDialect = (body: wire.JsonObject, dialect: Dialect): string => {
  const name =
    typeof body.request_id === "string" && dialect.name !== "xai"
      ? "xai"
      : typeof body.polling_url === "string" && dialect.name !== "openrouter"
        ? "openrouter"
        : null
  return name === null ? "" : `. It belongs to the dialect \`${name}\`: set \`dialect: "${name}"\``
}

/** What was seen of a job before, by its id. */
type Known = (id: string) => Schema.VideoResource | null

/** What `Schema.VideoResource` decodes to, and `null` if it fails, at a third of the cost: pages are read by the hundred. */
const videoIn = (body: unknown, known?: Known): Schema.VideoResource | null => {
  if (!wire.isObject(body)) return null
  const id = wire.jobId(body)
  const last = id === null ? null : (known?.(id) ?? null)
  return last !== null || isId(id) ? fromWire(body.id === id ? body : { ...body, id }, last) : null
}

/** The error of a response that cannot be decoded. */
export const undecodable = (call: VideosCall, response: VideosResponse, detail: string): Errors.ResponseDecodeError => {
  const redact = makeRedactCall(call)
  return new Errors.ResponseDecodeError({
    operation: call.operation,
    route: `${call.request.method} ${call.request.url}`,
    status: response.status,
    requestId: response.requestId,
    reason: "shape",
    detail: redact(detail),
    body: redact(JSON.stringify(response.body) ?? "").slice(0, maxDetail)
  })
}

export const orUndecodable = <A>(
  call: VideosCall,
  response: VideosResponse,
  decoded: Decoded<A>
): Either.Either<A, Errors.ResponseDecodeError> =>
  Either.mapLeft(decoded, (detail) => undecodable(call, response, detail))

const kindOf = (body: unknown): string =>
  body === null
    ? "null"
    : Array.isArray(body)
      ? `an array of ${body.length}`
      : wire.isObject(body)
        ? "an object"
        : `a ${typeof body}`

const whyNot = (body: wire.JsonObject, otherwise: string): string => {
  const { message } = readErrorBody(JSON.stringify(body))
  return "error" in body || "detail" in body || "message" in body
    ? `${otherwise}, but says: ${clip(message)}`
    : otherwise
}

const idProblem = ({ id }: wire.JsonObject): string =>
  typeof id === "number" || wire.isObject(id) ? "its `id` is not an integer that can be read exactly" : "it has no `id`"

/** The response to a submission. Without an id, the job could never be read. */
export const decodeSubmission = (sent: unknown, dialect: Dialect): Decoded<Schema.VideoResource> => {
  if (!wire.isObject(sent)) return Either.left(`it is ${kindOf(sent)}, not a video`)
  const body = toProtocol(sent, dialect, true)
  const job = wire.jobIn(body, (inner) => wire.jobId(inner) !== null)
  if (wire.jobId(job) === null) return Either.left(`${whyNot(sent, idProblem(sent))}${otherDialect(sent, dialect)}`)
  return Either.fromNullable(videoIn(job), () => "its `id` cannot be used in a URL")
}

/** The response to a poll of a job. The job keeps the requested id: some servers change or blank it. */
export const decodePoll = (received: unknown, id: string, dialect: Dialect): Decoded<Schema.VideoResource> => {
  const isEmpty = received === null && dialect.response?.isEmptyWhilePending === true
  const sent = isEmpty ? { status: "pending" } : received
  if (!wire.isObject(sent)) return Either.left(`it is ${kindOf(sent)}, not a video`)
  const body = toProtocol(sent, dialect)
  // An envelope may have a `status` of its own.
  const job = wire.jobIn(
    body,
    (inner) => wire.text(inner.status) !== null && (wire.text(body.status) === null || wire.jobId(inner) !== null)
  )
  if (typeof job.status !== "string" && typeof job.status !== "number" && job.object !== "video") {
    return Either.left(`${whyNot(sent, "it has no `status`")}${otherDialect(sent, dialect)}`)
  }
  return Either.right(fromWire(job.id === id ? job : { ...job, id }))
}

/** A character, created or read. */
export const decodeCharacter = (body: unknown): Decoded<Schema.VideoCharacter> => {
  if (!wire.isObject(body)) return Either.left(`it is ${kindOf(body)}, not a character`)
  return wire.id(body.id) === null && typeof body.name !== "string"
    ? Either.left(whyNot(body, "it has no `id`"))
    : Either.right(characterFromWire(body))
}

const says = (value: unknown): boolean => value !== undefined && value !== null && value !== "" && value !== false

/** Whether a body reports an error, whatever its HTTP status: in the protocol's envelope, FastAPI's, or `{ code, message }`. */
const reportsError = ({ code, detail, error, message, msg, success }: wire.JsonObject): boolean =>
  says(error) ||
  says(detail) ||
  success === false ||
  ((says(message) || says(msg)) && !["", "0", "200", "ok", "success"].includes(String(code ?? "-").toLowerCase()))

/**
 * The jobs of a page. A list without jobs is also written as `null` (Go's nil slice), left out (Go's `omitempty`), or as an
 * empty object (Lua's cjson).
 */
const itemsOf = (body: unknown): ReadonlyArray<unknown> | null => {
  if (Array.isArray(body)) return body
  if (!wire.isObject(body)) return null
  const { data } = body
  if (Array.isArray(data)) return data
  const isList = body.object === "list" || typeof body.has_more === "boolean"
  const isEmpty =
    data === null || (isList && (data === undefined || (wire.isObject(data) && Object.keys(data).length === 0)))
  return isEmpty && !reportsError(body) ? [] : null
}

/** A page: the protocol's `{ data, has_more, last_id }`, less whatever a server leaves out, or a bare array. */
export const decodeList = (body: unknown, dialect: Dialect, known?: Known): Decoded<ListPage> => {
  const items = itemsOf(body)
  if (items === null) {
    if (!wire.isObject(body)) return Either.left(`it is ${kindOf(body)}, not a list`)
    const { data } = body
    return Either.left(whyNot(body, says(data) ? `its \`data\` is ${kindOf(data)}, not an array` : "it has no `data`"))
  }
  const videos: Array<Schema.VideoResource> = []
  for (const [index, item] of items.entries()) {
    const video = videoIn(wire.isObject(item) ? toProtocol(item, dialect) : item, known)
    if (video === null) return Either.left(`its item ${index} is not a video with an \`id\``)
    videos.push(video)
  }
  const { has_more: hasMore, last_id: lastId } = wire.isObject(body) ? body : ({} as wire.JsonObject)
  const cursor = wire.id(lastId)
  return Either.right({
    videos,
    hasMore: typeof hasMore === "boolean" ? hasMore : null,
    lastId: isId(cursor) ? cursor : null
  })
}

/** The result of a deletion: `{ deleted }`, the job itself (SGLang, TeleFuser), or nothing at all (204). */
export const decodeDeletion = (body: unknown, id: string, dialect: Dialect): Decoded<Schema.DeletedVideo> => {
  const deleted = { id: id as Schema.VideoId, deleted: true, video: null }
  if (body === null) return Either.right(deleted)
  if (!wire.isObject(body)) return Either.left(`it is ${kindOf(body)}, not a deletion`)
  if (typeof body.deleted === "boolean") return Either.right({ ...deleted, deleted: body.deleted })
  if (typeof body.status !== "string") return Either.left(whyNot(body, "it says nothing"))
  return Either.map(decodePoll(body, id, dialect), (video) => ({
    ...deleted,
    deleted: Schema.phaseOf(video) === "failed",
    video
  }))
}
