/** Requests that make something: a value in, the call to send out, or what is wrong with the value. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Errors from "../errors/errors.js"
import type { Sending, SubmitOptions, VideosCall } from "../http/httpTypes.js"
import { randomId } from "../randomId.js"
import * as wire from "./jsonReaders.js"
import * as Requests from "./requestSchemas.js"
import { checkOptions, encodeRequest, idSegment, invalid, jsonText } from "./validateRequest.js"
import { isVideoFile, type VideoFile } from "./videoFile.js"

/** A submission that is ready to go, with the key that it carries on every try. */
export interface Submission {
  readonly call: VideosCall & { readonly body: wire.JsonObject; readonly sending: Sending }
  readonly idempotencyKey: string
  /** The file that goes along, and the name of its field. */
  readonly file: { readonly field: string; readonly file: VideoFile } | null
}

type Encode = (request: unknown) => Either.Either<object, Errors.InvalidRequestError>

/** Leaves out what is `undefined`, which strict encoding would take for a value. */
const defined = (fields: { readonly [name: string]: unknown }): { readonly [name: string]: unknown } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

const prepare = (parts: {
  readonly operation: Errors.Operation
  readonly path: string
  readonly encode: Encode
  readonly fields: { readonly [name: string]: unknown }
  readonly extraBody: object | undefined
  readonly options: SubmitOptions | undefined
  readonly file?: Submission["file"]
  /** The job that this derives from, by id. */
  readonly source?: string | undefined
}): Effect.Effect<Submission, Errors.InvalidRequestError> =>
  Effect.gen(function* () {
    const { encode, extraBody, fields, file = null, operation, options, path, source } = parts
    yield* checkOptions(operation, options)
    const body = yield* encode(defined(fields))
    // Through text: what no JSON can hold is found here, and what is sent is plain data.
    const json = yield* jsonText(operation, body, extraBody)
    const idempotencyKey = options?.idempotencyKey ?? randomId()
    return {
      idempotencyKey,
      file,
      call: {
        operation,
        kind: "submit",
        request: HttpClientRequest.setHeader(HttpClientRequest.post(path), "idempotency-key", idempotencyKey),
        body: JSON.parse(json),
        options,
        videoId: source,
        sending: { mayHaveActed: true }
      }
    }
  })

const encodeCreate = encodeRequest("createVideo", Requests.CreateVideoBody)
const encodeExtend = encodeRequest("extendVideo", Requests.ExtendVideoBody)
const encodeExtendForm = encodeRequest("extendVideo", Requests.ExtendVideoForm)
const encodeEdit = encodeRequest("editVideo", Requests.EditVideoBody)
const encodeEditForm = encodeRequest("editVideo", Requests.PromptBody)
const encodeRemix = encodeRequest("remixVideo", Requests.PromptBody)
const encodeCharacter = encodeRequest("createCharacter", Requests.CharacterBody)

/** `POST /videos`. */
export const createRequest = (request: Requests.CreateVideoRequest, options: SubmitOptions | undefined) => {
  const { extraBody, inputReference, ...fields } = request
  const picture = isVideoFile(inputReference)
  return prepare({
    operation: "createVideo",
    path: "/videos",
    encode: encodeCreate,
    fields: picture ? fields : { ...fields, inputReference },
    extraBody,
    options,
    file: picture ? { field: "input_reference", file: inputReference } : null
  })
}

const referenceOf = (video: unknown): unknown =>
  typeof video === "string" ? { id: video } : wire.isObject(video) ? { id: video.id } : video

const sourceId = (reference: unknown): string | undefined =>
  wire.isObject(reference) && typeof reference.id === "string" ? reference.id : undefined

/** A clip out of another: of a job by reference, or of a file beside the fields. */
const derivation =
  (operation: "extendVideo" | "editVideo", path: string, encode: Encode, encodeForm: Encode) =>
  (request: Requests.ExtendVideoRequest | Requests.EditVideoRequest, options: SubmitOptions | undefined) => {
    const { extraBody, video, ...fields } = request
    if (isVideoFile(video)) {
      const file = { field: "video", file: video }
      return prepare({ operation, path, encode: encodeForm, fields, extraBody, options, file })
    }
    const reference = referenceOf(video)
    const source = sourceId(reference)
    return prepare({ operation, path, encode, fields: { ...fields, video: reference }, extraBody, options, source })
  }

/** `POST /videos/extensions`. */
export const extendRequest = derivation("extendVideo", "/videos/extensions", encodeExtend, encodeExtendForm)

/** `POST /videos/edits`. */
export const editRequest = derivation("editVideo", "/videos/edits", encodeEdit, encodeEditForm)

/** `POST /videos/{id}/remix`. */
export const remixRequest = (request: Requests.RemixVideoRequest, options: SubmitOptions | undefined) => {
  const { extraBody, video, ...fields } = request
  const id = sourceId(referenceOf(video))
  return Effect.flatMap(idSegment("remixVideo", "video", id), (segment) =>
    prepare({
      operation: "remixVideo",
      path: `/videos/${segment}/remix`,
      encode: encodeRemix,
      fields,
      extraBody,
      options,
      source: id
    })
  )
}

/** `POST /videos/characters`. */
export const characterRequest = (request: Requests.CreateCharacterRequest, options: SubmitOptions | undefined) => {
  const { video, ...fields } = request
  return isVideoFile(video)
    ? prepare({
        operation: "createCharacter",
        path: "/videos/characters",
        encode: encodeCharacter,
        fields,
        extraBody: undefined,
        options,
        file: { field: "video", file: video }
      })
    : Effect.fail(invalid("createCharacter", "video", video, "a VideoFile"))
}
