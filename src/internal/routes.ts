/**
 * Each route in two pure halves: `…Request` (a value in, the call to send out, or what is wrong with the value) and
 * `…Response` (an answer in, the resource out, or why it is none).
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Errors from "../Errors.js"
import type { CallOptions, SubmitOptions, VideosCall, VideosResponse } from "../Http.js"
import * as Schema from "../Schema.js"
import type { VideoFile } from "../VideoFile.js"
import { isVideoFile } from "../VideoFile.js"
import type { ContentOptions, CreateVideoRequest, ExtendVideoRequest } from "../Videos.js"
import { clip, maxDetail, readErrorBody } from "./errorBody.js"
import { randomId } from "./randomId.js"
import { checkOptions, encodeRequest, idSegment, jsonText } from "./request.js"
import * as wire from "./wire.js"

// -----------------------------------------------------------------------------
// requests
// -----------------------------------------------------------------------------

/** A submission that is ready to go, with the key that it carries on every try. */
export interface Submission {
  readonly call: VideosCall
  readonly idempotencyKey: string
}

const submission = (
  operation: Errors.Operation,
  path: string,
  options: SubmitOptions | undefined,
  videoId?: string
): Submission => {
  const idempotencyKey = options?.idempotencyKey ?? randomId()
  return {
    idempotencyKey,
    call: {
      operation,
      kind: "submit",
      request: HttpClientRequest.setHeader(HttpClientRequest.post(path), "idempotency-key", idempotencyKey),
      options,
      videoId
    }
  }
}

const withJson = ({ call, idempotencyKey }: Submission, json: string): Submission => ({
  idempotencyKey,
  call: { ...call, request: HttpClientRequest.bodyText(call.request, json, "application/json") }
})

/** Leaves out what is `undefined`, which strict encoding would take for a value. */
const defined = (fields: { readonly [name: string]: unknown }): { readonly [name: string]: unknown } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

const encodeCreate = encodeRequest("createVideo", Schema.CreateVideoBody)
const encodeExtend = encodeRequest("extendVideo", Schema.ExtendVideoBody)
const encodeExtendForm = encodeRequest("extendVideo", Schema.ExtendVideoForm)

/** `POST /videos` with a JSON body. */
export const createRequest = (
  request: CreateVideoRequest,
  options: SubmitOptions | undefined
): Effect.Effect<Submission, Errors.InvalidRequestError> => {
  const { extraBody, ...fields } = request
  return Effect.gen(function* () {
    yield* checkOptions("createVideo", options)
    const body = yield* encodeCreate(defined(fields))
    const json = yield* jsonText("createVideo", body, extraBody)
    return withJson(submission("createVideo", "/videos", options), json)
  })
}

/** An extension: of a job by reference (JSON), or of a file (multipart, whose file is sent beside the call). */
export type ExtendSubmission =
  | { readonly _tag: "Reference"; readonly submission: Submission; readonly source: string }
  | {
      readonly _tag: "File"
      readonly submission: Submission
      readonly file: VideoFile
      readonly fields: { readonly [name: string]: string }
    }

/** `POST /videos/extensions`. */
export const extendRequest = (
  request: ExtendVideoRequest,
  options: SubmitOptions | undefined
): Effect.Effect<ExtendSubmission, Errors.InvalidRequestError> => {
  const { extraBody, video, ...fields } = request
  const path = "/videos/extensions"
  return Effect.gen(function* () {
    yield* checkOptions("extendVideo", options)
    if (isVideoFile(video)) {
      const form = yield* encodeExtendForm(defined(fields))
      const json = yield* jsonText("extendVideo", form, extraBody)
      return {
        _tag: "File",
        submission: submission("extendVideo", path, options),
        file: video,
        fields: formFields(JSON.parse(json))
      }
    }
    const reference = typeof video === "string" ? { id: video } : wire.isObject(video) ? { id: video.id } : video
    const body = yield* encodeExtend(defined({ ...fields, video: reference }))
    const json = yield* jsonText("extendVideo", body, extraBody)
    const source = body.video.id
    return { _tag: "Reference", submission: withJson(submission("extendVideo", path, options, source), json), source }
  })
}

