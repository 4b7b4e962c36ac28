/** Requests that make something: a value in, the call to send out, or what is wrong with the value. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import { revealed } from "../config/validateConfig.js"
import type * as Errors from "../errors/errors.js"
import type { Sending, SubmitOptions, VideosCall } from "../http/httpTypes.js"
import { randomId } from "../randomId.js"
import type { Dialect } from "./dialect.js"
import * as wire from "./jsonReaders.js"
import { describeRange, isInRange } from "./requestBody.js"
import * as Requests from "./requestSchemas.js"
import { checkOptions, encodeRequest, invalid, pathOf } from "./validateRequest.js"
import { isVideoFile, type VideoFile } from "./videoFile.js"

/** A submission that is ready to be sent, with the key that each of its attempts carries. */
export interface Submission {
  readonly call: VideosCall & { readonly body: wire.JsonObject; readonly sending: Sending }
  readonly idempotencyKey: string
  /** The file that goes along, and the name of its field. */
  readonly file: { readonly field: string; readonly file: VideoFile } | null
}

/** What the body of each operation may have. */
const encoders = {
  createVideo: encodeRequest("createVideo", Requests.CreateVideoBody),
  extendVideo: encodeRequest("extendVideo", Requests.ExtendVideoBody),
  editVideo: encodeRequest("editVideo", Requests.EditVideoBody),
  remixVideo: encodeRequest("remixVideo", Requests.PromptBody),
  createCharacter: encodeRequest("createCharacter", Requests.CharacterBody)
}

const withoutSource = {
  ...encoders,
  extendVideo: encodeRequest("extendVideo", Requests.ExtendVideoForm),
  editVideo: encodeRequest("editVideo", Requests.PromptBody)
}

const checkSeconds = (dialect: Dialect, operation: Errors.Operation, { seconds }: wire.JsonObject) => {
  const range = dialect.seconds[operation === "extendVideo" ? "extend" : "create"]
  return seconds === undefined || (typeof seconds === "number" && isInRange(seconds, range))
    ? Effect.void
    : invalid(operation, "seconds", seconds, `${describeRange(range)} in the dialect \`${dialect.name}\``)
}

/** Fields that only some dialects have: they are no part of the protocol's bodies. */
const dialectFields = (
  dialect: Dialect,
  operation: Errors.Operation,
  { callback, model }: Requests.DialectFields
): Effect.Effect<wire.JsonObject, Errors.InvalidRequestError> => {
  const named = model === undefined ? {} : { model }
  if (callback === undefined) return Effect.succeed(named)
  const field = dialect.callbackField
  if (field === undefined) {
    return invalid(operation, "callback", callback, `left out: the dialect \`${dialect.name}\` has no callbacks`)
  }
  return Effect.succeed({
    ...named,
    [field]: callback.url,
    ...(callback.secret === undefined ? {} : { callback_secret: revealed(callback.secret) })
  })
}

const prepare = (
  dialect: Dialect,
  operation: keyof typeof encoders,
  parts: {
    readonly fields: wire.JsonObject
    readonly more?: Requests.DialectFields
    readonly options: SubmitOptions | undefined
    readonly file?: Submission["file"]
    /** The job that this derives from, by id. */
    readonly source?: unknown
    /** Its source, if that is not a job. */
    readonly elsewhere?: wire.JsonObject | undefined
  }
): Effect.Effect<Submission, Errors.InvalidRequestError> =>
  Effect.gen(function* () {
    const { elsewhere, fields, file = null, more = {}, options, source } = parts
    yield* checkOptions(operation, options)
    const path = yield* pathOf(dialect, operation, "video", source)
    yield* checkSeconds(dialect, operation, fields)
    const isJob = file === null && elsewhere === undefined
    const body = yield* (isJob ? encoders : withoutSource)[operation](Record.filter(fields, Predicate.isNotUndefined))
    const own = yield* dialectFields(dialect, operation, more)
    const { extraBody } = more
    // Through text: what no JSON can hold is found here, and what is sent is plain data. A server's own parameters win.
    const plain = yield* Effect.try({
      try: () => JSON.parse(JSON.stringify({ ...(elsewhere && { video: elsewhere }), ...body, ...own, ...extraBody })),
      catch: () => invalid(operation, "extraBody", extraBody, "a JSON object (no cycles, no bigint)")
    })
    const idempotencyKey = options?.idempotencyKey ?? randomId()
    return {
      idempotencyKey,
      file,
      call: {
        operation,
        kind: "submit",
        request: HttpClientRequest.setHeader(HttpClientRequest.post(path), "idempotency-key", idempotencyKey),
        body: plain,
        options,
        videoId: typeof source === "string" ? source : undefined,
        sending: { mayHaveActed: true }
      }
    }
  })

/** `POST /videos`. */
export const createRequest = (
  dialect: Dialect,
  request: Requests.CreateVideoRequest,
  options: SubmitOptions | undefined
) => {
  const { callback, extraBody, inputReference, ...fields } = request
  const file = isVideoFile(inputReference) ? { field: "input_reference", file: inputReference } : null
  return prepare(dialect, "createVideo", {
    fields: file === null ? { ...fields, inputReference } : fields,
    more: { callback, extraBody },
    options,
    file
  })
}

const referenceOf = (video: unknown): unknown =>
  typeof video === "string" ? { id: video } : wire.isObject(video) ? { id: video.id } : video

/** A source that is not a job. */
const elsewhereOf = (video: unknown): wire.JsonObject | null => {
  if (!wire.isObject(video)) return null
  if (typeof video.url === "string") return { url: video.url }
  return typeof video.fileId === "string" ? { file_id: video.fileId } : null
}

/** A clip out of another: of a job, a URL or an uploaded file by reference, or of a file beside the fields. */
const derivation =
  (operation: "extendVideo" | "editVideo") =>
  (
    dialect: Dialect,
    request: Requests.ExtendVideoRequest | Requests.EditVideoRequest,
    options: SubmitOptions | undefined
  ) => {
    const { callback, extraBody, model, video, ...fields } = request
    const more = { callback, extraBody, model }
    if (isVideoFile(video))
      return prepare(dialect, operation, { fields, more, options, file: { field: "video", file: video } })
    const elsewhere = elsewhereOf(video)
    if (elsewhere !== null) return prepare(dialect, operation, { fields, more, options, elsewhere })
    const reference = referenceOf(video)
    const source = wire.isObject(reference) ? reference.id : undefined
    return prepare(dialect, operation, { fields: { ...fields, video: reference }, more, options, source })
  }

/** `POST /videos/extensions`. */
export const extendRequest = derivation("extendVideo")

/** `POST /videos/edits`. */
export const editRequest = derivation("editVideo")

/** `POST /videos/{id}/remix`. */
export const remixRequest = (
  dialect: Dialect,
  request: Requests.RemixVideoRequest,
  options: SubmitOptions | undefined
) => {
  const { extraBody, video, ...fields } = request
  const reference = referenceOf(video)
  const source = wire.isObject(reference) ? reference.id : undefined
  return prepare(dialect, "remixVideo", { fields, more: { extraBody }, options, source })
}

/** `POST /videos/characters`. */
export const characterRequest = (
  dialect: Dialect,
  request: Requests.CreateCharacterRequest,
  options: SubmitOptions | undefined
) => {
  const { video, ...fields } = request
  return isVideoFile(video)
    ? prepare(dialect, "createCharacter", { fields, options, file: { field: "video", file: video } })
    : invalid("createCharacter", "video", video, "a VideoFile")
}