/** A form has texts only: what is no text travels as JSON, which is what servers of the family parse there. */
const formFields = (body: wire.JsonObject): { readonly [name: string]: string } =>
  Object.fromEntries(
    Object.entries(body).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)])
  )

const withId = (
  operation: Errors.Operation,
  id: string,
  options: CallOptions | undefined,
  call: (segment: string) => Omit<VideosCall, "operation" | "videoId" | "options">
): Either.Either<VideosCall, Errors.InvalidRequestError> =>
  Either.flatMap(checkOptions(operation, options), () =>
    Either.map(idSegment(operation, "id", id), (segment) => ({ ...call(segment), operation, videoId: id, options }))
  )

/** `GET /videos/{id}`. */
export const retrieveRequest = (operation: Errors.Operation, id: string, options: CallOptions | undefined) =>
  withId(operation, id, options, (segment) => ({
    kind: "read",
    request: HttpClientRequest.get(`/videos/${segment}`),
    isAnswer: isVideo
  }))

/** `GET /videos/{id}/content`. */
export const contentRequest = (id: string, options: ContentOptions | undefined) =>
  withId("downloadVideo", id, options, (segment) => ({
    kind: "read",
    request: HttpClientRequest.get(`/videos/${segment}/content`, {
      headers: { accept: "*/*" },
      ...(options?.variant === undefined ? {} : { urlParams: { variant: options.variant } })
    })
  }))

// -----------------------------------------------------------------------------
// responses
// -----------------------------------------------------------------------------

/** vLLM-Omni answers a look at a failed job with the job's own error status and the whole video as its body. */
const isVideo = (body: unknown): boolean =>
  wire.isObject(body) && body.object === "video" && typeof body.status === "string" && body.status !== ""

const decodeVideo = ParseResult.decodeUnknownEither(Schema.VideoResource)

const undecodable = (call: VideosCall, response: VideosResponse, detail: string): Errors.ResponseDecodeError =>
  new Errors.ResponseDecodeError({
    operation: call.operation,
    route: `${call.request.method} ${call.request.url}`,
    status: response.status,
    requestId: response.requestId,
    reason: "shape",
    detail,
    body: (JSON.stringify(response.body) ?? "").slice(0, maxDetail)
  })

const kindOf = (body: unknown): string =>
  body === null ? "null" : Array.isArray(body) ? `an array of ${body.length}` : `a ${typeof body}`

const whyNot = (body: wire.JsonObject, otherwise: string): string => {
  if (typeof body.request_id === "string") {
    return "it has a `request_id` and no `id`: this server speaks another protocol on the same paths (xAI's does)"
  }
  const { message } = readErrorBody(JSON.stringify(body))
  return "error" in body || "detail" in body || "message" in body
    ? `${otherwise}, but says: ${clip(message)}`
    : otherwise
}

/** The answer of a submission: without an id, nobody could ever ask for the job. */
export const submitResponse = (
  call: VideosCall,
  response: VideosResponse
): Either.Either<Schema.VideoResource, Errors.ResponseDecodeError> => {
  const { body } = response
  const fail = (detail: string) => Either.left(undecodable(call, response, detail))
  if (!wire.isObject(body)) return fail(`it is ${kindOf(body)}, not a video`)
  // An id is a text; one that is a number still names the job that was paid for.
  const id = typeof body.id === "number" ? String(body.id) : body.id
  if (typeof id !== "string" || id === "") return fail(whyNot(body, "it has no `id`"))
  return Either.mapLeft(decodeVideo({ ...body, id }), () =>
    undecodable(call, response, "its `id` cannot be used in a URL")
  )
}

/** The answer of a look at a job. The id that was asked for is the job's id for good: servers change or blank it. */
export const retrieveResponse = (
  call: VideosCall,
  response: VideosResponse,
  id: string
): Either.Either<Schema.VideoResource, Errors.ResponseDecodeError> => {
  const { body } = response
  const fail = (detail: string) => Either.left(undecodable(call, response, detail))
  if (!wire.isObject(body)) return fail(`it is ${kindOf(body)}, not a video`)
  if (typeof body.status !== "string" && typeof body.status !== "number" && body.object !== "video") {
    return fail(whyNot(body, "it has no `status`"))
  }
  return Either.mapLeft(decodeVideo(body.id === id ? body : { ...body, id }), () =>
    undecodable(call, response, "it is no video")
  )
}
